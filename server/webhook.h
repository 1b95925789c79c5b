/* Webhooks: a thread of its own that sends what homes post (PROTOCOL.md 7). Which events
 * there are, and when, is decided where membership is; here they are filtered, batched,
 * signed, sent, tried again, and given up in the end.
 *
 * An event is sent to each webhook of its app that wants it: at least once, and never
 * again after a 2xx. Per webhook the events of one channel arrive in the order they were
 * posted; what is given up leaves a gap and holds up nothing (webhook_queue.h). */
#ifndef MUSTER_SERVER_WEBHOOK_H
#define MUSTER_SERVER_WEBHOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/base/err.h"
#include "server/webhook_event.h"

struct webhooks;

/* Counted per webhook: an event that two webhooks want counts twice.
 *         name             what it counts */
#define WEBHOOK_STATS(X)                                              \
    X(attempts)  /* requests begun */                                 \
    X(retries)   /* of these, not the first of their batch */         \
    X(delivered) /* events that a receiver took */                    \
    X(delay_ms)  /* their time from posting to the 2xx, summed */     \
    X(dropped)   /* events for which there was no room */             \
    X(gave_up)   /* events refused or expired: in the dead letters */ \
    X(queued)    /* events not yet delivered, now: a gauge */         \
    X(in_flight) /* requests under way, now: a gauge */

#define WEBHOOK_STATS_FIELD(name) _Atomic uint64_t name;
struct webhook_stats {
    WEBHOOK_STATS(WEBHOOK_STATS_FIELD)
};
#undef WEBHOOK_STATS_FIELD

/** Before any thread starts; conf must outlive it. NULL: libcurl refused; it was logged.
 */
struct webhooks *webhooks_alloc(const struct conf *conf);
/** Starts the thread, if any app has a webhook. ERR_SYSTEM: no thread, or the dead letter
 * file can't be opened; it was logged. */
enum err webhooks_start(struct webhooks *w) MUST_CHECK;
/** Tries once more whatever is queued, for at most grace ms, writes what is left to the
 * dead letters, and ends the thread. Nobody may post from then on. Nothing where it
 * wasn't started. */
void webhooks_stop(struct webhooks *w, unsigned grace);
/** After webhooks_stop; NULL is fine. */
void webhooks_free(struct webhooks *w);

/** Whether any webhook of the app wants such an event: to be asked before one is made.
 * Any thread. */
bool webhooks_want(const struct webhooks *w, unsigned app, enum conf_webhook_event type,
                   struct slice channel);
/** Takes the event. Any thread, from webhooks_start to webhooks_stop; never blocks. */
void webhooks_post(struct webhooks *w, struct webhook_event *e);
/** Borrowed; any thread reads it, each field by itself. */
const struct webhook_stats *webhooks_stats(const struct webhooks *w);
/** The most descriptors that sending may need, for the limit of open files. */
unsigned webhooks_descriptors(const struct conf *conf);

#endif
