/* The ring and its one way out. What is put into the ring is written at the end of the
 * turn: a single frame from where it is, several gathered in the edge's scratch, in one
 * write each time. lws keeps what the kernel does not take of a write; while it does,
 * nothing else may be written (LIBRARIES.md 6), so the ring waits for lws's writeable
 * callback. An idle connection keeps no ring, and one frame alone needs none: most
 * connections, most of the time. */
#include "server/conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/encode.h"
#include "server/apps.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"
#include "server/node.h"
#include "server/socket.h"
#include "server/worker.h"

enum {
    RING_FIRST = 16,       /* frames */
    CLOSE_SECONDS = 5,     /* for a close frame to get out and be answered */
    SLOW_MS = 1000,        /* over the bound */
    BURST = 16,            /* times the bound, at once, */
    BURST_KB = 64 << 10,   /* but not more than this beside it */
    WRITE_BYTES = 1 << 16, /* one write at the most: lws's tx_packet_size */
};

struct conn *conn_alloc(struct edge *e, struct lws *wsi)
{
    struct conn *c = xcalloc(1, sizeof *c);

    c->edge = e;
    c->wsi = wsi;
    c->corked = true;
    c->id.first =
        random_pool_u64(&e->random) >> 11; /* 53 bits: exact in JavaScript too */
    c->id.second = random_pool_u64(&e->random) >> 11;
    c->opened = c->last_command = edge_now(e);
    list_init(&c->dirty);
    list_init(&c->unread);
    list_init(&c->subs);
    wheel_entry_init(&c->timer);
    list_append(&e->conns, &c->all);
    return c;
}

static struct frame *ring_at(const struct conn *c, unsigned i)
{
    return c->ring ? c->ring[(c->ring_head + i) % c->ring_cap] : c->only;
}

static void ring_drop(struct conn *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct frame *f = ring_at(c, i);

        c->ring_bytes -= f->len;
        frame_release(f);
    }
    c->ring_n -= n;
    c->only = NULL;
    if (c->ring)
        c->ring_head = (c->ring_head + n) % c->ring_cap;
    if (!c->ring_n) { /* an idle connection keeps no ring */
        free(c->ring);
        c->ring = NULL;
        c->ring_cap = c->ring_head = 0;
    }
}

static void over_end(struct conn *c)
{
    c->edge->n_over -= c->over_since != 0;
    c->over_since = 0;
}

void conn_free(struct conn *c)
{
    ring_drop(c, c->ring_n);
    over_end(c);
    wheel_cancel(&c->timer);
    list_remove(&c->dirty);
    list_remove(&c->unread);
    list_remove(&c->all);
    if (c->user)
        free((void *)(uintptr_t)c->user->confirm.p);
    free(c->user);
    free(c);
}

static void ring_grow(struct conn *c)
{
    unsigned cap = c->ring_cap ? c->ring_cap * 2u : RING_FIRST;
    struct frame **ring = xmalloc(cap * sizeof(struct frame *));

    for (unsigned i = 0; i < c->ring_n; i++)
        ring[i] = ring_at(c, i);
    free(c->ring);
    c->ring = ring;
    c->ring_cap = cap;
    c->ring_head = 0;
    c->only = NULL;
}

static void ring_push(struct conn *c, struct frame *f)
{
    if (!c->ring_n && !c->ring) {
        c->only = f;
    } else {
        if (c->ring_n >= c->ring_cap)
            ring_grow(c);
        c->ring[(c->ring_head + c->ring_n) % c->ring_cap] = f;
    }
    c->ring_n++;
    c->ring_bytes += f->len;
}

static void mark_dirty(struct conn *c)
{
    if (list_empty(&c->dirty))
        list_append(&c->edge->dirty, &c->dirty);
}

static const struct conf *conf_of(const struct conn *c)
{
    return c->edge->worker->node->conf;
}

static bool over_bound(const struct conn *c, uint32_t more)
{
    return c->ring_n && /* one frame always fits, however large */
           (c->ring_n >= conf_of(c)->max_pending_messages ||
            c->ring_bytes + (uint64_t)more > conf_of(c)->max_pending_kb * 1024ULL);
}

static bool over_burst(const struct conn *c, uint32_t more)
{
    uint64_t kb = conf_of(c)->max_pending_kb, beside = (BURST - 1) * kb;

    kb += beside < BURST_KB ? beside : BURST_KB;
    return c->ring_n >= BURST * (uint64_t)conf_of(c)->max_pending_messages ||
           c->ring_bytes + (uint64_t)more > kb * 1024;
}

static void over_begin(struct conn *c)
{
    c->edge->n_over += !c->over_since;
    c->over_since = edge_now(c->edge) | 1;
    c->taken_bytes = c->taken_frames = 0;
}

/* It is over its bound. True: for too long. Who takes as much as the bound in that time
 * reads well, and has more of it. */
static bool is_slow(struct conn *c)
{
    bool reads;

    if (!c->over_since) {
        over_begin(c);
        return false;
    }
    if ((int32_t)(edge_now(c->edge) - c->over_since) < SLOW_MS || edge_is_late(c->edge))
        return false;
    reads = c->taken_frames >= conf_of(c)->max_pending_messages ||
            c->taken_bytes >= conf_of(c)->max_pending_kb * 1024ULL;
    if (reads)
        over_begin(c);
    return !reads;
}

