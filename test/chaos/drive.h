/* The crowd's hands: connections, joins, leaves, events, and coming back when a server
 * has gone. What it does is decided by a seed and the pace that control.c sets. One
 * thread. */
#ifndef MUSTER_CHAOS_DRIVE_H
#define MUSTER_CHAOS_DRIVE_H

#include "test/chaos/conn.h"
#include "test/chaos/record.h"

struct drive_node {
    struct target at;
    bool open;   /* takes new connections */
    bool frozen; /* nothing is done to its members */
};

struct pace {
    double rate, owed; /* a second */
};

struct drive {
    struct crowd crowd;
    struct conns conns;
    struct record record;
    const char *key, *secret;
    struct drive_node nodes[NODES_MAX];
    struct pace churn, events;
    unsigned returns; /* percent of those who lose their server come back */
    bool tight;       /* who churns leaves and joins again in the same breath */
    unsigned opening; /* handshakes under way */
    uint64_t random, ticked;
    void (*input)(struct drive *d);
    void *control;
    bool over;
};

struct drive_options {
    const char *key, *secret; /* borrowed */
    const char *record;       /* a file's name, or NULL */
    struct geometry geometry;
    uint64_t seed;
};

/** False (and says why) where the record can't be made. */
bool drive_init(struct drive *d, const struct drive_options *o);
void drive_fini(struct drive *d);
/** Waits a few ms for something to do, does it, and what is due. */
void drive_turn(struct drive *d);

/** The first n members are to be in from now on. */
void drive_enter(struct drive *d, unsigned n);
/** So many members of the room who are in leave. */
void drive_leave(struct drive *d, unsigned room, unsigned n);
/** Those who were refused try again. */
void drive_insist(struct drive *d);
/** Says it to the checker, and keeps it in the record. */
bool drive_tell(struct drive *d, const char *words);

#endif
