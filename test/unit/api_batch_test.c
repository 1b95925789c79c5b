/* The body of POST …/batch_events, and which of its events is told to be wrong. */
#include "protocol/api_info.h"

#define PARSE api_batch_parse
#include "test/unit/api_parsed.h"

#define TO_A "{\"name\":\"n\",\"data\":\"d\",\"channel\":\"a\""

static void add_times(struct buf *text, const char *s, size_t n)
{
    while (n--)
        buf_add_slice(text, slice_of(s));
}

static void a_batch_is_taken_apart_in_order(void **state)
{
    struct api_body b;

    (void)state;
    parse_good(&b,
               "{ \"batch\" : [ {\"name\":\"x\",\"data\":\"1\",\"channel\":\"a\"} , "
               "{\"name\":\"\\u0079\",\"data\":\"2\",\"channel\":\"presence-b\","
               "\"socket_id\":\"3.4\",\"info\":\"user_count,subscription_count\"} ] }");
    assert_int_equal(b.n_events, 2);
    assert_slice(b.events[0].name, "x");
    assert_int_equal(b.events[0].except[0], 0);
    assert_int_equal(b.events[0].info, 0);
    assert_slice(b.events[1].name, "y");
    assert_slice(b.events[1].data_raw, "\"2\"");
    assert_int_equal(b.events[1].first, 1);
    assert_int_equal(b.events[1].n_channels, 1);
    assert_slice(b.channels[1], "presence-b");
    assert_int_equal(b.events[1].except[1], 4);
    assert_int_equal(b.events[1].info, API_INFO_USER_COUNT | API_INFO_SUBSCRIPTION_COUNT);
    api_body_fini(&b);
}

static void a_bad_batch_is_told_which_event_is_wrong(void **state)
{
    static const struct bad bad[] = {
        {"{}", "batch is missing"},
        {"{\"batch\":{}}", "batch must be an array of events"},
        {"{\"batch\":[1]}", "batch[0]: an event must be an object"},
        {"{\"batch\":[" TO_A "},{}]}", "batch[1]: name is missing"},
        {"{\"batch\":[" TO_A "},{\"name\":\"n\",\"channels\":[\"a\"]}]}",
         "batch[1]: channel is missing"},
        {"{\"batch\":[" TO_A ",\"info\":\"x\"}]}",
         "batch[0]: Unknown info attribute \"x\": expected user_count, "
         "subscription_count or cache"},
        {"{\"batch\":[" TO_A "},{\"name\":\"n\",\"channel\":\"\"}]}",
         "batch[1]: Invalid channel: channel name is empty"},
    };

    (void)state;
    assert_bad(bad, COUNT(bad));
}

static int status_of_batch(unsigned n, struct buf *why, unsigned *got)
{
    struct buf text = BUF_INIT;
    struct api_body b;
    int status;

    buf_add_lit(&text, "{\"batch\":[");
    for (unsigned i = 0; i < n; i++)
        buf_addf(&text, "%s" TO_A "}", i ? "," : "");
    buf_add_lit(&text, "]}");
    status = api_batch_parse(&b, buf_slice(&text), MAX_DATA, why);
    *got = b.n_events;
    api_body_fini(&b);
    buf_fini(&text);
    return status;
}

static void a_batch_has_at_most_10_events(void **state)
{
    struct buf why = BUF_INIT;
    unsigned n;

    (void)state;
    assert_int_equal(status_of_batch(0, &why, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(status_of_batch(10, &why, &n), 0);
    assert_int_equal(n, 10);
    assert_int_equal(status_of_batch(11, &why, &n), 400);
    assert_string_equal(buf_cstr(&why), "Batch too large");
    buf_fini(&why);
}

static void data_too_long_in_a_batch_still_says_so(void **state)
{
    struct buf text = BUF_INIT;

    (void)state;
    buf_add_lit(&text, "{\"batch\":[" TO_A ",\"data\":\"");
    add_times(&text, "x", MAX_DATA + 1);
    buf_add_lit(&text, "\"}]}");
    assert_status(buf_slice(&text), 413,
                  "batch[0]: The data content of this event exceeds the allowed maximum "
                  "(10240 bytes)");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_taken_apart_in_order),
        cmocka_unit_test(a_bad_batch_is_told_which_event_is_wrong),
        cmocka_unit_test(a_batch_has_at_most_10_events),
        cmocka_unit_test(data_too_long_in_a_batch_still_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
