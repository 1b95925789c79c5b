/* The invariants that need the whole world: I3 and I5 to I8, and I4's one order. */
#include <stdio.h>
#include <stdlib.h>

#include "presence/shared_channel.h"
#include "test/sim/world.h"

/* Scans: what was published before has arrived by then, or its connection is dead. */
enum { SETTLED = 24 };

static struct client *client_at(struct list *node)
{
    return CONTAINER_OF(node, struct client, of_world);
}

#define EACH(c, w)                             \
    for (struct list *at_ = (w)->clients.next; \
         at_ != &(w)->clients && (((c) = client_at(at_)), true); at_ = at_->next)

static struct fake_channel *channel_of(struct world *w, const struct room *room)
{
    return fake_find(&w->shards[room->shard].fake, SLICE("app"), room->name);
}

/* While it runs */

static bool is_held(struct world *w, const struct client *c)
{
    const struct fake_channel *f = channel_of(w, c->room);
    const struct fake_member *m = f ? fake_member_of(f, c->user) : NULL;

    return m && fake_member_has(m, c->node->nid);
}

static unsigned count_in_redis(struct world *w, const struct room *room, uint64_t nid)
{
    const struct fake_channel *f = channel_of(w, room);

    for (unsigned i = 0; f && i < f->n_counts; i++)
        if (f->counts[i].nid == nid)
            return f->counts[i].count;
    return 0;
}

static bool is_counted(struct world *w, const struct client *c)
{
    return c->room->kind == ROOM_PLAIN &&
           count_in_redis(w, c->room, c->node->nid) == c->place->n;
}

void checks_scan(struct world *w)
{
    struct client *c;

    EACH(c, w)
    {
        if (c->state == CLIENT_IN && !c->settled &&
            (c->user.p ? is_held(w, c) : is_counted(w, c)))
            c->settled = ++c->held == SETTLED;
    }
}

/* What Redis has lost, a node that can't reach it can't say again, and nobody knows that
 * it lives. */
static bool is_cut_off(const struct node *n)
{
    enum { SOON_MS = 2000 };

    return link_up_for(n->link) < SOON_MS;
}

/* A push was kept from its node without a trace: that he came back is found later, by the
 * next change or the rotation (rule 3). */
static bool misses_a_push(struct world *w, const struct client *seer)
{
    struct version at = fake_version(&w->shards[seer->room->shard].fake, SLICE("app"),
                                     seer->room->name, world_ms(w));

    return w->faults & 1u << FAULT_LOSTMSG &&
           !version_eq(at, seer->place->presence.replica.at);
}

/* What is shown is of an earlier stay of his, whose end was told late: he came again with
 * other info, and is about to be added with that. */
static bool shows_former_stay(struct world *w, const struct client *seer,
                              struct slice user)
{
    const struct member *m = roster_find(&seer->place->presence.view, user), *there;
    struct client *c;

    EACH(c, w)
    {
        if (!c->settled || !c->place || c->room != seer->room || !slice_eq(c->user, user))
            continue;
        there = roster_find(&c->place->presence.view, user);
        if (m && there && slice_eq(m->piece.info, there->piece.info))
            return false;
    }
    return m;
}

/* I7: the user has a connection that Redis has known of, and it is told that he left. */
void checks_removed(struct client *seer, struct slice user)
{
    struct world *w = seer->world;
    struct client *c;

    /* Rule 11: while Redis is silent a node doesn't know of all others that hold him. */
    if (!w->only_redis || seer->place->presence.direct || misses_a_push(w, seer))
        return;
    if (shows_former_stay(w, seer, user))
        return;
    EACH(c, w)
    {
        if (!c->settled || c->room != seer->room || !slice_eq(c->user, user))
            continue;
        if (world_loses_data(w) && (c->moving || is_cut_off(c->node)))
            continue; /* nobody is there who could assert the user again */
        world_violation(w, "I7", "%.*s removed from %.*s at node %u, has client %u at %u",
                        SLICE_ARG(user), SLICE_ARG(seer->room->name), seer->node->index,
                        c->id, c->node ? c->node->index : 99);
        return;
    }
}

/* I7: so many have connections that Redis has known of, and clients are told of fewer. */
void checks_fewer(struct place *p, unsigned total)
{
    struct world *w = p->node->world;
    unsigned here = 0;
    struct client *c;

    if (!w->only_redis || p->channel->direct)
        return;
    EACH(c, w)
    {
        here += c->settled && c->room == p->room && !c->moving &&
                !(world_loses_data(w) && is_cut_off(c->node));
    }
    if (total < here)
        world_violation(w, "I7", "node %u tells of %u on %.*s, there are %u",
                        p->node->index, total, SLICE_ARG(p->room->name), here);
}

