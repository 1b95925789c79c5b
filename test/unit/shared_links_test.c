/* What becomes of a home's channels when links are lost and come back, when pushes get
 * lost in them, when this node gets another name, and when a channel begins again. */
#include "test/unit/shared_home.h"

static uint64_t own[] = {7}, other[] = {9};

static void page(struct world *w, uint64_t seq, const char *user, uint64_t *nid,
                 uint64_t cursor)
{
    const struct replica_member m = {.user = slice_of(user), .nids = nid, .n_nids = 1};

    presence_page(&w->presence,
                  &(struct op_reply){
                      .at = {seq, seq}, .members = &m, .n_members = 1, .cursor = cursor},
                  0);
}

static void u_leaves_and_returns(struct world *w)
{
    presence_leave(&w->presence, &w->refs[0], EXIT_CLEAN, 0);
    presence_join(&w->presence, &w->refs[0], SLICE("u"), SLICE_NONE);
}

/* This node was cut off for so long that the others have declared it dead. */
static void who_left_meanwhile_is_not_shown_under_a_new_name(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    v_comes_and_goes(&w, 2); /* and stays */
    shared_degraded(w.shared, true, 2000);
    shared_link_down(w.shared);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 5000);
    assert_int_equal(w.removed, 1);
    shared_link_up(w.shared, 2, 20000);
    shared_renamed(w.shared, 8, 20001);
    shared_ready(w.shared, 8);
    shared_turn_ends(w.shared);
    shared_subscribed(w.channel, 20002);
    shared_degraded(w.shared, false, 20002);
    shared_version(w.channel, (struct version){3, 3}, 20003);
    take(&w, 3, &(struct replica_member){SLICE("v"), SLICE_NONE, other, 1}, 1, 20004);
    for (uint64_t now = 20500; now < 30000; now += 500)
        shared_tick(w.shared, now);
    assert_int_equal(w.added, 1); /* v */
    assert_int_equal(w.removed, 1);
    assert_int_equal(w.presence.view.n, 1);
    end(&w);
}

/* A failover has brought back a reference of this node's, which knows better. */
static void what_this_node_has_given_up_is_not_shown_again(void **state)
{
    const struct push gone = {.kind = PUSH_REMOVED,
                              .at = {6, 6},
                              .prev_nonce = 5,
                              .nid = 7,
                              .user = SLICE("u")};
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    presence_hold(&w.presence, 6000);
    take(&w, 5, &(struct replica_member){SLICE("u"), SLICE_NONE, own, 1}, 1, 0);
    assert_int_equal(w.added, 0);
    presence_push(&w.presence, &gone, 0);
    assert_int_equal(w.removed, 0);
    assert_true(w.presence.replica.live);
    end(&w);
}

/* The leave is on its way: he is in by the channel's one order, and then not. */
static void who_has_just_left_is_in_a_snapshot_of_before(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    take(&w, 5, &(struct replica_member){SLICE("u"), SLICE_NONE, own, 1}, 1, 0);
    assert_int_equal(w.added, 1);
    end(&w);
}

static void who_waits_where_a_push_was_lost_is_let_in_by_the_next(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    replica_restart(&w.presence.replica);
    page(&w, 4, "u", own, 0);
    u_leaves_and_returns(&w);
    v_comes_and_goes(&w, 3);
    assert_null(w.refs[0].member);
    v_comes_and_goes(&w, 5); /* not 4 */
    assert_non_null(w.refs[0].member);
    end(&w);
}

