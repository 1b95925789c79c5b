/* What the scripts do in a real Redis, about nodes, kept events and questions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "test/unit/redis_scripts.h"

static struct beat_reply beat(struct scripts *s, uint64_t nid, struct beat_value expected,
                              struct beat_value value)
{
    const struct beat b = {nid, expected, value, 0xeeee};
    struct beat_reply out;
    struct buf bytes = BUF_INIT;
    const char *wrong;

    redis_encode_beat(&s->keys, &b, &bytes);
    wrong = redis_decode_beat(run(s, &bytes), &s->memory, &out);
    if (wrong)
        fail_msg("%s", wrong);
    return out;
}

static bool kills(struct scripts *s, uint64_t nid, struct beat_value seen)
{
    struct buf b = BUF_INIT;
    bool done;

    redis_encode_kill(&s->keys, nid, seen, &b);
    assert_null(redis_decode_kill(run(s, &b), &done));
    return done;
}

static const struct beat_value none = {0, 0, false}, first = {1, 0xa, false},
                               second = {2, 0xb, false}, bye = {3, 0xc, true};

static void a_heartbeat_is_set_only_over_the_expected_value(void **state)
{
    struct scripts *s = *state;
    struct beat_reply r = beat(s, N1, none, first);

    assert_true(r.ok && beat_value_eq(r.current, none));
    assert_int_equal(r.epoch, 0xeeee);
    assert_int_equal(r.n, 1);
    assert_true(r.entries[0].nid == N1 && beat_value_eq(r.entries[0].value, first));
    r = beat(s, N1, none, second);
    assert_true(!r.ok && beat_value_eq(r.current, first));
    assert_true(beat_value_eq(r.entries[0].value, first));
    r = beat(s, N1, first, second);
    assert_true(r.ok && beat_value_eq(r.current, first));
    r = beat(s, N2, second, first); /* missing: declared dead, or the table was lost */
    assert_true(!r.ok && beat_value_eq(r.current, none));
    assert_int_equal(r.n, 1);
    r = beat(s, N2, none, first);
    assert_int_equal(r.n, 2);
    r = beat(s, N1, second, bye);
    r = beat(s, N1, second, bye);
    assert_true(!r.ok && r.current.bye && beat_value_eq(r.current, bye));
}

static void a_node_is_killed_only_by_the_value_it_was_judged_by(void **state)
{
    struct scripts *s = *state;

    beat(s, N1, none, first);
    assert_false(kills(s, N1, second));
    assert_true(kills(s, N1, first));
    assert_false(kills(s, N1, first));
    assert_false(beat(s, N1, first, second).ok);
    beat(s, N1, none, bye);
    assert_false(kills(s, N1, (struct beat_value){3, 0xc, false}));
    assert_true(kills(s, N1, bye));
}

static unsigned holders(struct scripts *s, uint64_t *one)
{
    struct buf b = BUF_INIT;
    const uint64_t *nids;
    unsigned n;

    redis_encode_holders(&s->keys, s->partition, &b);
    assert_null(redis_decode_holders(run(s, &b), &s->memory, &nids, &n));
    *one = n ? nids[0] : 0;
    return n;
}

static void a_reaped_node_leaves_nothing_but_its_fence(void **state)
{
    struct scripts *s = *state;
    const struct op ops[] = {join("bob"), join("eve"), count(2)};
    struct redis_message m;
    uint64_t one;

    batch(s, N1, ops, 3);
    does(s, N2, join("eve"));
    for (int i = 0; i < 3; i++)
        hear(s);
    assert_int_equal(holders(s, &one), 2);
    assert_false(reap(s, N1, 0xddULL << 12));
    for (int i = 0; i < 2; i++) {
        m = hear(s);
        assert_int_equal(m.push.kind,
                         slice_is(m.push.user, "bob") ? PUSH_REMOVED : PUSH_UNREF);
        assert_int_equal(m.push.at.seq, 4 + i);
        assert_true(m.push.at.nonce == ((0xddULL << 12) | (1 + i)));
        assert_true(m.push.nid == N1);
    }
    assert_silence(s);
    assert_int_equal(holders(s, &one), 1);
    assert_true(one == N2);
    assert_int_equal(ask(s, "EXISTS", "x:1111111111111111", "")->integer, 0);
    assert_int_equal(ask(s, "EXISTS", "s:app:presence-r", "")->integer, 0);
    assert_int_equal(ask(s, "SCARD", "l:app", "")->integer, 1); /* eve is a member */
    assert_in_range(ask(s, "PTTL", "f:1111111111111111", "")->integer, 3590000, 3600000);
    assert_int_equal(verify_numbered(s, N1, 1000).status, REPLY_FENCED);
    assert_false(reap(s, N1, 0xdeULL << 12)); /* once more: nothing */
    assert_silence(s);
}

