/* libev behind a few verbs. The turn is the unit of work: a check watcher of the highest
 * priority reads the monotonic clock as the loop wakes up, every callback of the turn
 * sees that time, and a prepare watcher calls on_turn before the loop blocks again. So
 * whatever was put off during the turn (frames to write, letters to oneself) is done
 * once, at its end. */
#include "server/base/loop.h"

#include <stdlib.h>

#include "server/base/clock.h"
#include "server/base/xalloc.h"

struct loop {
    struct ev_loop *ev;
    ev_async wake;
    ev_prepare turn;
    ev_check begin;
    loop_fn *on_wake, *on_turn;
    void *context;
    uint64_t now; /* ms */
};

static void woken(struct ev_loop *ev, ev_async *w, int events)
{
    struct loop *l = w->data;

    (void)ev, (void)events;
    if (l->on_wake)
        l->on_wake(l->context);
}

/* ev_now is the wall clock; the turn's own monotonic time is read as the loop wakes up.
 */
static void turn_begins(struct ev_loop *ev, ev_check *w, int events)
{
    struct loop *l = w->data;

    (void)ev, (void)events;
    l->now = clock_ms();
}

static void turn_ends(struct ev_loop *ev, ev_prepare *w, int events)
{
    struct loop *l = w->data;

    (void)ev, (void)events;
    if (l->on_turn)
        l->on_turn(l->context);
}

struct loop *loop_alloc(loop_fn *on_wake, loop_fn *on_turn, void *context)
{
    struct loop *l = xcalloc(1, sizeof *l);

    l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!l->ev)
        abort();
    l->on_wake = on_wake;
    l->on_turn = on_turn;
    l->context = context;
    l->now = clock_ms();
    ev_async_init(&l->wake, woken);
    ev_prepare_init(&l->turn, turn_ends);
    ev_check_init(&l->begin, turn_begins);
    ev_set_priority(&l->begin, EV_MAXPRI); /* before any other watcher of the turn */
    l->wake.data = l->turn.data = l->begin.data = l;
    ev_async_start(l->ev, &l->wake);
    ev_prepare_start(l->ev, &l->turn);
    ev_check_start(l->ev, &l->begin);
    return l;
}

void loop_free(struct loop *l)
{
    ev_async_stop(l->ev, &l->wake);
    ev_prepare_stop(l->ev, &l->turn);
    ev_check_stop(l->ev, &l->begin);
    ev_loop_destroy(l->ev);
    free(l);
}

void loop_run(struct loop *l)
{
    ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
    ev_break(l->ev, EVBREAK_ALL);
}

void loop_wake(struct loop *l)
{
    ev_async_send(l->ev, &l->wake);
}

uint64_t loop_now(const struct loop *l)
{
    return l->now;
}

struct ev_loop *loop_ev(struct loop *l)
{
    return l->ev;
}

static void timer_fired(struct ev_loop *ev, ev_timer *w, int events)
{
    struct loop_timer *t = w->data;

    (void)ev, (void)events;
    t->fn(t->context);
}

static void timer_start(struct loop *l, struct loop_timer *t, double after, double repeat,
                        loop_fn *fn, void *context)
{
    ev_timer_stop(l->ev, &t->ev); /* starting one that runs would corrupt libev's heap */
    t->fn = fn;
    t->context = context;
    ev_timer_init(&t->ev, timer_fired, after, repeat);
    t->ev.data = t;
    ev_timer_start(l->ev, &t->ev);
}

void loop_every(struct loop *l, struct loop_timer *t, unsigned period, loop_fn *fn,
                void *context)
{
    timer_start(l, t, period / 1e3, period / 1e3, fn, context);
}

void loop_after(struct loop *l, struct loop_timer *t, unsigned delay, loop_fn *fn,
                void *context)
{
    timer_start(l, t, delay / 1e3, 0, fn, context);
}

void loop_cancel(struct loop *l, struct loop_timer *t)
{
    ev_timer_stop(l->ev, &t->ev);
}

static void io_ready(struct ev_loop *ev, ev_io *w, int events)
{
    struct loop_io *io = w->data;

    (void)ev, (void)events;
    io->fn(io->context);
}

static void io_start(struct loop *l, struct loop_io *io, int fd, unsigned events)
{
    ev_io_init(&io->ev, io_ready, fd, (int)events);
    io->ev.data = io;
    ev_io_start(l->ev, &io->ev);
}

void loop_readable(struct loop *l, struct loop_io *io, int fd, loop_fn *fn, void *context)
{
    io->fn = fn;
    io->context = context;
    io_start(l, io, fd, LOOP_READABLE);
}

void loop_watch(struct loop *l, struct loop_io *io, int fd, unsigned events, loop_fn *fn,
                void *context)
{
    ev_io_stop(l->ev, &io->ev); /* nothing on one that never ran */
    io->fn = fn;
    io->context = context;
    io_start(l, io, fd, events);
}

void loop_ignore(struct loop *l, struct loop_io *io)
{
    ev_io_stop(l->ev, &io->ev);
}
