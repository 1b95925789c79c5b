/* muster-load rawaccept: what the kernel alone asks for to accept --clients connections
 * and to answer each one's handshake. One process accepts, waits with epoll, reads the
 * request and writes two fixed replies of a server's sizes; a forked client does the
 * whole handshake as `idle` does. No HTTP is parsed, no hash computed, nothing allocated.
 * What is reported is the accepting side's CPU time alone. */
#ifndef MUSTER_LOAD_RAWACCEPT_H
#define MUSTER_LOAD_RAWACCEPT_H

#include "test/load/idle.h"
#include "test/load/rawlimit.h"

struct acceptor {
    int listener, poller;
    unsigned greeted;
};

/* The client's whole life; it holds its connections until it is killed. */
static inline int acceptor_client(const struct options *o, const struct sockaddr_in *to)
{
    static const struct swarm_owner owner = {idle_text, NULL};
    struct options there = *o;
    struct swarm s;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(o->timeout + 5);
    there.targets[0].to = *to;
    swarm_init(&s, &there, o->clients, &owner, &s);
    if (!s.failure[0] && swarm_open(&s, 0, o->clients, o->rate))
        swarm_for(&s, o->timeout * 1000);
    fprintf(stderr, "muster-load: rawaccept: %s\n", s.failure);
    return 1;
}

static inline bool acceptor_take(const struct acceptor *a)
{
    int fd;

    while ((fd = accept4(a->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

        if (epoll_ctl(a->poller, EPOLL_CTL_ADD, fd, &e) != 0)
            return false;
    }
    return errno == EAGAIN;
}

/* The request came whole: on loopback its one send() is one read. */
static inline bool acceptor_greet(struct acceptor *a, int fd)
{
    static const char upgrade[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: "
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    static const char hello[] =
        "{\"event\":\"pusher:connection_established\",\"data\":\"{"
        "\\\"socket_id\\\":\\\"1234567890123456.1234567890123456\\\","
        "\\\"activity_timeout\\\":120}\"}";
    char in[1024], out[sizeof hello + FRAME_HEAD_MAX];
    size_t n = frame_write_plain(out, SLICE(hello));

    if (recv(fd, in, sizeof in, 0) <= 0)
        return false;
    a->greeted++;
    return send(fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL) > 0 &&
           send(fd, out, n, MSG_NOSIGNAL) > 0;
}

static inline bool acceptor_serve(struct acceptor *a, const struct options *o,
                                  pid_t client)
{
    struct epoll_event events[64];
    uint64_t end = now_ns() + o->timeout * NS_PER_S;
    bool ok = true;

    while (ok && a->greeted < o->clients) {
        int n = epoll_wait(a->poller, events, 64, 100);

        for (int i = 0; ok && i < n; i++)
            ok = events[i].data.fd == a->listener ? acceptor_take(a)
                                                  : acceptor_greet(a, events[i].data.fd);
        ok = ok && now_ns() < end && (n > 0 || waitpid(client, NULL, WNOHANG) == 0);
    }
    return ok;
}

static inline bool acceptor_measure(struct acceptor *a, const struct options *o,
                                    pid_t client)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = a->listener};
    struct usage usage = usage_start((struct processes){.servers = {client}});
    bool ok;

    a->poller = epoll_create1(EPOLL_CLOEXEC);
    fcntl(a->listener, F_SETFL, O_NONBLOCK);
    ok = epoll_ctl(a->poller, EPOLL_CTL_ADD, a->listener, &e) == 0 &&
         acceptor_serve(a, o, client);
    usage = usage_since(&usage);
    printf(
        "rawaccept connections=%u open=%u ok=%s seconds=%.3f cpu_us_per_connection=%.2f"
        " others_percent=%.0f\n",
        o->clients, a->greeted, ok ? "yes" : "no", (double)usage.wall / 1e9,
        (double)usage.cpu / 1e3 / o->clients, usage_others_percent(&usage));
    return ok;
}

static inline bool acceptor_run(const struct options *o)
{
    struct acceptor a = {0};
    struct sockaddr_in at;
    pid_t client;
    bool ok;

    descriptors_raise();
    a.listener = raw_listen(&at);
    client = a.listener >= 0 ? fork() : -1;
    if (client == 0)
        _exit(acceptor_client(o, &at));
    ok = client > 0 && acceptor_measure(&a, o, client);
    if (client > 0) {
        kill(client, SIGKILL);
        waitpid(client, NULL, 0);
    }
    if (!ok)
        fprintf(stderr, "muster-load: rawaccept: failed: %s\n", strerror(errno));
    return ok;
}

#endif
