/* A node: the shared channels and the liveness that are tested, and around them as little
 * of a home as they need: places (channels here), and the clients on them. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "presence/liveness_ablation.h"
#include "presence/shared_ablation.h"
#include "server/base/xalloc.h"
#include "test/sim/link.h"

enum { LIVENESS_TICK_MS = 250 };

struct deferred {
    struct deferred *next;
    void (*f)(struct node *n, void *arg);
    void (*drop)(void *arg);
    void *arg;
};

uint64_t node_ms(const struct node *n)
{
    return (uint64_t)((int64_t)world_ms(n->world) + n->skew);
}

struct shared *node_home(const struct node *n, unsigned partition)
{
    return n->homes[shared_home(partition, n->n_homes)];
}

struct shared_channel *node_channel(const struct node *n, const struct room *room)
{
    return shared_find(node_home(n, room->partition), SLICE("app"), room->name);
}

/* Pauses */

void node_deliver(struct node *n, void (*f)(struct node *n, void *arg),
                  void (*drop)(void *arg), void *arg)
{
    struct deferred *d;

    if (!n->alive) {
        if (drop)
            drop(arg);
        return;
    }
    if (!n->paused) {
        f(n, arg);
        return;
    }
    d = xmalloc(sizeof *d);
    *d = (struct deferred){NULL, f, drop, arg};
    *n->held_end = d;
    n->held_end = &d->next;
}

static struct deferred *take_held(struct node *n)
{
    struct deferred *first = n->held;

    n->held = NULL;
    n->held_end = &n->held;
    return first;
}

static void tick(struct node *n)
{
    uint64_t now = node_ms(n);

    link_tick(n->link);
    sender_tick(n->sender, now);
    liveness_tick(n->liveness, now, now < n->stalled_until);
    for (unsigned i = 0; i < n->world->n_rooms; i++)
        if (n->places[i].life && n->places[i].room->kind != ROOM_PLAIN)
            presence_tick(&n->places[i].presence, now);
    n->answers_due = true;
    EACH_HOME(h, n)
    shared_tick(*h, now);
    node_turn_ends(n);
}

/* What has come meanwhile is found before or after the timers. */
static void resume(void *arg)
{
    struct node *n = arg;
    bool timers_first = rng_chance(&n->world->net, 50);
    struct deferred *next;

    if (!n->alive)
        return;
    n->paused = false;
    world_log(n->world, "node %u: goes on", n->index);
    if (timers_first)
        tick(n);
    for (struct deferred *d = take_held(n); d; d = next) {
        next = d->next;
        node_deliver(n, d->f, d->drop, d->arg);
        free(d);
    }
}

void node_pause(struct node *n, uint64_t ms)
{
    n->paused = true;
    sched_in(&n->world->sched, ms * MS, resume, n);
}

static void on_timer(void *arg)
{
    struct node *n = arg;

    if (!n->alive)
        return;
    if (!n->paused)
        tick(n);
    sched_in(&n->world->sched, LIVENESS_TICK_MS * MS, on_timer, n);
}

/* Places */

static struct place *place_at(struct node *n, const struct room *room)
{
    return &n->places[room - n->world->rooms];
}

static struct slice member_name(const struct place *p, const struct member *m)
{
    return name_text(&p->node->world->names, m->id);
}

static struct client *client_at(struct list *node)
{
    return CONTAINER_OF(node, struct client, of_place);
}

#define EACH_CLIENT(c, place)                      \
    for (struct list *at_ = (place)->clients.next; \
         at_ != &(place)->clients && (((c) = client_at(at_)), true); at_ = at_->next)

static void on_added(void *context, const struct member *m)
{
    struct place *p = context;
    struct world *w = p->node->world;
    struct client *c;
    bool seen = false;

    world_log(w, "node %u: added %.*s to %.*s", p->node->index, SLICE_ARG(m->id),
              SLICE_ARG(p->room->name));
    EACH_CLIENT(c, p)
    {
        if (c->state != CLIENT_IN)
            continue;
        w->added++;
        seen = true;
        check_added(&c->check, member_name(p, m));
        if (w->options.sabotage & BREAK_TWICE && rng_chance(&w->net, 1))
            check_added(&c->check, member_name(p, m));
    }
    if (seen)
        checks_added(p, m->id);
    if (seen && p->room->kind == ROOM_PRESENCE && world_keeps_limits(w) &&
        world_is_faultless(w) && w->limit && p->presence.view.n > w->limit)
        world_violation(w, "I6", "a view of %u at %.*s", p->presence.view.n,
                        SLICE_ARG(p->room->name));
}

