/* Whole payloads are compared byte for byte; and since an encoder and its expectation can
 * be wrong in the same way, they are also read by an independent parser (jansson),
 * through both layers of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "protocol/encode.h"

/* Everything that escaping could get wrong. */
#define NASTY "q\" b\\ s/ n\n t\t \x01 \x7f \u00fc\u20ac\U0001f600"

static void assert_payload(struct frame *f, const char *expected)
{
    struct slice payload = frame_payload(f);

    if (!slice_is(payload, expected))
        fail_msg("\n%.*s\nis not\n%s", SLICE_ARG(payload), expected);
    frame_release(f);
}

static json_t *decode(struct slice text)
{
    json_error_t error;
    json_t *j = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (!j)
        fail_msg("%s at %d: %.*s", error.text, error.position, SLICE_ARG(text));
    return j;
}

/* The frame, decoded; what stands in the string `data`, decoded too, is put in its place.
 */
static json_t *decode_frame(struct frame *f)
{
    json_t *j = decode(frame_payload(f));
    json_t *data = json_object_get(j, "data");

    assert_true(json_is_string(data));
    json_object_set_new(
        j, "data",
        decode((struct slice){json_string_value(data), json_string_length(data)}));
    frame_release(f);
    return j;
}

static const char *text_at(json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void established_is_exact(void **state)
{
    (void)state;
    assert_payload(
        encode_established(SLICE("1234.5678"), 120, SLICE_NONE),
        "{\"event\":\"pusher:connection_established\",\"data\":\"{\\\"socket_id\\\":"
        "\\\"1234.5678\\\",\\\"activity_timeout\\\":120}\"}");
    assert_payload(
        encode_established(SLICE("1234.5678"), 120, SLICE("box-1:6001")),
        "{\"event\":\"pusher:connection_established\",\"data\":\"{\\\"socket_id\\\":"
        "\\\"1234.5678\\\",\\\"activity_timeout\\\":120,"
        "\\\"node\\\":\\\"box-1:6001\\\"}\"}");
}

static void an_error_has_an_object_for_data(void **state)
{
    (void)state;
    assert_payload(encode_error(4001, SLICE("Application does not exist"), SLICE_NONE),
                   "{\"event\":\"pusher:error\",\"data\":{\"code\":4001,"
                   "\"message\":\"Application does not exist\"}}");
}

static void an_error_may_have_a_null_code_and_a_channel(void **state)
{
    (void)state;
    assert_payload(encode_error(ERROR_NULL, SLICE("no \"event\""), SLICE("private-a")),
                   "{\"event\":\"pusher:error\",\"channel\":\"private-a\","
                   "\"data\":{\"code\":null,\"message\":\"no \\\"event\\\"\"}}");
}

static void ping_and_pong_are_exact(void **state)
{
    (void)state;
    assert_payload(encode_ping(), "{\"event\":\"pusher:ping\",\"data\":\"{}\"}");
    assert_payload(encode_pong(), "{\"event\":\"pusher:pong\",\"data\":\"{}\"}");
}

static void sign_in_success_returns_the_signed_bytes(void **state)
{
    struct slice user_data = SLICE("{\"id\":\"a\",\"n\":1.10,\"s\":\"\\u00e9 "
                                   "\u00fc\"}\n");
    json_t *j;

    (void)state;
    assert_payload(encode_signin_success(SLICE("{\"id\":\"alice\"}")),
                   "{\"event\":\"pusher:signin_success\",\"data\":\"{\\\"user_data\\\":"
                   "\\\"{\\\\\\\"id\\\\\\\":\\\\\\\"alice\\\\\\\"}\\\"}\"}");
    j = decode_frame(encode_signin_success(user_data));
    assert_true(slice_is(user_data, text_at(json_object_get(j, "data"), "user_data")));
    json_decref(j);
}

static void a_plain_subscription_succeeds_with_an_empty_object(void **state)
{
    (void)state;
    assert_payload(encode_subscribed(SLICE("my-channel")),
                   "{\"event\":\"pusher_internal:subscription_succeeded\","
                   "\"channel\":\"my-channel\",\"data\":\"{}\"}");
}

static void a_refusal_has_type_error_and_status(void **state)
{
    (void)state;
    assert_payload(
        encode_refused(SLICE("private-a"), REFUSAL_AUTH, SLICE("say \"please\"")),
        "{\"event\":\"pusher:subscription_error\",\"channel\":\"private-a\","
        "\"data\":{\"type\":\"AuthError\",\"error\":\"say \\\"please\\\"\","
        "\"status\":401}}");
    assert_payload(encode_refused(SLICE("presence-a"), REFUSAL_ROOM_FULL, SLICE("full")),
                   "{\"event\":\"pusher:subscription_error\",\"channel\":\"presence-a\","
                   "\"data\":{\"type\":\"PresenceLimitReached\",\"error\":\"full\","
                   "\"status\":4100}}");
}

static void a_cache_miss_and_a_count_are_exact(void **state)
{
    (void)state;
    assert_payload(
        encode_cache_miss(SLICE("cache-a")),
        "{\"event\":\"pusher:cache_miss\",\"channel\":\"cache-a\",\"data\":\"{}\"}");
    assert_payload(encode_subscription_count(SLICE("a"), 4294967295u),
                   "{\"event\":\"pusher_internal:subscription_count\",\"channel\":\"a\","
                   "\"data\":\"{\\\"subscription_count\\\":4294967295}\"}");
}

static void a_client_event_travels_verbatim(void **state)
{
    struct slice data =
        SLICE("{\"a\" : 1.10,\"n\":12345678901234567890,\"s\":\"\\u00e9\\/\"}");

    (void)state;
    assert_payload(
        encode_client_event(SLICE("client-x"), SLICE("private-a"), data, SLICE_NONE),
        "{\"event\":\"client-x\",\"channel\":\"private-a\",\"data\":{\"a\" : 1.10,"
        "\"n\":12345678901234567890,\"s\":\"\\u00e9\\/\"}}");
    assert_payload(encode_client_event(SLICE("client-x"), SLICE("presence-a"),
                                       SLICE("\"hi\""), SLICE("10")),
                   "{\"event\":\"client-x\",\"channel\":\"presence-a\",\"data\":\"hi\","
                   "\"user_id\":\"10\"}");
}

static void a_client_event_without_data_still_has_the_key(void **state)
{
    (void)state;
    assert_payload(encode_client_event(SLICE("client-x"), SLICE("private-a"), SLICE_NONE,
                                       SLICE_NONE),
                   "{\"event\":\"client-x\",\"channel\":\"private-a\",\"data\":null}");
}

static void names_that_need_escapes_decode_to_themselves(void **state)
{
    struct frame *f = encode_client_event(SLICE("client-" NASTY), SLICE(NASTY),
                                          SLICE("[]"), SLICE(NASTY));
    json_t *j = decode(frame_payload(f));

    (void)state;
    assert_string_equal(text_at(j, "event"), "client-" NASTY);
    assert_string_equal(text_at(j, "channel"), NASTY);
    assert_string_equal(text_at(j, "user_id"), NASTY);
    json_decref(j);
    frame_release(f);
}

static void members_are_announced_in_pusher_s_words(void **state)
{
    struct slice id = SLICE("\\\"1\\\""), info = SLICE("{\\\"name\\\":\\\"Al\\\"}");

    (void)state;
    assert_payload(
        encode_member_added(CHANNEL_PRESENCE, SLICE("presence-a"), id, info),
        "{\"event\":\"pusher_internal:member_added\",\"channel\":\"presence-a\","
        "\"data\":\"{\\\"user_id\\\":\\\"1\\\",\\\"user_info\\\":"
        "{\\\"name\\\":\\\"Al\\\"}}\"}");
    assert_payload(
        encode_member_removed(CHANNEL_PRESENCE_CACHE, SLICE("presence-cache-a"), id),
        "{\"event\":\"pusher_internal:member_removed\","
        "\"channel\":\"presence-cache-a\",\"data\":\"{\\\"user_id\\\":\\\"1\\\"}\"}");
}

static void
members_of_private_presence_are_announced_in_the_document_s_words(void **state)
{
    struct slice id = SLICE("\\\"1\\\""), info = SLICE("null");
    struct slice channel = SLICE("private-presence-a");

    (void)state;
    assert_payload(
        encode_member_added(CHANNEL_PRIVATE_PRESENCE, channel, id, info),
        "{\"event\":\"pusher:member_added\",\"channel\":\"private-presence-a\","
        "\"data\":\"{\\\"id\\\":\\\"1\\\",\\\"info\\\":null}\"}");
    assert_payload(
        encode_member_removed(CHANNEL_PRIVATE_PRESENCE, channel, id),
        "{\"event\":\"pusher:member_removed\",\"channel\":\"private-presence-a\","
        "\"data\":\"{\\\"id\\\":\\\"1\\\"}\"}");
}

static void pieces_decode_to_the_member_they_were_made_of(void **state)
{
    struct buf id = BUF_INIT, info = BUF_INIT;
    json_t *j, *data;

    (void)state;
    encode_id_piece(&id, SLICE(NASTY));
    encode_info_piece(&info, SLICE("{\"n\" :\n\"a\\\"\\\\\\u00e9\u00fc\"}"));
    j = decode_frame(encode_member_added(CHANNEL_PRESENCE, SLICE("presence-a"),
                                         buf_slice(&id), buf_slice(&info)));
    data = json_object_get(j, "data");
    assert_string_equal(text_at(data, "user_id"), NASTY);
    assert_string_equal(text_at(json_object_get(data, "user_info"), "n"),
                        "a\"\\\u00e9\u00fc");
    json_decref(j);
    buf_fini(&id);
    buf_fini(&info);
}

static void numbers_in_user_info_keep_their_digits(void **state)
{
    struct buf info = BUF_INIT;

    (void)state;
    encode_info_piece(&info, SLICE("[1.10,12345678901234567890]"));
    assert_payload(
        encode_member_added(CHANNEL_PRESENCE, SLICE("presence-a"), SLICE("\\\"1\\\""),
                            buf_slice(&info)),
        "{\"event\":\"pusher_internal:member_added\",\"channel\":\"presence-a\","
        "\"data\":\"{\\\"user_id\\\":\\\"1\\\",\\\"user_info\\\":"
        "[1.10,12345678901234567890]}\"}");
    buf_fini(&info);
}

static void an_absent_user_info_is_null(void **state)
{
    struct buf info = BUF_INIT;

    (void)state;
    encode_info_piece(&info, SLICE_NONE);
    assert_string_equal(buf_cstr(&info), "null");
    buf_fini(&info);
}

struct room {
    struct buf id, info; /* the pieces of the member that next() yielded last */
    unsigned members;
    unsigned at;
    unsigned walks;
    const char *text; /* a user_info string's content, JSON-escaped */
};

static void room_first(void *iterator)
{
    struct room *r = iterator;

    r->at = 0;
    r->walks++;
}

static bool room_next(void *iterator, struct member_piece *out)
{
    struct room *r = iterator;
    struct buf plain = BUF_INIT;

    if (r->at == r->members)
        return false;
    r->id.n = r->info.n = 0;
    buf_addf(&plain, "user\"%u", r->at++);
    encode_id_piece(&r->id, buf_slice(&plain));
    plain.n = 0;
    buf_addf(&plain, "{\"text\":\"%s\"}", r->text);
    encode_info_piece(&r->info, buf_slice(&plain));
    buf_fini(&plain);
    *out = (struct member_piece){buf_slice(&r->id), buf_slice(&r->info)};
    return true;
}

static struct frame *snapshot(struct room *r)
{
    struct frame *f =
        encode_snapshot(SLICE("presence-a"), r->members, room_first, room_next, r);

    buf_fini(&r->id);
    buf_fini(&r->info);
    return f;
}

static void a_snapshot_is_exact(void **state)
{
    struct room none = {.members = 0}, two = {.members = 2, .text = "x"};

    (void)state;
    assert_payload(snapshot(&none),
                   "{\"event\":\"pusher_internal:subscription_succeeded\","
                   "\"channel\":\"presence-a\",\"data\":\"{\\\"presence\\\":"
                   "{\\\"ids\\\":[],\\\"hash\\\":{},\\\"count\\\":0}}\"}");
    assert_payload(
        snapshot(&two),
        "{\"event\":\"pusher_internal:subscription_succeeded\","
        "\"channel\":\"presence-a\",\"data\":\"{\\\"presence\\\":{\\\"ids\\\":["
        "\\\"user\\\\\\\"0\\\",\\\"user\\\\\\\"1\\\"],\\\"hash\\\":{"
        "\\\"user\\\\\\\"0\\\":{\\\"text\\\":\\\"x\\\"},"
        "\\\"user\\\\\\\"1\\\":{\\\"text\\\":\\\"x\\\"}},\\\"count\\\":2}}\"}");
    assert_int_equal(two.walks, 2);
}

static void ids_hash_and_count_of_a_snapshot_agree(void **state)
{
    struct room room = {.members = 100, .text = "\\u00e9\\\""};
    json_t *j = decode_frame(snapshot(&room));
    json_t *presence = json_object_get(json_object_get(j, "data"), "presence");
    json_t *ids = json_object_get(presence, "ids"),
           *hash = json_object_get(presence, "hash");

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(presence, "count")), 100);
    assert_int_equal(json_array_size(ids), 100);
    assert_int_equal(json_object_size(hash), 100);
    for (size_t i = 0; i < 100; i++) {
        json_t *info = json_object_get(hash, json_string_value(json_array_get(ids, i)));

        assert_string_equal(text_at(info, "text"), "\u00e9\"");
    }
    json_decref(j);
}

