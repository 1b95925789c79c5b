/* What a node and the memory that all nodes share say to each other: commands, their
 * replies, and pushes (PRESENCE.md, "Redis keys" and "The batch script"). Plain data: the
 * Redis adapter turns it into scripts and their replies, the simulator's fake carries it
 * out itself. All slices are borrowed for the call that hands them over. */
#ifndef MUSTER_PRESENCE_EXCHANGE_H
#define MUSTER_PRESENCE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

enum { PARTITIONS = 64, BATCH_OPS = 256, REAP_PAGE = 500, SNAPSHOT_PAGE = 1000 };
/* What a batch has of users and their info, but for what the last one adds: Redis does
 * nothing else meanwhile, and what is published by it waits in its subscribers' buffers.
 */
enum { BATCH_BYTES = 1024 * 1024 };

/* A channel's version. seq counts its changes, nonce tells histories apart: after a
 * failover that lost writes the same seq names two. {0, 0}: nothing is known of it. */
struct version {
    uint64_t seq, nonce;
};

static inline bool version_eq(struct version a, struct version b)
{
    return a.seq == b.seq && a.nonce == b.nonce;
}

/* What an operation causes beside its change: who is told when is decided by the script.
 */
enum exchange_webhook {
    WANT_OCCUPIED = 1, /* webhooks channel_occupied and channel_vacated */
    WANT_MEMBERS = 2,  /* webhooks member_added and member_removed */
    WANT_COUNT = 4,    /* each new count of subscriptions of all nodes is published */
    WANT_TOTALS = 8,   /* webhook subscription_count */
    TOLD_BEFORE = 16,  /* of an operation: Redis had confirmed it, or what it ends, before
                        * it lost its keys. An arrival is no news then; a departure is,
                        * though Redis finds nothing to end, once the others have had the
                        * time to say that they still hold it */
};

enum op_kind {
    OP_JOIN,     /* this node holds a reference of the user from now on */
    OP_LEAVE,    /* it doesn't */
    OP_COUNT,    /* it has so many subscriptions on the channel (absolute) */
    OP_SNAPSHOT, /* who is in the channel, and at which version; a page */
};

struct op {
    enum op_kind kind;
    struct slice app, channel;
    struct slice user;
    struct slice info; /* JOIN: raw JSON, or absent */
    unsigned max;      /* JOIN: most users that the channel may have; 0 no limit */
    unsigned count;    /* COUNT */
    uint64_t cursor;   /* SNAPSHOT: 0 first page, then what the page before said */
    uint64_t hash;     /* what the operation adds to x '#': JOIN and LEAVE 40 bits,
                        * COUNT 32 bits for each subscription */
    unsigned webhooks; /* enum exchange_webhook */
    bool unclean;      /* LEAVE, COUNT 0: webhooks wait (rule 12) */
};

/* One batch of a partition; one is under way at a time. Refused as STALE unless its
 * number is higher than any the partition has seen of this nid. */
struct batch {
    unsigned partition;
    uint64_t nid, number;
    uint64_t epoch_if_new; /* random, not 0 */
    uint64_t epoch;        /* that it was made for; 0: any */
    uint64_t nonce;        /* random; the low 12 bits are 0: the script adds the change's
                            * place in the batch, counted from 1 */
    const struct op *ops;
    unsigned n;
};

enum op_result {
    RESULT_NONE,    /* nothing changed: COUNT, SNAPSHOT, a LEAVE that found nothing */
    RESULT_ADDED,   /* JOIN: the user's first reference */
    RESULT_REF,     /* JOIN: one more node holds the user */
    RESULT_DUP,     /* JOIN: this node held it already */
    RESULT_FULL,    /* JOIN: refused, max users are there */
    RESULT_REMOVED, /* LEAVE: it was the user's last reference */
    RESULT_UNREF,   /* LEAVE: other nodes still hold the user */
};

struct replica_member {
    struct slice user, info; /* info absent: none */
    const uint64_t *nids;
    unsigned n_nids; /* at least 1 */
};

struct op_reply {
    enum op_result result;
    struct version at; /* the channel's, after the operation */
    uint64_t cursor;   /* SNAPSHOT: of the next page; 0: this was the last */
    const struct replica_member *members; /* SNAPSHOT */
    unsigned n_members;
};

enum reply_status {
    REPLY_OK,
    REPLY_FENCED, /* this nid was declared dead (rule 7) */
    REPLY_STALE,  /* the number isn't higher than the last one */
    REPLY_ANEW,   /* a batch's epoch isn't the partition's, which the reply has */
};

struct batch_reply {
    enum reply_status status;
    uint64_t epoch;
    const struct op_reply *ops; /* as many as the batch had; none unless REPLY_OK */
    unsigned n;
};

/* The first command of a partition on a new connection, and every 10 s (rule 6); raises
 * the last batch's number to `number`. */
struct verify {
    unsigned partition;
    uint64_t nid, number;
};

struct verify_reply {
    enum reply_status status;
    uint64_t epoch; /* 0: the partition has none, it is empty */
    uint64_t sum;   /* x '#' modulo 2^64: what this nid's JOINs and COUNTs have added */
};

/* What a nid holds in a partition, page by page, after a verify that didn't match. */
struct list_entry {
    struct slice app, channel;
    struct slice user; /* a reference; absent: a count of subscriptions */
    unsigned count;
};

struct list_reply {
    uint64_t cursor; /* of the next page; 0: this was the last */
    const struct list_entry *entries;
    unsigned n;
};

/* What arrives on a channel that was subscribed to. */
enum push_kind {
    PUSH_ADDED = 'A',
    PUSH_REF = '+',
    PUSH_UNREF = '-',
    PUSH_REMOVED = 'R',
};

struct push {
    enum push_kind kind;
    struct version at;   /* after this change */
    uint64_t prev_nonce; /* of the version before it */
    uint64_t nid;        /* whose reference it is */
    struct slice user;
    struct slice info; /* PUSH_ADDED; absent: none */
};

/* The heartbeat table: what each node last said of itself. */
struct beat_value {
    uint64_t counter, nonce; /* {0, 0}: none */
    bool bye;                /* it is about to exit (rule 10) */
};

static inline bool beat_value_eq(struct beat_value a, struct beat_value b)
{
    return a.counter == b.counter && a.nonce == b.nonce && a.bye == b.bye;
}

/* Compare-and-set of one's own value: nothing is set unless the table holds `expected`
 * ({0, 0}: no value). */
struct beat {
    uint64_t nid;
    struct beat_value expected, value;
    uint64_t epoch_if_new; /* of the table, random, not 0 */
};

struct beat_entry {
    uint64_t nid;
    struct beat_value value;
};

struct beat_reply {
    bool ok;                          /* value is set */
    struct beat_value current;        /* one's own before the command; {0, 0} none */
    uint64_t epoch;                   /* of the table */
    const struct beat_entry *entries; /* everyone's, after the command */
    unsigned n;
};

#endif
