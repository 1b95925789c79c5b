/* Replies of Redis, as hiredis parses them: whatever they are, every decoder takes them
 * or says what is wrong, and what it points to can be read. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "adapters/redis_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touch(struct slice s)
{
    size_t sum = 0;

    for (size_t i = 0; i < s.n; i++)
        sum += (unsigned char)s.p[i];
    return sum;
}

static void batch(const redisReply *r, unsigned n_ops)
{
    struct batch_reply out;
    void *memory;

    if (!redis_decode_batch(r, n_ops, &memory, &out)) {
        assert(out.n == (out.status == REPLY_OK ? n_ops : 0));
        for (unsigned i = 0; i < out.n; i++)
            for (unsigned j = 0; j < out.ops[i].n_members; j++) {
                const struct replica_member *m = &out.ops[i].members[j];

                assert(m->n_nids > 0);
                touch(m->user);
                touch(m->info);
                touch((struct slice){(const char *)m->nids, 8 * (size_t)m->n_nids});
            }
    }
    free(memory);
}

static void list(const redisReply *r)
{
    struct list_reply out;
    void *memory;

    if (!redis_decode_list(r, &memory, &out))
        for (unsigned i = 0; i < out.n; i++) {
            touch(out.entries[i].app);
            touch(out.entries[i].channel);
            touch(out.entries[i].user);
        }
    free(memory);
}

static void lookup(const redisReply *r)
{
    struct redis_lookup_reply out;
    void *memory;

    if (!redis_decode_lookup(r, &memory, &out))
        for (unsigned i = 0; i < out.n; i++) {
            touch(out.facts[i].channel);
            touch(out.facts[i].kept);
            for (unsigned j = 0; j < out.facts[i].n_members; j++)
                touch(out.facts[i].members[j]);
        }
    free(memory);
}

static void webhooks(const redisReply *r)
{
    struct redis_webhooks_reply out;
    void *memory;

    if (!redis_decode_webhooks(r, &memory, &out))
        for (unsigned i = 0; i < out.n; i++) {
            touch(out.entries[i].app);
            touch(out.entries[i].channel);
            touch(out.entries[i].user);
        }
    free(memory);
}

static void others(const redisReply *r)
{
    struct verify_reply verified;
    struct version version;
    struct redis_kept kept;
    struct beat_reply beaten;
    const uint64_t *nids;
    void *memory;
    unsigned n;
    bool flag;
    const char *wrong;

    if (!redis_decode_kept(r, &kept))
        touch(kept.message);
    wrong = redis_decode_verify(r, &verified);
    wrong = redis_decode_version(r, &version);
    wrong = redis_decode_total(r, &n);
    wrong = redis_decode_kill(r, &flag);
    wrong = redis_decode_reap(r, &flag);
    wrong = redis_decode_beat(r, &memory, &beaten);
    free(memory);
    wrong = redis_decode_holders(r, &memory, &nids, &n);
    free(memory);
    (void)wrong;
}

/* hiredis allocates as many elements as an array says it has: Redis is trusted so far. */
static bool says_too_much(const uint8_t *data, size_t size)
{
    unsigned digits = 0;

    for (size_t i = 0; i < size; i++) {
        digits = data[i] >= '0' && data[i] <= '9' ? digits + 1 : 0;
        if (digits == 5 && i >= 5 && data[i - 5] == '*')
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    if (size > 1 && !says_too_much(data + 1, size - 1))
        redisReaderFeed(reader, (const char *)data + 1, size - 1);
    if (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        batch(reply, data[0] % 8);
        list(reply);
        lookup(reply);
        webhooks(reply);
        others(reply);
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return 0;
}
