/* What a home asks of Redis for its channels, by itself: the commands, without a Redis.
 * The whole of it is tested by the simulator (test/sim). */
#include <stdio.h>

#include "test/unit/shared_home.h"

/* Redis does nothing else while it carries out a batch, and cuts off whoever has too much
 * of what is published still to read. */
static void a_batch_is_bounded_by_bytes_too(void **state)
{
    struct world w;
    unsigned joins = 0, batches = 0;

    (void)state;
    begin(&w);
    answer_verify(&w);
    shared_subscribed(w.channel, 0);
    for (unsigned i = 0; i < JOINERS; i++) {
        char user[8];

        snprintf(user, sizeof user, "u%u", i);
        presence_join(&w.presence, &w.refs[i], slice_of(user),
                      (struct slice){w.info, INFO});
    }
    for (shared_turn_ends(w.shared); w.ops; answer_batch(&w), batches++) {
        assert_in_range(w.bytes, 0, 1024 * 1024 + INFO);
        joins += w.joins;
    }
    assert_int_equal(joins, JOINERS);
    assert_in_range(batches, JOINERS / 6, JOINERS);
    end(&w);
}

/* A failover that lost writes: Redis has someone who had left. */
static void who_is_back_by_an_older_history_is_waited_for(void **state)
{
    static uint64_t other[] = {9};
    const struct replica_member members[] = {
        {.user = SLICE("a"), .nids = other, .n_nids = 1},
        {.user = SLICE("b"), .nids = other, .n_nids = 1},
        {.user = SLICE("c"), .nids = other, .n_nids = 1}};
    const struct push gone = {.kind = PUSH_REMOVED,
                              .at = {4, 40},
                              .prev_nonce = 3,
                              .nid = 9,
                              .user = SLICE("b")};
    struct push again = gone;
    struct world w;

    (void)state;
    begin(&w);
    take(&w, 3, members, 2, 1000);
    presence_push(&w.presence, &gone, 1000);
    assert_int_equal(w.presence.view.n, 1);
    take(&w, 3, members, 3, 2000);
    assert_int_equal(w.presence.view.n, 1);
    again.at.nonce = 41; /* his node has put it right */
    presence_push(&w.presence, &again, 2100);
    presence_tick(&w.presence, 4499);
    assert_int_equal(w.presence.view.n, 1);
    presence_tick(&w.presence, 4500); /* nobody said that c has gone */
    assert_int_equal(w.presence.view.n, 2);
    assert_false(presence_waits(&w.presence));

    take(&w, 2, members, 3, 9000);
    again = (struct push){
        .kind = PUSH_REF, .at = {3, 30}, .prev_nonce = 2, .nid = 8, .user = SLICE("b")};
    presence_push(&w.presence, &again, 9001); /* he does come */
    assert_int_equal(w.presence.view.n, 3);
    end(&w);
}

/* Redis was emptied: whom it has has been said to it since. */
static void who_is_there_after_everything_was_lost_is_shown_at_once(void **state)
{
    static uint64_t other[] = {9};
    const struct replica_member members[] = {
        {.user = SLICE("a"), .nids = other, .n_nids = 1},
        {.user = SLICE("b"), .nids = other, .n_nids = 1}};
    struct world w;

    (void)state;
    begin(&w);
    take(&w, 7, members, 1, 1000);
    presence_history_ended(&w.presence);
    take(&w, 2, members, 2, 2000);
    assert_int_equal(w.presence.view.n, 2);
    end(&w);
}

/* His push was another life's, and doesn't come again. */
static void who_is_back_before_his_leave_was_sent_is_let_in_at_once(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, false);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 0);
    shared_close(w.channel, false, 0);
    new_life(&w, 2);
    answer_at(&w, 1, (struct version){1, 1});
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* Nobody knows any more whether his own push has come, but that of later ones not all
 * have: what lies between them must not come after the answer. */
