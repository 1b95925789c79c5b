/* One event for webhooks: what a home says of it, and the JSON that receivers read
 * (PROTOCOL.md 7). An event is a letter: made by any thread, owned by whoever has it,
 * freed with webhook_event_free. */
#ifndef MUSTER_SERVER_WEBHOOK_EVENT_H
#define MUSTER_SERVER_WEBHOOK_EVENT_H

#include <stdint.h>

#include "conf/conf.h"
#include "server/base/buf.h"
#include "server/base/mailbox.h"
#include "server/base/slice.h"

struct webhook_event {
    struct letter letter; /* first: a letter is its event */
    enum conf_webhook_event type;
    unsigned app;    /* index in conf->apps */
    unsigned count;  /* of CONF_WEBHOOK_SUBSCRIPTION_COUNT */
    uint64_t posted; /* ms, monotonic; webhooks_post sets it */
    struct slice channel;
    struct slice user_id;  /* of members; of client events on presence channels */
    struct slice event;    /* of client events, as the two below */
    struct slice data_raw; /* JSON as received, valid; absent: null */
    struct slice socket_id;
    /* Called once, on any thread, when every webhook has it, or has given it up; or NULL.
     * Who copies the event takes this over. */
    void (*done)(void *arg);
    void *arg;
    char bytes[]; /* what the slices borrow from, once allocated */
};

/** Makes an event of what from says (copies it and every slice). */
struct webhook_event *webhook_event_alloc(const struct webhook_event *from);
/** Calls done, unless it was taken over. */
void webhook_event_free(struct webhook_event *e);
/** Appends the event's object with exactly the fields of its type. A client event's data
 * is a string: its own where it was one, else its JSON as text. */
void webhook_event_json(struct buf *out, const struct webhook_event *e);

#endif
