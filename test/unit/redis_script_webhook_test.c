/* What the scripts do about webhooks in a real Redis (PRESENCE.md, rule 12): which ones
 * there are, when they are due, and who is given them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "test/unit/redis_scripts.h"

static struct redis_webhooks_reply webhooks(struct scripts *s, struct redis_webhooks w)
{
    struct redis_webhooks_reply out;
    struct buf b = BUF_INIT;
    const char *wrong;

    w.partition = s->partition;
    redis_encode_webhooks(&s->keys, &w, &b);
    wrong = redis_decode_webhooks(run(s, &b), &s->memory, &out);
    if (wrong)
        fail_msg("%s", wrong);
    return out;
}

/* The next ask of a sender. */
static struct redis_webhooks_reply ask_for(struct scripts *s, uint64_t id,
                                           struct redis_webhooks w)
{
    static uint64_t number; /* every sender's, growing */

    w.id = id;
    w.heard = number;
    w.number = ++number;
    w.lease_ms = w.lease_ms ? w.lease_ms : 60000;
    return webhooks(s, w);
}

static struct redis_webhooks_reply claim(struct scripts *s, uint64_t id)
{
    return ask_for(s, id, (struct redis_webhooks){.limit = 10});
}

/* "A:bob R:bob C:2": kinds, and users or counts, of what is claimed, in order. */
static const char *said(struct redis_webhooks_reply r)
{
    static char text[256];
    size_t n = 0;

    *text = '\0';
    for (unsigned i = 0; i < r.n; i++) {
        const struct redis_webhook *w = &r.entries[i];

        assert_true(slice_eq(w->app, APP));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%c%s%.*s", i ? " " : "",
                              w->kind, w->user.p ? ":" : "", SLICE_ARG(w->user));
        if (w->kind == WEBHOOK_COUNT)
            n += (size_t)snprintf(text + n, sizeof text - n, ":%u", w->count);
    }
    return text;
}

static const uint64_t N3 = 0x3333333333333333;

static const char *claimed(struct scripts *s)
{
    return said(claim(s, N1));
}

static struct op with(struct op op, unsigned wants, bool unclean)
{
    op.webhooks = wants;
    op.unclean = unclean;
    return op;
}

static const unsigned BOTH = WANT_OCCUPIED | WANT_MEMBERS;

static void each_transition_has_one_entry_in_order(void **state)
{
    struct scripts *s = *state;
    const struct op ops[] = {with(count(1), BOTH, false), with(join("bob"), BOTH, false),
                             with(leave("bob"), BOTH, false),
                             with(count(0), BOTH, false)};

    batch(s, N1, ops, 4);
    does(s, N2, join("eve")); /* wants none */
    assert_string_equal(claimed(s), "O A:bob R:bob V");
    assert_string_equal(claimed(s), ""); /* leased */
}

static void a_second_node_does_not_occupy_again(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(count(1), BOTH, false));
    does(s, N2, with(count(1), BOTH, false));
    does(s, N1, with(count(2), BOTH, false));
    assert_string_equal(claimed(s), "O");
    does(s, N1, with(count(0), BOTH, false));
    assert_string_equal(claimed(s), "");
    does(s, N2, with(count(0), BOTH, false));
    does(s, N2, with(count(0), BOTH, false));
    assert_string_equal(claimed(s), "V");
}

static void what_is_claimed_can_not_be_taken_back(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(join("bob"), BOTH, false));
    does(s, N1, with(leave("bob"), BOTH, true));
    usleep((DELAY_MS + 50) * 1000);
    assert_string_equal(claimed(s), "A:bob R:bob");
    does(s, N2, with(join("bob"), BOTH, false));
    assert_string_equal(claimed(s), "A:bob");
}

