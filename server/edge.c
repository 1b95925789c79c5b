/* An edge: commands in, frames out. It checks whatever can be checked without the
 * channel's home (names, signatures, limits of the connection), and posts the rest there.
 * What homes answer is looked up by the subscription's number: an answer to one that was
 * undone meanwhile finds nothing and is dropped; the home has had the unsubscribe by
 * then, or gets it behind what it answered. */
#include "server/edge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/encode.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"
#include "server/edge_sub.h"
#include "server/edge_watch.h"
#include "server/handshake.h"
#include "server/node.h"
#include "server/socket.h"
#include "server/worker.h"

enum {
    SCRATCH_BYTES = 1 << 16,
    RESUME_MS = 20,     /* between looks at paused connections */
    READS_A_TURN = 128, /* beside the loop's own: others wait for their turn meanwhile */
};

void edge_init(struct edge *e, struct worker *w)
{
    e->worker = w;
    list_init(&e->conns);
    list_init(&e->dirty);
    list_init(&e->unread);
    list_init(&e->paused);
    list_init(&e->news);
    hmap_init(&e->watches);
    e->reads = 0;
    e->n_over = 0;
    hmap_init(&e->subs);
    hmap_init(&e->names);
    hmap_init(&e->channels);
    wheel_init(&e->wheel);
    random_pool_init(&e->random);
    e->seed = hash_seed_random();
    e->next_sub_id = 0;
    e->scratch = xmalloc(SCRATCH_BYTES);
    e->started = e->ticked = loop_now(e->worker->loop);
    e->was_late = false;
    e->draining = false;
}

uint32_t edge_now(const struct edge *e)
{
    return (uint32_t)loop_now(e->worker->loop);
}

void edge_fini(struct edge *e)
{
    hmap_fini(&e->subs);
    hmap_fini(&e->names);
    hmap_fini(&e->watches);
    hmap_fini(&e->channels);
    free(e->scratch);
}

void edge_error(struct conn *c, int code, struct slice channel, const char *text, ...)
{
    struct buf b = BUF_INIT;
    va_list args;

    va_start(args, text);
    buf_vaddf(&b, text, args);
    va_end(args);
    conn_send_take(c, encode_error(code, buf_slice(&b), channel));
    buf_fini(&b);
}

void edge_refuse_text(struct conn *c, struct slice channel, enum refusal why,
                      struct slice text)
{
    conn_send_take(c, encode_refused(channel, why, text));
    stat_add(&c->edge->worker->stats, refused_subscriptions, 1);
    stat_add(&c->edge->worker->stats, refused_by_type[why], 1);
}

void edge_refuse(struct conn *c, struct slice channel, enum refusal why, const char *text,
                 ...)
{
    struct buf b = BUF_INIT;
    va_list args;

    va_start(args, text);
    buf_vaddf(&b, text, args);
    va_end(args);
    edge_refuse_text(c, channel, why, buf_slice(&b));
    buf_fini(&b);
}

/* Connecting */

/* Counts the connection, or says which bound it is over. */
static int count_in(struct conn *c, struct app *app)
{
    struct node *node = c->edge->worker->node;
    unsigned quota = app->conf->max_connections;

    if (c->edge->draining)
        return CLOSE_RECONNECT;
    if (atomic_fetch_add(&node->connections, 1) >= node->conf->max_connections) {
        atomic_fetch_sub(&node->connections, 1);
        return CLOSE_OVER_CAPACITY;
    }
    if (atomic_fetch_add(&app->connections, 1) >= quota && quota) {
        atomic_fetch_sub(&app->connections, 1);
        atomic_fetch_sub(&node->connections, 1);
        return CLOSE_APP_QUOTA;
    }
    c->app = app;
    c->counted = true;
    return 0;
}

void edge_welcome(struct edge *e, struct conn *c, const struct handshake *h)
{
    const struct node *node = e->worker->node;
    struct app *app;
    int code = handshake_check(h, &node->apps, slice_of(node->conf->path_prefix), &app);
    char text[48];

    if (!code)
        code = count_in(c, app);
    if (code) {
        log_debug("ws.refused", "code=%d path=%.*s", code, SLICE_ARG(h->path));
        conn_refuse(c, code);
        return;
    }
    stat_add(&e->worker->stats, connections, 1);
    conn_send_take(
        c, encode_established(conn_id_text(c, text), node->conf->activity_timeout,
                              node->demo_name ? slice_of(node->demo_name) : SLICE_NONE));
    edge_timer_arm(c);
}

