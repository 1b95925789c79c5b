/* What presence says, told to clients: the outputs of a channel's presence become frames
 * and answers. The snapshot is put together from pieces that each member's join encoded
 * once, and is one frame for all who join at the same version of the view. Subscription
 * counts, which are to other channels what members are to presence ones, are here too. */
#include "server/home_channel.h"

#include <limits.h>

#include "server/base/xalloc.h"
#include "server/home_watch.h"
#include "server/worker.h"

enum { COUNT_EACH_CHANGE_UP_TO = 100 }; /* subscribers; above, every 5 s */

static const struct socket_id nobody = {0, 0};

static void added(void *context, const struct member *m)
{
    struct home_channel *c = context;
    struct frame *f;

    if (c->kind == CHANNEL_USER) {
        if (c->presence->known)
            home_watch_tell(c, true);
        return;
    }
    stat_add(&c->home->worker->stats, members_added, 1);
    home_channel_occupied(c);
    home_webhook_member_added(c, m);
    if (!c->n_admitted)
        return;
    f = encode_member_added(c->kind, c->life.name, m->piece.id, m->piece.info);
    home_channel_deliver(c, f, nobody);
    frame_release(f);
}

static void removed(void *context, const struct member *m)
{
    struct home_channel *c = context;
    struct frame *f;

    if (c->kind == CHANNEL_USER) {
        if (c->presence->known)
            home_watch_tell(c, false);
        return;
    }
    stat_add(&c->home->worker->stats, members_removed, 1);
    home_webhook_member_removed(c, m, c->leaving);
    if (!c->n_admitted)
        return;
    f = encode_member_removed(c->kind, c->life.name, m->piece.id);
    home_channel_deliver(c, f, nobody);
    frame_release(f);
}

static void admitted(void *context, struct presence_ref *ref)
{
    (void)context;
    home_sub_let_in(CONTAINER_OF(ref, struct home_sub, ref));
}

/* Who watches a user hears of him from now on; and first, how he is now. */
static void known(void *context)
{
    struct home_channel *c = context;

    if (c->kind == CHANNEL_USER)
        home_watch_tell(c, !presence_empty(c->presence));
}

static void refused(void *context, struct presence_ref *ref)
{
    struct home_channel *c = context;
    struct worker *w = c->home->worker;
    struct home_sub *s = CONTAINER_OF(ref, struct home_sub, ref);
    struct msg_refused *m = letter_alloc(LETTER_REFUSED, sizeof *m);

    m->sub_id = s->sub_id;
    m->why = REFUSAL_ROOM_FULL;
    m->limit = c->presence->rules.max_members;
    worker_post(w, worker_peer(w, s->edge), &m->msg);
    s->refused = true;
    home_sub_let_in(s); /* out: what waits for the end of the turn is dropped then */
}

struct presence *home_presence_alloc(struct home_channel *c)
{
    static const struct presence_sink sink = {added, removed, admitted, refused, known};
    const struct conf_presence *conf = &c->app->conf->presence;
    struct presence_rules rules = {conf->max_members_per_channel,
                                   conf->leave_grace * 1000ULL};
    struct presence *p = xmalloc(sizeof *p);

    if (c->kind == CHANNEL_USER)
        rules.max_members = UINT_MAX;
    presence_init(p, rules, c->home->seed, &sink, c);
    return p;
}

struct frame *home_succeeded_frame(struct home_channel *c)
{
    uint64_t version = c->presence ? c->presence->view.version : 0;

    if (c->succeeded && c->succeeded_version == version)
        return c->succeeded;
    if (c->succeeded)
        frame_release(c->succeeded);
    c->succeeded = channel_is_presence(c->kind)
                       ? roster_snapshot(&c->presence->view, c->life.name)
                       : encode_subscribed(c->life.name);
    c->succeeded_version = version;
    return c->succeeded;
}

static void send_count(struct home_channel *c)
{
    struct frame *f = encode_subscription_count(c->life.name, c->total);

    home_channel_deliver(c, f, nobody);
    frame_release(f);
    home_webhook_count(c);
}

bool home_counts(const struct home_channel *c)
{
    return c->app->conf->enable_subscription_count && !c->presence &&
           !channel_is_encrypted(c->kind) && c->kind != CHANNEL_USER;
}

void home_count_changed(struct home_channel *c)
{
    if (!c->home->adapter->shared)
        home_count_is(c, c->n_admitted);
}

void home_count_due(struct home_channel *c)
{
    if (c->total_due && c->n_admitted)
        home_count_is(c, c->total);
}

void home_count_is(struct home_channel *c, unsigned total)
{
    if (!home_counts(c))
        return;
    c->total = total;
    c->total_due = !c->n_admitted && c->home->adapter->shared;
    if (c->total_due)
        return;
    if (total <= COUNT_EACH_CHANGE_UP_TO) {
        list_remove(&c->counts); /* what was put off is said by this one */
        send_count(c);
    } else if (list_empty(&c->counts)) {
        list_append(&c->home->counts, &c->counts);
    }
}

void home_counts_flush(struct home *h)
{
    while (!list_empty(&h->counts)) {
        struct home_channel *c =
            CONTAINER_OF(h->counts.next, struct home_channel, counts);

        list_remove(&c->counts);
        send_count(c);
    }
}
