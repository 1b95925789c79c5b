/* What shared*.c, partition.c and presence.c keep of a shared channel, of a partition and
 * of this node's references. Private to presence/; the home's thread only.
 *
 * Three things are wanted of Redis for a channel and may differ from what Redis is known
 * to have: references to users, the count of subscriptions, and a snapshot. Whatever
 * differs is in its partition's list of that name until a batch has settled it. */
#ifndef MUSTER_PRESENCE_SHARED_CHANNEL_H
#define MUSTER_PRESENCE_SHARED_CHANNEL_H

#include "presence/shared.h"
#include "server/base/hmap.h"

/* Whether Redis has something of ours, as far as we know. */
enum known_state { KNOWN_NOT, KNOWN_HELD, KNOWN_UNSURE };

/* This node's wish, or not, to hold a user on a channel. It lives as long as it is wanted
 * or Redis may have it. */
struct reference {
    struct hmap_node by_user;
    struct list dirty;      /* in its partition's list, or alone */
    struct list of_channel; /* in its channel's list */
    struct shared_channel *channel;
    struct list waiting; /* presence_refs, until the join is through */
    enum known_state state;
    bool wanted;
    bool confirmed;    /* Redis has had it, and hasn't confirmed that it is gone */
    uint64_t since;    /* ms: when it was confirmed */
    bool lost;         /* the keys were lost after it was confirmed, or another node's */
    bool fresh;        /* so soon after that its webhook may be lost, too */
    bool in_flight;    /* an operation of the batch under way is about it */
    bool unclean;      /* how it was given up */
    bool others_info;  /* Redis has another node's, which had the user before */
    bool renew;        /* wanted with another info than Redis has: leaves, then joins */
    unsigned listed;   /* the last list that had it */
    uint64_t join_seq; /* the version that its join names; 0: in step by other means */
    bool pushed;       /* the join's push comes, or has come: it is to be waited for */
    uint64_t hash;     /* 40 bits */
    struct slice user;
    struct slice info; /* of whoever came first since it is wanted */
    char *info_bytes;
    char bytes[];
};

struct shared_channel {
    struct hmap_node by_name, by_id;
    uint64_t id;
    void *owner; /* the adapter's, while there is a life */
    struct shared *shared;
    struct partition *partition;
    struct slice app, name;
    uint64_t life; /* 0: none */
    struct shared_kind kind;
    bool hears_user;           /* what is sent to the user alone is subscribed to, too */
    struct presence *presence; /* NULL: none, or no life */
    struct version passed;     /* the last push, while there is no life */
    struct list references;    /* this node's */
    unsigned pins;             /* operations under way that are about it */

    bool before;     /* SUBSCRIBE was sent, by these links or others */
    bool asked;      /* by these */
    bool subscribed; /* and is confirmed */
    bool opened;     /* the home was told */
    bool waits;      /* and then that its joiners are to wait again */
    bool direct;     /* this node decides and delivers by itself */

    unsigned count, count_known; /* subscriptions: wanted, and as Redis has it */
    enum known_state count_state;
    bool count_unclean;
    bool count_lost, count_fresh; /* as a reference's */
    uint64_t count_since;         /* ms: when Redis confirmed that it isn't 0 */
    unsigned listed;
    uint64_t count_hash;       /* 32 bits */
    unsigned total;            /* subscriptions on all nodes, as Redis said it last */
    unsigned total_told;       /* as the home was told it last, in this life */
    bool total_any;            /* and whether it was */
    bool total_unsure;         /* it may have changed meanwhile */
    uint64_t total_asked;      /* the life that has asked; 0 none */
    uint64_t total_hold_until; /* ms: a lower one that was read waits */
    struct list totals;       /* to be told, in shared's list, or in that of those held */
    struct list dirty;        /* count, in its partition's list, or alone */
    struct list snapshot;     /* in its partition's list, or alone */
    struct list idle;         /* without a life, in shared's list */
    struct list rotation;     /* presence channels, in shared's list */
    struct list holding;      /* those that hold a removal, in shared's list */
    uint64_t idle_since;      /* ms */
    uint64_t check_at;        /* ms: when its version is to be compared next */
    struct version checked;   /* the replica's when it was asked for */
    bool suspect;             /* it differed once: compared again */
    struct version suspected; /* the replica's then */
    bool checking;            /* asked, not answered */
    bool check_now;           /* a difference counts at once (new links, hand-back) */