/* He left another node, which may have told Redis late (it was cut off, or that waited
 * for grace, or Redis has forgotten it), or not yet; or this node may have heard it late.
 */
static bool may_be_held(const struct place *p, const struct client *c)
{
    enum { TOLD_MS = 3000, LATE_MS = 15000, UNHEARD_MS = 60000, REAPED_MS = 30000 };
    const struct world *w = c->world;
    const struct node *n = c->node;
    bool unheard = c->unheard || w->grace || world_loses_data(w);

    if (n == p->node)
        return false;
    if (world_ms(w) < c->went + (unheard ? UNHEARD_MS : LATE_MS))
        return true;
    return unheard && (n->alive ? link_up_for(n->link) < TOLD_MS
                                : link_up_for(p->node->link) < REAPED_MS);
}

/* Another node, which he has left, has yet to tell Redis; or a dead one's join came after
 * Redis had lost what would have refused it. */
static bool is_held_elsewhere(struct world *w, const struct place *p, struct slice user)
{
    const struct fake_channel *f = channel_of(w, p->room);
    const struct fake_member *m = f ? fake_member_of(f, user) : NULL;

    for (unsigned i = 0; m && i < m->n_refs; i++) {
        if (m->refs[i].nid != p->node->nid)
            return true;
    }
    return false;
}

/* I3: this node, which he left last, and long ago, shows him again. */
void checks_added(struct place *p, struct slice user)
{
    enum { LONG_MS = 3000 };
    struct world *w = p->node->world;
    struct client *last = NULL;

    for (struct client *c = w->all_clients; c; c = c->all) {
        if (c->room != p->room || !c->user.p || !slice_eq(c->user, user))
            continue;
        if (c->state != CLIENT_GONE || may_be_held(p, c))
            return;
        if (!last || c->went > last->went)
            last = c;
    }
    if (last && last->node == p->node && last->was_in && !is_held_elsewhere(w, p, user) &&
        world_ms(w) > last->went + w->grace + LONG_MS)
        world_violation(w, "I3", "node %u shows %.*s in %.*s, who left %u ms ago",
                        p->node->index, SLICE_ARG(user), SLICE_ARG(p->room->name),
                        (unsigned)(world_ms(w) - last->went));
}

/* I3: nobody waits for what will never come. */
void checks_answered(const struct client *c)
{
    enum { STARTED_MS = 6000, SOON_MS = 1500 };
    uint64_t waited = world_ms(c->world) - c->came;
    uint64_t came = c->world->sched.now / MS - waited; /* since the start */

    if (c->came_calmly && waited > SOON_MS && came >= STARTED_MS)
        world_violation(c->world, "I3", "client %u waited %u ms to be let in", c->id,
                        (unsigned)waited);
}

/* I8 */

static bool is_coming(enum hook_kind kind)
{
    return kind == HOOK_OCCUPIED || kind == HOOK_ADDED;
}

static bool is_last_coming(const struct room *room, const struct name *user)
{
    for (unsigned i = room->n_hooks; i-- > 0;)
        if (room->hooks[i].user == user)
            return is_coming(room->hooks[i].kind);
    return false;
}

/* What was delivered again, since its sender was taken for dead, counts once. */
static bool had_before(const struct room *room, const struct hook *h)
{
    for (unsigned i = room->n_hooks; i-- > 0;)
        if (room->hooks[i].number == h->number)
            return true;
    return false;
}

/* A departure that waited comes where it was due; others never change places. */
static bool is_out_of_order(const struct room *room, const struct hook *h)
{
    for (unsigned i = room->n_hooks; i-- > 0;)
        if (!room->hooks[i].delayed)
            return !h->delayed && h->number < room->hooks[i].number;
    return false;
}

void checks_hook(struct world *w, const struct hook *h)
{
    struct room *room = world_room(w, h->channel->text);

    if (world_loses_data(w) || had_before(room, h))
        return;
    world_log(w, "receiver: %.*s webhook %u, kind %d, of %.*s", SLICE_ARG(room->name),
              (unsigned)h->number, h->kind,
              SLICE_ARG(h->user ? h->user->text : SLICE_NONE));
    if (is_out_of_order(room, h))
        world_violation(w, "I8", "webhook %u of %.*s is out of order",
                        (unsigned)h->number, SLICE_ARG(room->name));
    if (is_last_coming(room, h->user) == is_coming(h->kind))
        world_violation(w, "I8", "two webhooks of one kind (%d) for %.*s in %.*s",
                        h->kind, SLICE_ARG(h->user ? h->user->text : SLICE_NONE),
                        SLICE_ARG(room->name));
    room->hooks =
        grown(room->hooks, room->n_hooks, &room->hooks_room, sizeof *room->hooks);
    room->hooks[room->n_hooks++] = *h;
}

