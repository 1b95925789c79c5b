/* Who comes and goes: users on several nodes at a time, watchers, plain subscribers,
 * client events and events of the HTTP API. */
#include <stdio.h>
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "test/sim/link.h"

enum { FIRST = 25, JOINS_A_SECOND = 4, EVENTS_A_SECOND = 3, INFOS = 3 };

static struct slice info_name(struct world *w, unsigned i)
{
    char text[16];

    snprintf(text, sizeof text, "{\"info\":%u}", i);
    return name_text(&w->names, slice_of(text));
}

struct client *client_new(struct world *w, struct room *room, struct slice user)
{
    struct client *c = xcalloc(1, sizeof *c);

    c->id = ++w->next_client;
    c->world = w;
    c->room = room;
    c->user = user;
    c->info = info_name(w, room->kind == ROOM_USER ? 0 : rng_below(&w->plan, INFOS));
    check_init(&c->check, &w->report, user);
    list_init(&c->of_place);
    list_append(&w->clients, &c->of_world);
    c->all = w->all_clients;
    return w->all_clients = c;
}

void client_free(struct client *c)
{
    check_fini(&c->check);
    free(c);
}

static struct node *any_node(struct world *w)
{
    struct node *n = w->nodes[rng_below(&w->plan, w->n_nodes)];

    return n && n->alive && !n->paused && !n->bye ? n : NULL;
}

static struct slice user_name(struct world *w, unsigned i)
{
    char text[16];

    snprintf(text, sizeof text, "u%u", i);
    return name_text(&w->names, slice_of(text));
}

static void join_one(void *arg)
{
    struct world *w = arg;
    struct node *n = any_node(w);
    unsigned i = rng_below(&w->plan, w->n_rooms);
    struct room *room = &w->rooms[i];
    struct slice user = user_name(w, rng_below(&w->plan, w->n_users));
    bool watches = rng_chance(&w->plan, 50);

    if (!n)
        return;
    if (room->kind == ROOM_USER)
        user = watches ? SLICE_NONE : user_name(w, i);
    else if (room->kind == ROOM_PLAIN)
        user = SLICE_NONE;
    node_join(n, client_new(w, room, user));
}

static struct client *any_client(struct world *w)
{
    unsigned n = 0, pick;
    struct list *at;

    for (at = w->clients.next; at != &w->clients; at = at->next)
        n++;
    if (!n)
        return NULL;
    pick = rng_below(&w->plan, n);
    for (at = w->clients.next; pick--;)
        at = at->next;
    return CONTAINER_OF(at, struct client, of_world);
}

static void leave_one(struct world *w)
{
    struct client *c = any_client(w);
    bool unclean = rng_chance(&w->plan, 40), comes_back = rng_chance(&w->plan, 10);

    if (!c || !c->node || c->node->paused || c->node->bye || c->moving)
        return;
    node_leave(c, unclean, false);
    if (comes_back)
        node_join(c->node, client_new(w, c->room, c->user));
}

static void publish_one(void *arg)
{
    struct world *w = arg;
    struct client *c = any_client(w);
    bool api = rng_chance(&w->plan, 30);

    if (w->sched.now >= w->churn_end)
        return;
    if (c && c->state == CLIENT_IN && !c->node->paused)
        node_publish(c->node, c->place->room, api ? NULL : c);
    sched_in(&w->sched, rng_below(&w->plan, 2000 * MS / EVENTS_A_SECOND / w->pace),
             publish_one, w);
}

static void churn(void *arg)
{
    struct world *w = arg;

    if (w->sched.now >= w->churn_end)
        return;
    if (rng_chance(&w->plan, 50))
        join_one(w);
    else
        leave_one(w);
    sched_in(&w->sched, rng_below(&w->plan, 2000 * MS / JOINS_A_SECOND / w->pace), churn,
             w);
}

void clients_start(struct world *w)
{
    for (unsigned i = 0; i < FIRST; i++)
        sched_at(&w->sched, (2000 + rng_below(&w->plan, 4000)) * (uint64_t)MS, join_one,
                 w);
    sched_at(&w->sched, 6000 * MS, churn, w);
    sched_at(&w->sched, 6000 * MS, publish_one, w);
}

void clients_go_on(struct world *w)
{
    churn(w);
    publish_one(w);
}

/* 4200: to another node, after a while. */

static void reconnect(void *arg)
{
    struct client *c = arg;
    struct world *w = c->world;
    struct node *n = any_node(w);

    if (w->ended)
        return;
    if (!n || node_ms(n) < n->stalled_until) {
        sched_in(&w->sched, 100 * MS, reconnect, c);
        return;
    }
    c->moving = false;
    if (world_loses_data(w))
        c->settled = false; /* nobody could assert the user meanwhile */
    node_join(n, c);
}

void clients_move(struct node *from)
{
    struct world *w = from->world;
    struct list *next;

    for (struct list *at = w->clients.next; at != &w->clients; at = next) {
        struct client *c = CONTAINER_OF(at, struct client, of_world), *again;

        next = at->next;
        if (c->node != from || c->moving || rng_chance(&w->plan, 50))
            continue;
        again = client_new(w, c->room, c->user);
        again->info = c->info;
        again->settled = c->settled && from->link->up; /* else its bye wasn't heard */
        again->moving = true;
        node_leave(c, true, true);
        sched_in(&w->sched, (50 + rng_below(&w->plan, 9700)) * (uint64_t)MS, reconnect,
                 again);
    }
}