static void who_is_back_waits_for_what_his_snapshot_had_in_it(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, false);
    presence_version_confirmed(&w.presence);
    v_comes_and_goes(&w, 2);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 0);
    shared_close(w.channel, false, 0);
    new_life(&w, 2);
    answer_at(&w, 1, (struct version){4, 4});
    v_comes_and_goes(&w, 3);
    assert_null(w.refs[0].member);
    v_comes_and_goes(&w, 4);
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* His join was under way when he left, and its push came when nobody was here. */
static void a_push_between_two_lives_counts(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, false);
    presence_join(&w.presence, &w.refs[0], SLICE("u"), SLICE_NONE);
    shared_turn_ends(w.shared);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 0);
    shared_close(w.channel, false, 0);
    u_comes(&w, (struct version){1, 1});
    new_life(&w, 2);
    answer_at(&w, 1, (struct version){1, 1});
    answer_at(&w, 1, (struct version){1, 1});
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* Redis was emptied, and his push, come before the reply that tells so, was waiting. */
static void whose_push_came_before_a_new_epoch_is_let_in_by_the_snapshot(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    presence_join(&w.presence, &w.refs[0], SLICE("u"), SLICE_NONE);
    shared_turn_ends(w.shared);
    assert_int_equal(w.joins, 1);
    u_comes(&w, (struct version){1, 1});
    answer_at(&w, 2, (struct version){1, 1});
    answer_at(&w, 2, (struct version){1, 1});
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* The version was forgotten for want of members, soon after a snapshot of it. */
static void a_push_that_asks_for_a_snapshot_counts(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    take(&w, 7, NULL, 0, 0);
    w.presence.replica.passed = (struct version){7, 7};
    presence_join(&w.presence, &w.refs[0], SLICE("u"), SLICE_NONE);
    shared_turn_ends(w.shared);
    u_comes(&w, (struct version){1, 1});
    answer_at(&w, 1, (struct version){1, 1});
    answer_at(&w, 1, (struct version){1, 1});
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* Redis speaks again while a snapshot is under way: what one of two answers shows may be
 * older than what the other and the pushes behind it have said. */
static void a_snapshot_that_is_under_way_at_the_hand_back_sets_nothing_back(void **state)
{
    struct push next = {
        .kind = PUSH_ADDED, .at = {3, 3}, .prev_nonce = 2, .nid = 9, .user = SLICE("v")};
    struct world w;

    (void)state;
    begin_subscribed(&w, false);
    shared_turn_ends(w.shared);
    shared_degraded(w.shared, true, 0);
    shared_degraded(w.shared, false, 0);
    answer_at(&w, 1, (struct version){2, 2});
    shared_push(w.channel, &next, 0);
    answer_at(&w, 1, (struct version){2, 2});
    assert_true(w.presence.replica.live);
    assert_int_equal(w.presence.replica.at.seq, 3);
    end(&w);
}

/* Another process of this node's name may have left something under it where this one has
 * never done anything; where nothing is, nothing is asked. */
static void what_is_found_under_its_name_is_looked_at(void **state)
{
    unsigned elsewhere;
    struct world w;

    (void)state;
    begin(&w);
    answer_all_verifies(&w);
    elsewhere = (w.partition + 1) % PARTITIONS;
    shared_tick(w.shared, 20000);
    answer_all_verifies(&w);
    shared_found(w.shared, elsewhere, 6, 21000); /* an earlier name's */
    shared_turn_ends(w.shared);
    assert_int_equal(w.verifies, 0);
    shared_found(w.shared, elsewhere, 7, 22000);
    shared_turn_ends(w.shared);
    assert_int_equal(w.verifies, 1);
    assert_int_equal(w.verified[0], elsewhere);
    answer_all_verifies(&w);
    shared_found(w.shared, elsewhere, 7, 23000); /* as it looks soon by itself */
    shared_turn_ends(w.shared);
    assert_int_equal(w.verifies, 0);
    shared_tick(w.shared, 32000);
    assert_int_equal(w.verifies, 1);
    assert_int_equal(w.verified[0], elsewhere);
    end(&w);
}

/* What Redis publishes of it must arrive here: its clients are told by that. */
static void a_count_that_is_published_waits_for_the_subscription(void **state)
{
    static const struct shared_kind kinds[] = {{.counted = true, .webhooks = WANT_COUNT},
                                               {.counted = true}};
    struct world w;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct shared_channel *c;

        begin(&w);
        c = shared_open(
            w.shared, SLICE("app"), SLICE("room"),
            &(struct shared_opening){.life = 2, .kind = kinds[i], .owner = &w}, 0);
        shared_count(c, 1, false);
        answer_all_verifies(&w);
        assert_int_equal(w.counts, i);
        shared_subscribed(c, 0);
        answer_all_verifies(&w);
        assert_int_equal(w.counts, 1);
        shared_close(c, false, 0);
        end(&w);
    }
}

static struct shared_channel *open_counted(struct world *w, uint64_t life, uint64_t now)
{
    return shared_open(
        w->shared, SLICE("app"), SLICE("room"),
        &(struct shared_opening){
            .life = life, .kind = {.counted = true, .webhooks = WANT_COUNT}, .owner = w},
        now);
}

/* A channel whose clients are told how many they are on all nodes; two are here, and
 * Redis has said that there are 9. */
static struct shared_channel *begin_counted(struct world *w)
{
    struct shared_channel *c;

    begin(w);
    c = open_counted(w, 2, 0);
    shared_count(c, 2, false);
    shared_subscribed(c, 0);
    answer_all_verifies(w);
    while (w->ops)
        answer_batch(w);
    shared_total(c, 9, 1, 0);
    assert_true(w->total == 9 && w->totals == 1);
    return c;
}

static void end_counted(struct world *w, struct shared_channel *c)
{
    shared_close(c, false, 0);
    end(w);
}

static void a_total_is_told_once(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_total(c, 9, 1, 0);
    assert_int_equal(w.totals, 1);
    shared_total(c, 8, 1, 0);
    assert_true(w.total == 8 && w.totals == 2);
    end_counted(&w, c);
}

static void what_may_have_been_missed_is_asked_for(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    assert_int_equal(w.totals_asked, 0);
    shared_link_up(w.shared, 2, 1000);
    assert_int_equal(w.totals_asked, 0); /* nothing arrives yet */
    shared_subscribed(c, 1100);
    assert_int_equal(w.totals_asked, 1);
    shared_total_read(c, 11, 1200);
    assert_true(w.total == 11 && w.totals == 2);
    shared_total_read(c, 5, 1200); /* wasn't asked for */
    assert_int_equal(w.totals, 2);

    shared_link_up(w.shared, 3, 20000);
    shared_subscribed(c, 20000);
    assert_int_equal(w.totals_asked, 2);
    shared_total(c, 13, 1, 20100);
    shared_total_read(c, 12, 20200); /* may be older */
    assert_true(w.total == 13 && w.totals == 3);
    end_counted(&w, c);
}

static void a_lower_total_waits_as_removals_do(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_link_up(w.shared, 2, 1000);
    shared_subscribed(c, 1000);
    shared_total_read(c, 3, 1100);
    shared_total(c, 6, 1, 1200);
    shared_tick(w.shared, 6500);
    assert_int_equal(w.totals, 1);
    shared_total(c, 9, 1, 6600);
    shared_tick(w.shared, 7000);
    assert_int_equal(w.totals, 1); /* as was told */
    shared_link_up(w.shared, 3, 10000);
    shared_subscribed(c, 10000);
    shared_total_read(c, 8, 10100);
    shared_total(c, 10, 1, 10200);
    assert_true(w.total == 10 && w.totals == 2);
    shared_total(c, 7, 1, 10300);
    shared_tick(w.shared, 15999);
    assert_int_equal(w.totals, 2);
    shared_tick(w.shared, 16000);
    assert_true(w.total == 7 && w.totals == 3);
    end_counted(&w, c);
}

/* Another node has seen first that Redis was emptied. */
static void a_lower_total_of_another_epoch_waits(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_total(c, 3, 2, 1000);
    assert_int_equal(w.totals, 1);
    shared_turn_ends(w.shared);
    assert_int_equal(w.verifies, 1); /* it is looked into */
    shared_tick(w.shared, 9999);
    assert_int_equal(w.totals, 1);
    shared_tick(w.shared, 10000);
    assert_true(w.total == 3 && w.totals == 2);
    end_counted(&w, c);
}

static void a_node_by_itself_goes_on_from_the_last_total(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_degraded(w.shared, true, 3000);
    shared_turn_ends(w.shared);
    assert_int_equal(w.totals, 1);
    shared_count(c, 4, false);
    assert_int_equal(w.totals, 1); /* who comes is in by the end of the turn */
    shared_turn_ends(w.shared);
    assert_true(w.total == 11 && w.totals == 2);
    shared_count(c, 3, false);
    shared_turn_ends(w.shared);
    assert_true(w.total == 10 && w.totals == 3);

    shared_link_up(w.shared, 2, 9000);
    shared_degraded(w.shared, false, 9000);
    shared_subscribed(c, 9000);
    shared_total(c, 9, 1,
                 9100); /* another node's change, without the one who came here */
    answer_all_verifies(&w);
    answer_batch(&w);
    shared_total(c, 10, 1, 9200);
    shared_tick(w.shared, 20000);
    assert_int_equal(w.totals, 3);
    end_counted(&w, c);
}

/* Redis has as many of this node as before: nothing is published. */
static void who_leaves_and_comes_at_once_is_told_a_total(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_count(c, 1, false);
    answer_all_verifies(&w);
    answer_batch(&w);
    shared_close(c, false, 0);
    c = open_counted(&w, 3, 0);
    assert_int_equal(w.totals_asked, 1);
    shared_total_read(c, 9, 0);
    assert_int_equal(w.totals, 2);
    end_counted(&w, c);
}

/* The same, on new links. */
static void who_comes_before_a_leave_was_sent_takes_no_total_with_him(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_link_up(w.shared, 2, 1000);
    shared_count(c, 1, false);
    shared_subscribed(c, 1100);
    assert_int_equal(w.totals_asked, 0); /* its count is to be sent */
    shared_count(c, 2, false);
    assert_int_equal(w.totals_asked, 1);
    shared_count(c, 2, false);
    assert_int_equal(w.totals_asked, 1);
    end_counted(&w, c);
}

/* Redis isn't asked while what it has is about to change. */
static void
who_comes_while_his_leave_is_under_way_waits_for_what_is_published(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    shared_close(c, false, 0);
    shared_turn_ends(w.shared);
    c = open_counted(&w, 3, 0);
    answer_batch(&w); /* it has left */
    answer_batch(&w); /* and come */
    assert_int_equal(w.totals_asked, 0);
    shared_total(c, 8, 1, 0);
    assert_true(w.total == 8 && w.totals == 2);
    end_counted(&w, c);
}

/* It has heard of no other node's then. */
static void a_life_that_begins_without_redis_has_a_total_too(void **state)
{
    struct world w;
    struct shared_channel *c;

    (void)state;
    begin(&w);
    shared_degraded(w.shared, true, 3000);
    c = shared_open(
        w.shared, SLICE("app"), SLICE("room"),
        &(struct shared_opening){
            .life = 2, .kind = {.counted = true, .webhooks = WANT_COUNT}, .owner = &w},
        3000);
    shared_turn_ends(w.shared);
    assert_true(w.total == 1 && w.totals == 1);
    shared_count(c, 2, false);
    shared_turn_ends(w.shared);
    assert_true(w.total == 2 && w.totals == 2);
    end_counted(&w, c);
}

/* Its push came between two lives, its reply after the next one had begun. */
static void a_count_whose_push_nobody_heard_is_asked_for(void **state)
{
    struct world w;
    struct shared_channel *c = begin_counted(&w);

    (void)state;
    answer_all_verifies(&w);
    answer_batch(&w);
    shared_count(c, 1, false);
    shared_turn_ends(w.shared);
    answer_all_verifies(&w);
    shared_close(c, false, 0);
    shared_total(c, 7, 1, 0);
    c = open_counted(&w, 3, 0);
    answer_batch(&w);
    shared_turn_ends(w.shared);
    assert_true(w.totals_asked > 0);
    end_counted(&w, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_bounded_by_bytes_too),
        cmocka_unit_test(a_count_that_is_published_waits_for_the_subscription),
        cmocka_unit_test(a_life_that_begins_without_redis_has_a_total_too),
        cmocka_unit_test(a_lower_total_of_another_epoch_waits),
        cmocka_unit_test(a_lower_total_waits_as_removals_do),
        cmocka_unit_test(a_node_by_itself_goes_on_from_the_last_total),
        cmocka_unit_test(a_snapshot_that_is_under_way_at_the_hand_back_sets_nothing_back),
        cmocka_unit_test(a_push_between_two_lives_counts),
        cmocka_unit_test(a_push_that_asks_for_a_snapshot_counts),
        cmocka_unit_test(a_total_is_told_once),
        cmocka_unit_test(a_count_whose_push_nobody_heard_is_asked_for),
        cmocka_unit_test(what_may_have_been_missed_is_asked_for),
        cmocka_unit_test(what_is_found_under_its_name_is_looked_at),
        cmocka_unit_test(
            who_comes_while_his_leave_is_under_way_waits_for_what_is_published),
        cmocka_unit_test(who_comes_before_a_leave_was_sent_takes_no_total_with_him),
        cmocka_unit_test(who_leaves_and_comes_at_once_is_told_a_total),
        cmocka_unit_test(who_is_back_by_an_older_history_is_waited_for),
        cmocka_unit_test(who_is_back_before_his_leave_was_sent_is_let_in_at_once),
        cmocka_unit_test(whose_push_came_before_a_new_epoch_is_let_in_by_the_snapshot),
        cmocka_unit_test(who_is_back_waits_for_what_his_snapshot_had_in_it),
        cmocka_unit_test(who_is_there_after_everything_was_lost_is_shown_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
