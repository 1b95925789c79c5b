/* What cache channels keep on a node by itself: the last published event of each, for a
 * time, within a bound on memory. Embedded; one thread. */
#ifndef MUSTER_ADAPTERS_LOCAL_KEPT_H
#define MUSTER_ADAPTERS_LOCAL_KEPT_H

#include <stdint.h>

#include "adapters/adapter.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"

/* An open channel keeps nothing any more. */
typedef void kept_lost_fn(void *context, uint64_t channel_id);

struct kept {
    struct hmap by_name;
    struct list by_age; /* the least recently published first */
    struct hash_seed seed;
    size_t bytes, max_bytes;
    kept_lost_fn *lost;
    void *context; /* of lost */
};

struct kept_event {
    struct hmap_node by_name;
    struct list by_age;
    struct slice app, name, data;
    struct frame *frame; /* held */
    uint64_t until;      /* ms, clock_ms */
    size_t bytes;
    uint64_t channel_id; /* of the channel's life here, or 0 */
    char text[];
};

void kept_init(struct kept *k, size_t max_bytes);
void kept_fini(struct kept *k);
/** Replaces what the channel kept; others, that are over the bound or have expired, are
 * lost. False: the event is beyond the bound by itself, and the channel keeps nothing
 * now (which lost isn't told). */
bool kept_put(struct kept *k, const struct adapter_channel *c,
              const struct adapter_event *e, uint64_t now);
/** NULL if the channel keeps nothing (any more); borrowed until the next call. */
const struct kept_event *kept_get(struct kept *k, struct slice app, struct slice name,
                                  uint64_t now);
/** The channel's life, which is told of a loss; 0: it has ended. */
void kept_set_life(struct kept *k, const struct adapter_channel *c, uint64_t id);
/** Drops what has expired. */
void kept_expire(struct kept *k, uint64_t now);

#endif