static void a_reap_goes_by_pages_of_500_changes(void **state)
{
    struct scripts *s = *state;
    unsigned pages = 0;

    for (unsigned i = 0; i < 5; i++) {
        struct op ops[250];
        char names[250][16];

        for (unsigned j = 0; j < 250; j++) {
            snprintf(names[j], sizeof names[j], "u%u", 250 * i + j);
            ops[j] = join(names[j]);
        }
        batch(s, N1, ops, 250);
    }
    while (reap(s, N1, (0xd0ULL + pages) << 12)) {
        assert_int_equal(ask(s, "HLEN", "m:app:presence-r", "")->integer,
                         1250 - 500 * ++pages);
        assert_int_equal(verify_numbered(s, N1, 1000).status, REPLY_FENCED);
    }
    assert_int_equal(pages, 2);
    assert_int_equal(ask(s, "EXISTS", "m:app:presence-r", "")->integer, 0);
    assert_in_range(ask(s, "PTTL", "v:app:presence-r", "")->integer, 55000, 60000);
    assert_int_equal(does(s, N2, snapshot(0)).at.seq, 2500);
}

/* Kept events. */

static void keep(struct scripts *s, const char *text, uint64_t ttl_ms)
{
    const struct redis_event e = {
        .nid = N1, .number = 5, .keep = 30, .data = SLICE("1"), .text = slice_of(text)};
    struct buf message = BUF_INIT, b = BUF_INIT;

    redis_event_encode(&e, &message);
    redis_encode_keep(&s->keys, APP, ROOM, buf_slice(&message), ttl_ms, &b);
    assert_int_equal(run(s, &b)->type, REDIS_REPLY_INTEGER);
    buf_fini(&message);
}

static struct redis_kept kept(struct scripts *s)
{
    struct redis_kept out;
    struct buf b = BUF_INIT;

    redis_encode_kept(&s->keys, APP, ROOM, &b);
    assert_null(redis_decode_kept(run(s, &b), &out));
    return out;
}

static uint64_t number_of_next(struct scripts *s, const char *text)
{
    struct redis_message m;

    keep(s, text, 30000);
    m = hear(s);
    assert_true(slice_is(m.event.text, text) && m.event.number == 5);
    return m.event.kept;
}

static void a_kept_event_is_published_with_its_number(void **state)
{
    struct scripts *s = *state;
    struct redis_message m;
    struct redis_kept k = kept(s);
    uint64_t one, two;

    assert_true(!k.message.p && !k.number);
    one = number_of_next(s, "one");
    keep(s, "two", 150);
    two = hear(s).event.kept;
    assert_true(two > one);
    k = kept(s);
    assert_in_range(k.ttl_ms, 1, 150);
    assert_int_equal(k.number, two);
    assert_null(redis_message_decode(k.message, &m));
    assert_true(m.event.kept == two && slice_is(m.event.text, "two"));
    assert_true(slice_is(m.event.data, "1") && m.event.keep == 30);
    usleep(200000);
    k = kept(s);
    assert_true(!k.message.p && k.number == two); /* the number isn't used again */
    assert_true(number_of_next(s, "three") > two);
}

static void kept_numbers_grow_though_the_last_is_lost_or_the_clock_set_back(void **state)
{
    struct scripts *s = *state;
    uint64_t last = number_of_next(s, "one");

    ask(s, "DEL", "i:app:presence-r", "");
    assert_true(number_of_next(s, "two") > last);
    ask(s, "SET", "i:app:presence-r", "1");
    assert_true(number_of_next(s, "three") > last);
    ask(s, "SET", "i:app:presence-r", "9007199254740000");
    assert_int_equal(number_of_next(s, "four"), 9007199254740001);
}

