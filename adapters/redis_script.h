/* The scripts that run in Redis (adapters/redis/), as commands and replies:
 * presence/exchange.h's structs in, one command's bytes out; a redisReply in, the structs
 * out. Pure: no connection, no clock, no thread of its own; any thread.
 *
 * Encoders append one complete command to *to (for struct redis_command's bytes, of which
 * each holds exactly one). Decoders return NULL, or what is wrong with the reply, as a
 * static text for redis_link_fail; *out is then not to be used. What they point to lies
 * in the reply, and, where they take a `memory`, in *memory, which the caller frees (with
 * free) when it is done with *out, also after an error. An error reply never gets here:
 * the link tears itself down. */
#ifndef MUSTER_ADAPTERS_REDIS_SCRIPT_H
#define MUSTER_ADAPTERS_REDIS_SCRIPT_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "adapters/redis_keys.h"
#include "presence/exchange.h"
#include "server/base/buf.h"
#include "server/base/err.h"

enum redis_script {
    SCRIPT_BATCH,
    SCRIPT_VERIFY,
    SCRIPT_LIST,
    SCRIPT_BEAT,
    SCRIPT_KILL,
    SCRIPT_REAP,
    SCRIPT_KEEP,
    SCRIPT_KEPT,
    SCRIPT_LOOKUP,
    SCRIPT_WEBHOOKS,
    REDIS_SCRIPTS, /* how many there are */
};

/* Made by scripts/embed-lua. */
struct redis_script_source {
    const char *name;
    const char *sha1; /* 40 hex digits, as EVALSHA names it */
    struct slice text;
};

extern const struct redis_script_source redis_script_sources[REDIS_SCRIPTS];

/** Adds one command: its words as Redis's protocol has them. */
void redis_command_encode(struct buf *to, const struct slice *words, size_t n);

/* Batches and what goes with them. The webhooks that a change causes are due at once, or,
 * where the leave was unclean, webhook_delay ms later (webhooks.leave_delay_ms). */
void redis_encode_batch(const struct redis_keys *k, const struct batch *b,
                        unsigned webhook_delay, struct buf *to);
/** n_ops: how many the batch had. */
const char *redis_decode_batch(const redisReply *r, unsigned n_ops, void **memory,
                               struct batch_reply *out) MUST_CHECK;

void redis_encode_verify(const struct redis_keys *k, const struct verify *v,
                         struct buf *to);
const char *redis_decode_verify(const redisReply *r, struct verify_reply *out) MUST_CHECK;

void redis_encode_list(const struct redis_keys *k, unsigned partition, uint64_t nid,
                       uint64_t cursor, struct buf *to);
const char *redis_decode_list(const redisReply *r, void **memory,
                              struct list_reply *out) MUST_CHECK;

/** The channel's version now (GET). */
void redis_encode_version(const struct redis_keys *k, struct slice app,
                          struct slice channel, struct buf *to);
const char *redis_decode_version(const redisReply *r, struct version *out) MUST_CHECK;

/** Its subscriptions on each node that has any (HVALS); decoded: their sum. */
void redis_encode_total(const struct redis_keys *k, struct slice app,
                        struct slice channel, struct buf *to);
const char *redis_decode_total(const redisReply *r, unsigned *out) MUST_CHECK;

/* Liveness. */
void redis_encode_beat(const struct redis_keys *k, const struct beat *b, struct buf *to);
const char *redis_decode_beat(const redisReply *r, void **memory,
                              struct beat_reply *out) MUST_CHECK;

void redis_encode_kill(const struct redis_keys *k, uint64_t nid, struct beat_value seen,
                       struct buf *to);
const char *redis_decode_kill(const redisReply *r, bool *done) MUST_CHECK;

/** nonce: as a batch's. */
void redis_encode_reap(const struct redis_keys *k, unsigned partition, uint64_t nid,
                       uint64_t nonce, unsigned webhook_delay, struct buf *to);
const char *redis_decode_reap(const redisReply *r, bool *more) MUST_CHECK;

/** SMEMBERS n. *nids lies in *memory. */
void redis_encode_holders(const struct redis_keys *k, unsigned partition, struct buf *to);
const char *redis_decode_holders(const redisReply *r, void **memory,
                                 const uint64_t **nids, unsigned *n) MUST_CHECK;