static void what_a_node_wants_is_forgotten_with_its_part(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(join("bob"), BOTH, false));
    does(s, N1, with(count(1), BOTH, false));
    assert_string_equal(ask(s, "HGET", "x:1111111111111111", "wapp:presence-r")->str,
                        "3");
    does(s, N1, with(leave("bob"), BOTH, false));
    assert_int_equal(ask(s, "HEXISTS", "x:1111111111111111", "wapp:presence-r")->integer,
                     1);
    does(s, N1, with(count(0), BOTH, false));
    assert_int_equal(ask(s, "HEXISTS", "x:1111111111111111", "wapp:presence-r")->integer,
                     0);
    does(s, N1, with(join("bob"), BOTH, false));
    does(s, N1, with(leave("bob"), BOTH, false));
    assert_int_equal(ask(s, "HLEN", "x:1111111111111111", "")->integer, 2); /* #, @ */
}

static void assert_total(struct scripts *s, uint64_t total)
{
    struct redis_message m = hear(s);

    assert_int_equal(m.kind, MESSAGE_COUNT);
    assert_true(m.count.total == total && m.count.epoch == 0xe);
}

static void counts_are_published_where_they_are_wanted(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(count(2), WANT_COUNT, false));
    assert_total(s, 2);
    does(s, N1, with(count(2), WANT_COUNT, false)); /* is no change */
    does(s, N2, with(count(3), WANT_COUNT, false));
    assert_total(s, 5);
    does(s, N2, with(count(4), BOTH, false)); /* isn't wanted */
    does(s, N1, with(count(0), WANT_COUNT, false));
    assert_total(s, 4);
    does(s, N1, with(count(1), WANT_COUNT, false));
    assert_total(s, 5);
    reap(s, N1, 0xddULL << 12);
    assert_total(s, 4);
    assert_silence(s);
    assert_string_equal(claimed(s), "");
}

/* A reap included; each of them between what it is the count of. */
static void each_count_has_one_entry_where_it_is_wanted(void **state)
{
    const unsigned all = WANT_OCCUPIED | WANT_TOTALS;
    struct scripts *s = *state;

    does(s, N1, with(count(1), all, false));
    does(s, N2, with(count(2), all, false));
    does(s, N2, with(count(2), all, false)); /* is no change */
    does(s, N2, with(count(0), all, false));
    does(s, N2, with(count(3), WANT_COUNT, false)); /* isn't wanted */
    assert_string_equal(claimed(s), "O C:1 C:3 C:1");
    reap(s, N1, 0xddULL << 12);
    assert_string_equal(claimed(s), "C:3");
    does(s, N2, with(count(0), all, false));
    assert_string_equal(claimed(s), "C:0 V");
}

/* By a node that has no more of the channel than what Redis says, after a rollback. */
static void what_is_taken_back_without_flags_has_those_that_stand(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(count(1), BOTH | WANT_TOTALS, false));
    does(s, N1, with(join("bob"), BOTH | WANT_TOTALS, false));
    does(s, N1, leave("bob"));
    does(s, N1, count(0));
    assert_string_equal(claimed(s), "O C:1 A:bob R:bob C:0 V");
}

static void of_large_counts_the_last_waits(void **state)
{
    struct scripts *s = *state;
    struct redis_webhooks_reply r;
    uint64_t due;

    does(s, N1, with(count(100), WANT_TOTALS, false));
    does(s, N2, with(count(1), WANT_TOTALS, false));
    r = claim(s, N1);
    due = r.next_ms;
    assert_string_equal(said(r), "C:100");
    assert_in_range(due, 4000, 5000);
    usleep(50000);
    does(s, N2, with(count(500), WANT_TOTALS, false));
    r = claim(s, N1); /* the later one, when the first one was due */
    assert_int_equal(r.n, 0);
    assert_in_range(r.next_ms, due - 1000, due - 50);
    assert_int_equal(ask(s, "ZCARD", "w", "")->integer, 1);
    does(s, N2, with(count(0), WANT_TOTALS, false));
    assert_string_equal(claimed(s), "C:100");
    assert_int_equal(ask(s, "EXISTS", "w", "")->integer, 0);
    assert_int_equal(ask(s, "HLEN", "wp", "")->integer, 1); /* # */
}

