/* presence/liveness.c: heartbeat, judgement, reaping and sweeping (PRESENCE.md, rules 7
 * to 10). A small fake table answers each beat; time is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "presence/liveness.h"

struct rig {
    struct liveness *l;
    uint64_t now, dice;
    struct beat beat; /* the last one */
    unsigned beats;
    uint64_t nid;
    unsigned names, readies, losses;
    unsigned kills, reaps, asks, finds;
    uint64_t killed, reaped;
    unsigned reaped_in;
    /* The table. */
    uint64_t epoch;
    uint64_t own_nid;
    struct beat_value own; /* own_nid's */
    struct beat_entry others[4];
    unsigned n;
};

static uint64_t on_random(void *context)
{
    return ((struct rig *)context)->dice += 0x1001;
}

static void on_beat(void *context, const struct beat *b)
{
    struct rig *r = context;

    r->beat = *b;
    r->beats++;
}

static void on_kill(void *context, uint64_t nid, struct beat_value seen)
{
    struct rig *r = context;

    (void)seen;
    r->killed = nid;
    r->kills++;
}

static void on_reap(void *context, unsigned partition, uint64_t nid, uint64_t nonce)
{
    struct rig *r = context;

    assert_int_equal(nonce & 0xfff, 0);
    r->reaped = nid;
    r->reaped_in = partition;
    r->reaps++;
}

static void on_holders(void *context, unsigned partition)
{
    (void)partition;
    ((struct rig *)context)->asks++;
}

static void on_renamed(void *context, uint64_t nid)
{
    struct rig *r = context;

    r->nid = nid;
    r->names++;
}

static void on_ready(void *context, uint64_t nid)
{
    struct rig *r = context;

    assert_int_equal(nid, r->nid);
    r->readies++;
}

static void on_found(void *context, unsigned partition, uint64_t nid)
{
    struct rig *r = context;

    assert_int_equal(partition, 9);
    assert_int_equal(nid, r->nid);
    r->finds++;
}

static void on_table_lost(void *context)
{
    ((struct rig *)context)->losses++;
}

static const struct liveness_sink SINK = {on_random, on_beat,    on_kill,
                                          on_reap,   on_holders, on_renamed,
                                          on_ready,  on_found,   on_table_lost};

static void begin(struct rig *r, unsigned grace)
{
    memset(r, 0, sizeof *r);
    r->now = 100000;
    r->epoch = 7;
    r->l = liveness_alloc((struct liveness_rules){grace}, &SINK, r, r->now);
    liveness_link_up(r->l, r->now);
}

/* The table's answer to the last beat. */
static void answer(struct rig *r)
{
    struct beat_entry all[5];
    struct beat_reply reply = {.epoch = r->epoch, .entries = all};

    if (r->own_nid != r->beat.nid)
        r->own = (struct beat_value){0, 0, false};
    r->own_nid = r->beat.nid;
    reply.current = r->own;
    reply.ok = beat_value_eq(r->own, r->beat.expected);
    if (reply.ok)
        r->own = r->beat.value;
    memcpy(all, r->others, sizeof r->others);
    reply.n = r->n;
    if (r->own.nonce)
        all[reply.n++] = (struct beat_entry){r->beat.nid, r->own};
    liveness_beaten(r->l, &reply, r->now);
}

/* ms pass, every beat is answered at once. */
static void pass(struct rig *r, uint64_t ms)
{
    for (uint64_t end = r->now + ms; r->now < end;) {
        unsigned before = r->beats;

        r->now += 250;
        liveness_tick(r->l, r->now, false);
        if (r->beats != before)
            answer(r);
    }
}

static void a_beat_leaves_each_second_and_expects_the_one_before(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    pass(&r, 250);
    assert_int_equal(r.beats, 1);
    assert_int_equal(r.beat.expected.nonce, 0);
    pass(&r, 10000);
    assert_int_equal(r.beats, 11);
    assert_int_not_equal(r.beat.expected.nonce, 0);
    assert_int_equal(r.names, 1);
    assert_int_equal(r.readies, 1);
    liveness_free(r.l);
}

static void nothing_is_sent_without_links_nor_while_a_worker_is_stalled(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    liveness_tick(r.l, r.now, true);
    liveness_link_down(r.l);
    liveness_tick(r.l, r.now + 2000, false);
    assert_int_equal(r.beats + r.asks, 0);
    liveness_free(r.l);
}

