/* What a node's Redis thread would do: a connection for commands and one for pushes to
 * each master, all torn down and built again together. Bytes keep their order on a
 * connection and have a latency; those of a dead one may still be carried out, late; the
 * replies of a dead one are lost. */
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "test/sim/link.h"

enum {
    DEGRADED_MS = 2000,
    DOWN_MS = 5000,
    PROBE_MS = 1000,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 2000,
    LATE_MAX_MS = 4000,
};

uint64_t link_latency(struct world *w)
{
    static const unsigned us[] = {200, 500, 1000, 3000, 20000};

    return us[rng_below(&w->net, 5)];
}

uint64_t link_blocked(const struct conn *c)
{
    uint64_t until = later(c->link->node->cut_until, c->shard->stalled_until);

    return until > c->shard->world->sched.now ? until + 1 : 0;
}

/* Connections */

static struct conn *conn_open(struct link *l, struct shard *s)
{
    struct conn *c = xcalloc(1, sizeof *c);

    c->link = l;
    c->shard = s;
    c->alive = true;
    c->proven = c->probed = node_ms(l->node);
    list_init(&c->waiting);
    c->all = l->all;
    return l->all = c;
}

/* Nothing comes back any more; what is on its way there may still arrive. */
static void conn_kill(struct conn *c)
{
    struct world *w = c->link->node->world;
    bool much = w->options.sabotage & BREAK_LATE;

    if (!c->alive)
        return;
    c->alive = false;
    memset(c->rooms, 0, sizeof c->rooms);
    c->late = rng_chance(&w->net, much ? 95 : 50);
    c->late_by = rng_below(&w->net, LATE_MAX_MS) * (uint64_t)MS;
    c->late_upto = c->n_sent - (rng_chance(&w->net, 50) ? rng_below(&w->net, 3) : 0);
    while (!list_empty(&c->waiting))
        list_remove(c->waiting.next);
}

struct link *link_alloc(struct node *n)
{
    struct link *l = xcalloc(1, sizeof *l);

    l->node = n;
    l->backoff = BACKOFF_MIN_MS;
    l->proven = node_ms(n);
    return l;
}

void link_free(struct link *l)
{
    struct conn *next;

    for (struct conn *c = l->all; c; c = next) {
        next = c->all;
        free(c);
    }
    free(l);
}

uint64_t link_up_for(const struct link *l)
{
    return l->up ? node_ms(l->node) - l->up_at : 0;
}

static void kill_all(struct link *l)
{
    for (struct conn *c = l->all; c; c = c->all)
        conn_kill(c);
}

void link_tear_down(struct link *l)
{
    struct node *n = l->node;

    if (!l->up)
        return;
    kill_all(l);
    l->up = false;
    l->retry_at = node_ms(n) + l->backoff;
    n->world->resets++;
    world_log(n->world, "node %u: links down", n->index);
    sender_lost(n->sender);
    EACH_HOME(h, n)
    shared_link_down(*h);
    liveness_link_down(n->liveness);
    node_turn_ends(n);
}

/* Pushes */

struct delivery {
    struct conn *conn;
    struct room *room;
    struct push push;
    bool of_total;
    unsigned total;
    uint64_t epoch;
    struct sim_event *event;
    uint64_t nid, number;
};

static void on_push(struct node *n, void *arg)
{
    struct delivery *d = arg;
    struct shared_channel *c = NULL;

    if (d->conn->alive)
        c = node_channel(n, d->room);
    if (c && d->event)
        node_event(n, d->room, d->event, d->nid, d->number);
    else if (c && d->of_total)
        shared_total(c, d->total, d->epoch, node_ms(n));
    else if (c)
        shared_push(c, &d->push, node_ms(n));
    if (c)
        node_turn_ends(n);
    free(d);
}

static void push_arrives(void *arg)
{
    struct delivery *d = arg;
    uint64_t until = link_blocked(d->conn);

    if (until && d->conn->alive)
        sched_at(&d->conn->shard->world->sched, until, push_arrives, d);
    else
        node_deliver(d->conn->link->node, on_push, free, d);
}

static void push_to(struct node *n, struct shard *s, const struct delivery *what)
{
    struct world *w = n->world;
    struct conn *c = n->link->pubsub[s - w->shards];
    struct delivery *d;

    if (!c || !c->alive || !c->rooms[what->room - w->rooms])
        return;
    if (c->deaf_until > w->sched.now) {
        if (what->event && what->event->origin == n)
            what->event->lost = true;
        return;
    }
    d = xmalloc(sizeof *d);
    *d = *what;
    d->conn = c;
    c->down = later(w->sched.now + link_latency(w) + w->lag * (uint64_t)MS, c->down);
    sched_at(&w->sched, c->down, push_arrives, d);
}

static void push_to_all(struct world *w, struct shard *s, const struct delivery *d)
{
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (w->nodes[i] && w->nodes[i]->alive)
            push_to(w->nodes[i], s, d);
}

void link_route_total(struct world *w, struct shard *s, struct room *room, unsigned total,
                      uint64_t epoch)
{
    const struct delivery d = {
        .room = room, .of_total = true, .total = total, .epoch = epoch};

    push_to_all(w, s, &d);
}

