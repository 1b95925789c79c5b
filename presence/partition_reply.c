/* What comes of a partition's commands: replies, or none; and what is found to differ
 * from what this node believes Redis has, which is then asserted anew (PRESENCE.md, rules
 * 6, 7). */
#include "presence/presence.h"
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"

enum {
    HOLD_EPOCH_MS = 9000, /* removals after the partition's keys were lost; lib.lua holds
                           * their webhooks as long */
    TAKEN_MS = 3000,      /* by then a webhook is with a node that sends it, and the
                           * loss of what it was noted in found out */
    STALE_JUMP = 1000,
    LISTS_MAX = 3,
};

/* Whatever was under way has no answer, or one that is of no use. */

static void unsure_count(struct shared_channel *c)
{
    count_set(c, KNOWN_UNSURE, c->count_known);
    count_settle(c);
}

static void unsure_reference(struct reference *r)
{
    reference_set(r, KNOWN_UNSURE);
    reference_settle(r);
}

/* The snapshot that was asked for then is the one that is wanted now. */
static bool is_asked(const struct flight *f)
{
    const struct presence *p = f->channel->presence;

    return p && f->channel->life == f->life && p->replica.restarts == f->restarts;
}

/* unsure: Redis may have done it, under this nid. */
static void land(struct flight *f, bool unsure)
{
    struct shared_channel *c = f->channel;

    switch (f->kind) {
    case OP_JOIN:
    case OP_LEAVE:
        f->reference->in_flight = false;
        if (unsure)
            unsure_reference(f->reference);
        else
            reference_settle(f->reference);
        break;
    case OP_COUNT:
        if (unsure)
            unsure_count(c);
        else
            count_settle(c);
        break;
    case OP_SNAPSHOT:
        if (is_asked(f))
            shared_want_snapshot(c);
        break;
    }
}

static void unpin(struct shared_channel *c)
{
    c->pins--;
    shared_channel_drop(c);
}

static void land_all(struct partition *p, bool unsure)
{
    for (unsigned i = 0; i < p->n_flights; i++) {
        land(&p->flights[i], unsure);
        unpin(p->flights[i].channel);
    }
    p->n_flights = 0;
    p->in_flight = FLIGHT_NONE;
}

/* After a rollback a join of before may name a seq that the new history hasn't reached.
 */
static void forget_join_seq(struct hmap_node *node, void *context)
{
    (void)context;
    CONTAINER_OF(node, struct reference, by_user)->join_seq = 0;
}

void partition_lost(struct partition *p)
{
    hmap_each(&p->references, forget_join_seq, NULL);
    if (p->in_flight == FLIGHT_BATCH)
        land_all(p, p->flight_nid == p->shared->nid);
    p->in_flight = FLIGHT_NONE;
    p->must_verify = true;
    if (!p->lost_at)
        p->lost_at = p->shared->now;
}

/* Everything of this partition at once */

struct sweep {
    enum known_state to;
    unsigned unless_listed; /* only what the list didn't have; 0: all */
};

static void sweep_reference(struct hmap_node *node, void *context)
{
    struct reference *r = CONTAINER_OF(node, struct reference, by_user);
    const struct sweep *w = context;

    if (r->state == KNOWN_NOT || (w->unless_listed && r->listed == w->unless_listed))
        return;
    reference_set(r, w->to);
    reference_settle(r);
}

static void sweep_count(struct hmap_node *node, void *context)
{
    struct shared_channel *c = CONTAINER_OF(node, struct shared_channel, by_name);
    const struct sweep *w = context;

    if (c->count_state == KNOWN_NOT ||
        (w->unless_listed && c->listed == w->unless_listed))
        return;
    count_set(c, w->to, w->to == KNOWN_NOT ? 0 : c->count_known);
    count_settle(c);
}

/* A reference may be freed with the sweep, and its channel too: neither is in the way,
 * since hmap_each allows it. */
static void sweep(struct partition *p, enum known_state to, unsigned unless_listed)
{
    struct sweep w = {to, unless_listed};

    hmap_each(&p->references, sweep_reference, &w);
    hmap_each(&p->channels, sweep_count, &w);
}

void partition_renamed(struct partition *p)
{
    sweep(p, KNOWN_NOT, 0);
    p->number = 0;
    p->used = false;
    p->epoch = 0; /* nothing is asserted under it that could be lost */
    p->must_verify = true;
}

