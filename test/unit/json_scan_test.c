/* The scanner is tested against lists of what RFC 8259 takes and refuses, and where it
 * cuts; fuzz_command.c compares it with an independent parser besides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/json_scan.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static enum err scan(const char *text, const char **why)
{
    struct json_value v;

    *why = NULL;
    return json_scan_value(slice_of(text), &v, why);
}

static void it_takes_every_kind_of_value(void **state)
{
    static const struct {
        const char *text;
        enum json_type type;
    } good[] = {
        {"null", JSON_NULL},
        {" true\n", JSON_TRUE},
        {"\tfalse\r", JSON_FALSE},
        {"0", JSON_NUMBER},
        {"-0", JSON_NUMBER},
        {"-12.50e+10", JSON_NUMBER},
        {"1E5", JSON_NUMBER},
        {"0.0", JSON_NUMBER},
        {"9e-0", JSON_NUMBER},
        {"\"\"", JSON_STRING},
        {"[]", JSON_ARRAY},
        {"[ 1 , [ ] , {} ]", JSON_ARRAY},
        {" { } ", JSON_OBJECT},
        {"{\"\":{\"\":[]}}", JSON_OBJECT},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\"", JSON_STRING},
        {"\"\x7f \xc3\xbc\"", JSON_STRING},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct json_value v;
        const char *why = "";

        assert_int_equal(json_scan_value(slice_of(good[i].text), &v, &why), ERR_NONE);
        assert_int_equal(v.type, good[i].type);
    }
}

static void assert_refused(const char *const *texts, size_t n)
{
    const char *why;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(scan(texts[i], &why), ERR_INVALID);
        assert_non_null(why);
    }
}

static void malformed_numbers_and_words_are_refused(void **state)
{
    static const char *const bad[] = {
        "01",   "-",    "-a",  "+1",       "1.",  ".5",    "1e",   "1e+",
        "1.e1", "0x10", "NaN", "Infinity", "nul", "nulll", "True", "1 2",
    };

    (void)state;
    assert_refused(bad, COUNT(bad));
}

static void malformed_strings_are_refused(void **state)
{
    static const char *const bad[] = {
        "\"",          "\"\\\"", "\"\\x\"", "\"\\u\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\n\"", "\"\t\"",  "'a'",     "\"a\"\"b\"",
    };

    (void)state;
    assert_refused(bad, COUNT(bad));
}

static void malformed_arrays_are_refused(void **state)
{
    static const char *const bad[] = {
        "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "]",
    };

    (void)state;
    assert_refused(bad, COUNT(bad));
}

static void malformed_objects_are_refused(void **state)
{
    static const char *const bad[] = {
        "{",         "{\"a\"", "{\"a\":", "{\"a\":1",  "{\"a\":1,",         "{\"a\":1,}",
        "{\"a\":1]", "{a:1}",  "{1:1}",   "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{,}",
    };

    (void)state;
    assert_refused(bad, COUNT(bad));
}

static void nothing_but_json_and_its_space_may_stand_around(void **state)
{
    static const char *const bad[] = {
        "", " ", "{} x", "/* c */ 1", "\xef\xbb\xbf{}", "\v1",
    };

    (void)state;
    assert_refused(bad, COUNT(bad));
}

static void a_nul_byte_is_never_the_end_of_the_text(void **state)
{
    struct json_value v;
    const char *why;

    (void)state;
    assert_int_equal(json_scan_value(SLICE("1\0"), &v, &why), ERR_INVALID);
    assert_int_equal(json_scan_value(SLICE("\"a\0b\""), &v, &why), ERR_INVALID);
    assert_int_equal(json_scan_value(SLICE("\"\\\0\""), &v, &why), ERR_INVALID);
    assert_int_equal(json_scan_value(SLICE_NONE, &v, &why), ERR_INVALID);
}

static void the_reason_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"{\"a\":1", "not valid JSON: it ends too early"},
        {"\"abc", "not valid JSON: it ends too early"},
        {"\"\\q\"", "not valid JSON: invalid escape in a string"},
        {"\"\\u12x4\"", "not valid JSON: \\u without four hex digits"},
        {"\"a\nb\"", "not valid JSON: control character in a string"},
        {"hello", "not valid JSON: expected a value"},
        {"{'a':1}", "not valid JSON: expected a key in quotes"},
        {"{} {}", "not valid JSON: more text behind the value"},
    };
    const char *why;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(scan(cases[i].text, &why), ERR_INVALID);
        assert_string_equal(why, cases[i].why);
    }
}

