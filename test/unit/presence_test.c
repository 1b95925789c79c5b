/* Presence on one node: its inputs and outputs by themselves. The last test is the
 * seed-driven check of PRESENCE.md's I1, I2 and I6 against a model that shares no code
 * with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "presence/presence.h"

enum { LOG_MAX = 4096 };

struct world {
    struct presence p;
    char log[LOG_MAX]; /* "+a" added, "-a" removed, "*" admitted, "!" refused */
};

static void note(struct world *w, const char *mark, struct slice id)
{
    size_t n = strlen(w->log);

    snprintf(w->log + n, sizeof w->log - n, "%s%.*s ", mark, SLICE_ARG(id));
}

static void added(void *context, const struct member *m)
{
    note(context, "+", m->id);
}

static void removed(void *context, const struct member *m)
{
    note(context, "-", m->id);
}

static void admitted(void *context, struct presence_ref *ref)
{
    note(context, "*", ref->member->id);
}

static void refused(void *context, struct presence_ref *ref)
{
    assert_null(ref->member);
    note(context, "!", SLICE_NONE);
}

static const struct presence_sink sink = {added, removed, admitted, refused, NULL};
static const struct hash_seed seed = {1, 2};

static void open_world(struct world *w, unsigned max, uint64_t grace)
{
    w->log[0] = '\0';
    presence_init(&w->p, (struct presence_rules){max, grace}, seed, &sink, w);
}

static void join(struct world *w, struct presence_ref *ref, const char *id,
                 const char *info)
{
    presence_join(&w->p, ref, slice_of(id), slice_of(info));
}

static void said(struct world *w, const char *what)
{
    assert_string_equal(w->log, what);
    w->log[0] = '\0';
}

static void a_first_socket_is_announced_before_it_is_admitted(void **state)
{
    struct world w;
    struct presence_ref a = {0};

    (void)state;
    open_world(&w, 100, 0);
    join(&w, &a, "ann", "{}");
    said(&w, "+ann *ann ");
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    said(&w, "-ann ");
    assert_true(presence_empty(&w.p));
    presence_fini(&w.p);
}

static void a_user_with_two_sockets_counts_once(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};

    (void)state;
    open_world(&w, 100, 0);
    join(&w, &a, "ann", "1");
    join(&w, &b, "ann", "2");
    said(&w, "+ann *ann *ann ");
    assert_int_equal(w.p.view.n, 1);
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    said(&w, "");
    presence_leave(&w.p, &b, EXIT_UNCLEAN, 0);
    said(&w, "-ann ");
    presence_fini(&w.p);
}

static void the_first_sockets_info_stands_until_the_user_has_gone(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};

    (void)state;
    open_world(&w, 100, 0);
    join(&w, &a, "ann", "1.10");
    join(&w, &b, "ann", "2");
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    assert_true(slice_is(b.member->piece.info, "1.10"));
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    join(&w, &b, "ann", "2");
    assert_true(slice_is(b.member->piece.info, "2"));
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    presence_fini(&w.p);
}

static void a_full_room_refuses_a_new_user_but_not_a_members_second_socket(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0}, c = {0}, second = {0};

    (void)state;
    open_world(&w, 2, 0);
    join(&w, &a, "a", NULL);
    join(&w, &b, "b", NULL);
    join(&w, &c, "c", NULL);
    join(&w, &second, "a", NULL);
    said(&w, "+a *a +b *b ! *a ");
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    join(&w, &c, "c", NULL);
    said(&w, "-b +c *c ");
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    presence_leave(&w.p, &second, EXIT_CLEAN, 0);
    presence_leave(&w.p, &c, EXIT_CLEAN, 0);
    presence_fini(&w.p);
}

static void leaving_twice_or_after_a_refusal_says_nothing(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};

    (void)state;
    open_world(&w, 1, 0);
    join(&w, &a, "a", NULL);
    join(&w, &b, "b", NULL);
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    said(&w, "+a *a ! -a ");
    presence_fini(&w.p);
}

static void an_unclean_leave_keeps_the_member_for_the_grace(void **state)
{
    struct world w;
    struct presence_ref a = {0};

    (void)state;
    open_world(&w, 100, 5000);
    join(&w, &a, "a", NULL);
    presence_leave(&w.p, &a, EXIT_UNCLEAN, 1000);
    assert_true(presence_waits(&w.p));
    presence_tick(&w.p, 5999);
    said(&w, "+a *a ");
    presence_tick(&w.p, 6000);
    said(&w, "-a ");
    assert_false(presence_waits(&w.p));
    assert_true(presence_empty(&w.p));
    presence_fini(&w.p);
}

