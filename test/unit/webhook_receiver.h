/* A webhook receiver for tests: HTTP/1.1 on a loopback port of its own, by a thread that
 * polls, well-behaved or not as the test says at any time. The test asks for what came
 * under the lock, through the functions below. */
#ifndef MUSTER_TEST_WEBHOOK_RECEIVER_H
#define MUSTER_TEST_WEBHOOK_RECEIVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"

enum manners {
    TAKES,      /* 200 */
    TAKES_204,  /* without a body */
    FAILS,      /* 500 */
    REDIRECTS,  /* 307 to itself */
    CLOSES,     /* reads, and hangs up without a word */
    STALLS,     /* reads, and says nothing more */
    HINTS,      /* 103, and says nothing more */
    CUTS_OFF,   /* 200, and hangs up inside the body */
    NEVER_ENDS, /* 200, and a body without end */
    IS_DOWN,    /* refuses connections */
};

enum { RECEIVER_CONNS = 64, RECEIVER_REQUESTS = 4096 };

struct received {
    char *head, *body;
    bool taken; /* answered with a 2xx */
    uint64_t at;
};

struct receiver_conn {
    int fd;
    struct buf in;
    bool stalled, endless;
};

struct webhook_receiver {
    int fd;
    unsigned port;
    _Atomic int manners;
    _Atomic bool ending;
    _Atomic unsigned n; /* requests */
    pthread_t thread;
    pthread_mutex_t lock;
    struct received requests[RECEIVER_REQUESTS];
    struct receiver_conn conns[RECEIVER_CONNS];
    _Atomic unsigned most_at_once; /* connections that waited for an answer */
};

static inline void receiver_listen(struct webhook_receiver *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)r->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int on = 1;

    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(r->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(r->fd, (struct sockaddr *)&at, sizeof at) || listen(r->fd, 64) ||
        getsockname(r->fd, (struct sockaddr *)&at, &n))
        abort();
    r->port = ntohs(at.sin_port);
}

static inline void receiver_hang_up(struct receiver_conn *c)
{
    close(c->fd);
    buf_fini(&c->in);
    *c = (struct receiver_conn){.fd = -1};
}

