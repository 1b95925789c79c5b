#include "test/chaos/crowd.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "test/sim/memory.h"

enum { SHOWN_MAX = 40 };

static void classify(struct member *m, const char *rule, const char *what)
{
    struct tally *t = &m->crowd->tally;

    if (strcmp(rule, "I2") == 0 || strcmp(what, "an event twice") == 0)
        t->doubled++;
    else if (strcmp(rule, "I4") == 0)
        t->order++;
    else
        t->malformed++;
}

static void violation(void *context, const char *rule, const char *what,
                      struct slice user)
{
    classify(context, rule, what);
    crowd_complain(context, rule, what, user);
}

void crowd_complain(struct member *m, const char *rule, const char *what,
                    struct slice user)
{
    struct crowd *c = m->crowd;

    if (c->mute || c->shown++ >= SHOWN_MAX)
        return;
    fprintf(stderr,
            "muster-chaos: %s: %s: %.*s; told to client %u (%.*s in %.*s, node %u) at "
            "%.3f\n",
            rule, what, SLICE_ARG(user), m->index, SLICE_ARG(m->user->id),
            SLICE_ARG(m->room->name), m->node, (double)c->now / 1e9);
}

static void user_init(struct user *u, unsigned room, unsigned k)
{
    snprintf(u->text, sizeof u->text, "u%u.%u", room, k);
    u->id = slice_of(u->text);
}

static void member_init(struct member *m, struct crowd *c, unsigned index,
                        const struct geometry *g)
{
    unsigned k = index % c->per_room, user = k % c->users;
    unsigned stays; /* so many before it don't churn */

    *m = (struct member){
        .crowd = c, .index = index, .room = &c->rooms[index / c->per_room]};
    m->user = &m->room->users[user];
    m->user->members[m->user->n++] = m;
    m->churns = k >= c->users || k * g->churn % 100 < g->churn;
    stays = k - (k * g->churn + 99) / 100;
    m->publishes = !m->churns && stays * g->publish % 100 < g->publish;
    m->report = (struct check_report){violation, m};
}

void crowd_init(struct crowd *c, const struct geometry *g)
{
    *c = (struct crowd){.per_room = g->per_room, .users = g->per_room - g->twins};
    c->n_rooms = (g->clients + g->per_room - 1) / g->per_room;
    c->n = c->n_rooms * g->per_room;
    c->rooms = xcalloc(c->n_rooms, sizeof *c->rooms);
    c->all_users = xcalloc((size_t)c->n_rooms * c->users, sizeof *c->all_users);
    c->members = xcalloc(c->n, sizeof *c->members);
    c->ids = xcalloc(c->users + 1, sizeof *c->ids);
    for (unsigned r = 0; r < c->n_rooms; r++) {
        struct room *room = &c->rooms[r];

        room->crowd = c;
        snprintf(room->text, sizeof room->text, "%s%u", g->prefix, r);
        room->name = slice_of(room->text);
        room->first = r * c->per_room;
        room->users = &c->all_users[(size_t)r * c->users];
        for (unsigned k = 0; k < c->users; k++)
            user_init(&room->users[k], r, k);
    }
    for (unsigned i = 0; i < c->n; i++)
        member_init(&c->members[i], c, i, g);
}

void crowd_fini(struct crowd *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        check_fini(&c->members[i].check);
        free(c->members[i].heard);
    }
    for (unsigned r = 0; r < c->n_rooms; r++) {
        for (unsigned i = 0; i < c->rooms[r].n_past; i++)
            check_fini(&c->rooms[r].past[i].check);
        free(c->rooms[r].past);
    }
    free(c->members);
    free(c->rooms);
    free(c->all_users);
    free(c->owners);
    free(c->scratch);
    free(c->ids);
}

struct user *crowd_user(const struct room *r, struct slice name)
{
    const char *p = memchr(name.p ? name.p : "", '.', name.n);
    size_t k = 0;

    if (!p || name.n >= USER_NAME_MAX)
        return NULL;
    for (p++; p < name.p + name.n && *p >= '0' && *p <= '9'; p++)
        k = k * 10 + (size_t)(*p - '0');
    return k < r->crowd->users && slice_eq(r->users[k].id, name) ? &r->users[k] : NULL;
}

struct user *crowd_viewed(struct slice id)
{
    return (struct user *)(size_t)(id.p - offsetof(struct user, text));
}

void crowd_publisher(struct member *m)
{
    struct crowd *c = m->crowd;

    c->owners = grown(c->owners, c->publishers, &c->owners_room, sizeof *c->owners);
    c->owners[c->publishers++] = m->index;
    m->publisher = c->publishers;
    m->sent = 0;
}