static void a_snapshot_over_64_kilobytes_has_the_long_header(void **state)
{
    char text[1000];
    struct room room = {.members = 100, .text = text};
    struct frame *f;

    (void)state;
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    f = snapshot(&room);
    assert_true(f->len > 65536);
    assert_int_equal(f->bytes[1], 127);
    assert_int_equal(f->len - frame_payload(f).n, 10);
    json_decref(decode_frame(f));
}

static void a_published_event_carries_its_data_as_posted(void **state)
{
    (void)state;
    assert_payload(encode_published(SLICE("my \"event\""), SLICE("project-3"),
                                    SLICE("\"{\\u0022a\\\": 1.10}\"")),
                   "{\"event\":\"my \\\"event\\\"\",\"channel\":\"project-3\","
                   "\"data\":\"{\\u0022a\\\": 1.10}\"}");
}

static void a_watchlist_names_who_is_online_and_who_is_offline(void **state)
{
    const struct slice online[] = {SLICE("bob"), SLICE("carol")};
    const struct slice offline[] = {SLICE("d\"e")};

    (void)state;
    assert_payload(encode_watchlist(online, 2, offline, 1),
                   "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{"
                   "\\\"events\\\":[{\\\"name\\\":\\\"online\\\",\\\"user_ids\\\":["
                   "\\\"bob\\\",\\\"carol\\\"]},{\\\"name\\\":\\\"offline\\\","
                   "\\\"user_ids\\\":[\\\"d\\\\\\\"e\\\"]}]}\"}");
}