/* A client that doesn't read: nobody waits for it. What it hasn't got is dropped. */
static void give_up(struct conn *c)
{
    char text[48];

    log_warn("ws.slow", "app=%s socket=%.*s pending_messages=%u pending_bytes=%u",
             c->app ? c->app->conf->id : "", SLICE_ARG(conn_id_text(c, text)), c->ring_n,
             c->ring_bytes);
    stat_add(&c->edge->worker->stats, slow_closes, 1);
    ring_drop(c, c->ring_n);
    over_end(c);
    conn_close(c, CLOSE_OVER_CAPACITY);
}

/* How many of the ring's first frames go into one write, copied together into the edge's
 * scratch; one frame alone goes out from where it is. */
static unsigned gather(struct conn *c, unsigned char **bytes, size_t *n)
{
    struct frame *first = ring_at(c, 0);
    unsigned frames = 0;

    *bytes = first->bytes;
    *n = first->len;
    if (c->ring_n == 1 || first->len + ring_at(c, 1)->len > WRITE_BYTES)
        return 1;
    *bytes = c->edge->scratch;
    *n = 0;
    while (frames < c->ring_n && *n + ring_at(c, frames)->len <= WRITE_BYTES) {
        struct frame *f = ring_at(c, frames++);

        memcpy(*bytes + *n, f->bytes, f->len);
        *n += f->len;
    }
    return frames;
}

static void taken(struct conn *c, unsigned frames, size_t bytes)
{
    ring_drop(c, frames);
    if (!c->over_since)
        return;
    c->taken_frames += frames;
    c->taken_bytes += (uint32_t)bytes;
    if (!over_bound(c, 0))
        over_end(c);
}

static bool write_ring(struct conn *c)
{
    struct stats *stats = &c->edge->worker->stats;

    while (c->ring_n && !socket_busy(c->wsi)) {
        unsigned char *bytes;
        size_t n;
        unsigned frames = gather(c, &bytes, &n);

        if (!socket_write(c->wsi, bytes, n))
            return false;
        taken(c, frames, n);
        stat_add(stats, messages_out, frames);
        stat_add(stats, writes, 1);
        stat_add(stats, bytes_out, n);
        if (socket_busy(c->wsi))
            stat_add(stats, partial_writes, 1);
    }
    return true;
}

void conn_closed(struct conn *c, enum presence_exit how)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    ring_drop(c, c->ring_n);
    over_end(c);
    edge_goodbye(c, how);
}

bool conn_flush(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return true;
    if (!write_ring(c)) {
        conn_closed(c, EXIT_UNCLEAN);
        return false;
    }
    if (c->corked)
        socket_cork(c->wsi, false);
    c->corked = false;
    if ((c->ring_n || c->state == CONN_CLOSING) && !c->awaits_writeable) {
        c->awaits_writeable = true;
        socket_want_write(c->wsi);
    }
    return true;
}

bool conn_writeable(struct conn *c)
{
    c->awaits_writeable = false;
    if (!conn_flush(c))
        return false;
    if (c->state != CONN_CLOSING || c->ring_n || socket_busy(c->wsi))
        return true;
    /* Once: lws leaves its write event on, and a second close would cut the first. */
    c->state = CONN_CLOSED;
    socket_close_reason(c->wsi, c->close_code);
    return false;
}

/* A turn's batch may be longer than the bound though the client keeps up: what can be
 * written is written before anyone is called slow. */
static bool make_room(struct conn *c, uint32_t more)
{
    if (!over_bound(c, more))
        return true;
    if (!conn_flush(c)) {
        socket_kill(c->wsi);
        return false;
    }
    if (!over_bound(c, more) || (!over_burst(c, more) && !is_slow(c)))
        return true;
    give_up(c);
    return false;
}

void conn_judge(struct conn *c, bool pardon)
{
    if (c->state != CONN_OPEN || !c->over_since)
        return;
    if (pardon)
        over_begin(c);
    else if (is_slow(c))
        give_up(c);
}

void conn_send_take(struct conn *c, struct frame *f)
{
    if (c->state != CONN_OPEN || !make_room(c, f->len)) {
        frame_release(f);
        return;
    }
    ring_push(c, f);
    stat_add(&c->edge->worker->stats, deliveries, 1);
    mark_dirty(c);
}

void conn_send(struct conn *c, struct frame *f)
{
    conn_send_take(c, frame_hold(f));
}

static enum presence_exit exit_of(int code)
{
    return code == CLOSE_OVER_CAPACITY || code == CLOSE_RECONNECT || code == CLOSE_NO_PONG
               ? EXIT_UNCLEAN
               : EXIT_CLEAN;
}

void conn_close(struct conn *c, int code)
{
    if (c->state != CONN_OPEN)
        return;
    c->state = CONN_CLOSING;
    if (c->paused)
        edge_resume(c); /* or its Close frame would never be read */
    c->close_code = (uint16_t)code;
    if (c->counted)
        stat_add(&c->edge->worker->stats, ended_by_code[close_code_place(code)], 1);
    edge_goodbye(c, exit_of(code));
    wheel_arm(&c->edge->wheel, &c->timer, CLOSE_SECONDS);
    mark_dirty(c);
}

void conn_refuse(struct conn *c, int code)
{
    conn_send_take(c, encode_error(code, slice_of(close_code_text(code)), SLICE_NONE));
    stat_add(&c->edge->worker->stats, refused_connections, 1);
    stat_add(&c->edge->worker->stats, refused_by_code[close_code_place(code)], 1);
    conn_close(c, code);
}

struct slice conn_id_text(const struct conn *c, char text[48])
{
    int n = snprintf(text, 48, "%" PRIu64 ".%" PRIu64, c->id.first, c->id.second);

    return (struct slice){text, (size_t)n};
}
