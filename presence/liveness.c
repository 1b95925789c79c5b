/* See liveness.h. What is known of the others is the last table, each value with the time
 * at which it was first seen. Two times decide about a silent node: how long its value
 * has stood, and how long this node has polled without a gap (trusted_from); an outage of
 * Redis stops both alike, so it never looks like a death (rule 8). Both are measured up
 * to when the beat was *sent*: its reply may have been long on the way, and is no younger
 * than that.
 *
 * A sweep (rule 9) asks who holds references first and for the table afterwards: what
 * `held` brings is kept as fresh until the next beat leaves, and judged by the reply to
 * that one. In the other order a newborn node would be reaped. */
#include "presence/liveness.h"

#include <stdlib.h>

#include "presence/liveness_ablation.h"
#include "server/base/xalloc.h"

enum {
    BEAT_MS = 1000,
    DEAD_MS = 8000,
    BYE_MS = 10000,
    GAP_MS = 2500,
    SWEEP_MS = 5000,
    REMEMBERED =
        64, /* values of one's own; a lost reply or a rollback brings them back */
};

struct peer {
    uint64_t nid;
    struct beat_value value;
    uint64_t since; /* when this value was first seen */
    bool killing;   /* the command is under way */
};

struct holding {
    unsigned partition;
    uint64_t nid;
};

struct holdings {
    struct holding *all;
    unsigned n, room;
};

struct liveness {
    struct liveness_rules rules;
    const struct liveness_sink *sink;
    void *context;
    uint64_t nid;
    struct beat_value known; /* what the table holds of this nid, as far as is known */
    struct beat_value sent[REMEMBERED];
    uint64_t counter;   /* of values sent */
    uint64_t forgotten; /* values up to this counter were another nid's */
    uint64_t epoch;     /* of the table; 0 not seen yet */
    uint64_t trusted_from, last_poll;
    uint64_t beat_at, sweep_at, asked_at;
    bool linked, asking, ready, bye;
    unsigned ablation;
    struct peer *peers; /* the last table, without oneself */
    unsigned n_peers;
    struct holdings fresh, asked;
};

static const struct beat_value NONE = {0, 0, false};

static uint64_t dead_ms(const struct liveness *l, bool bye)
{
    uint64_t least = bye ? BYE_MS : DEAD_MS;

    return l->rules.leave_grace_ms > least ? l->rules.leave_grace_ms : least;
}

void liveness_set_ablation(struct liveness *l, unsigned flags)
{
    l->ablation = flags;
}

/* Nobody is judged, or swept, until the polls have gone on for long enough again. */
static void distrust(struct liveness *l, uint64_t now)
{
    if (!(l->ablation & ABLATE_JUDGE_RESET))
        l->trusted_from = now;
    l->last_poll = now;
    l->sweep_at = now + dead_ms(l, false);
}

static void rename_self(struct liveness *l)
{
    l->nid = l->sink->random(l->context);
    l->known = NONE;
    l->forgotten = l->counter;
    l->ready = false;
    l->beat_at = 0;
    l->sink->renamed(l->context, l->nid);
}

struct liveness *liveness_alloc(struct liveness_rules rules,
                                const struct liveness_sink *sink, void *context,
                                uint64_t now)
{
    struct liveness *l = xcalloc(1, sizeof *l);

    l->rules = rules;
    l->sink = sink;
    l->context = context;
    distrust(l, now);
    rename_self(l);
    return l;
}

void liveness_free(struct liveness *l)
{
    free(l->peers);
    free(l->fresh.all);
    free(l->asked.all);
    free(l);
}

uint64_t liveness_nid(const struct liveness *l)
{
    return l->nid;
}

static void beat(struct liveness *l, uint64_t now)
{
    struct beat_value value = {l->counter + 1, l->sink->random(l->context), l->bye};
    struct beat b = {l->nid, l->known, value, l->sink->random(l->context)};
    struct holdings judged = l->asked;

    l->asked = l->fresh;
    l->fresh = judged;
    l->fresh.n = 0;
    l->counter++;
    l->sent[l->counter % REMEMBERED] = value;
    l->asking = true;
    l->asked_at = now;
    l->beat_at = now + BEAT_MS;
    l->sink->beat(l->context, &b);
}

void liveness_tick(struct liveness *l, uint64_t now, bool stalled)
{
    if (!l->linked)
        return;
    if (now >= l->beat_at && !l->asking && !stalled)
        beat(l, now);
    if (now >= l->sweep_at) {
        l->sweep_at = now + SWEEP_MS;
        for (unsigned p = 0; p < PARTITIONS; p++)
            l->sink->holders(l->context, p);
    }
}

/* Nothing of the old links is answered. A kill or reap that got lost is asked for again
 * by the next judgement or sweep. */
static void forget_asked(struct liveness *l)
{
    l->asking = false;
    l->fresh.n = l->asked.n = 0;
    for (unsigned i = 0; i < l->n_peers; i++)
        l->peers[i].killing = false;
}

void liveness_link_up(struct liveness *l, uint64_t now)
{
    forget_asked(l);
    distrust(l, now);
    l->linked = true;
    l->beat_at = now;
}

void liveness_link_down(struct liveness *l)
{
    forget_asked(l);
    l->linked = false;
}

