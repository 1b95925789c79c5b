/* A swarm: many WebSocket connections to one server, on one thread and one epoll. It
 * opens them at a pace and runs until its owner has seen what it waits for, something has
 * failed or the time is up. */
#ifndef MUSTER_LOAD_SWARM_H
#define MUSTER_LOAD_SWARM_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "test/load/client.h"

/* As many descriptors as this process may have; returns how many. */
static inline unsigned descriptors_raise(void)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_max < UINT32_MAX ? (unsigned)files.rlim_max : UINT32_MAX;
}

/** n closed places. owner and context are borrowed until swarm_fini. */
static inline void swarm_init(struct swarm *s, const struct options *o, unsigned n,
                              const struct swarm_owner *owner, void *context)
{
    unsigned files = descriptors_raise();

    *s = (struct swarm){
        .options = o, .owner = owner, .context = context, .n = n, .stride = 1};
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->timer = -1;
    s->clients = calloc(n, sizeof *s->clients);
    s->scratch = malloc(SWARM_SCRATCH + SWARM_TAIL_MAX);
    s->mask = 0x6d757374;
    s->deadline = now_ns() + o->timeout * NS_PER_S;
    if (s->epoll < 0 || !s->clients || !s->scratch)
        swarm_fail(s, "no memory for %u connections", n);
    if (n + 16ULL > files)
        swarm_fail(s, "%u connections need more descriptors than the limit of %u", n,
                   files);
}

static inline void swarm_fini(struct swarm *s)
{
    for (unsigned i = 0; s->clients && i < s->n; i++)
        swarm_close(s, i);
    if (s->timer >= 0)
        close(s->timer);
    close(s->epoll);
    free(s->clients);
    free(s->scratch);
}

/** Takes an established socket whose peer sends frames and no handshake. */
static inline void swarm_adopt(struct swarm *s, unsigned index, int fd)
{
    struct client *c = &s->clients[index];

    *c = (struct client){.fd = fd, .state = CLIENT_OPEN};
    s->open++;
    client_watch(s, c, true);
}

/* Spreads the source over 127.0.0.1 … 127.0.0.N, so that more connections than there are
 * ephemeral ports can be had, and closed ones don't hold new ones up. */
static inline void client_bind(struct swarm *s, const struct target *t, int fd)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint32_t to = ntohl(t->to.sin_addr.s_addr);
    int one = 1;

    if (to >> 24 != 127)
        return;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + s->source++ % s->options->sources);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        swarm_fail(s, "bind: %s", strerror(errno));
}

/** Starts a connection in a closed place. */
static inline void swarm_connect(struct swarm *s, unsigned index)
{
    struct client *c = &s->clients[index];
    const struct target *t = client_target(s, c);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        swarm_fail(s, "socket: %s", strerror(errno));
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *c = (struct client){.fd = fd, .state = CLIENT_CONNECTING};
    s->opening++;
    client_bind(s, t, fd);
    if (connect(fd, (const struct sockaddr *)&t->to, sizeof t->to) != 0 &&
        errno != EINPROGRESS)
        swarm_fail(s, "connect to %s:%s: %s", t->host, t->port, strerror(errno));
    client_watch(s, c, true);
}

/** Sends bytes that are framed already. */
static inline void swarm_send_raw(struct swarm *s, unsigned index, const char *p,
                                  size_t n)
{
    client_write(s, &s->clients[index], p, n);
}

static inline void client_ready(struct swarm *s, const struct epoll_event *e)
{
    struct client *c = &s->clients[e->data.u32];

    if (c->state == CLIENT_CLOSED)
        return;
    if (c->state == CLIENT_CONNECTING) {
        client_connected(s, c);
        return;
    }
    if ((e->events & EPOLLOUT) && c->out.n)
        client_flush(s, c);
    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        client_read(s, c);
}

static inline void swarm_tick(struct swarm *s)
{
    uint64_t times = 0;

    if (read(s->timer, &times, sizeof times) == sizeof times)
        s->owner->timer(s->context, times);
}

/** One turn: waits up to ms for something to do, and does all of it. False after a
 * failure. */
static inline bool swarm_turn(struct swarm *s, int ms)
{
    struct epoll_event events[SWARM_EVENTS];
    int n = epoll_wait(s->epoll, events, SWARM_EVENTS, ms);

    if (n < 0 && errno != EINTR)
        swarm_fail(s, "epoll: %s", strerror(errno));
    for (int i = 0; i < n && !s->failure[0]; i++) {
        if (events[i].data.u32 == UINT32_MAX)
            swarm_tick(s);
        else
            client_ready(s, &events[i]);
    }
    return !s->failure[0];
}

/** Turns until done says so. True then; false on a failure, or (which is one too) when so
 * many seconds, or all that the run may take, have gone by. */
static inline bool swarm_until(struct swarm *s, bool (*done)(void *context),
                               unsigned seconds, const char *what)
{
    uint64_t end = now_ns() + seconds * NS_PER_S;

    end = end < s->deadline ? end : s->deadline;
    while (!s->failure[0] && !done(s->context)) {
        if (now_ns() > end)
            swarm_fail(s, "out of time: %s", what);
        swarm_turn(s, 20);
    }
    return !s->failure[0];
}

/** Turns for so many milliseconds. */
static inline bool swarm_for(struct swarm *s, unsigned ms)
{
    uint64_t end = now_ns() + ms * NS_PER_MS;

    while (!s->failure[0] && now_ns() < end)
        swarm_turn(s, (int)((end - now_ns()) / NS_PER_MS) + 1);
    return !s->failure[0];
}

/** Opens the closed places from first on, at most per_second of them a second (0: as fast
 * as the window of handshakes lets it), and returns when all are open. */
static inline bool swarm_open(struct swarm *s, unsigned first, unsigned n,
                              unsigned per_second)
{
    uint64_t start = now_ns();
    unsigned started = 0;

    while (!s->failure[0] && (started < n || s->opening > 0)) {
        uint64_t now = now_ns();
        double due = per_second ? (double)(now - start) / 1e9 * per_second + 1 : n;

        for (; started < n && started < due && s->opening < s->options->window; started++)
            swarm_connect(s, first + started);
        swarm_turn(s, per_second ? 1 : 100);
        if (now > s->deadline)
            swarm_fail(s, "out of time: %u of %u connections are open", s->open, n);
    }
    return !s->failure[0];
}

/** Calls the owner's timer every so many ns from now on; 0 stops it. */
static inline void swarm_timer(struct swarm *s, uint64_t every)
{
    struct timespec t = {(time_t)(every / NS_PER_S), (long)(every % NS_PER_S)};
    struct itimerspec spec = {t, t};
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = UINT32_MAX};

    if (s->timer < 0) {
        s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->timer, &e);
    }
    timerfd_settime(s->timer, 0, &spec, NULL);
}

/** TCP segments with data that the connections from first on have received: how often the
 * server wrote, as seen from outside. */
static inline uint64_t swarm_segments(const struct swarm *s, unsigned first, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = first; i < first + n; i++) {
        struct tcp_info info = {0};
        socklen_t size = sizeof info;

        getsockopt(s->clients[i].fd, IPPROTO_TCP, TCP_INFO, &info, &size);
        sum += info.tcpi_data_segs_in;
    }
    return sum;
}

#endif
