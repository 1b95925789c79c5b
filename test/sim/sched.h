/* Virtual time: a queue of what happens when, and the dice of one seed. Whatever happens
 * at the same time happens in the order in which it was asked for. One thread. */
#ifndef MUSTER_SIM_SCHED_H
#define MUSTER_SIM_SCHED_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

struct rng rng_init(uint64_t seed, uint64_t stream);
uint64_t rng_u64(struct rng *r);
/** 0 to n - 1. */
unsigned rng_below(struct rng *r, unsigned n);
bool rng_chance(struct rng *r, unsigned percent);

enum { MS = 1000 }; /* of the queue's microseconds */

typedef void sched_fn(void *arg);

struct sched_event {
    uint64_t at, order;
    sched_fn *f;
    void *arg;
};

struct sched {
    uint64_t now; /* us */
    uint64_t order;
    struct sched_event *heap;
    unsigned n, room;
};

void sched_at(struct sched *s, uint64_t at, sched_fn *f, void *arg);
void sched_in(struct sched *s, uint64_t delay, sched_fn *f, void *arg);
/** Everything up to this time. */
void sched_run(struct sched *s, uint64_t until);
void sched_fini(struct sched *s);

#endif