void edge_goodbye(struct conn *c, enum presence_exit how)
{
    while (!list_empty(&c->subs))
        edge_sub_leave(c->edge, CONTAINER_OF(c->subs.next, struct edge_sub, of_conn),
                       how);
    edge_unwatch_all(c);
    if (c->counted) {
        c->counted = false;
        atomic_fetch_sub(&c->app->connections, 1);
        atomic_fetch_sub(&c->edge->worker->node->connections, 1);
        stat_add(&c->edge->worker->stats, closed, 1);
    }
}

/* Commands */

/* The error names the event where it has a name of legal length. */
static void malformed(struct conn *c, const struct command *cmd)
{
    int code =
        slice_starts(cmd->event, SLICE("client-")) ? ERROR_CLIENT_EVENT : ERROR_NULL;

    if (cmd->event.n && cmd->event.n <= EVENT_NAME_MAX)
        edge_error(c, code, cmd->channel, "%s (event %.*s)", cmd->fault,
                   SLICE_ARG(cmd->event));
    else
        edge_error(c, code, cmd->channel, "%s", cmd->fault);
}

static void obey(struct conn *c, const struct command *cmd)
{
    if (cmd->verb != COMMAND_PING && cmd->verb != COMMAND_PONG)
        c->last_command = edge_now(c->edge);
    switch (cmd->verb) {
    case COMMAND_SUBSCRIBE:
        edge_subscribe(c, cmd);
        break;
    case COMMAND_UNSUBSCRIBE:
        edge_unsubscribe(c, cmd);
        break;
    case COMMAND_PING:
        conn_send_take(c, encode_pong());
        break;
    case COMMAND_SIGNIN:
        edge_signin(c, cmd);
        break;
    case COMMAND_CLIENT_EVENT:
        edge_client_event(c, cmd);
        break;
    case COMMAND_MALFORMED:
        malformed(c, cmd);
        break;
    case COMMAND_PONG:
    case COMMAND_IGNORED:
        break;
    }
}

void edge_heard(struct conn *c)
{
    c->awaits_pong = false;
}

void edge_message(struct conn *c, struct slice message)
{
    struct command cmd;

    if (c->state != CONN_OPEN)
        return;
    stat_add(&c->edge->worker->stats, messages_in, 1);
    stat_add(&c->edge->worker->stats, bytes_in, message.n);
    command_parse(&cmd, message);
    obey(c, &cmd);
    command_fini(&cmd);
}

/* Letters of homes */

static void subscribed(struct edge *e, const struct msg_subscribed *m)
{
    struct edge_sub *s = edge_sub_by_id(e, m->sub_id);

    if (!s)
        return;
    edge_sub_join(e, s, m->channel_id);
    if (channel_needs_signature(s->kind))
        s->conn->authorized = true;
    if (s->kind == CHANNEL_USER && s->conn->user)
        edge_signed_in(s->conn);
    s = edge_sub_by_id(e, m->sub_id);
    if (!s || !s->asked)
        return;
    conn_send(s->conn, m->frame);
    s = edge_sub_by_id(e,
                       m->sub_id); /* a slow client may have been closed by the first */
    if (s && m->after)
        conn_send(s->conn, m->after);
}

static void refused(struct edge *e, const struct msg_refused *m)
{
    struct edge_sub *s = edge_sub_by_id(e, m->sub_id);

    if (!s)
        return;
    edge_refuse(s->conn, s->name, m->why,
                "The channel has reached its limit of %u members", m->limit);
    s = edge_sub_by_id(e, m->sub_id);
    if (s)
        edge_sub_remove(e, s);
}

/* Closing a slow client inside the walk takes it out of the channel, and the last one
 * into its place: so the walk goes from the end. */
static void deliver(struct edge *e, const struct msg_deliver *m)
{
    struct edge_channel *ch = edge_channel_find(e, m->channel_id);
    unsigned i = ch ? ch->n : 0;

    while (i-- > 0) {
        struct conn *c = ch->subs[i]->conn;
        bool last = ch->n == 1;

        if (!socket_id_eq(c->id, m->except))
            conn_send(c, m->frame);
        if (last)
            break; /* the channel may be gone */
    }
}

