/* A worker's turn. Events come from lws (sockets), from the mailbox (other threads) and
 * from the tick; whatever they make the worker say to itself waits in a list of its own,
 * without the mailbox's lock, and is handled at the end of the turn, before one flush of
 * every connection that has something to send. Letters of other workers therefore never
 * overtake each other, and a batch of any size costs each connection one write. */
#include "server/worker.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/edge_watch.h"
#include "server/node.h"
#include "server/socket.h"

enum {
    TURN_MS = 5,          /* of letters from other threads */
    SHARE_MS = 250,       /* removals that were held are late by no more */
    BUSY_BACKLOG = 16384, /* letters */
    OPENING_MS = 1000,    /* for handshakes that are under way when the node stops */
};

struct worker *worker_peer(struct worker *w, unsigned index)
{
    return &w->node->workers[index];
}

void worker_post(struct worker *from, struct worker *to, struct msg *m)
{
    atomic_fetch_add_explicit(&to->backlog, 1, memory_order_relaxed);
    if (from != to) {
        mailbox_post(&to->inbox, &m->letter);
        return;
    }
    m->letter.next = NULL;
    *to->own_end = &m->letter;
    to->own_end = &m->letter.next;
}

static void answered(struct worker *w, struct msg_answer *m)
{
    api_answered(&w->calls, m->call, m->answer);
    m->answer = NULL;
    letter_free(&m->msg);
}

static void receive(struct worker *w, struct msg *m)
{
    switch (m->kind) {
    case LETTER_ADOPT:
        socket_server_adopt(w->sockets, ((struct msg_adopt *)m)->fd,
                            ((struct msg_adopt *)m)->listener);
        ((struct msg_adopt *)m)->fd = -1;
        letter_free(m);
        break;
    case LETTER_STOP:
        letter_free(m);
        loop_stop(w->loop);
        break;
    case LETTER_ANSWER:
        answered(w, (struct msg_answer *)m);
        break;
    case LETTER_GAUGES:
        health_gauges(w, (struct msg_gauges *)m);
        break;
    case LETTER_ONLINE:
    case LETTER_TERMINATE:
    case LETTER_SUBSCRIBED:
    case LETTER_REFUSED:
    case LETTER_DELIVER:
    case LETTER_DRAIN:
        edge_receive(&w->edge, m);
        break;
    case LETTER_SUBSCRIBE:
    case LETTER_UNSUBSCRIBE:
    case LETTER_PUBLISH:
    case LETTER_EMIT:
    case LETTER_WATCH:
    case LETTER_UNWATCH:
    case LETTER_RUN:
        home_receive(&w->home, m);
        break;
    }
}

bool worker_busy(const struct worker *w)
{
    return atomic_load_explicit(&w->backlog, memory_order_relaxed) > BUSY_BACKLOG;
}

/* True for what asks something of a home: nobody waits for it once the node stops. */
static bool for_a_home(const struct msg *m)
{
    return m->kind == LETTER_SUBSCRIBE || m->kind == LETTER_UNSUBSCRIBE ||
           m->kind == LETTER_PUBLISH || m->kind == LETTER_EMIT ||
           m->kind == LETTER_WATCH || m->kind == LETTER_UNWATCH;
}

static void receive_one(struct worker *w, struct msg *m)
{
    atomic_fetch_sub_explicit(&w->backlog, 1, memory_order_relaxed);
    if (for_a_home(m) && atomic_load_explicit(&w->node->stopping, memory_order_relaxed))
        letter_free(m);
    else
        receive(w, m);
}

static void receive_own(struct worker *w)
{
    while (w->own_first) {
        struct letter *first = w->own_first;

        w->own_first = first->next;
        if (!w->own_first)
            w->own_end = &w->own_first;
        receive_one(w, (struct msg *)first);
    }
}

static void receive_letter(struct letter *letter, void *context)
{
    receive_one(context, (struct msg *)letter);
}

