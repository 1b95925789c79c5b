/* pusher:signin (PROTOCOL.md 8). */
#include <stdlib.h>

#include "protocol/auth.h"
#include "protocol/channel_data.h"
#include "protocol/encode.h"
#include "server/apps.h"
#include "server/base/xalloc.h"
#include "server/edge_sub.h"
#include "server/edge_watch.h"

static bool signature_valid(struct conn *c, const struct command *cmd)
{
    struct buf s = BUF_INIT, why = BUF_INIT;
    char id[48];
    bool valid;

    auth_signin_string(&s, conn_id_text(c, id), cmd->user_data);
    valid = edge_signed(c, cmd->auth, buf_slice(&s), &why);
    if (!valid)
        conn_send_take(c, encode_error(CLOSE_UNAUTHORIZED, buf_slice(&why), SLICE_NONE));
    buf_fini(&s);
    buf_fini(&why);
    return valid;
}

static struct conn_user *copy_user(const struct user_data *user)
{
    struct conn_user *u = xcalloc(1, sizeof *u + user->id.n + user->info.n);

    memcpy(u->bytes, user->id.p, user->id.n);
    list_init(&u->watches);
    list_init(&u->news);
    u->id = (struct slice){u->bytes, user->id.n};
    if (user->info.p) {
        memcpy(u->bytes + user->id.n, user->info.p, user->info.n);
        u->info = (struct slice){u->bytes + user->id.n, user->info.n};
    }
    return u;
}

/* Events to the user, and the end of its connections, reach every connection that is
 * signed in, whether or not the client subscribes to the channel too. */
static void join_users_channel(struct conn *c)
{
    struct user_data user = {.id = c->user->id};
    struct buf name = BUF_INIT;

    buf_add_lit(&name, "#server-to-user-");
    buf_add_slice(&name, c->user->id);
    edge_ask_home(c, buf_slice(&name), CHANNEL_USER, &user, false);
    buf_fini(&name);
}

/* One connection is one user for its whole life; the same sign-in again is confirmed
 * again. The first one is confirmed when the user's channel has let it in: what is sent
 * to the user from then on arrives. */
static void sign_in(struct conn *c, const struct command *cmd,
                    const struct user_data *user)
{
    if (c->user && !slice_eq(c->user->id, user->id)) {
        edge_error(c, CLOSE_UNAUTHORIZED, SLICE_NONE,
                   "The connection is signed in as another user");
        return;
    }
    c->authorized = true;
    if (c->user) {
        conn_send_take(c, encode_signin_success(cmd->user_data));
        return;
    }
    c->user = copy_user(user);
    c->user->confirm =
        (struct slice){xmemdup0(cmd->user_data.p, cmd->user_data.n), cmd->user_data.n};
    join_users_channel(c);
}

void edge_signed_in(struct conn *c)
{
    struct slice user_data = c->user->confirm;

    if (!user_data.p)
        return;
    c->user->confirm = SLICE_NONE;
    conn_send_take(c, encode_signin_success(user_data));
    edge_watch(c, user_data);
    free((void *)(uintptr_t)user_data.p);
}

void edge_signin(struct conn *c, const struct command *cmd)
{
    struct user_data user;
    const char *fault;

    if (!c->app->conf->enable_user_authentication) {
        edge_error(
            c, CLOSE_UNAUTHORIZED, SLICE_NONE,
            "Sign-in is off: the app's setting enable_user_authentication is false");
        return;
    }
    if (!signature_valid(c, cmd))
        return;
    fault = signin_data_parse(cmd->user_data, &user);
    if (fault)
        edge_error(c, CLOSE_UNAUTHORIZED, SLICE_NONE, "%s", fault);
    else
        sign_in(c, cmd, &user);
    user_data_fini(&user);
}
