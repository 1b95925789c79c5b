/* One family after the other: its HELP and TYPE, then its samples. Counters are the sums
 * of the workers' statistics, gauges what a LETTER_GAUGES has brought home, and the rest
 * is read as it is written. Only gauges have a label for the app: there may be ten
 * thousand of them. No label needs escapes: an app's id holds no quote (conf/schema.c).
 */
#include "server/metrics.h"

#include <stddef.h>

#include "adapters/adapter.h"
#include "server/base/process.h"
#include "server/gauges.h"
#include "server/http_route.h"
#include "server/node.h"
#include "server/stats.h"
#include "server/version.h"
#include "server/webhook.h"
#include "server/worker.h"

typedef unsigned long long number;

struct family {
    size_t offset; /* in struct stats, or in what the table says */
    const char *name, *help;
};

#define STAT(field, name, help)                             \
    {                                                       \
        offsetof(struct stats, field), "muster_" name, help \
    }

static const struct family counters[] = {
    STAT(connections, "connections_opened_total", "Connections that were let in."),
    STAT(closed, "connections_closed_total", "Connections let in that have ended."),
    STAT(slow_closes, "slow_client_closes_total",
         "Connections closed because their client read too slowly."),
    STAT(messages_in, "messages_received_total", "Messages from clients."),
    STAT(bytes_in, "received_bytes_total", "Payload of messages from clients."),
    STAT(deliveries, "deliveries_total", "Messages put on their way to one client."),
    STAT(messages_out, "messages_sent_total", "Messages handed to a client's socket."),
    STAT(bytes_out, "sent_bytes_total", "WebSocket frames handed to sockets."),
    STAT(writes, "writes_total", "Socket writes that carried messages."),
    STAT(partial_writes, "partial_writes_total",
         "Socket writes that the kernel did not take whole."),
    STAT(subscriptions, "subscriptions_accepted_total", "Subscriptions let in."),
    STAT(client_events, "client_events_total", "Client events passed on."),
    STAT(client_events_dropped, "client_events_dropped_total",
         "Client events over their connection's rate limit."),
    STAT(client_events_refused, "client_events_refused_total",
         "Client events refused for any other reason."),
    STAT(published, "published_events_total",
         "Events published over the HTTP API, one a channel."),
    STAT(members_added, "presence_members_added_total",
         "Users who came to a presence channel."),
    STAT(members_removed, "presence_members_removed_total",
         "Users who left a presence channel."),
};

/* The rest are refusals, which have labels. */
#define COUNT_ONE(name) +1
_Static_assert(sizeof counters / sizeof *counters + 2 == 0 STATS(COUNT_ONE),
               "every counter is exported (and stands in docs/metrics.md)");

#define WEBHOOK(field, name, help)                                          \
    {                                                                       \
        offsetof(struct webhook_stats, field), "muster_webhook_" name, help \
    }

static const struct family webhook_counters[] = {
    WEBHOOK(attempts, "attempts_total", "Requests to webhooks begun."),
    WEBHOOK(retries, "retries_total", "Of these, not the first of their batch."),
    WEBHOOK(delivered, "events_delivered_total", "Events that a receiver took."),
    WEBHOOK(dropped, "events_dropped_total", "Events for which there was no room."),
    WEBHOOK(gave_up, "events_given_up_total",
            "Events refused or expired, which the dead letter file has."),
};

static const struct family webhook_gauges[] = {
    WEBHOOK(queued, "queued_events", "Events not yet delivered."),
    WEBHOOK(in_flight, "requests_in_flight", "Requests to webhooks under way."),
};

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct buf *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    head(out, name, type, help);
    buf_addf(out, "%s %llu\n", name, (number)value);
}

/* Counters */

static void add_counters(struct buf *out, const struct node *n)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        single(out, counters[i].name, "counter", counters[i].help,
               node_stat(n, counters[i].offset));
}

static void add_codes(struct buf *out, const struct node *n, const struct family *f)
{
    head(out, f->name, "counter", f->help);
    for (unsigned i = 0; i < CLOSE_CODES; i++)
        buf_addf(out, "%s{code=\"%d\"} %llu\n", f->name, close_code_at(i),
                 (number)node_stat(n, f->offset + i * sizeof(uint64_t)));
}

static void add_refusals(struct buf *out, const struct node *n)
{
    static const struct family refused =
        STAT(refused_by_code, "connections_refused_total",
             "Connections refused with this close code.");
    static const struct family ended =
        STAT(ended_by_code, "connections_ended_total",
             "Connections let in that Muster closed with this code.");
    static const char name[] = "muster_subscriptions_refused_total";

    add_codes(out, n, &refused);
    add_codes(out, n, &ended);
    head(out, name, "counter", "Subscriptions answered with pusher:subscription_error.");
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSALS; i++)
        buf_addf(out, "%s{type=\"%s\",status=\"%d\"} %llu\n", name,
                 refusal_type((enum refusal)i), refusal_status((enum refusal)i),
                 (number)node_stat(n, offsetof(struct stats, refused_by_type[0]) +
                                          i * sizeof(uint64_t)));
}

