/* A thread's event loop: libev behind a few verbs. Everything but loop_wake belongs to
 * the thread that runs the loop (before it runs: to the one that made it). Watchers are
 * embedded in their owners and must be stopped before those go. */
#ifndef MUSTER_BASE_LOOP_H
#define MUSTER_BASE_LOOP_H

#include <stdint.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>
#pragma GCC diagnostic pop

struct loop;
typedef void loop_fn(void *context);

/* Zeroed before its first use; starting one that runs starts it anew. */
struct loop_timer {
    ev_timer ev;
    loop_fn *fn;
    void *context;
};

enum loop_events { LOOP_READABLE = EV_READ, LOOP_WRITABLE = EV_WRITE };

struct loop_io {
    ev_io ev;
    loop_fn *fn;
    void *context;
};

/** on_wake: after loop_wake, on the loop's thread (several wakes may come as one).
 * on_turn: at the end of each turn, before the loop blocks. Either may be NULL. */
struct loop *loop_alloc(loop_fn *on_wake, loop_fn *on_turn, void *context);
void loop_free(struct loop *l);
/** Runs until loop_stop. */
void loop_run(struct loop *l);
/** The loop's own thread. */
void loop_stop(struct loop *l);
/** Any thread, as long as the loop lives. */
void loop_wake(struct loop *l);
/** The loop's cached clock in ms, monotonic while no turn takes long; read once a turn.
 */
uint64_t loop_now(const struct loop *l);
/** For libraries that run on a foreign libev loop. */
struct ev_loop *loop_ev(struct loop *l);

/** Calls fn every period ms, first after one period. */
void loop_every(struct loop *l, struct loop_timer *t, unsigned period, loop_fn *fn,
                void *context);
/** Calls fn once after delay ms. */
void loop_after(struct loop *l, struct loop_timer *t, unsigned delay, loop_fn *fn,
                void *context);
/** Idempotent after either of the above. */
void loop_cancel(struct loop *l, struct loop_timer *t);
/** Calls fn whenever fd is readable. */
void loop_readable(struct loop *l, struct loop_io *io, int fd, loop_fn *fn,
                   void *context);
/** Calls fn whenever fd is what events ask for; replaces what io watched, which must have
 * been zeroed before its first use. fn isn't told which: the reader tries. */
void loop_watch(struct loop *l, struct loop_io *io, int fd, unsigned events, loop_fn *fn,
                void *context);
/** Idempotent after either of the above. */
void loop_ignore(struct loop *l, struct loop_io *io);

#endif
