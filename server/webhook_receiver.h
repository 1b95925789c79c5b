/* Who is told of what: the webhooks of all apps, from the configuration. The table is
 * made before the thread starts and never changes, so any thread may ask receivers_want;
 * what a receiver remembers of its deliveries is the sending thread's. */
#ifndef MUSTER_SERVER_WEBHOOK_RECEIVER_H
#define MUSTER_SERVER_WEBHOOK_RECEIVER_H

#include <stdbool.h>

#include "conf/conf.h"
#include "server/base/slice.h"
#include "server/webhook_queue.h"

struct webhooks;

/* One webhook of an app. */
struct receiver {
    struct webhooks *owner;
    const struct conf_app *app;
    const struct conf_webhook *conf;
    struct webhook_target *target;
    char *shown;  /* the URL without its query, which may hold a secret */
    bool failing; /* its last attempt failed */
};

struct receivers {
    struct app_receivers {
        struct receiver *v;
        size_t n;
    } * apps; /* by the app's index */
    size_t n_apps;
    size_t n; /* of all apps */
};

/** Each receiver gets a target of the queue, whose owner it is. conf must outlive it. */
void receivers_init(struct receivers *r, const struct conf *conf, struct webhook_queue *q,
                    struct webhooks *owner);
void receivers_fini(struct receivers *r);
/** Whether this one wants such an event: by its event_types and filter. */
bool receiver_wants(const struct receiver *r, enum conf_webhook_event type,
                    struct slice channel);
/** Whether any of the app's does. */
bool receivers_want(const struct receivers *r, unsigned app, enum conf_webhook_event type,
                    struct slice channel);

#endif
