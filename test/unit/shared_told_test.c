/* What a home says again when Redis has lost it: those who hear of a channel by webhooks
 * know of it already. */
#include "test/unit/shared_home.h"

static const struct version NEW = {1, 0x99};
static uint64_t other[] = {9};

static void verified(struct world *w, uint64_t epoch, uint64_t sum, uint64_t now)
{
    shared_verified(
        w->shared, w->partition,
        &(struct verify_reply){.status = REPLY_OK, .epoch = epoch, .sum = sum}, now);
    shared_turn_ends(w->shared);
}

static void find_lost(struct world *w, uint64_t epoch, uint64_t now)
{
    shared_table_lost(w->shared, now);
    w->verifies = 0;
    shared_turn_ends(w->shared);
    assert_int_equal(w->verifies, 1);
    verified(w, epoch, 0, now);
}

static void refuse(struct world *w, uint64_t epoch)
{
    w->ops = 0;
    shared_batched(w->shared, w->partition,
                   &(struct batch_reply){.status = REPLY_ANEW, .epoch = epoch}, 5000);
    shared_turn_ends(w->shared);
}

static bool is_told(const struct world *w, enum op_kind kind)
{
    for (unsigned i = 0; i < w->ops; i++)
        if (w->kinds[i] == kind)
            return w->told[i];
    fail_msg("no operation of kind %d", kind);
    return false;
}

static void what_redis_had_confirmed_was_told_before(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    find_lost(&w, 2, 5000);
    assert_int_equal(w.joins, 1);
    assert_true(is_told(&w, OP_JOIN));
    assert_true(is_told(&w, OP_COUNT));
    answer_at(&w, 2, NEW);
    shared_count(w.channel, 2, false); /* a change of what stands there again */
    verified(&w, 2, w.channel->partition->sum, 5000);
    assert_false(is_told(&w, OP_COUNT));
    end(&w);
}

/* Nobody may have taken the webhook yet. */
static void what_was_confirmed_just_before_the_loss_may_not_have_been(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    find_lost(&w, 2, 2000);
    assert_false(is_told(&w, OP_JOIN));
    assert_false(is_told(&w, OP_COUNT));
    answer_at(&w, 2, NEW);
    shared_tick(w.shared, 4000);
    verified(&w, 3, 0, 4000); /* and again */
    assert_false(is_told(&w, OP_JOIN));
    assert_false(is_told(&w, OP_COUNT));
    answer_at(&w, 3, NEW);
    shared_tick(w.shared, 8000);
    verified(&w, 4, 0, 8000);
    assert_true(is_told(&w, OP_JOIN));
    end(&w);
}

/* It was before the links went down, however long that took. */
static void a_long_outage_makes_nothing_told(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    shared_tick(w.shared, 2000);
    shared_link_down(w.shared);
    shared_link_up(w.shared, 2, 60000);
    shared_subscribed(w.channel, 60000);
    shared_tick(w.shared, 60000);
    verified(&w, 0, 0, 60000);
    assert_false(is_told(&w, OP_JOIN));
    end(&w);
}

static void who_has_just_come_and_gone_is_said_to_have_gone(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 1000);
    find_lost(&w, 2, 1000);
    assert_true(is_told(&w, OP_LEAVE));
    refuse(&w, 3);
    assert_true(is_told(&w, OP_LEAVE));
    end(&w);
}

static void who_comes_meanwhile_was_not(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    presence_join(&w.presence, &w.refs[0], SLICE("u"), SLICE_NONE);
    shared_turn_ends(w.shared);
    refuse(&w, 2); /* nor was anything of it done */
    assert_int_equal(w.joins, 1);
    assert_false(is_told(&w, OP_JOIN));
    assert_true(is_told(&w, OP_COUNT));
    end(&w);
}

static void who_comes_from_another_node_was_told_of_there(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    take(&w, 1, &(struct replica_member){SLICE("v"), SLICE_NONE, other, 1}, 1, 0);
    shared_degraded(w.shared, true, 500);
    presence_join(&w.presence, &w.refs[0], SLICE("v"), SLICE_NONE);
    shared_turn_ends(w.shared);
    refuse(&w, 2);
    assert_true(is_told(&w, OP_JOIN));
    end(&w);
}

static void a_leave_that_found_other_keys_is_said_again(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 1000);
    shared_turn_ends(w.shared);
    assert_false(is_told(&w, OP_LEAVE));
    refuse(&w, 2);
    assert_true(is_told(&w, OP_LEAVE));
    answer_at(&w, 2, NEW);
    assert_int_equal(w.ops, 0);
    end(&w);
}

/* A failover has lost the join, and maybe the webhook with it. */
static void what_is_missing_in_the_same_epoch_may_not_have_been_told(void **state)
{
    const struct list_reply nothing = {.n = 0};
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    find_lost(&w, 1, 5000);
    shared_listed(w.shared, w.partition, &nothing);
    shared_turn_ends(w.shared);
    assert_false(is_told(&w, OP_JOIN));
    assert_false(is_told(&w, OP_COUNT));
    end(&w);
}

/* Under a new name nothing was confirmed: the old one's is reaped, with webhooks. */
static void what_is_said_under_a_new_name_was_not_told(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    find_lost(&w, 2, 5000);
    shared_renamed(w.shared, 8, 5000);
    shared_batched(w.shared, w.partition, &(struct batch_reply){REPLY_FENCED, 2, NULL, 0},
                   5000);
    shared_ready(w.shared, 8);
    w.verifies = 0;
    shared_turn_ends(w.shared);
    verified(&w, 2, 0, 6000);
    assert_false(is_told(&w, OP_JOIN));
    assert_false(is_told(&w, OP_COUNT));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_redis_had_confirmed_was_told_before),
        cmocka_unit_test(what_was_confirmed_just_before_the_loss_may_not_have_been),
        cmocka_unit_test(a_long_outage_makes_nothing_told),
        cmocka_unit_test(who_has_just_come_and_gone_is_said_to_have_gone),
        cmocka_unit_test(who_comes_meanwhile_was_not),
        cmocka_unit_test(who_comes_from_another_node_was_told_of_there),
        cmocka_unit_test(a_leave_that_found_other_keys_is_said_again),
        cmocka_unit_test(what_is_missing_in_the_same_epoch_may_not_have_been_told),
        cmocka_unit_test(what_is_said_under_a_new_name_was_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
