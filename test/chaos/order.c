/* I4 between clients. In each room one life is the measure: that of the member who has
 * been in longest and sends nothing himself, so that he is sent everything. */
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "test/chaos/watch.h"
#include "test/sim/memory.h"

void order_begin(struct crowd *c, bool strict)
{
    c->order = strict ? ORDER_STRICT : ORDER_COMMON;
    for (unsigned i = 0; i < c->n; i++)
        c->members[i].check.n_seen = 0;
}

void order_past(struct member *m)
{
    struct room *r = m->room;

    if (m->crowd->order == ORDER_NONE) {
        check_fini(&m->check);
        return;
    }
    r->past = grown(r->past, r->n_past, &r->past_room, sizeof *r->past);
    r->past[r->n_past++] = (struct past){false, m->check, m, m->publisher};
}

static const struct member *measure_of(const struct crowd *c, const struct room *r)
{
    const struct member *best = NULL;

    for (unsigned i = r->first; i < r->first + c->per_room; i++) {
        const struct member *m = &c->members[i];

        if (m->state == MEMBER_IN && !m->publishes && (!best || m->in_at < best->in_at))
            best = m;
    }
    return best;
}

static bool is_mine(void *context, uint64_t event)
{
    const struct past *life = context;

    return life->publisher && event >> 32 == life->publisher;
}

struct place {
    uint64_t event;
    unsigned at;
};

static int by_event(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return (x->event > y->event) - (x->event < y->event);
}

struct places {
    struct place *all;
    unsigned n;
};

static struct places places_of(const struct check_client *k)
{
    struct places p = {xmalloc((k->n_seen + 1) * sizeof *p.all), 0};

    for (unsigned i = 0; i < k->n_seen; i++)
        if (k->seen[i].kind == 'E')
            p.all[p.n++] = (struct place){k->seen[i].event, i};
    qsort(p.all, p.n, sizeof *p.all, by_event);
    return p;
}

/* The events that both have seen stand in the same order. */
static void compare_common(const struct past *life, const struct places *p)
{
    const struct check_client *k = &life->check;
    unsigned last = 0;

    for (unsigned i = 0; i < k->n_seen; i++) {
        struct place key = {k->seen[i].event, 0};
        const struct place *found =
            k->seen[i].kind == 'E' ? bsearch(&key, p->all, p->n, sizeof key, by_event)
                                   : NULL;

        if (!found)
            continue;
        if (found->at < last) {
            k->report->violation(k->report->context, "I4", "two events in another order",
                                 k->self);
            return;
        }
        last = found->at;
    }
}

static void compare(const struct crowd *c, struct past *life,
                    const struct check_client *measure, const struct places *p)
{
    const struct check_order order = {measure->seen, measure->n_seen};

    if (!life->check.answered)
        return;
    if (c->order == ORDER_STRICT)
        check_order(&life->check, &order, is_mine, life, life->lasts);
    else
        compare_common(life, p);
}

static void compare_room(struct crowd *c, struct room *r)
{
    const struct member *measure = measure_of(c, r);
    struct places p = measure ? places_of(&measure->check) : (struct places){0};

    for (unsigned i = r->first; measure && i < r->first + c->per_room; i++) {
        const struct member *m = &c->members[i];
        struct past life = {true, m->check, m, m->publisher};

        if (m->state == MEMBER_IN && m != measure) {
            compare(c, &life, &measure->check, &p);
            c->tally.compared++;
        }
    }
    for (unsigned i = 0; i < r->n_past; i++) {
        if (measure)
            compare(c, &r->past[i], &measure->check, &p);
        c->tally.compared += !!measure;
        check_fini(&r->past[i].check);
    }
    r->n_past = 0;
    free(p.all);
}

void order_end(struct crowd *c)
{
    for (unsigned r = 0; r < c->n_rooms; r++)
        compare_room(c, &c->rooms[r]);
    c->order = ORDER_NONE;
}

/* A publisher's last event, to one who was in when it was sent. */
static void tail(struct member *to, const struct poster *from)
{
    struct heard *h = NULL;

    if (to->state != MEMBER_IN || !from->sent)
        return;
    for (unsigned i = 0; i < to->n_heard; i++)
        if (to->heard[i].publisher == from->publisher)
            h = &to->heard[i];
    if (!h && to->in_at + WATCH_SECOND > from->at)
        return; /* it may have been sent before he was in */
    if (!h) {
        to->heard = grown(to->heard, to->n_heard, &to->heard_room, sizeof *to->heard);
        h = &to->heard[to->n_heard++];
        *h = (struct heard){from->publisher, from->sent - 1};
    }
    if (h->last < from->sent)
        to->crowd->tally.missing += from->sent - h->last;
    h->last = from->sent;
}

void order_tails(struct crowd *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        struct member *to = &c->members[i];

        tail(to, &to->room->poster);
        for (unsigned k = 0; k < c->per_room; k++) {
            const struct member *m = &c->members[to->room->first + k];
            struct poster from = {m->publisher, m->sent, m->sent_at};

            if (m != to && m->publishes && m->state == MEMBER_IN)
                tail(to, &from);
        }
    }
}
