/* What the links do to the channels: they come and go, fall silent and speak again, bring
 * pushes and confirmations, and now and then a new name for this node. */
#include "presence/presence.h"
#include "presence/shared_channel.h"

static void each_channel(struct shared *s, void (*f)(struct shared_channel *c))
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct hmap *all = &s->partitions[i].channels;

        for (size_t b = 0; b <= all->mask; b++) {
            for (struct hmap_node *n = all->buckets[b], *next; n; n = next) {
                next = n->next;
                f(CONTAINER_OF(n, struct shared_channel, by_name));
            }
        }
    }
}

/* Joins and counts that are published wait for the subscription, so that their pushes
 * arrive. */
static void settle_references(struct shared_channel *c)
{
    struct list *next;

    c->pins++; /* the last one would take the channel with it */
    for (struct list *at = c->references.next; at != &c->references; at = next) {
        next = at->next;
        reference_settle(CONTAINER_OF(at, struct reference, of_channel));
    }
    if (c->kind.webhooks & WANT_COUNT)
        count_settle(c);
    c->pins--;
}

static void links_lost(struct shared_channel *c)
{
    c->asked = c->subscribed = c->checking = false;
    list_remove(&c->snapshot);
    shared_total_lost(c);
    if (!c->life) /* the next one is not to have them, long after */
        shared_deliver_waiting(c, false);
    else if (c->opened && !c->presence && !c->direct)
        shared_set_waits(c, true);
    settle_references(c);
}

void shared_link_down(struct shared *s)
{
    if (!s->generation)
        return;
    s->generation = 0;
    each_channel(s, links_lost);
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_lost(&s->partitions[i]);
}

static void links_are_new(struct shared_channel *c)
{
    if (!c->life)
        return;
    if (c->presence) {
        presence_hold(c->presence, c->shared->now + SHARED_HOLD_MS);
        presence_pushes_lost(c->presence);
    }
    shared_ask(c);
}

void shared_link_up(struct shared *s, uint64_t generation, uint64_t now)
{
    s->now = now;
    shared_link_down(s);
    s->generation = generation;
    if (generation > 1) /* for lives that begin meanwhile, too */
        s->hold_until = now + SHARED_HOLD_MS;
    each_channel(s, links_are_new);
}

/* Subscribed, and Redis answers: a channel without presence is in step by that. */
static void step_in(struct shared_channel *c)
{
    if (!c->life || !c->subscribed)
        return;
    if (!c->presence)
        shared_in_step(c);
    else if (c->presence->replica.live)
        shared_check(c, true);
    else
        shared_want_snapshot(c); /* one that is under way is no matter then */
}

void shared_subscribed(struct shared_channel *c, uint64_t now)
{
    c->shared->now = now;
    c->subscribed = true;
    settle_references(c);
    shared_deliver_waiting(c, true);
    shared_send_waiting(c);
    step_in(c);
    shared_total_check(c);
    shared_maybe_opened(c);
}

void shared_push(struct shared_channel *c, const struct push *p, uint64_t now)
{
    c->shared->now = now;
    if (c->presence)
        presence_push(c->presence, p, now);
    else
        c->passed = p->at;
}

static void check_soon(struct shared_channel *c)
{
    c->check_at = c->shared->now;
}

void shared_table_lost(struct shared *s, uint64_t now)
{
    s->now = now;
    each_channel(s, check_soon);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        s->partitions[i].must_verify = true;
        partition_busy(&s->partitions[i]);
    }
}

static void decide_here(struct shared_channel *c)
{
    if (!c->life || c->direct)
        return;
    shared_set_direct(c, true);
    shared_deliver_waiting(c, false);
    shared_maybe_opened(c);
}

void shared_degraded(struct shared *s, bool degraded, uint64_t now)
{
    s->now = now;
    s->degraded = degraded;
    each_channel(s, degraded ? decide_here : step_in);
}

/* Names */

static void give_name_up(struct shared_channel *c)
{
    if (c->presence)
        presence_give_name_up(c->presence);
}

static void renamed(struct shared_channel *c)
{
    shared_deliver_waiting(c, false);
    if (!c->presence)
        return;
    presence_hold(c->presence, c->shared->now + SHARED_HOLD_MS);
    presence_renamed(c->presence, c->shared->now);
}

void shared_renamed(struct shared *s, uint64_t nid, uint64_t now)
{
    s->now = now;
    if (s->nid)
        s->old_nids[s->n_old++ % 8] = s->nid;
    each_channel(s, give_name_up);
    s->nid = nid;
    s->ready = false;
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_renamed(&s->partitions[i]);
    each_channel(s, renamed);
}

void shared_found(struct shared *s, unsigned partition, uint64_t nid, uint64_t now)
{
    s->now = now;
    if (nid == s->nid)
        partition_found(&s->partitions[partition]);
}

void shared_ready(struct shared *s, uint64_t nid)
{
    if (nid != s->nid)
        return;
    s->ready = true;
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_busy(&s->partitions[i]);
}
