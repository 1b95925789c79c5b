/* What edges ask of a home, letter by letter. A subscribe finds or makes the channel and
 * waits until the adapter has opened it; then presence (on presence kinds) or nobody
 * decides, and the answer goes back to the edge with the frame that all share who join at
 * that moment. A publish goes to the adapter, and out to the edges only when it comes
 * back from there, so that the adapter decides the order of the channel's events. */
#include "server/home.h"

#include <stdlib.h>

#include "presence/exchange.h"
#include "protocol/json_scan.h"
#include "server/base/xalloc.h"
#include "server/home_channel.h"
#include "server/home_watch.h"
#include "server/node.h"
#include "server/worker.h"

unsigned home_of(struct slice app, struct slice channel, unsigned n_workers)
{
    uint16_t crc = crc16(app.p, app.n, 0);

    crc = crc16(":", 1, crc);
    crc = crc16(channel.p, channel.n, crc);
    return shared_home(crc % PARTITIONS, n_workers);
}

static uint64_t sub_hash(unsigned edge, uint64_t sub_id)
{
    return hash_u64(sub_id * PARTITIONS + edge);
}

static struct home_sub *find_sub(struct home *h, unsigned edge, uint64_t sub_id)
{
    uint64_t hash = sub_hash(edge, sub_id);

    for (struct hmap_node *n = hmap_first(&h->subs, hash); n; n = hmap_next(n, hash)) {
        struct home_sub *s = CONTAINER_OF(n, struct home_sub, by_id);

        if (s->edge == edge && s->sub_id == sub_id)
            return s;
    }
    return NULL;
}

static void post(struct home_sub *s, void *letter)
{
    struct worker *w = s->channel->home->worker;

    worker_post(w, worker_peer(w, s->edge), letter);
}

static void answer_soon(struct home_channel *c)
{
    if (list_empty(&c->joining))
        list_append(&c->home->joining, &c->joining);
}

/* Takes the letter: it is kept until the subscription is answered. */
static void subscribe(struct home *h, struct msg_subscribe *m)
{
    struct home_channel *c = home_channel_get(h, m->app, m->kind, m->channel);
    struct home_sub *s = xcalloc(1, sizeof *s);

    s->channel = c;
    s->edge = m->edge;
    s->sub_id = m->sub_id;
    s->request = m;
    list_init(&s->waiting);
    hmap_insert(&h->subs, &s->by_id, sub_hash(s->edge, s->sub_id));
    c->n_subs++;
    adapter_count(h->adapter, &c->life, c->n_subs, false);
    list_append(&c->waiting, &s->waiting);
    if (c->open)
        answer_soon(c);
}

static void forget_request(struct home_sub *s)
{
    if (s->request)
        letter_free(&s->request->msg);
    s->request = NULL;
}

static struct frame *kept_or_miss(struct home_channel *c)
{
    if (c->kept && c->kept_until > loop_now(c->home->worker->loop))
        return frame_hold(c->kept);
    home_webhook_cache_miss(c);
    return encode_cache_miss(c->life.name);
}

static void admit(struct home_sub *s)
{
    struct home_channel *c = s->channel;
    struct msg_subscribed *m = letter_alloc(LETTER_SUBSCRIBED, sizeof *m);

    home_channel_occupied(c);
    s->admitted = true;
    c->per_edge[s->edge]++;
    c->n_admitted++;
    m->sub_id = s->sub_id;
    m->channel_id = c->life.id;
    m->frame = frame_hold(home_succeeded_frame(c));
    if (channel_is_cache(c->kind))
        m->after = kept_or_miss(c);
    post(s, m);
    forget_request(s);
    stat_add(&c->home->worker->stats, subscriptions, 1);
    home_count_changed(c);
}