static inline void receiver_say(struct receiver_conn *c, const char *text)
{
    if (send(c->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        receiver_hang_up(c);
}

static inline void receiver_answer(struct webhook_receiver *r, struct receiver_conn *c,
                                   int manners)
{
    char text[160];

    switch (manners) {
    case TAKES:
        receiver_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        return;
    case TAKES_204:
        receiver_say(c, "HTTP/1.1 204 No Content\r\n\r\n");
        return;
    case FAILS:
        receiver_say(c, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
        return;
    case REDIRECTS:
        snprintf(text, sizeof text,
                 "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:%u/there\r\n"
                 "Content-Length: 0\r\n\r\n",
                 r->port);
        receiver_say(c, text);
        return;
    case CUTS_OFF:
        receiver_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
        receiver_hang_up(c);
        return;
    case NEVER_ENDS:
        receiver_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        c->endless = true;
        return;
    case HINTS:
        receiver_say(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        c->stalled = true;
        return;
    case STALLS:
        c->stalled = true;
        return;
    default:
        receiver_hang_up(c);
        return;
    }
}

/* Keeps the request that stands whole at the beginning of what was read. */
static inline bool receiver_take(struct webhook_receiver *r, struct receiver_conn *c)
{
    const char *text = buf_cstr(&c->in), *end = strstr(text, "\r\n\r\n");
    const char *length = end ? strstr(text, "Content-Length: ") : NULL;
    size_t head = end ? (size_t)(end + 4 - text) : 0, body;
    int manners = atomic_load(&r->manners);
    struct received *to;

    if (!length)
        return false;
    body = strtoul(length + 16, NULL, 10);
    if (c->in.n < head + body)
        return false;
    pthread_mutex_lock(&r->lock);
    to = &r->requests[atomic_load(&r->n)];
    to->head = strndup(text, head);
    to->body = strndup(text + head, body);
    to->at = clock_ms();
    to->taken = manners == TAKES || manners == TAKES_204 || manners == CUTS_OFF ||
                manners == NEVER_ENDS;
    pthread_mutex_unlock(&r->lock);
    memmove(c->in.p, c->in.p + head + body, c->in.n - head - body);
    c->in.n -= head + body;
    receiver_answer(r, c, manners);
    atomic_fetch_add(&r->n, 1);
    return true;
}

static inline void receiver_read(struct webhook_receiver *r, struct receiver_conn *c)
{
    ssize_t n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, MSG_DONTWAIT);

    if (n <= 0) {
        receiver_hang_up(c);
        return;
    }
    c->in.n += (size_t)n;
    while (c->fd >= 0 && c->in.n && receiver_take(r, c))
        ;
}

static inline void receiver_accept(struct webhook_receiver *r)
{
    int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC);

    for (size_t i = 0; i < RECEIVER_CONNS && fd >= 0; i++) {
        if (r->conns[i].fd < 0) {
            r->conns[i].fd = fd;
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

static inline void receiver_follow_manners(struct webhook_receiver *r)
{
    bool is_down = atomic_load(&r->manners) == IS_DOWN;

    if (!is_down && r->fd < 0)
        receiver_listen(r);
    if (!is_down || r->fd < 0)
        return;
    close(r->fd);
    r->fd = -1;
    for (size_t i = 0; i < RECEIVER_CONNS; i++)
        if (r->conns[i].fd >= 0)
            receiver_hang_up(&r->conns[i]);
}

static inline void receiver_turn(struct webhook_receiver *r)
{
    struct pollfd polls[RECEIVER_CONNS + 1];
    unsigned stalled = 0;

    polls[RECEIVER_CONNS] = (struct pollfd){r->fd, POLLIN, 0};
    for (size_t i = 0; i < RECEIVER_CONNS; i++)
        polls[i] = (struct pollfd){r->conns[i].fd, POLLIN, 0};
    poll(polls, RECEIVER_CONNS + 1, 5);
    for (size_t i = 0; i < RECEIVER_CONNS; i++) {
        struct receiver_conn *c = &r->conns[i];

        if (c->fd >= 0 && polls[i].revents)
            receiver_read(r, c);
        stalled += c->fd >= 0 && c->stalled;
        if (c->fd >= 0 && c->endless)
            receiver_say(c, "400\r\n"
#define X16 "0123456789abcdef"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64
                         X256 X256 X256 X256 "\r\n");
    }
    if (stalled > atomic_load(&r->most_at_once))
        atomic_store(&r->most_at_once, stalled);
    if (polls[RECEIVER_CONNS].revents)
        receiver_accept(r);
}

static inline void *receiver_run(void *context)
{
    struct webhook_receiver *r = context;

    while (!atomic_load(&r->ending)) {
        receiver_follow_manners(r);
        receiver_turn(r);
    }
    return NULL;
}

static inline struct webhook_receiver *receiver_start(enum manners manners)
{
    struct webhook_receiver *r = calloc(1, sizeof *r);

    atomic_store(&r->manners, (int)manners);
    for (size_t i = 0; i < RECEIVER_CONNS; i++)
        r->conns[i].fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    receiver_listen(r);
    if (pthread_create(&r->thread, NULL, receiver_run, r))
        abort();
    return r;
}

static inline void receiver_free(struct webhook_receiver *r)
{
    atomic_store(&r->ending, true);
    pthread_join(r->thread, NULL);
    for (size_t i = 0; i < RECEIVER_CONNS; i++)
        if (r->conns[i].fd >= 0)
            receiver_hang_up(&r->conns[i]);
    for (unsigned i = 0; i < atomic_load(&r->n); i++) {
        free(r->requests[i].head);
        free(r->requests[i].body);
    }
    if (r->fd >= 0)
        close(r->fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

#endif