static void resync_channel(struct hmap_node *node, void *context)
{
    struct shared_channel *c = CONTAINER_OF(node, struct shared_channel, by_name);

    (void)context;
    if (!c->presence)
        return;
    presence_hold(c->presence, c->shared->now + HOLD_EPOCH_MS);
    presence_history_ended(c->presence);
    shared_want_snapshot(c);
}

/* Of what was confirmed just before the loss the webhook may have been lost as well,
 * before anybody took it: that is told once more. */
static bool was_told(uint64_t since, uint64_t lost_at)
{
    return since + TAKEN_MS <= lost_at;
}

static bool is_held_elsewhere(const struct reference *r)
{
    const struct presence *p = r->channel->presence;
    const struct member *m = p ? roster_find(&p->view, r->user) : NULL;

    return m && m->n_nids > (member_has_nid(m, r->channel->shared->nid) ? 1u : 0u);
}

/* Who hears of the channel by webhooks knows of him: this node's reference was confirmed,
 * or another's, from which he has come here meanwhile. */
static void lose_reference(struct hmap_node *node, void *context)
{
    struct reference *r = CONTAINER_OF(node, struct reference, by_user);
    const uint64_t *lost_at = context;
    bool elsewhere;

    if (r->lost)
        return;
    elsewhere = is_held_elsewhere(r);
    r->lost = r->confirmed || elsewhere;
    r->fresh = !elsewhere && !was_told(r->since, *lost_at);
}

static void lose_count(struct hmap_node *node, void *context)
{
    struct shared_channel *c = CONTAINER_OF(node, struct shared_channel, by_name);
    const uint64_t *lost_at = context;

    if (c->count_lost)
        return;
    c->count_lost = c->count_known > 0;
    c->count_fresh = !was_told(c->count_since, *lost_at);
}

/* True: the partition's keys aren't those that we know; everything is asserted anew. An
 * empty partition has no epoch: who gives it one changes nothing. */
static bool epoch_changed(struct partition *p, uint64_t epoch)
{
    bool changed = p->epoch && epoch != p->epoch;
    uint64_t lost_at = p->lost_at ? p->lost_at : p->shared->now;

    p->epoch = p->epoch_heard = epoch;
    p->lost_at = 0;
    if (!changed)
        return false;
    hmap_each(&p->references, lose_reference, &lost_at);
    hmap_each(&p->channels, lose_count, &lost_at);
    sweep(p, KNOWN_UNSURE, 0);
    p->hold_until = p->shared->now + HOLD_EPOCH_MS;
    hmap_each(&p->channels, resync_channel, NULL);
    p->recheck = true; /* an older history may also hold what we have given up */
    return true;
}

void partition_epoch_heard(struct partition *p, uint64_t epoch)
{
    uint64_t known = p->epoch ? p->epoch : p->epoch_heard;

    if (!epoch)
        return;
    p->epoch_heard = epoch;
    if (!known || epoch == known)
        return;
    p->hold_until = p->shared->now + HOLD_EPOCH_MS;
    p->must_verify = true;
    partition_busy(p);
}

/* Replies */

static void give_nid_up(struct shared *s)
{
    s->ready = false;
    s->pipe->fenced(s->context, s->nid);
}

/* False: the reply is of no use, and that was taken care of. */
static bool usable(struct partition *p, enum reply_status status)
{
    struct shared *s = p->shared;

    if (p->flight_nid != s->nid) {
        land_all(p, false);
        return false;
    }
    if (status == REPLY_OK)
        return true;
    if (status == REPLY_STALE) {
        p->number += STALE_JUMP;
        p->must_verify = true;
        land_all(p, true);
        sweep(p, KNOWN_UNSURE, 0);
    } else {
        land_all(p, true);
        give_nid_up(s);
    }
    return false;
}

static void landed_join(struct reference *r, const struct op_reply *reply, uint64_t now)
{
    struct presence *p = r->channel->presence;

    r->in_flight = false;
    if (reply->result != RESULT_FULL) {
        reference_set(r, KNOWN_HELD);
        r->join_seq = reply->at.seq;
        if (reply->result == RESULT_ADDED || reply->result == RESULT_REF)
            r->others_info = reply->result == RESULT_REF;
        r->pushed &= reply->result == RESULT_ADDED || reply->result == RESULT_REF;
        if (p && r->wanted)
            presence_held(p, r, now);
    } else {
        reference_set(r, KNOWN_NOT);
        if (p && r->wanted && !presence_has_live(p, r->user)) {
            r->in_flight = true; /* stays while the presence lets go of it */
            presence_full(p, r);
            r->in_flight = false;
        }
    }
    reference_settle(r);
}

