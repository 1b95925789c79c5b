/* What a home counts of its channels for the metrics. */
#include "server/gauges.h"
#include "server/home_channel.h"
#include "server/worker.h"

static void add_channel(struct hmap_node *node, void *context)
{
    const struct home_channel *c = CONTAINER_OF(node, struct home_channel, by_id);
    struct gauges *g = context;
    struct app_gauges *app = &g->apps[c->app->index];
    unsigned members = channel_is_presence(c->kind) ? c->presence->view.n : 0;

    app->subscriptions += c->n_admitted;
    app->members += members;
    app->channels[c->kind] += c->n_admitted || members;
}

void gauges_add_home(struct gauges *g, struct worker *w)
{
    hmap_each(&w->home.channels_by_id, add_channel, g);
}
