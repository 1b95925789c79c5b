/* What one worker knows it answers at once. The rest takes a round of all workers, in
 * which the letter is alone: the request may go meanwhile (its client gives up), and the
 * letter then comes back to nothing. */
#include "server/health.h"

#include <stdlib.h>
#include <time.h>

#include "protocol/auth.h"
#include "server/base/clock.h"
#include "server/base/process.h"
#include "server/base/xalloc.h"
#include "server/gauges.h"
#include "server/letters.h"
#include "server/metrics.h"
#include "server/node.h"
#include "server/worker.h"

enum { STUCK_MS = 5000 };

static const char json[] = "application/json";

typedef void answer_fn(struct http_request *r, const struct gauges *g);

/* A request that waits for its letter; it may go before the letter comes back, which then
 * finds nothing. */
struct asked {
    struct list open;
    uint64_t number;
    struct http_request *request;
    answer_fn *answer;
};

void health_init(struct health *h)
{
    list_init(&h->asked);
    h->next = 0;
}

static void reply_json(struct http_request *r, unsigned status, const char *text)
{
    r->reply.status = status;
    buf_add_slice(&r->reply.body, slice_of(text));
    http_finish(r, json);
}

bool health_turning(const struct node *n, uint64_t now)
{
    for (unsigned i = 0; i < n->n_workers; i++) {
        uint64_t turned =
            atomic_load_explicit(&n->workers[i].last_turn, memory_order_relaxed);

        if (turned + STUCK_MS < now)
            return false;
    }
    return true;
}

void health_get_up(struct http_request *r)
{
    if (health_turning(r->worker->node, clock_ms()))
        reply_json(r, 200, "{\"status\":\"up\"}");
    else
        reply_json(r, 503, "{\"status\":\"stuck\"}");
}

void health_get_ready(struct http_request *r)
{
    if (atomic_load(&r->worker->node->stopping))
        reply_json(r, 503, "{\"status\":\"draining\"}");
    else
        reply_json(r, 200, "{\"status\":\"ready\"}");
}

/* The round of the workers */

static void end_asked(struct http_request *r)
{
    struct asked *a = r->state;

    list_remove(&a->open);
    free(a);
}

static void pass_on(struct worker *w, struct msg_gauges *m)
{
    gauges_add(m->gauges, w);
    worker_post(w, worker_peer(w, (w->index + 1) % w->node->n_workers), &m->msg);
}

static void ask(struct http_request *r, answer_fn *answer)
{
    struct worker *w = r->worker;
    struct asked *a = xcalloc(1, sizeof *a);
    struct msg_gauges *m = letter_alloc(LETTER_GAUGES, sizeof *m);

    a->number = ++w->health.next;
    a->request = r;
    a->answer = answer;
    list_append(&w->health.asked, &a->open);
    r->state = a;
    r->end_state = end_asked;
    m->asker = w->index;
    m->call = a->number;
    m->gauges = gauges_alloc(w->node->apps.n);
    pass_on(w, m);
}

static void answer(struct worker *w, const struct msg_gauges *m)
{
    struct list *asked = &w->health.asked;

    for (struct list *at = asked->next; at != asked; at = at->next) {
        struct asked *a = CONTAINER_OF(at, struct asked, open);

        if (a->number == m->call) {
            a->answer(a->request, m->gauges);
            return;
        }
    }
}

void health_gauges(struct worker *w, struct msg_gauges *m)
{
    if (m->asker != w->index) {
        pass_on(w, m);
        return;
    }
    answer(w, m);
    letter_free(&m->msg);
}

/* Who may see the figures: everyone on metrics.port, who has the token elsewhere. */

static bool bears(struct slice authorization, const char *token)
{
    static const char scheme[] = "bearer ";
    const size_t n = sizeof scheme - 1;

    return authorization.n > n && strncasecmp(authorization.p, scheme, n) == 0 &&
           auth_secret_is((struct slice){authorization.p + n, authorization.n - n},
                          slice_of(token));
}

static bool allowed(struct http_request *r)
{
    if (r->own_port || bears(r->authorization, r->worker->node->conf->metrics.token))
        return true;
    r->reply.authenticate = "Bearer realm=\"muster\"";
    http_reply_text(r, 401, "metrics.token is needed: Authorization: Bearer TOKEN");
    return false;
}

static void write_usage(struct http_request *r, const struct gauges *g)
{
    const struct node *n = r->worker->node;
    struct app_gauges total = gauges_total(g);
    struct process_figures p;

    process_figures_read(&p);
    buf_addf(&r->reply.body,
             "{\"memory\":{\"rss_bytes\":%llu},\"cpu_seconds\":%.3f,"
             "\"open_fds\":%llu,\"max_fds\":%llu,\"uptime_seconds\":%lld,"
             "\"workers\":%u,\"connections\":%u,\"max_connections\":%u,"
             "\"subscriptions\":%u,\"channels\":%u,\"presence_members\":%u,"
             "\"pending_bytes\":%llu}",
             (unsigned long long)p.resident_bytes, p.cpu_seconds,
             (unsigned long long)p.open_fds, (unsigned long long)p.max_fds,
             (long long)(time(NULL) - n->started), n->n_workers, total.connections,
             n->conf->max_connections, total.subscriptions, total.channels[0],
             total.members, (unsigned long long)g->pending_bytes);
    http_finish(r, json);
}

void health_get_usage(struct http_request *r)
{
    if (allowed(r))
        ask(r, write_usage);
}

static void write_metrics(struct http_request *r, const struct gauges *g)
{
    metrics_write(&r->reply.body, r->worker->node, g);
    http_finish(r, "text/plain; version=0.0.4; charset=utf-8");
}

void health_get_metrics(struct http_request *r)
{
    if (allowed(r))
        ask(r, write_metrics);
}