/* One that Redis didn't have was published. */
static void landed_count(struct shared_channel *c, unsigned count, bool heard)
{
    bool published = heard && c->count_state != KNOWN_UNSURE && c->count_known != count;

    count_set(c, count ? KNOWN_HELD : KNOWN_NOT, count);
    count_settle(c);
    if (!published)
        shared_total_check(c);
    shared_maybe_opened(c);
}

static void landed(struct flight *f, const struct op_reply *reply, uint64_t now)
{
    struct shared_channel *c = f->channel;

    switch (f->kind) {
    case OP_JOIN:
        landed_join(f->reference, reply, now);
        break;
    case OP_LEAVE:
        f->reference->in_flight = false;
        reference_set(f->reference, KNOWN_NOT);
        reference_settle(f->reference);
        break;
    case OP_COUNT:
        landed_count(c, f->count, f->life == c->life);
        break;
    case OP_SNAPSHOT:
        if (is_asked(f))
            presence_page(c->presence, reply, now);
        break;
    }
}

void shared_batched(struct shared *s, unsigned partition, const struct batch_reply *r,
                    uint64_t now)
{
    struct partition *p = &s->partitions[partition];

    s->now = now;
    if (p->in_flight != FLIGHT_BATCH)
        return;
    partition_busy(p);
    if (r->status == REPLY_ANEW && p->flight_nid == s->nid) {
        land_all(p, false);
        epoch_changed(p, r->epoch);
        return;
    }
    if (!usable(p, r->status))
        return;
    epoch_changed(p, r->epoch);
    for (unsigned i = 0; i < p->n_flights; i++) {
        landed(&p->flights[i], &r->ops[i], now);
        unpin(p->flights[i].channel);
    }
    p->n_flights = 0;
    p->in_flight = FLIGHT_NONE;
}

static void ask_list(struct partition *p, uint64_t cursor)
{
    p->in_flight = FLIGHT_LIST;
    p->shared->pipe->list(p->shared->context, p->index, p->shared->nid, cursor);
}

void shared_verified(struct shared *s, unsigned partition, const struct verify_reply *r,
                     uint64_t now)
{
    struct partition *p = &s->partitions[partition];

    s->now = now;
    if (p->in_flight != FLIGHT_VERIFY)
        return;
    p->in_flight = FLIGHT_NONE;
    partition_busy(p);
    if (!usable(p, r->status) || epoch_changed(p, r->epoch))
        return;
    if (p->unsure) {
        p->recheck = true;
    } else if (r->sum == p->sum) {
        p->mismatches = 0;
    } else if (p->mismatches++ < LISTS_MAX) {
        p->list_mark++;
        ask_list(p, 0);
    } else { /* somebody else adds to it: a clone */
        p->mismatches = 0;
        give_nid_up(s);
    }
}

static void list_one(struct partition *p, const struct list_entry *e)
{
    struct shared_channel *c = shared_channel_get(p->shared, e->app, e->channel);

    c->pins++;
    if (e->user.p) {
        struct reference *r = reference_stray(c, e->user);

        r->listed = p->list_mark;
        if (r->state == KNOWN_NOT) {
            reference_set(r, KNOWN_UNSURE);
            reference_settle(r);
        }
    } else {
        c->listed = p->list_mark;
        if (c->count_state == KNOWN_NOT || c->count_known != e->count)
            unsure_count(c);
    }
    unpin(c);
}

void shared_listed(struct shared *s, unsigned partition, const struct list_reply *r)
{
    struct partition *p = &s->partitions[partition];

    if (p->in_flight != FLIGHT_LIST)
        return;
    p->in_flight = FLIGHT_NONE;
    partition_busy(p);
    if (p->flight_nid != s->nid)
        return;
    for (unsigned i = 0; i < r->n; i++)
        list_one(p, &r->entries[i]);
    if (r->cursor) {
        ask_list(p, r->cursor);
        return;
    }
    sweep(p, KNOWN_UNSURE, p->list_mark);
    p->recheck = true;
}

void partition_found(struct partition *p)
{
    if (!p->used)
        partition_busy(p);
    p->used = true; /* with the first check still to come; the others come by time */
}

void partition_tick(struct partition *p)
{
    if (p->shared->now >= p->verify_at) /* Redis may also have what we don't hold */
        p->must_verify = true;
    if (p->must_verify || p->recheck)
        partition_busy(p);
}