static void sixty_four_levels_pass_and_one_more_does_not(void **state)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    struct json_value v;
    const char *why;

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(json_scan_value((struct slice){text + 1, sizeof text - 2}, &v, &why),
                     ERR_NONE);
    assert_int_equal(json_scan_value((struct slice){text, sizeof text}, &v, &why),
                     ERR_TOO_LONG);
    assert_string_equal(why, "JSON nested deeper than 64 levels");
}

static void siblings_do_not_add_to_the_depth(void **state)
{
    struct buf b = BUF_INIT;
    const char *why;

    (void)state;
    buf_add_lit(&b, "[[]");
    for (int i = 0; i < 1000; i++)
        buf_add_lit(&b, ",[{}]");
    buf_add_lit(&b, "]");
    assert_int_equal(scan(buf_cstr(&b), &why), ERR_NONE);
    buf_fini(&b);
}

static void wanted_keys_are_cut_verbatim(void **state)
{
    struct json_want want[] = {
        {.name = "a"},
        {.name = "b"},
        {.name = "c"},
        {.name = "d"},
    };
    const char *why;

    (void)state;
    assert_int_equal(
        json_scan_object(SLICE(" { \"a\" : 1.10 , \"x\":{\"b\":0}, "
                               "\"b\":12345678901234567890,\"c\": [ 1 , 2 ] } "),
                         want, 4, &why),
        ERR_NONE);
    assert_true(slice_is(want[0].value.raw, "1.10"));
    assert_true(slice_is(want[1].value.raw, "12345678901234567890"));
    assert_true(slice_is(want[2].value.raw, "[ 1 , 2 ]"));
    assert_int_equal(want[2].value.type, JSON_ARRAY);
    assert_int_equal(want[3].value.type, JSON_ABSENT);
    assert_null(want[3].value.raw.p);
}

static void the_last_of_two_equal_keys_wins(void **state)
{
    struct json_want want[] = {
        {.name = "event"},
    };
    const char *why;

    (void)state;
    assert_int_equal(
        json_scan_object(SLICE("{\"event\":1,\"\\u0065vent\":2}"), want, 1, &why),
        ERR_NONE);
    assert_true(slice_is(want[0].value.raw, "2"));
}

static void keys_are_compared_unescaped_and_whole(void **state)
{
    struct json_want want[] = {
        {.name = "a/b"},
    };
    const char *why;

    (void)state;
    assert_int_equal(
        json_scan_object(SLICE("{\"a\\/b\":1,\"a/bc\":2,\"a/\":3,\"a/b\\u0000\":4}"),
                         want, 1, &why),
        ERR_NONE);
    assert_true(slice_is(want[0].value.raw, "1"));
}

static void another_value_than_an_object_is_named_so(void **state)
{
    struct json_want want[] = {
        {.name = "a"},
    };
    const char *why;

    (void)state;
    assert_int_equal(json_scan_object(SLICE("[1,2]"), want, 1, &why), ERR_INVALID);
    assert_string_equal(why, "not a JSON object");
    assert_int_equal(json_scan_object(SLICE("[1,2"), want, 1, &why), ERR_INVALID);
    assert_string_equal(why, "not valid JSON: it ends too early");
}

static void assert_unescapes(const char *raw, struct slice expected)
{
    struct buf b = BUF_INIT;

    json_unescape(&b, slice_of(raw));
    assert_true(slice_eq(buf_slice(&b), expected));
    buf_fini(&b);
}

static void every_escape_is_decoded(void **state)
{
    (void)state;
    assert_unescapes("\"\"", SLICE(""));
    assert_unescapes("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", SLICE("a\"\\/\b\f\n\r\tz"));
    assert_unescapes("\"\\u0041\\u00e9\\u20AC\"", SLICE("A\xc3\xa9\xe2\x82\xac"));
    assert_unescapes("\"\\ud83d\\ude00\"", SLICE("\xf0\x9f\x98\x80"));
    assert_unescapes("\"a\\u0000b\"", SLICE("a\0b"));
}

