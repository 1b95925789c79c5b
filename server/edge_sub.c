#include "server/edge_sub.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/worker.h"

static uint64_t name_hash(const struct edge *e, const struct conn *c, struct slice name)
{
    return hash_bytes(e->seed, name.p, name.n) ^ hash_u64((uint64_t)(uintptr_t)c);
}

struct edge_sub *edge_sub_find(struct edge *e, const struct conn *c, struct slice name)
{
    uint64_t hash = name_hash(e, c, name);

    for (struct hmap_node *n = hmap_first(&e->names, hash); n; n = hmap_next(n, hash)) {
        struct edge_sub *s = CONTAINER_OF(n, struct edge_sub, by_name);

        if (s->conn == c && slice_eq(s->name, name))
            return s;
    }
    return NULL;
}

struct edge_sub *edge_sub_by_id(struct edge *e, uint64_t id)
{
    struct hmap_node *n = hmap_first(&e->subs, hash_u64(id));

    for (; n; n = hmap_next(n, hash_u64(id))) {
        struct edge_sub *s = CONTAINER_OF(n, struct edge_sub, by_id);

        if (s->id == id)
            return s;
    }
    return NULL;
}

struct edge_sub *edge_sub_add(struct edge *e, struct conn *c, enum channel_kind kind,
                              struct slice name, struct slice user_id, bool asked)
{
    struct edge_sub *s = xcalloc(1, sizeof *s + name.n + user_id.n);

    memcpy(s->bytes, name.p, name.n);
    s->name = (struct slice){s->bytes, name.n};
    if (user_id.n)
        memcpy(s->bytes + name.n, user_id.p, user_id.n);
    s->user_id = (struct slice){s->bytes + name.n, user_id.n};
    s->conn = c;
    s->kind = kind;
    s->home = home_of(c->app->id, name, e->worker->home.n_workers);
    s->id = ++e->next_sub_id;
    list_append(&c->subs, &s->of_conn);
    edge_sub_set_asked(s, asked);
    hmap_insert(&e->subs, &s->by_id, hash_u64(s->id));
    hmap_insert(&e->names, &s->by_name, name_hash(e, c, name));
    return s;
}

void edge_sub_set_asked(struct edge_sub *s, bool asked)
{
    if (s->asked != asked)
        s->conn->n_subs += asked ? 1u : -1u;
    s->asked = asked;
}

struct edge_channel *edge_channel_find(struct edge *e, uint64_t id)
{
    struct hmap_node *n = hmap_first(&e->channels, hash_u64(id));

    for (; n; n = hmap_next(n, hash_u64(id))) {
        struct edge_channel *c = CONTAINER_OF(n, struct edge_channel, by_id);

        if (c->id == id)
            return c;
    }
    return NULL;
}

static struct edge_channel *channel_get(struct edge *e, uint64_t id)
{
    struct edge_channel *c = edge_channel_find(e, id);

    if (c)
        return c;
    c = xcalloc(1, sizeof *c);
    c->id = id;
    hmap_insert(&e->channels, &c->by_id, hash_u64(id));
    return c;
}

void edge_sub_join(struct edge *e, struct edge_sub *s, uint64_t channel_id)
{
    struct edge_channel *c = channel_get(e, channel_id);

    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 4;
        c->subs = xrealloc(c->subs, c->cap * sizeof(struct edge_sub *));
    }
    s->channel = c;
    s->place = c->n;
    c->subs[c->n++] = s;
}

static void channel_leave(struct edge *e, struct edge_sub *s)
{
    struct edge_channel *c = s->channel;
    struct edge_sub *last = c->subs[--c->n];

    c->subs[s->place] = last;
    last->place = s->place;
    if (c->n)
        return;
    hmap_remove(&e->channels, &c->by_id);
    free(c->subs);
    free(c);
}

void edge_sub_remove(struct edge *e, struct edge_sub *s)
{
    if (s->channel)
        channel_leave(e, s);
    hmap_remove(&e->subs, &s->by_id);
    hmap_remove(&e->names, &s->by_name);
    list_remove(&s->of_conn);
    edge_sub_set_asked(s, false);
    free(s);
}

void edge_sub_leave(struct edge *e, struct edge_sub *s, enum presence_exit how)
{
    /* A node that stops leaves nothing: its users are on their way to come back
     * (PRESENCE.md, rule 10), and who is still connected here is about to be told 4200 as
     * well. */
    if (!e->draining) {
        struct msg_unsubscribe *m = letter_alloc(LETTER_UNSUBSCRIBE, sizeof *m);

        m->edge = e->worker->index;
        m->sub_id = s->id;
        m->how = how;
        edge_post_home(s->conn, s->home, &m->msg);
    }
    edge_sub_remove(e, s);
}
