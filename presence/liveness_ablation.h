/* Protective rules switched off, one by one, for the simulator: without any of them it
 * must find a wrong view or a ghost. Nobody else sets them. */
#ifndef MUSTER_PRESENCE_LIVENESS_ABLATION_H
#define MUSTER_PRESENCE_LIVENESS_ABLATION_H

#include "presence/liveness.h"

enum liveness_ablation {
    ABLATE_JUDGE_RESET = 1, /* gaps in the own polls are no matter (rule 8) */
    ABLATE_SWEEP = 2,       /* (rule 9) */
    ABLATE_TABLE_LOSS = 4,  /* a lost table means being declared dead (rule 7) */
    ABLATE_LOST_REPLY = 8,  /* so does a lost reply (rule 7) */
    ABLATE_CLONE = 16,      /* another's value is taken for one's own (rule 7) */
    ABLATE_FOUND = 32,      /* what is under one's own nid is never looked at (rule 9) */
};

void liveness_set_ablation(struct liveness *l, unsigned flags);

#endif