static void who_waits_for_a_push_of_others_is_looked_at_soon(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    replica_restart(&w.presence.replica);
    page(&w, 4, "u", own, 0);
    assert_true(w.channel->check_at > 2000);
    u_leaves_and_returns(&w);
    assert_null(w.refs[0].member);
    assert_true(w.channel->check_at <= 2000);
    shared_version(w.channel, (struct version){4, 4}, 1000); /* 2 to 4 were lost */
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* Nothing has come on these links, but Redis has confirmed the version: what a later
 * snapshot is ahead of is on its way. */
static void who_returns_waits_for_what_is_on_its_way_on_new_links_too(void **state)
{
    struct world w;

    (void)state;
    begin_with_u(&w, true);
    shared_link_up(w.shared, 2, 1000);
    shared_subscribed(w.channel, 1001);
    shared_version(w.channel, (struct version){1, 1}, 1002);
    presence_leave(&w.presence, &w.refs[0], EXIT_CLEAN, 900000);
    shared_close(w.channel, false, 900000);
    new_life(&w, 2);
    page(&w, 4, "u", own, 0);
    assert_null(w.refs[0].member);
    v_comes_and_goes(&w, 4);
    assert_non_null(w.refs[0].member);
    end(&w);
}

/* Its snapshot's second page is ahead of the first. */
static void begin_ahead(struct world *w)
{
    begin_subscribed(w, true);
    page(w, 6, "a", other, 5);
    page(w, 7, "b", other, 0);
}

/* The pages are those of several moments, until the pushes have made up for it. */
static void a_snapshot_in_pages_is_shown_when_it_is_whole(void **state)
{
    struct world w;

    (void)state;
    begin_ahead(&w);
    assert_true(w.presence.replica.live);
    assert_int_equal(w.known, 0);
    v_comes_and_goes(&w, 7);
    assert_int_equal(w.known, 1);
    end(&w);
}

/* A failover goes back to the moment of the first page. */
static void a_snapshot_that_is_ahead_of_its_version_is_not_in_step(void **state)
{
    struct world w;

    (void)state;
    begin_ahead(&w);
    shared_link_up(w.shared, 2, 1000);
    shared_subscribed(w.channel, 1001);
    shared_version(w.channel, (struct version){6, 6}, 1002);
    assert_false(w.presence.replica.live); /* it is read anew */
    assert_int_equal(w.known, 0);
    end(&w);
}

/* The answer is older than the replica. */
static void a_version_that_was_forgotten_before_a_push_forgets_nothing(void **state)
{
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    take(&w, 7, NULL, 0, 0);
    shared_check(w.channel, false);
    v_comes_and_goes(&w, 8);
    v_comes_and_goes(&w, 9);
    assert_true(presence_is_void(&w.presence));
    shared_version(w.channel, (struct version){0, 0}, 1);
    assert_int_equal(w.presence.replica.at.seq, 9);
    end(&w);
}

/* Whoever opens the channel anew meanwhile hears those before and after it. */
static void an_event_whose_echo_is_on_its_way_outlives_the_channels_life(void **state)
{
    struct shared_event e;
    struct world w;

    (void)state;
    begin_subscribed(&w, false);
    shared_publish(w.channel, &e);
    shared_close(w.channel, false, 0);
    presence_fini(&w.presence);
    open_life(&w, 2);
    assert_int_equal(w.published, 0);
    assert_true(shared_echo(w.channel, 7, e.number));
    assert_int_equal(w.published, 1);
    assert_int_equal(shared_unconfirmed(w.shared), 0);
    end(&w);
}

/* The links are down for a moment, and nobody is left to wait for it. */
static void an_event_that_was_never_sent_is_counted(void **state)
{
    struct shared_event e;
    struct world w;

    (void)state;
    begin_subscribed(&w, true);
    shared_link_down(w.shared);
    shared_publish(w.channel, &e);
    assert_int_equal(e.generation, 0);
    shared_close(w.channel, false, 0);
    assert_int_equal(shared_unconfirmed(w.shared), 1);
    presence_fini(&w.presence);
    shared_free(w.shared);
    free(w.info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_left_meanwhile_is_not_shown_under_a_new_name),
        cmocka_unit_test(what_this_node_has_given_up_is_not_shown_again),
        cmocka_unit_test(who_has_just_left_is_in_a_snapshot_of_before),
        cmocka_unit_test(who_waits_where_a_push_was_lost_is_let_in_by_the_next),
        cmocka_unit_test(who_waits_for_a_push_of_others_is_looked_at_soon),
        cmocka_unit_test(who_returns_waits_for_what_is_on_its_way_on_new_links_too),
        cmocka_unit_test(a_snapshot_in_pages_is_shown_when_it_is_whole),
        cmocka_unit_test(a_snapshot_that_is_ahead_of_its_version_is_not_in_step),
        cmocka_unit_test(a_version_that_was_forgotten_before_a_push_forgets_nothing),
        cmocka_unit_test(an_event_whose_echo_is_on_its_way_outlives_the_channels_life),
        cmocka_unit_test(an_event_that_was_never_sent_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
