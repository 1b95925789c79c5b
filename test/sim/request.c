/* One request: there, carried out, and back; or late, or lost. */
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "test/sim/link.h"

static void request_free(void *arg)
{
    struct request *r = arg;

    list_remove(&r->waiting);
    arena_fini(&r->memory);
    free(r);
}

/* Carrying out */

static void log_batch(struct world *w, const struct request *r)
{
    static const char *const kinds[] = {"join", "leave", "count", "snapshot"};

    for (unsigned i = 0; i < r->batch.n; i++)
        world_log(w, "redis: %016llx batch %llu in %u%s: %s %.*s %.*s %u: status %d, %d",
                  (unsigned long long)r->batch.nid, (unsigned long long)r->batch.number,
                  r->batch.partition, r->postponed ? ", late" : "",
                  kinds[r->batch.ops[i].kind], SLICE_ARG(r->batch.ops[i].channel),
                  SLICE_ARG(r->batch.ops[i].user), r->batch.ops[i].count,
                  r->reply.batch.status, r->reply.batch.ops[i].result);
}

static void log_claim(struct world *w, const struct request *r)
{
    const struct claim *c = &r->claim;

    for (unsigned i = 0; i < c->n_done; i++)
        world_log(w, "redis: node %u's claim %llu in %u%s: webhook %llu is done",
                  r->conn->link->node->index, (unsigned long long)c->number, c->partition,
                  r->postponed ? ", late" : "", (unsigned long long)c->done[i]);
    for (unsigned i = 0; i < r->reply.claim.n; i++)
        world_log(w, "redis: node %u's claim %llu in %u%s: takes webhook %llu",
                  r->conn->link->node->index, (unsigned long long)c->number, c->partition,
                  r->postponed ? ", late" : "",
                  (unsigned long long)r->reply.claim.hooks[i].number);
}

static void execute_shared(struct request *r, struct fake *f, uint64_t now)
{
    struct world *w = r->conn->link->node->world;

    switch ((int)r->kind) {
    case REQUEST_BATCH:
        r->reply.batch = fake_batch(f, &r->batch, &r->memory, now);
        log_batch(w, r);
        break;
    case REQUEST_VERIFY:
        r->reply.verify = fake_verify(f, &r->verify, now);
        world_log(w, "redis: %016llx verify %llu in %u: status %d, sum %llx",
                  (unsigned long long)r->verify.nid, (unsigned long long)r->verify.number,
                  r->verify.partition, r->reply.verify.status,
                  (unsigned long long)r->reply.verify.sum);
        break;
    case REQUEST_LIST:
        r->reply.list = fake_list(f, r->partition, r->nid, r->cursor, &r->memory);
        break;
    case REQUEST_VERSION:
        r->reply.version = fake_version(f, SLICE("app"), r->room->name, now);
        break;
    case REQUEST_TOTAL:
        r->reply.total = fake_total(f, SLICE("app"), r->room->name);
        break;
    case REQUEST_PUBLISH:
        link_route(w, r->conn->shard, r->room, NULL, r->event, r->nid, r->cursor);
        break;
    }
}

static void execute(struct request *r, uint64_t now)
{
    struct conn *c = r->conn;
    struct fake *f = &c->shard->fake;

    switch (r->kind) {
    case REQUEST_BATCH:
    case REQUEST_VERIFY:
    case REQUEST_LIST:
    case REQUEST_VERSION:
    case REQUEST_TOTAL:
    case REQUEST_PUBLISH:
        execute_shared(r, f, now);
        break;
    case REQUEST_REAP:
        r->reply.yes = fake_reap(f, r->partition, r->nid, r->nonce, now);
        break;
    case REQUEST_HOLDERS:
        r->reply.holders.n =
            fake_holders(f, r->partition, &r->memory, &r->reply.holders.nids);
        break;
    case REQUEST_BEAT:
        r->reply.beat = fake_beat(f, &r->beat, &r->memory);
        break;
    case REQUEST_KILL:
        r->reply.yes = fake_kill(f, r->nid, r->seen);
        break;
    case REQUEST_CLAIM:
        r->reply.claim = fake_claim(f, &r->claim, &r->memory, now);
        log_claim(c->shard->world, r);
        break;
    case REQUEST_SUBSCRIBE:
    case REQUEST_UNSUBSCRIBE:
        if (c->alive)
            c->rooms[r->room - c->link->node->world->rooms] =
                r->kind == REQUEST_SUBSCRIBE;
        break;
    case REQUEST_PROBE:
        break;
    }
}

