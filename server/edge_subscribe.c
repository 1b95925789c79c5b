/* pusher:subscribe (PROTOCOL.md 2 to 4 and 8), the edge's part: the name, the signature,
 * the user. What is left for the home is whether there is room. A subscribe always gets
 * an answer. */
#include "protocol/auth.h"
#include "protocol/channel_data.h"
#include "protocol/encode.h"
#include "server/apps.h"
#include "server/base/allowance.h"
#include "server/edge_sub.h"
#include "server/node.h"
#include "server/worker.h"

static bool name_allowed(struct conn *c, const struct command *cmd,
                         enum channel_kind kind)
{
    const char *fault = channel_name_fault(cmd->channel);

    if (fault) {
        edge_refuse(c, cmd->channel, REFUSAL_CHANNEL, "%s", fault);
        return false;
    }
    if (cmd->channel_data.p && (kind == CHANNEL_PUBLIC || kind == CHANNEL_CACHE)) {
        edge_refuse(
            c, cmd->channel, REFUSAL_CHANNEL,
            "%.*s is a public channel, which takes no channel_data: the name of a "
            "presence channel starts with presence- or private-presence-",
            SLICE_ARG(cmd->channel));
        return false;
    }
    return true;
}

static bool room_for_one_more(struct conn *c, struct slice channel)
{
    unsigned limit = c->edge->worker->node->conf->max_channels_per_connection;

    const struct edge_sub *there = edge_sub_find(c->edge, c, channel);

    if (there && there->asked) {
        edge_error(c, ERROR_NULL, channel, "Existing subscription to channel %.*s",
                   SLICE_ARG(channel));
        return false;
    }
    if (c->n_subs >= limit) {
        edge_refuse(c, channel, REFUSAL_TOO_MANY_CHANNELS,
                    "The connection has reached its limit of %u channels", limit);
        return false;
    }
    return true;
}

/* Every sign-in has a subscription of its own to the user's channel; the client's
 * subscribe only asks for an answer. */
static void subscribe_user(struct conn *c, struct slice channel)
{
    struct edge_sub *s = edge_sub_find(c->edge, c, channel);

    edge_sub_set_asked(s, true);
    if (s->channel)
        conn_send_take(c, encode_subscribed(channel));
}

/* #server-to-user-ID is open to connections that are signed in as ID, and to no other. */
static bool user_channel_allowed(struct conn *c, struct slice channel)
{
    struct slice id = channel_user_id(channel);

    if (c->user && slice_eq(c->user->id, id))
        return true;
    edge_refuse(c, channel, REFUSAL_AUTH, "The connection is not signed in as user %.*s",
                SLICE_ARG(id));
    return false;
}

bool edge_signed(const struct conn *c, struct slice auth, struct slice s, struct buf *why)
{
    if (auth_verify(auth, c->app->key, c->app->secret, s))
        return true;
    buf_add_lit(why, "Invalid signature: auth should be ");
    buf_add_slice(why, c->app->key);
    buf_add_lit(why, ":HmacSHA256Hex(\"");
    buf_add_slice(why, s); /* whatever its bytes are: it is what was to be signed */
    buf_add_lit(why, "\", secret)");
    return false;
}

static bool signature_valid(struct conn *c, const struct command *cmd)
{
    struct buf s = BUF_INIT, why = BUF_INIT;
    char id[48];
    bool valid;

    auth_channel_string(&s, conn_id_text(c, id), cmd->channel, cmd->channel_data);
    valid = edge_signed(c, cmd->auth, buf_slice(&s), &why);
    if (!valid)
        edge_refuse_text(c, cmd->channel, REFUSAL_AUTH, buf_slice(&why));
    buf_fini(&s);
    buf_fini(&why);
    return valid;
}

static bool presence_enabled(struct conn *c, struct slice channel)
{
    if (c->app->conf->enable_user_authentication)
        return true;
    edge_refuse(
        c, channel, REFUSAL_AUTH_OFF,
        "Presence channels are off: the app's setting enable_user_authentication is "
        "false");
    return false;
}

