/* Start and end, in order. Start: everything that libraries keep process-wide is made on
 * the main thread, then the workers run, then the acceptor. End: no new connection, 4200
 * to everyone, a while for them to go, then whatever is left is cut. */
#include "server/node.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "adapters/local.h"
#include "adapters/redis.h"
#include "server/acceptor.h"
#include "server/base/clock.h"
#include "server/base/cpus.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"
#include "server/demo.h"
#include "server/health.h"
#include "server/socket.h"
#include "server/webhook.h"
#include "server/worker.h"

enum {
    WORKERS_MAX = 64,
    DESCRIPTORS_BESIDE = 512, /* handshakes, refusals, epoll, files */
};

/* Exactly what max_connections needs: closing a connection costs time in proportion to
 * this limit (LIBRARIES.md 15). */
static void set_descriptor_limit(const struct conf *conf)
{
    rlim_t want =
        (rlim_t)conf->max_connections + DESCRIPTORS_BESIDE + webhooks_descriptors(conf);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max < want) {
        log_warn("node.descriptors",
                 "max_connections=%u needs=%llu hard_limit=%llu hint=%s",
                 conf->max_connections, (unsigned long long)want,
                 (unsigned long long)limit.rlim_max,
                 "raise the hard limit of open files or lower max_connections");
        want = limit.rlim_max;
    }
    limit.rlim_cur = want;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("node.descriptors", "error=%s", strerror(errno));
}

static unsigned workers_for(const struct conf *conf)
{
    unsigned n = conf->workers ? conf->workers : cpus_allowed();

    return n > WORKERS_MAX ? WORKERS_MAX : n;
}

/* No heartbeat goes out while some worker is stuck: the others are to take this node for
 * dead (PRESENCE.md, rule 7). */
static bool stalled(void *context)
{
    return !health_turning(context, clock_ms());
}

/* SIGTERM or SIGINT has come already: main takes them later, with sigwait. */
static bool is_to_end(void *context)
{
    sigset_t pending;

    (void)context;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT));
}

static unsigned longest_grace(const struct conf *conf)
{
    unsigned longest = 0;

    for (unsigned i = 0; i < conf->n_apps; i++) {
        if (conf->apps[i].presence.leave_grace > longest)
            longest = conf->apps[i].presence.leave_grace;
    }
    return longest;
}

/* What the scripts have decided, for the webhooks that want it (PRESENCE.md, rule 12). */
static void take_transition(void *context, const struct adapter_webhook *w)
{
    static const enum conf_webhook_event events[] = {
        [TRANSITION_OCCUPIED] = CONF_WEBHOOK_CHANNEL_OCCUPIED,
        [TRANSITION_VACATED] = CONF_WEBHOOK_CHANNEL_VACATED,
        [TRANSITION_ADDED] = CONF_WEBHOOK_MEMBER_ADDED,
        [TRANSITION_REMOVED] = CONF_WEBHOOK_MEMBER_REMOVED,
        [TRANSITION_COUNT] = CONF_WEBHOOK_SUBSCRIPTION_COUNT,
    };
    struct node *n = context;
    const struct app *app = apps_find_id(&n->apps, w->app);
    struct webhook_event e = {.type = events[w->kind],
                              .app = app ? app->index : 0,
                              .channel = w->channel,
                              .user_id = w->user,
                              .count = w->count,
                              .done = w->done,
                              .arg = w->lease};

    if (app)
        webhooks_post(n->webhooks, webhook_event_alloc(&e));
    else
        w->done(w->lease); /* this node doesn't know the app */
}

static bool any_webhook(const struct conf *conf)
{
    for (unsigned i = 0; i < conf->n_apps; i++) {
        if (conf->apps[i].n_webhooks)
            return true;
    }
    return false;
}

static struct adapter *make_adapter(struct node *n)
{
    const struct conf *conf = n->conf;
    const struct conf_redis *redis = &conf->redis;
    struct redis_adapter_conf shared = {
        .link = {.host = redis->host,
                 .port = redis->port,
                 .unix_socket = redis->unix_socket,
                 .username = redis->username,
                 .password = redis->password,
                 .db = redis->db,
                 .tls = redis->tls,
                 .tls_files = {redis->tls_ca, redis->tls_cert, redis->tls_key},
                 .sentinels = redis->sentinels,
                 .n_sentinels = redis->n_sentinels,
                 .master_name = redis->master_name,
                 .sentinel_username = redis->sentinel_username,
                 .sentinel_password = redis->sentinel_password},
        .prefix = redis->prefix,
        .required = redis->required,
        .homes = workers_for(conf),
        .leave_grace_ms = longest_grace(conf) * 1000,
        .webhook_delay_ms = conf->webhooks.leave_delay_ms,
        .given_up = is_to_end,
        .stalled = stalled,
        .webhook = any_webhook(conf) ? take_transition : NULL,
        .webhooks_max = conf->webhooks.max_queue,
        .context = n,
    };

    if (conf->adapter_driver == CONF_ADAPTER_REDIS)
        return redis_adapter_alloc(&shared);
    return local_adapter_alloc(workers_for(conf), conf->cache_max_kb * (size_t)1024);
}

static enum err make_workers(struct node *n)
{
    unsigned want = workers_for(n->conf);
    enum err err = ERR_NONE;