static void wake(void *context)
{
    loop_wake(context);
}

static void woken(void *context)
{
    struct worker *w = context;

    mailbox_receive(&w->inbox, TURN_MS, receive_letter,
                    w); /* sockets have their turn then */
}

/* Nobody is left, and nobody is in mid-handshake who is yet to be told 4200; but who
 * doesn't come forward in time isn't waited for. */
static bool is_drained(struct worker *w)
{
    uint64_t now = loop_now(w->loop);

    if (!w->opening_until)
        w->opening_until = now + OPENING_MS;
    return list_empty(&w->edge.conns) &&
           (!socket_server_opening(w->sockets) || now >= w->opening_until);
}

/* The end of a turn: the rest of what clients are sending, what this worker has said to
 * itself, until it has said everything, then one flush of each connection that has
 * something to send. */
static void turn_ends(void *context)
{
    struct worker *w = context;

    do {
        while (edge_read_on(&w->edge))
            ;
        receive_own(w);
        home_turn_ends(&w->home);
        receive_own(w);
        edge_watch_turn_ends(&w->edge);
        edge_flush(&w->edge);
    } while (w->own_first);
    if (w->edge.draining)
        atomic_store(&w->drained, is_drained(w));
}

static void say_alive(struct worker *w)
{
    atomic_store_explicit(&w->last_turn, clock_ms(), memory_order_relaxed);
}

static void tick(void *context)
{
    struct worker *w = context;

    say_alive(w);
    edge_tick(&w->edge);
    http_tick(&w->requests);
    home_tick(&w->home, loop_now(w->loop));
    socket_server_tick(w->sockets);
}

static void share(void *context)
{
    struct worker *w = context;

    adapter_tick(w->node->adapter, w->index, loop_now(w->loop));
    api_calls_tick(&w->calls, loop_now(w->loop));
}

enum err worker_init(struct worker *w, struct node *node, unsigned index)
{
    w->node = node;
    w->index = index;
    w->own_first = NULL;
    w->own_end = &w->own_first;
    w->backlog = 0;
    w->loop = loop_alloc(woken, turn_ends, w);
    mailbox_init(&w->inbox, wake, w->loop);
    edge_init(&w->edge, w);
    api_calls_init(&w->calls);
    health_init(&w->health);
    say_alive(w);
    wheel_init(&w->requests);
    home_init(&w->home, w, node->adapter, node->n_workers);
    w->sockets = socket_server_alloc(w);
    return w->sockets ? ERR_NONE : ERR_LIBRARY;
}

static void *run(void *context)
{
    struct worker *w = context;
    char name[16];

    snprintf(name, sizeof name, "worker-%u", w->index);
    pthread_setname_np(pthread_self(), name);
    loop_every(w->loop, &w->tick, 1000, tick, w);
    if (w->node->adapter->shared)
        loop_every(w->loop, &w->share, SHARE_MS, share, w);
    loop_run(w->loop);
    loop_cancel(w->loop, &w->tick);
    loop_cancel(w->loop, &w->share);
    return NULL;
}

enum err worker_start(struct worker *w)
{
    int failed = pthread_create(&w->thread, NULL, run, w);

    if (failed)
        log_error("worker.start_failed", "worker=%u error=%s", w->index,
                  strerror(failed));
    return failed ? ERR_SYSTEM : ERR_NONE;
}

void worker_join(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

static void free_all(struct letter *batch)
{
    while (batch) {
        struct letter *next = batch->next;

        letter_free((struct msg *)batch);
        batch = next;
    }
}

void worker_fini(struct worker *w)
{
    if (w->sockets)
        socket_server_free(w->sockets);
    free_all(w->own_first);
    free_all(mailbox_take(&w->inbox));
    home_fini(&w->home);
    edge_fini(&w->edge);
    api_calls_fini(&w->calls);
    mailbox_fini(&w->inbox);
    loop_free(w->loop);
}
