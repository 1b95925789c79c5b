/* The members of one presence channel as this node knows them: each with the number of
 * its sockets here and, where nodes share the channel, with the nodes that hold it. Those
 * that clients have been told of are shown: they are the view, in the order in which they
 * came. Pure data: no clock (times come in), no I/O. Owned by the channel's home; one
 * thread. A member lives until roster_drop; its strings live with it.
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
    struct list order; /* in roster.members while it is shown, or alone */
    struct list held;  /* in a list of its presence: in grace, or going; or alone */
    unsigned sockets;  /* admitted here; 0 while in grace */
    unsigned n_nids;   /* the nodes that hold it, by the replica; 0 on a node by itself */
    uint64_t *nids;
    unsigned mark; /* the last snapshot that had it */
    bool removed;  /* by a push, and still shown: removals are held back */
    bool doubted;  /* found by a snapshot of an older history, and by nothing else */
    bool left; /* shown as gone while Redis was silent: this node's reference is void */
    uint64_t keep_until; /* ms: an unclean disconnect keeps the user until then; 0 none */
    struct slice id;     /* the user id */
    struct member_piece piece; /* id and info, escaped for the inside of `data` */
    uint64_t info_hash;        /* of the info as it came; keyed, so no client's choice */
    char *new_info;            /* what piece.info points into; NULL: bytes */
    char *redis_info; /* raw JSON, what Redis has; NULL: the same, as far as we know */
    char bytes[];     /* what the slices point into */
};

struct roster {
    struct hmap by_id;
    struct list members;
    struct hash_seed seed;
    unsigned n;       /* users that are shown */
    uint64_t version; /* grows with each user that comes or goes, or is shown otherwise */
};

void roster_init(struct roster *r, struct hash_seed seed);
/** Frees the members too. */
void roster_fini(struct roster *r);
/** NULL if the user isn't there. */
struct member *roster_find(const struct roster *r, struct slice user_id);
/** Adds a user that is not there (copies both slices; info absent: null), without a
 * socket and not shown. */
struct member *roster_add(struct roster *r, struct slice user_id, struct slice info);
/** The info (raw JSON, absent: null) is the one that it has. */
bool roster_has_info(const struct roster *r, const struct member *m, struct slice info);
/** It is the one that Redis has, as far as we know. */
bool roster_redis_has_info(const struct roster *r, const struct member *m,
                           struct slice info);
/** The member has that one from now on. */
void roster_set_info(struct roster *r, struct member *m, struct slice info);
/** The same, though Redis has another one until it is told. */
void roster_show_info(struct roster *r, struct member *m, struct slice info);
/** Redis has that one, which isn't shown yet. */
void member_redis_info(struct member *m, struct slice info);
/** Shows what Redis has. */
void roster_as_redis(struct roster *r, struct member *m);
/** Appends it, raw JSON. */
void member_info(const struct member *m, struct buf *out);
/** Whether clients have been told of it. */
bool member_shown(const struct member *m);
/** Makes it the last of the view. It must not be shown yet. */
void roster_show(struct roster *r, struct member *m);
/** Takes it out of the view. It must be shown. */
void roster_hide(struct roster *r, struct member *m);
/** Removes and frees a member that is not shown. */
void roster_drop(struct roster *r, struct member *m);
bool member_has_nid(const struct member *m, uint64_t nid);
/** Idempotent. */
void member_add_nid(struct member *m, uint64_t nid);
/** Idempotent. */
void member_drop_nid(struct member *m, uint64_t nid);
/** Calls f for every member that is shown, in the order of their coming. */
void roster_each(const struct roster *r, void (*f)(const struct member *m, void *context),
                 void *context);
/** The snapshot as one ready frame for all that join at this version (caller holds it).
 */
struct frame *roster_snapshot(struct roster *r, struct slice channel);

#endif
