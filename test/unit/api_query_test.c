/* Query strings as SDKs send them: escaped or not, in any order and case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/api_query.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void assert_slice(struct slice s, const char *expected)
{
    if (!slice_is(s, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(s), expected);
}

/* The parameters as the table has them, "key=value;" each. */
static void assert_table(const char *text, const char *expected)
{
    struct api_query q;
    struct buf why = BUF_INIT, table = BUF_INIT;

    assert_int_equal(api_query_parse(&q, slice_of(text), &why), 0);
    for (unsigned i = 0; i < q.n; i++)
        buf_addf(&table, "%.*s=%.*s;", SLICE_ARG(q.params[i].key),
                 SLICE_ARG(q.params[i].value));
    assert_slice(buf_slice(&table), expected);
    assert_int_equal(why.n, 0);
    buf_fini(&table);
    api_query_fini(&q);
}

static void parameters_are_sorted_by_key_and_keep_their_order_among_equals(void **state)
{
    (void)state;
    assert_table("b=1&a=2&c=3", "a=2;b=1;c=3;");
    assert_table("k[]=z&a=1&k[]=a&k[]=m", "a=1;k[]=z;k[]=a;k[]=m;");
    assert_table("ab=1&a=2&a-b=3", "a=2;a-b=3;ab=1;");
}

static void keys_are_decoded_and_get_lower_case_values_keep_theirs(void **state)
{
    (void)state;
    assert_table("Auth_Key=AbC&INFO=X", "auth_key=AbC;info=X;");
    assert_table("%41uth%5fKEY=%41", "auth_key=A;");
    assert_table("info%5B%5D=user_count", "info[]=user_count;");
}

static void values_are_decoded(void **state)
{
    (void)state;
    assert_table("a=x%2Cy", "a=x,y;");
    assert_table("a=x+y%20z", "a=x y z;");
    assert_table("a=%E2%82%AC%c3%bc", "a=\u20ac\u00fc;");
    assert_table("a=%2B%26%3D", "a=+&=;");
}

static void what_is_no_escape_stands_for_itself(void **state)
{
    (void)state;
    assert_table("a=100%", "a=100%;");
    assert_table("a=%zz%4", "a=%zz%4;");
    assert_table("a=%%41", "a=%A;");
}

static void only_the_first_equals_sign_divides(void **state)
{
    (void)state;
    assert_table("a=b=c&d==", "a=b=c;d==;");
}

static void empty_and_missing_pieces_are_taken_as_they_are(void **state)
{
    (void)state;
    assert_table("", "");
    assert_table(NULL, "");
    assert_table("&&a=1&&", "a=1;");
    assert_table("flag&a=", "a=;flag=;");
    assert_table("=x", "=x;");
}

static void a_plain_query_is_borrowed_not_copied(void **state)
{
    struct slice text = SLICE("auth_key=k&info=user_count");
    struct api_query q;
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(api_query_parse(&q, text, &why), 0);
    assert_null(q.scratch.p);
    assert_ptr_equal(api_query_get(&q, "info").p, text.p + 16);
    api_query_fini(&q);
}

static void a_parameter_is_found_by_its_name(void **state)
{
    struct api_query q;
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(api_query_parse(&q, SLICE("a=1&b=&a=2&abc=3"), &why), 0);
    assert_slice(api_query_get(&q, "a"), "1");
    assert_non_null(api_query_get(&q, "b").p);
    assert_int_equal(api_query_get(&q, "b").n, 0);
    assert_null(api_query_get(&q, "ab").p);
    api_query_fini(&q);
}

static void a_name_covers_its_array_forms(void **state)
{
    static const char *const are[] = {"info=", "info[]=", "info%5b0%5D=", "INFO[x]="};
    static const char *const are_not[] = {"inf=", "infos=", "info[=", "info]=", "=info"};

    (void)state;
    for (size_t i = 0; i < COUNT(are) + COUNT(are_not); i++) {
        const char *text = i < COUNT(are) ? are[i] : are_not[i - COUNT(are)];
        struct api_query q;
        struct buf why = BUF_INIT;

        assert_int_equal(api_query_parse(&q, slice_of(text), &why), 0);
        assert_int_equal(api_param_is(&q.params[0], "info"), i < COUNT(are));
        api_query_fini(&q);
    }
}

static int parse_many(unsigned n, size_t padding, struct buf *why)
{
    struct buf text = BUF_INIT;
    struct api_query q;
    int status;

    for (unsigned i = 0; i < n; i++)
        buf_addf(&text, "%sk%u=v", i ? "&" : "", i);
    for (size_t i = 0; i < padding; i++)
        buf_add_char(&text, 'x');
    status = api_query_parse(&q, buf_slice(&text), why);
    api_query_fini(&q);
    buf_fini(&text);
    return status;
}

static void sixty_four_parameters_pass_and_one_more_is_refused(void **state)
{
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(parse_many(64, 0, &why), 0);
    assert_int_equal(parse_many(65, 0, &why), 400);
    assert_string_equal(buf_cstr(&why), "The query string has more than 64 parameters");
    buf_fini(&why);
}

static void a_query_over_8192_bytes_is_refused(void **state)
{
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(parse_many(1, 8192 - 4, &why), 0);
    assert_int_equal(parse_many(1, 8192 - 3, &why), 400);
    assert_string_equal(buf_cstr(&why), "The query string is longer than 8192 bytes");
    buf_fini(&why);
}

static void a_path_is_decoded_without_its_plus_signs(void **state)
{
    struct buf out = BUF_INIT;
    struct slice plain = SLICE("/users/a+b/x");

    (void)state;
    assert_ptr_equal(api_decode(&out, plain, API_PLUS_KEPT).p, plain.p);
    assert_slice(api_decode(&out, SLICE("/users/a%20b+c%2f"), API_PLUS_KEPT),
                 "/users/a b+c/");
    assert_slice(api_decode(&out, SLICE("a+b"), API_PLUS_IS_SPACE), "a b");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_sorted_by_key_and_keep_their_order_among_equals),
        cmocka_unit_test(keys_are_decoded_and_get_lower_case_values_keep_theirs),
        cmocka_unit_test(values_are_decoded),
        cmocka_unit_test(what_is_no_escape_stands_for_itself),
        cmocka_unit_test(only_the_first_equals_sign_divides),
        cmocka_unit_test(empty_and_missing_pieces_are_taken_as_they_are),
        cmocka_unit_test(a_plain_query_is_borrowed_not_copied),
        cmocka_unit_test(a_parameter_is_found_by_its_name),
        cmocka_unit_test(a_name_covers_its_array_forms),
        cmocka_unit_test(sixty_four_parameters_pass_and_one_more_is_refused),
        cmocka_unit_test(a_query_over_8192_bytes_is_refused),
        cmocka_unit_test(a_path_is_decoded_without_its_plus_signs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
