/* Which nodes live: this node's heartbeat, its judgement of the others, and what is done
 * about the dead (PRESENCE.md, "What a node does", 7 to 10). Pure: times come in (ms, a
 * monotonic clock), commands go out, their replies come back in by the function of the
 * same name; a reply that never comes is covered by link_down. One for each node, on one
 * thread. */
#ifndef MUSTER_PRESENCE_LIVENESS_H
#define MUSTER_PRESENCE_LIVENESS_H

#include "presence/exchange.h"

struct liveness;

/* Outputs. They must not call back into the liveness: replies come later. */
struct liveness_sink {
    uint64_t (*random)(void *context); /* never 0 */
    /* Commands. */
    void (*beat)(void *context, const struct beat *b);
    /* Take this node out of the table if its value is still `seen`. */
    void (*kill)(void *context, uint64_t nid, struct beat_value seen);
    /* Fence nid in the partition for an hour and take out what it holds, one page. nonce:
     * as a batch's. */
    void (*reap)(void *context, unsigned partition, uint64_t nid, uint64_t nonce);
    /* Who holds anything in this partition (`n`). */
    void (*holders)(void *context, unsigned partition);
    /* This node's number from now on; everything that it holds must be asserted anew
     * under it. Batches must wait for ready. Called at the start, too. */
    void (*renamed)(void *context, uint64_t nid);
    /* The nid's first heartbeat is acknowledged: batches may go out (rule 1). */
    void (*ready)(void *context, uint64_t nid);
    /* The partition holds something under this node's own nid: maybe not its doing, but
     * another process's of the same name (shared_found). */
    void (*found)(void *context, unsigned partition, uint64_t nid);
    /* The table is new, though these links are not: Redis may have lost everything
     * (shared_table_lost). NULL: nobody asks. */
    void (*table_lost)(void *context);
};

struct liveness_rules {
    unsigned leave_grace_ms; /* the longest of all apps */
};

/** The caller frees it. Chooses a nid. */
struct liveness *liveness_alloc(struct liveness_rules rules,
                                const struct liveness_sink *sink, void *context,
                                uint64_t now);
void liveness_free(struct liveness *l);
uint64_t liveness_nid(const struct liveness *l);

/** About every 250 ms. stalled: some worker hasn't turned for 5 s: no heartbeat then. */
void liveness_tick(struct liveness *l, uint64_t now, bool stalled);
/** Both links are (anew) there: nothing of what was asked before is answered any more. */
void liveness_link_up(struct liveness *l, uint64_t now);
void liveness_link_down(struct liveness *l);
/** A script refused this nid as declared dead. An earlier nid's is ignored. */
void liveness_fenced(struct liveness *l, uint64_t nid);
/** From now on the heartbeat says that this node is about to exit (rule 10). */
void liveness_bye(struct liveness *l);

/* Replies. */
void liveness_beaten(struct liveness *l, const struct beat_reply *r, uint64_t now);
void liveness_killed(struct liveness *l, uint64_t nid, bool done);
/** more: the partition still holds something of nid. */
void liveness_reaped(struct liveness *l, unsigned partition, uint64_t nid, bool more);
void liveness_held(struct liveness *l, unsigned partition, const uint64_t *nids,
                   unsigned n);

#endif
