#include "server/base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *p, size_t n)
{
    char *at = p;

    while (n) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

void random_pool_init(struct random_pool *pool)
{
    pool->used = sizeof pool->words / sizeof *pool->words;
}

uint64_t random_pool_u64(struct random_pool *pool)
{
    uint64_t word;

    if (pool->used == sizeof pool->words / sizeof *pool->words) {
        random_bytes(pool->words, sizeof pool->words);
        pool->used = 0;
    }
    word = pool->words[pool->used];
    pool->words[pool->used++] = 0; /* what was handed out is not kept */
    return word;
}