static void a_clean_leave_ends_at_once_in_spite_of_the_grace(void **state)
{
    struct world w;
    struct presence_ref a = {0};

    (void)state;
    open_world(&w, 100, 5000);
    join(&w, &a, "a", NULL);
    presence_leave(&w.p, &a, EXIT_CLEAN, 1000);
    said(&w, "+a *a -a ");
    presence_fini(&w.p);
}

static void a_return_within_the_grace_is_seen_by_nobody(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};

    (void)state;
    open_world(&w, 100, 5000);
    join(&w, &a, "a", "1");
    presence_leave(&w.p, &a, EXIT_UNCLEAN, 1000);
    join(&w, &b, "a", "2");
    presence_tick(&w.p, 100000);
    said(&w, "+a *a *a ");
    assert_true(slice_is(b.member->piece.info, "1")); /* the user had not gone */
    presence_leave(&w.p, &b, EXIT_CLEAN, 100000);
    said(&w, "-a ");
    presence_fini(&w.p);
}

static void a_member_in_grace_takes_a_place_in_the_room(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};

    (void)state;
    open_world(&w, 1, 5000);
    join(&w, &a, "a", NULL);
    presence_leave(&w.p, &a, EXIT_UNCLEAN, 0);
    join(&w, &b, "b", NULL);
    said(&w, "+a *a ! ");
    presence_tick(&w.p, 5000);
    join(&w, &b, "b", NULL);
    said(&w, "-a +b *b ");
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    presence_fini(&w.p);
}

static void a_lost_socket_is_waited_for_though_another_leaves_cleanly(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};

    (void)state;
    open_world(&w, 100, 5000);
    join(&w, &a, "a", NULL);
    join(&w, &b, "a", NULL);
    presence_leave(&w.p, &a, EXIT_UNCLEAN, 1000);
    presence_leave(&w.p, &b, EXIT_CLEAN, 2000);
    presence_tick(&w.p, 5999);
    said(&w, "+a *a *a ");
    presence_tick(&w.p, 6000);
    said(&w, "-a ");
    presence_fini(&w.p);
}

static void the_snapshot_has_every_member_once_in_the_order_of_their_coming(void **state)
{
    static const char expected[] =
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"presence-"
        "x\","
        "\"data\":\"{\\\"presence\\\":{\\\"ids\\\":[\\\"b\\\",\\\"a\\\"],\\\"hash\\\":"
        "{\\\"b\\\":{\\\"n\\\":1.10},\\\"a\\\":null},\\\"count\\\":2}}\"}";
    struct world w;
    struct presence_ref a = {0}, b = {0};
    struct frame *f;

    (void)state;
    open_world(&w, 100, 0);
    join(&w, &b, "b", "{\"n\":1.10}");
    join(&w, &a, "a", NULL);
    f = roster_snapshot(&w.p.view, SLICE("presence-x"));
    assert_int_equal(frame_payload(f).n, sizeof expected - 1);
    assert_memory_equal(frame_payload(f).p, expected, sizeof expected - 1);
    frame_release(f);
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    presence_fini(&w.p);
}

static void the_version_moves_with_each_user_that_comes_or_goes_only(void **state)
{
    struct world w;
    struct presence_ref a = {0}, b = {0};
    uint64_t before;

    (void)state;
    open_world(&w, 100, 0);
    join(&w, &a, "a", NULL);
    before = w.p.view.version;
    join(&w, &b, "a", NULL);
    presence_leave(&w.p, &b, EXIT_CLEAN, 0);
    assert_true(w.p.view.version == before);
    presence_leave(&w.p, &a, EXIT_CLEAN, 0);
    assert_true(w.p.view.version != before);
    presence_fini(&w.p);
}

/* The seed-driven check */

enum { USERS = 12, SOCKETS = 40, STEPS = 4000, LIMIT = 6, GRACE = 30 };

struct chaos {
    struct presence p;
    bool seen[USERS]; /* as a client that was here from the start would see it */
    unsigned n_seen;
    int model_sockets[USERS];
    uint64_t model_until[USERS];
    unsigned admitted, refused;
};

static unsigned user_of(const struct member *m)
{
    return (unsigned)(m->id.p[0] - 'a');
}

static void chaos_added(void *context, const struct member *m)
{
    struct chaos *c = context;

    assert_false(c->seen[user_of(m)]); /* I2 */
    c->seen[user_of(m)] = true;
    c->n_seen++;
}

