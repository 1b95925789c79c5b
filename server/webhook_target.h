/* The inside of the queue, for webhook_queue.c (what waits) and webhook_batch.c (what is
 * sent) only. As the queue: pure, one thread. */
#ifndef MUSTER_SERVER_WEBHOOK_TARGET_H
#define MUSTER_SERVER_WEBHOOK_TARGET_H

#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/webhook_queue.h"

struct webhook_entry {
    struct list in_channel, in_target;
    struct webhook_piece *piece;
    struct webhook_channel *channel;
    uint64_t number; /* in the order they were posted */
};

struct webhook_channel {
    struct hmap_node node;
    struct list link;    /* in its target's ready list, or its batch's */
    struct list entries; /* that wait */
    size_t n;            /* of them */
    struct webhook_target *target;
    bool busy;
    struct slice name;
    char bytes[];
};

/* What the targets of one URL share. */
struct webhook_url {
    struct hmap_node node;
    unsigned in_flight; /* requests */
    struct slice text;
    char bytes[];
};

struct webhook_target {
    struct list active; /* among the queue's, while it holds anything */
    struct list ready;  /* channels */
    struct list entries;
    struct list batches; /* its slots */
    size_t n_ready;      /* events of the ready channels */
    size_t n_waiting;    /* events of all its channels */
    unsigned n_batches;
    uint64_t since; /* ms: when the oldest ready event was posted */
    uint64_t salt;  /* so that targets' channels of one name hash apart */
    struct webhook_url *url;
    void *owner;
    struct webhook_target *next; /* of all, to free them */
};

struct webhook_queue {
    struct webhook_limits limits;
    struct list active;
    size_t n_active;
    struct webhook_target *targets;
    struct webhook_target *largest; /* had most waiting when last looked at, or NULL */
    struct hmap channels, urls;
    struct hash_seed seed;
    uint64_t random; /* the jitter's state */
    uint64_t numbers;
    size_t n_waiting, n_held;
    bool draining, flushing;
};

/* xorshift64*: jitter needs no more. */
static inline uint64_t webhook_draw(struct webhook_queue *q)
{
    q->random ^= q->random >> 12;
    q->random ^= q->random << 25;
    q->random ^= q->random >> 27;
    return q->random * 0x2545f4914f6cdd1dULL;
}

/** The oldest event that waits; there is one. */
static inline struct webhook_entry *webhook_first_of(const struct webhook_channel *c)
{
    return CONTAINER_OF(c->entries.next, struct webhook_entry, in_channel);
}

/** Takes the event out of its lists and hands over its piece; what it counted for among
 * the ready ones is the caller's. */
struct webhook_piece *webhook_entry_take(struct webhook_queue *q,
                                         struct webhook_entry *e);
/** The batch that held the channel is over. */
void webhook_channel_release(struct webhook_queue *q, struct webhook_channel *c);
/** Puts the target among the active ones, or takes it out, by what it holds. */
void webhook_target_changed(struct webhook_queue *q, struct webhook_target *t);
/** Makes a batch of the target's oldest ready channels, of which there is one. */
struct webhook_batch *webhook_batch_make(struct webhook_queue *q,
                                         struct webhook_target *t,
                                         struct webhook_now now);

#endif
