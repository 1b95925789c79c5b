/* muster-load resubscribe: a node whose links to Redis are cut while its clients hold
 * very many channels, and what they and newcomers see of it.
 *
 * The swarm has --clients holders, then NEWCOMERS connections, one of which subscribes to
 * a channel that is new every few ms: that takes the node's link thread several turns
 * (SUBSCRIBE, its confirmation, the count), so nothing stalls it for longer than the
 * longest of them waits. Channels are there again once Redis has as many subscribed as
 * before. In the end each holder sends an event on a channel that it shares with the next
 * one: it is delivered when it comes back from Redis. */
#ifndef MUSTER_LOAD_RESUBSCRIBE_H
#define MUSTER_LOAD_RESUBSCRIBE_H

#include <inttypes.h>

#include "test/load/latency.h"
#include "test/load/pusher.h"
#include "test/load/redis_talk.h"

enum { NEWCOMERS = 64, NEWCOMERS_AT_REST = 60, NEWCOMER_MS = 5 };

struct resubscribe {
    const struct options *o;
    struct swarm swarm;
    struct redis_talk redis;
    unsigned subscribed, heard;
    unsigned asked, let_in;       /* newcomers */
    uint64_t asked_at[NEWCOMERS]; /* ns; 0: doesn't wait */
    struct latency waits;
    uint64_t longest; /* of them; ns */
};

struct resubscribe_cost {
    struct usage first, again;
    uint64_t link; /* CPU of the node's link thread while they are subscribed again; ns */
    double rest_p50, rest_p99; /* us */
};

static inline const char *many_channel(unsigned i, char out[40])
{
    snprintf(out, 40, "private-many-%u", i);
    return out;
}

static inline unsigned many_each(const struct resubscribe *r)
{
    return r->o->channels / r->o->clients;
}

static inline void resubscribe_text(void *context, unsigned index, struct slice text,
                                    uint64_t read_at)
{
    struct resubscribe *r = context;
    struct slice event = json_member(text, "event");

    if (json_is(event, "client-ring")) {
        r->heard++;
    } else if (!json_is(event, "pusher_internal:subscription_succeeded")) {
        swarm_fail(&r->swarm, "connection %u was sent: %.*s", index, SLICE_ARG(text));
    } else if (index < r->o->clients) {
        r->subscribed++;
    } else {
        uint64_t *asked_at = &r->asked_at[index - r->o->clients];
        uint64_t waited = read_at - *asked_at;

        *asked_at = 0;
        latency_add(&r->waits, waited);
        r->longest = waited > r->longest ? waited : r->longest;
        r->let_in++;
    }
}

static inline void newcomer_timer(void *context, uint64_t times)
{
    struct resubscribe *r = context;
    unsigned place = r->asked % NEWCOMERS;
    char channel[40];

    (void)times;
    if (r->asked_at[place])
        return;
    snprintf(channel, sizeof channel, "private-new-%u", r->asked++);
    r->asked_at[place] = now_ns();
    pusher_subscribe(&r->swarm, r->o->clients + place, channel, NULL);
}

static inline bool newcomers_are_in(void *context)
{
    const struct resubscribe *r = context;

    return r->let_in == r->asked;
}

static inline void newcomers_begin(struct resubscribe *r)
{
    memset(&r->waits, 0, sizeof r->waits);
    r->longest = 0;
    swarm_timer(&r->swarm, NEWCOMER_MS * NS_PER_MS);
}

static inline bool newcomers_end(struct resubscribe *r)
{
    swarm_timer(&r->swarm, 0);
    return swarm_until(&r->swarm, newcomers_are_in, 10, "a newcomer waits");
}

static inline bool many_subscribed(void *context)
{
    const struct resubscribe *r = context;

    return r->subscribed == r->o->channels + r->o->clients;
}

/* Its own channels, and the next one's first. */
static inline bool resubscribe_hold(struct resubscribe *r, struct resubscribe_cost *cost)
{
    unsigned each = many_each(r), n = r->o->clients;
    char channel[40];
    bool ok;

    cost->first = usage_start(r->o->pids);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < each; k++)
            pusher_subscribe(&r->swarm, i, many_channel(i * each + k, channel), NULL);
        pusher_subscribe(&r->swarm, i, many_channel((i + 1) % n * each, channel), NULL);
    }
    ok = swarm_until(&r->swarm, many_subscribed, r->o->timeout, "subscribing");
    cost->first = usage_since(&cost->first);
    return ok;
}

static inline bool resubscribe_rest(struct resubscribe *r, struct resubscribe_cost *cost)
{
    bool ok;

    newcomers_begin(r);
    ok = swarm_for(&r->swarm, NEWCOMERS_AT_REST * NEWCOMER_MS) && newcomers_end(r);
    cost->rest_p50 = latency_us(&r->waits, 50);
    cost->rest_p99 = latency_us(&r->waits, 99);
    return ok;
}