static void on_removed(void *context, const struct member *m)
{
    struct place *p = context;
    struct client *c;

    world_log(p->node->world, "node %u: removed %.*s from %.*s%s", p->node->index,
              SLICE_ARG(m->id), SLICE_ARG(p->room->name),
              p->node->degraded ? ", degraded" : "");
    EACH_CLIENT(c, p)
    {
        if (c->state != CLIENT_IN)
            continue;
        p->node->world->removed++;
        checks_removed(c, member_name(p, m));
        check_removed(&c->check, member_name(p, m));
    }
}

static void on_admitted(void *context, struct presence_ref *ref)
{
    struct place *p = context;

    CONTAINER_OF(ref, struct client, ref)->state = CLIENT_ADMITTED;
    p->node->answers_due = true;
}

static void on_refused(void *context, struct presence_ref *ref)
{
    struct place *p = context;
    struct client *c = CONTAINER_OF(ref, struct client, ref);
    struct world *w = p->node->world;
    const struct fake_channel *f =
        fake_find(&w->shards[p->room->shard].fake, SLICE("app"), p->room->name);

    c->state = CLIENT_REFUSED;
    p->node->answers_due = true;
    w->refusals++;
    if (world_keeps_limits(w) && (!f || f->n_members < w->limit) &&
        p->room->full_at < c->came)
        world_violation(w, "I6", "client %u refused at %.*s, which was not full", c->id,
                        SLICE_ARG(p->room->name));
}

static void on_known(void *context)
{
    struct place *p = context;

    p->node->answers_due = true;
}

static const struct presence_sink presence_sink = {
    .added = on_added,
    .removed = on_removed,
    .admitted = on_admitted,
    .refused = on_refused,
    .known = on_known,
};

static void on_opened(void *context, struct shared_channel *c)
{
    uint64_t life = shared_life(c);
    struct node *n = context;

    for (unsigned i = 0; i < n->world->n_rooms; i++)
        if (n->places[i].life == life)
            n->places[i].opened = true;
    n->answers_due = true;
}

static void tell_event(struct place *p, const struct sim_event *e)
{
    struct client *c;

    EACH_CLIENT(c, p)
    {
        if (c->state == CLIENT_IN && c != e->sender) {
            p->node->world->events_seen++;
            if (e->lost && p->node == e->origin)
                continue; /* comes out with a later one's echo, out of place */
            check_event(&c->check, e->id);
        }
    }
}

static void on_published(void *context, struct shared_channel *c,
                         struct shared_event *shared)
{
    uint64_t life = shared_life(c);
    struct node *n = context;
    struct sim_event *e = CONTAINER_OF(shared, struct sim_event, shared);
    struct place *p = place_at(n, e->room);
    uint64_t *last = &n->last_published[e->room - n->world->rooms];

    if (e->delivered)
        world_violation(n->world, "I4", "event %llu comes out twice",
                        (unsigned long long)e->id);
    e->delivered = true;
    if (*last > e->id)
        world_violation(n->world, "I4", "events of one node out of order");
    *last = e->id;
    if (n->alive && life && life == p->life)
        tell_event(p, e);
}

static void on_total(void *context, struct shared_channel *c, unsigned total)
{
    struct node *n = context;
    struct place *p = place_at(n, world_room(n->world, shared_name(c)));

    world_log(n->world, "node %u: %.*s has %u", n->index, SLICE_ARG(p->room->name),
              total);
    if (total < p->total)
        checks_fewer(p, total);
    p->total = total;
}

static const struct shared_sink shared_sink = {
    .opened = on_opened, .published = on_published, .total = on_total};

static void open_place(struct place *p)
{
    struct node *n = p->node;
    struct world *w = n->world;
    struct presence_rules rules = {UINT_MAX, w->grace};
    struct hash_seed seed = {rng_u64(&w->dice), rng_u64(&w->dice)};
    struct shared_kind kind = {.counted = p->room->kind != ROOM_USER,
                               .webhooks = WANT_OCCUPIED | WANT_MEMBERS};
    bool plain = p->room->kind == ROOM_PLAIN;

    if (plain)
        kind.webhooks |= WANT_COUNT;
    if (p->room->kind == ROOM_USER)
        rules.leave_grace_ms = 0;
    if (p->room->kind == ROOM_PRESENCE && w->limit)
        rules.max_members = w->limit;
    p->life = ++w->next_life;
    p->opened = false;
    p->total = 0;
    if (!plain)
        presence_init(&p->presence, rules, seed, &presence_sink, p);
    p->channel = shared_open(
        node_home(n, p->room->partition), SLICE("app"), p->room->name,
        &(struct shared_opening){
            .life = p->life, .kind = kind, .presence = plain ? NULL : &p->presence},
        node_ms(n));
}

