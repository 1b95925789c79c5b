#include "adapters/local_kept.h"

#include <stdlib.h>

#include "server/base/xalloc.h"

void kept_init(struct kept *k, size_t max_bytes)
{
    hmap_init(&k->by_name);
    list_init(&k->by_age);
    k->seed = hash_seed_random();
    k->bytes = 0;
    k->max_bytes = max_bytes;
    k->lost = NULL;
    k->context = NULL;
}

static void drop(struct kept *k, struct kept_event *e)
{
    hmap_remove(&k->by_name, &e->by_name);
    list_remove(&e->by_age);
    k->bytes -= e->bytes;
    frame_release(e->frame);
    free(e);
}

/* Whoever keeps it too, for those who join, must let go of it: the bound holds for both.
 */
static void lose(struct kept *k, struct kept_event *e)
{
    uint64_t channel_id = e->channel_id;

    drop(k, e);
    if (channel_id && k->lost)
        k->lost(k->context, channel_id);
}

static struct kept_event *oldest(struct kept *k)
{
    return CONTAINER_OF(k->by_age.next, struct kept_event, by_age);
}

void kept_fini(struct kept *k)
{
    while (!list_empty(&k->by_age))
        drop(k, oldest(k));
    hmap_fini(&k->by_name);
}

static uint64_t hash_of(const struct kept *k, struct slice app, struct slice name)
{
    return hash_bytes(k->seed, name.p, name.n) ^ hash_bytes(k->seed, app.p, app.n);
}

static struct kept_event *find(struct kept *k, struct slice app, struct slice name,
                               uint64_t hash)
{
    struct hmap_node *n = hmap_first(&k->by_name, hash);

    for (; n; n = hmap_next(n, hash)) {
        struct kept_event *e = CONTAINER_OF(n, struct kept_event, by_name);

        if (slice_eq(e->name, name) && slice_eq(e->app, app))
            return e;
    }
    return NULL;
}

static struct slice copy(char **at, struct slice s)
{
    struct slice copied = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copied;
}

static struct kept_event *make(const struct adapter_channel *c,
                               const struct adapter_event *e, size_t bytes)
{
    struct kept_event *made = xcalloc(1, bytes);
    char *at = made->text;

    made->app = copy(&at, c->app);
    made->name = copy(&at, c->name);
    made->data = copy(&at, e->data);
    made->frame = frame_hold(e->frame);
    made->bytes = bytes + e->frame->len;
    made->channel_id = c->id;
    return made;
}

bool kept_put(struct kept *k, const struct adapter_channel *c,
              const struct adapter_event *e, uint64_t now)
{
    uint64_t hash = hash_of(k, c->app, c->name);
    struct kept_event *old = find(k, c->app, c->name, hash), *made;
    size_t bytes = sizeof *made + c->app.n + c->name.n + e->data.n;

    if (old)
        drop(k, old);
    if (bytes + e->frame->len > k->max_bytes)
        return false;
    made = make(c, e, bytes);
    made->until = now + e->keep * 1000ULL;
    k->bytes += made->bytes;
    hmap_insert(&k->by_name, &made->by_name, hash);
    list_append(&k->by_age, &made->by_age);
    while (k->bytes > k->max_bytes)
        lose(k, oldest(k));
    kept_expire(k, now);
    return true;
}

const struct kept_event *kept_get(struct kept *k, struct slice app, struct slice name,
                                  uint64_t now)
{
    struct kept_event *e = find(k, app, name, hash_of(k, app, name));

    if (e && e->until <= now) {
        lose(k, e);
        e = NULL;
    }
    return e;
}

void kept_set_life(struct kept *k, const struct adapter_channel *c, uint64_t id)
{
    struct kept_event *e = find(k, c->app, c->name, hash_of(k, c->app, c->name));

    if (e)
        e->channel_id = id;
}

void kept_expire(struct kept *k, uint64_t now)
{
    while (!list_empty(&k->by_age) && oldest(k)->until <= now)
        lose(k, oldest(k));
}
