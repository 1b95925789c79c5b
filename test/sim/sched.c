#include "test/sim/sched.h"

#include <stdlib.h>

#include "test/sim/memory.h"

/* SplitMix64. */
uint64_t rng_u64(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* The seed is scattered first: SplitMix's own step would make neighbours of a seed the
 * same sequence, shifted by one. */
struct rng rng_init(uint64_t seed, uint64_t stream)
{
    struct rng a = {~seed}, b = {rng_u64(&a) ^ (stream << 32)};

    rng_u64(&b);
    return (struct rng){rng_u64(&b)};
}

unsigned rng_below(struct rng *r, unsigned n)
{
    return (unsigned)((rng_u64(r) >> 32) * n >> 32);
}

bool rng_chance(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

static bool before(const struct sched_event *a, const struct sched_event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void sched_at(struct sched *s, uint64_t at, sched_fn *f, void *arg)
{
    struct sched_event e = {at > s->now ? at : s->now, s->order++, f, arg};
    unsigned i = s->n;

    s->heap = grown(s->heap, s->n, &s->room, sizeof *s->heap);
    s->n++;
    for (; i && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
}

void sched_in(struct sched *s, uint64_t delay, sched_fn *f, void *arg)
{
    sched_at(s, s->now + delay, f, arg);
}

static struct sched_event take(struct sched *s)
{
    struct sched_event first = s->heap[0], last = s->heap[--s->n];
    unsigned i = 0;

    for (unsigned child; (child = 2 * i + 1) < s->n; i = child) {
        if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return first;
}

void sched_run(struct sched *s, uint64_t until)
{
    while (s->n && s->heap[0].at <= until) {
        struct sched_event e = take(s);

        s->now = e.at;
        e.f(e.arg);
    }
    s->now = until;
}

void sched_fini(struct sched *s)
{
    free(s->heap);
}
