/* Names in Redis, and what is published there: what needs no Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adapters/redis_boot.h"
#include "adapters/redis_keys.h"
#include "adapters/redis_push.h"
#include "adapters/redis_text.h"
#include "server/base/hash.h"

static void each_partition_has_the_first_tag_whose_slot_is_its_own(void **state)
{
    struct redis_keys k;

    (void)state;
    redis_keys_init(&k, "muster:", 0);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        unsigned n = 0, slot;

        do {
            char tag[16];

            snprintf(tag, sizeof tag, "px%u", n++);
            slot = crc16(tag, strlen(tag), 0) & 16383;
        } while (slot < 256 * p || slot > 256 * p + 255);
        assert_int_equal(k.tags[p], n - 1);
    }
    /* As `redis-cli CLUSTER KEYSLOT px0` and px1 have it. */
    assert_int_equal(crc16("px0", 3, 0) & 16383, 12203);
    assert_int_equal(crc16("px1", 3, 0) & 16383, 16266);
    assert_int_equal(k.tags[12203 / 256], 0);
    assert_int_equal(k.tags[16266 / 256], 1);
}

static void assert_text(struct buf *b, const char *text)
{
    assert_string_equal(buf_cstr(b), text);
    b->n = 0;
}

static void keys_are_prefix_version_tag_letter_app_and_channel(void **state)
{
    struct redis_keys k;
    struct buf b = BUF_INIT;
    char want[128];
    unsigned p = redis_partition(SLICE("app1"), SLICE("presence-x"));

    (void)state;
    redis_keys_init(&k, "m:", 0);
    snprintf(want, sizeof want, "m:1:{px%u}m:app1:presence-x", k.tags[p]);
    redis_key_of_channel(&k, KEY_MEMBERS, SLICE("app1"), SLICE("presence-x"), &b);
    assert_text(&b, want);
    snprintf(want, sizeof want, "m:1:{px%u}e", k.tags[3]);
    redis_key_of_partition(&k, 3, KEY_EPOCH, &b);
    assert_text(&b, want);
    redis_key_of_all(&k, "hb", &b);
    assert_text(&b, "m:1:{pxhb}hb");
    redis_keys_init(&k, "m:", 7);
    redis_key_of_all(&k, "hb", &b);
    assert_text(&b, "m:1:db7:{pxhb}hb");
    buf_fini(&b);
}

