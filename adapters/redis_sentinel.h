/* Which Redis is the master, by what the sentinels say. All of them are asked at once, on
 * connections that stay open, once a second and whenever somebody wants to know; of their
 * answers the one with the highest configuration epoch counts, so that a sentinel that a
 * failover has passed by leads nobody back to the old master. The link's thread only. */
#ifndef MUSTER_ADAPTERS_REDIS_SENTINEL_H
#define MUSTER_ADAPTERS_REDIS_SENTINEL_H

#include "adapters/redis_link.h"
#include "adapters/redis_tls.h"
#include "server/base/hostport.h"
#include "server/base/loop.h"

struct redis_master {
    struct hostport at; /* port 0: nobody says */
    uint64_t epoch;     /* of the failover that made it the master */
};

/* What one round of questions has brought. */
struct sentinels_found {
    struct redis_master master;
    bool by_most;    /* most of the configured sentinels say so */
    const char *why; /* where there is no master (borrowed for the call) */
    bool refused;    /* … and most say what waiting won't help with */
};

struct sentinels;

/** Asks nobody yet. conf and tls (NULL: plain) are borrowed until sentinels_free. found:
 * at the end of each round; it may call sentinels_ask. */
struct sentinels *sentinels_alloc(
    struct loop *loop, const struct redis_link_conf *conf, struct redis_tls *tls,
    void (*found)(void *context, const struct sentinels_found *f), void *context);
/** NULL is fine. */
void sentinels_free(struct sentinels *s);
/** Begins a round now; found is called within 1 s, not from within. One that is under way
 * already will do. Not from within a connection's events. */
void sentinels_ask(struct sentinels *s);

bool redis_master_is_at(const struct redis_master *a, const struct redis_master *b);

#endif
