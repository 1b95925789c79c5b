/* Removals that wait are events ready made, found by what they say: application, channel,
 * user and type. They outlive their channel, which may be gone by the time they are due.
 * What comes looks for the removal that it undoes; if it is there, both are forgotten. */
#include "server/home_webhook.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/home_channel.h"
#include "server/worker.h"

/* A removal that waits, in case its user or its subscribers come back. */
struct late {
    struct hmap_node by_what;
    struct list by_due;
    uint64_t due;                /* ms */
    struct webhook_event *event; /* owned; says what */
};

void home_webhooks_init(struct home_webhooks *h, struct webhooks *out, unsigned delay,
                        struct hash_seed seed)
{
    h->out = out;
    h->delay = delay;
    h->seed = seed;
    hmap_init(&h->by_what);
    list_init(&h->by_due);
}

/* Takes it out of the tables; its event is the caller's. */
static struct webhook_event *take(struct home_webhooks *h, struct late *l)
{
    struct webhook_event *e = l->event;

    hmap_remove(&h->by_what, &l->by_what);
    list_remove(&l->by_due);
    free(l);
    return e;
}

static struct late *oldest(struct home_webhooks *h)
{
    return CONTAINER_OF(h->by_due.next, struct late, by_due);
}

void home_webhooks_fini(struct home_webhooks *h)
{
    while (!list_empty(&h->by_due))
        webhook_event_free(take(h, oldest(h)));
    hmap_fini(&h->by_what);
}

/* An event goes out, unless no webhook wants it. */
static void send(struct home_webhooks *h, struct webhook_event *e)
{
    if (webhooks_want(h->out, e->app, e->type, e->channel))
        webhooks_post(h->out, e);
    else
        webhook_event_free(e);
}

void home_webhooks_tick(struct home_webhooks *h, uint64_t now)
{
    while (!list_empty(&h->by_due) && oldest(h)->due <= now)
        send(h, take(h, oldest(h)));
}

static uint64_t hash_of(const struct home_webhooks *h, const struct webhook_event *e)
{
    return hash_bytes(h->seed, e->channel.p, e->channel.n) ^
           hash_bytes(h->seed, e->user_id.p, e->user_id.n) ^
           hash_u64(e->app * 16 + e->type);
}

/* The removal of this channel, or of this user, that waits; NULL if none. */
static struct late *find(struct home_webhooks *h, const struct webhook_event *e)
{
    uint64_t hash = hash_of(h, e);

    for (struct hmap_node *n = hmap_first(&h->by_what, hash); n; n = hmap_next(n, hash)) {
        struct late *l = CONTAINER_OF(n, struct late, by_what);

        if (l->event->app == e->app && l->event->type == e->type &&
            slice_eq(l->event->channel, e->channel) &&
            slice_eq(l->event->user_id, e->user_id))
            return l;
    }
    return NULL;
}

static struct home_webhooks *hooks_of(const struct home_channel *c)
{
    return &c->home->webhooks;
}

static struct webhook_event make(const struct home_channel *c,
                                 enum conf_webhook_event type, struct slice user_id)
{
    return (struct webhook_event){
        .type = type, .app = c->app->index, .channel = c->life.name, .user_id = user_id};
}

struct shared_kind home_webhook_kind(const struct home_channel *c)
{
    const struct webhooks *out = c->home->webhooks.out;
    struct shared_kind kind = {.counted = c->kind != CHANNEL_USER,
                               .fresh = channel_is_cache(c->kind)};
    static const struct {
        enum conf_webhook_event event;
        enum exchange_webhook want;
    } wants[] = {
        {CONF_WEBHOOK_CHANNEL_OCCUPIED, WANT_OCCUPIED},
        {CONF_WEBHOOK_CHANNEL_VACATED, WANT_OCCUPIED},
        {CONF_WEBHOOK_MEMBER_ADDED, WANT_MEMBERS},
        {CONF_WEBHOOK_MEMBER_REMOVED, WANT_MEMBERS},
        {CONF_WEBHOOK_SUBSCRIPTION_COUNT, WANT_TOTALS},
    };