    struct list echoes;   /* in shared's list, while events wait (or did lately) */
    struct list events;   /* of this node, in order, until their echo */
    uint64_t direct_upto; /* their echoes are dropped: they were delivered */
    struct shared_origins *origins; /* of other nodes' events; NULL before the first */
    char bytes[];
};

enum in_flight { FLIGHT_NONE, FLIGHT_BATCH, FLIGHT_VERIFY, FLIGHT_LIST };

/* What an operation of the batch under way is about. */
struct flight {
    enum op_kind kind;
    struct reference *reference;    /* JOIN, LEAVE */
    struct shared_channel *channel; /* pinned */
    uint64_t life;                  /* SNAPSHOT: whose */
    unsigned restarts;              /* SNAPSHOT: which reading of it */
    unsigned count;                 /* COUNT */
};

struct partition {
    struct shared *shared;
    unsigned index;
    struct hmap channels, references;
    uint64_t epoch;       /* 0 unknown, or none */
    uint64_t epoch_heard; /* the last that Redis has named, or published; 0 none */
    uint64_t number;      /* of the last batch */
    uint64_t sum;         /* of what is KNOWN_HELD */
    unsigned unsure;      /* references and counts that are */
    uint64_t hold_until;  /* ms: removals wait after its keys were lost */
    bool used;            /* Redis may have, or have had, something of this nid in it */
    bool must_verify;     /* once it is used */
    bool recheck;         /* verify again once nothing is unsure any more */
    unsigned mismatches;  /* lists in a row that didn't put the sum right */
    uint64_t lost_at;     /* ms: when the links went down; 0 it has answered since */
    uint64_t verify_at;
    unsigned list_mark;
    enum in_flight in_flight;
    uint64_t flight_nid;
    struct flight flights[BATCH_OPS];
    unsigned n_flights;
    struct list dirty, counts, snapshots;
    struct list busy; /* in shared's list, or alone */
};

struct shared {
    const struct shared_pipe *pipe;
    const struct shared_sink *sink;
    void *context;
    struct hash_seed seed;
    uint64_t nid;
    bool ready;          /* batches may go out under it */
    uint64_t generation; /* of the links; 0 down */
    bool degraded;
    uint64_t unconfirmed; /* events that were delivered without their echo */
    uint64_t now;
    uint64_t next_number;  /* of events, of all channels */
    uint64_t first_number; /* from somewhere at random on */
    uint64_t old_nids[8];  /* a ring */
    unsigned n_old;
    uint64_t hold_until; /* ms: removals wait after the links were down */
    unsigned ablation;
    struct hmap by_id;
    uint64_t next_id;
    struct list busy; /* partitions to be flushed at the end of the turn */
    struct list idle; /* channels without a life, oldest first */
    struct list rotation, holding, echoes;
    struct list totals;      /* to be told at the end of the turn */
    struct list totals_held; /* lower ones, until removals aren't held any more */
    struct partition partitions[PARTITIONS];
};

/* References (shared_reference.c). */

/** Wants the user from now on; finds or makes. max is asked when the join is sent. Where
 * Redis has the user from an earlier stay with another info, that one ends first. */
struct reference *reference_want(struct shared_channel *c, struct slice user,
                                 struct slice info);
/** To be called when its join is sent: who is in here (Redis has lost him) is asserted
 * with the info that he is shown with, which another node's may have been. */
void reference_as_shown(struct reference *r);
/** Doesn't any more; frees it once Redis has forgotten it too. */
void reference_unwant(struct reference *r, bool unclean);
struct reference *reference_find(struct shared_channel *c, struct slice user);
/** Finds, or makes one that is not wanted: Redis has it, and it is to be taken back. */
struct reference *reference_stray(struct shared_channel *c, struct slice user);
/** The only way to change what Redis is known to have; keeps the partition's sums. */
void reference_set(struct reference *r, enum known_state state);
void count_set(struct shared_channel *c, enum known_state state, unsigned known);
/** Into the partition's list, or out of it, as it is needed; frees what is through. */
void reference_settle(struct reference *r);
void count_settle(struct shared_channel *c);