/* Events: message is what redis_event_encode made (adapters/redis_push.h). */

/** PUBLISH on letter's pub/sub channel. The reply, a number, says nothing. */
void redis_encode_publish(const struct redis_keys *k, enum redis_key_letter letter,
                          struct slice app, struct slice channel, struct slice message,
                          struct buf *to);
/** Gives the event its number among the channel's kept ones, keeps it for ttl_ms and
 * publishes it, in one step. The reply, that number, comes with the echo, too. */
void redis_encode_keep(const struct redis_keys *k, struct slice app, struct slice channel,
                       struct slice message, uint64_t ttl_ms, struct buf *to);
/** What the channel keeps. */
void redis_encode_kept(const struct redis_keys *k, struct slice app, struct slice channel,
                       struct buf *to);

struct redis_kept {
    struct slice message; /* for redis_message_decode; absent: nothing is kept */
    uint64_t ttl_ms;      /* for which it is still kept */
    uint64_t number;      /* of the channel's last kept event; 0: none, or long ago */
};

const char *redis_decode_kept(const redisReply *r, struct redis_kept *out) MUST_CHECK;

/* Questions of the HTTP API (adapters/lookup.h), for one partition at a time. */
struct redis_lookup {
    unsigned partition;
    struct slice app;
    struct slice channel; /* one channel, or absent: then all that start with prefix */
    struct slice prefix;
    bool users, members, kept; /* what is asked */
    uint64_t cursor;           /* 0: first page, then what the page before said */
};

struct redis_channel_facts {
    struct slice channel;
    unsigned subscriptions, users;
    struct slice kept; /* the message, for redis_message_decode; absent: none */
    uint64_t kept_ttl_ms;
    const struct slice *members; /* users' ids */
    unsigned n_members;
};

struct redis_lookup_reply {
    uint64_t cursor; /* of the next page; 0: this was the last */
    const struct redis_channel_facts *facts;
    unsigned n;
};

void redis_encode_lookup(const struct redis_keys *k, const struct redis_lookup *q,
                         struct buf *to);
const char *redis_decode_lookup(const redisReply *r, void **memory,
                                struct redis_lookup_reply *out) MUST_CHECK;

/* Webhooks that are due (PRESENCE.md, rule 12). One command says which of one's entries
 * are done (delivered, or given up), takes what is due, and keeps all that one has for
 * another lease; when that runs out, others get it. All entries of a channel are one
 * node's until none is left. */
struct redis_webhooks {
    unsigned partition;
    uint64_t id;              /* the caller's, of this process */
    uint64_t number;          /* of this command, in this partition: it grows */
    uint64_t heard;           /* of the last one that was answered; 0 none */
    const struct slice *done; /* tokens */
    unsigned n_done;
    unsigned limit;    /* most entries to take; 0 takes none */
    unsigned lease_ms; /* 60,000 */
    bool leaves;       /* gives back what isn't done; takes none */
};

enum redis_webhook_kind {
    WEBHOOK_OCCUPIED = 'O',
    WEBHOOK_VACATED = 'V',
    WEBHOOK_ADDED = 'A',
    WEBHOOK_REMOVED = 'R',
    WEBHOOK_COUNT = 'C',
};

struct redis_webhook {
    struct slice token; /* unique in its partition: one a transition */
    enum redis_webhook_kind kind;
    struct slice app, channel;
    struct slice user; /* WEBHOOK_ADDED and _REMOVED; else absent */
    unsigned count;    /* WEBHOOK_COUNT: subscriptions on all nodes */
};

struct redis_webhooks_reply {
    const struct redis_webhook *entries; /* in the order of the transitions */
    unsigned n;
    bool more;        /* are due already */
    bool any;         /* the partition has entries left: of others, or not yet due */
    uint64_t next_ms; /* any: until the next one is due */
};

void redis_encode_webhooks(const struct redis_keys *k, const struct redis_webhooks *w,
                           struct buf *to);
const char *redis_decode_webhooks(const redisReply *r, void **memory,
                                  struct redis_webhooks_reply *out) MUST_CHECK;

#endif
