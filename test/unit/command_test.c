/* Messages as the official clients send them, then everything that can be wrong with one,
 * each with the text that the client gets to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/command.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void assert_slice(struct slice s, const char *expected)
{
    if (!expected) {
        assert_null(s.p);
        return;
    }
    assert_non_null(s.p);
    if (!slice_is(s, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(s), expected);
}

static void parse_as(struct command *c, const char *message, enum command_verb verb)
{
    command_parse(c, slice_of(message));
    if (c->verb != verb)
        fail_msg("%s: verb %d, fault %s", message, c->verb, c->fault ? c->fault : "none");
}

static void assert_fault(const char *message, const char *fault)
{
    struct command c;

    parse_as(&c, message, COMMAND_MALFORMED);
    assert_string_equal(c.fault, fault);
    command_fini(&c);
}

static void a_subscribe_is_read(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"presence-a\","
             "\"auth\":\"KEY:sig\",\"channel_data\":\"{\\\"user_id\\\":10}\"}}",
             COMMAND_SUBSCRIBE);
    assert_slice(c.event, "pusher:subscribe");
    assert_slice(c.channel, "presence-a");
    assert_slice(c.auth, "KEY:sig");
    assert_slice(c.channel_data, "{\"user_id\":10}");
    assert_slice(c.user_data, NULL);
    assert_null(c.fault);
    command_fini(&c);
}

static void an_empty_null_or_missing_auth_is_absent(void **state)
{
    static const char *const rest[] = {"", ",\"auth\":\"\"", ",\"auth\":null",
                                       ",\"auth\":\"\",\"channel_data\":null"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < COUNT(rest); i++) {
        struct command c;

        snprintf(text, sizeof text,
                 "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\"%s}}",
                 rest[i]);
        parse_as(&c, text, COMMAND_SUBSCRIBE);
        assert_slice(c.channel, "a");
        assert_slice(c.auth, NULL);
        assert_slice(c.channel_data, NULL);
        command_fini(&c);
    }
}

static void an_empty_auth_is_absent_in_a_malformed_command_too(void **state)
{
    static const char *const text[] = {
        "{\"event\":\"pusher:signin\",\"data\":{\"auth\":\"\"}}",
        "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\",\"auth\":\"\","
        "\"channel_data\":{}}}"};

    (void)state;
    for (size_t i = 0; i < COUNT(text); i++) {
        struct command c;

        parse_as(&c, text[i], COMMAND_MALFORMED);
        assert_slice(c.auth, NULL);
        command_fini(&c);
    }
}

static void an_empty_channel_data_is_present(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\",\"channel_"
             "data\":\"\"}}",
             COMMAND_SUBSCRIBE);
    assert_slice(c.channel_data, "");
    command_fini(&c);
}

static void the_signed_bytes_are_unescaped_and_nothing_else(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:subscribe\",\"data\":{\"channel_data\":"
             "\"{\\\"user_id\\\" : "
             "1.10,\\n\\\"n\\\":\\\"\\\\u00e9\\u00e9\\ud83d\\ude00\\\"}\","
             "\"channel\":\"presence-a\"}}",
             COMMAND_SUBSCRIBE);
    assert_slice(c.channel_data,
                 "{\"user_id\" : 1.10,\n\"n\":\"\\u00e9\u00e9\U0001f600\"}");
    command_fini(&c);
}

static void data_that_is_encoded_twice_is_accepted(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"\\u0065vent\":\"pusher\\u003asubscribe\",\"data\":\"{\\\"channel\\\":"
             "\\\"presence-\\\\u0061\\\",\\\"auth\\\":\\\"K:s\\\",\\\"channel_data\\\":"
             "\\\"{\\\\\\\"user_id\\\\\\\":10}\\\"}\"}",
             COMMAND_SUBSCRIBE);
    assert_slice(c.event, "pusher:subscribe");
    assert_slice(c.channel, "presence-a");
    assert_slice(c.auth, "K:s");
    assert_slice(c.channel_data, "{\"user_id\":10}");
    command_fini(&c);
}

static void an_unsubscribe_needs_only_a_channel(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:unsubscribe\",\"data\":{\"channel\":\"a\",\"auth\":7}}",
             COMMAND_UNSUBSCRIBE);
    assert_slice(c.channel, "a");
    command_fini(&c);
}

static void ping_and_pong_take_any_data_or_none(void **state)
{
    static const char *const data[] = {"", ",\"data\":{}", ",\"data\":\"{}\"",
                                       ",\"data\":null", ",\"data\":[1]"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < COUNT(data); i++) {
        struct command c;

        snprintf(text, sizeof text, "{\"event\":\"pusher:ping\"%s}", data[i]);
        parse_as(&c, text, COMMAND_PING);
        command_fini(&c);
        snprintf(text, sizeof text, "{\"event\":\"pusher:pong\"%s}", data[i]);
        parse_as(&c, text, COMMAND_PONG);
        command_fini(&c);
    }
}

static void a_sign_in_carries_auth_and_user_data(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:signin\",\"data\":{\"auth\":\"KEY:sig\","
             "\"user_data\":\"{\\\"id\\\":\\\"alice\\\"}\"}}",
             COMMAND_SIGNIN);
    assert_slice(c.auth, "KEY:sig");
    assert_slice(c.user_data, "{\"id\":\"alice\"}");
    command_fini(&c);
}

static void a_client_event_keeps_its_data_verbatim(void **state)
{
    struct command c;

    (void)state;
    parse_as(
        &c,
        " { \"event\":\"client-x\", \"channel\":\"private-a\",\"user_id\":\"forged\","
        "\"data\": {\"a\" : 1.10,\"n\":12345678901234567890,\"s\":\"\\u00e9\\n\"} } ",
        COMMAND_CLIENT_EVENT);
    assert_slice(c.event, "client-x");
    assert_slice(c.channel, "private-a");
    assert_slice(c.data,
                 "{\"a\" : 1.10,\"n\":12345678901234567890,\"s\":\"\\u00e9\\n\"}");
    command_fini(&c);
}

static void a_client_event_may_have_any_data_or_none(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c, "{\"event\":\"client-x\",\"channel\":\"private-a\"}",
             COMMAND_CLIENT_EVENT);
    assert_slice(c.data, NULL);
    command_fini(&c);
    parse_as(&c, "{\"event\":\"client-x\",\"channel\":\"a\",\"data\":null}",
             COMMAND_CLIENT_EVENT);
    assert_slice(c.data, "null");
    command_fini(&c);
    parse_as(&c, "{\"event\":\"client-x\",\"channel\":\"a\",\"data\":\"hi\"}",
             COMMAND_CLIENT_EVENT);
    assert_slice(c.data, "\"hi\"");
    command_fini(&c);
}

static void a_client_event_without_escapes_allocates_nothing(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c, "{\"event\":\"client-x\",\"channel\":\"private-a\",\"data\":[1]}",
             COMMAND_CLIENT_EVENT);
    assert_null(c.scratch.p);
    command_fini(&c);
}

static void other_names_are_ignored(void **state)
{
    static const char *const names[] = {"hello",       "",       "client",
                                        "Pusher:ping", "pusher", "xpusher:subscribe"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct command c;

        snprintf(text, sizeof text, "{\"event\":\"%s\"}", names[i]);
        parse_as(&c, text, COMMAND_IGNORED);
        assert_slice(c.event, names[i]);
        command_fini(&c);
    }
}

static void an_unknown_pusher_event_is_named(void **state)
{
    static const char *const names[] = {"pusher:", "pusher:subscribed", "pusher:subscrib",
                                        "pusher_internal:member_added", "pusher:ping "};
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct command c;

        snprintf(text, sizeof text, "{\"event\":\"%s\"}", names[i]);
        parse_as(&c, text, COMMAND_MALFORMED);
        assert_string_equal(c.fault, "unknown pusher: event");
        assert_slice(c.event, names[i]);
        command_fini(&c);
    }
}

static void what_is_no_event_is_malformed_with_the_reason(void **state)
{
    (void)state;
    assert_fault("", "not valid JSON: it ends too early");
    assert_fault("hello", "not valid JSON: expected a value");
    assert_fault("{\"event\":\"pusher:ping\"", "not valid JSON: it ends too early");
    assert_fault("{\"event\":\"pusher:ping\"}}",
                 "not valid JSON: more text behind the value");
    assert_fault("[]", "not a JSON object");
    assert_fault("\"pusher:ping\"", "not a JSON object");
    assert_fault("{}", "event is missing");
    assert_fault("{\"event\":null}", "event must be a string");
    assert_fault("{\"event\":{\"event\":\"pusher:ping\"}}", "event must be a string");
}

static void a_missing_or_wrong_field_is_named(void **state)
{
#define SUBSCRIBE(data) "{\"event\":\"pusher:subscribe\"" data "}"
#define SIGNIN(data) "{\"event\":\"pusher:signin\"" data "}"
    (void)state;
    assert_fault(SUBSCRIBE(""), "data is missing");
    assert_fault(SUBSCRIBE(",\"data\":null"), "data must be a JSON object");
    assert_fault(SUBSCRIBE(",\"data\":[]"), "data must be a JSON object");
    assert_fault(SUBSCRIBE(",\"data\":\"a\""), "data must be a JSON object");
    assert_fault(SUBSCRIBE(",\"data\":\"{\\\"channel\\\":\""),
                 "data must be a JSON object");
    assert_fault(SUBSCRIBE(",\"data\":{}"), "data.channel is missing");
    assert_fault(SUBSCRIBE(",\"data\":{\"channel\":1}"), "data.channel must be a string");
    assert_fault(SUBSCRIBE(",\"data\":{\"channel\":null}"),
                 "data.channel must be a string");
    assert_fault(SUBSCRIBE(",\"data\":{\"channel\":\"a\",\"auth\":1}"),
                 "data.auth must be a string");
    assert_fault(
        SUBSCRIBE(",\"data\":{\"channel\":\"a\",\"channel_data\":{\"user_id\":1}}"),
        "data.channel_data must be a string that holds JSON");
    assert_fault("{\"event\":\"pusher:unsubscribe\",\"data\":{}}",
                 "data.channel is missing");
    assert_fault(SIGNIN(",\"data\":{\"user_data\":\"{}\"}"), "data.auth is missing");
    assert_fault(SIGNIN(",\"data\":{\"auth\":\"x\"}"), "data.user_data is missing");
    assert_fault(SIGNIN(",\"data\":{\"auth\":\"x\",\"user_data\":{}}"),
                 "data.user_data must be a string that holds JSON");
    assert_fault("{\"event\":\"client-x\"}", "channel is missing");
    assert_fault("{\"event\":\"client-x\",\"channel\":[]}", "channel must be a string");
#undef SUBSCRIBE
#undef SIGNIN
}

static void an_event_name_has_at_most_200_bytes(void **state)
{
    char text[300];
    struct command c;

    (void)state;
    snprintf(text, sizeof text, "{\"event\":\"client-%0193d\",\"channel\":\"a\"}", 0);
    parse_as(&c, text, COMMAND_CLIENT_EVENT);
    command_fini(&c);
    snprintf(text, sizeof text, "{\"event\":\"client-%0194d\",\"channel\":\"a\"}", 0);
    parse_as(&c, text, COMMAND_MALFORMED);
    assert_string_equal(c.fault, "event is longer than 200 bytes");
    assert_int_equal(c.event.n, EVENT_NAME_MAX + 1);
    command_fini(&c);
}

static void the_last_of_two_equal_keys_wins(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:ping\",\"event\":\"pusher:subscribe\",\"data\":1,"
             "\"data\":{\"channel\":\"a\",\"channel\":\"b\"}}",
             COMMAND_SUBSCRIBE);
    assert_slice(c.channel, "b");
    command_fini(&c);
}

static void nul_and_lone_surrogates_stay_inside_their_slices(void **state)
{
    struct command c;

    (void)state;
    parse_as(&c,
             "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\\u0000b\","
             "\"auth\":\"\\ud800\"}}",
             COMMAND_SUBSCRIBE);
    assert_true(slice_eq(c.channel, SLICE("a\0b")));
    assert_slice(c.auth, "\xef\xbf\xbd");
    command_fini(&c);
    parse_as(&c, "{\"event\":\"pusher:ping\\u0000\"}", COMMAND_MALFORMED);
    command_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscribe_is_read),
        cmocka_unit_test(an_empty_null_or_missing_auth_is_absent),
        cmocka_unit_test(an_empty_auth_is_absent_in_a_malformed_command_too),
        cmocka_unit_test(an_empty_channel_data_is_present),
        cmocka_unit_test(the_signed_bytes_are_unescaped_and_nothing_else),
        cmocka_unit_test(data_that_is_encoded_twice_is_accepted),
        cmocka_unit_test(an_unsubscribe_needs_only_a_channel),
        cmocka_unit_test(ping_and_pong_take_any_data_or_none),
        cmocka_unit_test(a_sign_in_carries_auth_and_user_data),
        cmocka_unit_test(a_client_event_keeps_its_data_verbatim),
        cmocka_unit_test(a_client_event_may_have_any_data_or_none),
        cmocka_unit_test(a_client_event_without_escapes_allocates_nothing),
        cmocka_unit_test(other_names_are_ignored),
        cmocka_unit_test(an_unknown_pusher_event_is_named),
        cmocka_unit_test(what_is_no_event_is_malformed_with_the_reason),
        cmocka_unit_test(a_missing_or_wrong_field_is_named),
        cmocka_unit_test(an_event_name_has_at_most_200_bytes),
        cmocka_unit_test(the_last_of_two_equal_keys_wins),
        cmocka_unit_test(nul_and_lone_surrogates_stay_inside_their_slices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