/* HTTP: a route is shown from its first request on. */

static uint64_t http_sum(const struct node *n, unsigned route, size_t offset)
{
    return node_stat(n, offsetof(struct stats, http[0]) +
                            route * sizeof(struct http_stats) + offset);
}

static void add_statuses(struct buf *out, const struct node *n, unsigned route)
{
    for (unsigned i = 0; i < HTTP_STATUSES; i++) {
        uint64_t requests = http_sum(
            n, route, offsetof(struct http_stats, by_status) + i * sizeof(uint64_t));

        if (requests)
            buf_addf(out, "muster_http_requests_total{route=\"%s\",status=\"%s\"} %llu\n",
                     http_route_label(route), http_status_label(i), (number)requests);
    }
}

static void add_times(struct buf *out, const struct node *n, unsigned route)
{
    static const char name[] = "muster_http_request_duration_seconds";
    const char *label = http_route_label(route);
    uint64_t of[HTTP_TIMES], requests = 0, until = 0;

    for (unsigned i = 0; i < HTTP_TIMES; i++) {
        of[i] = http_sum(n, route,
                         offsetof(struct http_stats, by_time) + i * sizeof(uint64_t));
        requests += of[i];
    }
    for (unsigned i = 0; requests && i < HTTP_TIMES; i++) {
        until += of[i];
        buf_addf(out, "%s_bucket{route=\"%s\",le=\"%s\"} %llu\n", name, label,
                 http_time_label(i), (number)until);
    }
    if (requests)
        buf_addf(out, "%s_sum{route=\"%s\"} %.6f\n%s_count{route=\"%s\"} %llu\n", name,
                 label, (double)http_sum(n, route, offsetof(struct http_stats, us)) / 1e6,
                 name, label, (number)requests);
}

static void add_http(struct buf *out, const struct node *n)
{
    head(out, "muster_http_requests_total", "counter", "HTTP requests answered.");
    for (unsigned route = 0; http_route_label(route); route++)
        add_statuses(out, n, route);
    head(out, "muster_http_request_duration_seconds", "histogram",
         "Time from a request's head to its answer.");
    for (unsigned route = 0; http_route_label(route); route++)
        add_times(out, n, route);
}

/* Webhooks */

static uint64_t webhook_stat(const struct node *n, size_t offset)
{
    const char *stats = n->webhooks ? (const char *)webhooks_stats(n->webhooks) : NULL;

    return stats ? atomic_load_explicit(
                       (const _Atomic uint64_t *)(const void *)(stats + offset),
                       memory_order_relaxed)
                 : 0;
}

static void add_webhooks(struct buf *out, const struct node *n)
{
    static const char delay[] = "muster_webhook_delay_seconds_total";

    for (size_t i = 0; i < sizeof webhook_counters / sizeof *webhook_counters; i++)
        single(out, webhook_counters[i].name, "counter", webhook_counters[i].help,
               webhook_stat(n, webhook_counters[i].offset));
    head(out, delay, "counter",
         "Time that delivered events took from happening to the receiver's 2xx, summed.");
    buf_addf(out, "%s %.3f\n", delay,
             (double)webhook_stat(n, offsetof(struct webhook_stats, delay_ms)) / 1e3);
    for (size_t i = 0; i < sizeof webhook_gauges / sizeof *webhook_gauges; i++)
        single(out, webhook_gauges[i].name, "gauge", webhook_gauges[i].help,
               webhook_stat(n, webhook_gauges[i].offset));
}

/* Gauges */

static const char *const kinds[CHANNEL_KINDS] = {
    [CHANNEL_PRIVATE_ENCRYPTED_CACHE] = "private-encrypted-cache",
    [CHANNEL_PRIVATE_ENCRYPTED] = "private-encrypted",
    [CHANNEL_PRIVATE_PRESENCE] = "private-presence",
    [CHANNEL_PRIVATE_CACHE] = "private-cache",
    [CHANNEL_PRIVATE] = "private",
    [CHANNEL_PRESENCE_CACHE] = "presence-cache",
    [CHANNEL_PRESENCE] = "presence",
    [CHANNEL_CACHE] = "cache",
    [CHANNEL_USER] = "user",
    [CHANNEL_PUBLIC] = "public",
};

/* offset: of the unsigned in struct app_gauges. */
static void add_by_app(struct buf *out, const struct node *n, const struct gauges *g,
                       const struct family *f)
{
    head(out, f->name, "gauge", f->help);
    for (size_t i = 0; i < g->n_apps; i++) {
        const char *app = (const char *)&g->apps[i];

        buf_addf(out, "%s{app=\"%s\"} %u\n", f->name, n->conf->apps[i].id,
                 *(const unsigned *)(const void *)(app + f->offset));
    }
}

