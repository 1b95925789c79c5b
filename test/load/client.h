/* One connection of a swarm: what waits to be read or written, the handshake, and the
 * frames of the server. Control frames and pings are answered here; every other text
 * frame goes to the swarm's owner. The first thing that goes wrong is kept as the swarm's
 * failure.
 *
 * Reads go to one scratch buffer for all connections; only an incomplete frame is copied
 * to the connection it belongs to, so that an idle connection costs a few words. */
#ifndef MUSTER_LOAD_CLIENT_H
#define MUSTER_LOAD_CLIENT_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/slice.h"
#include "test/load/frame.h"
#include "test/load/json.h"
#include "test/load/options.h"
#include "test/load/process.h"

enum { SWARM_SCRATCH = 1 << 18, SWARM_EVENTS = 512, SWARM_TAIL_MAX = 1 << 20 };
enum { SOCKET_ID_MAX = 48 };

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING, /* TCP */
    CLIENT_UPGRADING,  /* the HTTP request is out */
    CLIENT_GREETING,   /* waits for connection_established */
    CLIENT_OPEN,
};

/* Bytes that wait: for the rest of a frame, or for room in the socket. */
struct backlog {
    char *p;
    size_t n;
};

struct client {
    int fd;
    enum client_state state;
    struct backlog in, out;
    char socket_id[SOCKET_ID_MAX];
};

struct swarm;

struct swarm_owner {
    /** A text frame on an open connection; text is borrowed until return. read_at: when
     * the bytes were read, ns. */
    void (*text)(void *context, unsigned index, struct slice text, uint64_t read_at);
    /** The timer fired so many times; NULL where no timer is set. */
    void (*timer)(void *context, uint64_t times);
};

struct swarm {
    const struct options *options;
    const struct swarm_owner *owner;
    void *context;
    int epoll, timer;
    struct client *clients;
    unsigned n;       /* places */
    unsigned opening; /* handshakes under way */
    unsigned open;
    unsigned source; /* of the next connection */
    unsigned stride; /* so many places belong to one node, as many to the next; 1 */
    char *scratch;
    uint32_t mask;
    uint64_t deadline; /* of everything, ns */
    char failure[384];
};

/** Keeps the first failure. */
static inline void swarm_fail(struct swarm *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void swarm_fail(struct swarm *s, const char *format, ...)
{
    va_list args;

    if (s->failure[0])
        return;
    va_start(args, format);
    vsnprintf(s->failure, sizeof s->failure, format, args);
    va_end(args);
}

static inline void backlog_set(struct backlog *b, const char *p, size_t n)
{
    if (n == 0) {
        free(b->p);
        *b = (struct backlog){NULL, 0};
        return;
    }
    if (n > b->n || !b->p)
        b->p = realloc(b->p, n);
    if (!b->p)
        abort();
    memmove(b->p, p, n);
    b->n = n;
}

/** Closes without a word, as a lost connection. Idempotent. */
static inline void swarm_close(struct swarm *s, unsigned index)
{
    struct client *c = &s->clients[index];

    if (c->state == CLIENT_CLOSED)
        return;
    s->open -= c->state == CLIENT_OPEN;
    s->opening -= c->state != CLIENT_OPEN;
    close(c->fd);
    backlog_set(&c->in, NULL, 0);
    backlog_set(&c->out, NULL, 0);
    c->state = CLIENT_CLOSED;
}

static inline void client_watch(struct swarm *s, struct client *c, bool add)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)(c - s->clients)};

    if (c->state == CLIENT_CONNECTING || c->out.n > 0)
        e.events |= EPOLLOUT;
    if (epoll_ctl(s->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &e) != 0)
        swarm_fail(s, "epoll: %s", strerror(errno));
}

/* Writes now what the socket takes and keeps the rest. */
static inline void client_write(struct swarm *s, struct client *c, const char *p,
                                size_t n)
{
    ssize_t wrote = c->out.n ? 0 : send(c->fd, p, n, MSG_NOSIGNAL);
    size_t left = n - (wrote > 0 ? (size_t)wrote : 0);

    if (wrote < 0 && errno != EAGAIN)
        swarm_fail(s, "send: %s", strerror(errno));
    if (left == 0)
        return;
    c->out.p = realloc(c->out.p, c->out.n + left);
    if (!c->out.p)
        abort();
    memcpy(c->out.p + c->out.n, p + n - left, left);
    c->out.n += left;
    client_watch(s, c, false);
}

static inline void client_flush(struct swarm *s, struct client *c)
{
    ssize_t wrote = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);

    if (wrote < 0 && errno != EAGAIN)
        swarm_fail(s, "send: %s", strerror(errno));
    if (wrote <= 0)
        return;
    backlog_set(&c->out, c->out.p + wrote, c->out.n - (size_t)wrote);
    client_watch(s, c, false);
}

/** Appends a masked text frame to out (room for FRAME_HEAD_MAX + text.n); returns its
 * size. */
static inline size_t swarm_frame(struct swarm *s, char *out, unsigned opcode,
                                 struct slice text)
{
    s->mask = s->mask * 1664525 + 1013904223;
    return frame_write(out, opcode, text, s->mask);
}

/** Sends one text frame of at most 3,900 bytes. */
static inline void swarm_send(struct swarm *s, unsigned index, struct slice text)
{
    char out[4096];

    if (text.n > sizeof out - FRAME_HEAD_MAX)
        abort();
    client_write(s, &s->clients[index], out, swarm_frame(s, out, FRAME_TEXT, text));
}

