/* A home's channels as all nodes share them (PRESENCE.md): for each the subscription in
 * Redis, the count of subscriptions here, this node's references to users, and the events
 * that wait for their echo. What is wanted is kept here; commands carry it to Redis, in
 * batches, one under way for each partition, until both agree, and again whenever
 * something was lost. Pure: times come in (ms, a monotonic clock), commands go out, their
 * replies and pushes come back in. One for each home, on the home's thread.
 *
 * A presence channel's view is struct presence (presence/presence.h), which a
 * shared_channel feeds. A shared_channel outlives the channel's life on this node until
 * Redis knows that nobody is here, and for 2 s more keeps the subscription, in case
 * somebody comes back. */
#ifndef MUSTER_PRESENCE_SHARED_H
#define MUSTER_PRESENCE_SHARED_H

#include "presence/exchange.h"
#include "server/base/hash.h"
#include "server/base/list.h"

struct presence;
struct shared;
struct shared_channel;

/* An event of this node on its way to its echo. Embedded in what carries the event;
 * `shared` owns it from shared_publish to sink.published. */
struct shared_event {
    struct list waiting;
    uint64_t number;     /* on its channel; with the nid it names the event */
    uint64_t generation; /* of the links by which it was sent; 0 not sent */
    uint64_t sent_at;    /* ms */
};

/* Commands; each is answered by the function that its comment names, unless the links go
 * down before. They must not call back. user: of a user's channel also what is sent to
 * him alone (`t:`). */
struct shared_pipe {
    uint64_t (*random)(void *context); /* never 0 */
    /* shared_subscribed, once all of it is confirmed; asked again for each new links. */
    void (*subscribe)(void *context, struct shared_channel *c, bool user);
    void (*unsubscribe)(void *context, struct shared_channel *c);
    void (*batch)(void *context, const struct batch *b);   /* shared_batched */
    void (*verify)(void *context, const struct verify *v); /* shared_verified */
    void (*list)(void *context, unsigned partition, uint64_t nid,
                 uint64_t cursor); /* shared_listed */
    /* shared_version: the channel's version now. */
    void (*version)(void *context, struct shared_channel *c);
    /* shared_total_read: its subscriptions on all nodes now. */
    void (*total)(void *context, struct shared_channel *c);
    /* Not answered; the echo comes back by shared_echo. */
    void (*publish)(void *context, struct shared_channel *c, struct shared_event *e);
    /* A batch or verify was refused: this nid is declared dead. */
    void (*fenced)(void *context, uint64_t nid);
};

/* To the home. They must not call back. */
struct shared_sink {
    /* What is published from now on arrives (or nobody can say, degraded): joiners may be
     * answered. Once a life. */
    void (*opened)(void *context, struct shared_channel *c);
    /* Joiners are to wait (what is published now doesn't arrive: the links are lost, and
     * not yet degraded), or needn't any more. Not for presence channels, whose joiners
     * wait for more than that. NULL: nobody asks. */
    void (*waits)(void *context, struct shared_channel *c, bool wait);
    /* The event's turn has come: this node's clients get it now, if the channel still has
     * a life here. Takes the event. */
    void (*published)(void *context, struct shared_channel *c, struct shared_event *e);
    /* A channel of WANT_COUNT has other subscriptions on all nodes than was told last in
     * this life. */
    void (*total)(void *context, struct shared_channel *c, unsigned total);
};

/* What a channel is; fixed for its life. */
struct shared_kind {
    bool counted; /* its subscriptions are counted (not users' own channels) */
    bool fresh;   /* each life waits for a confirmation of its own (cache channels) */
    unsigned webhooks; /* enum exchange_webhook: which ones it may cause */
};

/** Which of a node's homes has the channels of a partition. */
static inline unsigned shared_home(unsigned partition, unsigned homes)
{
    return partition % homes;
}

/** The caller frees it with shared_free, after every life has been closed or dropped.
 * It starts without links and without a name. */
struct shared *shared_alloc(const struct shared_pipe *pipe,
                            const struct shared_sink *sink, void *context,
                            struct hash_seed seed);
void shared_free(struct shared *s);

/* What the home asks. */

/* How a life of a channel begins. */
struct shared_opening {
    uint64_t life; /* unique in s for ever, not 0 */
    struct shared_kind kind;
    struct presence *presence; /* of presence kinds and users' channels, else NULL;
                                * borrowed until shared_close */
    void *owner;               /* shared_owner gives it back */
};

