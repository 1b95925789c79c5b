/* A rate limit without a timer: the time up to which an allowance is spent. Each use
 * moves it on by what it costs; it may be at most `span` ahead of the clock, which is the
 * burst. One thread. All times in µs, of one monotonic clock. */
#ifndef MUSTER_BASE_ALLOWANCE_H
#define MUSTER_BASE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

/** Spends cost, even where that is too much; returns the µs by which the burst is
 * exceeded. */
static inline uint64_t allowance_spend(uint64_t *spent, uint64_t cost, uint64_t span,
                                       uint64_t now)
{
    if (*spent < now)
        *spent = now;
    *spent += cost;
    return *spent > now + span ? *spent - now - span : 0;
}

/** Spends cost if the burst allows it; false: nothing was spent. */
static inline bool allowance_take(uint64_t *spent, uint64_t cost, uint64_t span,
                                  uint64_t now)
{
    if (*spent > now && *spent + cost > now + span)
        return false;
    allowance_spend(spent, cost, span, now);
    return true;
}

#endif