static void a_lone_surrogate_becomes_the_replacement_character(void **state)
{
    (void)state;
    assert_unescapes("\"\\ud83d\"", SLICE("\xef\xbf\xbd"));
    assert_unescapes("\"\\ude00x\"", SLICE("\xef\xbf\xbdx"));
    assert_unescapes("\"\\ud83d\\n\"", SLICE("\xef\xbf\xbd\n"));
    assert_unescapes("\"\\ud83dabcdef\"", SLICE("\xef\xbf\xbd"
                                                "abcdef"));
    assert_unescapes("\"\\ud83d\\u0041\"", SLICE("\xef\xbf\xbd"
                                                 "A"));
    assert_unescapes("\"\\ud83d\\ud83d\\ude00\"", SLICE("\xef\xbf\xbd\xf0\x9f\x98\x80"));
}

static void a_string_without_escapes_is_plain(void **state)
{
    (void)state;
    assert_true(json_is_plain(SLICE("\"abc\"")));
    assert_false(json_is_plain(SLICE("\"a\\nc\"")));
    assert_true(json_string_is(SLICE("\"a\\u0062c\""), "abc"));
    assert_false(json_string_is(SLICE("\"abc\""), "ab"));
    assert_false(json_string_is(SLICE("\"ab\""), "abc"));
}

static void escaping_touches_quotes_backslashes_and_controls_only(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    json_escape(&b, SLICE("a\"b\\c\nd\te\0f\x1f\x7f/\xc3\xbc\xe2\x80\xa8"));
    assert_true(slice_eq(
        buf_slice(&b),
        SLICE("a\\\"b\\\\c\\nd\\u0009e\\u0000f\\u001f\x7f/\xc3\xbc\xe2\x80\xa8")));
    buf_fini(&b);
}

static void unescape_undoes_escape_for_every_byte_at_every_offset(void **state)
{
    char text[24];

    (void)state;
    for (int c = 0; c < 128; c++) {
        for (size_t at = 0; at < sizeof text; at++) {
            struct buf b = BUF_INIT, back = BUF_INIT;

            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            buf_add_char(&b, '"');
            json_escape(&b, (struct slice){text, sizeof text});
            buf_add_char(&b, '"');
            json_unescape(&back, buf_slice(&b));
            assert_int_equal(back.n, sizeof text);
            assert_memory_equal(back.p, text, sizeof text);
            buf_fini(&b);
            buf_fini(&back);
        }
    }
}

static void utf8_is_judged_as_the_standard_says(void **state)
{
    static const char *const good[] = {
        "",
        "plain ascii, longer than eight",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "12345678\u20ac12345678",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xe2\x82",
        "\xe2\x82\x28",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xf0\x90\x80",
        "12345678\xe2\x82",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(utf8_valid(slice_of(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(utf8_valid(slice_of(bad[i])));
    assert_true(utf8_valid(SLICE_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_every_kind_of_value),
        cmocka_unit_test(malformed_numbers_and_words_are_refused),
        cmocka_unit_test(malformed_strings_are_refused),
        cmocka_unit_test(malformed_arrays_are_refused),
        cmocka_unit_test(malformed_objects_are_refused),
        cmocka_unit_test(nothing_but_json_and_its_space_may_stand_around),
        cmocka_unit_test(a_nul_byte_is_never_the_end_of_the_text),
        cmocka_unit_test(the_reason_says_what_is_wrong),
        cmocka_unit_test(sixty_four_levels_pass_and_one_more_does_not),
        cmocka_unit_test(siblings_do_not_add_to_the_depth),
        cmocka_unit_test(wanted_keys_are_cut_verbatim),
        cmocka_unit_test(the_last_of_two_equal_keys_wins),
        cmocka_unit_test(keys_are_compared_unescaped_and_whole),
        cmocka_unit_test(another_value_than_an_object_is_named_so),
        cmocka_unit_test(every_escape_is_decoded),
        cmocka_unit_test(a_lone_surrogate_becomes_the_replacement_character),
        cmocka_unit_test(a_string_without_escapes_is_plain),
        cmocka_unit_test(escaping_touches_quotes_backslashes_and_controls_only),
        cmocka_unit_test(unescape_undoes_escape_for_every_byte_at_every_offset),
        cmocka_unit_test(utf8_is_judged_as_the_standard_says)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
