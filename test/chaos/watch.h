/* One member's life, as it acts and as it is told: each call is one thing that happened,
 * at the crowd's `now`, live or from a record. Feeds the checker of the invariants.
 * Borrows everything until return. One thread. */
#ifndef MUSTER_CHAOS_WATCH_H
#define MUSTER_CHAOS_WATCH_H

#include "test/chaos/crowd.h"

#define WATCH_SECOND 1000000000ULL

enum { WATCH_RETURN_S = 7 }; /* PRESENCE.md: who reconnects within 7 s was never away */

/** It subscribes. */
void watch_join(struct member *m);
/** It unsubscribes. */
void watch_leave(struct member *m);
/** It ends its connection. */
void watch_close(struct member *m);
/** It is connected, and in no room. */
void watch_open(struct member *m, unsigned node);
/** The server ended its connection. */
void watch_lost(struct member *m);
/** A text frame on its connection. */
void watch_text(struct member *m, struct slice text);
/** It sends its next event. */
void watch_sent(struct member *m);

/* order.c */

/** A segment begins. strict: nothing is at fault, all must see one order without a gap;
 * else what two have both seen must stand in the same order. */
void order_begin(struct crowd *c, bool strict);
/** All events have arrived: compares, counts violations. */
void order_end(struct crowd *c);
/** A life is over; takes its check. */
void order_past(struct member *m);
/** Nothing is sent any more: counts what the last events' listeners lack. */
void order_tails(struct crowd *c);

#endif
