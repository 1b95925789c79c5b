/* The members of one presence channel on this node: users in the order in which they
 * came, each with the number of their sockets. Pure data: no clock (times come in), no
 * I/O. Owned by the channel's home; one thread. A member lives until roster_drop; its
 * strings live with it.
 *
 * A member holds what it costs to show it, encoded once: the pieces that member_added and
 * the snapshot are put together from (PROTOCOL.md 2). */
#ifndef MUSTER_PRESENCE_ROSTER_H
#define MUSTER_PRESENCE_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/encode.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"
#include "server/base/slice.h"

struct member {
    struct hmap_node by_id;
    struct list order;   /* in roster.members */
    struct list held;    /* in the channel's list of members in grace, or alone */
    unsigned sockets;    /* 0 while in grace */
    uint64_t keep_until; /* ms: an unclean disconnect keeps the user until then; 0 none */
    struct slice id;     /* the user id */
    struct member_piece piece; /* id and info, escaped for the inside of `data` */
    char bytes[];              /* what the slices point into */
};

struct roster {
    struct hmap by_id;
    struct list members;
    struct hash_seed seed;
    unsigned n;       /* users */
    uint64_t version; /* grows with each user that comes or goes */
};

void roster_init(struct roster *r, struct hash_seed seed);
/** Frees the members too. */
void roster_fini(struct roster *r);
/** NULL if the user isn't there. */
struct member *roster_find(const struct roster *r, struct slice user_id);
/** Adds a user that is not there (copies both slices; info absent: null), without a
 * socket. */
struct member *roster_add(struct roster *r, struct slice user_id, struct slice info);
/** Removes and frees the member. */
void roster_drop(struct roster *r, struct member *m);
/** Calls f for every member, in the order of their coming. */
void roster_each(const struct roster *r, void (*f)(const struct member *m, void *context),
                 void *context);
/** The snapshot as one ready frame for all that join at this version (caller holds it).
 */
struct frame *roster_snapshot(struct roster *r, struct slice channel);

#endif
