/* A node's connections to the masters, and the requests on them: private to link.c (the
 * connections and their life), request.c (one request, there and back) and pipe.c (what
 * presence/ asks for). A request is owned by the one event of the queue that it waits
 * for. */
#ifndef MUSTER_SIM_LINK_H
#define MUSTER_SIM_LINK_H

#include "test/sim/world.h"

/* One connection. */
struct conn {
    struct link *link;
    struct conn *all; /* chain */
    struct shard *shard;
    bool alive, late;
    uint64_t up, down;           /* us: earliest next arrival there, and here */
    uint64_t late_by, late_upto; /* of a dead one */
    uint64_t n_sent;
    uint64_t deaf_until;     /* us */
    bool rooms[ROOMS];       /* subscribed */
    uint64_t proven, probed; /* ms */
    struct list waiting;     /* requests without an answer */
};

struct link {
    struct node *node;
    struct conn *all;
    struct conn *commands[SHARDS], *pubsub[SHARDS];
    bool up;
    uint64_t generation, up_at, retry_at, backoff, proven; /* ms */
    uint64_t subscribes[ROOMS]; /* how many were sent: only the last one's ack counts */
};

enum request_kind {
    REQUEST_BATCH,
    REQUEST_VERIFY,
    REQUEST_LIST,
    REQUEST_VERSION,
    REQUEST_TOTAL,
    REQUEST_PUBLISH,
    REQUEST_REAP,
    REQUEST_HOLDERS,
    REQUEST_BEAT,
    REQUEST_KILL,
    REQUEST_SUBSCRIBE,
    REQUEST_UNSUBSCRIBE,
    REQUEST_PROBE,
    REQUEST_CLAIM,
};

struct request {
    struct arena memory; /* of arguments and reply */
    struct list waiting;
    struct conn *conn;
    enum request_kind kind;
    uint64_t number, sent_at;
    bool postponed, error;
    unsigned partition;
    uint64_t nid, cursor, nonce;
    struct room *room;
    struct sim_event *event;
    struct batch batch;
    struct verify verify;
    struct beat beat;
    struct claim claim;
    struct beat_value seen;
    union {
        struct batch_reply batch;
        struct verify_reply verify;
        struct list_reply list;
        struct version version;
        unsigned total;
        struct beat_reply beat;
        struct claim_reply claim;
        bool yes;
        struct {
            const uint64_t *nids;
            unsigned n;
        } holders;
    } reply;
};

/* link.c */

uint64_t link_latency(struct world *w);
/** Until when nothing passes (us); 0: it does. */
uint64_t link_blocked(const struct conn *c);
void link_tear_down(struct link *l);

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* request.c */

struct request *request_new(struct conn *c, enum request_kind kind);
/** Takes it. */
void request_send(struct request *r);

/* sender.c: webhooks */

struct sender *sender_alloc(struct node *n);
void sender_free(struct sender *s);
void sender_answered(struct sender *s, const struct claim *c,
                     const struct claim_reply *r);
/** The links are down: no answer comes any more. */
void sender_lost(struct sender *s);
/** Something of this partition may be due. */
void sender_soon(struct sender *s, unsigned partition);
void sender_tick(struct sender *s, uint64_t now);

#endif
