/* Whom a sign-in's user_data asks to watch (PROTOCOL.md 8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/channel_data.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The ids, "id;" each. */
static void assert_ids(const char *user_data, const char *expected)
{
    struct watchlist w;
    struct buf ids = BUF_INIT;

    assert_null(signin_watchlist(slice_of(user_data), &w));
    assert_false(w.longer);
    for (unsigned i = 0; i < w.n; i++)
        buf_addf(&ids, "%.*s;", SLICE_ARG(w.ids[i]));
    assert_string_equal(buf_cstr(&ids), expected);
    buf_fini(&ids);
    watchlist_fini(&w);
}

static void the_listed_users_come_in_order(void **state)
{
    (void)state;
    assert_ids("{\"id\":\"alice\",\"watchlist\":[\"bob\", \"carol\"]}", "bob;carol;");
    assert_ids("{\"id\":\"a\",\"watchlist\":[\"\\u00fc\",\"x\",\"\\\"\\n\",\"10\"]}",
               "\u00fc;x;\"\n;10;");
}

static void no_watchlist_is_an_empty_one(void **state)
{
    (void)state;
    assert_ids("{\"id\":\"a\"}", "");
    assert_ids("{\"id\":\"a\",\"watchlist\":null}", "");
    assert_ids("{\"id\":\"a\",\"watchlist\":[ ]}", "");
}

static void a_user_is_watched_once(void **state)
{
    (void)state;
    assert_ids("{\"watchlist\":[\"bob\",\"carol\",\"b\\u006fb\",\"bob\"]}", "bob;carol;");
}

static void what_can_not_be_a_user_is_left_out(void **state)
{
    struct buf text = BUF_INIT, expected = BUF_INIT;

    (void)state;
    buf_add_lit(&text, "{\"watchlist\":[\"\",\"");
    for (int i = 0; i < USER_ID_MAX; i++) {
        buf_add_char(&text, 'x');
        buf_add_char(&expected, 'x');
    }
    buf_addf(&text, "\",\"%sx\"]}", buf_cstr(&expected));
    buf_add_char(&expected, ';');
    assert_ids(buf_cstr(&text), buf_cstr(&expected));
    buf_fini(&text);
    buf_fini(&expected);
}

static void anything_but_an_array_of_strings_is_refused(void **state)
{
    static const char *const bad[] = {
        "{\"watchlist\":\"bob\"}",
        "{\"watchlist\":{}}",
        "{\"watchlist\":[\"bob\",10]}",
        "{\"watchlist\":[null]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct watchlist w;

        assert_string_equal(signin_watchlist(slice_of(bad[i]), &w),
                            "watchlist in user_data must be an array of strings");
        watchlist_fini(&w);
    }
}

static void check_long(unsigned n, bool longer)
{
    struct watchlist w;
    struct buf text = BUF_INIT, last = BUF_INIT;

    buf_add_lit(&text, "{\"watchlist\":[");
    for (unsigned i = 0; i < n; i++)
        buf_addf(&text, "%s\"u%u\"", i ? "," : "", i);
    buf_add_lit(&text, "]}");
    assert_null(signin_watchlist(buf_slice(&text), &w));
    assert_int_equal(w.n, 100);
    assert_int_equal(w.longer, longer);
    buf_add_lit(&last, "u99");
    assert_true(slice_eq(w.ids[99], buf_slice(&last)));
    watchlist_fini(&w);
    buf_fini(&text);
    buf_fini(&last);
}

static void of_a_longer_list_the_first_100_are_taken(void **state)
{
    (void)state;
    check_long(100, false);
    check_long(101, true);
    check_long(300, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_listed_users_come_in_order),
        cmocka_unit_test(no_watchlist_is_an_empty_one),
        cmocka_unit_test(a_user_is_watched_once),
        cmocka_unit_test(what_can_not_be_a_user_is_left_out),
        cmocka_unit_test(anything_but_an_array_of_strings_is_refused),
        cmocka_unit_test(of_a_longer_list_the_first_100_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