static void close_place(struct place *p, bool unclean)
{
    p->opened = false;
    shared_close(p->channel, unclean, node_ms(p->node));
    if (p->room->kind != ROOM_PLAIN)
        presence_fini(&p->presence);
    p->life = 0;
    p->channel = NULL;
}

static void maybe_close(struct place *p, bool unclean)
{
    if (p->life && !p->n && (p->room->kind == ROOM_PLAIN || presence_idle(&p->presence)))
        close_place(p, unclean);
}

/* Answers, at the end of a turn */

struct ids {
    const struct place *place;
    struct slice all[64];
    unsigned n;
};

static void collect(const struct member *m, void *context)
{
    struct ids *ids = context;

    if (ids->n < 64)
        ids->all[ids->n++] = member_name(ids->place, m);
}

static void answer(struct place *p, struct client *c)
{
    struct ids ids = {.place = p};

    c->state = CLIENT_IN;
    c->was_in = true;
    world_log(p->node->world, "node %u: client %u is in", p->node->index, c->id);
    p->node->world->admissions++;
    checks_answered(c);
    if (p->room->kind != ROOM_PLAIN)
        roster_each(&p->presence.view, collect, &ids);
    if (p->node->world->options.sabotage & BREAK_SNAPSHOT && c->user.p && ids.n &&
        rng_chance(&p->node->world->net, 2))
        ids.n--;
    check_succeeded(&c->check, p->room->kind == ROOM_PLAIN ? 0 : ids.n, ids.all, ids.n);
}

/* True if the client may be answered now. */
static bool is_due(const struct place *p, const struct client *c)
{
    if (!p->opened)
        return false;
    if (c->user.p)
        return c->state == CLIENT_ADMITTED;
    return c->state == CLIENT_WAITS && (p->room->kind == ROOM_PLAIN || p->presence.known);
}

static void take_out(struct client *c, bool unclean)
{
    struct place *p = c->place;

    list_remove(&c->of_place);
    list_remove(&c->of_world);
    c->state = CLIENT_GONE;
    c->went = world_ms(p->node->world);
    p->n--;
    if (p->life)
        shared_count(p->channel, p->n, unclean);
}

static void answer_place(struct place *p)
{
    struct list *next;

    for (struct list *at = p->clients.next; at != &p->clients; at = next) {
        struct client *c = client_at(at);

        next = at->next;
        if (is_due(p, c))
            answer(p, c);
        else if (c->state == CLIENT_REFUSED)
            take_out(c, false);
    }
    maybe_close(p, false);
}

static void homes_turn_ends(struct node *n)
{
    EACH_HOME(h, n)
    shared_turn_ends(*h);
}

void node_turn_ends(struct node *n)
{
    homes_turn_ends(n);
    while (n->answers_due) {
        n->answers_due = false;
        for (unsigned i = 0; i < n->world->n_rooms; i++)
            if (n->places[i].life)
                answer_place(&n->places[i]);
        homes_turn_ends(n);
    }
}

/* What clients do */

void node_join(struct node *n, struct client *c)
{
    struct place *p = place_at(n, c->room);
    bool fresh = !p->life;

    c->node = n;
    c->place = p;
    c->came = world_ms(n->world);
    c->came_calmly = world_is_faultless(n->world);
    infos_join(c);
    n->world->joins++;
    world_log(n->world, "node %u: client %u, %.*s, joins %.*s", n->index, c->id,
              SLICE_ARG(c->user), SLICE_ARG(c->room->name));
    list_append(&p->clients, &c->of_place);
    p->n++;
    if (fresh)
        open_place(p);
    else
        shared_count(p->channel, p->n, false);
    if (c->user.p)
        presence_join(&p->presence, &c->ref, c->user, c->info);
    n->answers_due = true;
    node_turn_ends(n);
}

static bool reaches_redis(const struct node *n, const struct room *room)
{
    const struct shard *s = &n->world->shards[room->shard];

    return link_up_for(n->link) && !n->cut && s->up && !s->errors &&
           n->world->sched.now >= s->stalled_until;
}

