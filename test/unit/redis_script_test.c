/* What the scripts do in a real Redis, about members and counts, one step after another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "test/unit/redis_scripts.h"

static void the_first_reference_adds_and_the_last_one_removes(void **state)
{
    struct scripts *s = *state;
    struct op_reply r;

    r = does(s, N1, join("bob"));
    assert_int_equal(r.result, RESULT_ADDED);
    assert_int_equal(r.at.seq, 1);
    assert_true(r.at.nonce == ((0xabc1ULL << 12) | 1));
    r = does(s, N1, join("bob"));
    assert_int_equal(r.result, RESULT_DUP);
    assert_int_equal(r.at.seq, 1);
    r = does(s, N2, join("bob"));
    assert_int_equal(r.result, RESULT_REF);
    assert_int_equal(r.at.seq, 2);
    r = does(s, N1, leave("bob"));
    assert_int_equal(r.result, RESULT_UNREF);
    r = does(s, N1, leave("bob"));
    assert_int_equal(r.result, RESULT_NONE);
    assert_int_equal(r.at.seq, 3);
    r = does(s, N2, leave("bob"));
    assert_int_equal(r.result, RESULT_REMOVED);
    assert_int_equal(r.at.seq, 4);
    r = does(s, N2, leave("nobody"));
    assert_int_equal(r.result, RESULT_NONE);
}

static void assert_push(const struct redis_message *m, enum push_kind kind, uint64_t seq,
                        uint64_t prev, uint64_t nid)
{
    assert_int_equal(m->kind, MESSAGE_PUSH);
    assert_int_equal(m->push.kind, kind);
    assert_int_equal(m->push.at.seq, seq);
    assert_true(m->push.prev_nonce == prev);
    assert_true(m->push.nid == nid);
}

static void every_change_is_published_and_chained_by_nonce(void **state)
{
    struct scripts *s = *state;
    const struct op ops[] = {join("bob"), join("bob"), join("eve"), leave("bob")};
    struct redis_message m;
    struct batch_reply r = batch(s, N1, ops, 4);
    uint64_t tag = 0xabc1ULL << 12;

    assert_int_equal(r.ops[0].result, RESULT_ADDED);
    assert_int_equal(r.ops[1].result, RESULT_DUP);
    assert_true(version_eq(r.ops[1].at, r.ops[0].at));
    assert_true(r.ops[2].at.nonce == (tag | 2)); /* the second change */
    m = hear(s);
    assert_push(&m, PUSH_ADDED, 1, 0, N1);
    assert_true(slice_is(m.push.user, "bob") && slice_is(m.push.info, "{\"n\":1}"));
    m = hear(s);
    assert_push(&m, PUSH_ADDED, 2, tag | 1, N1);
    m = hear(s);
    assert_push(&m, PUSH_REMOVED, 3, tag | 2, N1);
    assert_true(slice_is(m.push.user, "bob") && !m.push.info.p);
    does(s, N2, join("eve"));
    m = hear(s);
    assert_push(&m, PUSH_REF, 4, tag | 3, N2);
    does(s, N1, leave("eve"));
    m = hear(s);
    assert_push(&m, PUSH_UNREF, 5, (0xabc2ULL << 12) | 1, N1);
    assert_silence(s);
}

static void user_ids_may_hold_anything(void **state)
{
    struct scripts *s = *state;
    struct op o = join("");
    struct redis_message m;
    struct op_reply r;

    o.user = (struct slice){"a;b,c \0\xff\r\n", 10};
    o.info = SLICE_NONE;
    assert_int_equal(does(s, N1, o).result, RESULT_ADDED);
    m = hear(s);
    assert_true(slice_eq(m.push.user, o.user) && !m.push.info.p);
    does(s, N2, o);
    r = does(s, N2, snapshot(0));
    assert_int_equal(r.n_members, 1);
    assert_true(slice_eq(r.members[0].user, o.user) && !r.members[0].info.p);
    assert_int_equal(r.members[0].n_nids, 2);
    assert_true(r.members[0].nids[0] == N1 && r.members[0].nids[1] == N2);
    o.kind = OP_LEAVE;
    assert_int_equal(does(s, N1, o).result, RESULT_UNREF);
    assert_int_equal(does(s, N2, o).result, RESULT_REMOVED);
}

