/* The driver's side of muster-chaos: it is told what to do by lines on its standard
 * input, and answers each with one line of JSON. test/chaos/support/clients.js is who
 * speaks.
 *
 *   node I URL | closed I | frozen I 0|1     where clients may go; whom they leave alone
 *   enter N | churn RATE | events RATE | tight 0|1 | returns PERCENT
 *   quiet            no churn and no events from now on
 *   leave ROOM N | insist
 *   in MS            until nobody is between two states
 *   heal MS          until every view is the truth;
 * {"ms":…,"lacked":…,"waiting":…,"ghosts":…} truth            who is in which room report
 * the tally quit and what record_told knows. */
#ifndef MUSTER_CHAOS_CONTROL_H
#define MUSTER_CHAOS_CONTROL_H

#include "test/chaos/drive.h"

/** Does what the standard input says, to its end. */
void control_run(struct drive *d);

struct settled {
    unsigned ms;
    unsigned lacked; /* for so many of them somebody who is in wasn't shown to somebody */
    struct difference rest;
};

/** Turns until every view is the truth (or nobody is between states), at most ms. */
struct settled control_settle(struct drive *d, bool views, unsigned ms);

#endif
