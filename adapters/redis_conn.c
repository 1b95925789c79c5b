/* hiredis's context without blocking: it has the socket, the bytes to write and the
 * parser; when to read and write is decided here. What is to be written is handed to it
 * in pieces, each once the last one is with the kernel: a piece that the kernel takes
 * only in part is moved to the front, which would be slow with all that may wait. */
#include "adapters/redis_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "server/base/xalloc.h"

enum {
    USER_TIMEOUT_MS = 10000, /* unacknowledged bytes end the connection */
    WRITES_A_TURN = 32,      /* each of what drained adds */
};

struct redis_conn {
    struct loop *loop;
    const struct redis_conn_events *events;
    void *context;
    struct redis_target to;
    redisContext *redis;
    struct ssl_st *session; /* redis's; NULL: plain */
    struct loop_io io;
    unsigned watched; /* enum loop_events */
    bool has_more;    /* to write, once it can */
    bool connected;
    bool has_heard; /* a reply, whatever it says */
    bool is_lost;
};

static void lose(struct redis_conn *c, const char *why)
{
    if (c->is_lost)
        return;
    c->is_lost = true;
    loop_ignore(c->loop, &c->io);
    c->events->lost(c->context, why);
}

/* hiredis's own words: "Server closed the connection", or errno's. */
static void lose_by_library(struct redis_conn *c)
{
    const char *why = redis_tls_distrust(c->session);

    if (!why && !c->has_heard)
        why = redis_tls_dismissal(c->session);
    if (!why && c->redis->err == REDIS_ERR_IO)
        why = redis_tls_failure(c->session); /* errno may say "Success" then */
    if (why)
        lose(c, why);
    else
        lose(c, c->redis->errstr[0] ? c->redis->errstr : "the connection failed");
}

static void watch(struct redis_conn *c, unsigned events);

static void read_replies(struct redis_conn *c)
{
    redis_tls_prepare(c->session);
    if (redisBufferRead(c->redis) != REDIS_OK) {
        lose_by_library(c);
        return;
    }
    while (!c->is_lost) {
        void *reply = NULL;

        if (redisGetReplyFromReader(c->redis, &reply) != REDIS_OK) {
            lose_by_library(c);
            return;
        }
        if (!reply)
            return;
        c->has_heard = true;
        c->events->reply(c->context, reply);
    }
}

void redis_conn_flush(struct redis_conn *c)
{
    int done = 1;

    if (c->is_lost || !c->connected)
        return;
    c->has_more = true;
    for (unsigned n = 0; n < WRITES_A_TURN && done; n++) {
        redis_tls_prepare(c->session);
        if (redisBufferWrite(c->redis, &done) != REDIS_OK) {
            lose_by_library(c);
            return;
        }
        if (done && !c->events->drained(c->context)) {
            c->has_more = false;
            watch(c, LOOP_READABLE);
            return;
        }
    }
    /* A socket can be written to all the while that a handshake waits for an answer. */
    watch(c, redis_tls_waits(c->session) ? LOOP_READABLE : LOOP_READABLE | LOOP_WRITABLE);
}

/* The socket can be written to for the first time. */
static void finish_connecting(struct redis_conn *c)
{
    int failed = 0;
    socklen_t size = sizeof failed;
    const char *why;

    if (getsockopt(c->redis->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
        failed = errno;
    if (failed) {
        lose(c, strerror(failed));
        return;
    }
    if (c->to.tls &&
        redis_tls_begin(c->to.tls, c->redis, c->to.host, &c->session, &why)) {
        lose(c, why);
        return;
    }
    c->connected = true;
    redis_conn_flush(c);
}

/* Whatever it is ready for: reading tells, and costs nothing where there is nothing. */
static void ready(void *context)
{
    struct redis_conn *c = context;

    if (!c->connected) {
        finish_connecting(c);
        return;
    }
    read_replies(c);
    if (c->has_more)
        redis_conn_flush(c);
}

static void watch(struct redis_conn *c, unsigned events)
{
    if (c->watched == events || c->is_lost)
        return;
    c->watched = events;
    loop_watch(c->loop, &c->io, c->redis->fd, events, ready, c);
}

static void set_options(struct redis_conn *c)
{
    int on = 1, ms = USER_TIMEOUT_MS;

    if (*c->to.unix_socket)
        return;
    setsockopt(c->redis->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->redis->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

struct redis_conn *redis_conn_alloc(struct loop *loop, const struct redis_target *to,
                                    const struct redis_conn_events *events, void *context)
{
    struct redis_conn *c = xcalloc(1, sizeof *c);

    c->loop = loop;
    c->events = events;
    c->context = context;
    c->to = *to;
    c->redis = *to->unix_socket ? redisConnectUnixNonBlock(to->unix_socket)
                                : redisConnectNonBlock(to->address, (int)to->port);
    if (!c->redis)
        abort();
    if (c->redis->err) {
        lose_by_library(c);
        return c;
    }
    set_options(c);
    watch(c, LOOP_WRITABLE);
    return c;
}

void redis_conn_free(struct redis_conn *c)
{
    if (!c)
        return;
    if (!c->is_lost)
        loop_ignore(c->loop, &c->io);
    redisFree(c->redis);
    free(c);
}

void redis_conn_write(struct redis_conn *c, struct slice bytes)
{
    if (c->is_lost)
        return;
    if (redisAppendFormattedCommand(c->redis, bytes.p, bytes.n) != REDIS_OK)
        lose_by_library(c);
}