static void a_full_channel_lets_in_only_who_is_in_it(void **state)
{
    struct scripts *s = *state;
    struct op o = join("c");

    o.max = 2;
    does(s, N1, join("a"));
    does(s, N1, join("b"));
    assert_int_equal(does(s, N1, o).result, RESULT_FULL);
    o.user = SLICE("a");
    assert_int_equal(does(s, N2, o).result, RESULT_REF);
    does(s, N1, leave("b"));
    o.user = SLICE("c");
    assert_int_equal(does(s, N2, o).result, RESULT_ADDED);
    assert_true(sum(s, N2) == 2 * HASH_A);
}

static void a_batch_is_refused_unless_its_number_is_higher(void **state)
{
    struct scripts *s = *state;
    const struct op o = join("bob");
    struct batch_reply r;

    assert_int_equal(batch_numbered(s, N1, 10, &o, 1).status, REPLY_OK);
    r = batch_numbered(s, N1, 10, &o, 1);
    assert_int_equal(r.status, REPLY_STALE);
    assert_int_equal(r.epoch, 0xe);
    assert_int_equal(r.n, 0);
    assert_int_equal(batch_numbered(s, N1, 9, &o, 1).status, REPLY_STALE);
    assert_int_equal(batch_numbered(s, N2, 1, &o, 1).status, REPLY_OK);
    /* a verify raises it, too */
    assert_int_equal(verify_numbered(s, N1, 20).status, REPLY_OK);
    assert_int_equal(batch_numbered(s, N1, 15, &o, 1).status, REPLY_STALE);
    assert_int_equal(verify_numbered(s, N1, 20).status, REPLY_STALE);
    /* far beyond what Lua prints plainly */
    assert_int_equal(batch_numbered(s, N1, 4000000000000000, &o, 1).status, REPLY_OK);
    assert_int_equal(batch_numbered(s, N1, 3999999999999999, &o, 1).status, REPLY_STALE);
    assert_int_equal(batch_numbered(s, N1, 4000000000000001, &o, 1).status, REPLY_OK);
}

static void the_epoch_is_the_first_ones(void **state)
{
    struct scripts *s = *state;

    assert_int_equal(verify_numbered(s, N1, 1).epoch, 0);
    s->batches = 1;
    does(s, N1, join("bob"));
    assert_int_equal(verify_numbered(s, N1, ++s->batches).epoch, 0xe);
}

static void a_batch_of_another_epoch_gets_nothing_done(void **state)
{
    struct scripts *s = *state;
    const struct op o = join("bob");
    struct batch b = {.partition = s->partition,
                      .nid = N1,
                      .epoch_if_new = 0xe,
                      .nonce = 0xabc1ULL << 12,
                      .ops = &o,
                      .n = 1};
    const struct {
        uint64_t epoch;
        enum reply_status status;
    } cases[] = {{0xd, REPLY_ANEW}, {0xe, REPLY_OK}, {0xf, REPLY_ANEW}, {0, REPLY_OK}};

    for (unsigned i = 0; i < 4; i++) {
        struct batch_reply r;
        struct buf bytes = BUF_INIT;

        b.number = i + 1;
        b.epoch = cases[i].epoch;
        redis_encode_batch(&s->keys, &b, DELAY_MS, &bytes);
        assert_null(redis_decode_batch(run(s, &bytes), 1, &s->memory, &r));
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(r.epoch, 0xe);
        assert_int_equal(ask(s, "EXISTS", "m:app:presence-r", "")->integer, i > 0);
    }
}

static void a_fenced_node_gets_nothing_done(void **state)
{
    struct scripts *s = *state;
    const struct op o = join("eve");
    struct batch_reply r;

    does(s, N1, join("bob"));
    ask(s, "SET", "f:1111111111111111", "1");
    r = batch(s, N1, &o, 1);
    assert_int_equal(r.status, REPLY_FENCED);
    assert_int_equal(verify_numbered(s, N1, 99).status, REPLY_FENCED);
    assert_int_equal(does(s, N2, snapshot(0)).n_members, 1);
}

