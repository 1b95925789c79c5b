/* The verbs of the adapter, each handed to the seat of the channel's home. */
#include "adapters/redis.h"

#include <stdlib.h>
#include <time.h>

#include "adapters/redis_seat.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"

enum {
    AWAIT_MS = 10000, /* for Redis, at the start, where it is required */
    LOOK_MS = 100,    /* of that, between two looks whether to go on */
    BYE_MS = 1000,    /* for its answer to the last heartbeat */
    END_MS = 1000,    /* and to what is done of webhooks */
};

static struct redis *redis_of(struct adapter *a)
{
    return (struct redis *)a;
}

static struct seat *seat_of(struct adapter *a, unsigned home)
{
    return &redis_of(a)->seats[home];
}

static void attach(struct adapter *a, unsigned home, const struct adapter_sink *sink,
                   void *context)
{
    seat_of(a, home)->sink = sink;
    seat_of(a, home)->context = context;
}

static bool given_up(const struct redis *r)
{
    return r->conf.given_up && r->conf.given_up(r->conf.context);
}

/* ERR_SYSTEM without a word: the start was given up. */
static enum err await_redis(struct redis *r)
{
    enum err err = ERR_SYSTEM;
    const char *why = "";

    for (unsigned ms = 0; ms < AWAIT_MS && err == ERR_SYSTEM; ms += LOOK_MS) {
        if (given_up(r))
            return ERR_SYSTEM;
        err = redis_link_await(r->link, LOOK_MS, &why);
    }
    if (err)
        log_error(
            "redis.required", "error=%s hint=%s", why,
            "adapter.redis.required: false starts without Redis, and goes on trying");
    return err;
}

static enum err start(struct adapter *a)
{
    struct redis *r = redis_of(a);
    enum err err = redis_link_start(r->link);

    if (err)
        return err;
    r->started = true;
    return r->conf.required ? await_redis(r) : ERR_NONE;
}

static void bye(struct adapter *a)
{
    atomic_store(&redis_of(a)->leaving, true);
    redis_link_tick(redis_of(a)->link);
}

/* Until Redis has said something; not longer than that, nor where it can't. */
static void await(struct redis *r, const _Atomic bool *said, unsigned ms)
{
    const struct timespec moment = {0, 5000000};

    for (unsigned i = 0; i < ms / 5; i++) {
        if (atomic_load(said) || !atomic_load(&r->heard))
            return;
        nanosleep(&moment, NULL);
    }
}

/* What was delivered in the last moments must be said, or another node would send it
 * again; and what wasn't is at once another one's. */
static void end_webhooks(struct redis *r)
{
    atomic_store(&r->webhooks_end, true);
    redis_link_tick(r->link);
    await(r, &r->webhooks_left, END_MS);
}

static void stop(struct adapter *a)
{
    struct redis *r = redis_of(a);

    /* Who has said that it goes is given more time for its users to come back elsewhere
     * (rule 10): it mustn't go before that is heard, where it can be. */
    if (r->started && atomic_load(&r->leaving))
        await(r, &r->left, BYE_MS);
    if (r->started && r->conf.webhook)
        end_webhooks(r);
    if (r->started)
        redis_link_stop(r->link);
    r->started = false;
}

static void open_channel(struct adapter *a, struct adapter_channel *c)
{
    seat_open(seat_of(a, c->home), c);
}

static void close_channel(struct adapter *a, struct adapter_channel *c, bool unclean)
{
    seat_close(seat_of(a, c->home), c, unclean);
}

static void count(struct adapter *a, struct adapter_channel *c, unsigned n, bool unclean)
{
    (void)a;
    shared_count(c->shared, n, unclean);
}

static void publish(struct adapter *a, const struct adapter_channel *c,
                    const struct adapter_event *e)
{
    seat_publish(seat_of(a, c->home), c, e);
}

static unsigned lookup(struct adapter *a, const struct lookup_query *q)
{
    return redis_lookup_ask(redis_of(a), q);
}

/* What cache channels keep is Redis's. */
static void cached(struct adapter *a, unsigned home, struct adapter_cached *c)
{
    (void)a, (void)home;
    *c = (struct adapter_cached){0, 0};
}

static void turn_ends(struct adapter *a, unsigned home)
{
    shared_turn_ends(seat_of(a, home)->shared);
}

static void tick(struct adapter *a, unsigned home, uint64_t now)
{
    struct seat *s = seat_of(a, home);

    shared_tick(s->shared, now);
    atomic_store_explicit(&s->unconfirmed, shared_unconfirmed(s->shared),
                          memory_order_relaxed);
}

static enum adapter_state state(struct adapter *a)
{
    return atomic_load_explicit(&redis_of(a)->heard, memory_order_relaxed)
               ? ADAPTER_UP
               : ADAPTER_SILENT;
}

static void figures(struct adapter *a, struct adapter_figures *f)
{
    struct redis *r = redis_of(a);
    struct redis_link_figures link;

    redis_link_figures(r->link, &link);
    *f = (struct adapter_figures){
        .commands = link.commands,
        .messages = link.messages,
        .reconnects = link.reconnects,
        .renames = atomic_load_explicit(&r->renames, memory_order_relaxed),
        .unconfirmed = atomic_load_explicit(&r->unheard, memory_order_relaxed)};
    for (unsigned i = 0; i < r->conf.homes; i++)
        f->unconfirmed +=
            atomic_load_explicit(&r->seats[i].unconfirmed, memory_order_relaxed);
}

static void redis_free(struct adapter *a)
{
    struct redis *r = redis_of(a);

    stop(a);
    for (unsigned i = 0; i < r->conf.homes; i++)
        seat_fini(&r->seats[i]);
    redis_link_free(r->link);
    redis_webhooker_free(r->webhooks);
    liveness_free(r->liveness);
    free(r);
}

struct adapter *redis_adapter_alloc(const struct redis_adapter_conf *conf)
{
    static const struct adapter_ops ops = {
        .name = "redis",
        .attach = attach,
        .start = start,
        .bye = bye,
        .stop = stop,
        .open = open_channel,
        .close = close_channel,
        .count = count,
        .publish = publish,
        .lookup = lookup,
        .cached = cached,
        .turn_ends = turn_ends,
        .tick = tick,
        .state = state,
        .figures = figures,
        .free = redis_free,
    };
    struct redis *r = xcalloc(1, sizeof *r + conf->homes * sizeof r->seats[0]);

    r->base.ops = &ops;
    r->base.shared = true;
    r->conf = *conf;
    redis_keys_init(&r->keys, conf->prefix, conf->link.db);
    r->link = redis_link_alloc(&r->conf.link, &r->keys, &redis_node_sink, r);
    for (unsigned i = 0; i < conf->homes; i++)
        seat_init(&r->seats[i], r, i);
    redis_node_init(r);
    r->webhooks = redis_webhooker_alloc(r);
    return &r->base;
}