static inline unsigned swarm_node(const struct swarm *s, unsigned index)
{
    return index / s->stride % s->options->n_targets;
}

static inline const struct target *client_target(const struct swarm *s,
                                                 const struct client *c)
{
    return &s->options->targets[swarm_node(s, (unsigned)(c - s->clients))];
}

static inline void client_connected(struct swarm *s, struct client *c)
{
    const struct target *t = client_target(s, c);
    char request[512];
    int error = 0;
    socklen_t size = sizeof error;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        swarm_fail(s, "connect to %s:%s: %s", t->host, t->port, strerror(error));
        return;
    }
    snprintf(request, sizeof request,
             "GET %s/app/%s?protocol=7&client=muster-load&version=1.0 HTTP/1.1\r\n"
             "Host: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Version: 13\r\n\r\n",
             t->prefix, s->options->key, t->host, t->port);
    c->state = CLIENT_UPGRADING;
    client_watch(s, c, false);
    client_write(s, c, request, strlen(request));
}

/* The HTTP reply, once it is whole; returns its size, 0 before that. */
static inline size_t client_upgraded(struct swarm *s, struct client *c, const char *p,
                                     size_t n)
{
    static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; /* of the key above */
    const char *end = memmem(p, n, "\r\n\r\n", 4);

    if (!end)
        return 0;
    n = (size_t)(end - p) + 4;
    if (n < 12 || memcmp(p, "HTTP/1.1 101", 12) != 0 ||
        !memmem(p, n, accept, sizeof accept - 1))
        swarm_fail(s, "no WebSocket here; the server says: %.*s", (int)strcspn(p, "\r\n"),
                   p);
    c->state = CLIENT_GREETING;
    return n;
}

static inline void client_greeted(struct swarm *s, struct client *c, struct slice text)
{
    char data[1024];
    struct slice string = json_member(text, "data"), id;
    long n = -1;

    if (json_is(json_member(text, "event"), "pusher:connection_established") &&
        string.n < sizeof data)
        n = json_string(string, data);
    id = n < 0 ? SLICE_NONE : json_member((struct slice){data, (size_t)n}, "socket_id");
    if (id.n < 5 || id.n - 2 >= SOCKET_ID_MAX) {
        swarm_fail(s, "connection refused: %.*s", SLICE_ARG(text));
        return;
    }
    memcpy(c->socket_id, id.p + 1, id.n - 2);
    c->socket_id[id.n - 2] = 0;
    c->state = CLIENT_OPEN;
    s->opening--;
    s->open++;
}

static inline void client_text(struct swarm *s, struct client *c, struct slice text,
                               uint64_t read_at)
{
    static const char ping[] = "{\"event\":\"pusher:ping\"";
    unsigned index = (unsigned)(c - s->clients);

    if (c->state == CLIENT_GREETING)
        client_greeted(s, c, text);
    else if (text.n < 64 && slice_starts(text, SLICE(ping)))
        swarm_send(s, index, SLICE("{\"event\":\"pusher:pong\",\"data\":{}}"));
    else
        s->owner->text(s->context, index, text, read_at);
}

static inline void client_frame(struct swarm *s, struct client *c, const struct frame *f,
                                uint64_t read_at)
{
    const unsigned char *b = (const unsigned char *)f->payload.p;
    char pong[160];

    if (f->opcode == FRAME_TEXT)
        client_text(s, c, f->payload, read_at);
    else if (f->opcode == FRAME_PING && f->payload.n < 126)
        client_write(s, c, pong, swarm_frame(s, pong, FRAME_PONG, f->payload));
    else if (f->opcode == FRAME_CLOSE && f->payload.n >= 2)
        swarm_fail(s, "the server closed connection %u: %u %.*s",
                   (unsigned)(c - s->clients), b[0] * 256U + b[1], (int)f->payload.n - 2,
                   f->payload.p + 2);
    else if (f->opcode != FRAME_PONG)
        swarm_fail(s, "unexpected frame, opcode %u", f->opcode);
}

/* Takes every whole frame; returns how many bytes they were. */
static inline size_t client_take(struct swarm *s, struct client *c, const char *p,
                                 size_t n)
{
    uint64_t read_at = now_ns();
    size_t used = c->state == CLIENT_UPGRADING ? client_upgraded(s, c, p, n) : 0;

    while (c->state >= CLIENT_GREETING && !s->failure[0]) {
        struct frame f;
        int got = frame_read(&f, p + used, n - used);

        if (got < 0)
            swarm_fail(s, "not a server's frame: %02x %02x", (unsigned char)p[used],
                       (unsigned char)p[used + 1]);
        if (got <= 0)
            break;
        used += f.bytes;
        client_frame(s, c, &f, read_at);
    }
    return used;
}

static inline void client_read(struct swarm *s, struct client *c)
{
    size_t kept = c->in.n, used;
    ssize_t got;

    memcpy(s->scratch, c->in.p ? c->in.p : "", kept);
    got = read(c->fd, s->scratch + kept, SWARM_SCRATCH);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        swarm_fail(s, "connection %u lost: %s", (unsigned)(c - s->clients),
                   got ? strerror(errno) : "closed by the server without a word");
    if (got <= 0)
        return;
    used = client_take(s, c, s->scratch, kept + (size_t)got);
    kept = kept + (size_t)got - used;
    if (kept > SWARM_TAIL_MAX)
        swarm_fail(s, "a frame of more than %d bytes", SWARM_TAIL_MAX);
    else if (c->state != CLIENT_CLOSED && (kept || c->in.n))
        backlog_set(&c->in, s->scratch + used, kept);
}

#endif