static void only_what_is_wanted_is_noted(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(count(1), WANT_MEMBERS, false));
    does(s, N1, with(join("bob"), WANT_OCCUPIED, false));
    assert_string_equal(claimed(s), "");
    does(s, N1, with(leave("bob"), WANT_MEMBERS, false));
    does(s, N1, with(count(0), WANT_OCCUPIED, false));
    assert_string_equal(claimed(s), "R:bob V");
}

static void an_unclean_leave_waits_and_a_return_takes_it_back(void **state)
{
    struct scripts *s = *state;
    struct redis_webhooks_reply r;

    does(s, N1, with(count(1), BOTH, false));
    does(s, N1, with(join("bob"), BOTH, false));
    assert_string_equal(claimed(s), "O A:bob");
    does(s, N1, with(leave("bob"), BOTH, true));
    does(s, N1, with(count(0), BOTH, true));
    r = claim(s, N1);
    assert_int_equal(r.n, 0);
    assert_true(r.any && !r.more);
    assert_in_range(r.next_ms, 1, DELAY_MS);
    does(s, N2, with(join("bob"), BOTH, false));
    does(s, N2, with(count(1), BOTH, false));
    usleep((DELAY_MS + 50) * 1000);
    assert_string_equal(claimed(s), "");
    does(s, N2, with(leave("bob"), BOTH, true));
    does(s, N2, with(count(0), BOTH, true));
    usleep((DELAY_MS + 50) * 1000);
    /* too late: both happened */
    does(s, N2, with(join("bob"), BOTH, false));
    assert_string_equal(claimed(s), "R:bob V A:bob");
    does(s, N2, with(leave("bob"), BOTH, false));
    assert_string_equal(claimed(s), "R:bob");
}

static const unsigned TOLD = WANT_OCCUPIED | WANT_MEMBERS | TOLD_BEFORE;

/* Redis has lost its keys, and two nodes say again what they hold. */
static void what_was_told_before_is_not_told_again(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(count(1), TOLD, false));
    does(s, N1, with(join("bob"), TOLD, false));
    does(s, N2, with(join("bob"), TOLD, false));
    does(s, N2, with(join("eve"), BOTH, false));
    assert_string_equal(claimed(s), "A:eve");
    /* whoever reaps it doesn't find that among what it wants */
    assert_string_equal(ask(s, "HGET", "x:1111111111111111", "wapp:presence-r")->str,
                        "3");
}

static void everything_is_due(struct scripts *s)
{
    struct buf base = BUF_INIT;

    redis_key_base(&s->keys, s->partition, &base);
    freeReplyObject(
        redis_server_ask(&s->server, "EVAL %s 1 %bw",
                         "for _, t in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
                         "redis.call('ZADD', KEYS[1], 0, t) end",
                         base.p, base.n));
    buf_fini(&base);
}

static void who_left_while_redis_was_away_is_said_once_and_later(void **state)
{
    struct scripts *s = *state;
    struct redis_webhooks_reply r;

    does(s, N1, with(leave("bob"), TOLD, false)); /* both had him */
    does(s, N2, with(leave("bob"), TOLD, false));
    does(s, N1, with(count(0), TOLD, false));
    does(s, N2, with(count(0), TOLD, false));
    r = claim(s, N1);
    assert_int_equal(r.n, 0);
    assert_in_range(r.next_ms, 8000, 9000);
    everything_is_due(s);
    assert_string_equal(claimed(s), "R:bob V");
}