/* At the end: I3 */

static bool is_here(struct world *w, const struct room *room, struct slice user,
                    const struct node *node)
{
    struct client *c;

    EACH(c, w)
    {
        if (c->place && c->room == room && slice_eq(c->user, user) && user.p &&
            (!node || c->node == node))
            return true;
    }
    return false;
}

static void check_view(struct world *w, struct client *c)
{
    const struct room *room = c->room;

    for (unsigned i = 0; i < c->check.n_view; i++)
        if (!is_here(w, room, c->check.view[i], NULL))
            world_violation(w, "I3", "client %u at node %u sees a ghost: %.*s in %.*s",
                            c->id, c->node->index, SLICE_ARG(c->check.view[i]),
                            SLICE_ARG(room->name));
    for (unsigned i = 0; i < w->names.n; i++) {
        struct slice user = w->names.all[i]->text;

        if (is_here(w, room, user, NULL) && !check_has(&c->check, user))
            world_violation(w, "I3", "client %u at node %u doesn't see %.*s in %.*s",
                            c->id, c->node->index, SLICE_ARG(user),
                            SLICE_ARG(room->name));
    }
}

static void check_clients(struct world *w)
{
    struct client *c;

    EACH(c, w)
    {
        if (c->state != CLIENT_IN)
            world_violation(w, "I3", "client %u, %.*s, is in state %d, at node %u", c->id,
                            SLICE_ARG(c->user), c->state, c->node ? c->node->index : 99);
        else if (c->room->kind != ROOM_PLAIN)
            check_view(w, c);
    }
}

/* Redis has each reference that there must be, and no other. */
static void check_references(struct world *w, const struct room *room)
{
    const struct fake_channel *f = channel_of(w, room);

    for (unsigned i = 0; i < w->n_nodes; i++) {
        const struct node *n = w->nodes[i];

        for (unsigned j = 0; j < w->names.n; j++) {
            struct slice user = w->names.all[j]->text;
            const struct fake_member *m = f ? fake_member_of(f, user) : NULL;
            bool has = m && fake_member_has(m, n->nid);

            if (has != is_here(w, room, user, n))
                world_violation(w, "I3", "node %u: Redis %s %.*s in %.*s", i,
                                has ? "still has" : "lacks", SLICE_ARG(user),
                                SLICE_ARG(room->name));
        }
    }
}

static bool is_node(const struct world *w, uint64_t nid)
{
    for (unsigned i = 0; i < w->n_nodes; i++)
        if (w->nodes[i]->alive && w->nodes[i]->nid == nid)
            return true;
    return false;
}

static void check_strangers(struct world *w, const struct room *room)
{
    const struct fake_channel *f = channel_of(w, room);

    for (unsigned i = 0; f && i < f->n_members; i++)
        for (unsigned j = 0; j < f->members[i].n_refs; j++)
            if (!is_node(w, f->members[i].refs[j].nid))
                world_violation(w, "I3", "a dead nid holds %.*s in %.*s",
                                SLICE_ARG(f->members[i].user->text),
                                SLICE_ARG(room->name));
    for (unsigned i = 0; f && i < f->n_counts; i++)
        if (!is_node(w, f->counts[i].nid))
            world_violation(w, "I3", "a dead nid has subscriptions on %.*s",
                            SLICE_ARG(room->name));
}

static void check_counts(struct world *w, const struct room *room)
{
    for (unsigned i = 0; i < w->n_nodes; i++) {
        const struct node *n = w->nodes[i];
        unsigned want = n->places[room - w->rooms].n, has;

        if (room->kind == ROOM_USER)
            want = 0;
        has = count_in_redis(w, room, n->nid);
        if (has != want)
            world_violation(w, "I3", "node %u has %u subscriptions on %.*s, Redis %u", i,
                            want, SLICE_ARG(room->name), has);
    }
}

/* One that was lost without a trace is made good by the next, which may not come. */
static void check_totals(struct world *w, const struct room *room)
{
    unsigned want = 0;

    if (room->kind != ROOM_PLAIN || w->faults & 1u << FAULT_LOSTMSG)
        return;
    for (unsigned i = 0; i < w->n_nodes; i++)
        want += w->nodes[i]->places[room - w->rooms].n;
    for (unsigned i = 0; i < w->n_nodes; i++) {
        const struct place *p = &w->nodes[i]->places[room - w->rooms];

        if (p->n && p->total != want)
            world_violation(w, "I3", "node %u tells of %u on %.*s, there are %u", i,
                            p->total, SLICE_ARG(room->name), want);
    }
}

