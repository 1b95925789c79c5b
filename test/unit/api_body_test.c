/* The body of POST …/events: what is cut out of it, and the text that each bad one is
 * answered with. */
#include "protocol/api_info.h"

#define PARSE api_events_parse
#include "test/unit/api_parsed.h"

#define TO_A "{\"name\":\"n\",\"data\":\"d\",\"channel\":\"a\""

static void an_event_is_cut_out_of_its_body(void **state)
{
    const char *text = "{\"name\":\"foo\",\"channels\":[\"project-3\", \"b\"],"
                       "\"data\":\"{\\\"some\\\":\\\"d\\u00e4ta\\\"}\","
                       "\"socket_id\":\"123.456\",\"info\":\"subscription_count\"}";
    struct api_body b;

    (void)state;
    parse_good(&b, text);
    assert_int_equal(b.n_events, 1);
    assert_slice(b.events[0].name, "foo");
    assert_slice(b.events[0].data_raw, "\"{\\\"some\\\":\\\"d\\u00e4ta\\\"}\"");
    assert_int_equal(b.events[0].n_channels, 2);
    assert_slice(b.channels[b.events[0].first], "project-3");
    assert_slice(b.channels[1], "b");
    assert_int_equal(b.events[0].except[0], 123);
    assert_int_equal(b.events[0].except[1], 456);
    assert_int_equal(b.events[0].info, API_INFO_SUBSCRIPTION_COUNT);
    api_body_fini(&b);
}

static void a_plain_body_is_borrowed_not_copied(void **state)
{
    const char *text = "{\"name\":\"n\",\"data\":\"\\n\",\"channel\":\"a\"}";
    struct api_body b;

    (void)state;
    parse_good(&b, text);
    assert_null(b.scratch.p);
    assert_ptr_equal(b.events[0].name.p, text + 9);
    api_body_fini(&b);
}

static void names_are_unescaped(void **state)
{
    struct api_body b;

    (void)state;
    parse_good(&b, "{\"name\":\"\\u00fc\\n\\\"\",\"data\":\"\",\"info\":\"cach\\u0065\","
                   "\"socket_id\":\"1\\u002e2\","
                   "\"channels\":[\"\\u0061\",\"#server-to-user-\\u00fc \\/\",\"c\"]}");
    assert_slice(b.events[0].name, "\u00fc\n\"");
    assert_slice(b.channels[0], "a");
    assert_slice(b.channels[1], "#server-to-user-\u00fc /");
    assert_slice(b.channels[2], "c");
    assert_int_equal(b.events[0].info, API_INFO_CACHE);
    assert_int_equal(b.events[0].except[1], 2);
    assert_slice(b.events[0].data_raw, "\"\"");
    api_body_fini(&b);
}

static void optional_keys_may_be_absent_or_null(void **state)
{
    struct api_body b;

    (void)state;
    parse_good(&b, TO_A ",\"channels\":null,\"socket_id\":null,\"info\":null,\"x\":[1]}");
    assert_int_equal(b.events[0].n_channels, 1);
    assert_int_equal(b.events[0].except[0] | b.events[0].except[1], 0);
    assert_int_equal(b.events[0].info, 0);
    api_body_fini(&b);
}

static void a_bad_event_is_told_what_is_wrong(void **state)
{
    static const struct bad bad[] = {
        {"", "The body is not valid JSON: it ends too early"},
        {"[]", "The body is not a JSON object"},
        {"{\"name\"}", "The body is not valid JSON: expected : behind a key"},
        {"{}", "name is missing"},
        {"{\"name\":null}", "name is missing"},
        {"{\"name\":1}", "name must be a string"},
        {"{\"name\":\"\"}", "name is empty"},
        {"{\"name\":\"n\"}", "channel or channels is missing"},
        {"{\"name\":\"n\",\"channel\":1}", "a channel must be a string"},
        {"{\"name\":\"n\",\"channel\":\"a b\"}",
         "Invalid channel: channel name may hold only A-Z a-z 0-9 and _ - = @ , . ;"},
        {"{\"name\":\"n\",\"channels\":[\"a\",\"private-\"]}",
         "Invalid channel: channel name has nothing behind its prefix"},
        {"{\"name\":\"n\",\"channels\":\"a\"}", "channels must be an array of strings"},
        {"{\"name\":\"n\",\"channels\":[\"a\",1]}", "a channel must be a string"},
        {"{\"name\":\"n\",\"channels\":[{\"channel\":\"a\"}]}",
         "a channel must be a string"},
        {"{\"name\":\"n\",\"channels\":[ ]}", "channels is empty"},
        {"{\"name\":\"n\",\"channel\":\"a\",\"channels\":[\"b\"]}",
         "channel and channels can't both be given"},
        {"{\"name\":\"n\",\"channel\":\"a\"}", "data is missing"},
        {"{\"name\":\"n\",\"channel\":\"a\",\"data\":{}}",
         "data must be a string: encode other values as JSON first"},
        {"{\"name\":\"n\",\"channel\":\"a\",\"data\":null}",
         "data must be a string: encode other values as JSON first"},
        {TO_A ",\"info\":[\"cache\"]}",
         "info must be a string of attributes with commas between"},
        {TO_A ",\"info\":\"cache,x\"}", "Unknown info attribute \"x\": expected "
                                        "user_count, subscription_count or cache"},
    };

    (void)state;
    assert_bad(bad, COUNT(bad));
}

static void a_body_of_bad_utf8_is_refused(void **state)
{
    (void)state;
    assert_status(SLICE("{\"name\":\"\xff\"}"), 400, "The body is not valid UTF-8");
}

