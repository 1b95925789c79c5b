/* What goes wrong, and when. */
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "test/sim/world.h"

const char *const fault_names[FAULTS] = {"restart_empty", "failover_rollback",
                                         "outage",        "stall",
                                         "flush",         "subdrop",
                                         "lostmsg",       "break",
                                         "errors",        "stale",
                                         "kill9",         "stop",
                                         "partition",     "clone",
                                         "roll"};

struct plan {
    struct world *world;
    enum fault kind;
    struct shard *shard;
    unsigned node;
    uint64_t lasts; /* ms */
    unsigned step;
};

#define PICK(w, ...)                                                                     \
    ((unsigned[]){__VA_ARGS__}[rng_below(&(w)->plan, sizeof((unsigned[]){__VA_ARGS__}) / \
                                                         sizeof(unsigned))])

static void break_all(struct world *w, struct shard *s)
{
    for (unsigned i = 0; i < w->n_nodes; i++)
        if (w->nodes[i] && w->nodes[i]->alive)
            link_break(w->nodes[i], (int)(s - w->shards), rng_below(&w->net, 20) * MS);
}

static void shard_up(struct plan *p, bool empty)
{
    struct shard *s = p->shard;

    if (s->up)
        break_all(p->world, s);
    if (empty)
        fake_empty(&s->fake);
    else if (p->kind == FAULT_ROLLBACK && s->image)
        fake_restore(&s->fake, s->image), s->image = NULL;
    s->up = true;
}

static void finish(void *arg)
{
    struct plan *p = arg;
    struct world *w = p->world;

    switch ((int)p->kind) {
    case FAULT_RESTART_EMPTY:
        shard_up(p, true);
        break;
    case FAULT_ROLLBACK:
    case FAULT_OUTAGE:
        shard_up(p, false);
        break;
    case FAULT_ERRORS:
        p->shard->errors = false;
        break;
    case FAULT_KILL9:
        if (!w->nodes[p->node]->alive && !w->ended)
            node_start(w, p->node, 0);
        break;
    }
    world_log(w, "fault %s is over", fault_names[p->kind]);
    free(p);
}

/* Rolling restart: node by node says bye, sends its clients away in waves, exits. */
static void roll(void *arg)
{
    struct plan *p = arg;
    struct world *w = p->world;
    struct node *n = w->nodes[p->node];
    uint64_t wait = 1000;

    if (p->node == w->n_nodes || w->ended) {
        free(p);
        return;
    }
    if (!n->alive && p->step < 5) {
        p->node++; /* a fault has it already */
        p->step = 0;
        wait = 0;
    } else if (p->step == 0) {
        n->bye = true;
        if (!(w->options.sabotage & BREAK_BYE))
            liveness_bye(n->liveness);
        p->step++;
    } else if (p->step < 4) {
        clients_move(n);
        p->step++;
    } else if (p->step == 4) {
        node_kill(n);
        p->step++;
    } else {
        if (!n->alive)
            node_start(w, p->node, 0);
        p->node++;
        p->step = 0;
        wait = 3000;
    }
    sched_in(&w->sched, wait * MS, roll, p);
}

/* Another end would let younger bytes overtake those that wait already. */
static void block(uint64_t *end, uint64_t now, uint64_t us)
{
    if (now > *end)
        *end = now + us;
}

static void begin_at_node(struct plan *p, struct node *n)
{
    struct world *w = p->world;
    unsigned shard = (unsigned)(p->shard - w->shards);

    switch ((int)p->kind) {
    case FAULT_SUBDROP:
        link_break_pubsub(n, shard, p->lasts * MS);
        break;
    case FAULT_LOSTMSG:
        link_deafen(n, shard, p->lasts * MS);
        break;
    case FAULT_BREAK:
        link_break(n, -1, p->lasts * MS);
        break;
    case FAULT_STALE:
        fake_raise(&p->shard->fake, n->nid, 1 + rng_below(&w->plan, 900));
        break;
    case FAULT_KILL9:
        node_kill(n);
        break;
    case FAULT_STOP:
        if (!n->paused)
            node_pause(n, p->lasts);
        break;
    case FAULT_PARTITION:
        block(&n->cut_until, w->sched.now, p->lasts * MS);
        if (rng_chance(&w->plan, 50))
            link_break(n, -1, p->lasts * MS);
        break;
    case FAULT_CLONE:
        /* Restarted as the clone of another: kill -9, then a newborn with its nid. */
        node_kill(n);
        node_start(w, p->node, w->nodes[(p->node + 1) % w->n_nodes]->nid);
        break;
    case FAULT_ROLL:
        break;
    }
}