static void no_beat_leaves_before_the_last_is_answered(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    liveness_tick(r.l, r.now, false);
    liveness_tick(r.l, r.now + 5000, false);
    assert_int_equal(r.beats, 1);
    liveness_link_down(r.l);
    liveness_link_up(r.l, r.now + 6000);
    liveness_tick(r.l, r.now + 6000, false);
    assert_int_equal(r.beats, 2);
    liveness_free(r.l);
}

static void a_lost_reply_is_known_by_its_value(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    pass(&r, 2000);
    r.now += 1000;
    liveness_tick(r.l, r.now, false);
    r.own = r.beat.value; /* set, and the reply lost */
    liveness_link_down(r.l);
    liveness_link_up(r.l, r.now);
    pass(&r, 500);
    assert_int_equal(r.names, 1);
    assert_true(beat_value_eq(r.own, r.beat.value));
    liveness_free(r.l);
}

static void a_lost_table_keeps_the_nid(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    pass(&r, 2000);
    r.own = (struct beat_value){0, 0, false};
    r.epoch = 8;
    pass(&r, 2000);
    assert_int_equal(r.losses, 1);
    assert_int_equal(r.names, 1);
    assert_true(beat_value_eq(r.own, r.beat.value));
    liveness_free(r.l);
}

static void a_nid_missing_from_the_table_was_declared_dead(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    pass(&r, 2000);
    r.own = (struct beat_value){0, 0, false};
    pass(&r, 2000);
    assert_int_equal(r.names, 2);
    assert_int_equal(r.readies, 2);
    assert_int_equal(liveness_nid(r.l), r.nid);
    assert_int_equal(r.beat.nid, r.nid);
    liveness_free(r.l);
}

static void a_value_never_sent_is_a_clones(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    pass(&r, 2000);
    r.own.nonce++;
    r.epoch = 8; /* even if the table is new */
    pass(&r, 1000);
    assert_int_equal(r.names, 2);
    liveness_free(r.l);
}

static void a_fenced_nid_is_given_up_once(void **state)
{
    struct rig r;
    uint64_t first;

    (void)state;
    begin(&r, 0);
    first = r.nid;
    liveness_fenced(r.l, first);
    liveness_fenced(r.l, first);
    assert_int_equal(r.names, 2);
    liveness_free(r.l);
}

static void add(struct rig *r, uint64_t nid, bool bye)
{
    r->others[r->n++] = (struct beat_entry){nid, {1, nid, bye}};
}

static void a_silent_node_is_killed_after_8_s(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    add(&r, 5, false);
    pass(&r, 8000);
    assert_int_equal(r.kills, 0);
    pass(&r, 2000);
    assert_int_equal(r.kills, 1); /* and not again, while the first is under way */
    assert_int_equal(r.killed, 5);
    liveness_free(r.l);
}

static void a_node_that_beats_is_not_killed(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    add(&r, 5, false);
    for (int i = 0; i < 10; i++) {
        pass(&r, 3000);
        r.others[0].value.counter++;
    }
    assert_int_equal(r.kills, 0);
    liveness_free(r.l);
}

static void leave_grace_and_bye_defer_the_kill(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    add(&r, 5, true);
    pass(&r, 10000);
    assert_int_equal(r.kills, 0);
    pass(&r, 2000);
    assert_int_equal(r.kills, 1);
    liveness_free(r.l);
    begin(&r, 20000);
    add(&r, 5, true);
    add(&r, 6, false);
    pass(&r, 20000);
    assert_int_equal(r.kills, 0);
    pass(&r, 2000);
    assert_int_equal(r.kills, 2);
    liveness_free(r.l);
}

static void gaps_reconnects_and_lost_tables_defer_the_kill(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    add(&r, 5, false);
    pass(&r, 7000);
    r.now += 3000; /* paused */
    pass(&r, 7000);
    r.epoch++;
    r.own = (struct beat_value){0, 0, false};
    pass(&r, 7000);
    liveness_link_down(r.l);
    liveness_link_up(r.l, r.now);
    pass(&r, 8000);
    assert_int_equal(r.kills, 0);
    pass(&r, 2000);
    assert_int_equal(r.kills, 1);
    liveness_free(r.l);
}

static void a_late_reply_counts_from_when_it_was_asked_for(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    add(&r, 5, false);
    pass(&r, 7250);
    r.now += 250;
    while (r.beats == 8) { /* the 9th beat, 7.25 s or so after the first */
        liveness_tick(r.l, r.now, false);
        r.now += 250;
    }
    r.now += 1500;
    answer(&r);
    assert_int_equal(r.kills, 0);
    liveness_free(r.l);
}

