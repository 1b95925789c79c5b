/* The names that the subscriber connection is to be subscribed to, and how far Redis is
 * with them. Acknowledgements are counted: one name may have been subscribed, given up
 * and subscribed again before the first of them arrives. The link's thread only. */
#ifndef MUSTER_ADAPTERS_REDIS_SUBS_H
#define MUSTER_ADAPTERS_REDIS_SUBS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"

struct redis_subs;

struct redis_subs_sink {
    /* All names of the subscription are confirmed. */
    void (*subscribed)(void *context, void *owner, uint64_t id, unsigned n_names);
};

struct redis_subs *redis_subs_alloc(const struct redis_subs_sink *sink, void *context);
void redis_subs_free(struct redis_subs *s);

void redis_subs_add(struct redis_subs *s, void *owner, uint64_t id,
                    const struct slice *names, unsigned n);
void redis_subs_remove(struct redis_subs *s, void *owner, uint64_t id,
                       const struct slice *names, unsigned n);

/** Appends what Redis has to be told next, a bounded piece of it; false: nothing now,
 * maybe because too much is unacknowledged. New names go before those of an earlier
 * connection. */
bool redis_subs_next(struct redis_subs *s, struct buf *to);
/** SUBSCRIBE or UNSUBSCRIBE of the name is acknowledged; false: it wasn't sent. */
bool redis_subs_acknowledged(struct redis_subs *s, struct slice name);
/** Who is to get what was published there; false: nobody, or not yet. */
bool redis_subs_find(const struct redis_subs *s, struct slice name, void **owner,
                     uint64_t *id);
/** The connection is gone, and with it everything that it was told. */
void redis_subs_reset(struct redis_subs *s);

#endif
