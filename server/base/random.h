/* Random bytes from the kernel. random_bytes: any thread. A pool spares a system call per
 * draw; it belongs to one thread. */
#ifndef MUSTER_BASE_RANDOM_H
#define MUSTER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** Fills p; aborts where the kernel has none to give. */
void random_bytes(void *p, size_t n);

struct random_pool {
    uint64_t words[64];
    unsigned used; /* words; starts at the end, so that the first draw fills it */
};

void random_pool_init(struct random_pool *pool);
uint64_t random_pool_u64(struct random_pool *pool);

#endif
