#include "server/home_watch.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/home_channel.h"
#include "server/worker.h"

struct spectator {
    struct hmap_node by_id;
    struct list of_channel;
    struct home_channel *channel;
    unsigned edge;
    uint64_t watch_id;
};

static uint64_t hash_of(unsigned edge, uint64_t watch_id)
{
    return hash_u64(watch_id * 64 + edge);
}

static void tell(const struct spectator *s, bool online)
{
    struct worker *w = s->channel->home->worker;
    struct msg_online *m = letter_alloc(LETTER_ONLINE, sizeof *m);

    m->watch_id = s->watch_id;
    m->online = online;
    worker_post(w, worker_peer(w, s->edge), &m->msg);
}

void home_watch(struct home *h, const struct msg_watch *m)
{
    struct home_channel *c = home_channel_get(h, m->app, CHANNEL_USER, m->channel);
    struct spectator *s = xcalloc(1, sizeof *s);

    s->channel = c;
    s->edge = m->edge;
    s->watch_id = m->watch_id;
    c->n_subs++; /* the channel lives as long as somebody watches */
    list_append(&c->watchers, &s->of_channel);
    hmap_insert(&h->watches, &s->by_id, hash_of(s->edge, s->watch_id));
    if (c->presence->known)
        tell(s, !presence_empty(c->presence));
}

static void end(struct home *h, struct spectator *s)
{
    hmap_remove(&h->watches, &s->by_id);
    list_remove(&s->of_channel);
    s->channel->n_subs--;
    home_channel_drop_if_idle(s->channel);
    free(s);
}

void home_unwatch(struct home *h, const struct msg_unwatch *m)
{
    uint64_t hash = hash_of(m->edge, m->watch_id);

    for (struct hmap_node *n = hmap_first(&h->watches, hash); n; n = hmap_next(n, hash)) {
        struct spectator *s = CONTAINER_OF(n, struct spectator, by_id);

        if (s->edge == m->edge && s->watch_id == m->watch_id) {
            end(h, s);
            return;
        }
    }
}

void home_watch_tell(struct home_channel *c, bool online)
{
    for (struct list *at = c->watchers.next; at != &c->watchers; at = at->next)
        tell(CONTAINER_OF(at, struct spectator, of_channel), online);
}

static void free_one(struct hmap_node *node, void *context)
{
    (void)context;
    free(CONTAINER_OF(node, struct spectator, by_id));
}

void home_watches_fini(struct home *h)
{
    hmap_each(&h->watches, free_one, NULL);
    hmap_fini(&h->watches);
}