static void the_sum_is_what_joins_and_counts_add(void **state)
{
    struct scripts *s = *state;
    struct op big = join("big");

    assert_true(sum(s, N1) == 0);
    does(s, N1, join("bob"));
    does(s, N1, join("bob"));
    assert_true(sum(s, N1) == HASH_A);
    does(s, N1, count(3));
    does(s, N1, count(3));
    assert_true(sum(s, N1) == HASH_A + 3 * HASH_B);
    does(s, N1, count(1));
    assert_true(sum(s, N1) == HASH_A + HASH_B);
    does(s, N2, join("bob"));
    does(s, N1, leave("bob"));
    does(s, N1, leave("bob"));
    does(s, N1, count(0));
    assert_true(sum(s, N1) == 0);
    assert_true(sum(s, N2) == HASH_A);
    big.hash = (1ULL << 40) - 1;
    does(s, N1, big);
    assert_true(sum(s, N1) == (1ULL << 40) - 1);
    big.kind = OP_LEAVE;
    big.hash++;
    does(s, N1, big);
    assert_true(sum(s, N1) == UINT64_MAX); /* below 0 wraps */
    assert_int_equal(ask(s, "HLEN", "x:1111111111111111", "")->integer, 2); /* #, @ */
}

static void counts_add_up_exactly_and_a_hash_may_be_0(void **state)
{
    struct scripts *s = *state;
    struct op c = count(1000000), j = join("bob");

    c.hash = UINT32_MAX;
    does(s, N1, c);
    assert_true(sum(s, N1) == 1000000ULL * UINT32_MAX);
    c.count = 999999;
    does(s, N1, c);
    assert_true(sum(s, N1) == 999999ULL * UINT32_MAX);
    c.count = 0;
    does(s, N1, c);
    assert_true(sum(s, N1) == 0);
    c.hash = j.hash = 0;
    c.count = 2;
    does(s, N1, c);
    c.count = 1;
    does(s, N1, c);
    does(s, N1, j);
    j.kind = OP_LEAVE;
    assert_int_equal(does(s, N1, j).result, RESULT_REMOVED);
    assert_true(sum(s, N1) == 0);
}

static void the_version_expires_60_s_after_the_last_member(void **state)
{
    struct scripts *s = *state;
    long long left;

    does(s, N1, join("bob"));
    assert_int_equal(ask(s, "PTTL", "v:app:presence-r", "")->integer, -1);
    does(s, N1, leave("bob"));
    left = ask(s, "PTTL", "v:app:presence-r", "")->integer;
    assert_in_range(left, 55000, 60000);
    does(s, N1, join("bob"));
    assert_int_equal(ask(s, "PTTL", "v:app:presence-r", "")->integer, -1);
}

static struct version version_of(struct scripts *s)
{
    struct version v;
    struct buf b = BUF_INIT;

    redis_encode_version(&s->keys, APP, ROOM, &b);
    assert_null(redis_decode_version(run(s, &b), &v));
    return v;
}

static void the_total_can_be_asked_for(void **state)
{
    struct scripts *s = *state;
    const unsigned counts[] = {2, 40};
    unsigned total = 1;

    for (unsigned i = 0; i < 3; i++) {
        struct buf b = BUF_INIT;

        redis_encode_total(&s->keys, APP, ROOM, &b);
        assert_null(redis_decode_total(run(s, &b), &total));
        assert_int_equal(total, i == 0 ? 0 : i == 1 ? 2 : 42);
        if (i < 2)
            does(s, i ? N2 : N1, count(counts[i]));
    }
}

static void the_version_can_be_asked_for(void **state)
{
    struct scripts *s = *state;
    struct op_reply r;

    assert_true(version_eq(version_of(s), (struct version){0, 0}));
    r = does(s, N1, join("bob"));
    assert_true(version_eq(version_of(s), r.at));
    r = does(s, N1, snapshot(0));
    assert_true(version_eq(version_of(s), r.at));
    /* beyond what Lua prints plainly */
    ask(s, "SET", "v:app:presence-r", "1000000000000000:00000000000000aa");
    r = does(s, N1, join("eve"));
    assert_true(r.at.seq == 1000000000000001);
}

