/* A master of Redis with Muster's scripts: memory and what the scripts do to it
 * (PRESENCE.md, "Redis keys", "The batch script", rules 9 and 12), command by command, at
 * once. What it publishes comes out through on_push. Times come in (ms). All that replies
 * point into lives in the caller's arena and in the names. */
#ifndef MUSTER_SIM_FAKE_REDIS_H
#define MUSTER_SIM_FAKE_REDIS_H

#include "presence/exchange.h"
#include "test/sim/memory.h"

enum fake_broken {
    FAKE_NO_FENCE = 1,
    FAKE_NO_STALE = 2,
    FAKE_NO_LIMIT = 4,    /* for the checker: I6 */
    FAKE_TWO_HOOKS = 8,   /* I8 */
    FAKE_KEEPS_NID = 16,  /* I5 */
    FAKE_ANY_HOOK = 32,   /* I8: who asks gets what is due, whoever has the rest */
    FAKE_LOST_HOOKS = 64, /* I8: what a lost answer took isn't given again */
};

struct fake_rules {
    unsigned snapshot_page, reap_page, list_page;
    unsigned kept_empty; /* ms: a channel's version outlives its last member */
    unsigned broken;
};

enum hook_kind { HOOK_OCCUPIED, HOOK_VACATED, HOOK_ADDED, HOOK_REMOVED, HOOK_COUNT };

struct hook {
    enum hook_kind kind;
    const struct name *channel, *user; /* user NULL: occupied, vacated, count */
    unsigned count;                    /* HOOK_COUNT: on all nodes */
    uint64_t due;                      /* 0: at once */
    unsigned partition;
    uint64_t number;        /* in its partition */
    bool delayed;           /* was made to be due later */
    uint64_t sender, taken; /* whose it is, and by which ask; 0: not yet */
};

struct fake_lease {
    unsigned partition;
    uint64_t sender, until, number;
};

struct fake_reference {
    uint64_t nid, hash;
};

struct fake_member {
    const struct name *user, *info;
    struct fake_reference *refs;
    unsigned n_refs, room;
};

struct fake_count {
    uint64_t nid, hash;
    unsigned count;
};

struct fake_channel {
    const struct name *app, *name;
    unsigned partition;
    struct version at;
    uint64_t empty_since;        /* 0: it isn't, or was never used */
    struct fake_member *members; /* by the id of the user's name */
    unsigned n_members, members_room;
    struct fake_count *counts;
    unsigned n_counts, counts_room;
    unsigned webhooks;
    uint64_t cached, cached_until; /* number of the cached event; 0 none */
};

/* x, n and f of one nid in a partition. */
struct fake_holder {
    uint64_t nid, number, sum;
    bool in_n;
    uint64_t fenced_until;
};

struct fake_partition {
    uint64_t epoch, hooks; /* hooks: made so far */
    uint64_t anew_until;
    struct fake_holder *holders;
    unsigned n_holders, room;
};

struct fake_data {
    struct fake_partition partitions[PARTITIONS];
    struct fake_channel *channels;
    unsigned n_channels, channels_room;
    uint64_t beat_epoch;
    struct beat_entry *beats;
    unsigned n_beats, beats_room;
    struct hook *hooks;
    unsigned n_hooks, hooks_room;
    struct fake_lease *leases;
    unsigned n_leases, leases_room;
};

struct fake {
    struct fake_data data;
    struct fake_rules rules;
    struct names *names;
    void (*on_push)(void *context, struct slice app, struct slice channel,
                    const struct push *p);
    void (*on_total)(void *context, struct slice app, struct slice channel,
                     unsigned total, uint64_t epoch);
    void *context;
};

void fake_init(struct fake *f, struct fake_rules rules, struct names *names);
void fake_fini(struct fake *f);
/** Restarted without data, or FLUSHALL. */
void fake_empty(struct fake *f);
/** A copy of all data, to come back to; the caller frees it by fake_restore (once) or
 * fake_drop. */
struct fake_data *fake_copy(const struct fake *f);
void fake_restore(struct fake *f, struct fake_data *copy);
void fake_drop(struct fake_data *copy);

struct batch_reply fake_batch(struct fake *f, const struct batch *b, struct arena *a,
                              uint64_t now);
struct verify_reply fake_verify(struct fake *f, const struct verify *v, uint64_t now);
struct list_reply fake_list(struct fake *f, unsigned partition, uint64_t nid,
                            uint64_t cursor, struct arena *a);
struct version fake_version(struct fake *f, struct slice app, struct slice channel,
                            uint64_t now);
unsigned fake_total(struct fake *f, struct slice app, struct slice channel);
/** True if something is left. */
bool fake_reap(struct fake *f, unsigned partition, uint64_t nid, uint64_t nonce,
               uint64_t now);
unsigned fake_holders(struct fake *f, unsigned partition, struct arena *a,
                      const uint64_t **nids);
struct beat_reply fake_beat(struct fake *f, const struct beat *b, struct arena *a);
bool fake_kill(struct fake *f, uint64_t nid, struct beat_value seen);
/** Numbers a cached event and keeps it for ttl ms. */
uint64_t fake_cache(struct fake *f, struct slice app, struct slice channel, uint64_t ttl,
                    uint64_t now);
/** The number of the event that is cached; 0: none. */
uint64_t fake_cached(struct fake *f, struct slice app, struct slice channel,
                     uint64_t now);
/** As adapters/redis_script.h has it. */
struct claim {
    unsigned partition;
    uint64_t sender, number, heard;
    const uint64_t *done; /* numbers of hooks */
    unsigned n_done, limit, lease_ms;
    bool leaves;
};

struct claim_reply {
    const struct hook *hooks; /* in their order */
    unsigned n;
    bool more;
};

struct claim_reply fake_claim(struct fake *f, const struct claim *c, struct arena *a,
                              uint64_t now);

/* What changes cause (fake_hooks.c); user NULL: the channel itself. */

struct fake_change {
    uint64_t nid, nonce; /* nonce: of this change */
    uint64_t now;        /* ms */
    bool unclean, told;
};

void fake_hook_gone(struct fake *f, enum hook_kind kind, const struct fake_channel *c,
                    const struct name *user, const struct fake_change *by);
/** A return before the departure was due takes that back, and is none itself. */
void fake_hook_came(struct fake *f, enum hook_kind kind, const struct fake_channel *c,
                    const struct name *user, const struct fake_change *by);
void fake_hook_count(struct fake *f, const struct fake_channel *c, unsigned total,
                     uint64_t now);

/** Whatever this nid sends is no news, up to `by` numbers from now. */
void fake_raise(struct fake *f, uint64_t nid, unsigned by);

/* For the checker. */

/** NULL: never heard of. */
struct fake_channel *fake_find(struct fake *f, struct slice app, struct slice channel);
const struct fake_member *fake_member_of(const struct fake_channel *c, struct slice user);
bool fake_member_has(const struct fake_member *m, uint64_t nid);
/** What x '#' must be. */
uint64_t fake_sum(const struct fake *f, unsigned partition, uint64_t nid);

#endif
