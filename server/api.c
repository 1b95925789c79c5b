/* What the requests of the HTTP API have in common (the app, its signature, its
 * allowance), and those that publish. An event is made into a frame for each of its
 * channels and handed to the channels' homes. On a node by itself the answer waits for
 * nothing, unless the request asks for counts; where nodes share the channels, it waits
 * until whatever is published after it comes behind it. */
#include "server/api.h"

#include <time.h>

#include "protocol/api_body.h"
#include "protocol/api_info.h"
#include "protocol/api_sign.h"
#include "protocol/encode.h"
#include "protocol/json_scan.h"
#include "server/api_app.h"
#include "server/api_call.h"
#include "server/node.h"
#include "server/worker.h"

static const char json[] = "application/json";

/* Replies with the text in why, without a newline of its own. */
static void refuse(struct http_request *r, int status, struct buf *why)
{
    http_reply_text(r, (unsigned)status, buf_cstr(why));
    buf_fini(why);
}

/* Whether the request is signed with this as its path. */
static int verify_path(struct http_request *r, const struct app *app,
                       const struct api_query *q, struct slice path, struct buf *why)
{
    struct slice prefix = slice_of(r->worker->node->conf->path_prefix);
    struct api_request request = {
        .method = r->method, .path = path, .body = buf_slice(&r->body)};
    struct api_credentials credentials = {app->key, app->secret};
    struct buf prefixed = BUF_INIT;
    int status;

    if (prefix.n) {
        buf_add_slice(&prefixed, prefix);
        buf_add_slice(&prefixed, path);
        request.prefixed = buf_slice(&prefixed);
    }
    status = api_sign_verify(&request, q, &credentials, time(NULL), why);
    buf_fini(&prefixed);
    return status;
}

/* True if it is signed with this other path. */
static bool signed_otherwise(struct http_request *r, const struct app *app,
                             const struct api_query *q, struct slice path)
{
    struct buf why = BUF_INIT;
    bool ok = !slice_eq(path, r->path) && verify_path(r, app, q, path, &why) == 0;

    buf_fini(&why);
    return ok;
}

static void put_with_plus(struct buf *out, struct slice path)
{
    for (size_t i = 0; i < path.n; i++) {
        bool space = path.n - i >= 3 && memcmp(path.p + i, "%20", 3) == 0;

        buf_add_char(out, space ? '+' : path.p[i]);
        i += space ? 2 : 0;
    }
}

/* How the path was escaped when it was sent and signed isn't known any more: it is taken
 * as it stands first, then as escaped as it can be, then with `+` for itself, which lws
 * reads as a space. */
static int verify(struct http_request *r, const struct app *app,
                  const struct api_query *q, struct buf *why)
{
    int status = verify_path(r, app, q, r->path, why);
    struct buf escaped = BUF_INIT, plus = BUF_INIT;

    if (!status)
        return 0;
    http_path_escaped(r, &escaped);
    put_with_plus(&plus, r->path);
    if (signed_otherwise(r, app, q, buf_slice(&escaped))) {
        status = 0;
    } else if (signed_otherwise(r, app, q, buf_slice(&plus))) {
        http_path_had_plus(r);
        status = 0;
    }
    if (!status)
        buf_fini(why);
    buf_fini(&escaped);
    buf_fini(&plus);
    return status;
}

/* Homes take no events any more, and what is left of the counts is wrong. */
static bool stops(struct http_request *r)
{
    if (!atomic_load(&r->worker->node->stopping))
        return false;
    r->reply.close = true;
    http_reply_later(r, 503, 1, "The node is shutting down");
    return true;
}

struct app *api_enter(struct http_request *r, struct api_query *q)
{
    struct app *app = apps_find_id(&r->worker->node->apps, r->args[0]);
    struct buf why = BUF_INIT;
    int status = api_query_parse(q, r->query, &why);

    if (stops(r)) {
        buf_fini(&why);
        return NULL;
    }
    if (!status && !app) {
        buf_addf(&why, "Unknown app %.*s", SLICE_ARG(r->args[0]));
        status = 404;
    }
    if (!status)
        status = verify(r, app, q, &why);
    if (!status && !app->conf->enabled) {
        buf_addf(&why, "The app is disabled");
        status = 403;
    }
    if (!status)
        return app;
    refuse(r, status, &why);
    return NULL;
}