void node_leave(struct client *c, bool unclean, bool stays)
{
    struct node *n = c->node;
    struct place *p = c->place;

    world_log(n->world, "node %u: client %u, %.*s, leaves %.*s%s%s", n->index, c->id,
              SLICE_ARG(c->user), SLICE_ARG(c->room->name), unclean ? ", unclean" : "",
              stays ? ", stays" : "");
    c->state = CLIENT_GONE;
    c->went = world_ms(n->world);
    c->unheard = stays || !reaches_redis(n, c->room);
    list_remove(&c->of_world);
    if (stays)
        return;
    if (c->user.p)
        presence_leave(&p->presence, &c->ref, unclean ? EXIT_UNCLEAN : EXIT_CLEAN,
                       node_ms(n));
    take_out(c, unclean);
    maybe_close(p, unclean);
    node_turn_ends(n);
}

void node_publish(struct node *n, struct room *room, struct client *sender)
{
    struct world *w = n->world;
    struct place *p = place_at(n, room);
    struct sim_event *e;

    if (!p->life)
        return;
    e = xcalloc(1, sizeof *e);
    e->id = ++w->next_event;
    e->room = room;
    e->sender = sender;
    e->origin = n;
    e->next = w->events;
    w->events = e;
    world_log(w, "node %u: event %u by client %u", n->index, (unsigned)e->id,
              sender ? sender->id : 0);
    shared_publish(p->channel, &e->shared);
    node_turn_ends(n);
}

void node_event(struct node *n, struct room *room, struct sim_event *e, uint64_t nid,
                uint64_t number)
{
    struct place *p = place_at(n, room);
    struct shared_channel *c = node_channel(n, room);
    bool swap = n->world->options.sabotage & BREAK_ORDER && rng_chance(&n->world->net, 1);

    if (!c || shared_echo(c, nid, number) || shared_is_late(c, number))
        return;
    if (p->life && !swap)
        tell_event(p, e);
}

/* Lives of nodes */

struct node *node_start(struct world *w, unsigned index, uint64_t forced_nid)
{
    struct node *n = xcalloc(1, sizeof *n);
    struct liveness_rules rules = {w->grace};

    n->world = w;
    n->index = index;
    n->alive = true;
    n->held_end = &n->held;
    n->skew = 100000 + rng_below(&w->plan, 100000);
    n->started = node_ms(n);
    if (rng_chance(&w->plan, 30)) /* slow at the start: no heartbeat yet */
        n->stalled_until = n->started + rng_below(&w->plan, 4000);
    n->all = w->all_nodes;
    w->all_nodes = w->nodes[index] = n;
    for (unsigned i = 0; i < w->n_rooms; i++) {
        n->places[i].node = n;
        n->places[i].room = &w->rooms[i];
        list_init(&n->places[i].clients);
    }
    n->n_homes = w->n_homes;
    for (unsigned i = 0; i < n->n_homes; i++) {
        struct hash_seed seed = {rng_u64(&w->dice), rng_u64(&w->dice)};

        n->homes[i] = shared_alloc(&link_pipe, &shared_sink, n, seed);
        shared_set_ablation(n->homes[i], w->options.shared);
    }
    n->link = link_alloc(n);
    n->sender = sender_alloc(n);
    n->forced_nid = forced_nid;
    n->liveness = liveness_alloc(rules, &link_liveness_sink, n, node_ms(n));
    liveness_set_ablation(n->liveness, w->options.liveness);
    sched_in(&w->sched, rng_below(&w->net, LIVENESS_TICK_MS) * (uint64_t)MS, on_timer, n);
    return n;
}

static void empty_place(struct place *p)
{
    while (!list_empty(&p->clients)) {
        struct client *c = client_at(p->clients.next);

        list_remove(&c->of_place);
        list_remove(&c->of_world);
        c->state = CLIENT_GONE;
        c->went = world_ms(p->node->world);
        c->unheard = true;
        if (c->user.p)
            presence_leave(&p->presence, &c->ref, EXIT_CLEAN, 0);
    }
    if (p->life)
        close_place(p, true);
}

void node_kill(struct node *n)
{
    struct deferred *next;

    n->alive = false;
    world_log(n->world, "node %u: dies", n->index);
    link_break(n, -1, 0);
    for (unsigned i = 0; i < n->world->n_rooms; i++)
        empty_place(&n->places[i]);
    EACH_HOME(h, n)
    shared_free(*h);
    n->n_homes = 0;
    liveness_free(n->liveness);
    n->liveness = NULL;
    for (struct deferred *d = take_held(n); d; d = next) {
        next = d->next;
        if (d->drop)
            d->drop(d->arg);
        free(d);
    }
}

void node_free(struct node *n)
{
    link_free(n->link);
    sender_free(n->sender);
    free(n);
}
