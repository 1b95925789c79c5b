/* Many nodes, one Redis: the adapter of a cluster (PRESENCE.md). Each home has a seat,
 * where its channels' shared state lives (presence/shared.h), on the home's thread; the
 * link's thread (redis_link.h) carries commands, replies and pushes, and runs this node's
 * heartbeat (presence/liveness.h). What the one has for the other goes by letters. */
#ifndef MUSTER_ADAPTERS_REDIS_H
#define MUSTER_ADAPTERS_REDIS_H

#include "adapters/adapter.h"
#include "adapters/redis_link.h"

struct redis_adapter_conf {
    struct redis_link_conf link; /* strings borrowed until adapter_free */
    const char *prefix;
    bool required;           /* refuse to start without Redis */
    unsigned homes;          /* workers of this node */
    unsigned leave_grace_ms; /* the longest of all apps */
    unsigned webhook_delay_ms;
    /* Whether the start, which waits for Redis where it is required, is to be given up;
     * called on the thread that starts the adapter. May be NULL. */
    bool (*given_up)(void *context);
    /* Whether some worker hasn't turned for 5 s (rule 7); called on the link's thread. */
    bool (*stalled)(void *context);
    /* Takes a transition that is this node's to send; called on the link's thread. NULL:
     * no app has a webhook. */
    void (*webhook)(void *context, const struct adapter_webhook *w);
    unsigned webhooks_max; /* how many of those wait at the most: others are dropped */
    void *context;
};

/** An adapter that has not started yet. */
struct adapter *redis_adapter_alloc(const struct redis_adapter_conf *conf);

#endif
