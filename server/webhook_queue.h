/* What waits to be sent to which URL, and when. Pure: no I/O, and the clock is the
 * caller's; everything belongs to one thread.
 *
 * A target is one webhook of one app. It has a few slots (webhooks.concurrency), and each
 * slot holds one batch, from its making until it is delivered or given up, retries
 * included. Targets may have the same URL: all together they have no more requests in
 * flight to it than one has slots. A channel whose events are in a held batch waits, so
 * there are never two batches with events of one channel, and their order is kept
 * whatever fails; other channels go past through the other slots. Events of one batch
 * stand in the order they were posted. */
#ifndef MUSTER_SERVER_WEBHOOK_QUEUE_H
#define MUSTER_SERVER_WEBHOOK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/list.h"
#include "server/base/slice.h"

enum {
    WEBHOOK_BATCH_MAX_BYTES = 64 * 1024, /* of JSON; one larger event goes by itself */
    WEBHOOK_BACKOFF_FIRST = 500,         /* ms */
    WEBHOOK_BACKOFF_MAX = 30000,
};

struct webhook_limits {
    unsigned batch_ms;
    unsigned batch_size;
    unsigned
        retry_ms; /* after its newest event was posted, that a batch is tried again */
    unsigned concurrency;
    unsigned max_queue; /* events that wait outside slots, all targets together */
};

/* One moment, by both clocks. */
struct webhook_now {
    uint64_t ms;   /* monotonic */
    uint64_t wall; /* ms since 1970 */
};

/* One event as its receivers read it, shared by the targets that it goes to. */
struct webhook_piece {
    unsigned holders;
    uint64_t posted; /* ms, monotonic */
    struct slice channel, json;
    void (*done)(void *arg); /* called when the last holder lets go; or NULL */
    void *arg;
    char bytes[];
};

struct webhook_queue;
struct webhook_target;

/* The queue's; it lives until webhook_batch_end. The body never changes: what is retried
 * is sent again byte for byte. */
struct webhook_batch {
    void *owner; /* the target's */
    struct buf body;
    unsigned n_events;
    unsigned attempts;   /* the one in flight counted */
    uint64_t posted_sum; /* of its events */
    /* the queue's own */
    struct list node;
    struct webhook_target *target;
    struct list channels;
    struct webhook_piece **pieces; /* those whose end somebody waits for */
    unsigned n_pieces;
    uint64_t due, until; /* ms: the next attempt, and the last moment for one */
    bool in_flight;
};

/** Makes a piece with one holder (copies). */
struct webhook_piece *webhook_piece_alloc(struct slice channel, struct slice json,
                                          uint64_t posted);
/** Lets one holder go. */
void webhook_piece_release(struct webhook_piece *piece);

/** seed: for the jitter, and against chosen channel names. */
struct webhook_queue *webhook_queue_alloc(const struct webhook_limits *limits,
                                          uint64_t seed);
/** Frees it with everything that is still in it. */
void webhook_queue_free(struct webhook_queue *q);
/** A new target (borrowed; it lives as long as the queue). Copies url. */
struct webhook_target *webhook_target_add(struct webhook_queue *q, struct slice url,
                                          void *owner);

/** Queues the piece (holds it). Where max_queue events wait already, one is dropped: the
 * newest of the target that has most waiting, be it this one. Returns the owner of the
 * target that lost an event; NULL: none did. */
void *webhook_queue_add(struct webhook_queue *q, struct webhook_target *t,
                        struct webhook_piece *piece);
/** A batch to send now: it is in flight until one of the two below. NULL: none is due. */
struct webhook_batch *webhook_queue_next(struct webhook_queue *q, struct webhook_now now);
/** When webhook_queue_next may have one, ms; UINT64_MAX: not before something changes. */
uint64_t webhook_queue_due(const struct webhook_queue *q);
/** The attempt failed. True: it is tried again, later. False: its time is over, and the
 * caller ends it. */
bool webhook_batch_retry(struct webhook_queue *q, struct webhook_batch *b, uint64_t now);
/** The batch was delivered or given up: frees it; its channels' next events may go. */
void webhook_batch_end(struct webhook_queue *q, struct webhook_batch *b);

/** From now on nothing waits for a window or a retry, and what fails is over. */
void webhook_queue_drain(struct webhook_queue *q);
/** From now on there are slots without end: webhook_queue_next yields all there is. */
void webhook_queue_flush(struct webhook_queue *q);
/** Events that wait outside slots; and all, those in batches counted. */
size_t webhook_queue_waiting(const struct webhook_queue *q);
size_t webhook_queue_events(const struct webhook_queue *q);

/** The wait before the next attempt, ms: doubles with each attempt, and lies between half
 * of that and all of it by the random number. */
unsigned webhook_backoff(unsigned attempts, uint64_t random);

#endif