void link_route(struct world *w, struct shard *s, struct room *room, const struct push *p,
                struct sim_event *event, uint64_t nid, uint64_t number)
{
    struct delivery d = {.room = room, .event = event, .nid = nid, .number = number};
    struct check_item item = {'E', event ? event->id : 0, SLICE_NONE};

    if (p) {
        d.push = *p;
        item = (struct check_item){(char)p->kind, 0, p->user};
    }
    if (item.kind != PUSH_REF && item.kind != PUSH_UNREF) {
        room->order =
            grown(room->order, room->n_order, &room->order_room, sizeof *room->order);
        room->order[room->n_order++] = item;
    }
    if (event)
        world_log(w, "redis: %.*s event %u", SLICE_ARG(room->name), (unsigned)event->id);
    push_to_all(w, s, &d);
}

/* Breaking */

static void on_break(struct node *n, void *arg)
{
    uint64_t *generation = arg;

    if (n->link->generation == *generation)
        link_tear_down(n->link);
    free(generation);
}

struct noticed {
    struct node *node;
    uint64_t *generation;
};

static void notice(void *arg)
{
    struct noticed *e = arg;

    node_deliver(e->node, on_break, free, e->generation);
    free(e);
}

static void notice_later(struct node *n, uint64_t after_us)
{
    struct noticed *e = xmalloc(sizeof *e);

    e->node = n;
    e->generation = xmalloc(sizeof *e->generation);
    *e->generation = n->link->generation;
    sched_in(&n->world->sched, after_us, notice, e);
}

void link_break(struct node *n, int shard, uint64_t seen_after_us)
{
    if (!n->link->up) {
        kill_all(n->link);
        return;
    }
    for (int i = 0; i < SHARDS; i++) {
        if ((shard >= 0 && i != shard) || !n->link->commands[i])
            continue;
        conn_kill(n->link->commands[i]);
        conn_kill(n->link->pubsub[i]);
    }
    notice_later(n, seen_after_us);
}

void link_break_pubsub(struct node *n, unsigned shard, uint64_t seen_after_us)
{
    if (!n->link->up)
        return;
    conn_kill(n->link->pubsub[shard]);
    notice_later(n, seen_after_us);
}

void link_deafen(struct node *n, unsigned shard, uint64_t us)
{
    if (n->link->up)
        n->link->pubsub[shard]->deaf_until = n->world->sched.now + us;
}

/* The clock */

static void connect_now(struct link *l)
{
    struct node *n = l->node;
    struct world *w = n->world;

    for (unsigned i = 0; i < w->n_shards; i++) {
        l->commands[i] = conn_open(l, &w->shards[i]);
        l->pubsub[i] = conn_open(l, &w->shards[i]);
    }
    l->up = true;
    l->up_at = node_ms(n);
    l->backoff = BACKOFF_MIN_MS;
    l->proven = node_ms(n);
    l->generation++;
    world_log(w, "node %u: links up, generation %llu", n->index,
              (unsigned long long)l->generation);
    EACH_HOME(h, n)
    shared_link_up(*h, l->generation, node_ms(n));
    liveness_link_up(n->liveness, node_ms(n));
    node_turn_ends(n);
}

static bool reachable(const struct link *l)
{
    const struct world *w = l->node->world;

    if (l->node->cut_until > w->sched.now)
        return false;
    for (unsigned i = 0; i < w->n_shards; i++)
        if (!w->shards[i].up || w->shards[i].errors ||
            w->shards[i].stalled_until > w->sched.now)
            return false;
    return true;
}

static void try_connect(struct link *l, uint64_t now)
{
    if (now < l->retry_at)
        return;
    if (reachable(l)) {
        connect_now(l);
        return;
    }
    l->backoff = 2 * l->backoff < BACKOFF_MAX_MS ? 2 * l->backoff : BACKOFF_MAX_MS;
    l->retry_at = now + l->backoff;
}

/* How long the connection has owed an answer; asks for one where nothing is asked. */
static uint64_t silence(struct conn *c, uint64_t now)
{
    const struct request *oldest;

    if (c->alive && now >= c->probed + PROBE_MS) {
        c->probed = now;
        request_send(request_new(c, REQUEST_PROBE));
    }
    if (list_empty(&c->waiting))
        return c->alive ? 0 : now - c->proven;
    oldest = CONTAINER_OF(c->waiting.next, struct request, waiting);
    return now - oldest->sent_at;
}

static uint64_t watch(struct link *l, uint64_t now)
{
    uint64_t longest = 0;

    for (unsigned i = 0; i < l->node->world->n_shards; i++) {
        longest = later(longest, silence(l->commands[i], now));
        longest = later(longest, silence(l->pubsub[i], now));
    }
    l->proven = now - longest;
    if (longest > DOWN_MS)
        link_tear_down(l);
    return longest;
}

void link_tick(struct link *l)
{
    struct node *n = l->node;
    uint64_t now = node_ms(n), silent;
    bool degraded;

    if (!l->up)
        try_connect(l, now);
    silent = l->up ? watch(l, now) : now - l->proven;
    degraded = silent > DEGRADED_MS;
    if (degraded == n->degraded)
        return;
    n->degraded = degraded;
    world_log(n->world, "node %u: %s", n->index, degraded ? "degraded" : "not degraded");
    EACH_HOME(h, n)
    shared_degraded(*h, degraded, now);
    node_turn_ends(n);
}
