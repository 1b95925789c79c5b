/* Hashes. hash_bytes is SipHash-1-3 under a secret seed, for keys that clients choose:
 * without the seed nobody can find names that fall into one bucket. Any thread. */
#ifndef MUSTER_BASE_HASH_H
#define MUSTER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_seed {
    uint64_t k0, k1;
};

struct hash_seed hash_seed_random(void);
uint64_t hash_bytes(struct hash_seed seed, const void *p, size_t n);
/** CRC-16/XMODEM, as Redis Cluster hashes its keys (PRESENCE.md's partitions). */
uint16_t crc16(const void *p, size_t n, uint16_t from);

#endif
