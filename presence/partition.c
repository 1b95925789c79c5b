/* A partition as a home sees it: one command under way at a time, a batch of what has
 * come up or a check that Redis has what this node believes it has (PRESENCE.md, rules 1
 * and 6). Whatever was under way when the links went down is unsure, and asked again:
 * every operation may be repeated. */
#include "presence/presence.h"
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"

enum { VERIFY_MS = 10000 };

void partition_init(struct partition *p, struct shared *s, unsigned index)
{
    *p = (struct partition){.shared = s, .index = index, .must_verify = true};
    hmap_init(&p->channels);
    hmap_init(&p->references);
    list_init(&p->dirty);
    list_init(&p->counts);
    list_init(&p->snapshots);
    list_init(&p->busy);
}

void partition_busy(struct partition *p)
{
    if (list_empty(&p->busy))
        list_append(&p->shared->busy, &p->busy);
}

/* Building a batch */

static struct flight *fly(struct partition *p, enum op_kind kind,
                          struct shared_channel *c)
{
    struct flight *f = &p->flights[p->n_flights++];

    *f = (struct flight){.kind = kind, .channel = c, .life = c->life};
    c->pins++;
    return f;
}

static struct op op_of(enum op_kind kind, const struct shared_channel *c, bool told)
{
    return (struct op){.kind = kind,
                       .app = c->app,
                       .channel = c->name,
                       .webhooks = c->kind.webhooks | (told ? TOLD_BEFORE : 0u)};
}

static unsigned limit_of(const struct reference *r)
{
    const struct presence *p = r->channel->presence;

    if (!p || p->rules.max_members == (unsigned)-1 || presence_has_live(p, r->user))
        return 0;
    return p->rules.max_members;
}

/* A reference whose leave was sent isn't held, whatever comes (rule 2). */
static struct op take_reference(struct partition *p, struct reference *r)
{
    enum op_kind kind = r->wanted && !r->renew ? OP_JOIN : OP_LEAVE;
    struct op op = op_of(kind, r->channel, r->lost && !(r->wanted && r->fresh));

    list_remove(&r->dirty);
    r->in_flight = true;
    fly(p, kind, r->channel)->reference = r;
    op.user = r->user;
    op.hash = r->hash;
    op.unclean = r->unclean;
    r->pushed = kind == OP_JOIN;
    if (kind == OP_JOIN) {
        presence_asks(r);
        reference_as_shown(r);
        op.info = r->info;
        op.max = limit_of(r);
    } else {
        reference_set(r, KNOWN_UNSURE);
    }
    return op;
}

static struct op take_count(struct partition *p, struct shared_channel *c)
{
    struct op op = op_of(OP_COUNT, c, c->count_lost && !(c->count && c->count_fresh));

    list_remove(&c->dirty);
    fly(p, OP_COUNT, c)->count = c->count;
    op.count = c->count;
    op.hash = c->count_hash;
    op.unclean = c->count_unclean;
    return op;
}

static struct op take_snapshot(struct partition *p, struct shared_channel *c)
{
    struct op op = op_of(OP_SNAPSHOT, c, false);

    list_remove(&c->snapshot);
    fly(p, OP_SNAPSHOT, c)->restarts = c->presence->replica.restarts;
    op.cursor = c->presence->replica.cursor;
    return op;
}

/* Those of channels that are occupied, or those of the others. */
static unsigned gather_counts(struct partition *p, struct op *ops, unsigned n,
                              bool occupied)
{
    struct list *next;

    for (struct list *at = p->counts.next; at != &p->counts && n < BATCH_OPS; at = next) {
        struct shared_channel *c = CONTAINER_OF(at, struct shared_channel, dirty);

        next = at->next;
        if ((c->count > 0) == occupied)
            ops[n++] = take_count(p, c);
    }
    return n;
}

static unsigned gather_references(struct partition *p, struct op *ops, unsigned n)
{
    size_t bytes = 0;

    while (n < BATCH_OPS && bytes < BATCH_BYTES && !list_empty(&p->dirty)) {
        ops[n] = take_reference(p, CONTAINER_OF(p->dirty.next, struct reference, dirty));
        bytes += ops[n].user.n + ops[n].info.n;
        n++;
    }
    return n;
}

/* A channel is occupied before its first member is added, and vacated after its last one
 * is removed, also for those who hear of it by webhooks. */
static unsigned gather(struct partition *p, struct op *ops)
{
    unsigned n = 0;

    p->n_flights = 0;
    n = gather_counts(p, ops, n, true);
    n = gather_references(p, ops, n);
    if (list_empty(&p->dirty))
        n = gather_counts(p, ops, n, false);
    while (n < BATCH_OPS && !list_empty(&p->snapshots))
        ops[n++] = take_snapshot(
            p, CONTAINER_OF(p->snapshots.next, struct shared_channel, snapshot));
    return n;
}

static bool has_work(const struct partition *p)
{
    return !list_empty(&p->dirty) || !list_empty(&p->counts) ||
           !list_empty(&p->snapshots);
}

static void send_verify(struct partition *p)
{
    struct shared *s = p->shared;
    struct verify v = {.partition = p->index, .nid = s->nid, .number = ++p->number};

    p->must_verify = p->recheck = false;
    p->verify_at = s->now + VERIFY_MS;
    p->in_flight = FLIGHT_VERIFY;
    s->pipe->verify(s->context, &v);
}

static void send_batch(struct partition *p)
{
    struct shared *s = p->shared;
    struct op ops[BATCH_OPS];
    unsigned n = gather(p, ops);
    struct batch b = {.partition = p->index,
                      .nid = s->nid,
                      .number = ++p->number,
                      .epoch_if_new = s->pipe->random(s->context),
                      .epoch = p->epoch,
                      .nonce = s->pipe->random(s->context) & ~(uint64_t)0xfff,
                      .ops = ops,
                      .n = n};

    p->in_flight = FLIGHT_BATCH;
    s->pipe->batch(s->context, &b);
}

void partition_flush(struct partition *p)
{
    struct shared *s = p->shared;

    if (p->in_flight || !s->ready || !s->generation)
        return;
    if (p->recheck && !p->unsure)
        p->must_verify = true;
    if (s->ablation & ABLATE_VERIFY)
        p->must_verify = false;
    /* Also where nothing is held: a rollback brings back what this nid has given up. */
    if (!has_work(p) && !(p->must_verify && p->used))
        return;
    p->used = true;
    p->flight_nid = s->nid;
    if (p->must_verify)
        send_verify(p);
    else
        send_batch(p);
}
