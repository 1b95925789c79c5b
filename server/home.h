/* A worker's homes: the channels whose partition falls to this worker. A home owns a
 * channel's members, its subscribers' count and the order in which anything about it
 * happens on this node: what edges ask comes in as letters, what clients are to get goes
 * to the adapter or, from there and from presence, out to the edges as letters. The
 * worker's thread only. */
#ifndef MUSTER_SERVER_HOME_H
#define MUSTER_SERVER_HOME_H

#include "adapters/adapter.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"
#include "server/home_webhook.h"
#include "server/letters.h"

struct worker;

struct home {
    struct worker *worker;
    struct adapter *adapter;
    struct hmap channels_by_name; /* app and name */
    struct hmap channels_by_id;
    struct hmap subs;    /* by edge and sub_id */
    struct hmap watches; /* by edge and watch_id */
    struct list joining; /* open channels with subscriptions to answer this turn */
    struct list grace;   /* channels with a member in grace */
    struct list counts;  /* channels that owe a subscription_count */
    struct home_webhooks webhooks;
    uint64_t next_id;
    struct hash_seed seed;
    unsigned n_workers;
    unsigned seconds; /* since start */
};

/** Attaches itself to the adapter; before the threads start. */
void home_init(struct home *h, struct worker *w, struct adapter *adapter,
               unsigned n_workers);
/** Frees every channel, telling nobody. */
void home_fini(struct home *h);
/** A letter of the kinds "to a home"; takes it. */
void home_receive(struct home *h, struct msg *m);
/** The end of a turn: the subscriptions that came in it are answered. One that was taken
 * back meanwhile has cost nothing, and all that join a channel share one snapshot. */
void home_turn_ends(struct home *h);
/** Once a second. now: ms. */
void home_tick(struct home *h, uint64_t now);
/** Which of n_workers workers is the home of a channel: partition mod workers, where the
 * partition is crc16(app:channel) mod 64 (PRESENCE.md). Any thread. */
unsigned home_of(struct slice app, struct slice channel, unsigned n_workers);

#endif