    n->n_workers = want;
    n->workers = xcalloc(want, sizeof *n->workers);
    for (unsigned i = 0; i < want && !err; i++) {
        err = worker_init(&n->workers[i], n, i);
        if (err)
            n->n_workers = i + 1;
    }
    return err;
}

static void free_node(struct node *n)
{
    if (n->adapter)
        adapter_stop(n->adapter); /* it calls the homes */
    for (unsigned i = 0; i < n->n_workers; i++)
        worker_fini(&n->workers[i]);
    if (n->acceptor)
        acceptor_free(n->acceptor);
    if (n->metrics)
        acceptor_free(n->metrics);
    free(n->workers);
    webhooks_free(n->webhooks);
    adapter_free(n->adapter);
    apps_fini(&n->apps);
    free(n->demo_name);
    free(n);
}

static void stop_workers(struct node *n, unsigned started)
{
    for (unsigned i = 0; i < started; i++)
        worker_post(NULL, &n->workers[i], letter_plain(LETTER_STOP));
    for (unsigned i = 0; i < started; i++)
        worker_join(&n->workers[i]);
}

static enum err run_threads(struct node *n)
{
    enum err err = webhooks_start(n->webhooks);
    unsigned started = 0;

    while (started < n->n_workers && !err) {
        err = worker_start(&n->workers[started]);
        started += !err;
    }
    if (!err && n->metrics)
        err = acceptor_start(n->metrics);
    if (!err)
        err = acceptor_start(n->acceptor);
    if (err) {
        stop_workers(n, started);
        webhooks_stop(n->webhooks, 0);
    }
    return err;
}

static enum err listen_on_ports(struct node *n)
{
    enum err err = ERR_NONE;

    if (n->conf->metrics.port)
        err = acceptor_alloc(&n->metrics, n, LISTENER_METRICS);
    if (!err)
        err = acceptor_alloc(&n->acceptor, n, LISTENER_MAIN);
    return err;
}

static void stop_listening(struct acceptor *a)
{
    if (a)
        acceptor_stop(a);
}

enum err node_start(struct node **out, const struct conf *conf)
{
    struct node *n = xcalloc(1, sizeof *n);
    enum err err;

    *out = NULL;
    n->conf = conf;
    n->demo_name = demo_node_name(conf);
    n->started = time(NULL);
    set_descriptor_limit(conf);
    apps_init(&n->apps, conf);
    n->adapter = make_adapter(n);
    n->webhooks = webhooks_alloc(conf);
    err = n->webhooks ? make_workers(n) : ERR_LIBRARY;
    socket_servers_made();
    if (!err)
        err = adapter_start(n->adapter);
    if (!err)
        err = listen_on_ports(n);
    if (!err)
        err = run_threads(n);
    if (err) {
        stop_listening(n->acceptor);
        stop_listening(n->metrics);
        free_node(n);
        return err;
    }
    *out = n;
    return ERR_NONE;
}

uint64_t node_stat(const struct node *n, size_t offset)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < n->n_workers; i++) {
        const char *stats = (const char *)&n->workers[i].stats;

        total +=
            atomic_load_explicit((const _Atomic uint64_t *)(const void *)(stats + offset),
                                 memory_order_relaxed);
    }
    return total;
}

#define STATS_FORMAT(name) #name "=%llu "
#define STATS_SUM(name) , (unsigned long long)node_stat(n, offsetof(struct stats, name))

static void log_stats(const struct node *n)
{
    log_info("node.stats", STATS(STATS_FORMAT) "workers=%u" STATS(STATS_SUM),
             n->n_workers);
}

static bool drained_by(const struct worker *w, uint64_t until)
{
    static const struct timespec moment = {0, 2000000};

    while (!atomic_load(&w->drained)) {
        if (clock_ms() >= until)
            return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

/* Waits for the workers to run out of connections, until the grace is over. Meanwhile
 * metrics.port answers, and says that the node isn't ready. */
static void drain(struct node *n, uint64_t until)
{
    atomic_store(&n->stopping, true);
    for (unsigned i = 0; i < n->n_workers; i++)
        worker_post(NULL, &n->workers[i], letter_plain(LETTER_DRAIN));
    for (unsigned i = 0; i < n->n_workers; i++) {
        if (!drained_by(&n->workers[i], until))
            log_warn("node.grace_over", "worker=%u shutdown_grace=%u", i,
                     n->conf->shutdown_grace);
    }
    stop_listening(n->metrics);
    stop_workers(n, n->n_workers);
}

/* The workers have ended: what their homes have put off is due now, and sent in what is
 * left of the grace. */
static void end_webhooks(struct node *n, uint64_t until)
{
    uint64_t now = clock_ms();

    for (unsigned i = 0; i < n->n_workers; i++)
        home_webhooks_tick(&n->workers[i].home.webhooks, UINT64_MAX);
    webhooks_stop(n->webhooks, until > now ? (unsigned)(until - now) : 0);
}

void node_stop(struct node *n)
{
    uint64_t until = clock_ms() + n->conf->shutdown_grace * 1000ULL;

    log_info("node.stopping", "connections=%u", atomic_load(&n->connections));
    adapter_bye(n->adapter);
    acceptor_stop(n->acceptor);
    drain(n, until);
    end_webhooks(n, until);
    log_stats(n);
    free_node(n);
}
