/* Names to addresses, off the caller's thread: getaddrinfo blocks, for half a minute
 * where a name server is silent, and heartbeats go by the thread that would wait. One
 * lookup at a time, on a thread of its own, which is left to itself when the resolver is
 * freed. Used on the loop's thread. */
#ifndef MUSTER_ADAPTERS_REDIS_RESOLVE_H
#define MUSTER_ADAPTERS_REDIS_RESOLVE_H

#include "server/base/loop.h"
#include "server/base/slice.h"

enum { ADDRESSES_MAX = 16, ADDRESS_SIZE = 64 };

struct addresses {
    char text[ADDRESSES_MAX][ADDRESS_SIZE]; /* numeric */
    unsigned n;                             /* 0: error says why */
    char error[128];
};

struct resolver;

/** done: when a lookup has ended, with its result (borrowed for the call). */
struct resolver *resolver_alloc(struct loop *loop,
                                void (*done)(void *context, const struct addresses *a),
                                void *context);
void resolver_free(struct resolver *r);
/** Starts a lookup of host (copied), unless one is under way: then that one's result is
 * what done gets. */
void resolver_start(struct resolver *r, const char *host);

#endif