static void a_count_occupies_and_vacates(void **state)
{
    struct scripts *s = *state;

    does(s, N1, count(3));
    does(s, N2, count(1));
    assert_int_equal(ask(s, "SISMEMBER", "l:app", "presence-r")->integer, 1);
    assert_string_equal(ask(s, "HGET", "s:app:presence-r", "1111111111111111")->str, "3");
    does(s, N1, count(0));
    assert_int_equal(ask(s, "SISMEMBER", "l:app", "presence-r")->integer, 1);
    does(s, N2, count(0));
    assert_int_equal(ask(s, "EXISTS", "l:app", "")->integer, 0);
    assert_int_equal(ask(s, "EXISTS", "s:app:presence-r", "")->integer, 0);
    does(s, N2, count(0));
    assert_int_equal(ask(s, "EXISTS", "l:app", "")->integer, 0);
}

static bool is_listed(struct scripts *s)
{
    return ask(s, "SISMEMBER", "l:app", "presence-r")->integer == 1;
}

static void a_channel_is_listed_while_it_has_members_or_subscriptions(void **state)
{
    struct scripts *s = *state;
    struct op signed_in = join("bob");

    does(s, N1, count(1));
    does(s, N1, join("bob"));
    does(s, N1, count(0)); /* bob is in his grace */
    assert_true(is_listed(s));
    does(s, N1, leave("bob"));
    assert_false(is_listed(s));
    does(s, N1, join("bob")); /* of a node whose count was 0 when Redis lost it */
    assert_true(is_listed(s));
    does(s, N2, count(1));
    does(s, N1, leave("bob"));
    assert_true(is_listed(s));
    does(s, N2, count(0));
    assert_false(is_listed(s));
    does(s, N1, join("bob"));
    reap(s, N1, 0xddULL << 12);
    assert_false(is_listed(s));
    signed_in.channel = SLICE("#server-to-user-bob");
    does(s, N2, signed_in);
    assert_int_equal(ask(s, "EXISTS", "l:app", "")->integer, 0);
}

static void add_many(struct scripts *s, unsigned from, unsigned n)
{
    struct op ops[BATCH_OPS];
    char names[BATCH_OPS][16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%05u", from + i);
        ops[i] = join(names[i]);
    }
    assert_int_equal(batch(s, N1, ops, n).status, REPLY_OK);
}

static void a_snapshot_comes_whole_or_in_pages(void **state)
{
    struct scripts *s = *state;
    static bool seen[3000];
    unsigned total = 0, pages = 0;
    uint64_t cursor = 0;
    struct op_reply r;

    for (unsigned i = 0; i < 4; i++)
        add_many(s, 250 * i, 250);
    r = does(s, N1, snapshot(0));
    assert_int_equal(r.n_members, 1000);
    assert_int_equal(r.cursor, 0);
    assert_int_equal(r.at.seq, 1000);
    for (unsigned i = 4; i < 12; i++)
        add_many(s, 250 * i, 250);
    memset(seen, 0, sizeof seen);
    do {
        r = does(s, N1, snapshot(cursor));
        for (unsigned i = 0; i < r.n_members; i++) {
            unsigned u = (unsigned)atoi(r.members[i].user.p + 1);

            total += !seen[u];
            seen[u] = true;
        }
        assert_in_range(r.n_members, 0, 1500);
        cursor = r.cursor;
        pages++;
    } while (cursor && pages < 20);
    assert_int_equal(total, 3000);
    assert_in_range(pages, 2, 6);
}

static struct list_reply list(struct scripts *s, uint64_t nid, uint64_t cursor)
{
    struct list_reply out;
    struct buf b = BUF_INIT;

    redis_encode_list(&s->keys, s->partition, nid, cursor, &b);
    assert_null(redis_decode_list(run(s, &b), &s->memory, &out));
    return out;
}