static void chaos_removed(void *context, const struct member *m)
{
    struct chaos *c = context;

    assert_true(c->seen[user_of(m)]); /* I2 */
    c->seen[user_of(m)] = false;
    c->n_seen--;
}

static void chaos_admitted(void *context, struct presence_ref *ref)
{
    struct chaos *c = context;

    assert_true(c->seen[user_of(ref->member)]); /* I1: the snapshot has the joiner */
    c->admitted++;
}

static void chaos_refused(void *context, struct presence_ref *ref)
{
    struct chaos *c = context;

    (void)ref;
    assert_int_equal(c->n_seen, LIMIT); /* I6: refused only when full */
    c->refused++;
}

static bool model_present(const struct chaos *c, unsigned user)
{
    return c->model_sockets[user] > 0 || c->model_until[user];
}

static void check(const struct chaos *c)
{
    unsigned n = 0;

    for (unsigned u = 0; u < USERS; u++) {
        assert_int_equal(c->seen[u], model_present(c, u));
        n += c->seen[u];
    }
    assert_true(n <= LIMIT);
    assert_int_equal(n, c->p.view.n);
}

static void chaos_leave(struct chaos *c, struct presence_ref *ref, unsigned user,
                        bool clean, uint64_t now)
{
    presence_leave(&c->p, ref, clean ? EXIT_CLEAN : EXIT_UNCLEAN, now);
    c->model_sockets[user]--;
    if (!clean)
        c->model_until[user] = now + GRACE;
    if (c->model_until[user] <= now)
        c->model_until[user] = 0;
}

static void pass_time(struct chaos *c, uint64_t now)
{
    presence_tick(&c->p, now);
    for (unsigned u = 0; u < USERS; u++) {
        if (!c->model_sockets[u] && c->model_until[u] <= now)
            c->model_until[u] = 0;
    }
}

static void run_chaos(unsigned number)
{
    static const struct presence_sink chaos_sink = {chaos_added, chaos_removed,
                                                    chaos_admitted, chaos_refused, NULL};
    struct chaos c = {.n_seen = 0};
    struct presence_ref refs[SOCKETS] = {{0}};
    unsigned users[SOCKETS] = {0}, random = number * 2654435761u + 1;
    uint64_t now = 1000;

    presence_init(&c.p, (struct presence_rules){LIMIT, GRACE}, seed, &chaos_sink, &c);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned s, was = c.refused;
        char id[1];

        random = random * 1664525u + 1013904223u;
        s = (random >> 8) % SOCKETS;
        now += (random >> 20) % 3;
        pass_time(&c, now);
        if (refs[s].member) {
            chaos_leave(&c, &refs[s], users[s], random & 0x40000000, now);
        } else {
            users[s] = (random >> 16) % USERS;
            id[0] = (char)('a' + users[s]);
            presence_join(&c.p, &refs[s], (struct slice){id, 1}, SLICE_NONE);
            if (c.refused == was) {
                c.model_sockets[users[s]]++;
                c.model_until[users[s]] = 0;
            }
        }
        check(&c);
    }
    assert_true(c.admitted > 100 && c.refused > 100); /* the run has tried both */
    presence_fini(&c.p);
}

static void no_random_history_breaks_an_invariant(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 50; number++)
        run_chaos(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_socket_is_announced_before_it_is_admitted),
        cmocka_unit_test(a_user_with_two_sockets_counts_once),
        cmocka_unit_test(the_first_sockets_info_stands_until_the_user_has_gone),
        cmocka_unit_test(a_full_room_refuses_a_new_user_but_not_a_members_second_socket),
        cmocka_unit_test(leaving_twice_or_after_a_refusal_says_nothing),
        cmocka_unit_test(an_unclean_leave_keeps_the_member_for_the_grace),
        cmocka_unit_test(a_clean_leave_ends_at_once_in_spite_of_the_grace),
        cmocka_unit_test(a_return_within_the_grace_is_seen_by_nobody),
        cmocka_unit_test(a_member_in_grace_takes_a_place_in_the_room),
        cmocka_unit_test(a_lost_socket_is_waited_for_though_another_leaves_cleanly),
        cmocka_unit_test(the_snapshot_has_every_member_once_in_the_order_of_their_coming),
        cmocka_unit_test(the_version_moves_with_each_user_that_comes_or_goes_only),
        cmocka_unit_test(no_random_history_breaks_an_invariant),
    };

    return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
