/* What is there at this moment, read from the live tables and from nowhere else: so it is
 * right after any storm of connects and closes. One value goes round the workers in a
 * LETTER_GAUGES, and each adds what its edge and its home have; whoever holds the letter
 * owns it. */
#ifndef MUSTER_SERVER_GAUGES_H
#define MUSTER_SERVER_GAUGES_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/channel_name.h"

struct worker;

enum { CHANNEL_KINDS = CHANNEL_PUBLIC + 1 };

struct app_gauges {
    unsigned connections;
    unsigned subscriptions;           /* let in */
    unsigned members;                 /* users in presence channels, once a channel */
    unsigned channels[CHANNEL_KINDS]; /* occupied, as the HTTP API has it */
};

struct gauges {
    uint64_t pending_messages, pending_bytes; /* in rings whose sockets are full */
    uint64_t paused;                          /* connections */
    uint64_t cached_events, cached_bytes;     /* what cache channels keep */
    size_t n_apps;
    struct app_gauges apps[]; /* by app->index */
};

/** All zero (caller frees with free). */
struct gauges *gauges_alloc(size_t n_apps);
/** Adds what the worker has: one walk over its connections and its channels. The worker's
 * thread. */
void gauges_add(struct gauges *g, struct worker *w);
/** The part of gauges_add that is the home's; home_gauges.c. */
void gauges_add_home(struct gauges *g, struct worker *w);
/** All apps together (its channels are those of all kinds, in channels[0]). */
struct app_gauges gauges_total(const struct gauges *g);

#endif