static void a_list_has_what_one_node_holds(void **state)
{
    struct scripts *s = *state;
    struct list_reply l;

    does(s, N1, join("bob"));
    does(s, N2, join("bob"));
    does(s, N2, join("eve"));
    does(s, N1, count(7));
    l = list(s, N1, 0);
    assert_int_equal(l.cursor, 0);
    assert_int_equal(l.n, 2);
    assert_true(slice_is(l.entries[0].user, "bob"));
    assert_true(slice_eq(l.entries[0].app, APP) && slice_eq(l.entries[0].channel, ROOM));
    assert_false(l.entries[1].user.p);
    assert_int_equal(l.entries[1].count, 7);
    assert_int_equal(list(s, N2, 0).n, 2);
    assert_int_equal(list(s, 0x33, 0).n, 0);
}

static void a_long_list_comes_in_pages(void **state)
{
    struct scripts *s = *state;
    unsigned total = 0, pages = 0;
    uint64_t cursor = 0;

    /* 2,500 counts of channels of this partition */
    for (unsigned i = 0; i < 10; i++) {
        static char names[BATCH_OPS][32];
        struct op ops[BATCH_OPS];

        for (unsigned j = 0; j < 250; j++) {
            snprintf(names[j], sizeof names[j], "c%u-%u", i, j);
            ops[j] = count(j + 1);
            ops[j].channel = slice_of(names[j]);
        }
        assert_int_equal(batch(s, N1, ops, 250).status, REPLY_OK);
    }
    do {
        struct list_reply l = list(s, N1, cursor);

        total += l.n;
        cursor = l.cursor;
        pages++;
    } while (cursor && pages < 10);
    assert_int_equal(total, 2500);
    assert_int_equal(pages, 3);
}

static void nothing_unexpected_is_decoded(void **state)
{
    struct scripts *s = *state;
    struct batch_reply out;
    void *memory;
    redisReply *r;

    does(s, N1, snapshot(0));
    r = s->answer;
    assert_non_null(redis_decode_batch(r, 2, &memory, &out)); /* not as many */
    free(memory);
    r->element[2]->element[0]->str[0] = 'X';
    assert_non_null(redis_decode_batch(r, 1, &memory, &out));
    free(memory);
    r->element[2]->element[0]->str[0] = 'N';
    r->element[2]->element[0]->str[1] = '-';
    assert_non_null(redis_decode_batch(r, 1, &memory, &out));
    free(memory);
    r->element[0]->str[0] = 'o';
    assert_non_null(redis_decode_batch(r, 1, &memory, &out));
    assert_null(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRIPTS_TEST(the_first_reference_adds_and_the_last_one_removes),
        SCRIPTS_TEST(every_change_is_published_and_chained_by_nonce),
        SCRIPTS_TEST(user_ids_may_hold_anything),
        SCRIPTS_TEST(a_full_channel_lets_in_only_who_is_in_it),
        SCRIPTS_TEST(a_batch_is_refused_unless_its_number_is_higher),
        SCRIPTS_TEST(the_epoch_is_the_first_ones),
        SCRIPTS_TEST(a_batch_of_another_epoch_gets_nothing_done),
        SCRIPTS_TEST(a_fenced_node_gets_nothing_done),
        SCRIPTS_TEST(the_sum_is_what_joins_and_counts_add),
        SCRIPTS_TEST(counts_add_up_exactly_and_a_hash_may_be_0),
        SCRIPTS_TEST(the_version_expires_60_s_after_the_last_member),
        SCRIPTS_TEST(the_total_can_be_asked_for),
        SCRIPTS_TEST(the_version_can_be_asked_for),
        SCRIPTS_TEST(a_count_occupies_and_vacates),
        SCRIPTS_TEST(a_channel_is_listed_while_it_has_members_or_subscriptions),
        SCRIPTS_TEST(a_snapshot_comes_whole_or_in_pages),
        SCRIPTS_TEST(a_list_has_what_one_node_holds),
        SCRIPTS_TEST(a_long_list_comes_in_pages),
        SCRIPTS_TEST(nothing_unexpected_is_decoded),
    };

    return cmocka_run_group_tests_name("redis_script", tests, scripts_setup,
                                       scripts_teardown);
}