static void leave(struct home_sub *s, enum presence_exit how)
{
    struct home_channel *c = s->channel;

    c->leaving = how;
    if (s->admitted) {
        s->admitted = false;
        c->per_edge[s->edge]--;
        c->n_admitted--;
        home_count_changed(c);
    }
    if (c->presence) {
        presence_leave(c->presence, &s->ref, how, loop_now(c->home->worker->loop));
        if (presence_waits(c->presence) && list_empty(&c->grace))
            list_append(&c->home->grace, &c->grace);
    }
    if (!c->n_admitted && c->occupied) {
        c->occupied = false;
        home_webhook_vacated(c, how);
    }
}

void home_sub_drop(struct home_sub *s)
{
    struct home_channel *c = s->channel;

    hmap_remove(&c->home->subs, &s->by_id);
    list_remove(&s->waiting);
    forget_request(s);
    free(s);
    c->n_subs--;
    adapter_count(c->home->adapter, &c->life, c->n_subs, c->leaving == EXIT_UNCLEAN);
    home_channel_drop_if_idle(c);
}

void home_sub_let_in(struct home_sub *s)
{
    list_append(&s->channel->admitting, &s->waiting);
    answer_soon(s->channel);
}

static void ask_presence(struct home_sub *s)
{
    presence_join(s->channel->presence, &s->ref, s->request->user_id,
                  s->request->user_info);
}

/* All that wait join, then all that were let in are told: each with the same snapshot, in
 * which they all are. Who is told later than somebody came has missed nothing: at its
 * edge it gets the channel's frames from its own answer on. Where nodes share the
 * channel, presence keeps who joins until the others know, and lets in in a later turn.
 */
static void answer_waiting(struct home_channel *c)
{
    while (c->open && !list_empty(&c->waiting)) {
        struct home_sub *s = CONTAINER_OF(c->waiting.next, struct home_sub, waiting);

        list_remove(&s->waiting);
        if (c->presence)
            ask_presence(s);
        else
            home_sub_let_in(s);
    }
    while (!list_empty(&c->admitting)) {
        struct home_sub *s = CONTAINER_OF(c->admitting.next, struct home_sub, waiting);

        list_remove(&s->waiting);
        if (s->refused)
            home_sub_drop(s);
        else
            admit(s);
    }
    home_count_due(c);
}

void home_turn_ends(struct home *h)
{
    while (!list_empty(&h->joining)) {
        struct home_channel *c =
            CONTAINER_OF(h->joining.next, struct home_channel, joining);

        list_remove(&c->joining);
        c->busy = true; /* while its subscriptions may be refused */
        answer_waiting(c);
        c->busy = false;
        home_channel_drop_if_idle(c);
    }
    adapter_turn_ends(h->adapter, h->worker->index);
}

static void unsubscribe(struct home *h, const struct msg_unsubscribe *m)
{
    struct home_sub *s = find_sub(h, m->edge, m->sub_id);

    if (!s)
        return; /* it was refused, and the edge didn't know yet */
    leave(s, m->how);
    home_sub_drop(s);
}

static void publish(struct home *h, struct msg_publish *m)
{
    struct home_channel *c = home_channel_by_id(h, m->channel_id);

    if (!c)
        return;
    if (m->webhook) {
        webhooks_post(h->webhooks.out, m->webhook);
        m->webhook = NULL;
    }
    adapter_publish(h->adapter, &c->life,
                    &(struct adapter_event){.frame = m->frame, .except = m->except});
}

/* The channel may have subscribers on other nodes though it has none here: the adapter is
 * told either way. */
static void emit(struct home *h, struct msg_emit *m)
{
    const struct home_channel *c = home_channel_find(h, m->app, m->channel);
    struct adapter_channel elsewhere = {.home = h->worker->index,
                                        .app = m->app->id,
                                        .name = m->channel,
                                        .user =
                                            channel_kind_of(m->channel) == CHANNEL_USER};
    struct adapter_event e = {.frame = m->frame,
                              .except = m->except,
                              .data = m->data,
                              .keep = m->keep,
                              .terminate = !m->frame,
                              .receipt = m->receipt};

    m->receipt = NULL;
    adapter_publish(h->adapter, c ? &c->life : &elsewhere, &e);
}

static void run(struct msg_run *m)
{
    m->fn(m->arg, true);
    m->fn = NULL;
}