/* Kinds of which there is none are left out: ten lines for each of ten thousand apps
 * would take 0.1 s. */
static void add_channels(struct buf *out, const struct node *n, const struct gauges *g)
{
    static const char name[] = "muster_channels";

    head(out, name, "gauge", "Occupied channels.");
    for (size_t i = 0; i < g->n_apps; i++) {
        for (unsigned kind = 0; kind < CHANNEL_KINDS; kind++) {
            if (g->apps[i].channels[kind])
                buf_addf(out, "%s{app=\"%s\",kind=\"%s\"} %u\n", name,
                         n->conf->apps[i].id, kinds[kind], g->apps[i].channels[kind]);
        }
    }
}

static void add_gauges(struct buf *out, const struct node *n, const struct gauges *g)
{
    static const struct family by_app[] = {
        {offsetof(struct app_gauges, connections), "muster_connections",
         "Open connections."},
        {offsetof(struct app_gauges, subscriptions), "muster_subscriptions",
         "Subscriptions of open connections."},
        {offsetof(struct app_gauges, members), "muster_presence_members",
         "Users in presence channels, once for each channel."},
    };

    for (size_t i = 0; i < sizeof by_app / sizeof *by_app; i++)
        add_by_app(out, n, g, &by_app[i]);
    add_channels(out, n, g);
    single(out, "muster_pending_messages", "gauge",
           "Messages that wait for a client's socket.", g->pending_messages);
    single(out, "muster_pending_bytes", "gauge",
           "Size of the messages that wait for a client's socket.", g->pending_bytes);
    single(out, "muster_paused_connections", "gauge",
           "Connections that are read from more slowly than they send.", g->paused);
    single(out, "muster_cached_events", "gauge", "Events that cache channels keep.",
           g->cached_events);
    single(out, "muster_cached_bytes", "gauge", "Memory of what cache channels keep.",
           g->cached_bytes);
}

static void add_workers(struct buf *out, const struct node *n)
{
    static const char name[] = "muster_worker_backlog_letters";

    single(out, "muster_workers", "gauge", "Worker threads.", n->n_workers);
    head(out, name, "gauge", "Letters that wait for the worker.");
    for (unsigned i = 0; i < n->n_workers; i++)
        buf_addf(out, "%s{worker=\"%u\"} %u\n", name, i,
                 atomic_load_explicit(&n->workers[i].backlog, memory_order_relaxed));
}

static void add_node(struct buf *out, const struct node *n)
{
    head(out, "muster_build_info", "gauge", "Always 1; the version is the label.");
    buf_addf(out, "muster_build_info{version=\"%s\"} 1\n", MUSTER_VERSION);
    head(out, "muster_adapter_up", "gauge", "1 while the adapter carries events.");
    buf_addf(out, "muster_adapter_up{adapter=\"%s\"} %d\n", n->adapter->ops->name,
             adapter_state(n->adapter) == ADAPTER_UP);
    single(out, "muster_max_connections", "gauge", "The setting max_connections.",
           n->conf->max_connections);
    single(out, "muster_draining", "gauge", "1 once the node stops.",
           atomic_load(&n->stopping));
}

static void add_cluster(struct buf *out, const struct node *n)
{
    struct adapter_figures f;

    adapter_figures(n->adapter, &f);
    single(out, "muster_redis_commands_total", "counter", "Commands sent to Redis.",
           f.commands);
    single(out, "muster_redis_messages_total", "counter", "Messages by Redis's pub/sub.",
           f.messages);
    single(out, "muster_redis_reconnects_total", "counter",
           "Times that the links to Redis were made anew.", f.reconnects);
    single(out, "muster_node_renames_total", "counter",
           "Times that the cluster took this node for dead.", f.renames);
    single(out, "muster_unconfirmed_events_total", "counter",
           "Events that other nodes may have missed.", f.unconfirmed);
}

static void add_process(struct buf *out, const struct node *n)
{
    struct process_figures p;

    process_figures_read(&p);
    head(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
    buf_addf(out, "process_cpu_seconds_total %.6f\n", p.cpu_seconds);
    single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
           p.resident_bytes);
    single(out, "process_open_fds", "gauge", "Open file descriptors.", p.open_fds);
    single(out, "process_max_fds", "gauge", "Limit of open file descriptors.", p.max_fds);
    single(out, "process_start_time_seconds", "gauge", "Start, since the Unix epoch.",
           (uint64_t)n->started);
}

void metrics_write(struct buf *out, const struct node *n, const struct gauges *g)
{
    add_node(out, n);
    add_gauges(out, n, g);
    add_counters(out, n);
    add_refusals(out, n);
    add_http(out, n);
    add_webhooks(out, n);
    add_workers(out, n);
    add_cluster(out, n);
    add_process(out, n);
}
