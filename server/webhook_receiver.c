#include "server/webhook_receiver.h"

#include <stdlib.h>

#include "server/base/xalloc.h"

static void receiver_init(struct receiver *r, const struct conf_app *app,
                          const struct conf_webhook *conf, struct webhook_queue *q)
{
    r->app = app;
    r->conf = conf;
    r->shown = xmemdup0(conf->url, strcspn(conf->url, "?"));
    r->target = webhook_target_add(q, slice_of(conf->url), r);
}

void receivers_init(struct receivers *r, const struct conf *conf, struct webhook_queue *q,
                    struct webhooks *owner)
{
    r->n = 0;
    r->n_apps = conf->n_apps;
    r->apps = xcalloc(conf->n_apps, sizeof *r->apps);
    for (size_t i = 0; i < conf->n_apps; i++) {
        struct app_receivers *to = &r->apps[i];

        to->n = conf->apps[i].n_webhooks;
        to->v = xcalloc(to->n, sizeof *to->v);
        r->n += to->n;
        for (size_t j = 0; j < to->n; j++) {
            to->v[j].owner = owner;
            receiver_init(&to->v[j], &conf->apps[i], &conf->apps[i].webhooks[j], q);
        }
    }
}

void receivers_fini(struct receivers *r)
{
    for (size_t i = 0; i < r->n_apps; i++) {
        for (size_t j = 0; j < r->apps[i].n; j++)
            free(r->apps[i].v[j].shown);
        free(r->apps[i].v);
    }
    free(r->apps);
}

static bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n &&
           slice_eq((struct slice){s.p + (s.n - suffix.n), suffix.n}, suffix);
}

bool receiver_wants(const struct receiver *r, enum conf_webhook_event type,
                    struct slice channel)
{
    return (r->conf->event_types & 1u << type) &&
           slice_starts(channel, slice_of(r->conf->channel_prefix)) &&
           slice_ends(channel, slice_of(r->conf->channel_suffix));
}

bool receivers_want(const struct receivers *r, unsigned app, enum conf_webhook_event type,
                    struct slice channel)
{
    const struct app_receivers *of = &r->apps[app];

    for (size_t i = 0; i < of->n; i++)
        if (receiver_wants(&of->v[i], type, channel))
            return true;
    return false;
}