static void whom_another_node_still_holds_has_not_left(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(leave("bob"), TOLD, false));
    does(s, N1, with(count(0), TOLD, false));
    does(s, N2, with(count(1), TOLD, false));
    does(s, N2, with(join("bob"), TOLD, false));
    does(s, N1, with(leave("bob"), TOLD, false));
    does(s, N1, with(count(0), TOLD, false));
    everything_is_due(s);
    assert_string_equal(claimed(s), "");
}

/* 3, then 5, where 5 was told before: only the last is true for sure. */
static void a_total_waits_while_nodes_say_what_they_hold(void **state)
{
    const unsigned totals = WANT_TOTALS | TOLD_BEFORE;
    struct scripts *s = *state;
    struct redis_webhooks_reply r;

    does(s, N1, with(count(3), totals, false));
    does(s, N2, with(count(2), totals, false));
    r = claim(s, N1);
    assert_int_equal(r.n, 0);
    assert_in_range(r.next_ms, 8000, 9000);
    everything_is_due(s);
    assert_string_equal(claimed(s), "C:5");
}

/* Who left while the keys were gone was the last. */
static void the_last_total_after_a_loss_is_0_and_before_vacated(void **state)
{
    const unsigned all = WANT_TOTALS | WANT_OCCUPIED;
    struct scripts *s = *state;

    does(s, N1, with(count(0), all | TOLD_BEFORE, false));
    everything_is_due(s);
    assert_string_equal(claimed(s), "C:0 V");
}

/* While departures wait for nodes that say what they hold. */
static void a_total_that_waits_keeps_its_place_before_vacated(void **state)
{
    const unsigned all = WANT_TOTALS | WANT_OCCUPIED;
    struct scripts *s = *state;

    does(s, N1, with(join("x"), WANT_MEMBERS | TOLD_BEFORE, false));
    does(s, N2, with(count(1), all, false));
    does(s, N2, with(count(0), all, false));
    everything_is_due(s);
    assert_string_equal(claimed(s), "O C:0 V");
}

/* The other node has yet to say that it holds him, too. */
static void a_departure_waits_while_nodes_say_what_they_hold(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(count(1), TOLD, false));
    does(s, N1, with(join("bob"), TOLD, false));
    does(s, N1, with(leave("bob"), BOTH, false));
    does(s, N1, with(count(0), BOTH, false));
    assert_string_equal(claimed(s), "");
    does(s, N2, with(count(1), TOLD, false));
    does(s, N2, with(join("bob"), TOLD, false));
    everything_is_due(s);
    assert_string_equal(claimed(s), "");
    does(s, N2, with(leave("bob"), BOTH, false));
    everything_is_due(s); /* and nobody has taken it yet */
    does(s, N1, with(join("bob"), TOLD, false));
    assert_string_equal(claimed(s), "R:bob A:bob");
}

static void a_reap_notes_what_its_channels_want(void **state)
{
    struct scripts *s = *state;
    const char *text;

    does(s, N1, with(count(1), BOTH, false));
    does(s, N1, with(join("bob"), BOTH, false));
    assert_string_equal(claimed(s), "O A:bob");
    reap(s, N1, 0xddULL << 12);
    assert_string_equal(claimed(s), "");
    usleep((DELAY_MS + 50) * 1000);
    text = claimed(s);
    assert_true(strcmp(text, "R:bob V") == 0 || strcmp(text, "V R:bob") == 0);
}

/* Tokens that outlive the reply that they came with. */
struct tokens {
    char text[8][64];
    struct slice v[8];
    unsigned n;
};

static struct tokens tokens_of(struct redis_webhooks_reply r)
{
    struct tokens t = {.n = r.n};

    assert_in_range(r.n, 0, 8);
    for (unsigned i = 0; i < r.n; i++)
        snprintf(t.text[i], sizeof t.text[i], "%.*s", SLICE_ARG(r.entries[i].token));
    return t;
}