static void whom_this_node_killed_it_reaps_everywhere(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    liveness_killed(r.l, 5, false);
    assert_int_equal(r.reaps, 0);
    liveness_killed(r.l, 5, true);
    assert_int_equal(r.reaps, PARTITIONS);
    liveness_reaped(r.l, 3, 5, false);
    assert_int_equal(r.reaps, PARTITIONS);
    liveness_reaped(r.l, 3, 5, true);
    assert_int_equal(r.reaps, PARTITIONS + 1);
    assert_int_equal(r.reaped_in, 3);
    liveness_free(r.l);
}

static void a_kill_lost_with_the_link_is_sent_again(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    add(&r, 5, false);
    pass(&r, 10000);
    liveness_link_down(r.l);
    liveness_link_up(r.l, r.now);
    pass(&r, 10000);
    assert_int_equal(r.kills, 2);
    liveness_free(r.l);
}

static void the_sweeper_reaps_whom_the_next_table_does_not_have(void **state)
{
    struct rig r;
    uint64_t holders[3] = {5, 6, 0};

    (void)state;
    begin(&r, 0);
    holders[2] = r.nid;
    add(&r, 5, false);
    pass(&r, 7750);
    assert_int_equal(r.asks, 0); /* nobody may be swept yet */
    pass(&r, 250);
    assert_int_equal(r.asks, PARTITIONS);
    r.others[0].value.counter++;
    liveness_held(r.l, 9, holders, 3);
    assert_int_equal(r.reaps, 0);
    assert_int_equal(r.finds, 1); /* its own: the home may know nothing of it */
    pass(&r, 1000);
    assert_int_equal(r.reaps, 1);
    assert_int_equal(r.reaped, 6);
    assert_int_equal(r.reaped_in, 9);
    pass(&r, 3500);
    assert_int_equal(r.asks, PARTITIONS);
    pass(&r, 1000);
    assert_int_equal(r.asks, 2 * PARTITIONS);
    liveness_free(r.l);
}

static void a_table_asked_for_before_the_holders_came_sweeps_nobody(void **state)
{
    struct rig r;
    uint64_t newborn = 6;

    (void)state;
    begin(&r, 0);
    pass(&r, 9000);
    r.now += 1000;
    liveness_tick(r.l, r.now, false);
    liveness_held(r.l, 9, &newborn, 1);
    answer(&r);
    assert_int_equal(r.reaps, 0);
    add(&r, newborn, false);
    pass(&r, 2000);
    assert_int_equal(r.reaps, 0);
    liveness_free(r.l);
}

static void the_sweeper_trusts_polls_as_the_judge_does(void **state)
{
    struct rig r;
    uint64_t dead = 6;

    (void)state;
    begin(&r, 0);
    pass(&r, 9000);
    r.now += 3000;
    liveness_held(r.l, 9, &dead, 1);
    pass(&r, 7000);
    assert_int_equal(r.reaps, 0);
    liveness_free(r.l);
}

static void bye_is_said_at_once(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 0);
    pass(&r, 1000);
    assert_false(r.own.bye);
    liveness_bye(r.l);
    pass(&r, 250);
    assert_true(r.own.bye);
    liveness_free(r.l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_beat_leaves_each_second_and_expects_the_one_before),
        cmocka_unit_test(nothing_is_sent_without_links_nor_while_a_worker_is_stalled),
        cmocka_unit_test(no_beat_leaves_before_the_last_is_answered),
        cmocka_unit_test(a_lost_reply_is_known_by_its_value),
        cmocka_unit_test(a_lost_table_keeps_the_nid),
        cmocka_unit_test(a_nid_missing_from_the_table_was_declared_dead),
        cmocka_unit_test(a_value_never_sent_is_a_clones),
        cmocka_unit_test(a_fenced_nid_is_given_up_once),
        cmocka_unit_test(a_silent_node_is_killed_after_8_s),
        cmocka_unit_test(a_node_that_beats_is_not_killed),
        cmocka_unit_test(leave_grace_and_bye_defer_the_kill),
        cmocka_unit_test(gaps_reconnects_and_lost_tables_defer_the_kill),
        cmocka_unit_test(a_late_reply_counts_from_when_it_was_asked_for),
        cmocka_unit_test(whom_this_node_killed_it_reaps_everywhere),
        cmocka_unit_test(a_kill_lost_with_the_link_is_sent_again),
        cmocka_unit_test(the_sweeper_reaps_whom_the_next_table_does_not_have),
        cmocka_unit_test(a_table_asked_for_before_the_holders_came_sweeps_nobody),
        cmocka_unit_test(the_sweeper_trusts_polls_as_the_judge_does),
        cmocka_unit_test(bye_is_said_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
