/* What this node holds, or wants to, and what Redis is known to have of it. */
#include <stdlib.h>
#include <string.h>

#include "presence/presence.h"
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"
#include "server/base/xalloc.h"

static uint64_t hash_of(const struct shared_channel *c, struct slice user)
{
    return hash_bytes(c->shared->seed, user.p, user.n) ^ c->by_name.hash;
}

struct reference *reference_find(struct shared_channel *c, struct slice user)
{
    uint64_t hash = hash_of(c, user);
    struct hmap_node *n = hmap_first(&c->partition->references, hash);

    for (; n; n = hmap_next(n, hash)) {
        struct reference *r = CONTAINER_OF(n, struct reference, by_user);

        if (r->channel == c && slice_eq(r->user, user))
            return r;
    }
    return NULL;
}

/* Absent is null. */
static bool info_eq(struct slice a, struct slice b)
{
    return slice_eq(a.p ? a : SLICE("null"), b.p ? b : SLICE("null"));
}

static void set_info(struct reference *r, struct slice info)
{
    char *copy = info.p ? xmemdup0(info.p, info.n) : NULL;

    free(r->info_bytes); /* info may lie in it */
    r->info_bytes = copy;
    r->info = (struct slice){r->info_bytes, info.n};
}

static struct reference *make(struct shared_channel *c, struct slice user)
{
    struct reference *r = xcalloc(1, sizeof *r + user.n);
    uint64_t hash = hash_of(c, user);

    r->channel = c;
    list_init(&r->dirty);
    list_init(&r->waiting);
    r->hash = (hash & 0xffffffffff) | 1;
    memcpy(r->bytes, user.p, user.n);
    r->user = (struct slice){r->bytes, user.n};
    hmap_insert(&c->partition->references, &r->by_user, hash);
    list_append(&c->references, &r->of_channel);
    return r;
}

static void drop(struct reference *r)
{
    struct shared_channel *c = r->channel;

    hmap_remove(&c->partition->references, &r->by_user);
    list_remove(&r->dirty);
    list_remove(&r->of_channel);
    free(r->info_bytes);
    free(r);
    shared_channel_drop(c);
}

void reference_settle(struct reference *r)
{
    bool needed = r->wanted ? r->state != KNOWN_HELD || r->renew : r->state != KNOWN_NOT;

    if (r->in_flight)
        return;
    if (needed && r->wanted && !r->channel->subscribed) {
        list_remove(&r->dirty); /* its push is to arrive here (rule 2) */
    } else if (needed && list_empty(&r->dirty)) {
        list_append(&r->channel->partition->dirty, &r->dirty);
        partition_busy(r->channel->partition);
    } else if (!needed) {
        list_remove(&r->dirty);
        if (!r->wanted)
            drop(r);
    }
}

static struct member *member_of(const struct reference *r)
{
    const struct presence *p = r->channel->presence;

    return p ? roster_find(&p->view, r->user) : NULL;
}

static bool is_here(const struct member *m)
{
    return m->sockets || m->keep_until;
}

/* Only this node has had the user until now, and with another info. */
static bool has_other_info(const struct reference *r, struct slice info)
{
    const struct shared_channel *c = r->channel;
    const struct member *m;

    if ((r->state == KNOWN_NOT && !r->in_flight) || c->shared->ablation & ABLATE_RENEW)
        return false;
    m = member_of(r);
    if (m && m->n_nids)
        return !is_here(m) && m->n_nids == 1 && member_has_nid(m, c->shared->nid) &&
               !roster_redis_has_info(&c->presence->view, m, info);
    return r->others_info || !info_eq(r->info, info);
}

void reference_as_shown(struct reference *r)
{
    const struct member *m = member_of(r);
    struct buf info = BUF_INIT;

    if (!m || !is_here(m) || roster_has_info(&r->channel->presence->view, m, r->info))
        return;
    member_info(m, &info);
    set_info(r, buf_slice(&info));
    buf_fini(&info);
}

struct reference *reference_want(struct shared_channel *c, struct slice user,
                                 struct slice info)
{
    struct reference *r = reference_find(c, user);

    if (!r)
        r = make(c, user);
    if (!r->wanted) {
        r->renew = has_other_info(r, info);
        set_info(r, info);
    }
    r->wanted = true;
    shared_hear_user(c);
    reference_settle(r);
    return r;
}

struct reference *reference_stray(struct shared_channel *c, struct slice user)
{
    struct reference *r = reference_find(c, user);

    return r ? r : make(c, user);
}

void reference_unwant(struct reference *r, bool unclean)
{
    r->wanted = r->renew = false;
    r->unclean = unclean;
    reference_settle(r);
}

static void tally(struct partition *p, enum known_state state, uint64_t weight, int by)
{
    if (state == KNOWN_UNSURE)
        p->unsure += (unsigned)by;
    if (state == KNOWN_HELD)
        p->sum += by > 0 ? weight : -weight;
}

void reference_set(struct reference *r, enum known_state state)
{
    struct partition *p = r->channel->partition;

    tally(p, r->state, r->hash, -1);
    r->state = state;
    r->renew &= state != KNOWN_NOT;
    tally(p, r->state, r->hash, 1);
    if (state == KNOWN_UNSURE)
        return;
    if (!r->confirmed || r->fresh)
        r->since = p->shared->now;
    r->confirmed = state == KNOWN_HELD;
    r->lost = r->fresh = false;
}

void count_set(struct shared_channel *c, enum known_state state, unsigned known)
{
    tally(c->partition, c->count_state, c->count_hash * c->count_known, -1);
    if (!c->count_known || (state == KNOWN_HELD && c->count_fresh))
        c->count_since = c->shared->now;
    c->count_state = state;
    c->count_known = known;
    tally(c->partition, c->count_state, c->count_hash * c->count_known, 1);
    if (state != KNOWN_UNSURE)
        c->count_lost = c->count_fresh = false;
}

/* A count of 0 is KNOWN_NOT. */
void count_settle(struct shared_channel *c)
{
    bool right = c->count ? c->count_state == KNOWN_HELD && c->count_known == c->count
                          : c->count_state == KNOWN_NOT;
    bool waits = c->count && c->kind.webhooks & WANT_COUNT && !c->subscribed;

    if (right || waits) {
        list_remove(&c->dirty); /* what it publishes is to arrive here */
    } else if (list_empty(&c->dirty)) {
        list_append(&c->partition->counts, &c->dirty);
        partition_busy(c->partition);
    }
}
