/* Time on a connection (PROTOCOL.md 1 and 8), all of it on one wheel entry: the ping of a
 * silent client and the wait for its answer, the sign-in that is due, the day without use, the
 * end of a close that nobody answers. When the entry fires, what is due is done, and it is
 * armed for what comes first then.
 *
 * Any inbound frame counts as activity, WebSocket PINGs too, of which lws tells nothing; so
 * the silence is asked of the kernel (TCP_INFO), and only when the timer fires: a message
 * costs no bookkeeping. */
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

/* Seconds until the sign-in is due; 0 when it is overdue, UINT32_MAX when none is. */
static uint32_t authorization_due(const struct conn *c)
{
    const struct conf_app *app = c->app->conf;
    uint32_t age = edge_now(c->edge) - c->opened;

    if (c->authorized || !app->enable_user_authentication ||
        !app->user_authentication_timeout)
        return UINT32_MAX;
    return age < app->user_authentication_timeout ? app->user_authentication_timeout - age
                                                  : 0;
}

static uint32_t idle_due(const struct conn *c)
{
    uint32_t limit = conf_of(c)->idle_timeout, idle = edge_now(c->edge) - c->last_command;

    if (!limit)
        return UINT32_MAX;
    if (c->n_subs)
        return limit; /* looked at again after another span */
    return idle < limit ? limit - idle : 0;
}

/* True if something has come since the ping. Text frames say so themselves (edge_heard); what
 * lws keeps to itself shows in the silence, with some slack for the two clocks. */
static bool heard_since_ping(const struct conn *c, uint32_t silence)
{
    enum { CLOCKS_DIFFER_MS = 500 };

    return silence + CLOCKS_DIFFER_MS < (uint32_t)edge_now_ms(c->edge) - c->pinged;
}

/* Pings where it is time to; returns the seconds until the next look, 0 when the client is
 * given up. */
static uint32_t ping(struct conn *c)
{
    uint32_t silence = socket_silence(c->wsi), wait = conf_of(c)->pong_timeout;
    uint32_t limit = conf_of(c)->activity_timeout * 1000;

    if (c->awaits_pong && heard_since_ping(c, silence))
        c->awaits_pong = false;
    if (c->awaits_pong) {
        uint32_t waited = ((uint32_t)edge_now_ms(c->edge) - c->pinged + 500) / 1000;

        return waited < wait ? wait - waited : 0;
    }
    if (silence + 500 < limit)
        return (limit - silence + 999) / 1000;
    c->awaits_pong = true;
    c->pinged = (uint32_t)edge_now_ms(c->edge);
    conn_send_take(c, encode_ping());
    return wait;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void edge_timer_arm(struct conn *c)
{
    uint32_t due = least(authorization_due(c), idle_due(c));

    due = least(due, conf_of(c)->activity_timeout);
    wheel_arm(&c->edge->wheel, &c->timer, due);
}

static void say_and_close(struct conn *c, int code)
{
    edge_error(c, code, SLICE_NONE, "%s", close_code_text(code));
    conn_close(c, code);
}

static void fire(struct wheel_entry *entry, void *context)
{
    struct conn *c = CONTAINER_OF(entry, struct conn, timer);
    uint32_t next, authorization, idle;

    (void)context;
    if (c->state == CONN_CLOSING) {
        socket_kill(c->wsi);
        return;
    }
    authorization = authorization_due(c);
    idle = idle_due(c);
    next = ping(c);
    if (!authorization)
        say_and_close(c, CLOSE_UNAUTHORIZED);
    else if (!idle)
        say_and_close(c, CLOSE_IDLE);
    else if (!next)
        say_and_close(c, CLOSE_NO_PONG);
    else if (c->state == CONN_OPEN)
        wheel_arm(&c->edge->wheel, &c->timer, least(next, least(authorization, idle)));
}

/* A turn that came late (a busy or stopped process) makes up for the ticks that it missed. */
void edge_tick(struct edge *e)
{
    while (e->wheel.now < edge_now(e) - e->started)
        wheel_tick(&e->wheel, fire, NULL);
}
