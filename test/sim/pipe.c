/* What presence/ asks of Redis, made into requests. */
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "test/sim/link.h"

static struct conn *command_conn(struct node *n, unsigned partition)
{
    return n->link->commands[world_shard(n->world, partition) - n->world->shards];
}

static bool may_send(struct node *n)
{
    return n->alive && n->link && n->link->up;
}

static uint64_t on_random(void *context)
{
    struct node *n = context;
    uint64_t forced = n->forced_nid;

    n->forced_nid = 0;
    return forced ? forced : rng_u64(&n->world->dice) | 1;
}

static struct room *room_of(struct node *n, struct shared_channel *c)
{
    return world_room(n->world, shared_name(c));
}

static void pipe_subscription(struct node *n, struct shared_channel *c,
                              enum request_kind kind)
{
    struct room *room = room_of(n, c);
    struct request *r;

    if (!may_send(n))
        return;
    r = request_new(n->link->pubsub[room->shard], kind);
    r->room = room;
    if (kind == REQUEST_SUBSCRIBE)
        r->cursor = ++n->link->subscribes[room - n->world->rooms];
    request_send(r);
}

static void pipe_subscribe(void *context, struct shared_channel *c, bool user)
{
    (void)user;
    pipe_subscription(context, c, REQUEST_SUBSCRIBE);
}

static void pipe_unsubscribe(void *context, struct shared_channel *c)
{
    pipe_subscription(context, c, REQUEST_UNSUBSCRIBE);
}

static void pipe_batch(void *context, const struct batch *b)
{
    struct node *n = context;
    struct request *r;
    struct op *ops;

    if (!may_send(n))
        return;
    if (b->nid != n->nid)
        world_violation(n->world, "--", "node %u: a batch under another nid", n->index);
    r = request_new(command_conn(n, b->partition), REQUEST_BATCH);
    r->batch = *b;
    r->batch.ops = ops = arena_alloc(&r->memory, b->n * sizeof *ops);
    memcpy(ops, b->ops, b->n * sizeof *ops);
    for (unsigned i = 0; i < b->n; i++) {
        ops[i].app = name_text(&n->world->names, ops[i].app);
        ops[i].channel = name_text(&n->world->names, ops[i].channel);
        ops[i].user = name_text(&n->world->names, ops[i].user);
        ops[i].info = name_text(&n->world->names, ops[i].info);
    }
    request_send(r);
}

static void pipe_verify(void *context, const struct verify *v)
{
    struct node *n = context;
    struct request *r;

    if (!may_send(n))
        return;
    r = request_new(command_conn(n, v->partition), REQUEST_VERIFY);
    r->verify = *v;
    request_send(r);
}

static void pipe_list(void *context, unsigned partition, uint64_t nid, uint64_t cursor)
{
    struct node *n = context;
    struct request *r;

    if (!may_send(n))
        return;
    r = request_new(command_conn(n, partition), REQUEST_LIST);
    r->partition = partition;
    r->nid = nid;
    r->cursor = cursor;
    request_send(r);
}

static void ask_of_room(struct node *n, struct shared_channel *c, enum request_kind kind)
{
    struct room *room = room_of(n, c);
    struct request *r;

    if (!may_send(n))
        return;
    r = request_new(command_conn(n, room->partition), kind);
    r->room = room;
    request_send(r);
}

static void pipe_version(void *context, struct shared_channel *c)
{
    ask_of_room(context, c, REQUEST_VERSION);
}

static void pipe_total(void *context, struct shared_channel *c)
{
    ask_of_room(context, c, REQUEST_TOTAL);
}

static void pipe_publish(void *context, struct shared_channel *c, struct shared_event *e)
{
    struct node *n = context;
    struct room *room = room_of(n, c);
    struct request *r;

    if (!may_send(n))
        return;
    r = request_new(command_conn(n, room->partition), REQUEST_PUBLISH);
    r->room = room;
    r->event = CONTAINER_OF(e, struct sim_event, shared);
    r->nid = n->nid;
    r->cursor = e->number;
    request_send(r);
}

