/* What presence.c and presence_replica.c know of each other, and nobody else. */
#ifndef MUSTER_PRESENCE_PRESENCE_PARTS_H
#define MUSTER_PRESENCE_PRESENCE_PARTS_H

#include "presence/presence.h"
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"

static inline struct reference *presence_reference_at(struct list *node)
{
    return CONTAINER_OF(node, struct reference, of_channel);
}

/** 0 on a node by itself. */
uint64_t presence_own_nid(const struct presence *p);
bool presence_ablated(const struct presence *p, enum shared_ablation what);
bool presence_in_grace(const struct member *m);
/** Says what has changed about the member, and frees it if nothing is left of it. */
void presence_update(struct presence *p, struct member *m, uint64_t now);
void presence_update_all(struct presence *p, uint64_t now);
/** The user has come with that info, as Redis says. If it is another one, and his removal
 * was held back, clients are told that he has gone; else only later joiners see it. To be
 * updated. */
void presence_renew(struct presence *p, struct member *m, struct slice info);
/** Lets in who waits for the reference, if its join is through. */
void presence_let_in(struct presence *p, struct reference *r);
/** Its join's push ought to come soon; if not, the version is looked at. */
void presence_expect_push(struct presence *p, const struct reference *r, uint64_t now);
void presence_grace_over(struct presence *p, struct member *m, uint64_t now);
/** Those who only watch are told, once. */
void presence_now_known(struct presence *p);

#endif
