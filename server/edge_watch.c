#include "server/edge_watch.h"

#include <stdlib.h>

#include "protocol/channel_data.h"
#include "protocol/encode.h"
#include "server/apps.h"
#include "server/base/xalloc.h"
#include "server/edge_sub.h"
#include "server/worker.h"

enum presence_state { UNKNOWN, ONLINE, OFFLINE };

struct watch {
    struct hmap_node by_id;
    struct list of_user; /* in conn_user.watches */
    struct conn *conn;
    uint64_t id;
    unsigned home;
    enum presence_state told, now;
    struct slice user;
    char bytes[];
};

static void ask_home(struct edge *e, const struct watch *w, struct slice channel)
{
    struct msg_watch *m = letter_alloc(LETTER_WATCH, sizeof *m + channel.n);

    m->edge = e->worker->index;
    m->watch_id = w->id;
    m->app = w->conn->app;
    memcpy(m->bytes, channel.p, channel.n);
    m->channel = (struct slice){m->bytes, channel.n};
    edge_post_home(w->conn, w->home, &m->msg);
}

static void watch_one(struct conn *c, struct slice user)
{
    struct edge *e = c->edge;
    struct watch *w = xcalloc(1, sizeof *w + user.n);
    struct buf channel = BUF_INIT;

    buf_add_lit(&channel, "#server-to-user-");
    buf_add_slice(&channel, user);
    memcpy(w->bytes, user.p, user.n);
    w->user = (struct slice){w->bytes, user.n};
    w->conn = c;
    w->id = ++e->next_sub_id;
    w->home = home_of(c->app->id, buf_slice(&channel), e->worker->home.n_workers);
    list_append(&c->user->watches, &w->of_user);
    hmap_insert(&e->watches, &w->by_id, hash_u64(w->id));
    ask_home(e, w, buf_slice(&channel));
    buf_fini(&channel);
}

void edge_watch(struct conn *c, struct slice user_data)
{
    struct watchlist list;
    const char *fault = signin_watchlist(user_data, &list);

    if (fault)
        edge_error(c, ERROR_NULL, SLICE_NONE, "%s", fault);
    if (list.longer)
        edge_error(c, ERROR_WATCHLIST, SLICE_NONE,
                   "The watchlist is longer than %d: the first %d are watched",
                   WATCHLIST_MAX, WATCHLIST_MAX);
    for (unsigned i = 0; !fault && i < list.n; i++)
        watch_one(c, list.ids[i]);
    watchlist_fini(&list);
}

static void unwatch(struct edge *e, struct watch *w)
{
    if (!e->draining) {
        struct msg_unwatch *m = letter_alloc(LETTER_UNWATCH, sizeof *m);

        m->edge = e->worker->index;
        m->watch_id = w->id;
        worker_post(e->worker, worker_peer(e->worker, w->home), &m->msg);
    }
    hmap_remove(&e->watches, &w->by_id);
    list_remove(&w->of_user);
    free(w);
}

void edge_unwatch_all(struct conn *c)
{
    struct conn_user *u = c->user;

    while (u && !list_empty(&u->watches))
        unwatch(c->edge, CONTAINER_OF(u->watches.next, struct watch, of_user));
    if (u)
        list_remove(&u->news);
}

static struct watch *find(struct edge *e, uint64_t id)
{
    struct hmap_node *n = hmap_first(&e->watches, hash_u64(id));

    for (; n; n = hmap_next(n, hash_u64(id))) {
        struct watch *w = CONTAINER_OF(n, struct watch, by_id);

        if (w->id == id)
            return w;
    }
    return NULL;
}

void edge_watch_news(struct edge *e, const struct msg_online *m)
{
    struct watch *w = find(e, m->watch_id);

    if (!w)
        return;
    w->now = m->online ? ONLINE : OFFLINE;
    if (list_empty(&w->conn->user->news))
        list_append(&e->news, &w->conn->user->news);
}

static void tell(struct conn_user *u)
{
    struct slice online[WATCHLIST_MAX], offline[WATCHLIST_MAX];
    size_t n_online = 0, n_offline = 0;
    struct conn *c = NULL;

    for (struct list *at = u->watches.next; at != &u->watches; at = at->next) {
        struct watch *w = CONTAINER_OF(at, struct watch, of_user);

        c = w->conn;
        if (w->now == w->told)
            continue;
        w->told = w->now;
        if (w->now == ONLINE)
            online[n_online++] = w->user;
        else
            offline[n_offline++] = w->user;
    }
    if (n_online + n_offline)
        conn_send_take(c, encode_watchlist(online, n_online, offline, n_offline));
}

void edge_watch_turn_ends(struct edge *e)
{
    while (!list_empty(&e->news)) {
        struct conn_user *u = CONTAINER_OF(e->news.next, struct conn_user, news);

        list_remove(&u->news);
        tell(u);
    }
}
