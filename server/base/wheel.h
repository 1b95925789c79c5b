/* A timer wheel of one-second slots for very many timers, one per connection: arming,
 * re-arming and cancelling are O(1), and a tick looks at one slot only (lws's own timers
 * are a sorted list, LIBRARIES.md 4). Entries are embedded in their owners. One thread.
 */
#ifndef MUSTER_BASE_WHEEL_H
#define MUSTER_BASE_WHEEL_H

#include <stdint.h>

#include "server/base/list.h"

enum { WHEEL_SLOTS = 256 };

struct wheel_entry {
    struct list node;
    uint32_t due; /* the tick at which it fires */
};

struct wheel {
    struct list slots[WHEEL_SLOTS];
    uint32_t now; /* ticks */
};

void wheel_init(struct wheel *w);
void wheel_entry_init(struct wheel_entry *e);
/** Fires in seconds (at least 1) ticks; replaces what was armed. */
void wheel_arm(struct wheel *w, struct wheel_entry *e, uint32_t seconds);
/** Idempotent. */
void wheel_cancel(struct wheel_entry *e);
/** One second has passed: calls fire for each entry that is due, already disarmed; fire
 * may arm or free any entry. */
void wheel_tick(struct wheel *w, void (*fire)(struct wheel_entry *e, void *context),
                void *context);

#endif
