/* The thread's turn: letters become pieces in the queue, curl's callbacks end batches,
 * and at the turn's end every batch that is due is sent and the timer set for the next
 * one.
 *
 * Before a letter comes in it counts in `posted`, so that the mailbox has the bound of
 * the queue too, should the thread not get to run. */
#include "server/webhook.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/auth.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/mailbox.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "server/stats.h"
#include "server/webhook_dead.h"
#include "server/webhook_http.h"
#include "server/webhook_queue.h"
#include "server/webhook_receiver.h"

enum {
    IN_FLIGHT_MAX = 1024,    /* requests, all URLs together: each needs a descriptor */
    DESCRIPTORS_BESIDE = 80, /* libcurl's idle connections, epoll, the file */
    SECOND = 1000,           /* ms */
};

struct webhooks {
    const struct conf *conf;
    struct receivers receivers;
    struct webhook_queue *queue;
    struct webhook_http *http; /* NULL, as the loop: no app has a webhook */
    struct loop *loop;
    struct loop_timer due, grace_over;
    struct mailbox inbox;
    struct letter stop;           /* the letter that ends the thread */
    unsigned grace;               /* ms; written before stop is posted */
    _Atomic unsigned posted;      /* letters on their way */
    _Atomic unsigned turned_away; /* events that met a full mailbox, not yet told of */
    struct webhook_stats stats;
    struct random_pool random;
    unsigned in_flight;
    bool is_dropping, is_draining, is_running;
    uint64_t dropped; /* in this burst */
    int dead;         /* descriptor of the dead letter file, or -1 */
    pthread_t thread;
};

static uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- what is lost ---- */

/* One line when a burst of drops begins, and one with their number when it is over. */
static void note_drops(struct webhooks *w, unsigned n)
{
    stat_add(&w->stats, dropped, n);
    w->dropped += n;
    if (!w->is_dropping)
        log_warn("webhook.dropping", "max_queue=%u", w->conf->webhooks.max_queue);
    w->is_dropping = true;
}

static void end_burst(struct webhooks *w)
{
    if (!w->is_dropping ||
        webhook_queue_waiting(w->queue) > w->conf->webhooks.max_queue / 2)
        return;
    log_warn("webhook.dropped", "events=%" PRIu64, w->dropped);
    w->is_dropping = false;
    w->dropped = 0;
}

static void give_up(struct webhooks *w, struct webhook_batch *b,
                    struct webhook_result result)
{
    const struct receiver *r = b->owner;
    const char *reason = result.status ? "refused" : result.error;
    char id[24];

    snprintf(id, sizeof id, "%016" PRIx64, random_pool_u64(&w->random));
    log_warn("webhook.gave_up",
             "id=%s app=%s url=%s events=%u attempts=%u status=%d error=%s", id,
             r->app->id, r->shown, b->n_events, b->attempts, result.status, reason);
    if (w->dead >= 0)
        dead_letter_write(w->dead,
                          &(struct dead_letter){wall_ms(), id, r->app->id, r->shown,
                                                (const char *const *)r->conf->headers,
                                                r->conf->n_headers, reason, result.status,
                                                b->attempts, buf_slice(&b->body)});
    stat_add(&w->stats, gave_up, b->n_events);
    webhook_batch_end(w->queue, b);
}

/* ---- sending ---- */

static void note_delivery(struct webhooks *w, struct receiver *r,
                          const struct webhook_batch *b, int status)
{
    uint64_t now = clock_ms() * b->n_events;

    stat_add(&w->stats, delivered, b->n_events);
    stat_add(&w->stats, delay_ms, now > b->posted_sum ? now - b->posted_sum : 0);
    if (r->failing)
        log_info("webhook.recovered", "app=%s url=%s status=%d attempts=%u", r->app->id,
                 r->shown, status, b->attempts);
    r->failing = false;
}

/* Each failure is a line for those who debug; the first since a success for all. */
static void note_failure(struct receiver *r, const struct webhook_batch *b,
                         struct webhook_result result)
{
    log_at(r->failing ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "webhook.failed",
           "app=%s url=%s events=%u attempts=%u status=%d error=%s", r->app->id, r->shown,
           b->n_events, b->attempts, result.status,
           result.status ? "none" : result.error);
    r->failing = true;
}

static void attempt_ended(struct webhook_batch *b, struct webhook_result result)
{
    struct receiver *r = b->owner;
    struct webhooks *w = r->owner;

    if (result.status >= 200 && result.status < 300) {
        note_delivery(w, r, b, result.status);
        webhook_batch_end(w->queue, b);
        return;
    }
    note_failure(r, b, result);
    if (!webhook_batch_retry(w->queue, b, loop_now(w->loop)))
        give_up(w, b, result);
}

