/* What cache channels keep on a node by itself: the last published event of each, for a
 * time, within a bound on memory. Embedded; one thread. */
#ifndef MUSTER_ADAPTERS_LOCAL_KEPT_H
#define MUSTER_ADAPTERS_LOCAL_KEPT_H

#include <stdint.h>

#include "adapters/adapter.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"

struct kept {
    struct hmap by_name;
    struct list by_age; /* the least recently published first */
    struct hash_seed seed;
    size_t bytes, max_bytes;
};

struct kept_event {
    struct hmap_node by_name;
    struct list by_age;
    struct slice app, name, data;
    struct frame *frame; /* held */
    uint64_t until;      /* ms, clock_ms */
    size_t bytes;
    char text[];
};

void kept_init(struct kept *k, size_t max_bytes);
void kept_fini(struct kept *k);
/** Replaces what the channel kept. False: the event is beyond the bound by itself, and
 * the channel keeps nothing now. */
bool kept_put(struct kept *k, const struct adapter_channel *c,
              const struct adapter_event *e, uint64_t now);
/** NULL if the channel keeps nothing (any more); borrowed until the next call. */
const struct kept_event *kept_get(struct kept *k, struct slice app, struct slice name,
                                  uint64_t now);

#endif