static inline long redis_channels(struct resubscribe *r)
{
    long n;

    while ((n = redis_talk_channels(&r->redis)) < 0 && swarm_turn(&r->swarm, 1))
        ;
    return n;
}

/* The links are cut; until Redis has as many channels subscribed again, and those of the
 * newcomers besides. */
static inline bool resubscribe_cut(struct resubscribe *r, struct resubscribe_cost *cost)
{
    long due = redis_channels(r) - (long)r->let_in, there = 0;

    newcomers_begin(r);
    cost->link = thread_cpu_ns(r->o->pids.servers[0], "redis");
    cost->again = usage_start(r->o->pids);
    if (!redis_talk_tell(&r->redis, "CLIENT KILL TYPE pubsub\r\n"))
        swarm_fail(&r->swarm, "Redis doesn't cut the links");
    r->redis.n = 0;
    while (there < due + (long)r->let_in && swarm_turn(&r->swarm, 1)) {
        long now = redis_talk_channels(&r->redis);

        there = now >= 0 ? now : there;
        if (now_ns() > r->swarm.deadline)
            swarm_fail(&r->swarm, "out of time: %ld of %ld channels are back", there,
                       due);
    }
    cost->again = usage_since(&cost->again);
    cost->link = thread_cpu_ns(r->o->pids.servers[0], "redis") - cost->link;
    return newcomers_end(r);
}

static inline bool resubscribe_all_heard(void *context)
{
    const struct resubscribe *r = context;

    return r->heard == r->o->clients;
}

static inline bool resubscribe_ring(struct resubscribe *r)
{
    unsigned each = many_each(r), n = r->o->clients;
    char channel[40], text[128];

    for (unsigned i = 0; i < n; i++) {
        int size = snprintf(text, sizeof text,
                            "{\"event\":\"client-ring\",\"channel\":\"%s\",\"data\":1}",
                            many_channel((i + 1) % n * each, channel));

        swarm_send(&r->swarm, i, (struct slice){text, (size_t)size});
    }
    return swarm_until(&r->swarm, resubscribe_all_heard, 5,
                       "an event after the cut hasn't come") &&
           swarm_for(&r->swarm, 100);
}

static inline void resubscribe_report(const struct resubscribe *r,
                                      const struct resubscribe_cost *c)
{
    double n = (double)r->o->channels * 1e3;

    printf("resubscribe channels=%u first_ms=%.0f first_server_cpu_us_per_channel=%.2f"
           " first_redis_cpu_us_per_channel=%.2f again_ms=%.0f"
           " again_server_cpu_us_per_channel=%.2f again_redis_cpu_us_per_channel=%.2f"
           " link_thread_ms=%.1f newcomers=%" PRIu64
           " newcomer_p50_us=%.0f newcomer_p99_us=%.0f"
           " newcomer_max_ms=%.1f rest_p50_us=%.0f rest_p99_us=%.0f heard=%u heard_due=%u"
           " others_percent=%.0f\n",
           r->o->channels, (double)c->first.wall / 1e6, (double)c->first.peer_cpu / n,
           (double)c->first.redis_cpu / n, (double)c->again.wall / 1e6,
           (double)c->again.peer_cpu / n, (double)c->again.redis_cpu / n,
           (double)c->link / 1e6, r->waits.n, latency_us(&r->waits, 50),
           latency_us(&r->waits, 99), (double)r->longest / 1e6, c->rest_p50, c->rest_p99,
           r->heard, r->o->clients, usage_others_percent(&c->again));
}

static inline bool resubscribe_measure(struct resubscribe *r)
{
    struct resubscribe_cost cost = {0};
    bool ok = resubscribe_hold(r, &cost) && resubscribe_rest(r, &cost) &&
              resubscribe_cut(r, &cost) && resubscribe_ring(r);

    resubscribe_report(r, &cost);
    return ok && !r->swarm.failure[0];
}

static inline bool resubscribe_run(const struct options *o)
{
    static const struct swarm_owner owner = {resubscribe_text, newcomer_timer};
    struct resubscribe r = {.o = o};
    unsigned n = o->clients + NEWCOMERS;
    bool ok;

    swarm_init(&r.swarm, o, n, &owner, &r);
    if (o->channels < o->clients || o->channels % o->clients)
        swarm_fail(&r.swarm, "--clients must divide --channels");
    if (!o->redis || !redis_talk_open(&r.redis, o->redis))
        swarm_fail(&r.swarm, "no Redis at --redis %s", o->redis ? o->redis : "");
    ok = !r.swarm.failure[0] && swarm_open(&r.swarm, 0, n, 0) && resubscribe_measure(&r);
    if (r.swarm.failure[0])
        fprintf(stderr, "muster-load: resubscribe: %s\n", r.swarm.failure);
    close(r.redis.fd);
    swarm_fini(&r.swarm);
    return ok;
}

#endif