static void answered(void *context, struct webhook_result result)
{
    struct webhook_batch *b = context;

    ((struct receiver *)b->owner)->owner->in_flight--;
    attempt_ended(b, result);
}

static enum err post_batch(struct webhooks *w, struct webhook_batch *b)
{
    const struct receiver *r = b->owner;
    char hex[AUTH_HEX_LEN + 1], key[128], signature[128];
    const char **headers = xcalloc(r->conf->n_headers + 4, sizeof *headers);
    struct webhook_request request = {
        r->conf->url, headers, buf_slice(&b->body), answered, b,
    };
    enum err err;

    auth_sign(hex, slice_of(r->app->secret), request.body);
    snprintf(key, sizeof key, "X-Pusher-Key: %s", r->app->key);
    snprintf(signature, sizeof signature, "X-Pusher-Signature: %s", hex);
    headers[0] = "Content-Type: application/json";
    headers[1] = key;
    headers[2] = signature;
    for (size_t i = 0; i < r->conf->n_headers; i++)
        headers[3 + i] = r->conf->headers[i];
    err = webhook_http_post(w->http, &request);
    free(headers);
    return err;
}

static void send_batch(struct webhooks *w, struct webhook_batch *b)
{
    stat_add(&w->stats, attempts, 1);
    stat_add(&w->stats, retries, b->attempts > 1);
    w->in_flight++;
    if (post_batch(w, b))
        answered(b, (struct webhook_result){0, "libcurl refused the request"});
}

/* ---- the turn ---- */

static void queue_event(struct webhooks *w, struct webhook_event *e)
{
    struct app_receivers *app = &w->receivers.apps[e->app];
    struct buf json = BUF_INIT;
    struct webhook_piece *piece;

    webhook_event_json(&json, e);
    piece = webhook_piece_alloc(e->channel, buf_slice(&json), e->posted);
    piece->done = e->done;
    piece->arg = e->arg;
    e->done = NULL;
    for (size_t i = 0; i < app->n; i++) {
        if (receiver_wants(&app->v[i], e->type, e->channel) &&
            webhook_queue_add(w->queue, app->v[i].target, piece))
            note_drops(w, 1);
    }
    webhook_piece_release(piece);
    buf_fini(&json);
}

static void grace_over(void *context);

static void begin_draining(struct webhooks *w)
{
    w->is_draining = true;
    webhook_queue_drain(w->queue);
    loop_after(w->loop, &w->grace_over, w->grace, grace_over, w);
}

static void woken(void *context)
{
    struct webhooks *w = context;
    struct letter *batch = mailbox_take(&w->inbox);
    unsigned turned_away = atomic_exchange(&w->turned_away, 0);

    if (turned_away)
        note_drops(w, turned_away);
    while (batch) {
        struct letter *next = batch->next;

        if (batch == &w->stop) {
            begin_draining(w);
        } else {
            queue_event(w, (struct webhook_event *)batch);
            webhook_event_free((struct webhook_event *)batch);
            atomic_fetch_sub_explicit(&w->posted, 1, memory_order_relaxed);
        }
        batch = next;
    }
}

/* The turn's end does what is due. */
static void wait_over(void *context)
{
    (void)context;
}

static void set_timer(struct webhooks *w)
{
    uint64_t now = loop_now(w->loop), due = webhook_queue_due(w->queue);

    loop_cancel(w->loop, &w->due);
    if (due == UINT64_MAX || w->in_flight >= IN_FLIGHT_MAX)
        return;
    due = due > now ? due - now : 1;
    loop_after(w->loop, &w->due, due > 60 * SECOND ? 60 * SECOND : (unsigned)due,
               wait_over, w);
}

static struct webhook_batch *next_batch(struct webhooks *w)
{
    return webhook_queue_next(w->queue,
                              (struct webhook_now){loop_now(w->loop), wall_ms()});
}

static void turn_ends(void *context)
{
    struct webhooks *w = context;
    struct webhook_batch *b;

    while (w->in_flight < IN_FLIGHT_MAX && (b = next_batch(w)))
        send_batch(w, b);
    end_burst(w);
    set_timer(w);
    atomic_store_explicit(&w->stats.queued, webhook_queue_events(w->queue),
                          memory_order_relaxed);
    atomic_store_explicit(&w->stats.in_flight, w->in_flight, memory_order_relaxed);
    if (w->is_draining && !webhook_queue_events(w->queue))
        loop_stop(w->loop);
}

