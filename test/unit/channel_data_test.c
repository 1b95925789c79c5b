/* Who the signed data says the user is: every form of id that backends send, and that
 * user_info keeps its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/channel_data.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef const char *parse_fn(struct slice text, struct user_data *out);

static void assert_id(parse_fn *parse, const char *text, struct slice id)
{
    struct user_data d;
    const char *fault = parse(slice_of(text), &d);

    if (fault)
        fail_msg("%s: %s", text, fault);
    assert_true(slice_eq(d.id, id));
    user_data_fini(&d);
}

static void assert_fault(parse_fn *parse, const char *text, const char *expected)
{
    struct user_data d;
    const char *fault = parse(slice_of(text), &d);

    if (!fault)
        fail_msg("taken: %s", text);
    assert_string_equal(fault, expected);
    user_data_fini(&d);
}

static void a_string_user_id_is_taken_unescaped(void **state)
{
    (void)state;
    assert_id(channel_data_parse, "{\"user_id\":\"u1\"}", SLICE("u1"));
    assert_id(channel_data_parse, "{\"user_id\":\"\\u00fc\\\"\\/\"}", SLICE("\u00fc\"/"));
    assert_id(channel_data_parse, "{\"user_id\":\"\u00fc\u20ac\"}",
              SLICE("\u00fc\u20ac"));
    assert_id(channel_data_parse, "{\"\\u0075ser_id\":\"a\"}", SLICE("a"));
}

static void a_numeric_user_id_becomes_its_digits(void **state)
{
    (void)state;
    assert_id(channel_data_parse, "{\"user_id\":10}", SLICE("10"));
    assert_id(channel_data_parse, "{\"user_id\": 0 }", SLICE("0"));
    assert_id(channel_data_parse, "{\"user_id\":-5}", SLICE("-5"));
    assert_id(channel_data_parse, "{\"user_id\":123456789012345678901234567890}",
              SLICE("123456789012345678901234567890"));
}

static void minus_zero_is_zero(void **state)
{
    (void)state;
    assert_id(channel_data_parse, "{\"user_id\":-0}", SLICE("0"));
}

static void fractions_and_exponents_are_refused(void **state)
{
    static const char *const bad[] = {"1.5", "1.0", "1e3", "1E3", "-0.0", "0e0", "1e-3"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(text, sizeof text, "{\"user_id\":%s}", bad[i]);
        assert_fault(channel_data_parse, text,
                     "user_id in channel_data must be an integer where it is a number");
    }
}

static void other_types_of_user_id_are_refused(void **state)
{
    static const char *const bad[] = {"null", "true", "false", "[1]", "{}"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(text, sizeof text, "{\"user_id\":%s}", bad[i]);
        assert_fault(channel_data_parse, text,
                     "user_id in channel_data must be a string or an integer");
    }
}

static void what_is_no_object_or_has_no_user_id_is_refused(void **state)
{
    static const char *const bad[] = {"",  "x",   "[]", "\"{}\"", "{\"user_id\":1",
                                      "1", "null"};
    struct user_data d;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fault(channel_data_parse, bad[i],
                     "channel_data is not a valid JSON object");
    assert_non_null(channel_data_parse(SLICE_NONE, &d));
    user_data_fini(&d);
    assert_fault(channel_data_parse, "{}", "channel_data has no user_id");
    assert_fault(channel_data_parse, "{\"x\":{\"user_id\":1}}",
                 "channel_data has no user_id");
    assert_fault(channel_data_parse, "{\"user_id\":\"\"}",
                 "user_id in channel_data is empty");
}

static void assert_id_of_length(const char *quote, const char *unit, size_t n, bool taken)
{
    struct buf b = BUF_INIT;
    struct user_data d;
    const char *fault;

    buf_addf(&b, "{\"user_id\":%s", quote);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s", unit);
    buf_addf(&b, "%s}", quote);
    fault = channel_data_parse(buf_slice(&b), &d);
    if (taken)
        assert_null(fault);
    else
        assert_string_equal(fault, "user_id in channel_data is longer than 128 bytes");
    user_data_fini(&d);
    buf_fini(&b);
}

static void a_user_id_has_at_most_128_bytes_after_conversion(void **state)
{
    (void)state;
    assert_id_of_length("\"", "a", 128, true);
    assert_id_of_length("\"", "a", 129, false);
    assert_id_of_length("", "1", 128, true);
    assert_id_of_length("", "1", 129, false);
    assert_id_of_length("\"", "\\u0061", 128, true);
    assert_id_of_length("\"", "\u00fc", 64, true);
    assert_id_of_length("\"", "\u00fc", 65, false);
}

static void a_user_id_may_hold_any_character(void **state)
{
    (void)state;
    assert_id(channel_data_parse, "{\"user_id\":\"a\\nb\"}", SLICE("a\nb"));
    assert_id(channel_data_parse, "{\"user_id\":\"\\u0000\"}", SLICE("\0"));
    assert_id(channel_data_parse, "{\"user_id\":\"a\\u0000b\"}", SLICE("a\0b"));
    assert_id(channel_data_parse, "{\"user_id\":\"\x7f\"}", SLICE("\x7f"));
    assert_id(signin_data_parse, "{\"id\":\"a\\u0000\"}", SLICE("a\0"));
}

static void user_info_is_cut_verbatim(void **state)
{
    struct slice text = SLICE("{\"user_info\": {\"a\" : 1.10, \"n\":12345678901234567890,"
                              "\"s\":\"\\u00e9\\/\"} ,\"user_id\":10}");
    struct user_data d;

    (void)state;
    assert_null(channel_data_parse(text, &d));
    assert_true(slice_is(d.info, "{\"a\" : 1.10, \"n\":12345678901234567890,"
                                 "\"s\":\"\\u00e9\\/\"}"));
    assert_true(d.info.p > text.p && d.info.p < text.p + text.n);
    user_data_fini(&d);
}

static void user_info_may_be_of_any_type(void **state)
{
    struct user_data d;

    (void)state;
    assert_null(channel_data_parse(SLICE("{\"user_id\":1,\"user_info\":\"hi\"}"), &d));
    assert_true(slice_is(d.info, "\"hi\""));
    user_data_fini(&d);
}

static void absent_and_null_user_info_are_both_absent(void **state)
{
    struct user_data d;

    (void)state;
    assert_null(channel_data_parse(SLICE("{\"user_id\":1}"), &d));
    assert_null(d.info.p);
    user_data_fini(&d);
    assert_null(channel_data_parse(SLICE("{\"user_id\":1,\"user_info\":null}"), &d));
    assert_null(d.info.p);
    user_data_fini(&d);
}

static void a_sign_in_needs_a_non_empty_string_id(void **state)
{
    (void)state;
    assert_id(signin_data_parse, "{\"id\":\"alice\",\"watchlist\":[\"bob\"]}",
              SLICE("alice"));
    assert_fault(signin_data_parse, "{\"id\":1}", "id in user_data must be a string");
    assert_fault(signin_data_parse, "{\"id\":null}", "id in user_data must be a string");
    assert_fault(signin_data_parse, "{\"id\":\"\"}", "id in user_data is empty");
    assert_fault(signin_data_parse, "{\"user_id\":\"a\"}", "user_data has no id");
    assert_fault(signin_data_parse, "alice", "user_data is not a valid JSON object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_user_id_is_taken_unescaped),
        cmocka_unit_test(a_numeric_user_id_becomes_its_digits),
        cmocka_unit_test(minus_zero_is_zero),
        cmocka_unit_test(fractions_and_exponents_are_refused),
        cmocka_unit_test(other_types_of_user_id_are_refused),
        cmocka_unit_test(what_is_no_object_or_has_no_user_id_is_refused),
        cmocka_unit_test(a_user_id_has_at_most_128_bytes_after_conversion),
        cmocka_unit_test(a_user_id_may_hold_any_character),
        cmocka_unit_test(user_info_is_cut_verbatim),
        cmocka_unit_test(user_info_may_be_of_any_type),
        cmocka_unit_test(absent_and_null_user_info_are_both_absent),
        cmocka_unit_test(a_sign_in_needs_a_non_empty_string_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