    for (unsigned i = 0; kind.counted && i < sizeof wants / sizeof *wants; i++) {
        if (webhooks_want(out, c->app->index, wants[i].event, c->life.name))
            kind.webhooks |= wants[i].want;
    }
    if (home_counts(c))
        kind.webhooks |= WANT_COUNT;
    else
        kind.webhooks &= ~(unsigned)WANT_TOTALS;
    return kind;
}

/* Users' own channels cause nothing: a sign-in is no channel of the app's. */
static bool concerned(const struct home_channel *c, enum conf_webhook_event comes,
                      enum conf_webhook_event goes)
{
    const struct home_webhooks *h = hooks_of(c);

    return c->kind != CHANNEL_USER &&
           (webhooks_want(h->out, c->app->index, comes, c->life.name) ||
            webhooks_want(h->out, c->app->index, goes, c->life.name));
}

/* Something is here: what said that it had gone, and still waits, is taken back, and then
 * nothing is said at all. */
static void came(struct home_channel *c, enum conf_webhook_event comes,
                 enum conf_webhook_event goes, struct slice user_id)
{
    struct home_webhooks *h = hooks_of(c);
    struct webhook_event gone = make(c, goes, user_id), here = make(c, comes, user_id);
    struct late *l;

    if (c->home->adapter->shared || !concerned(c, comes, goes))
        return;
    l = find(h, &gone);
    if (l)
        webhook_event_free(take(h, l));
    else
        send(h, webhook_event_alloc(&here));
}

static void went(struct home_channel *c, enum conf_webhook_event comes,
                 enum conf_webhook_event goes, struct slice user_id,
                 enum presence_exit how)
{
    struct home_webhooks *h = hooks_of(c);
    struct webhook_event gone = make(c, goes, user_id);
    struct late *l;

    if (c->home->adapter->shared || !concerned(c, comes, goes))
        return;
    if (how == EXIT_CLEAN || !h->delay) {
        send(h, webhook_event_alloc(&gone));
        return;
    }
    l = xcalloc(1, sizeof *l);
    l->event = webhook_event_alloc(&gone);
    l->due = loop_now(c->home->worker->loop) + h->delay;
    hmap_insert(&h->by_what, &l->by_what, hash_of(h, l->event));
    list_append(&h->by_due, &l->by_due);
}

void home_webhook_occupied(struct home_channel *c)
{
    came(c, CONF_WEBHOOK_CHANNEL_OCCUPIED, CONF_WEBHOOK_CHANNEL_VACATED, SLICE_NONE);
}

void home_webhook_vacated(struct home_channel *c, enum presence_exit how)
{
    went(c, CONF_WEBHOOK_CHANNEL_OCCUPIED, CONF_WEBHOOK_CHANNEL_VACATED, SLICE_NONE, how);
}

void home_webhook_member_added(struct home_channel *c, const struct member *m)
{
    came(c, CONF_WEBHOOK_MEMBER_ADDED, CONF_WEBHOOK_MEMBER_REMOVED, m->id);
}

void home_webhook_member_removed(struct home_channel *c, const struct member *m,
                                 enum presence_exit how)
{
    went(c, CONF_WEBHOOK_MEMBER_ADDED, CONF_WEBHOOK_MEMBER_REMOVED, m->id, how);
}

void home_webhook_cache_miss(struct home_channel *c)
{
    struct webhook_event e = make(c, CONF_WEBHOOK_CACHE_MISS, SLICE_NONE);

    if (concerned(c, e.type, e.type))
        send(hooks_of(c), webhook_event_alloc(&e));
}

void home_webhook_count(struct home_channel *c)
{
    struct webhook_event e = make(c, CONF_WEBHOOK_SUBSCRIPTION_COUNT, SLICE_NONE);

    e.count = c->total;
    if (!c->home->adapter->shared && concerned(c, e.type, e.type))
        send(hooks_of(c), webhook_event_alloc(&e));
}
