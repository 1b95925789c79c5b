/* muster-load idle: opens many connections, holds them, and tells what each costs the
 * server: the CPU to accept and establish it (TCP, HTTP upgrade, connection_established)
 * and the memory that it stays resident with. */
#ifndef MUSTER_LOAD_IDLE_H
#define MUSTER_LOAD_IDLE_H

#include <inttypes.h>

#include "test/load/swarm.h"

static inline void idle_text(void *context, unsigned index, struct slice text,
                             uint64_t read_at)
{
    (void)read_at;
    swarm_fail(context, "connection %u, though idle, was sent: %.*s", index,
               SLICE_ARG(text));
}

/* One connection comes and goes first, so that what a server sets up at its first one
 * isn't counted to the others. */
static inline bool idle_warm_up(struct swarm *s)
{
    if (!swarm_open(s, 0, 1, 0))
        return false;
    swarm_close(s, 0);
    return swarm_for(s, 500);
}

static inline bool idle_measure(struct swarm *s)
{
    const struct options *o = s->options;
    uint64_t rss = process_rss(o->pids.servers[0]), pss = process_pss(o->pids.servers[0]);
    struct usage opening = usage_start(o->pids), holding;
    bool ok = swarm_open(s, 0, o->clients, o->rate);

    opening = usage_since(&opening);
    ok = ok && swarm_for(s, 1000);
    rss = process_rss(o->pids.servers[0]) - rss;
    pss = process_pss(o->pids.servers[0]) - pss;
    holding = usage_start(o->pids);
    ok = ok && swarm_for(s, o->seconds * 1000);
    holding = usage_since(&holding);
    printf("idle connections=%u open=%u seconds=%.3f server_cpu_us_per_connection=%.2f"
           " rss_bytes_per_connection=%.0f pss_bytes_per_connection=%.0f held_s=%u"
           " held_cpu_percent=%.2f others_percent=%.0f\n",
           o->clients, s->open, (double)opening.wall / 1e9,
           (double)opening.peer_cpu / 1e3 / o->clients, (double)(int64_t)rss / o->clients,
           (double)(int64_t)pss / o->clients, o->seconds,
           100 * (double)holding.peer_cpu / (double)(holding.wall ? holding.wall : 1),
           usage_others_percent(&opening));
    return ok && s->open == o->clients;
}

static inline bool idle_run(const struct options *o)
{
    static const struct swarm_owner owner = {idle_text, NULL};
    struct swarm s;
    bool ok;

    swarm_init(&s, o, o->clients, &owner, &s);
    ok = !s.failure[0] && idle_warm_up(&s) && idle_measure(&s);
    if (s.failure[0])
        fprintf(stderr, "muster-load: idle: %s\n", s.failure);
    swarm_fini(&s);
    return ok;
}

#endif
