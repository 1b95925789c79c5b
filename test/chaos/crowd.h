/* The crowd: clients in rooms, what they have done, which is the truth, and what they
 * have been told. No sockets in here: drive.c has them, record.c plays old frames again.
 *
 * Member i is a connection's place. A room has `users` users and as many members plus
 * some twins, second connections of its first users. A user's name says his place,
 * `u<room>.<k>`, so nothing is ever searched by name. One thread. */
#ifndef MUSTER_CHAOS_CROWD_H
#define MUSTER_CHAOS_CROWD_H

#include <stdint.h>
#include <stdio.h>

#include "test/sim/invariants.h"

enum { NODES_MAX = 8, ROOM_NAME_MAX = 64, USER_NAME_MAX = 24, TWINS_MAX = 2 };

/* What the table at the end has. Reading: 1 is one client that was told so once. */
#define TALLY(X)                                                                        \
    X(frames)                                                                           \
    X(answers)  /* subscription_succeeded */                                            \
    X(refusals) /* subscription_error */                                                \
    X(added)                                                                            \
    X(removed)                                                                          \
    X(events)                                                                           \
    X(sent)                                                                             \
    X(lost)           /* connections that the server ended */                           \
    X(false_removals) /* I7 */                                                          \
    X(told_away) /* removals of users whose node the scenario took away: true enough */ \
    X(doubled)   /* I2, and an event twice */                                           \
    X(malformed) /* I1, frames that don't belong here */                                \
    X(order)     /* I4 */                                                               \
    X(missing)   /* events */                                                           \
    X(compared)  /* sequences held against another's */

struct tally {
#define FIELD(name) unsigned long name;
    TALLY(FIELD)
#undef FIELD
};

struct member;

struct user {
    char text[USER_NAME_MAX];
    struct slice id; /* text */
    unsigned in;     /* members who are in */
    unsigned n;
    struct member *members[TWINS_MAX];
    uint64_t broken; /* the last one was lost with its server then, ns; 0: not so */
    uint64_t held;   /* and had been in since */
};

/* A life in a room that is over, kept until its order has been compared. */
struct past {
    bool lasts; /* it isn't over */
    struct check_client check;
    const struct member *member;
    uint32_t publisher;
};

/* Who publishes by the HTTP API; the driver tells how far it got. */
struct poster {
    uint32_t publisher, sent;
    uint64_t at;
};

struct room {
    struct crowd *crowd;
    char text[ROOM_NAME_MAX];
    struct slice name;
    unsigned first; /* member */
    struct user *users;
    struct past *past;
    unsigned n_past, past_room;
    struct poster poster;
};

enum member_state {
    MEMBER_OUT,        /* no connection */
    MEMBER_CONNECTING, /* until the greeting */
    MEMBER_LEFT,       /* connected, in no room */
    MEMBER_JOINING,
    MEMBER_IN,
    MEMBER_LEAVING, /* until a pong says that nothing older can come */
    MEMBER_REFUSED,
    MEMBER_GONE, /* doesn't come back */
};

struct heard {
    uint32_t publisher, last;
};

struct member {
    struct crowd *crowd;
    unsigned index, node;
    struct room *room;
    struct user *user;
    bool churns, publishes;
    enum member_state state;
    bool stale;        /* joined again with no pong between: older frames may come */
    bool young;        /* joined while Redis was at fault: it may not know */
    uint64_t in_at;    /* ns */
    uint64_t held;     /* since then nothing excuses a removal */
    uint64_t due;      /* drive.c: when to act, 0: never */
    uint64_t deadline; /* drive.c: of the connection's handshake */
    struct check_report report;
    struct check_client check;
    struct heard *heard; /* the last number of each publisher */
    unsigned n_heard, heard_room;
    uint32_t publisher, sent; /* its own numbers; another publisher each time it joins */
    uint64_t sent_at;
};

struct crowd {
    unsigned n, n_rooms;
    unsigned per_room, users; /* members and users of a room */
    struct member *members;
    struct room *rooms;
    struct user *all_users;
    bool away[NODES_MAX]; /* the scenario has taken this node's users away */
    uint64_t away_at[NODES_MAX];
    bool fault; /* Redis may not know who joins now */
    enum { ORDER_NONE, ORDER_STRICT, ORDER_COMMON } order;
    struct tally tally;
    unsigned shown; /* violations printed */
    bool mute;      /* the self-test's: none is printed */
    uint32_t publishers;
    unsigned *owners; /* publisher → member */
    unsigned owners_room;
    uint64_t now; /* of the frame or action at hand, ns */
    char *scratch;
    size_t scratch_room;
    struct slice *ids;
};

struct geometry {
    unsigned clients, per_room, twins;
    unsigned churn;   /* percent of a room's users that churn; twins do */
    unsigned publish; /* and that publish, of those who don't churn */
    char prefix[48];  /* of the rooms' names */
};

void crowd_init(struct crowd *c, const struct geometry *g);
void crowd_fini(struct crowd *c);

/** A violation, or what else is worth a line: counted by the caller. */
void crowd_complain(struct member *m, const char *rule, const char *what,
                    struct slice user);
/** The user of this name in the room; NULL if nobody here has it. */
struct user *crowd_user(const struct room *r, struct slice name);
/** The user that a checker's view names. */
struct user *crowd_viewed(struct slice id);
/** A number for its events in this life. */
void crowd_publisher(struct member *m);

/* truth.c */

/** m is told that the user left: whether he didn't. */
void truth_removed(struct member *seer, struct user *user);
/** How many views are wrong, and how. */
struct difference {
    unsigned waiting; /* members between two states */
    unsigned ghosts, lacking;
    const struct member *first;
};
struct difference truth_difference(const struct crowd *c);
/** Everything is settled: nothing that was in flight excuses anything any more. */
void truth_settled(struct crowd *c);

#endif
