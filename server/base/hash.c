#include "server/base/hash.h"

#include <string.h>

#include "server/base/random.h"

struct hash_seed hash_seed_random(void)
{
    struct hash_seed seed;

    random_bytes(&seed, sizeof seed);
    return seed;
}

static inline uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t hash_bytes(struct hash_seed seed, const void *p, size_t n)
{
    const unsigned char *in = p;
    uint64_t v[4] = {
        seed.k0 ^ 0x736f6d6570736575ULL,
        seed.k1 ^ 0x646f72616e646f6dULL,
        seed.k0 ^ 0x6c7967656e657261ULL,
        seed.k1 ^ 0x7465646279746573ULL,
    };
    uint64_t word, last = (uint64_t)n << 56;

    for (; n >= 8; n -= 8, in += 8) {
        memcpy(&word, in, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)in[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint16_t crc16(const void *p, size_t n, uint16_t from)
{
    const unsigned char *in = p;
    unsigned crc = from;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)in[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    }
    return (uint16_t)crc;
}
