/* An array's items, one after another, out of JSON that was validated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/json_scan.h"

/* The items as they were cut, in angle brackets. */
static void assert_items(const char *text, const char *expected)
{
    struct buf got = BUF_INIT;
    struct json_value array, item;
    struct json_items items;
    const char *why;

    assert_int_equal(json_scan_value(slice_of(text), &array, &why), ERR_NONE);
    items = json_items_of(array.raw);
    while (json_items_next(&items, &item, NULL, 0))
        buf_addf(&got, "<%.*s>", SLICE_ARG(item.raw));
    assert_false(json_items_next(&items, &item, NULL, 0));
    assert_string_equal(buf_cstr(&got), expected);
    buf_fini(&got);
}

static void items_are_cut_verbatim(void **state)
{
    (void)state;
    assert_items("[1,-2.50e3,\"a,]\\\"\",null,true,[1,[2]],{\"a\" : [3]}]",
                 "<1><-2.50e3><\"a,]\\\"\"><null><true><[1,[2]]><{\"a\" : [3]}>");
}

static void space_belongs_to_no_item(void **state)
{
    (void)state;
    assert_items(" [ 1 ,\n\t\"x\" , 2 ] ", "<1><\"x\"><2>");
}

static void an_empty_array_has_no_items(void **state)
{
    (void)state;
    assert_items("[]", "");
    assert_items("[ \n ]", "");
}

static void the_keys_of_each_object_are_its_own(void **state)
{
    struct json_want want[] = {{.name = "a"}, {.name = "b"}};
    struct json_items items =
        json_items_of(SLICE("[{\"a\":1,\"b\":{\"a\":2}}, 5, {\"b\":3}]"));
    struct json_value item;

    (void)state;
    assert_true(json_items_next(&items, &item, want, 2));
    assert_int_equal(item.type, JSON_OBJECT);
    assert_true(slice_is(want[0].value.raw, "1"));
    assert_true(slice_is(want[1].value.raw, "{\"a\":2}"));
    assert_true(json_items_next(&items, &item, want, 2));
    assert_int_equal(item.type, JSON_NUMBER);
    assert_int_equal(want[0].value.type, JSON_ABSENT);
    assert_true(json_items_next(&items, &item, want, 2));
    assert_int_equal(want[0].value.type, JSON_ABSENT);
    assert_true(slice_is(want[1].value.raw, "3"));
    assert_false(json_items_next(&items, &item, want, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_cut_verbatim),
        cmocka_unit_test(space_belongs_to_no_item),
        cmocka_unit_test(an_empty_array_has_no_items),
        cmocka_unit_test(the_keys_of_each_object_are_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
