/* Protective rules switched off, one by one, for the simulator: without any of them it
 * must find a wrong view. Nobody else sets them. */
#ifndef MUSTER_PRESENCE_SHARED_ABLATION_H
#define MUSTER_PRESENCE_SHARED_ABLATION_H

#include "presence/shared.h"

enum shared_ablation {
    ABLATE_HOLD = 1,      /* removals found by a resync don't wait (rule 5) */
    ABLATE_CHAIN = 2,     /* versions are compared by seq alone */
    ABLATE_VERIFY = 4,    /* Redis is never asked what it has of ours (rule 6) */
    ABLATE_ROTATION = 8,  /* quiet channels' versions are never compared (rule 3) */
    ABLATE_JOIN_SEQ = 16, /* a joiner waits for nothing but his join's answer (rule 2) */
    ABLATE_ECHO = 32,     /* echoes of what was delivered directly are delivered again */
    ABLATE_READ = 64,     /* a joiner doesn't wait for all that his snapshot had in it */
    ABLATE_LEFT = 128,    /* a name that was given up may bring back who left meanwhile */
    ABLATE_RENEW = 256,   /* Redis may keep an earlier stay's info */
    ABLATE_TOTAL = 512,   /* a total that may have been missed isn't asked for */
    ABLATE_FEWER = 1024,  /* a lower total doesn't wait as removals do */
};

void shared_set_ablation(struct shared *s, unsigned flags);

#endif
