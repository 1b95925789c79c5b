/* One node by itself. Each home's own thread uses its own seat, so nothing here is
 * shared; the order of a channel's events is the order in which its home publishes them.
 */
#include "adapters/local.h"

#include <stdlib.h>

#include "adapters/local_kept.h"
#include "server/base/clock.h"
#include "server/base/xalloc.h"

struct seat {
    const struct adapter_sink *sink;
    void *context;
    struct kept kept;
};

struct local {
    struct adapter base;
    unsigned homes;
    struct seat seats[]; /* by home */
};

static struct seat *seat_of(struct adapter *a, unsigned home)
{
    return &((struct local *)a)->seats[home];
}

/* What the store has no room for any more, the home has to forget as well. */
static void lost(void *context, uint64_t channel_id)
{
    const struct seat *s = context;
    const struct adapter_event e = {.forget = true};

    s->sink->event(s->context, channel_id, &e);
}

static void attach(struct adapter *a, unsigned home, const struct adapter_sink *sink,
                   void *context)
{
    struct seat *s = seat_of(a, home);

    s->sink = sink;
    s->context = context;
    s->kept.lost = lost;
    s->kept.context = s;
}

static void open_channel(struct adapter *a, struct adapter_channel *c)
{
    struct seat *s = seat_of(a, c->home);
    uint64_t now = clock_ms();
    const struct kept_event *e = kept_get(&s->kept, c->app, c->name, now);
    struct adapter_kept kept = {NULL, 0};

    kept_set_life(&s->kept, c, c->id);
    if (e)
        kept = (struct adapter_kept){e->frame, e->until - now};
    s->sink->opened(s->context, c->id, &kept);
}

static void close_channel(struct adapter *a, struct adapter_channel *c, bool unclean)
{
    (void)unclean;
    kept_set_life(&seat_of(a, c->home)->kept, c, 0);
}

/* A channel's count, a turn's end, the passing of time: nothing is under way here, ever,
 * and nobody else wants to know. */

static void count(struct adapter *a, struct adapter_channel *c, unsigned n, bool unclean)
{
    (void)a, (void)c, (void)n, (void)unclean;
}

static enum err start(struct adapter *a)
{
    (void)a;
    return ERR_NONE;
}

static void bye(struct adapter *a)
{
    (void)a;
}

static void stop(struct adapter *a)
{
    (void)a;
}

static void turn_ends(struct adapter *a, unsigned home)
{
    (void)a, (void)home;
}

static void tick(struct adapter *a, unsigned home, uint64_t now)
{
    (void)a, (void)home, (void)now;
}

static enum adapter_state state(struct adapter *a)
{
    (void)a;
    return ADAPTER_UP;
}

static void publish(struct adapter *a, const struct adapter_channel *c,
                    const struct adapter_event *e)
{
    struct seat *s = seat_of(a, c->home);

    struct adapter_event out = *e;

    if (e->keep && !kept_put(&s->kept, c, e, clock_ms())) {
        out.keep = 0;
        out.forget = true;
    }
    if (c->id)
        s->sink->event(s->context, c->id, &out);
    adapter_receipt_end(e->receipt, true);
}

/* A question on its way to one home. */
struct asked {
    struct seat *seat;
    struct lookup_query *query;
};

static void add_kept(struct seat *s, const struct lookup_query *q,
                     struct lookup_answer *a)
{
    uint64_t now = clock_ms();
    const struct kept_event *e;

    if (!(q->attributes & LOOKUP_CACHE) || !q->channel.p)
        return;
    if (a->n && a->facts[0].cached.n)
        return; /* its home has it, too */
    e = kept_get(&s->kept, q->app, q->channel, now);
    if (!e)
        return;
    if (!a->n)
        lookup_add(a, q->channel);
    lookup_set_cached(a, e->data, (unsigned)((e->until - now + 999) / 1000));
}

static void answer(void *arg, bool alive)
{
    struct asked *asked = arg;
    struct seat *s = asked->seat;
    struct lookup_query *q = asked->query;

    if (alive) {
        struct lookup_answer *a = lookup_answer_alloc();

        s->sink->facts(s->context, q, a);
        add_kept(s, q, a);
        q->reply(q->asker, q->call, a);
    }
    free(q);
    free(asked);
}

static void ask(struct seat *s, const struct lookup_query *q)
{
    struct asked *asked = xmalloc(sizeof *asked);

    *asked = (struct asked){s, lookup_query_copy(q)};
    s->sink->run(s->context, answer, asked);
}

static unsigned lookup(struct adapter *a, const struct lookup_query *q)
{
    struct local *l = (struct local *)a;

    if (q->channel.p) {
        ask(seat_of(a, q->home), q);
        return 1;
    }
    for (unsigned i = 0; i < l->homes; i++)
        ask(&l->seats[i], q);
    return l->homes;
}

static void cached(struct adapter *a, unsigned home, struct adapter_cached *c)
{
    struct kept *k = &seat_of(a, home)->kept;

    kept_expire(k, clock_ms());
    *c = (struct adapter_cached){k->by_name.n, k->bytes};
}

static void figures(struct adapter *a, struct adapter_figures *f)
{
    (void)a;
    *f = (struct adapter_figures){0};
}

static void local_free(struct adapter *a)
{
    struct local *l = (struct local *)a;

    for (unsigned i = 0; i < l->homes; i++)
        kept_fini(&l->seats[i].kept);
    free(l);
}

struct adapter *local_adapter_alloc(unsigned homes, size_t kept_bytes)
{
    static const struct adapter_ops ops = {
        .name = "local",
        .attach = attach,
        .start = start,
        .bye = bye,
        .stop = stop,
        .open = open_channel,
        .close = close_channel,
        .count = count,
        .publish = publish,
        .lookup = lookup,
        .cached = cached,
        .turn_ends = turn_ends,
        .tick = tick,
        .state = state,
        .figures = figures,
        .free = local_free,
    };
    struct local *l = xcalloc(1, sizeof *l + homes * sizeof l->seats[0]);

    l->base.ops = &ops;
    l->homes = homes;
    for (unsigned i = 0; i < homes; i++)
        kept_init(&l->seats[i].kept, kept_bytes / homes);
    return &l->base;
}
