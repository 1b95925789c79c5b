/* Time on a connection (PROTOCOL.md 1 and 8), all of it on one wheel entry: the ping of a
 * silent client and the wait for its answer, the sign-in that is due, the day without
 * use, the end of a close that nobody answers. When the entry fires, what is due is done,
 * and it is armed for what comes first then.
 *
 * Any inbound frame counts as activity, WebSocket PINGs too, of which lws tells nothing;
 * so the silence is asked of the kernel (TCP_INFO), and only when the timer fires: a
 * message costs no bookkeeping. */
#include "protocol/encode.h"
#include "server/apps.h"
#include "server/base/log.h"
#include "server/edge_sub.h"
#include "server/node.h"
#include "server/socket.h"
#include "server/worker.h"

static const struct conf *conf_of(const struct conn *c)
{
    return c->edge->worker->node->conf;
}

enum {
    LONGEST_WAIT_MS = 86400 * 1000,
    LATE_MS = 1100, /* from one tick to the next */
};
#define NEVER UINT32_MAX

static uint32_t since(const struct conn *c, uint32_t then)
{
    return edge_now(c->edge) - then;
}

/* What is left of a span of so many seconds, in ms; 0 when it is over. */
static uint32_t left(uint32_t seconds, uint32_t passed)
{
    uint64_t span = seconds * 1000ULL;

    if (span <= passed)
        return 0;
    return span - passed < LONGEST_WAIT_MS ? (uint32_t)(span - passed) : LONGEST_WAIT_MS;
}

static uint32_t authorization_due(const struct conn *c)
{
    const struct conf_app *app = c->app->conf;

    if (c->authorized || !app->enable_user_authentication ||
        !app->user_authentication_timeout)
        return NEVER;
    return left(app->user_authentication_timeout, since(c, c->opened));
}

static uint32_t idle_due(const struct conn *c)
{
    uint32_t limit = conf_of(c)->idle_timeout;

    if (!limit)
        return NEVER;
    return left(limit, c->n_subs ? 0 : since(c, c->last_command));
}

/* True if something has come since the ping. Text frames say so themselves (edge_heard);
 * what lws keeps to itself shows in the silence: without anything since, it would be a
 * whole activity_timeout longer than the wait. */
static bool heard_since_ping(const struct conn *c, uint32_t silence)
{
    return silence < since(c, c->pinged) + 500;
}

/* Pings where it is time to; returns the ms until the next look, 0 when the client is
 * given up. */
static uint32_t ping(struct conn *c)
{
    uint32_t silence = socket_silence(c->wsi);

    if (c->awaits_pong && heard_since_ping(c, silence))
        c->awaits_pong = false;
    if (c->awaits_pong)
        return left(conf_of(c)->pong_timeout, since(c, c->pinged));
    if (left(conf_of(c)->activity_timeout, silence))
        return left(conf_of(c)->activity_timeout, silence);
    c->awaits_pong = true;
    c->pinged = edge_now(c->edge);
    conn_send_take(c, encode_ping());
    return left(conf_of(c)->pong_timeout, 0);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The wheel's seconds may come early by a part of one; then fire() finds nothing due yet.
 */
static void arm(struct conn *c, uint32_t ms)
{
    wheel_arm(&c->edge->wheel, &c->timer, ms / 1000 + (ms % 1000 != 0));
}

void edge_timer_arm(struct conn *c)
{
    uint32_t due = least(authorization_due(c), idle_due(c));

    arm(c, least(due, left(conf_of(c)->activity_timeout, 0)));
}

void edge_say_and_close(struct conn *c, int code)
{
    edge_error(c, code, SLICE_NONE, "%s", close_code_text(code));
    conn_close(c, code);
}

static void fire(struct wheel_entry *entry, void *context)
{
    struct conn *c = CONTAINER_OF(entry, struct conn, timer);
    uint32_t next, authorization, idle;

    (void)context;
    if (c->state != CONN_OPEN) {
        socket_kill(c->wsi);
        return;
    }
    authorization = authorization_due(c);
    idle = idle_due(c);
    next = ping(c);
    if (!authorization)
        edge_say_and_close(c, CLOSE_UNAUTHORIZED);
    else if (!idle)
        edge_say_and_close(c, CLOSE_IDLE);
    else if (!next)
        edge_say_and_close(c, CLOSE_NO_PONG);
    else if (c->state == CONN_OPEN)
        arm(c, least(next, least(authorization, idle)));
}

bool edge_is_late(const struct edge *e)
{
    return loop_now(e->worker->loop) > e->ticked + LATE_MS;
}

/* Closing one takes it out of no list before the turn's end. */
static void judge_all(struct edge *e, bool pardon)
{
    for (struct list *at = e->conns.next; at != &e->conns; at = at->next)
        conn_judge(CONTAINER_OF(at, struct conn, all), pardon);
}

/* A turn that came late (a busy or stopped process) makes up for the ticks that it
 * missed. Nobody is slow by that: he has his second again, but not each time. */
void edge_tick(struct edge *e)
{
    bool pardon = edge_is_late(e) && !e->was_late;

    e->was_late = edge_is_late(e);
    e->ticked = loop_now(e->worker->loop);
    while (e->wheel.now < (loop_now(e->worker->loop) - e->started) / 1000)
        wheel_tick(&e->wheel, fire, NULL);
    if (e->n_over)
        judge_all(e, pardon);
}
