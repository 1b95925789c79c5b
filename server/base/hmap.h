/* An intrusive hash map: nodes live in their owners; the caller hashes and compares. Keys
 * that a client chooses must be hashed with hash_bytes under a secret seed. One thread.
 *
 *     for (n = hmap_first(&m, hash); n; n = hmap_next(n, hash))
 *         if (same key) ...
 */
#ifndef MUSTER_BASE_HMAP_H
#define MUSTER_BASE_HMAP_H

#include <stddef.h>
#include <stdint.h>

struct hmap_node {
    struct hmap_node *next;
    uint64_t hash;
};

struct hmap {
    struct hmap_node **buckets;
    size_t mask; /* buckets - 1, a power of two less one */
    size_t n;
};

void hmap_init(struct hmap *m);
/** Frees the buckets; the nodes are their owners'. */
void hmap_fini(struct hmap *m);
void hmap_insert(struct hmap *m, struct hmap_node *node, uint64_t hash);
/** node must be in the map. */
void hmap_remove(struct hmap *m, struct hmap_node *node);
struct hmap_node *hmap_first(const struct hmap *m, uint64_t hash);
struct hmap_node *hmap_next(const struct hmap_node *node, uint64_t hash);
/** Calls f for every node; f may free its node. */
void hmap_each(struct hmap *m, void (*f)(struct hmap_node *node, void *context),
               void *context);

/** Spreads an id that no client chooses (a counter, say) over the buckets. */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    x ^= x >> 32;
    return x;
}

#endif