static void a_topic_is_taken_apart_again(void **state)
{
    static const char *const bad[] = {
        "",           "m:1:",         "x:1:{px1}c:a:b", "m:1:{px1}",
        "m:1:{px1}c", "m:1:{px1}c:a", "m:1:{px1}m:a:b", "m:1:{px1c:a:b"};
    struct redis_keys k;
    struct redis_topic t;
    struct buf b = BUF_INIT;

    (void)state;
    redis_keys_init(&k, "m:", 0);
    redis_key_of_channel(&k, TOPIC_USER, SLICE("app1"), SLICE("#server-to-user-a:b}c"),
                         &b);
    assert_true(redis_topic_parse(&k, buf_slice(&b), &t));
    assert_int_equal(t.letter, TOPIC_USER);
    assert_true(slice_is(t.app, "app1"));
    assert_true(slice_is(t.channel, "#server-to-user-a:b}c"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(redis_topic_parse(&k, slice_of(bad[i]), &t));
    buf_fini(&b);
}

static void numbers_are_strict(void **state)
{
    uint64_t n;

    (void)state;
    assert_true(text_decimal(SLICE("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_false(text_decimal(SLICE("18446744073709551616"), &n));
    assert_false(text_decimal(SLICE(""), &n));
    assert_false(text_decimal(SLICE("-1"), &n));
    assert_false(text_decimal(SLICE("1 "), &n));
    assert_true(text_hex16(SLICE("00000000000000ff"), &n));
    assert_true(n == 255);
    assert_false(text_hex16(SLICE("00000000000000FF"), &n));
    assert_false(text_hex16(SLICE("ff"), &n));
    assert_false(text_hex16(SLICE("00000000000000ff0"), &n));
}

static void an_event_comes_back_as_it_was(void **state)
{
    const struct redis_event e = {.nid = 0xfedcba9876543210,
                                  .number = 77,
                                  .except = {123456789, UINT64_MAX},
                                  .keep = 1800,
                                  .data = SLICE("{\"a\":1}"),
                                  .text = SLICE("{\"event\":\"x\",\"data\":\"{}\"}")};
    struct redis_message m;
    struct buf b = BUF_INIT;

    (void)state;
    redis_event_encode(&e, &b);
    assert_null(redis_message_decode(buf_slice(&b), &m));
    assert_int_equal(m.kind, MESSAGE_EVENT);
    assert_true(m.event.nid == e.nid && m.event.number == e.number);
    assert_true(socket_id_eq(m.event.except, e.except));
    assert_int_equal(m.event.keep, 1800);
    assert_int_equal(m.event.kept, 0);
    assert_true(slice_eq(m.event.data, e.data) && slice_eq(m.event.text, e.text));
    for (size_t n = 0; n <= b.n - e.text.n; n++) /* cut off anywhere before the text */
        assert_non_null(redis_message_decode((struct slice){b.p, n}, &m));
    buf_fini(&b);
}

static void a_terminate_has_neither_data_nor_text(void **state)
{
    struct redis_event e = {.terminate = true, .nid = 1, .number = 2};
    struct redis_message m;
    struct buf b = BUF_INIT;

    (void)state;
    redis_event_encode(&e, &b);
    assert_null(redis_message_decode(buf_slice(&b), &m));
    assert_true(m.event.terminate && !m.event.text.p);
    buf_add_char(&b, 'x');
    assert_non_null(redis_message_decode(buf_slice(&b), &m));
    buf_fini(&b);
}

static void a_push_is_read_or_refused(void **state)
{
#define HEAD " 12 00000000000000aa 00000000000000bb 00000000000000cc "
    static const char *const bad[] = {
        "",
        "A",
        "B" HEAD "3 bob",
        "A" HEAD "4 bob",
        "R" HEAD "2 bob",
        "A" HEAD "x bob",
        "A 1x 00000000000000aa 00000000000000bb 00000000000000cc 3 bob",
        "A 12 00000000000000aa 00000000000000bb 0000000000000cc 3 bob",
        "A" HEAD "3"};
    struct redis_message m;

    (void)state;
    assert_null(redis_message_decode(SLICE("A" HEAD "3 bob{\"n\":1}"), &m));
    assert_int_equal(m.kind, MESSAGE_PUSH);
    assert_int_equal(m.push.kind, PUSH_ADDED);
    assert_true(m.push.at.seq == 12 && m.push.at.nonce == 0xbb);
    assert_true(m.push.prev_nonce == 0xaa && m.push.nid == 0xcc);
    assert_true(slice_is(m.push.user, "bob") && slice_is(m.push.info, "{\"n\":1}"));
    assert_null(redis_message_decode(SLICE("R" HEAD "5 a b c"), &m));
    assert_true(slice_is(m.push.user, "a b c") && !m.push.info.p);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(redis_message_decode(slice_of(bad[i]), &m));
}

static void a_count_is_read_or_refused(void **state)
{
    static const char *const bad[] = {"C", "C 12", "C 12 00000000000000c",
                                      "C 12 00000000000000cc ", "C -1 00000000000000cc"};
    struct redis_message m;

    (void)state;
    assert_null(redis_message_decode(SLICE("C 12 00000000000000cc"), &m));
    assert_int_equal(m.kind, MESSAGE_COUNT);
    assert_true(m.count.total == 12 && m.count.epoch == 0xcc);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(redis_message_decode(slice_of(bad[i]), &m));
}

static const struct redis_link_conf plain;

static enum boot_verdict judge(const char *info, struct buf *why)
{
    char text[256];
    redisReply r = {.type = REDIS_REPLY_STRING, .str = text};

    why->n = 0;
    snprintf(text, sizeof text, "# Server\r\nredis_version:7.0.15\r\n%s\r\n", info);
    r.len = strlen(text);
    return redis_boot_judge(&plain, BOOT_INFO, 0, &r, why);
}

static void info_refuses_what_would_lose_presence(void **state)
{
    static const struct {
        const char *info, *names;
    } refused[] = {{"maxmemory_policy:allkeys-lru", "allkeys-lru"},
                   {"maxmemory_policy:allkeys-random", "allkeys-random"},
                   {"cluster_enabled:1", "cluster_enabled"},
                   {"role:slave", "role is slave"}};
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(judge("role:master\r\nmaxmemory_policy:noeviction\r\n"
                           "cluster_enabled:0",
                           &why),
                     BOOT_FINE);
    assert_int_equal(judge("maxmemory_policy:volatile-lru", &why), BOOT_FINE);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(judge(refused[i].info, &why), BOOT_REFUSED);
        assert_non_null(strstr(buf_cstr(&why), refused[i].names));
    }
    buf_fini(&why);
}

static void an_old_redis_is_refused_by_its_version(void **state)
{
    static char text[] = "redis_version:6.0.16\r\nrole:master\r\n";
    redisReply r = {.type = REDIS_REPLY_STRING, .str = text, .len = sizeof text - 1};
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(redis_boot_judge(&plain, BOOT_INFO, 0, &r, &why), BOOT_REFUSED);
    assert_non_null(strstr(buf_cstr(&why), "6.0.16"));
    memcpy(text, "redis_version:6.2.0\r\n", 21);
    why.n = 0;
    assert_int_equal(redis_boot_judge(&plain, BOOT_INFO, 0, &r, &why), BOOT_FINE);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_partition_has_the_first_tag_whose_slot_is_its_own),
        cmocka_unit_test(keys_are_prefix_version_tag_letter_app_and_channel),
        cmocka_unit_test(a_topic_is_taken_apart_again),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(an_event_comes_back_as_it_was),
        cmocka_unit_test(a_terminate_has_neither_data_nor_text),
        cmocka_unit_test(a_push_is_read_or_refused),
        cmocka_unit_test(a_count_is_read_or_refused),
        cmocka_unit_test(info_refuses_what_would_lose_presence),
        cmocka_unit_test(an_old_redis_is_refused_by_its_version),
    };

    return cmocka_run_group_tests_name("redis_keys", tests, NULL, NULL);
}
