/* Which webhook events a home's channels cause, and when (PROTOCOL.md 7). channel_vacated
 * and member_removed wait for a while after a lost connection; who is back by then was
 * never away: neither they nor their counterparts are sent. The home's thread only. */
#ifndef MUSTER_SERVER_HOME_WEBHOOK_H
#define MUSTER_SERVER_HOME_WEBHOOK_H

#include "presence/presence.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"
#include "server/webhook.h"

struct home_channel;

/* What is put off, oldest first: all wait equally long. */
struct home_webhooks {
    struct webhooks *out; /* borrowed */
    struct hmap by_what;
    struct list by_due;
    struct hash_seed seed;
    unsigned delay; /* ms */
};

void home_webhooks_init(struct home_webhooks *h, struct webhooks *out, unsigned delay,
                        struct hash_seed seed);
/** What is still put off is dropped. */
void home_webhooks_fini(struct home_webhooks *h);
/** Sends what is due by now (ms); UINT64_MAX: everything. */
void home_webhooks_tick(struct home_webhooks *h, uint64_t now);

/** What the scripts are to know of it where nodes share the channel: then they decide
 * about the transitions, and the four below do nothing. */
struct shared_kind home_webhook_kind(const struct home_channel *c);
/** The channel has its first subscriber, or lost its last. how: the way in which. */
void home_webhook_occupied(struct home_channel *c);
void home_webhook_vacated(struct home_channel *c, enum presence_exit how);
void home_webhook_member_added(struct home_channel *c, const struct member *m);
void home_webhook_member_removed(struct home_channel *c, const struct member *m,
                                 enum presence_exit how);
void home_webhook_cache_miss(struct home_channel *c);
/** Where the app wants counts, after each change. */
void home_webhook_count(struct home_channel *c);

#endif