void home_receive(struct home *h, struct msg *m)
{
    switch (m->kind) {
    case LETTER_SUBSCRIBE:
        subscribe(h, (struct msg_subscribe *)m);
        return;
    case LETTER_UNSUBSCRIBE:
        unsubscribe(h, (struct msg_unsubscribe *)m);
        break;
    case LETTER_PUBLISH:
        publish(h, (struct msg_publish *)m);
        break;
    case LETTER_EMIT:
        emit(h, (struct msg_emit *)m);
        break;
    case LETTER_WATCH:
        home_watch(h, (struct msg_watch *)m);
        break;
    case LETTER_UNWATCH:
        home_unwatch(h, (struct msg_unwatch *)m);
        break;
    case LETTER_RUN:
        run((struct msg_run *)m);
        break;
    case LETTER_ONLINE:
    case LETTER_TERMINATE:
    case LETTER_ANSWER:
    case LETTER_GAUGES:
    case LETTER_ADOPT:
    case LETTER_SUBSCRIBED:
    case LETTER_REFUSED:
    case LETTER_DELIVER:
    case LETTER_DRAIN:
    case LETTER_STOP:
        break;
    }
    letter_free(m);
}

/* The adapter: whatever is published from now on arrives. */
static void opened(void *context, uint64_t channel_id, const struct adapter_kept *kept)
{
    struct home_channel *c = home_channel_by_id(context, channel_id);

    if (!c || c->open)
        return;
    c->open = true;
    home_channel_keep(c, kept->frame, loop_now(c->home->worker->loop) + kept->ttl_ms);
    if (!list_empty(&c->waiting))
        answer_soon(c);
}

/* The adapter: its links are lost, or back. */
static void waits(void *context, uint64_t channel_id, bool wait)
{
    struct home_channel *c = home_channel_by_id(context, channel_id);

    if (!c)
        return;
    c->open = !wait;
    if (c->open && !list_empty(&c->waiting))
        answer_soon(c);
}

/* The adapter: the next event in the channel's order. */
static void event(void *context, uint64_t channel_id, const struct adapter_event *e)
{
    struct home_channel *c = home_channel_by_id(context, channel_id);

    if (!c)
        return;
    if (e->terminate) {
        home_channel_terminate(c);
        return;
    }
    if (e->forget)
        home_channel_keep(c, NULL, 0);
    if (e->keep)
        home_channel_keep(c, e->frame,
                          loop_now(c->home->worker->loop) + e->keep * 1000ULL);
    if (e->frame)
        home_channel_deliver(c, e->frame, e->except);
}

/* The adapter: all nodes' subscriptions. */
static void count(void *context, uint64_t channel_id, unsigned total)
{
    struct home_channel *c = home_channel_by_id(context, channel_id);

    if (c)
        home_count_is(c, total);
}

static void add_member(const struct member *m, void *answer)
{
    lookup_add_member(answer, m->id);
}

/* What a joiner would get now. The frame may be another node's. */
static void add_kept(const struct home_channel *c, struct lookup_answer *a)
{
    struct json_want data = {.name = "data"};
    uint64_t now = loop_now(c->home->worker->loop);
    const char *why;

    if (!c->kept || c->kept_until <= now)
        return;
    if (!json_scan_object(frame_payload(c->kept), &data, 1, &why) && data.value.raw.n)
        lookup_set_cached(a, data.value.raw,
                          (unsigned)((c->kept_until - now + 999) / 1000));
}

static void add_facts(const struct home_channel *c, const struct lookup_query *q,
                      struct lookup_answer *a)
{
    struct channel_facts *f;

    if (!c->n_admitted && (!c->presence || presence_empty(c->presence)))
        return;
    f = lookup_add(a, c->life.name);
    f->subscriptions = c->n_admitted;
    if (q->attributes & LOOKUP_CACHE)
        add_kept(c, a);
    if (!c->presence)
        return;
    f->users = c->presence->view.n;
    if (q->attributes & LOOKUP_MEMBERS)
        roster_each(&c->presence->view, add_member, a);
}