/* I5 */
static void check_holders(struct world *w)
{
    for (unsigned p = 0; p < PARTITIONS; p++) {
        struct fake *f = &world_shard(w, p)->fake;
        const struct fake_partition *part = &f->data.partitions[p];

        for (unsigned i = 0; i < part->n_holders; i++) {
            const struct fake_holder *h = &part->holders[i];

            if (h->in_n && !is_node(w, h->nid))
                world_violation(w, "I5", "a dead nid is in n of partition %u", p);
            if (h->sum != fake_sum(f, p, h->nid))
                world_violation(w, "I5", "x # of a nid in partition %u is wrong", p);
        }
    }
}

/* I4 */

static bool is_sender(void *context, uint64_t event)
{
    const struct client *c = context;

    if (!c->user.p && c->room->kind == ROOM_USER)
        return true;
    for (const struct sim_event *e = c->world->events; e; e = e->next)
        if (e->id == event)
            return e->sender == c;
    return false;
}

/* Who watches a user isn't sent the events that go to him. */
static void without_events(struct check_client *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n_seen; i++)
        if (c->seen[i].kind != 'E')
            c->seen[n++] = c->seen[i];
    c->n_seen = n;
}

static void log_items(struct world *w, const char *who, const struct check_item *all,
                      unsigned n)
{
    char text[400];
    int at = 0;

    for (unsigned i = n > 40 ? n - 40 : 0; i < n && at < 380; i++) {
        if (all[i].kind == 'E')
            at += snprintf(text + at, sizeof text - (size_t)at, " %u",
                           (unsigned)all[i].event);
        else
            at += snprintf(text + at, sizeof text - (size_t)at, " %c%.*s", all[i].kind,
                           SLICE_ARG(all[i].user));
    }
    world_log(w, "%s:%s", who, at ? text : "");
}

static void log_orders(struct world *w, const struct client *c,
                       const struct check_client *part, const struct check_order *order)
{
    if (!w->options.verbose)
        return;
    world_log(w, "client %u of %.*s", c->id, SLICE_ARG(c->room->name));
    log_items(w, "  saw  ", part->seen, part->n_seen);
    log_items(w, "  order", order->all, order->n);
}

static void check_orders(struct world *w)
{
    for (struct client *c = w->all_clients; c; c = c->all) {
        const struct room *room = c->room;
        struct check_order order;
        struct check_client part;

        if (!c->check.answered || !room->n_order)
            continue;
        order = (struct check_order){room->order + room->calm_from,
                                     room->n_order - room->calm_from};
        part = c->check;
        part.seen += c->calm_from;
        part.n_seen -= c->calm_from;
        if (!c->user.p && c->room->kind == ROOM_USER)
            without_events(&part);
        log_orders(w, c, &part, &order);
        check_order(&part, &order, is_sender, c, c->state == CLIENT_IN);
    }
}

static void check_events(struct world *w)
{
    for (const struct sim_event *e = w->events; e; e = e->next)
        if (!e->delivered && !e->lost && e->origin->alive)
            world_violation(w, "I4", "event %llu never came out at its origin",
                            (unsigned long long)e->id);
}

static void check_hooks(struct world *w)
{
    for (unsigned i = 0; i < w->n_rooms; i++) {
        const struct room *room = &w->rooms[i];

        for (unsigned j = 0; j < w->names.n; j++) {
            const struct name *user = w->names.all[j];

            if (is_last_coming(room, user) != is_here(w, room, user->text, NULL))
                world_violation(w, "I8", "the last webhook for %.*s in %.*s is wrong",
                                SLICE_ARG(user->text), SLICE_ARG(room->name));
        }
    }
}

void checks_final(struct world *w)
{
    check_clients(w);
    for (unsigned i = 0; i < w->n_rooms; i++) {
        check_references(w, &w->rooms[i]);
        check_strangers(w, &w->rooms[i]);
        check_counts(w, &w->rooms[i]);
        check_totals(w, &w->rooms[i]);
    }
    check_holders(w);
    infos_final(w);
    check_events(w);
    if (world_is_faultless(w))
        check_orders(w);
    if (world_loses_data(w))
        return;
    sched_run(&w->sched, w->sched.now + HOOKS_MS * (uint64_t)MS);
    checks_scan(w);
    check_hooks(w);
}

void checks_calm(struct world *w)
{
    w->calm = w->only_redis = true;
    for (unsigned i = 0; i < w->n_rooms; i++)
        w->rooms[i].calm_from = w->rooms[i].n_order;
    for (struct client *c = w->all_clients; c; c = c->all)
        c->calm_from = c->check.n_seen;
}
