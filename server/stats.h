/* What a worker counts: declared once here, written by its own thread only, summed on
 * read by any thread (a sum of several counters is not one instant's picture). */
#ifndef MUSTER_SERVER_STATS_H
#define MUSTER_SERVER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "protocol/refusal.h"
#include "server/http_stats.h"

enum { HTTP_ROUTES_MAX = 20 }; /* http_route.c's, and one for paths that have none */

/*       name               what it counts */
#define STATS(X)                                                                     \
    X(connections)    /* sockets that became a Pusher connection */                  \
    X(closed)         /* of these, ended */                                          \
    X(messages_in)    /* text messages from clients */                               \
    X(bytes_in)       /* their bytes */                                              \
    X(deliveries)     /* frames put into connections' rings */                       \
    X(messages_out)   /* of these, handed to the socket */                           \
    X(writes)         /* socket writes that carried them */                          \
    X(bytes_out)      /* bytes handed to the socket */                               \
    X(partial_writes) /* writes that the kernel did not take whole */                \
    X(slow_closes)    /* connections closed because their ring was over its bound */ \
    X(refused_connections)   /* refused at connect, with a close code */             \
    X(refused_subscriptions) /* answered with pusher:subscription_error */           \
    X(subscriptions)         /* let in */                                            \
    X(client_events)         /* passed on */                                         \
    X(published)             /* events of the HTTP API, one a channel */             \
    X(client_events_dropped) /* over the rate limit */                               \
    X(client_events_refused) /* answered with 4301 for another reason */             \
    X(members_added)         /* users who came, on this node's homes */              \
    X(members_removed)       /* users who went */

#define STATS_FIELD(name) _Atomic uint64_t name;
struct stats {
    STATS(STATS_FIELD)
    _Atomic uint64_t refused_by_code[CLOSE_CODES]; /* refused_connections; by place */
    _Atomic uint64_t ended_by_code[CLOSE_CODES];   /* let in, then closed by Muster */
    _Atomic uint64_t refused_by_type[REFUSALS];    /* refused_subscriptions */
    struct http_stats http[HTTP_ROUTES_MAX];       /* by http_route_number */
};
#undef STATS_FIELD

/* One writer: a load and a store, no locked instruction. */
#define stat_add(stats, name, by)                                                      \
    atomic_store_explicit(&(stats)->name,                                              \
                          atomic_load_explicit(&(stats)->name, memory_order_relaxed) + \
                              (uint64_t)(by),                                          \
                          memory_order_relaxed)
#define stat_get(stats, name) atomic_load_explicit(&(stats)->name, memory_order_relaxed)

#endif
