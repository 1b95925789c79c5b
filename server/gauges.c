#include "server/gauges.h"

#include "server/apps.h"
#include "server/base/xalloc.h"
#include "server/conn.h"
#include "server/node.h"
#include "server/worker.h"

struct gauges *gauges_alloc(size_t n_apps)
{
    struct gauges *g = xcalloc(1, sizeof *g + n_apps * sizeof g->apps[0]);

    g->n_apps = n_apps;
    return g;
}

static void add_connection(struct gauges *g, const struct conn *c)
{
    if (c->counted)
        g->apps[c->app->index].connections++;
    if (c->awaits_writeable) { /* of others the ring is written at the end of this turn */
        g->pending_messages += c->ring_n;
        g->pending_bytes += c->ring_bytes;
    }
    g->paused += c->paused;
}

void gauges_add(struct gauges *g, struct worker *w)
{
    struct list *conns = &w->edge.conns;
    struct adapter_cached cached = {0, 0};

    for (struct list *at = conns->next; at != conns; at = at->next)
        add_connection(g, CONTAINER_OF(at, struct conn, all));
    gauges_add_home(g, w);
    adapter_cached(w->node->adapter, w->index, &cached);
    g->cached_events += cached.events;
    g->cached_bytes += cached.bytes;
}

struct app_gauges gauges_total(const struct gauges *g)
{
    struct app_gauges total = {0};

    for (size_t i = 0; i < g->n_apps; i++) {
        total.connections += g->apps[i].connections;
        total.subscriptions += g->apps[i].subscriptions;
        total.members += g->apps[i].members;
        for (unsigned kind = 0; kind < CHANNEL_KINDS; kind++)
            total.channels[0] += g->apps[i].channels[kind];
    }
    return total;
}