static struct redis_webhooks_reply done(struct scripts *s, uint64_t id, struct tokens *t,
                                        unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        t->v[i] = slice_of(t->text[i]);
    return ask_for(s, id,
                   (struct redis_webhooks){.limit = 10, .done = t->v, .n_done = n});
}

static void assert_no_webhooks(struct scripts *s)
{
    assert_int_equal(ask(s, "EXISTS", "w", "")->integer, 0);
    assert_int_equal(ask(s, "EXISTS", "wc", "")->integer, 0);
    assert_int_equal(ask(s, "EXISTS", "wh:1111111111111111", "")->integer, 0);
    assert_int_equal(ask(s, "EXISTS", "wh:2222222222222222", "")->integer, 0);
}

static void a_lease_ends_and_done_ends_the_entry(void **state)
{
    struct scripts *s = *state;
    const struct redis_webhooks brief = {.limit = 10, .lease_ms = 150};
    struct tokens t;

    does(s, N1, with(join("bob"), BOTH, false));
    t = tokens_of(ask_for(s, N1, brief));
    assert_int_equal(t.n, 1);
    usleep(100000);
    ask_for(s, N1, brief); /* renewed */
    usleep(100000);
    assert_string_equal(said(claim(s, N2)), "");
    usleep(100000);
    assert_string_equal(said(claim(s, N2)), "A:bob"); /* its claimer is dead */
    done(s, N2, &t, 1);
    assert_no_webhooks(s);
}

/* The ask was held up on a connection that he has given up, for longer than his lease. */
static void an_ask_that_comes_after_the_lease_takes_nothing(void **state)
{
    struct scripts *s = *state;
    const struct redis_webhooks other = {.limit = 10, .lease_ms = 50};
    struct redis_webhooks w = {
        .id = N1, .number = 9, .heard = 8, .limit = 10, .lease_ms = 50};

    webhooks(s, w);
    usleep(60000);
    ask_for(s, N2, other);
    does(s, N1, with(join("bob"), BOTH, false));
    w.number = 7;
    assert_string_equal(said(webhooks(s, w)), "");
    w.number = 10;
    assert_string_equal(said(webhooks(s, w)), "A:bob");
    usleep(600000);
    ask_for(s, N2, other);
    assert_int_equal(ask(s, "HEXISTS", "wl", "1111111111111111")->integer, 0);
}

/* Two channels of one partition. */
static struct op of(struct op op, const char *channel)
{
    op.channel = slice_of(channel);
    return op;
}

static void a_channel_s_entries_are_one_node_s_until_none_is_left(void **state)
{
    struct scripts *s = *state;
    struct tokens t;

    does(s, N1, with(join("a"), BOTH, false));
    t = tokens_of(claim(s, N1));
    does(s, N2, with(join("b"), BOTH, false));
    does(s, N2, of(with(join("x"), BOTH, false), "elsewhere"));
    assert_string_equal(said(claim(s, N2)), "A:x"); /* others go past */
    assert_string_equal(said(claim(s, N1)), "A:b");
    done(s, N1, &t, 1); /* b is still out */
    does(s, N2, with(leave("b"), BOTH, false));
    assert_string_equal(said(claim(s, N2)), "");
    t = tokens_of(claim(s, N1));
    assert_int_equal(t.n, 1);
    assert_int_equal(t.text[0][16], 'R');
}

static void a_channel_is_anybody_s_once_all_of_it_is_done(void **state)
{
    struct scripts *s = *state;
    struct tokens t;

    does(s, N1, with(join("a"), BOTH, false));
    does(s, N1, with(join("b"), BOTH, false));
    t = tokens_of(claim(s, N1));
    assert_int_equal(t.n, 2);
    done(s, N1, &t, 2);
    assert_no_webhooks(s);
    does(s, N1, with(leave("a"), BOTH, false));
    assert_string_equal(said(claim(s, N2)), "R:a");
    does(s, N1, with(leave("b"), BOTH, false));
    assert_string_equal(said(claim(s, N1)), "");
    assert_string_equal(said(claim(s, N2)), "R:b");
}