/* The app has ended a user's connections: all of those that the channel has here. */
static void terminate(struct edge *e, const struct msg_terminate *m)
{
    struct edge_channel *ch = edge_channel_find(e, m->channel_id);
    unsigned i = ch ? ch->n : 0;

    while (i-- > 0) {
        struct conn *c = ch->subs[i]->conn;
        bool last = ch->n == 1;

        edge_say_and_close(c, CLOSE_UNAUTHORIZED);
        if (last)
            break; /* the channel is gone */
    }
}

static void drain(struct edge *e)
{
    struct list *next;

    e->draining = true;
    for (struct list *at = e->conns.next; at != &e->conns; at = next) {
        next = at->next;
        conn_close(CONTAINER_OF(at, struct conn, all), CLOSE_RECONNECT);
    }
}

void edge_receive(struct edge *e, struct msg *m)
{
    switch (m->kind) {
    case LETTER_SUBSCRIBED:
        subscribed(e, (struct msg_subscribed *)m);
        break;
    case LETTER_REFUSED:
        refused(e, (struct msg_refused *)m);
        break;
    case LETTER_DELIVER:
        deliver(e, (struct msg_deliver *)m);
        break;
    case LETTER_ONLINE:
        edge_watch_news(e, (struct msg_online *)m);
        break;
    case LETTER_TERMINATE:
        terminate(e, (struct msg_terminate *)m);
        break;
    case LETTER_DRAIN:
        drain(e);
        break;
    case LETTER_EMIT:
    case LETTER_WATCH:
    case LETTER_UNWATCH:
    case LETTER_RUN:
    case LETTER_ANSWER:
    case LETTER_GAUGES:
    case LETTER_ADOPT:
    case LETTER_SUBSCRIBE:
    case LETTER_UNSUBSCRIBE:
    case LETTER_PUBLISH:
    case LETTER_STOP:
        break;
    }
    letter_free(m);
}

bool edge_read_on(struct edge *e)
{
    struct conn *c;

    if (list_empty(&e->unread) || e->reads == READS_A_TURN) {
        e->reads = 0;
        return false;
    }
    c = CONTAINER_OF(e->unread.next, struct conn, unread);
    list_remove(&c->unread);
    e->reads++;
    socket_read_on(c->wsi);
    return true;
}

/* Backpressure. A client's commands become letters to homes, which may cost a home much
 * more than they cost the edge: so whoever sends faster than its homes can follow, or
 * joins and leaves in a loop, is read from more slowly. Nothing is lost; its commands
 * wait in the kernel, as they do for a client on a slow link. */

static bool must_wait(const struct conn *c)
{
    return (int32_t)(c->resume_at - edge_now(c->edge)) > 0 ||
           worker_busy(worker_peer(c->edge->worker, c->paused_for));
}

static void resume_some(void *context)
{
    struct edge *e = context;
    struct list *next;

    for (struct list *at = e->paused.next; at != &e->paused; at = next) {
        struct conn *c = CONTAINER_OF(at, struct conn, unread);

        next = at->next;
        if (!must_wait(c))
            edge_resume(c);
    }
    if (!list_empty(&e->paused))
        loop_after(e->worker->loop, &e->resume, RESUME_MS, resume_some, e);
}

void edge_pause(struct conn *c, unsigned home, uint64_t ms)
{
    struct edge *e = c->edge;

    if (c->paused || c->state != CONN_OPEN)
        return;
    if (list_empty(&e->paused))
        loop_after(e->worker->loop, &e->resume, RESUME_MS, resume_some, e);
    c->paused = true;
    c->paused_for = (uint8_t)home;
    c->resume_at = edge_now(e) + (uint32_t)ms;
    list_remove(&c->unread);
    list_append(&e->paused, &c->unread);
    socket_pause(c->wsi, true);
}

void edge_resume(struct conn *c)
{
    c->paused = false;
    list_remove(&c->unread);
    socket_pause(c->wsi, false);
}

void edge_post_home(struct conn *c, unsigned home, struct msg *m)
{
    struct worker *w = c->edge->worker, *to = worker_peer(w, home);

    worker_post(w, to, m);
    if (worker_busy(to))
        edge_pause(c, home, 0);
}

void edge_flush(struct edge *e)
{
    while (!list_empty(&e->dirty)) {
        struct conn *c = CONTAINER_OF(e->dirty.next, struct conn, dirty);

        list_remove(&c->dirty);
        if (!conn_flush(c))
            socket_kill(c->wsi);
    }
}