/* Who joins: the user of channel_data, or the one that the connection is signed in as. */
static bool user_known(struct conn *c, const struct command *cmd, struct user_data *user)
{
    const char *fault = NULL;

    *user = (struct user_data){SLICE_NONE, SLICE_NONE, BUF_INIT};
    if (cmd->channel_data.p) {
        fault = channel_data_parse(cmd->channel_data, user);
    } else if (c->user) {
        user->id = c->user->id;
        user->info = c->user->info;
    } else {
        fault =
            "A presence channel needs channel_data, or a connection that is signed in";
    }
    if (fault)
        edge_refuse(c, cmd->channel, REFUSAL_CHANNEL_DATA, "%s", fault);
    return !fault;
}

static bool info_fits(struct conn *c, struct slice channel, struct slice info)
{
    unsigned kb = c->app->conf->presence.max_member_size_in_kb;

    if (info.n <= kb * 1024ULL)
        return true;
    edge_refuse(
        c, channel, REFUSAL_MEMBER_TOO_LARGE,
        "user_info has %zu bytes, the limit is %llu (max_member_size_in_kb is %u)",
        info.n, kb * 1024ULL, kb);
    return false;
}

static struct slice copy(char **at, struct slice s)
{
    struct slice copied = {s.p ? *at : NULL, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copied;
}

void edge_ask_home(struct conn *c, struct slice channel, enum channel_kind kind,
                   const struct user_data *user, bool asked)
{
    struct worker *w = c->edge->worker;
    struct edge_sub *s = edge_sub_add(c->edge, c, kind, channel, user->id, asked);
    struct msg_subscribe *m =
        letter_alloc(LETTER_SUBSCRIBE, sizeof *m + channel.n + user->id.n + user->info.n);
    char *at = m->bytes;

    m->edge = w->index;
    m->sub_id = s->id;
    m->app = c->app;
    m->kind = kind;
    m->channel = copy(&at, channel);
    m->user_id = copy(&at, user->id);
    m->user_info = copy(&at, user->info);
    edge_post_home(c, s->home, &m->msg);
}

/* Joining and leaving in a loop makes everyone else in the room hear of it. Nobody is
 * refused, but past a burst a connection is read from no faster than this. */
static void slow_down(struct conn *c, struct slice channel)
{
    enum { JOINS_A_SECOND = 50, JOINS_AT_ONCE = 200 };
    uint64_t cost = 1000000 / JOINS_A_SECOND;
    uint64_t over = allowance_spend(&c->joins_spent, cost, cost * JOINS_AT_ONCE,
                                    loop_now(c->edge->worker->loop) * 1000);

    if (over)
        edge_pause(c, home_of(c->app->id, channel, c->edge->worker->home.n_workers),
                   over / 1000 + 1);
}

static void subscribe_presence(struct conn *c, const struct command *cmd,
                               enum channel_kind kind)
{
    struct user_data user;

    if (user_known(c, cmd, &user) && info_fits(c, cmd->channel, user.info))
        edge_ask_home(c, cmd->channel, kind, &user, true);
    user_data_fini(&user);
    slow_down(c, cmd->channel);
}

void edge_subscribe(struct conn *c, const struct command *cmd)
{
    static const struct user_data no_user = {{NULL, 0}, {NULL, 0}, {NULL, 0, 0}};
    enum channel_kind kind = channel_kind_of(cmd->channel);

    if (!name_allowed(c, cmd, kind) || !room_for_one_more(c, cmd->channel))
        return;
    if (kind == CHANNEL_USER) {
        if (user_channel_allowed(c, cmd->channel))
            subscribe_user(c, cmd->channel);
        return;
    }
    if (channel_is_presence(kind) && !presence_enabled(c, cmd->channel))
        return;
    if (channel_needs_signature(kind) && !signature_valid(c, cmd))
        return;
    if (channel_is_presence(kind))
        subscribe_presence(c, cmd, kind);
    else
        edge_ask_home(c, cmd->channel, kind, &no_user, true);
}

void edge_unsubscribe(struct conn *c, const struct command *cmd)
{
    struct edge_sub *s = edge_sub_find(c->edge, c, cmd->channel);

    if (s && s->asked && s->kind == CHANNEL_USER)
        edge_sub_set_asked(s, false);
    else if (s && s->asked)
        edge_sub_leave(c->edge, s, EXIT_CLEAN);
    else
        edge_error(c, ERROR_NULL, cmd->channel, "No current subscription to channel %.*s",
                   SLICE_ARG(cmd->channel));
}