static void what_a_dead_node_had_is_taken_whole_and_in_order(void **state)
{
    struct scripts *s = *state;

    for (char user[] = "a"; *user <= 'd'; ++*user)
        does(s, N1, with(join(user), BOTH, false));
    assert_string_equal(
        said(ask_for(s, N1, (struct redis_webhooks){.limit = 2, .lease_ms = 1})),
        "A:a A:b");
    does(s, N1, with(join("e"), BOTH, false));
    usleep(20000);
    assert_string_equal(said(claim(s, N2)), "A:a A:b A:c A:d A:e");
    assert_string_equal(said(claim(s, N1)), "");
}

static void an_answer_that_was_lost_is_given_again(void **state)
{
    struct scripts *s = *state;
    struct redis_webhooks w = {.id = N1, .number = 1, .limit = 10, .lease_ms = 60000};

    does(s, N1, with(join("a"), BOTH, false));
    assert_string_equal(said(webhooks(s, w)), "A:a");
    does(s, N1, with(join("b"), BOTH, false));
    w.number = 2; /* hasn't heard of 1 */
    assert_string_equal(said(webhooks(s, w)), "A:a A:b");
    w.number = 3;
    w.heard = 2;
    assert_string_equal(said(webhooks(s, w)), "");
    does(s, N1, with(join("c"), BOTH, false));
    w.number = 2; /* comes late: nobody would hear of it */
    assert_string_equal(said(webhooks(s, w)), "");
    w.number = 4;
    w.heard = 3;
    assert_string_equal(said(webhooks(s, w)), "A:c");
}

static void who_leaves_gives_back_what_is_not_done(void **state)
{
    struct scripts *s = *state;
    struct tokens t;

    for (char user[] = "a"; *user <= 'c'; ++*user)
        does(s, N1, with(join(user), BOTH, false));
    t = tokens_of(claim(s, N1));
    t.v[0] = slice_of(t.text[0]);
    ask_for(s, N1, (struct redis_webhooks){.done = t.v, .n_done = 1, .leaves = true});
    does(s, N1, with(join("d"), BOTH, false));
    assert_string_equal(said(claim(s, N2)), "A:b A:c A:d");
}

static void join_many(struct scripts *s, unsigned n)
{
    char user[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(user, sizeof user, "%u", i);
        does(s, N1, with(join(user), WANT_MEMBERS, false));
    }
}

/* More than one go takes over, and whoever began with it leaves: the rest must be
 * anybody's, and in order. */
static void who_leaves_while_he_takes_over_leaves_all_of_it(void **state)
{
    struct scripts *s = *state;
    struct redis_webhooks_reply r;
    unsigned had = 0;

    join_many(s, 700);
    r = ask_for(s, N1, (struct redis_webhooks){.limit = 700, .lease_ms = 1});
    assert_int_equal(r.n, 700);
    usleep(20000);
    assert_int_equal(claim(s, N2).n, 0); /* not all of it is his yet */
    ask_for(s, N2, (struct redis_webhooks){.leaves = true});
    for (unsigned asks = 0; asks < 100 && had < 700; asks++) {
        r = claim(s, N3);
        for (unsigned i = 0; i < r.n; i++, had++)
            assert_int_equal(atoi(r.entries[i].user.p), had);
    }
    assert_int_equal(had, 700);
}

/* Somebody deleted the key that says who has a channel's. */
static void a_lost_key_of_senders_is_made_good(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(join("a"), BOTH, false));
    ask_for(s, N1, (struct redis_webhooks){.limit = 10, .lease_ms = 1});
    usleep(20000);
    ask(s, "DEL", "wc", "");
    assert_string_equal(said(claim(s, N2)), "A:a");
}