static void a_watchlist_leaves_out_a_list_of_nobody(void **state)
{
    const struct slice ids[] = {SLICE("bob")};

    (void)state;
    assert_payload(encode_watchlist(ids, 1, NULL, 0),
                   "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{"
                   "\\\"events\\\":[{\\\"name\\\":\\\"online\\\",\\\"user_ids\\\":["
                   "\\\"bob\\\"]}]}\"}");
    assert_payload(encode_watchlist(NULL, 0, ids, 1),
                   "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{"
                   "\\\"events\\\":[{\\\"name\\\":\\\"offline\\\",\\\"user_ids\\\":["
                   "\\\"bob\\\"]}]}\"}");
    assert_payload(encode_watchlist(NULL, 0, NULL, 0),
                   "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{"
                   "\\\"events\\\":[]}\"}");
}

static void the_ids_of_a_watchlist_survive_both_layers_of_json(void **state)
{
    const struct slice ids[] = {SLICE(NASTY)};
    json_t *j = decode_frame(encode_watchlist(ids, 1, NULL, 0));
    json_t *events = json_object_get(json_object_get(j, "data"), "events");
    json_t *listed = json_object_get(json_array_get(events, 0), "user_ids");

    (void)state;
    assert_string_equal(json_string_value(json_array_get(listed, 0)), NASTY);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(established_is_exact),
        cmocka_unit_test(an_error_has_an_object_for_data),
        cmocka_unit_test(an_error_may_have_a_null_code_and_a_channel),
        cmocka_unit_test(ping_and_pong_are_exact),
        cmocka_unit_test(sign_in_success_returns_the_signed_bytes),
        cmocka_unit_test(a_plain_subscription_succeeds_with_an_empty_object),
        cmocka_unit_test(a_refusal_has_type_error_and_status),
        cmocka_unit_test(a_cache_miss_and_a_count_are_exact),
        cmocka_unit_test(a_client_event_travels_verbatim),
        cmocka_unit_test(a_client_event_without_data_still_has_the_key),
        cmocka_unit_test(names_that_need_escapes_decode_to_themselves),
        cmocka_unit_test(members_are_announced_in_pusher_s_words),
        cmocka_unit_test(
            members_of_private_presence_are_announced_in_the_document_s_words),
        cmocka_unit_test(pieces_decode_to_the_member_they_were_made_of),
        cmocka_unit_test(numbers_in_user_info_keep_their_digits),
        cmocka_unit_test(an_absent_user_info_is_null),
        cmocka_unit_test(a_snapshot_is_exact),
        cmocka_unit_test(ids_hash_and_count_of_a_snapshot_agree),
        cmocka_unit_test(a_snapshot_over_64_kilobytes_has_the_long_header),
        cmocka_unit_test(a_published_event_carries_its_data_as_posted),
        cmocka_unit_test(a_watchlist_names_who_is_online_and_who_is_offline),
        cmocka_unit_test(a_watchlist_leaves_out_a_list_of_nobody),
        cmocka_unit_test(the_ids_of_a_watchlist_survive_both_layers_of_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
