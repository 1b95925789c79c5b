/* Who holds whom in one channel, as the shared memory has it: a copy that only pushes
 * move, from a snapshot on (PRESENCE.md, "What a node does", 2 and 3). It keeps the
 * versions and whatever comes before they fit; the members themselves are the presence's
 * roster. Part of struct presence, called by it. */
#ifndef MUSTER_PRESENCE_REPLICA_H
#define MUSTER_PRESENCE_REPLICA_H

#include "presence/exchange.h"
#include "server/base/list.h"

struct replica {
    struct version at;     /* of the members' nids; while !live: of the pages so far */
    bool live;             /* pushes move it; else they wait for the snapshot */
    bool catching;         /* pushes that the snapshot has in it may still come */
    uint64_t caught;       /* ms: by then at the latest they have, or never will */
    struct version passed; /* the last that has arrived as a push */
    struct version before; /* passed, when the snapshot was asked for */
    uint64_t read;         /* the highest seq that a page of the snapshot had */
    unsigned mark;         /* of the snapshot that is being read */
    uint64_t cursor;       /* of its next page */
    unsigned restarts;     /* how often one was asked for: tells the answers apart */
    struct list early;     /* pushes that wait */
    unsigned n_early;
};

enum replica_verdict {
    REPLICA_APPLY,  /* it is the next change: apply it, then replica_moved */
    REPLICA_IGNORE, /* it is known, or it waits */
    REPLICA_LOST,   /* something is missing: take a snapshot */
};

void replica_init(struct replica *r);
void replica_fini(struct replica *r);
/** What to do about a push; keeps a copy where it must wait. seq_only: without the chain
 * of nonces (an ablation). */
enum replica_verdict replica_judge(struct replica *r, const struct push *p,
                                   bool seq_only);
/** True if it shows one moment: it is live, and later pages, which may show changes
 * whose pushes are still to come, are no longer ahead of it. */
bool replica_is_whole(const struct replica *r);
/** The channel's history is known to stand there, and none of its pushes has come. */
void replica_set(struct replica *r, struct version at);
/** A change was applied. */
void replica_moved(struct replica *r, struct version at);
/** A snapshot is to be read: pushes wait from now on. */
void replica_restart(struct replica *r);
/** A page is here, maybe the first, of what Redis had at that version. */
void replica_page(struct replica *r, struct version at, bool first);
/** The last one was: the replica is live, unless a push that has waited doesn't fit.
 * apply is called for each that does. False: take another snapshot. */
bool replica_finish(struct replica *r, void (*apply)(void *context, const struct push *p),
                    void *context);

#endif