/* Questions. */

static struct redis_lookup_reply lookup(struct scripts *s, struct redis_lookup q)
{
    struct redis_lookup_reply out;
    struct buf b = BUF_INIT;
    const char *wrong;

    q.partition = s->partition;
    q.app = APP;
    redis_encode_lookup(&s->keys, &q, &b);
    wrong = redis_decode_lookup(run(s, &b), &s->memory, &out);
    if (wrong)
        fail_msg("%s", wrong);
    return out;
}

static void a_lookup_answers_for_one_channel_or_a_prefix(void **state)
{
    struct scripts *s = *state;
    struct redis_lookup_reply r;
    struct op other = count(5);

    other.channel = SLICE("private-x");
    does(s, N1, count(2));
    does(s, N2, count(3));
    does(s, N1, join("bob"));
    does(s, N1, join("eve"));
    does(s, N1, other);
    keep(s, "kept", 30000);
    r = lookup(s, (struct redis_lookup){.channel = ROOM, .users = true});
    assert_true(r.n == 1 && !r.cursor);
    assert_true(slice_eq(r.facts[0].channel, ROOM));
    assert_int_equal(r.facts[0].subscriptions, 5);
    assert_int_equal(r.facts[0].users, 2);
    assert_true(!r.facts[0].kept.p && !r.facts[0].n_members);
    r = lookup(s, (struct redis_lookup){.channel = ROOM, .members = true, .kept = true});
    assert_int_equal(r.facts[0].n_members, 2);
    assert_true(slice_is(r.facts[0].members[0], "bob") ||
                slice_is(r.facts[0].members[1], "bob"));
    assert_in_range(r.facts[0].kept_ttl_ms, 29000, 30000);
    r = lookup(s, (struct redis_lookup){.channel = SLICE("nowhere")});
    assert_true(r.n == 1 && !r.facts[0].subscriptions);
    r = lookup(s, (struct redis_lookup){.prefix = SLICE("")});
    assert_int_equal(r.n, 2);
    r = lookup(s, (struct redis_lookup){.prefix = SLICE("private-")});
    assert_true(r.n == 1 && slice_is(r.facts[0].channel, "private-x"));
    assert_int_equal(r.facts[0].subscriptions, 5);
}

static void a_long_list_of_channels_comes_in_pages(void **state)
{
    struct scripts *s = *state;
    struct redis_lookup_reply r = {.cursor = 0};
    unsigned total = 0, pages = 0;

    freeReplyObject(
        redis_server_ask(&s->server, "EVAL %s 0 t:1:{px%u}l:app",
                         "for i = 1, 12000 do redis.call('SADD', ARGV[1], 'ch' .. i) end",
                         s->keys.tags[s->partition]));
    do {
        r = lookup(s, (struct redis_lookup){.prefix = SLICE("ch"), .cursor = r.cursor});
        total += r.n;
        pages++;
    } while (r.cursor && pages < 10);
    assert_int_equal(total, 12000);
    assert_in_range(pages, 2, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRIPTS_TEST(a_heartbeat_is_set_only_over_the_expected_value),
        SCRIPTS_TEST(a_node_is_killed_only_by_the_value_it_was_judged_by),
        SCRIPTS_TEST(a_reaped_node_leaves_nothing_but_its_fence),
        SCRIPTS_TEST(a_reap_goes_by_pages_of_500_changes),
        SCRIPTS_TEST(a_kept_event_is_published_with_its_number),
        SCRIPTS_TEST(kept_numbers_grow_though_the_last_is_lost_or_the_clock_set_back),
        SCRIPTS_TEST(a_lookup_answers_for_one_channel_or_a_prefix),
        SCRIPTS_TEST(a_long_list_of_channels_comes_in_pages),
    };

    return cmocka_run_group_tests_name("redis_script_node", tests, scripts_setup,
                                       scripts_teardown);
}
