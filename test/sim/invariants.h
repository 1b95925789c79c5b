/* What must hold of everything that one client is told (PRESENCE.md, invariants I1, I2
 * and I4), frame by frame. It knows nothing of servers: the simulator feeds it, and so
 * can recorded frames of real clients. One thread. */
#ifndef MUSTER_SIM_INVARIANTS_H
#define MUSTER_SIM_INVARIANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

/* Where violations go. */
struct check_report {
    void (*violation)(void *context, const char *rule, const char *what,
                      struct slice user);
    void *context;
};

/* One thing that a channel's clients see: an event, or a member who came or went. */
struct check_item {
    char kind;         /* 'E' event, 'A' added, 'R' removed */
    uint64_t event;    /* E: its id, unique */
    struct slice user; /* A, R; lives as long as what it is compared with */
};

struct check_client {
    const struct check_report *report;
    struct slice self; /* absent: it only watches */
    bool answered;
    struct slice *view; /* borrowed names */
    unsigned n_view, room;
    struct check_item *seen; /* since the answer */
    unsigned n_seen, seen_room;
};

/** self and all names that are handed over later are borrowed while the checker lives. */
void check_init(struct check_client *c, const struct check_report *report,
                struct slice self);
void check_fini(struct check_client *c);
/** subscription_succeeded: count and ids as it gives them. */
void check_succeeded(struct check_client *c, unsigned count, const struct slice *ids,
                     unsigned n_ids);
void check_added(struct check_client *c, struct slice user);
void check_removed(struct check_client *c, struct slice user);
void check_event(struct check_client *c, uint64_t event);
bool check_has(const struct check_client *c, struct slice user);

/* The one order of a channel. */
struct check_order {
    const struct check_item *all;
    unsigned n;
};

/** What the client saw is a part of the order without a gap, but for events that `mine`
 * names (its own client events, which it isn't sent). to_end: up to its end. */
void check_order(const struct check_client *c, const struct check_order *order,
                 bool (*mine)(void *context, uint64_t event), void *context, bool to_end);

#endif
