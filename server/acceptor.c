/* The listening socket and who serves what it accepts. One thread accepts for all
 * workers: it takes a fifth of the work off them, keeps the backlog in one queue that a
 * shutdown can empty, and is the one place for whatever concerns connections before they
 * are anybody's (LIBRARIES.md 2). When descriptors run out it looks away for a moment,
 * instead of spinning on a socket that stays readable. */
#include "server/acceptor.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/xalloc.h"
#include "server/node.h"
#include "server/worker.h"

enum {
    BACKLOG = 4096,
    ACCEPTS_A_TURN = 256, /* then the loop looks at its mailbox again */
    RETRY_MS = 100,       /* when descriptors have run out */
};

struct acceptor {
    struct node *node;
    struct loop *loop;
    struct loop_io readable;
    struct loop_timer retry;
    pthread_t thread;
    enum listener listener;
    bool running;
    bool starved; /* said so in the log */
    int fd;
    unsigned turn; /* whose turn it is among equals */
};

/* Set on the listening socket, inherited by what it accepts. SO_SNDBUF bounds what the
 * kernel keeps for a slow client (LIBRARIES.md 14); TCP_NODELAY, because every write is a
 * whole batch already; TCP_DEFER_ACCEPT (1 s), so that a connection comes together with
 * its request. */
static void set_options(int fd, const struct conf *conf)
{
    int one = 1, bytes = (int)(conf->send_buffer_kb * 1024);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof one); /* http.c counts bytes */
}

static void hand_over(struct acceptor *a, int fd)
{
    struct msg_adopt *m = letter_alloc(LETTER_ADOPT, sizeof *m);
    struct worker *w = &a->node->workers[a->turn++ % a->node->n_workers];

    m->listener = a->listener;
    m->fd = fd;
    worker_post(NULL, w, &m->msg);
}

static void start_accepting(void *context);

/* Out of descriptors or memory: the socket stays readable, so look away for a moment. */
static void pause_accepting(struct acceptor *a)
{
    if (!a->starved)
        log_error("acceptor.starved", "error=%s", strerror(errno));
    a->starved = true;
    loop_cancel(a->loop, &a->retry);
    loop_ignore(a->loop, &a->readable);
    loop_after(a->loop, &a->retry, RETRY_MS, start_accepting, a);
}

static void accept_some(void *context)
{
    struct acceptor *a = context;

    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            a->starved = false;
            hand_over(a, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM) {
            pause_accepting(a);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return; /* EAGAIN: all accepted; others are the connection's own trouble */
        }
    }
}

static void start_accepting(void *context)
{
    struct acceptor *a = context;

    loop_readable(a->loop, &a->readable, a->fd, accept_some, a);
}

static int listen_on(const struct addrinfo *at, const struct conf *conf)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    at->ai_protocol);

    if (fd < 0)
        return -1;
    set_options(fd, conf);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;

    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    if (at.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
    return ntohs(((struct sockaddr_in *)&at)->sin_port);
}

static const char *const listening[] = {
    [LISTENER_MAIN] = "node.listening",
    [LISTENER_METRICS] = "metrics.listening",
};
static const char *const listen_failed[] = {
    [LISTENER_MAIN] = "node.listen_failed",
    [LISTENER_METRICS] = "metrics.listen_failed",
};

static enum err open_socket(struct acceptor *a, const char *host, unsigned at_port)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[16];
    int failed;

    snprintf(port, sizeof port, "%u", at_port);
    failed = getaddrinfo(host, port, &hints, &found);
    for (struct addrinfo *at = found; !failed && at && a->fd < 0; at = at->ai_next)
        a->fd = listen_on(at, a->node->conf);
    if (a->fd < 0)
        log_error(listen_failed[a->listener], "host=%s port=%u error=%s", host, at_port,
                  failed ? gai_strerror(failed) : strerror(errno));
    else
        log_info(listening[a->listener], "host=%s port=%u", host, bound_port(a->fd));
    if (!failed)
        freeaddrinfo(found);
    return a->fd < 0 ? ERR_SYSTEM : ERR_NONE;
}

static void woken(void *context)
{
    struct acceptor *a = context;

    accept_some(a); /* some of the backlog: they will be told 4200 instead of nothing */
    loop_stop(a->loop);
}

enum err acceptor_alloc(struct acceptor **out, struct node *n, enum listener listener)
{
    const struct conf *conf = n->conf;
    struct acceptor *a = xcalloc(1, sizeof *a);
    enum err err;

    a->node = n;
    a->listener = listener;
    a->fd = -1;
    if (listener == LISTENER_MAIN)
        err = open_socket(a, conf->host, conf->port);
    else
        err = open_socket(a, conf->metrics.host, conf->metrics.port);
    if (err) {
        free(a);
        a = NULL;
    } else {
        a->loop = loop_alloc(woken, NULL, a);
    }
    *out = a;
    return err;
}

static void *run(void *context)
{
    struct acceptor *a = context;

    start_accepting(a);
    loop_run(a->loop);
    loop_ignore(a->loop, &a->readable);
    loop_cancel(a->loop, &a->retry);
    return NULL;
}

enum err acceptor_start(struct acceptor *a)
{
    int failed = pthread_create(&a->thread, NULL, run, a);

    if (failed) {
        log_error("acceptor.start_failed", "error=%s", strerror(failed));
        return ERR_SYSTEM;
    }
    a->running = true;
    return ERR_NONE;
}

/* Whoever the kernel has let in already is told 4200 as the others are: closing the
 * listener would cut it off without a word. */
static void accept_rest(struct acceptor *a)
{
    int fd;

    while ((fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        hand_over(a, fd);
}

void acceptor_stop(struct acceptor *a)
{
    if (a->running) {
        loop_wake(a->loop);
        pthread_join(a->thread, NULL);
        a->running = false;
    }
    if (a->fd >= 0) {
        accept_rest(a);
        close(a->fd);
    }
    a->fd = -1;
}

void acceptor_free(struct acceptor *a)
{
    loop_free(a->loop);
    free(a);
}
