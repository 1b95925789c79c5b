/* The presence of one channel: joins, leaves and the passing of time go in, what clients
 * must be told comes out (PRESENCE.md). Pure: no clock of its own (now comes in, in ms),
 * no I/O, no library; so the same code runs under a home, under a unit test and under a
 * simulator. Owned by the channel's home; one thread.
 *
 * What comes out is always the difference of the one view that this node has of the
 * channel, never a message passed on: a doubled member_added can't be said. On a node by
 * itself the view is decided here and at once. Where several nodes share the channel
 * (presence_share), the view is whom the replica (presence/replica.h) or this node's own
 * admitted sockets hold, and a join is admitted when the replica has reached it; while
 * Redis is silent the view is decided here again (`direct`, rule 11). */
#ifndef MUSTER_PRESENCE_PRESENCE_H
#define MUSTER_PRESENCE_PRESENCE_H

#include "presence/replica.h"
#include "presence/roster.h"

struct reference;
struct shared_channel;

/* One socket's membership, embedded in what the home knows of that socket's subscription;
 * zeroed before its first use. It must be left before its memory goes. */
struct presence_ref {
    struct member *member;       /* NULL: not admitted */
    struct reference *reference; /* what it waits for until it is; else NULL */
    struct list waiting;         /* in the reference's list */
    bool asked;                  /* the join that is under way is asked for it, too */
};

/* What a join asks of the channel's limits. */
struct presence_rules {
    unsigned max_members;    /* users; UINT_MAX: no limit */
    uint64_t leave_grace_ms; /* 0 none */
};

/* The outputs, called from within an input. They must not call back into the presence. A
 * member is borrowed for the call. */
struct presence_sink {
    /* A user is here now: tell everyone who was admitted before. */
    void (*added)(void *context, const struct member *m);
    /* A user has gone: tell everyone. */
    void (*removed)(void *context, const struct member *m);
    /* The join is let in: the view holds its user; answer it with the snapshot. */
    void (*admitted)(void *context, struct presence_ref *ref);
    /* The join is refused: the room is full (PROTOCOL.md 4). It is over with the ref. */
    void (*refused)(void *context, struct presence_ref *ref);
    /* Who is here is known from now on, for those who only watch. Where nodes share the
     * channel, and once; by itself a node knows from the start. NULL: nobody asks. */
    void (*known)(void *context);
};

struct presence {
    struct roster view;
    struct list grace;  /* members without a socket, kept, by presence_tick */
    struct list going;  /* members that are shown and held by nobody, until hold_until */
    struct list coming; /* members that are doubted, until doubt_until */
    struct presence_rules rules;
    const struct presence_sink *sink;
    void *context;
    struct shared_channel *shared; /* NULL: a node by itself */
    bool direct;                   /* this node decides by itself */
    bool known;
    bool doubting;        /* the snapshot that is being taken is of an older history */
    uint64_t hold_until;  /* ms: until then nobody is removed (rule 5) */
    uint64_t doubt_until; /* ms: until then nobody is added who is doubted */
    uint64_t moved;       /* ms: the last push, or snapshot with anybody in it */
    struct replica replica;
};

enum presence_exit {
    EXIT_CLEAN,   /* unsubscribe, the client's Close frame, a final close by Muster */
    EXIT_UNCLEAN, /* TCP loss, 4100, 4200, 4201: leave_grace applies */
};

void presence_init(struct presence *p, struct presence_rules rules, struct hash_seed seed,
                   const struct presence_sink *sink, void *context);
/** No ref may be joined any more. */
void presence_fini(struct presence *p);
/** A socket joins as user_id with info (raw JSON, absent: none). The first socket's info
 * stands until the user has gone. Answered by admitted or refused, here before it
 * returns or, where the channel is shared, later. */
void presence_join(struct presence *p, struct presence_ref *ref, struct slice user_id,
                   struct slice info);
/** The socket has left; ref is not joined any more, and an answer that it still waited
 * for doesn't come. Idempotent. */
void presence_leave(struct presence *p, struct presence_ref *ref, enum presence_exit how,
                    uint64_t now);
/** Removes those whose grace or hold has ended by now, adds those who are no longer
 * doubted.
 */
void presence_tick(struct presence *p, uint64_t now);
/** True if nobody is here, in grace neither. */
bool presence_empty(const struct presence *p);
/** True if no socket of this node is here, in grace neither: the channel may close. */
bool presence_idle(const struct presence *p);
/** True if a member is kept in grace, held or doubted, so that presence_tick must be
 * called. */
bool presence_waits(const struct presence *p);

/* What the shared channel feeds in. */

/** Before the first join. direct: Redis is silent. */
void presence_share(struct presence *p, struct shared_channel *c, bool direct);
/** A push of the channel. */
void presence_push(struct presence *p, const struct push *push, uint64_t now);
/** A page of the snapshot that the replica has asked for. */
void presence_page(struct presence *p, const struct op_reply *page, uint64_t now);
/** The join that stands for this reference is acknowledged: who waits for it may come in
 * as soon as the replica has reached it. */
void presence_held(struct presence *p, struct reference *r, uint64_t now);
/** True if no node holds anybody, as far as the replica knows. */
bool presence_is_void(struct presence *p);
/** Redis has the replica's version: a push that somebody still waits for was lost. */
void presence_version_confirmed(struct presence *p);
/** Pushes of joins that were acknowledged may not come any more: nobody waits for those.
 * Those of later joins will. */
void presence_pushes_lost(struct presence *p);
/** Its join is sent: an answer is one to all who wait now. */
void presence_asks(struct reference *r);
/** It was refused as full; who has come since it was sent goes on waiting, for another.
 */
void presence_full(struct presence *p, struct reference *r);
/** True if the user is in by an admitted socket or in grace: a limit is no matter then.
 */
bool presence_has_live(const struct presence *p, struct slice user_id);
/** Redis is silent, or it isn't any more. */
void presence_set_direct(struct presence *p, bool direct, uint64_t now);
/** Nobody is removed until then: in case they come back. */
void presence_hold(struct presence *p, uint64_t until);
/** All that Redis had is lost: that its versions begin anew casts no doubt on whom it has
 * from now on, and no push of before is waited for. */
void presence_history_ended(struct presence *p);
/** This node is about to get another number: those whom it has shown as gone aren't held
 * by the one that it had. */
void presence_give_name_up(struct presence *p);
/** This node has another number: whom it held is as if held by another node. */
void presence_renamed(struct presence *p, uint64_t now);

#endif
