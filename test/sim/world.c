/* A world from its seed: masters, rooms, nodes; then time passes. */
#include "test/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"

enum {
    SCAN_MS = 250,
    CALM_MS = 15000,  /* I3, after the last fault */
    CALM_QUICK = 600, /* I3, without faults */
    CALM_ROTATION = 38000,
    /* Longer, where a node was copied: what that left under its name is found by a sweep,
     * 8 s after the links are there; the node takes another name then, and the one it had
     * is judged 8 s later. */
    CLONE_MS = 5000,
    AFTER_MS = 15000, /* once more, when all has healed */
};

uint64_t world_ms(const struct world *w)
{
    return w->sched.now / MS + 1000000;
}

void world_log(struct world *w, const char *format, ...)
{
    va_list args;

    if (!w->options.verbose)
        return;
    printf("%10.4f  ", (double)w->sched.now / 1e6);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void world_violation(struct world *w, const char *rule, const char *format, ...)
{
    char text[120];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (w->violations < 6)
        snprintf(w->first[w->violations], sizeof w->first[0], "%.4f %s: %s",
                 (double)w->sched.now / 1e6, rule, text);
    w->violations++;
    world_log(w, "VIOLATION %s: %s", rule, text);
}

static void on_violation(void *context, const char *rule, const char *what,
                         struct slice user)
{
    world_violation(context, rule, "%s: %.*s", what, SLICE_ARG(user));
}

struct room *world_room(struct world *w, struct slice name)
{
    unsigned i = 0;

    while (!slice_eq(w->rooms[i].name, name))
        i++;
    return &w->rooms[i];
}

struct shard *world_shard(struct world *w, unsigned partition)
{
    return &w->shards[partition % w->n_shards];
}

bool world_is_faultless(const struct world *w)
{
    return w->faults == 0 || w->calm;
}

bool world_loses_data(const struct world *w)
{
    return w->faults &
           (1u << FAULT_RESTART_EMPTY | 1u << FAULT_ROLLBACK | 1u << FAULT_FLUSH);
}

bool world_keeps_limits(const struct world *w)
{
    return !(w->faults & ~(1u << FAULT_KILL9 | 1u << FAULT_ROLL | 1u << FAULT_SUBDROP |
                           1u << FAULT_LOSTMSG));
}

static void on_push(void *context, struct slice app, struct slice channel,
                    const struct push *p)
{
    struct shard *s = context;
    struct world *w = s->world;
    struct room *room = world_room(w, channel);
    const struct fake_channel *c = fake_find(&s->fake, app, channel);

    world_log(w, "redis: %.*s %c %.*s %016llx, seq %llu nonce %llx prev %llx",
              SLICE_ARG(channel), p->kind, SLICE_ARG(p->user), (unsigned long long)p->nid,
              (unsigned long long)p->at.seq, (unsigned long long)p->at.nonce,
              (unsigned long long)p->prev_nonce);
    if (w->limit && c->n_members >= w->limit)
        room->full_at = world_ms(w);
    if (w->limit && room->kind == ROOM_PRESENCE && c->n_members > w->limit &&
        world_keeps_limits(w))
        world_violation(w, "I6", "%u members in %.*s", c->n_members, SLICE_ARG(channel));
    link_route(w, s, room, p, NULL, 0, 0);
}

static void on_total(void *context, struct slice app, struct slice channel,
                     unsigned total, uint64_t epoch)
{
    struct shard *s = context;

    (void)app;
    world_log(s->world, "redis: %.*s C %u", SLICE_ARG(channel), total);
    link_route_total(s->world, s, world_room(s->world, channel), total, epoch);
}

static void make_shard(struct world *w, struct shard *s)
{
    bool small = rng_chance(&w->plan, 30) || w->options.sabotage & BREAK_LAG;
    struct fake_rules rules = {small ? 1 : SNAPSHOT_PAGE, small ? 2 : REAP_PAGE,
                               small ? 3 : 1000, rng_chance(&w->plan, 50) ? 8000 : 60000,
                               w->options.fake};

    s->world = w;
    s->up = true;
    fake_init(&s->fake, rules, &w->names);
    s->fake.on_push = on_push;
    s->fake.on_total = on_total;
    s->fake.context = s;
}

static void make_room(struct world *w, enum room_kind kind, const char *format)
{
    struct room *room = &w->rooms[w->n_rooms];
    char name[64];
    uint16_t crc = crc16("app:", 4, 0);

    snprintf(name, sizeof name, "%s%u", format, w->n_rooms);
    room->kind = kind;
    room->name = name_text(&w->names, slice_of(name));
    room->partition = crc16(room->name.p, room->name.n, crc) % PARTITIONS;
    room->shard = (unsigned)(world_shard(w, room->partition) - w->shards);
    w->n_rooms++;
}

static void make_rooms(struct world *w)
{
    for (int i = 0; i < 4; i++)
        make_room(w, ROOM_PRESENCE, "presence-");
    for (int i = 0; i < 2; i++)
        make_room(w, ROOM_PLAIN, "plain-");
    for (int i = 0; i < 2; i++)
        make_room(w, ROOM_USER, "#server-to-user-u");
}

static void setup(struct world *w, uint64_t seed, const struct options *options)
{
    w->seed = seed;
    w->options = *options;
    w->plan = rng_init(seed, 1);
    w->net = rng_init(seed, 2);
    w->dice = rng_init(seed, 3);
    w->report = (struct check_report){on_violation, w};
    list_init(&w->clients);
    w->n_shards = 1 + rng_below(&w->plan, SHARDS);
    w->pace = rng_chance(&w->plan, 25) ? 5 : 1;
    w->n_nodes = 3 + rng_below(&w->plan, 2);
    w->n_homes = 1 + rng_below(&w->plan, HOMES_MAX);
    w->n_users = rng_chance(&w->plan, 30) ? 3 : 12;
    if (rng_chance(&w->plan, 10) || options->sabotage & BREAK_LAG)
        w->lag = 200 - (options->sabotage & BREAK_LAG ? 0 : rng_below(&w->plan, 150));
    if (rng_chance(&w->plan, 30))
        w->limit = 2 + rng_below(&w->plan, 6);
    if (rng_chance(&w->plan, 25))
        w->grace = 1000 * (1 + rng_below(&w->plan, 12));
    for (unsigned i = 0; i < w->n_shards; i++)
        make_shard(w, &w->shards[i]);
    make_rooms(w);
    for (unsigned i = 0; i < w->n_nodes; i++)
        node_start(w, i, 0);
}

static void scan(void *arg)
{
    struct world *w = arg;

    if (w->ended)
        return;
    checks_scan(w);
    sched_in(&w->sched, SCAN_MS * MS, scan, w);
}

/* A message lost without a trace, or a master emptied that doesn't have the table of
 * heartbeats, is found by the next change or by the rotation (rule 3). */
static bool needs_rotation(const struct world *w)
{
    return w->faults & 1u << FAULT_LOSTMSG ||
           (w->faults & 1u << FAULT_FLUSH && w->n_shards > 1);
}

static void run_to_check(struct world *w)
{
    uint64_t wait = CALM_MS;

    if (world_is_faultless(w))
        wait = CALM_QUICK + (w->grace ? 500 : 0);
    else if (needs_rotation(w))
        wait = CALM_ROTATION;
    else if (w->faults & 1u << FAULT_CLONE)
        wait += CLONE_MS;
    sched_run(&w->sched, w->churn_end + (w->grace + wait) * MS);
    checks_final(w);
}

unsigned world_run(struct world *w, uint64_t seed, const struct options *options)
{
    setup(w, seed, options);
    faults_plan(w);
    w->churn_end = w->faults_end + 3000 * MS;
    if (w->churn_end < 60000 * MS)
        w->churn_end = 60000 * MS;
    clients_start(w);
    scan(w);
    run_to_check(w);
    /* A flush that one of several masters keeps to itself may be found much later. */
    if (w->violations || world_is_faultless(w) ||
        (w->faults & 1u << FAULT_FLUSH && w->n_shards > 1))
        return w->violations;
    checks_calm(w);
    w->churn_end = w->sched.now + AFTER_MS * MS;
    clients_go_on(w);
    run_to_check(w);
    return w->violations;
}

void world_fini(struct world *w)
{
    struct sim_event *next_event;
    struct client *next_client;
    struct node *next_node;

    w->ended = true;
    for (struct node *n = w->all_nodes; n; n = n->all)
        if (n->alive)
            node_kill(n);
    sched_run(&w->sched, UINT64_MAX);
    for (struct node *n = w->all_nodes; n; n = next_node) {
        next_node = n->all;
        node_free(n);
    }
    for (struct client *c = w->all_clients; c; c = next_client) {
        next_client = c->all;
        client_free(c);
    }
    for (struct sim_event *e = w->events; e; e = next_event) {
        next_event = e->next;
        free(e);
    }
    for (unsigned i = 0; i < w->n_shards; i++) {
        fake_fini(&w->shards[i].fake);
        if (w->shards[i].image)
            fake_drop(w->shards[i].image);
    }
    for (unsigned i = 0; i < w->n_rooms; i++) {
        free(w->rooms[i].order);
        free(w->rooms[i].hooks);
    }
    names_fini(&w->names);
    sched_fini(&w->sched);
}
