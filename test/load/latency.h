/* A histogram of latencies: 16 buckets for each power of two, so a percentile is within
 * 7%. */
#ifndef MUSTER_LOAD_LATENCY_H
#define MUSTER_LOAD_LATENCY_H

#include <stdint.h>

enum { LATENCY_STEPS = 16, LATENCY_BUCKETS = 64 * LATENCY_STEPS };

struct latency {
    uint64_t count[LATENCY_BUCKETS];
    uint64_t n;
};

static inline void latency_add(struct latency *l, uint64_t ns)
{
    unsigned power = ns < 2 * LATENCY_STEPS ? 0 : 59U - (unsigned)__builtin_clzll(ns);
    unsigned step = (unsigned)(ns >> power); /* below 2 * LATENCY_STEPS */

    l->count[power * LATENCY_STEPS + step]++;
    l->n++;
}

/** The upper edge of the bucket that holds the given percentile, in microseconds. */
static inline double latency_us(const struct latency *l, double percent)
{
    uint64_t want = (uint64_t)((double)l->n * percent / 100), seen = 0;
    unsigned i = 0;

    while (i + 1 < LATENCY_BUCKETS && (seen += l->count[i]) <= want)
        i++;
    if (l->n == 0)
        return 0;
    if (i < 2 * LATENCY_STEPS)
        return (i + 1) / 1e3;
    return (double)((uint64_t)(i % LATENCY_STEPS + LATENCY_STEPS + 1)
                    << (i / LATENCY_STEPS - 1)) /
           1e3;
}

#endif