bool api_allowed(struct http_request *r, struct app *app, enum api_allowance which,
                 unsigned n)
{
    bool reads = which == API_READS;
    unsigned rate = reads ? app->conf->max_read_requests_per_second
                          : app->conf->max_backend_events_per_second;
    uint64_t now = loop_now(r->worker->loop) * 1000;
    uint64_t wait =
        app_allowance(reads ? &app->reads_spent : &app->events_spent, rate, n, now);

    if (!wait)
        return true;
    http_reply_later(r, 429, (unsigned)((wait + 999999) / 1000000),
                     reads ? "Too many requests: the app's max_read_requests_per_second"
                           : "Too many events: the app's max_backend_events_per_second");
    return false;
}

static struct slice copy(char **at, struct slice s)
{
    struct slice copied = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copied;
}

/* What goes to a channel. */
struct emission {
    struct frame *frame;       /* taken; NULL: ends the user's connections */
    const struct api_event *e; /* NULL: none */
    struct adapter_receipt *receipt;
};

static void emit(struct http_request *r, struct app *app, struct slice channel,
                 struct emission what)
{
    const struct api_event *e = what.e;
    struct worker *w = r->worker;
    bool kept = e && channel_is_cache(channel_kind_of(channel));
    struct msg_emit *m =
        letter_alloc(LETTER_EMIT, sizeof *m + channel.n + (kept ? e->data_raw.n : 0));
    char *at = m->bytes;

    m->app = app;
    m->frame = what.frame;
    m->receipt = what.receipt;
    m->channel = copy(&at, channel);
    if (e)
        m->except = (struct socket_id){e->except[0], e->except[1]};
    if (kept) {
        m->keep = w->node->conf->cache_ttl;
        m->data = copy(&at, e->data_raw);
    }
    /* Through the mailbox even to itself: a question that is asked after the answer to
     * this request then finds the event done, whichever worker asks. */
    worker_post(NULL, worker_peer(w, home_of(app->id, channel, w->node->n_workers)),
                &m->msg);
}

/* Whether nothing may be added now, since some home is busy, or since it would reach this
 * node's clients only (PRESENCE.md, "Degraded"); replied to then, and safe to ask again.
 */
static bool not_now(struct http_request *r, const struct app *app,
                    const struct slice *channels, unsigned n)
{
    struct worker *w = r->worker;

    if (adapter_state(w->node->adapter) == ADAPTER_SILENT) {
        http_reply_later(r, 503, 1,
                         "The cluster can't be reached now: nothing was published");
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        if (worker_busy(
                worker_peer(w, home_of(app->id, channels[i], w->node->n_workers)))) {
            http_reply_later(r, 503, 1, "The node is overloaded");
            return true;
        }
    }
    return false;
}

static void publish(struct http_request *r, struct app *app, const struct api_body *b,
                    struct adapter_receipt *receipt)
{
    for (unsigned i = 0; i < b->n_events; i++) {
        const struct api_event *e = &b->events[i];

        for (unsigned j = 0; j < e->n_channels; j++) {
            struct slice channel = b->channels[e->first + j];

            emit(r, app, channel,
                 (struct emission){encode_published(e->name, channel, e->data_raw), e,
                                   receipt});
            stat_add(&r->worker->stats, published, 1);
        }
    }
}

/* The counts that an answer may carry, asked after the events have gone to the homes:
 * each home answers behind them. */

static void note_channel(struct buf *notes, struct slice channel, unsigned info)
{
    buf_add(notes, &info, sizeof info);
    buf_add(notes, &channel.n, sizeof channel.n);
    buf_add_slice(notes, channel);
}

static struct slice next_note(const char **at, unsigned *info)
{
    struct slice channel;

    memcpy(info, *at, sizeof *info);
    memcpy(&channel.n, *at + sizeof *info, sizeof channel.n);
    channel.p = *at + sizeof *info + sizeof channel.n;
    *at = channel.p + channel.n;
    return channel;
}

static void add_counts(struct buf *out, const struct api_state *s, unsigned question,
                       unsigned info)
{
    const struct lookup_answer *a =
        s->answers[question] ? s->answers[question]->answer : NULL;
    struct channel_facts none = {.users = 0}, f = a && a->n ? a->facts[0] : none;
    const char *comma = "";

    buf_add_char(out, '{');
    if (info & API_INFO_USER_COUNT) {
        buf_addf(out, "\"user_count\":%u", f.users);
        comma = ",";
    }
    if (info & API_INFO_SUBSCRIPTION_COUNT)
        buf_addf(out, "%s\"subscription_count\":%u", comma, f.subscriptions);
    buf_add_char(out, '}');
}