/** A life of a channel begins: answered by opened, here or later. */
struct shared_channel *shared_open(struct shared *s, struct slice app,
                                   struct slice channel, const struct shared_opening *how,
                                   uint64_t now);
/** The life ends; whoever was here has left. */
void shared_close(struct shared_channel *c, bool unclean, uint64_t now);
/** How many subscriptions there are here now. */
void shared_count(struct shared_channel *c, unsigned n, bool unclean);
/** Takes the event. It comes back by published when its turn has come. */
void shared_publish(struct shared_channel *c, struct shared_event *e);
/** Sends what has come up in this turn. */
void shared_turn_ends(struct shared *s);
/** About every 500 ms. */
void shared_tick(struct shared *s, uint64_t now);

/* What the Redis thread brings. */

/** Both links are there, each time with a higher generation (from 1). */
void shared_link_up(struct shared *s, uint64_t generation, uint64_t now);
void shared_link_down(struct shared *s);
/** The links have been unproven for 2 s, or are proven again. */
void shared_degraded(struct shared *s, bool degraded, uint64_t now);
/** This node has a new number. Its commands wait for shared_ready. */
void shared_renamed(struct shared *s, uint64_t nid, uint64_t now);
void shared_ready(struct shared *s, uint64_t nid);
/** The table of heartbeats was lost, so the rest may be, too, by FLUSHALL: everything is
 * compared now. */
void shared_table_lost(struct shared *s, uint64_t now);
/** The partition, one of this home's, has been seen to hold something under nid. */
void shared_found(struct shared *s, unsigned partition, uint64_t nid, uint64_t now);
void shared_batched(struct shared *s, unsigned partition, const struct batch_reply *r,
                    uint64_t now);
void shared_verified(struct shared *s, unsigned partition, const struct verify_reply *r,
                     uint64_t now);
void shared_listed(struct shared *s, unsigned partition, const struct list_reply *r);
/** For pushes, echoes, and the confirmation of a subscription, which carry a channel. */
void shared_subscribed(struct shared_channel *c, uint64_t now);
void shared_push(struct shared_channel *c, const struct push *p, uint64_t now);
/** An event of nid came back. False: it is another node's, and to be delivered. */
bool shared_echo(struct shared_channel *c, uint64_t nid, uint64_t number);
/** Another node's event (0: unnumbered) comes behind a later one of the same home, or
 * again: it was under way on a connection that its node has given up, and is lost, not
 * late. */
bool shared_is_late(struct shared_channel *c, uint64_t number);
void shared_version(struct shared_channel *c, struct version v, uint64_t now);
/** So many subscriptions has the channel on all nodes; published under the partition's
 * epoch (0: isn't known). */
void shared_total(struct shared_channel *c, unsigned total, uint64_t epoch, uint64_t now);
/** The same, as it was asked for. */
void shared_total_read(struct shared_channel *c, unsigned total, uint64_t now);

/** The channel's record, or NULL. */
struct shared_channel *shared_find(struct shared *s, struct slice app,
                                   struct slice channel);
/** The channel's names, borrowed from it. */
struct slice shared_app(const struct shared_channel *c);
struct slice shared_name(const struct shared_channel *c);
/** A user's: not counted, and events go to him alone, by `t:`. */
bool shared_is_user(const struct shared_channel *c);
/** A user's that is subscribed to `t:`, too: somebody signs in as him here. */
bool shared_hears_user(const struct shared_channel *c);
/** It was subscribed to before, by these links or earlier ones, and not unsubscribed. */
bool shared_subscribed_before(const struct shared_channel *c);
/** Its life was told so. */
bool shared_opened(const struct shared_channel *c);
/** Events that were delivered here without their echo, so far: other nodes may have
 * missed them. */
uint64_t shared_unconfirmed(const struct shared *s);
/** This node's number; 0 not named yet. */
uint64_t shared_nid(const struct shared *s);
/** 0: no life. */
uint64_t shared_life(const struct shared_channel *c);
/** A number of the record, unique in s for ever: for what is under way elsewhere, and may
 * come back when the record has gone. */
uint64_t shared_id(const struct shared_channel *c);
/** NULL: gone. */
struct shared_channel *shared_by_id(struct shared *s, uint64_t id);
/** Whoever opened its life; NULL without one. */
void *shared_owner(const struct shared_channel *c);

#endif