/* Requests under way may yet have arrived; nobody will know. */
static void grace_over(void *context)
{
    static const struct webhook_result over = {0, "shutdown"};
    struct webhooks *w = context;
    struct webhook_batch *b;

    webhook_http_cancel_all(w->http, over.error);
    webhook_queue_flush(w->queue);
    while ((b = next_batch(w))) {
        b->attempts--; /* that one wasn't made */
        give_up(w, b, over);
    }
}

/* ---- start and end ---- */

static size_t count_webhooks(const struct conf *conf)
{
    size_t n = 0;

    for (size_t i = 0; i < conf->n_apps; i++)
        n += conf->apps[i].n_webhooks;
    return n;
}

unsigned webhooks_descriptors(const struct conf *conf)
{
    size_t n = count_webhooks(conf) * conf->webhooks.concurrency;

    if (!n)
        return 0;
    return (unsigned)(n < IN_FLIGHT_MAX ? n : IN_FLIGHT_MAX) + DESCRIPTORS_BESIDE;
}

static void wake(void *context)
{
    loop_wake(context);
}

struct webhooks *webhooks_alloc(const struct conf *conf)
{
    const struct conf_webhooks *c = &conf->webhooks;
    const struct webhook_limits limits = {c->batch_ms, c->batch_size,
                                          c->retry_seconds * SECOND, c->concurrency,
                                          c->max_queue};
    struct webhooks *w = xcalloc(1, sizeof *w);

    w->conf = conf;
    w->dead = -1;
    random_pool_init(&w->random);
    w->queue = webhook_queue_alloc(&limits, random_pool_u64(&w->random));
    receivers_init(&w->receivers, conf, w->queue, w);
    if (!w->receivers.n)
        return w;
    w->loop = loop_alloc(woken, turn_ends, w);
    mailbox_init(&w->inbox, wake, w->loop);
    w->http = webhook_http_alloc(w->loop, c->timeout);
    if (!w->http) {
        webhooks_free(w);
        return NULL;
    }
    return w;
}

static void *run(void *context)
{
    struct webhooks *w = context;

    pthread_setname_np(pthread_self(), "webhooks");
    loop_run(w->loop);
    loop_cancel(w->loop, &w->due);
    loop_cancel(w->loop, &w->grace_over);
    return NULL;
}

enum err webhooks_start(struct webhooks *w)
{
    const char *file = w->conf->webhooks.dead_letter_file;
    int failed;

    if (!w->receivers.n)
        return ERR_NONE;
    if (*file) {
        w->dead = dead_letters_open(file);
        if (w->dead < 0)
            return ERR_SYSTEM;
    }
    failed = pthread_create(&w->thread, NULL, run, w);
    if (failed) {
        log_error("webhook.start_failed", "error=%s", strerror(failed));
        return ERR_SYSTEM;
    }
    w->is_running = true;
    return ERR_NONE;
}

void webhooks_stop(struct webhooks *w, unsigned grace)
{
    if (!w->is_running)
        return;
    w->grace = grace;
    mailbox_post(&w->inbox, &w->stop);
    pthread_join(w->thread, NULL);
    w->is_running = false;
}

void webhooks_free(struct webhooks *w)
{
    if (!w)
        return;
    if (w->http)
        webhook_http_free(w->http);
    if (w->loop) {
        for (struct letter *l = mailbox_take(&w->inbox), *next; l; l = next) {
            next = l->next;
            webhook_event_free((struct webhook_event *)l);
        }
        mailbox_fini(&w->inbox);
        loop_free(w->loop);
    }
    receivers_fini(&w->receivers);
    webhook_queue_free(w->queue);
    if (w->dead >= 0)
        close(w->dead);
    free(w);
}

/* ---- any thread ---- */

bool webhooks_want(const struct webhooks *w, unsigned app, enum conf_webhook_event type,
                   struct slice channel)
{
    return receivers_want(&w->receivers, app, type, channel);
}

void webhooks_post(struct webhooks *w, struct webhook_event *e)
{
    if (!webhooks_want(w, e->app, e->type, e->channel)) {
        webhook_event_free(e);
        return;
    }
    if (atomic_fetch_add_explicit(&w->posted, 1, memory_order_relaxed) >=
        w->conf->webhooks.max_queue) {
        atomic_fetch_sub_explicit(&w->posted, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->turned_away, 1, memory_order_relaxed);
        webhook_event_free(e);
        return;
    }
    e->posted = clock_ms();
    mailbox_post(&w->inbox, &e->letter);
}

const struct webhook_stats *webhooks_stats(const struct webhooks *w)
{
    return &w->stats;
}