static void reply_with_counts(struct http_request *r, struct api_state *s)
{
    struct buf *out = &r->reply.body;
    const char *at = s->notes.p;
    bool batch = s->info;

    buf_addf(out, batch ? "{\"batch\":[" : "{\"channels\":{");
    for (unsigned i = 0, question = 0; i < s->notes_n; i++) {
        unsigned info;
        struct slice channel = next_note(&at, &info);

        if (i)
            buf_add_char(out, ',');
        if (!batch) {
            buf_add_char(out, '"');
            json_escape(out, channel);
            buf_add_lit(out, "\":");
        }
        if (info)
            add_counts(out, s, question++, info);
        else
            buf_add_lit(out, "{}");
    }
    buf_addf(out, batch ? "]}" : "}}");
    http_finish(r, json);
}

static void ask_counts(struct http_request *r, struct app *app, const struct api_body *b,
                       bool batch)
{
    struct api_state *s = r->state;

    s->info = batch;
    for (unsigned i = 0; i < b->n_events; i++) {
        for (unsigned j = 0; j < b->events[i].n_channels; j++) {
            struct slice channel = b->channels[b->events[i].first + j];
            unsigned info = b->events[i].info & api_info_of(channel_kind_of(channel)) &
                            (API_INFO_USER_COUNT | API_INFO_SUBSCRIPTION_COUNT);

            note_channel(&s->notes, channel, info);
            s->notes_n++;
            if (info)
                api_ask(r,
                        &(struct lookup_query){
                            .app = app->id,
                            .channel = channel,
                            .home = home_of(app->id, channel, r->worker->node->n_workers),
                            .attributes = info & API_INFO_USER_COUNT ? LOOKUP_USERS : 0,
                        });
        }
    }
}

typedef int parse_fn(struct api_body *b, struct slice body, size_t max_data,
                     struct buf *why);

static bool wants_counts(const struct api_body *b)
{
    for (unsigned i = 0; i < b->n_events; i++) {
        if (b->events[i].info)
            return true;
    }
    return false;
}

static void reply_empty(struct http_request *r, struct api_state *s)
{
    (void)s;
    buf_add_lit(&r->reply.body, "{}");
    http_finish(r, json);
}

static unsigned count_emissions(const struct api_body *b)
{
    unsigned n = 0;

    for (unsigned i = 0; i < b->n_events; i++)
        n += b->events[i].n_channels;
    return n;
}

static void post_now(struct http_request *r, struct app *app, const struct api_body *b,
                     bool batch)
{
    bool counts = wants_counts(b);
    struct api_state *s;

    if (!counts && !r->worker->node->adapter->shared) { /* most, and the fastest */
        publish(r, app, b, NULL);
        reply_empty(r, NULL);
        return;
    }
    s = api_state_alloc(r, b->n_channels, counts ? reply_with_counts : reply_empty);
    publish(r, app, b, api_receipt(r, count_emissions(b)));
    if (counts)
        ask_counts(r, app, b, batch);
    if (!s->awaited)
        s->done(r, s);
}

static void post(struct http_request *r, struct app *app, parse_fn *parse, bool batch)
{
    struct api_body body;
    struct buf why = BUF_INIT;
    int status = parse(&body, buf_slice(&r->body),
                       r->worker->node->conf->max_event_kb * (size_t)1024, &why);

    if (status) {
        refuse(r, status, &why);
    } else if (!not_now(r, app, body.channels, body.n_channels) &&
               api_allowed(r, app, API_EVENTS, body.n_events)) {
        post_now(r, app, &body, batch);
    }
    api_body_fini(&body);
}

void api_post_events(struct http_request *r)
{
    struct api_query q;
    struct app *app = api_enter(r, &q);

    if (app)
        post(r, app, api_events_parse, false);
    api_query_fini(&q);
}

void api_post_batch(struct http_request *r)
{
    struct api_query q;
    struct app *app = api_enter(r, &q);

    if (app)
        post(r, app, api_batch_parse, true);
    api_query_fini(&q);
}

void api_terminate(struct http_request *r)
{
    struct api_query q;
    struct app *app = api_enter(r, &q);
    struct buf name = BUF_INIT;
    struct slice channel;

    buf_add_lit(&name, "#server-to-user-");
    buf_add_slice(&name, r->args[1]);
    channel = buf_slice(&name);
    if (app && !not_now(r, app, &channel, 1) && api_allowed(r, app, API_EVENTS, 1)) {
        struct api_state *s = api_state_alloc(r, 1, reply_empty);

        emit(r, app, channel, (struct emission){.receipt = api_receipt(r, 1)});
        if (!s->awaited)
            reply_empty(r, s);
    }
    buf_fini(&name);
    api_query_fini(&q);
}
