/* A channel at its home: found or made, delivered to, dropped. One channel has one life,
 * from its first subscription to its last (or to the end of the last member's grace); its
 * id is of that life, so that whatever is still under way for an earlier one finds
 * nothing. */
#include "server/home_channel.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/worker.h"

static uint64_t name_hash(const struct home *h, const struct app *app, struct slice name)
{
    return hash_bytes(h->seed, name.p, name.n) ^ hash_u64(app->index);
}

static struct home_channel *find_by_hash(struct home *h, const struct app *app,
                                         struct slice name, uint64_t hash)
{
    struct hmap_node *n = hmap_first(&h->channels_by_name, hash);

    for (; n; n = hmap_next(n, hash)) {
        struct home_channel *c = CONTAINER_OF(n, struct home_channel, by_name);

        if (c->app == app && slice_eq(c->life.name, name))
            return c;
    }
    return NULL;
}

struct home_channel *home_channel_find(struct home *h, const struct app *app,
                                       struct slice name)
{
    return find_by_hash(h, app, name, name_hash(h, app, name));
}

struct home_channel *home_channel_by_id(struct home *h, uint64_t id)
{
    struct hmap_node *n = hmap_first(&h->channels_by_id, hash_u64(id));

    for (; n; n = hmap_next(n, hash_u64(id))) {
        struct home_channel *c = CONTAINER_OF(n, struct home_channel, by_id);

        if (c->life.id == id)
            return c;
    }
    return NULL;
}

struct home_channel *home_channel_get(struct home *h, const struct app *app,
                                      enum channel_kind kind, struct slice name)
{
    uint64_t hash = name_hash(h, app, name);
    struct home_channel *c = find_by_hash(h, app, name, hash);

    if (c)
        return c;
    c = xcalloc(1, sizeof *c);
    c->home = h;
    c->app = app;
    c->kind = kind;
    list_init(&c->waiting);
    list_init(&c->joining);
    list_init(&c->admitting);
    list_init(&c->watchers);
    list_init(&c->grace);
    list_init(&c->counts);
    c->per_edge = xcalloc(h->n_workers, sizeof *c->per_edge);
    c->life.id = ++h->next_id;
    c->life.home = h->worker->index;
    c->life.app = app->id;
    c->life.name = (struct slice){xmemdup0(name.p, name.n), name.n};
    if (channel_is_presence(kind) || kind == CHANNEL_USER)
        c->presence = home_presence_alloc(c);
    c->life.presence = c->presence;
    c->life.user = kind == CHANNEL_USER;
    c->life.keeps = channel_is_cache(kind);
    c->life.kind = home_webhook_kind(c);
    hmap_insert(&h->channels_by_name, &c->by_name, hash);
    hmap_insert(&h->channels_by_id, &c->by_id, hash_u64(c->life.id));
    c->busy = true; /* whatever the adapter says from within */
    adapter_open(h->adapter, &c->life);
    c->busy = false;
    return c;
}

void home_channel_free(struct home_channel *c)
{
    if (c->presence)
        presence_fini(c->presence);
    free(c->presence);
    if (c->succeeded)
        frame_release(c->succeeded);
    if (c->kept)
        frame_release(c->kept);
    free((void *)(uintptr_t)c->life.name.p);
    free(c->per_edge);
    free(c);
}

void home_channel_drop_if_idle(struct home_channel *c)
{
    struct home *h = c->home;

    if (c->n_subs || c->busy || (c->presence && !presence_idle(c->presence)))
        return;
    if (c->presence && c->kind != CHANNEL_USER) /* whom other nodes still hold */
        stat_add(&h->worker->stats, members_removed, c->presence->view.n);
    adapter_close(h->adapter, &c->life, c->leaving == EXIT_UNCLEAN);
    hmap_remove(&h->channels_by_name, &c->by_name);
    hmap_remove(&h->channels_by_id, &c->by_id);
    list_remove(&c->joining);
    list_remove(&c->grace);
    list_remove(&c->counts);
    home_channel_free(c);
}

void home_channel_occupied(struct home_channel *c)
{
    if (c->occupied)
        return;
    c->occupied = true;
    home_webhook_occupied(c);
}

void home_channel_keep(struct home_channel *c, struct frame *f, uint64_t until)
{
    if (c->kept)
        frame_release(c->kept);
    c->kept = f ? frame_hold(f) : NULL;
    c->kept_until = until;
}

void home_channel_terminate(struct home_channel *c)
{
    struct worker *w = c->home->worker;

    for (unsigned edge = 0; edge < c->home->n_workers; edge++) {
        struct msg_terminate *m;

        if (!c->per_edge[edge])
            continue;
        m = letter_alloc(LETTER_TERMINATE, sizeof *m);
        m->channel_id = c->life.id;
        worker_post(w, worker_peer(w, edge), &m->msg);
    }
}

void home_channel_deliver(struct home_channel *c, struct frame *f,
                          struct socket_id except)
{
    struct worker *w = c->home->worker;

    for (unsigned edge = 0; edge < c->home->n_workers; edge++) {
        struct msg_deliver *m;

        if (!c->per_edge[edge])
            continue;
        m = letter_alloc(LETTER_DELIVER, sizeof *m);
        m->channel_id = c->life.id;
        m->frame = frame_hold(f);
        m->except = except;
        worker_post(w, worker_peer(w, edge), &m->msg);
    }
}
