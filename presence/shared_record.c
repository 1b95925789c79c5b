/* The record of a channel: found by name or number, made, and dropped when neither a
 * life, nor Redis, nor a command under way needs it any more. */
#include <stdlib.h>
#include <string.h>

#include "presence/shared_channel.h"
#include "server/base/hash.h"
#include "server/base/xalloc.h"

enum { LINGER_MS = 2000 }; /* a subscription without a life */

static uint64_t name_hash(const struct shared *s, struct slice app, struct slice name)
{
    return hash_bytes(s->seed, app.p, app.n) * 31 + hash_bytes(s->seed, name.p, name.n);
}

static struct partition *partition_of(struct shared *s, struct slice app,
                                      struct slice name)
{
    uint16_t crc = crc16(app.p, app.n, 0);

    crc = crc16(":", 1, crc);
    return &s->partitions[crc16(name.p, name.n, crc) % PARTITIONS];
}

struct shared_channel *shared_find(struct shared *s, struct slice app, struct slice name)
{
    struct partition *p = partition_of(s, app, name);
    uint64_t hash = name_hash(s, app, name);

    for (struct hmap_node *n = hmap_first(&p->channels, hash); n;
         n = hmap_next(n, hash)) {
        struct shared_channel *c = CONTAINER_OF(n, struct shared_channel, by_name);

        if (slice_eq(c->app, app) && slice_eq(c->name, name))
            return c;
    }
    return NULL;
}

void shared_go_idle(struct shared_channel *c)
{
    c->idle_since = c->shared->now;
    list_append(&c->shared->idle, &c->idle);
}

struct shared_channel *shared_channel_get(struct shared *s, struct slice app,
                                          struct slice name)
{
    struct shared_channel *c = shared_find(s, app, name);

    if (c)
        return c;
    c = xcalloc(1, sizeof *c + app.n + name.n);
    memcpy(c->bytes, app.p, app.n);
    memcpy(c->bytes + app.n, name.p, name.n);
    c->app = (struct slice){c->bytes, app.n};
    c->name = (struct slice){c->bytes + app.n, name.n};
    c->shared = s;
    c->partition = partition_of(s, app, name);
    c->count_hash = (name_hash(s, app, name) & 0xffffffff) | 1;
    list_init(&c->references);
    list_init(&c->dirty);
    list_init(&c->snapshot);
    list_init(&c->idle);
    list_init(&c->rotation);
    list_init(&c->holding);
    list_init(&c->echoes);
    list_init(&c->totals);
    list_init(&c->events);
    hmap_insert(&c->partition->channels, &c->by_name, name_hash(s, app, name));
    c->id = ++s->next_id;
    hmap_insert(&s->by_id, &c->by_id, hash_u64(c->id));
    shared_go_idle(c);
    return c;
}

static void unsubscribe(struct shared_channel *c)
{
    if (c->before)
        c->shared->pipe->unsubscribe(c->shared->context, c);
    c->before = c->asked = c->subscribed = false;
}

void shared_channel_drop(struct shared_channel *c)
{
    if (c->life || c->pins || !list_empty(&c->references) ||
        c->count_state != KNOWN_NOT || !list_empty(&c->dirty) ||
        c->shared->now < c->idle_since + (c->asked ? LINGER_MS : 0))
        return;
    shared_deliver_waiting(c, false);
    unsubscribe(c);
    list_remove(&c->idle);
    list_remove(&c->echoes);
    hmap_remove(&c->partition->channels, &c->by_name);
    hmap_remove(&c->shared->by_id, &c->by_id);
    free(c->origins);
    free(c);
}

struct slice shared_app(const struct shared_channel *c)
{
    return c->app;
}

struct slice shared_name(const struct shared_channel *c)
{
    return c->name;
}

uint64_t shared_life(const struct shared_channel *c)
{
    return c->life;
}

bool shared_is_user(const struct shared_channel *c)
{
    return !c->kind.counted;
}

bool shared_hears_user(const struct shared_channel *c)
{
    return c->hears_user;
}

bool shared_subscribed_before(const struct shared_channel *c)
{
    return c->before;
}

bool shared_opened(const struct shared_channel *c)
{
    return c->opened;
}

uint64_t shared_unconfirmed(const struct shared *s)
{
    return s->unconfirmed;
}

uint64_t shared_nid(const struct shared *s)
{
    return s->nid;
}

uint64_t shared_id(const struct shared_channel *c)
{
    return c->id;
}

struct shared_channel *shared_by_id(struct shared *s, uint64_t id)
{
    uint64_t hash = hash_u64(id);

    for (struct hmap_node *n = hmap_first(&s->by_id, hash); n; n = hmap_next(n, hash)) {
        struct shared_channel *c = CONTAINER_OF(n, struct shared_channel, by_id);

        if (c->id == id)
            return c;
    }
    return NULL;
}

void *shared_owner(const struct shared_channel *c)
{
    return c->owner;
}
