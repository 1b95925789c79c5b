/* One connection to Redis: hiredis's socket and parser under our own loop, without its
 * asynchronous layer, which in 0.14 hands the first SUBSCRIBE's acknowledgement to the
 * second's callback and asserts on replies it doesn't expect. The link's thread only. No
 * function calls back but redis_conn's own events. */
#ifndef MUSTER_ADAPTERS_REDIS_CONN_H
#define MUSTER_ADAPTERS_REDIS_CONN_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "adapters/redis_tls.h"
#include "server/base/err.h"
#include "server/base/loop.h"
#include "server/base/slice.h"

struct redis_conn;

/* Where a connection goes. */
struct redis_target {
    const char *unix_socket; /* "": the address */
    const char *address;     /* numeric */
    unsigned port;
    struct redis_tls *tls; /* NULL: plain */
    const char *host;      /* the name that a certificate must bear */
};

/* They may call redis_conn_write; redis_conn_free only when they have returned. */
struct redis_conn_events {
    /* Takes the reply (freeReplyObject). */
    void (*reply)(void *context, redisReply *reply);
    /* Everything that was written is with the kernel: the moment to write more, if there
     * is. Returns whether it did. */
    bool (*drained)(void *context);
    /* It is of no use any more; called once, nothing follows. why is borrowed. */
    void (*lost)(void *context, const char *why);
};

/** Begins to connect; lost says if it fails, even from within this call. */
struct redis_conn *redis_conn_alloc(struct loop *loop, const struct redis_target *to,
                                    const struct redis_conn_events *events,
                                    void *context);
/** Closes it; NULL is fine. */
void redis_conn_free(struct redis_conn *c);
/** Appends commands (copied), which go out by redis_conn_flush. */
void redis_conn_write(struct redis_conn *c, struct slice bytes);
/** At the end of a turn: writes what there is, as far as the kernel takes it. */
void redis_conn_flush(struct redis_conn *c);

#endif
