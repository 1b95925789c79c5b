/* A worker: one thread with its own event loop and lws context, which is the edge of the
 * connections that it was handed and the home of the channels whose partition falls to
 * it. Everything here belongs to the worker's thread, except worker_post from elsewhere
 * and what is called before the thread starts or after it has ended. */
#ifndef MUSTER_SERVER_WORKER_H
#define MUSTER_SERVER_WORKER_H

#include <pthread.h>

#include "adapters/adapter.h"
#include "server/api_call.h"
#include "server/apps.h"
#include "server/base/loop.h"
#include "server/base/mailbox.h"
#include "server/edge.h"
#include "server/health.h"
#include "server/home.h"
#include "server/letters.h"
#include "server/stats.h"

struct node;
struct socket_server;

struct worker {
    struct node *node;
    unsigned index;
    struct loop *loop;
    struct mailbox inbox;
    struct letter *own_first,
        **own_end;            /* letters to itself, in order, without the lock */
    _Atomic unsigned backlog; /* letters to this worker, not yet received */
    struct socket_server *sockets;
    struct edge edge;
    struct home home;
    struct api_calls calls;
    struct health health;
    struct wheel requests; /* HTTP requests whose bodies are still to come */
    struct stats stats;
    struct loop_timer tick, share;
    pthread_t thread;
    uint64_t opening_until;     /* ms, loop_now: 0 before LETTER_DRAIN */
    _Atomic bool drained;       /* after LETTER_DRAIN: no connection is left */
    _Atomic uint64_t last_turn; /* ms, clock_ms: to the second */
};

/** Makes the worker with everything that must be made one after another, before any
 * thread starts (LIBRARIES.md 1). ERR_LIBRARY: lws gave no context; it was logged. */
enum err worker_init(struct worker *w, struct node *node, unsigned index) MUST_CHECK;
enum err worker_start(struct worker *w) MUST_CHECK;
/** Waits for the thread to end; it does after LETTER_STOP. */
void worker_join(struct worker *w);
/** After worker_join, or instead of worker_start. */
void worker_fini(struct worker *w);
/** Takes the letter; from is the worker on whose thread this is called, NULL elsewhere.
 */
void worker_post(struct worker *from, struct worker *to, struct msg *m);
/** True if so many letters wait for the worker that whoever sends more should wait. Any
 * thread. */
bool worker_busy(const struct worker *w);
/** The worker of this index on the same node. */
struct worker *worker_peer(struct worker *w, unsigned index);

#endif
