/* client-… events (PROTOCOL.md 5): checked, encoded once, and handed to the channel's
 * home, which decides their place in the channel's order. */
#include "protocol/encode.h"
#include "server/apps.h"
#include "server/base/allowance.h"
#include "server/edge_sub.h"
#include "server/node.h"
#include "server/webhook.h"
#include "server/worker.h"

/* Each event costs 1/rate s, and a second's worth may come at once. */
static bool within_rate(struct conn *c)
{
    unsigned rate = c->app->conf->max_client_events_per_second;

    return !rate || allowance_take(&c->client_events_spent, 1000000 / rate, 1000000,
                                   loop_now(c->edge->worker->loop) * 1000);
}

/* NULL, or why the event is refused. */
static const char *fault_of(struct conn *c, const struct command *cmd,
                            const struct edge_sub *s)
{
    const struct conf *conf = c->edge->worker->node->conf;

    if (!c->app->conf->enable_client_messages)
        return "Client events are off: the app's setting enable_client_messages is false";
    if (!s || !s->channel)
        return "The connection is not subscribed to the channel";
    if (!channel_takes_client_events(s->kind))
        return "Client events go to private and presence channels only, and to no "
               "encrypted one";
    if (cmd->data.n > conf->max_event_kb * 1024ULL)
        return "The event's data is longer than max_event_kb allows";
    return NULL;
}

/* The event for webhooks, which goes by way of the channel's home for the sake of its
 * order; NULL if none wants it. */
static struct webhook_event *webhook_of(const struct conn *c, const struct command *cmd,
                                        struct slice user)
{
    const struct webhooks *out = c->edge->worker->node->webhooks;
    char id[48];

    if (!webhooks_want(out, c->app->index, CONF_WEBHOOK_CLIENT_EVENT, cmd->channel))
        return NULL;
    return webhook_event_alloc(&(struct webhook_event){
        .type = CONF_WEBHOOK_CLIENT_EVENT,
        .app = c->app->index,
        .channel = cmd->channel,
        .user_id = user,
        .event = cmd->event,
        .data_raw = cmd->data,
        .socket_id = conn_id_text(c, id),
    });
}

static void publish(struct conn *c, const struct command *cmd, const struct edge_sub *s)
{
    struct worker *w = c->edge->worker;
    struct msg_publish *m = letter_alloc(LETTER_PUBLISH, sizeof *m);
    struct slice user = channel_is_presence(s->kind) ? s->user_id : SLICE_NONE;

    m->channel_id = s->channel->id;
    m->frame = encode_client_event(cmd->event, cmd->channel, cmd->data, user);
    m->except = c->id;
    m->webhook = webhook_of(c, cmd, user);
    edge_post_home(c, s->home, &m->msg);
    stat_add(&w->stats, client_events, 1);
}

void edge_client_event(struct conn *c, const struct command *cmd)
{
    const struct edge_sub *s = edge_sub_find(c->edge, c, cmd->channel);
    const char *fault = fault_of(c, cmd, s);

    if (fault) {
        stat_add(&c->edge->worker->stats, client_events_refused, 1);
        edge_error(c, ERROR_CLIENT_EVENT, cmd->channel, "%s", fault);
    } else if (!within_rate(c)) {
        stat_add(&c->edge->worker->stats, client_events_dropped, 1);
        edge_error(c, ERROR_CLIENT_EVENT, cmd->channel,
                   "Event dropped: more than %u client events a second",
                   c->app->conf->max_client_events_per_second);
    } else {
        publish(c, cmd, s);
    }
}
