/* What is true of users, from what the clients themselves did.
 *
 * A removal is false where the user has a member who is in, and nothing excuses it: not
 * the last moments (what happened before he came may still be on its way), not a fault of
 * Redis during which he came, not a node that the scenario has taken away. Who lost his
 * server and is back within RETURN has never been away. */
#include "test/chaos/crowd.h"
#include "test/chaos/watch.h"

enum { IN_FLIGHT_S = 3 };

/* A node that was stopped tells its clients first what has happened in the meantime. */
static bool surely_in(const struct member *m, const struct member *seer)
{
    const struct crowd *c = m->crowd;
    uint64_t known = c->away[seer->node] ? c->away_at[seer->node] : c->now;

    return m->state == MEMBER_IN && !m->young && !c->away[m->node] &&
           m->held + IN_FLIGHT_S * WATCH_SECOND < known;
}

void truth_removed(struct member *seer, struct user *user)
{
    struct tally *t = &seer->crowd->tally;
    bool away = false;

    for (unsigned i = 0; i < user->n; i++) {
        const struct member *m = user->members[i];

        if (surely_in(m, seer)) {
            t->false_removals++;
            crowd_complain(seer, "I7", "removed, but he is in", user->id);
            return;
        }
        away = away || (m->state == MEMBER_IN && seer->crowd->away[m->node]);
    }
    t->told_away += away;
}

static bool between(const struct member *m)
{
    return m->state == MEMBER_CONNECTING || m->state == MEMBER_JOINING ||
           m->state == MEMBER_LEAVING ||
           (m->state == MEMBER_OUT && (m->due || !m->churns));
}

static void compare_view(const struct member *m, unsigned present, struct difference *d)
{
    unsigned ghosts = 0;

    for (unsigned i = 0; i < m->check.n_view; i++)
        ghosts += crowd_viewed(m->check.view[i])->in == 0;
    d->ghosts += ghosts;
    d->lacking += present - (m->check.n_view - ghosts);
    if (!d->first && (ghosts || present != m->check.n_view))
        d->first = m;
}

struct difference truth_difference(const struct crowd *c)
{
    struct difference d = {0};

    for (unsigned r = 0; r < c->n_rooms; r++) {
        const struct room *room = &c->rooms[r];
        unsigned present = 0;

        for (unsigned k = 0; k < c->users; k++)
            present += room->users[k].in > 0;
        for (unsigned k = 0; k < c->per_room; k++) {
            const struct member *m = &c->members[room->first + k];

            d.waiting += between(m);
            if (m->state == MEMBER_IN)
                compare_view(m, present, &d);
        }
    }
    return d;
}

void truth_settled(struct crowd *c)
{
    for (unsigned i = 0; i < c->n; i++)
        c->members[i].young = false;
}
