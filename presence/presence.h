/* The presence of one channel: joins, leaves and the passing of time go in, what clients
 * must be told comes out (PRESENCE.md). Pure: no clock of its own (now comes in, in ms),
 * no I/O, no library; so the same code runs under a home, under a unit test and under a
 * simulator. Owned by the channel's home; one thread.
 *
 * What comes out is always the difference of the one view that this node has of the
 * channel, never a message passed on: a doubled member_added can't be said. On a node by
 * itself the view is decided here and at once, as PRESENCE.md decides it when a cluster's
 * Redis is silent (rule 11); where several nodes share the channel, the shared membership
 * moves the view through the same outputs, and a join is admitted when the view has
 * reached it. */
#ifndef MUSTER_PRESENCE_PRESENCE_H
#define MUSTER_PRESENCE_PRESENCE_H

#include "presence/roster.h"

/* One socket's membership, embedded in what the home knows of that socket's subscription.
 * It must be left before its memory goes. */
struct presence_ref {
    struct member *member; /* NULL: not joined */
};

/* What a join asks of the channel's limits. */
struct presence_rules {
    unsigned max_members;    /* users */
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
    /* The join is refused: the room is full (PROTOCOL.md 4). */
    void (*refused)(void *context, struct presence_ref *ref);
};

struct presence {
    struct roster view;
    struct list grace; /* members without a socket, kept, by presence_tick */
    struct presence_rules rules;
    const struct presence_sink *sink;
    void *context;
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
 * returns. */
void presence_join(struct presence *p, struct presence_ref *ref, struct slice user_id,
                   struct slice info);
/** The socket has left; ref is not joined any more. Idempotent. */
void presence_leave(struct presence *p, struct presence_ref *ref, enum presence_exit how,
                    uint64_t now);
/** Removes those whose grace has ended by now. */
void presence_tick(struct presence *p, uint64_t now);
/** True if nobody is here, in grace neither. */
bool presence_empty(const struct presence *p);
/** True if a member is kept in grace, so that presence_tick must be called. */
bool presence_waits(const struct presence *p);

#endif