struct fenced {
    uint64_t nid;
};

static void fenced_later(struct node *n, void *arg)
{
    struct fenced *f = arg;

    world_log(n->world, "node %u: fenced", n->index);
    liveness_fenced(n->liveness, f->nid);
    node_turn_ends(n);
    free(f);
}

struct posted {
    struct node *node;
    uint64_t nid;
};

static void post_fenced(void *arg)
{
    struct posted *p = arg;
    struct fenced *f = xmalloc(sizeof *f);

    f->nid = p->nid;
    node_deliver(p->node, fenced_later, free, f);
    free(p);
}

static void pipe_fenced(void *context, uint64_t nid)
{
    struct node *n = context;
    struct posted *p = xmalloc(sizeof *p);

    *p = (struct posted){n, nid};
    sched_in(&n->world->sched, 0, post_fenced, p);
}

const struct shared_pipe link_pipe = {
    .random = on_random,
    .subscribe = pipe_subscribe,
    .unsubscribe = pipe_unsubscribe,
    .batch = pipe_batch,
    .verify = pipe_verify,
    .list = pipe_list,
    .version = pipe_version,
    .total = pipe_total,
    .publish = pipe_publish,
    .fenced = pipe_fenced,
};

/* Liveness */

static void live_beat(void *context, const struct beat *b)
{
    struct node *n = context;
    struct request *r = request_new(n->link->commands[0], REQUEST_BEAT);

    r->beat = *b;
    request_send(r);
}

static void live_kill(void *context, uint64_t nid, struct beat_value seen)
{
    struct node *n = context;
    struct request *r = request_new(n->link->commands[0], REQUEST_KILL);

    world_log(n->world, "node %u: kills %016llx", n->index, (unsigned long long)nid);
    r->nid = nid;
    r->seen = seen;
    request_send(r);
}

static void live_reap(void *context, unsigned partition, uint64_t nid, uint64_t nonce)
{
    struct node *n = context;
    struct request *r = request_new(command_conn(n, partition), REQUEST_REAP);

    r->partition = partition;
    r->nid = nid;
    r->nonce = nonce;
    request_send(r);
}

static void live_holders(void *context, unsigned partition)
{
    struct node *n = context;
    struct request *r = request_new(command_conn(n, partition), REQUEST_HOLDERS);

    r->partition = partition;
    request_send(r);
}

static void live_ready(void *context, uint64_t nid)
{
    struct node *n = context;

    EACH_HOME(h, n)
    shared_ready(*h, nid);
}

static void live_renamed(void *context, uint64_t nid)
{
    struct node *n = context;
    struct world *w = n->world;

    world_log(w, "node %u: is now %016llx", n->index, (unsigned long long)nid);
    /* A rollback may name a table that it wasn't in yet; of two with one name both may
     * have been taken for dead, and the fence is met where nothing was done before. */
    if (n->nid && w->only_redis &&
        !(w->faults & (1u << FAULT_ROLLBACK | 1u << FAULT_CLONE)) &&
        node_ms(n) > n->started + 20000)
        world_violation(w, "I7", "node %u was declared dead", n->index);
    n->nid = nid;
    EACH_HOME(h, n)
    shared_renamed(*h, nid, node_ms(n));
    if (w->options.sabotage & BREAK_EARLY)
        live_ready(n, nid);
}

static void live_found(void *context, unsigned partition, uint64_t nid)
{
    struct node *n = context;

    shared_found(node_home(n, partition), partition, nid, node_ms(n));
}

static void live_table_lost(void *context)
{
    struct node *n = context;

    EACH_HOME(h, n)
    shared_table_lost(*h, node_ms(n));
}

const struct liveness_sink link_liveness_sink = {
    .random = on_random,
    .beat = live_beat,
    .kill = live_kill,
    .reap = live_reap,
    .holders = live_holders,
    .renamed = live_renamed,
    .ready = live_ready,
    .found = live_found,
    .table_lost = live_table_lost,
};
