/* The parts of the Redis adapter, between its files. A seat belongs to its home's thread;
 * only its `gathered` is the link's thread's. */
#ifndef MUSTER_ADAPTERS_REDIS_SEAT_H
#define MUSTER_ADAPTERS_REDIS_SEAT_H

#include <stdatomic.h>

#include "adapters/redis.h"
#include "adapters/redis_script.h"
#include "presence/liveness.h"
#include "presence/shared.h"
#include "server/base/random.h"

struct redis;

enum incoming_kind {
    INCOMING_UP,
    INCOMING_DOWN,
    INCOMING_DEGRADED, /* number: whether */
    INCOMING_RENAMED,  /* number: the nid */
    INCOMING_READY,    /* number: the nid */
    INCOMING_TABLE_LOST,
    INCOMING_FOUND, /* number: the nid */
    INCOMING_SUBSCRIBED,
    INCOMING_MESSAGE,
    INCOMING_BATCH, /* replies, from here on */
    INCOMING_VERIFY,
    INCOMING_LIST,
    INCOMING_VERSION,
    INCOMING_TOTAL,
    INCOMING_KEPT,
};

/* What the link's thread has for a home. */
struct incoming {
    struct incoming *next;
    enum incoming_kind kind;
    uint64_t number;  /* of the link's generation where nothing else is said */
    uint64_t channel; /* shared_id */
    unsigned partition;
    unsigned n_ops;
    unsigned n_names;  /* that are subscribed to */
    redisReply *reply; /* owned */
    size_t n;          /* of bytes: a message */
    char bytes[];
};

struct seat {
    struct redis *redis;
    unsigned home;
    const struct adapter_sink *sink;
    void *context;
    struct shared *shared;
    uint64_t generation; /* of the links, as this thread knows it */
    struct random_pool random;
    uint64_t bad_messages,
        bad_logged;               /* that couldn't be read: all, when one was logged */
    uint64_t bad_logged_at;       /* ms */
    bool ends;                    /* nobody can be told anything any more */
    _Atomic uint64_t unconfirmed; /* written by the home's thread */
    struct incoming *gathered, **gathered_end; /* the link's thread's */
};

struct redis {
    struct adapter base;
    struct redis_adapter_conf conf;
    struct redis_keys keys;
    struct redis_link *link;
    struct liveness *liveness; /* the link's thread's */
    struct redis_webhooker *webhooks;
    _Atomic uint64_t fenced;    /* a nid that a home was refused under; 0 none */
    _Atomic uint64_t renames;   /* written by the link's thread */
    _Atomic uint64_t unheard;   /* events without an echo to wait for, nor a reply */
    _Atomic bool leaving;       /* this node is about to exit */
    _Atomic bool left;          /* and Redis has been told so */
    _Atomic bool heard;         /* both links are up and proven */
    _Atomic bool webhooks_end;  /* nothing is sent any more: they are to be given back */
    _Atomic bool webhooks_left; /* and have been */
    bool started;
    struct seat seats[]; /* by home */
};

/* The home's side (redis_seat.c). */

void seat_init(struct seat *s, struct redis *r, unsigned home);
void seat_fini(struct seat *s);
/** What the link's thread has gathered; takes it. The home's thread. */
void seat_take(struct seat *s, struct incoming *first);
void incoming_free(struct incoming *in);
void seat_open(struct seat *s, struct adapter_channel *c);
void seat_close(struct seat *s, struct adapter_channel *c, bool unclean);
void seat_send_event(struct seat *s, struct shared_channel *c, struct shared_event *e);
void seat_publish(struct seat *s, const struct adapter_channel *c,
                  const struct adapter_event *e);

/* Commands (redis_command.c): from a home; the reply comes back to its seat. */

const struct shared_pipe *redis_pipe(void);
/** How many names the channel is subscribed to by. */
unsigned redis_n_names(const struct shared_channel *c);
/** Asks what a cache channel keeps: INCOMING_KEPT. */
void redis_ask_kept(struct seat *s, struct shared_channel *c);
/** Publishes an event; its receipt ends with the reply. c: the channel's names and kind.
 */
void redis_publish(struct seat *s, const struct adapter_channel *c,
                   const struct adapter_event *e, uint64_t nid, uint64_t number);

/* The link's side (redis_node.c): its sink, and this node's heartbeat. */

extern const struct redis_link_sink redis_node_sink;
void redis_node_init(struct redis *r);
/** An empty one for the seat, to be handed to redis_gather. */
struct incoming *incoming_alloc(enum incoming_kind kind, size_t n);
/** For the home, at the end of the turn. Takes it. */
void redis_gather(struct seat *s, struct incoming *in);

/* Webhooks that are due (redis_webhook.c); the link's thread. */

struct redis_webhooker *redis_webhooker_alloc(struct redis *r);
/** Leases that are still out may not be ended any more. */
void redis_webhooker_free(struct redis_webhooker *w);
/** Something of this partition may be due. */
void redis_webhook_soon(struct redis *r, unsigned partition);
/** About every 250 ms. */
void redis_webhook_tick(struct redis *r, uint64_t now);

/* Questions (redis_lookup.c). */

unsigned redis_lookup_ask(struct redis *r, const struct lookup_query *q);

#endif