static void begin(void *arg)
{
    struct plan *p = arg;
    struct world *w = p->world;
    struct node *n = w->nodes[p->node];
    struct shard *s = p->shard;

    world_log(w, "fault %s, shard %u, node %u, %llu ms", fault_names[p->kind],
              (unsigned)(s - w->shards), p->node, (unsigned long long)p->lasts);
    if (p->kind == FAULT_ROLL) {
        p->node = 0;
        roll(p);
        return;
    }
    if (p->kind >= FAULT_SUBDROP && p->kind != FAULT_ERRORS && n->alive && !n->bye)
        begin_at_node(p, n);
    switch ((int)p->kind) {
    case FAULT_RESTART_EMPTY:
    case FAULT_ROLLBACK:
    case FAULT_OUTAGE:
        s->up = false;
        break_all(w, s);
        break;
    case FAULT_STALL:
        block(&s->stalled_until, w->sched.now, p->lasts * MS);
        break;
    case FAULT_FLUSH:
        fake_empty(&s->fake);
        break;
    case FAULT_ERRORS:
        s->errors = true;
        break;
    }
    sched_in(&w->sched, p->lasts * MS, finish, p);
}

static void take_image(void *arg)
{
    struct shard *s = arg;

    if (s->image)
        fake_drop(s->image);
    s->image = fake_copy(&s->fake);
}

static uint64_t lasts(struct world *w, enum fault kind)
{
    switch (kind) {
    case FAULT_RESTART_EMPTY:
        return PICK(w, 100, 1000, 5000, 20000);
    case FAULT_ROLLBACK:
        return PICK(w, 500, 3000, 12000);
    case FAULT_OUTAGE:
    case FAULT_STALL:
        return PICK(w, 1000, 4000, 10000, 40000);
    case FAULT_SUBDROP:
    case FAULT_BREAK:
        return PICK(w, 10, 1000);
    case FAULT_LOSTMSG:
        return 500;
    case FAULT_ERRORS:
        return PICK(w, 500, 3000, 12000);
    case FAULT_KILL9:
        return PICK(w, 1000, 5000, 20000);
    case FAULT_STOP:
        return PICK(w, 1000, 3000, 9000, 30000, 60000);
    case FAULT_PARTITION:
        return PICK(w, 1000, 5000, 15000, 40000);
    case FAULT_ROLL:
        return w->n_nodes * 8000 + 12000;
    case FAULT_FLUSH:
    case FAULT_STALE:
    case FAULT_CLONE:
    case FAULTS:
        break;
    }
    return 0;
}

static void plan_one(struct world *w, enum fault kind)
{
    struct plan *p = xcalloc(1, sizeof *p);
    uint64_t at = (12000 + rng_below(&w->plan, 60000)) * (uint64_t)MS;
    uint64_t back = PICK(w, 300, 1000, 3000) * (uint64_t)MS, end;

    p->world = w;
    p->kind = kind;
    p->shard = &w->shards[rng_below(&w->plan, w->n_shards)];
    p->node = rng_below(&w->plan, w->n_nodes);
    p->lasts = lasts(w, kind);
    end = at + p->lasts * MS;
    if (end > w->faults_end)
        w->faults_end = end;
    w->faults |= 1u << kind;
    if (kind == FAULT_ROLLBACK)
        sched_at(&w->sched, at - back, take_image, p->shard);
    sched_at(&w->sched, at, begin, p);
}

/* No clones where a table may be lost while other masters keep their data: who gets the
 * nid then is as good as the other, and finds references that it never had. */
static unsigned kind_of(struct world *w, unsigned among)
{
    unsigned kind;

    do
        kind = rng_below(&w->plan, FAULTS);
    while (!(among & 1u << kind) || (kind == FAULT_CLONE && w->n_shards > 1));
    return kind;
}

void faults_plan(struct world *w)
{
    unsigned all = (1u << FAULTS) - 1;
    unsigned redis = (1u << FAULT_KILL9) - 1;
    unsigned among = w->options.faults & ~(w->n_shards > 1 ? 1u << FAULT_CLONE : 0),
             n = 1 + rng_below(&w->plan, 4);

    /* Of eight seeds one has none, four have those of Redis, three have any. */
    if (!among && w->seed % 8 == 0)
        n = 0;
    else if (!among)
        among = w->seed % 8 < 5 ? redis | 1u << FAULT_ROLL : all;
    while (n--)
        plan_one(w, kind_of(w, among));
    /* With several masters one that is flushed alone is found by the verify of 10 s,
     * later than removals are held. */
    w->only_redis = !(w->faults & ~(redis | 1u << FAULT_ROLL)) &&
                    !(w->faults & 1u << FAULT_FLUSH && w->n_shards > 1);
}