/* Replies */

static void answer_shared(struct node *n, struct request *r, uint64_t now)
{
    struct shared_channel *c = r->room ? node_channel(n, r->room) : NULL;

    switch ((int)r->kind) {
    case REQUEST_BATCH:
        sender_soon(n->sender, r->batch.partition);
        shared_batched(node_home(n, r->batch.partition), r->batch.partition,
                       &r->reply.batch, now);
        break;
    case REQUEST_VERIFY:
        shared_verified(node_home(n, r->verify.partition), r->verify.partition,
                        &r->reply.verify, now);
        break;
    case REQUEST_LIST:
        shared_listed(node_home(n, r->partition), r->partition, &r->reply.list);
        break;
    case REQUEST_VERSION:
        if (c)
            shared_version(c, r->reply.version, now);
        break;
    case REQUEST_TOTAL:
        if (c)
            shared_total_read(c, r->reply.total, now);
        break;
    case REQUEST_SUBSCRIBE:
        if (c && r->cursor == n->link->subscribes[r->room - n->world->rooms])
            shared_subscribed(c, now);
        break;
    }
}

static void answer_liveness(struct node *n, struct request *r, uint64_t now)
{
    switch ((int)r->kind) {
    case REQUEST_REAP:
        liveness_reaped(n->liveness, r->partition, r->nid, r->reply.yes);
        break;
    case REQUEST_HOLDERS:
        liveness_held(n->liveness, r->partition, r->reply.holders.nids,
                      r->reply.holders.n);
        break;
    case REQUEST_BEAT:
        liveness_beaten(n->liveness, &r->reply.beat, now);
        break;
    case REQUEST_KILL:
        liveness_killed(n->liveness, r->nid, r->reply.yes);
        break;
    }
}

static void answer(struct node *n, struct request *r, uint64_t now)
{
    answer_shared(n, r, now);
    answer_liveness(n, r, now);
    if (r->kind == REQUEST_CLAIM)
        sender_answered(n->sender, &r->claim, &r->reply.claim);
}

static void on_reply(struct node *n, void *arg)
{
    struct request *r = arg;

    if (r->conn->alive && r->error) {
        link_tear_down(n->link);
    } else if (r->conn->alive) {
        list_remove(&r->waiting);
        r->conn->proven = node_ms(n);
        answer(n, r, node_ms(n));
        node_turn_ends(n);
    }
    request_free(r);
}

static void reply_arrives(void *arg)
{
    struct request *r = arg;
    uint64_t until = link_blocked(r->conn);

    if (until && r->conn->alive)
        sched_at(&r->conn->shard->world->sched, until, reply_arrives, r);
    else
        node_deliver(r->conn->link->node, on_reply, request_free, r);
}

static void request_arrives(void *arg)
{
    struct request *r = arg;
    struct conn *c = r->conn;
    struct sched *s = &c->shard->world->sched;
    uint64_t until = link_blocked(c), lag = 0;

    if (!c->shard->up || (!c->alive && (!c->late || r->number > c->late_upto))) {
        request_free(r);
        return;
    }
    if (until) {
        sched_at(s, until, request_arrives, r);
        return;
    }
    if (!c->alive && !r->postponed) {
        r->postponed = true;
        sched_in(s, c->late_by, request_arrives, r);
        return;
    }
    r->error = c->shard->errors && r->kind != REQUEST_PUBLISH && r->kind != REQUEST_PROBE;
    if (!r->error)
        execute(r, world_ms(c->shard->world));
    if (!c->alive) {
        request_free(r);
        return;
    }
    if (r->kind == REQUEST_BATCH)
        lag = c->shard->world->lag * (uint64_t)MS / 10;
    c->down = later(s->now + link_latency(c->shard->world) + lag, c->down);
    sched_at(s, c->down, reply_arrives, r);
}

/* Sending */

struct request *request_new(struct conn *c, enum request_kind kind)
{
    struct request *r = xcalloc(1, sizeof *r);

    r->kind = kind;
    r->conn = c;
    list_init(&r->waiting);
    return r;
}

void request_send(struct request *r)
{
    struct conn *c = r->conn;
    struct world *w = c->shard->world;

    r->number = ++c->n_sent;
    r->sent_at = node_ms(c->link->node);
    if (c->alive)
        list_append(&c->waiting, &r->waiting);
    c->up = later(w->sched.now + link_latency(w), c->up);
    sched_at(&w->sched, c->up, request_arrives, r);
}