static void a_claim_takes_no_more_than_it_asks_for(void **state)
{
    struct scripts *s = *state;
    const struct redis_webhooks two = {.limit = 2};
    struct redis_webhooks_reply r;

    does(s, N1, with(join("a"), BOTH, false));
    does(s, N1, with(join("b"), BOTH, false));
    does(s, N1, with(join("c"), BOTH, false));
    r = ask_for(s, N1, (struct redis_webhooks){.limit = 0});
    assert_true(r.n == 0 && r.more);
    r = ask_for(s, N1, two);
    assert_true(r.n == 2 && r.more);
    r = ask_for(s, N1, two);
    assert_true(r.n == 1 && !r.more && !r.any);
}

/* It was due, and nobody had asked yet: its place is before what undid it, however much
 * waits for other reasons. */
static void a_removal_that_is_due_comes_before_the_return(void **state)
{
    struct scripts *s = *state;

    does(s, N1, with(join("a"), BOTH, false));
    assert_string_equal(claimed(s), "A:a");
    does(s, N1, with(leave("a"), BOTH, true));
    usleep((DELAY_MS + 50) * 1000);
    does(s, N1, with(join("a"), BOTH, false));
    assert_string_equal(said(ask_for(s, N1, (struct redis_webhooks){.limit = 1})), "R:a");
    assert_string_equal(claimed(s), "A:a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRIPTS_TEST(each_transition_has_one_entry_in_order),
        SCRIPTS_TEST(a_second_node_does_not_occupy_again),
        SCRIPTS_TEST(what_is_claimed_can_not_be_taken_back),
        SCRIPTS_TEST(what_a_node_wants_is_forgotten_with_its_part),
        SCRIPTS_TEST(counts_are_published_where_they_are_wanted),
        SCRIPTS_TEST(each_count_has_one_entry_where_it_is_wanted),
        SCRIPTS_TEST(of_large_counts_the_last_waits),
        SCRIPTS_TEST(what_is_taken_back_without_flags_has_those_that_stand),
        SCRIPTS_TEST(only_what_is_wanted_is_noted),
        SCRIPTS_TEST(an_unclean_leave_waits_and_a_return_takes_it_back),
        SCRIPTS_TEST(what_was_told_before_is_not_told_again),
        SCRIPTS_TEST(who_left_while_redis_was_away_is_said_once_and_later),
        SCRIPTS_TEST(whom_another_node_still_holds_has_not_left),
        SCRIPTS_TEST(a_total_waits_while_nodes_say_what_they_hold),
        SCRIPTS_TEST(the_last_total_after_a_loss_is_0_and_before_vacated),
        SCRIPTS_TEST(a_total_that_waits_keeps_its_place_before_vacated),
        SCRIPTS_TEST(a_departure_waits_while_nodes_say_what_they_hold),
        SCRIPTS_TEST(a_reap_notes_what_its_channels_want),
        SCRIPTS_TEST(a_lease_ends_and_done_ends_the_entry),
        SCRIPTS_TEST(an_ask_that_comes_after_the_lease_takes_nothing),
        SCRIPTS_TEST(a_channel_s_entries_are_one_node_s_until_none_is_left),
        SCRIPTS_TEST(a_channel_is_anybody_s_once_all_of_it_is_done),
        SCRIPTS_TEST(what_a_dead_node_had_is_taken_whole_and_in_order),
        SCRIPTS_TEST(an_answer_that_was_lost_is_given_again),
        SCRIPTS_TEST(who_leaves_gives_back_what_is_not_done),
        SCRIPTS_TEST(who_leaves_while_he_takes_over_leaves_all_of_it),
        SCRIPTS_TEST(a_lost_key_of_senders_is_made_good),
        SCRIPTS_TEST(a_claim_takes_no_more_than_it_asks_for),
        SCRIPTS_TEST(a_removal_that_is_due_comes_before_the_return),
    };

    return cmocka_run_group_tests(tests, scripts_setup, scripts_teardown);
}
