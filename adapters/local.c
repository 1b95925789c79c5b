#include "adapters/local.h"

#include <stdlib.h>

#include "server/base/xalloc.h"

struct seat {
    const struct adapter_sink *sink;
    void *context;
};

struct local {
    struct adapter base;
    struct seat seats[]; /* by home */
};

/* Each home's own thread reads its own seat; they are written before the threads start.
 */
static struct seat *seat_of(struct adapter *a, unsigned home)
{
    return &((struct local *)a)->seats[home];
}

static void attach(struct adapter *a, unsigned home, const struct adapter_sink *sink,
                   void *context)
{
    *seat_of(a, home) = (struct seat){sink, context};
}

static void open_channel(struct adapter *a, const struct adapter_channel *c)
{
    const struct seat *s = seat_of(a, c->home);

    s->sink->opened(s->context, c->id);
}

static void close_channel(struct adapter *a, const struct adapter_channel *c)
{
    (void)a, (void)c; /* nothing is under way for it, ever */
}

static void publish(struct adapter *a, const struct adapter_channel *c,
                    const struct adapter_event *e)
{
    const struct seat *s = seat_of(a, c->home);

    s->sink->event(s->context, c->id, e);
}

static void local_free(struct adapter *a)
{
    free(a);
}

struct adapter *local_adapter_alloc(unsigned homes)
{
    static const struct adapter_ops ops = {
        .name = "local",
        .attach = attach,
        .open = open_channel,
        .close = close_channel,
        .publish = publish,
        .free = local_free,
    };
    struct local *l = xcalloc(1, sizeof *l + homes * sizeof l->seats[0]);

    l->base.ops = &ops;
    return &l->base;
}
