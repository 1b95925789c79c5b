/* What users show beside their ids: the first connection's info, from when the user comes
 * until he has gone, the same at every node. */
#include "test/sim/world.h"

enum { KNOWN_MS = 1000 }; /* by then every node knows that somebody has gone */

static bool is_same_stay(const struct client *c, const struct client *other)
{
    const struct world *w = c->world;

    if (other == c || other->room != c->room || !slice_eq(other->user, c->user))
        return false;
    if (other->state != CLIENT_GONE && other->state != CLIENT_REFUSED)
        return other->place || other->moving;
    return other->went && other->node != c->node &&
           world_ms(w) <= other->went + w->grace + KNOWN_MS;
}

void infos_join(struct client *c)
{
    c->begins = !c->world->grace && c->came_calmly;
    for (struct client *other = c->world->all_clients; other; other = other->all) {
        if (!is_same_stay(c, other))
            continue;
        c->begins = false;
        if (other->node != c->node && c->came <= other->came + KNOWN_MS)
            other->begins = false; /* Redis hears of them in either order */
    }
}

/* Of a stay that began without faults; the rest may be told as Redis has it, or had. */
static void check_begun(struct world *w, const struct node *n, const struct room *room,
                        const struct member *m)
{
    const struct roster *view = &n->places[room - w->rooms].presence.view;

    for (const struct client *c = w->all_clients; c; c = c->all)
        if (c->begins && c->state == CLIENT_IN && c->room == room &&
            slice_eq(c->user, m->id) && !roster_has_info(view, m, c->info))
            world_violation(w, "I3", "node %u doesn't show %.*s in %.*s as he came",
                            n->index, SLICE_ARG(m->id), SLICE_ARG(room->name));
}

static void check_place(struct world *w, const struct node *n, const struct room *room)
{
    const struct place *p = &n->places[room - w->rooms];
    const struct fake_channel *f =
        fake_find(&w->shards[room->shard].fake, SLICE("app"), room->name);

    for (unsigned i = 0; f && i < f->n_members; i++) {
        const struct fake_member *has = &f->members[i];
        const struct member *m = roster_find(&p->presence.view, has->user->text);

        if (!m || !has->info)
            continue; /* the other checks see to that */
        if (!roster_has_info(&p->presence.view, m, has->info->text))
            world_violation(w, "I3", "node %u shows %.*s in %.*s otherwise than Redis",
                            n->index, SLICE_ARG(m->id), SLICE_ARG(room->name));
        check_begun(w, n, room, m);
    }
}

void infos_final(struct world *w)
{
    for (unsigned i = 0; i < w->n_nodes; i++)
        for (unsigned j = 0; j < w->n_rooms; j++)
            if (w->nodes[i]->alive && w->nodes[i]->places[j].life &&
                w->rooms[j].kind == ROOM_PRESENCE)
                check_place(w, w->nodes[i], &w->rooms[j]);
}