/* Partitions (partition.c). */

void partition_init(struct partition *p, struct shared *s, unsigned index);
/** Has something to send, at the end of the turn. */
void partition_busy(struct partition *p);
/** Sends the next command, if none is under way and the links allow. */
void partition_flush(struct partition *p);
/** What was under way is lost: whether Redis has done it isn't known. */
void partition_lost(struct partition *p);
/** Redis has something of this nid, and it may be another process's. */
void partition_found(struct partition *p);
/** Redis has nothing of the new nid. */
void partition_renamed(struct partition *p);
/** A push was made under this epoch (0: isn't known): if it isn't the one that is known,
 * the keys were lost, or are others now; that is looked into, and removals wait. */
void partition_epoch_heard(struct partition *p, uint64_t epoch);
void partition_tick(struct partition *p);

/* Records (shared_record.c). */

struct shared_channel *shared_channel_get(struct shared *s, struct slice app,
                                          struct slice name);
/** Frees the record, unless something still needs it. */
void shared_channel_drop(struct shared_channel *c);
/** It has no life any more, or none yet. */
void shared_go_idle(struct shared_channel *c);

/* Channels (shared.c). */

enum {
    SHARED_HOLD_MS = 6000,      /* removals after the links were down (rule 5) */
    SHARED_ROTATION_MS = 30000, /* quiet channels' versions are compared (rule 3) */
};

/** Subscribes, if the links allow and it hasn't been asked of them. */
void shared_ask(struct shared_channel *c);
/** A user's channel: somebody here is, or wants to be, signed in as him. From now on,
 * until the record goes, this node is subscribed to what is sent to him alone, too; who
 * only watches him isn't. */
void shared_hear_user(struct shared_channel *c);
/** Asks for a snapshot as soon as it may (rule 2, 3). */
void shared_want_snapshot(struct shared_channel *c);
/** Asks for the next page of one that is being read. */
void shared_next_page(struct shared_channel *c);
void shared_maybe_opened(struct shared_channel *c);
/** Of a channel whose life was opened. */
void shared_set_waits(struct shared_channel *c, bool wait);
/** Somebody is held: presence_tick is to be called. */
void shared_hold(struct shared_channel *c);
/** This node decides about the channel and delivers by itself, or doesn't any more. */
void shared_set_direct(struct shared_channel *c, bool direct);

/* Totals of subscriptions (shared_total.c). */

/** A life begins: it was told nothing. */
void shared_total_begin(struct shared_channel *c);
/** The links are lost, and with them what they may have said. */
void shared_total_lost(struct shared_channel *c);
/** Asks Redis, if it isn't sure and nothing is to come that would tell it. */
void shared_total_check(struct shared_channel *c);
/** This node decides from now on, or Redis does again. */
void shared_total_set_direct(struct shared_channel *c, bool direct);
/** The subscriptions here were so many before. */
void shared_total_counted(struct shared_channel *c, unsigned before);
/** Tells what has come up in this turn. */
void shared_totals_tell(struct shared *s);
/** Tells what is held no longer. */
void shared_totals_end_holds(struct shared *s);

/* Events (shared_event.c). */

/** Delivers, in their order, those whose echo isn't waited for: all, or only those that
 * earlier links have sent. */
void shared_deliver_waiting(struct shared_channel *c, bool only_lost);
/** Delivers those whose echo is long overdue. */
void shared_expect_echoes(struct shared *s);
/** Sends those that these links haven't. */
void shared_send_waiting(struct shared_channel *c);

/* Versions (shared_check.c). */

/** Asks Redis for the channel's version. now: a difference counts at once. */
void shared_check(struct shared_channel *c, bool now);
/** The replica is live, and its version is Redis's: degraded mode ends here. */
void shared_in_step(struct shared_channel *c);
/** Checks a share of the channels. */
void shared_rotate(struct shared *s);

#endif