static void a_socket_id_is_two_numbers_with_a_dot_between(void **state)
{
    static const char *const bad[] = {"\"\"",      "\".\"",    "\"1.\"",   "\".1\"",
                                      "\"1.2.3\"", "\"1.2a\"", "\"-1.2\"", "\" 1.2\"",
                                      "\"1,2\"",   "1.2",      "{}",       "true"};
    struct buf text = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        text.n = 0;
        buf_addf(&text, TO_A ",\"socket_id\":%s}", bad[i]);
        assert_status(buf_slice(&text), 400,
                      "Invalid socket_id: expected two numbers with a dot between");
    }
    buf_fini(&text);
}

static void a_socket_id_beyond_64_bits_excludes_nobody(void **state)
{
    struct api_body b;

    (void)state;
    parse_good(&b, TO_A ",\"socket_id\":\"18446744073709551615.18446744073709551615\"}");
    assert_true(b.events[0].except[0] == UINT64_MAX);
    assert_true(b.events[0].except[1] == UINT64_MAX);
    api_body_fini(&b);
    parse_good(&b, TO_A ",\"socket_id\":\"1.18446744073709551616\"}");
    assert_int_equal(b.events[0].except[0] | b.events[0].except[1], 0);
    api_body_fini(&b);
}

static void add_times(struct buf *text, const char *s, size_t n)
{
    while (n--)
        buf_add_slice(text, slice_of(s));
}

static int status_of_name(size_t n, struct buf *why)
{
    struct buf text = BUF_INIT;
    struct api_body b;
    int status;

    buf_add_lit(&text, "{\"channel\":\"a\",\"data\":\"\",\"name\":\"");
    add_times(&text, "x", n);
    buf_add_lit(&text, "\"}");
    status = api_events_parse(&b, buf_slice(&text), MAX_DATA, why);
    api_body_fini(&b);
    buf_fini(&text);
    return status;
}

static void a_name_has_at_most_200_bytes(void **state)
{
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(status_of_name(200, &why), 0);
    assert_int_equal(status_of_name(201, &why), 400);
    assert_string_equal(buf_cstr(&why), "name is longer than 200 bytes");
    buf_fini(&why);
}

static int status_of_data(const char *s, size_t n, struct buf *why)
{
    struct buf text = BUF_INIT;
    struct api_body b;
    int status;

    buf_add_lit(&text, TO_A ",\"data\":\"");
    add_times(&text, s, n);
    buf_add_lit(&text, "\"}");
    status = api_events_parse(&b, buf_slice(&text), MAX_DATA, why);
    api_body_fini(&b);
    buf_fini(&text);
    return status;
}

static void data_is_measured_unescaped_and_refused_with_413(void **state)
{
    static const char *const units[] = {"x", "\\\"", "\\u0041"};
    struct buf why = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(units); i++) {
        why.n = 0;
        assert_int_equal(status_of_data(units[i], 10240, &why), 0);
        assert_int_equal(status_of_data(units[i], 10241, &why), 413);
        assert_string_equal(buf_cstr(&why), "The data content of this event exceeds the "
                                            "allowed maximum (10240 bytes)");
    }
    buf_fini(&why);
}

static int status_of_channels(unsigned n, struct buf *why, unsigned *got)
{
    struct buf text = BUF_INIT;
    struct api_body b;
    int status;

    buf_add_lit(&text, "{\"name\":\"n\",\"data\":\"\",\"channels\":[");
    for (unsigned i = 0; i < n; i++)
        buf_addf(&text, "%s\"c%u\"", i ? ",\n " : " ", i);
    buf_add_lit(&text, " ]}");
    status = api_events_parse(&b, buf_slice(&text), MAX_DATA, why);
    *got = b.n_channels;
    api_body_fini(&b);
    buf_fini(&text);
    return status;
}

static void an_event_goes_to_at_most_100_channels(void **state)
{
    struct buf why = BUF_INIT;
    unsigned n;

    (void)state;
    assert_int_equal(status_of_channels(100, &why, &n), 0);
    assert_int_equal(n, 100);
    assert_int_equal(status_of_channels(101, &why, &n), 400);
    assert_string_equal(buf_cstr(&why), "channels has more than 100 names");
    buf_fini(&why);
}

static void a_channel_that_stands_twice_is_taken_once_where_it_stood_first(void **state)
{
    struct api_body b;

    (void)state;
    parse_good(&b, "{\"name\":\"n\",\"data\":\"d\","
                   "\"channels\":[\"b\",\"a\",\"b\",\"\\u0061\",\"ab\",\"a\"]}");
    assert_int_equal(b.events[0].n_channels, 3);
    assert_int_equal(b.n_channels, 3);
    assert_slice(b.channels[0], "b");
    assert_slice(b.channels[1], "a");
    assert_slice(b.channels[2], "ab");
    api_body_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_cut_out_of_its_body),
        cmocka_unit_test(a_plain_body_is_borrowed_not_copied),
        cmocka_unit_test(names_are_unescaped),
        cmocka_unit_test(optional_keys_may_be_absent_or_null),
        cmocka_unit_test(a_bad_event_is_told_what_is_wrong),
        cmocka_unit_test(a_body_of_bad_utf8_is_refused),
        cmocka_unit_test(a_socket_id_is_two_numbers_with_a_dot_between),
        cmocka_unit_test(a_socket_id_beyond_64_bits_excludes_nobody),
        cmocka_unit_test(a_name_has_at_most_200_bytes),
        cmocka_unit_test(data_is_measured_unescaped_and_refused_with_413),
        cmocka_unit_test(an_event_goes_to_at_most_100_channels),
        cmocka_unit_test(a_channel_that_stands_twice_is_taken_once_where_it_stood_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