struct facts_walk {
    const struct lookup_query *query;
    struct lookup_answer *answer;
};

static void visit(struct hmap_node *node, void *context)
{
    const struct home_channel *c = CONTAINER_OF(node, struct home_channel, by_id);
    const struct facts_walk *walk = context;

    if (slice_eq(c->app->id, walk->query->app) &&
        slice_starts(c->life.name, walk->query->prefix) && c->kind != CHANNEL_USER)
        add_facts(c, walk->query, walk->answer);
}

/* The adapter: what is known here of the channels that a query asks about. */
static void facts(void *context, const struct lookup_query *q, struct lookup_answer *a)
{
    struct home *h = context;
    struct facts_walk walk = {q, a};
    const struct app *app = apps_find_id(&h->worker->node->apps, q->app);
    const struct home_channel *c;

    if (!q->channel.p) {
        hmap_each(&h->channels_by_id, visit, &walk);
        return;
    }
    c = app ? home_channel_find(h, app, q->channel) : NULL;
    if (c)
        add_facts(c, q, a);
}

/* The adapter, on any thread: a call to make on this home's. */
static void run_here(void *context, void (*fn)(void *arg, bool alive), void *arg)
{
    struct home *h = context;
    struct msg_run *m = letter_alloc(LETTER_RUN, sizeof *m);

    m->fn = fn;
    m->arg = arg;
    worker_post(NULL, h->worker, &m->msg);
}

/* A member whose grace is over has been waited for; webhooks need not wait again. */
static bool grace_is_delay(const struct home_channel *c)
{
    return c->presence->rules.leave_grace_ms >= c->home->webhooks.delay;
}

void home_tick(struct home *h, uint64_t now)
{
    struct list *next;

    for (struct list *at = h->grace.next; at != &h->grace; at = next) {
        struct home_channel *c = CONTAINER_OF(at, struct home_channel, grace);

        next = at->next;
        c->leaving = grace_is_delay(c) ? EXIT_CLEAN : EXIT_UNCLEAN;
        presence_tick(c->presence, now);
        if (!presence_waits(c->presence))
            list_remove(&c->grace);
        home_channel_drop_if_idle(c);
    }
    home_webhooks_tick(&h->webhooks, now);
    if (++h->seconds % 5 == 0)
        home_counts_flush(h);
}

void home_init(struct home *h, struct worker *w, struct adapter *adapter,
               unsigned n_workers)
{
    static const struct adapter_sink sink = {opened, waits, event,
                                             count,  facts, run_here};

    h->worker = w;
    h->adapter = adapter;
    hmap_init(&h->channels_by_name);
    hmap_init(&h->channels_by_id);
    hmap_init(&h->subs);
    hmap_init(&h->watches);
    list_init(&h->joining);
    list_init(&h->grace);
    list_init(&h->counts);
    h->next_id = (uint64_t)w->index << 56; /* unique on the node */
    h->seed = hash_seed_random();
    home_webhooks_init(&h->webhooks, w->node->webhooks,
                       w->node->conf->webhooks.leave_delay_ms, h->seed);
    h->n_workers = n_workers;
    h->seconds = 0;
    adapter_attach(adapter, w->index, &sink, h);
}

static void free_sub(struct hmap_node *node, void *context)
{
    struct home_sub *s = CONTAINER_OF(node, struct home_sub, by_id);

    (void)context;
    forget_request(s);
    free(s);
}

static void free_channel(struct hmap_node *node, void *context)
{
    (void)context;
    home_channel_free(CONTAINER_OF(node, struct home_channel, by_id));
}

void home_fini(struct home *h)
{
    hmap_each(&h->subs, free_sub, NULL);
    hmap_each(&h->channels_by_id, free_channel, NULL);
    home_webhooks_fini(&h->webhooks);
    home_watches_fini(h);
    hmap_fini(&h->subs);
    hmap_fini(&h->channels_by_id);
    hmap_fini(&h->channels_by_name);
}