void liveness_fenced(struct liveness *l, uint64_t nid)
{
    if (nid == l->nid)
        rename_self(l);
}

void liveness_bye(struct liveness *l)
{
    l->bye = true;
    l->beat_at = 0;
}

static struct peer *find_peer(struct liveness *l, uint64_t nid)
{
    for (unsigned i = 0; i < l->n_peers; i++)
        if (l->peers[i].nid == nid)
            return &l->peers[i];
    return NULL;
}

/* The new table takes the old one's place; a value that stands keeps its time. */
static void observe(struct liveness *l, const struct beat_reply *r, uint64_t now)
{
    struct peer *peers = xcalloc(r->n + 1, sizeof *peers);
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++) {
        const struct beat_entry *e = &r->entries[i];
        const struct peer *old = find_peer(l, e->nid);

        if (e->nid == l->nid)
            continue;
        if (old && beat_value_eq(old->value, e->value))
            peers[n++] = *old;
        else
            peers[n++] = (struct peer){e->nid, e->value, now, false};
    }
    free(l->peers);
    l->peers = peers;
    l->n_peers = n;
}

static bool stood_for(const struct liveness *l, uint64_t since, uint64_t ms)
{
    return l->asked_at >= since + ms && l->asked_at >= l->trusted_from + ms;
}

static void reap(struct liveness *l, unsigned partition, uint64_t nid)
{
    l->sink->reap(l->context, partition, nid,
                  l->sink->random(l->context) & ~(uint64_t)0xfff);
}

static void judge(struct liveness *l)
{
    for (unsigned i = 0; i < l->n_peers; i++) {
        struct peer *p = &l->peers[i];

        if (p->killing || !stood_for(l, p->since, dead_ms(l, p->value.bye)))
            continue;
        p->killing = true;
        l->sink->kill(l->context, p->nid, p->value);
    }
}

/* The table that has just come was asked for after these holdings were read. */
static void sweep(struct liveness *l)
{
    bool trusted = stood_for(l, 0, dead_ms(l, false)) && !(l->ablation & ABLATE_SWEEP);

    for (unsigned i = 0; trusted && i < l->asked.n; i++) {
        const struct holding *h = &l->asked.all[i];

        if (h->nid != l->nid && !find_peer(l, h->nid))
            reap(l, h->partition, h->nid);
    }
    l->asked.n = 0;
}

static bool sent_lately(const struct liveness *l, struct beat_value v)
{
    return v.counter > l->forgotten && v.counter <= l->counter &&
           beat_value_eq(l->sent[v.counter % REMEMBERED], v);
}

/* Whether the table may hold this value while this node still has its nid. */
static bool is_explained(const struct liveness *l, struct beat_value current, bool lost)
{
    if (beat_value_eq(current, NONE))
        return lost && !(l->ablation & ABLATE_TABLE_LOSS);
    if (sent_lately(l, current))
        return !(l->ablation & ABLATE_LOST_REPLY);
    return l->ablation & ABLATE_CLONE;
}

/* What the compare-and-set says of this node itself (rule 7). */
static void settle(struct liveness *l, const struct beat_reply *r, bool lost)
{
    if (r->ok) {
        l->known = l->sent[l->counter % REMEMBERED];
        if (!l->ready)
            l->sink->ready(l->context, l->nid);
        l->ready = true;
        return;
    }
    l->beat_at = 0;
    if (is_explained(l, r->current, lost))
        l->known = r->current;
    else
        rename_self(l);
}

void liveness_beaten(struct liveness *l, const struct beat_reply *r, uint64_t now)
{
    bool lost = l->epoch && r->epoch != l->epoch;

    if (!l->asking)
        return;
    l->asking = false;
    l->epoch = r->epoch;
    if (lost || now - l->last_poll > GAP_MS)
        distrust(l, now);
    if (lost && l->sink->table_lost)
        l->sink->table_lost(l->context);
    l->last_poll = now;
    settle(l, r, lost);
    observe(l, r, now);
    judge(l);
    sweep(l);
}

void liveness_killed(struct liveness *l, uint64_t nid, bool done)
{
    struct peer *p = find_peer(l, nid);

    if (p)
        p->killing = false;
    for (unsigned partition = 0; done && partition < PARTITIONS; partition++)
        reap(l, partition, nid);
}

void liveness_reaped(struct liveness *l, unsigned partition, uint64_t nid, bool more)
{
    if (more)
        reap(l, partition, nid);
}

void liveness_held(struct liveness *l, unsigned partition, const uint64_t *nids,
                   unsigned n)
{
    struct holdings *h = &l->fresh;

    for (unsigned i = 0; i < n; i++) {
        if (nids[i] == l->nid) {
            if (!(l->ablation & ABLATE_FOUND))
                l->sink->found(l->context, partition, l->nid);
            continue;
        }
        if (find_peer(l, nids[i])) /* left to judge, or to the next sweep */
            continue;
        if (h->n == h->room) {
            h->room = h->room ? 2 * h->room : 64;
            h->all = xrealloc(h->all, h->room * sizeof *h->all);
        }
        h->all[h->n++] = (struct holding){partition, nids[i]};
    }
}
