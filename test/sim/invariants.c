#include "test/sim/invariants.h"

#include <stdlib.h>

#include "test/sim/memory.h"

void check_init(struct check_client *c, const struct check_report *report,
                struct slice self)
{
    *c = (struct check_client){.report = report, .self = self};
}

void check_fini(struct check_client *c)
{
    free(c->view);
    free(c->seen);
}

static void violation(const struct check_client *c, const char *rule, const char *what,
                      struct slice user)
{
    c->report->violation(c->report->context, rule, what, user);
}

static unsigned place(const struct check_client *c, struct slice user)
{
    unsigned i = 0;

    while (i < c->n_view && !slice_eq(c->view[i], user))
        i++;
    return i;
}

bool check_has(const struct check_client *c, struct slice user)
{
    return place(c, user) < c->n_view;
}

static void put(struct check_client *c, struct slice user)
{
    c->view = grown(c->view, c->n_view, &c->room, sizeof *c->view);
    c->view[c->n_view++] = user;
}

static void saw(struct check_client *c, struct check_item item)
{
    c->seen = grown(c->seen, c->n_seen, &c->seen_room, sizeof *c->seen);
    c->seen[c->n_seen++] = item;
}

void check_succeeded(struct check_client *c, unsigned count, const struct slice *ids,
                     unsigned n_ids)
{
    if (c->answered)
        violation(c, "I1", "a second subscription_succeeded", c->self);
    c->answered = true;
    if (count != n_ids)
        violation(c, "I1", "count isn't the number of ids", c->self);
    for (unsigned i = 0; i < n_ids; i++) {
        if (check_has(c, ids[i]))
            violation(c, "I1", "a user twice in the snapshot", ids[i]);
        else
            put(c, ids[i]);
    }
    if (c->self.p && !check_has(c, c->self))
        violation(c, "I1", "the joiner isn't in the snapshot", c->self);
}

void check_added(struct check_client *c, struct slice user)
{
    if (!c->answered)
        violation(c, "I1", "member_added before the snapshot", user);
    if (check_has(c, user))
        violation(c, "I2", "member_added of one who is there", user);
    else
        put(c, user);
    saw(c, (struct check_item){'A', 0, user});
}

void check_removed(struct check_client *c, struct slice user)
{
    unsigned i = place(c, user);

    if (!c->answered)
        violation(c, "I1", "member_removed before the snapshot", user);
    if (i == c->n_view)
        violation(c, "I2", "member_removed of one who isn't there", user);
    else
        c->view[i] = c->view[--c->n_view];
    saw(c, (struct check_item){'R', 0, user});
}

void check_event(struct check_client *c, uint64_t event)
{
    if (!c->answered)
        violation(c, "I1", "an event before subscription_succeeded", SLICE_NONE);
    for (unsigned i = c->n_seen; i-- > 0 && i + 200 > c->n_seen;) {
        if (c->seen[i].kind == 'E' && c->seen[i].event == event)
            violation(c, "I4", "an event twice", c->self);
    }
    saw(c, (struct check_item){'E', event, SLICE_NONE});
}

static bool same(const struct check_item *a, const struct check_item *b)
{
    return a->kind == b->kind && a->event == b->event && slice_eq(a->user, b->user);
}

struct match {
    const struct check_client *client;
    const struct check_order *order;
    bool (*mine)(void *context, uint64_t event);
    void *context;
};

static bool is_mine(const struct match *m, const struct check_item *i)
{
    return i->kind == 'E' && m->mine(m->context, i->event);
}

/* The place in the order from which on all that the client saw fits; n if there is none.
 * An event names its place; where there is none, any place will do. */
static bool fits(const struct match *m, unsigned from, bool to_end)
{
    unsigned at = from;

    for (unsigned i = 0; i < m->client->n_seen; i++, at++) {
        while (at < m->order->n && is_mine(m, &m->order->all[at]))
            at++;
        if (at == m->order->n || !same(&m->order->all[at], &m->client->seen[i]))
            return false;
    }
    while (to_end && at < m->order->n && is_mine(m, &m->order->all[at]))
        at++;
    return !to_end || at == m->order->n;
}

void check_order(const struct check_client *c, const struct check_order *order,
                 bool (*mine)(void *context, uint64_t event), void *context, bool to_end)
{
    struct match m = {c, order, mine, context};

    for (unsigned from = 0; from <= order->n; from++)
        if (fits(&m, from, to_end))
            return;
    violation(c, "I4", "not a part of the channel's one order", c->self);
}
