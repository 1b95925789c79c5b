/* muster-load rawlimit: what the kernel alone asks for. One process sends the fan-out's
 * bytes to --clients sockets by plain send(), one call a socket and burst; a forked sink
 * reads and checks them with the very code of the fan-out's subscribers. Loopback,
 * TCP_NODELAY, the same frames, count and pacing: the sender sleeps in epoll_wait until a
 * timer wakes it. What is reported is the sender's CPU time alone. */
#ifndef MUSTER_LOAD_RAWLIMIT_H
#define MUSTER_LOAD_RAWLIMIT_H

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test/load/audience.h"

struct raw {
    const struct options *o;
    struct audience audience; /* the sender's holds only the filling */
    uint64_t events; /* that will be sent, the first one for warming up included */
    int *sockets;    /* the sender's ends */
    int listener;
    uint64_t blocked;   /* sends that found the socket full */
    const char *wrong;  /* why the sender gave up */
    struct swarm swarm; /* the sink's */
};

static inline void raw_hear(void *context, unsigned index, struct slice text,
                            uint64_t read_at)
{
    struct raw *r = context;

    audience_hear(&r->audience, index, text, read_at);
}

static inline bool raw_all_heard(void *context)
{
    const struct raw *r = context;

    return r->audience.deliveries >= r->events * r->o->clients;
}

static inline bool raw_sink_connect(struct raw *r, const struct sockaddr_in *to)
{
    int one = 1;

    for (unsigned i = 0; i < r->o->clients; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) != 0) {
            swarm_fail(&r->swarm, "connect: %s", strerror(errno));
            return false;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        swarm_adopt(&r->swarm, i, fd);
    }
    return true;
}

/* The sink's whole life; the result is its exit status. */
static inline int raw_sink(struct raw *r, const struct sockaddr_in *to)
{
    static const struct swarm_owner owner = {raw_hear, NULL};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(r->o->timeout);
    swarm_init(&r->swarm, r->o, r->o->clients, &owner, r);
    if (!r->swarm.failure[0] && raw_sink_connect(r, to))
        swarm_until(&r->swarm, raw_all_heard, r->o->timeout, "deliveries are missing");
    if (r->swarm.failure[0])
        fprintf(stderr, "muster-load: rawlimit: sink: %s\n", r->swarm.failure);
    return r->swarm.failure[0] || !audience_ok(&r->audience);
}

/* A listening socket on a free loopback port; -1 where there is none. */
static inline int raw_listen(struct sockaddr_in *at)
{
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0 && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0 &&
        listen(fd, 4096) == 0 && getsockname(fd, (struct sockaddr *)at, &size) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static inline bool raw_accept(struct raw *r)
{
    int one = 1, bytes = (int)r->o->sndbuf * 1024;

    for (unsigned i = 0; i < r->o->clients; i++) {
        struct pollfd wait = {r->listener, POLLIN, 0};
        int fd = poll(&wait, 1, 10000) > 0
                     ? accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
                     : -1;

        if (fd < 0)
            return false;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (bytes)
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        r->sockets[i] = fd;
    }
    return true;
}

/* All of p to one socket, waiting where it is full. */
static inline bool raw_send(struct raw *r, int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t wrote = send(fd, p, n, MSG_NOSIGNAL);

        if (wrote < 0 && errno == EAGAIN) {
            struct pollfd wait = {fd, POLLOUT, 0};

            r->blocked++;
            poll(&wait, 1, 1000);
        } else if (wrote < 0) {
            return false;
        } else {
            p += wrote;
            n -= (size_t)wrote;
        }
    }
    return true;
}

/* One burst to everybody. */
static inline bool raw_burst(struct raw *r, char *out, uint32_t sequence, unsigned burst)
{
    char text[512 + 65536];
    size_t n = 0;

    for (unsigned i = 0; i < burst; i++) {
        size_t size = audience_event(&r->audience, text, 0, sequence + i);

        n += frame_write_plain(out + n, (struct slice){text, size});
    }
    for (unsigned i = 0; i < r->o->clients; i++)
        if (!raw_send(r, r->sockets[i], out, n))
            return false;
    return true;
}

/* Sends everything but the first event at its pace, and gives up where that takes more
 * than twice the time: a sender that never sleeps is no measure. */
static inline bool raw_pace(struct raw *r, char *out)
{
    uint64_t every = NS_PER_S * r->o->burst / r->o->rate, times = 0;
    uint64_t end = now_ns() + (2 * r->o->seconds + 2) * NS_PER_S;
    struct timespec t = {(time_t)(every / NS_PER_S), (long)(every % NS_PER_S)};
    struct itimerspec spec = {t, t};
    struct epoll_event e = {.events = EPOLLIN};
    int poller = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    bool ok = timerfd_settime(timer, 0, &spec, NULL) == 0 &&
              epoll_ctl(poller, EPOLL_CTL_ADD, timer, &e) == 0;

    for (uint64_t sent = 1; ok && sent < r->events;) {
        if (epoll_wait(poller, &e, 1, 1000) < 1 ||
            read(timer, &times, sizeof times) != sizeof times)
            continue;
        for (; ok && times > 0 && sent < r->events; times--, sent += r->o->burst)
            ok = raw_burst(r, out, (uint32_t)sent, r->o->burst) && now_ns() < end;
    }
    if (!ok)
        r->wrong = now_ns() < end ? "send failed" : "can't keep this pace; lower --rate";
    close(timer);
    close(poller);
    return ok;
}

static inline void raw_report(const struct raw *r, const struct usage *u, bool ok)
{
    uint64_t deliveries = (r->events - 1) * r->o->clients;

    printf("rawlimit sockets=%u frame_bytes=%u frames_per_send=%u events=%" PRIu64
           " deliveries=%" PRIu64 " ok=%s blocked=%" PRIu64
           " seconds=%.3f cpu_ns_per_delivery=%.1f others_percent=%.0f\n",
           r->o->clients, r->o->size, r->o->burst, r->events - 1, deliveries,
           ok ? "yes" : "no", r->blocked, (double)u->wall / 1e9,
           (double)u->cpu / (double)deliveries, usage_others_percent(u));
}

static inline bool raw_measure(struct raw *r, pid_t sink)
{
    char *out = malloc((size_t)r->o->burst * (r->o->size + 512));
    bool ok = out && raw_burst(r, out, 0, 1);
    struct usage usage;
    int status = -1;

    usleep(200000); /* the first event has arrived, as in the fan-out */
    usage = usage_start((struct processes){.servers = {sink}});
    ok = ok && raw_pace(r, out);
    usage = usage_since(&usage);
    free(out);
    if (!ok) {
        fprintf(stderr, "muster-load: rawlimit: %s\n",
                r->wrong ? r->wrong : "send failed");
        kill(sink, SIGKILL);
    }
    ok = waitpid(sink, &status, 0) == sink && status == 0 && ok;
    raw_report(r, &usage, ok);
    return ok;
}

/* What the sink checks against has the shape of the fan-out's frames, and --size bytes.
 */
static inline void raw_prepare(struct raw *r)
{
    char text[1024];
    size_t head = r->o->size < 128 ? 2 : 4, bare;
    uint64_t bursts = (uint64_t)r->o->rate * r->o->seconds / r->o->burst;

    audience_init(&r->audience, r->o->channel, r->o->clients, 1);
    bare = audience_event(&r->audience, text, 0, 0) + head;
    audience_reset(&r->audience, r->o->size > bare ? r->o->size - bare : 0);
    r->events = 1 + (bursts ? bursts : 1) * r->o->burst;
}

static inline bool raw_run(const struct options *o)
{
    struct raw r = {.o = o};
    struct sockaddr_in at;
    pid_t sink;
    bool ok;

    if (o->rate == 0 || o->rate > 100000) {
        fprintf(stderr, "muster-load: rawlimit needs a --rate of 1 to 100000\n");
        return false;
    }
    r.sockets = calloc(o->clients, sizeof *r.sockets);
    raw_prepare(&r);
    descriptors_raise();
    r.listener = r.sockets ? raw_listen(&at) : -1;
    sink = r.listener >= 0 ? fork() : -1;
    if (sink == 0)
        _exit(raw_sink(&r, &at));
    ok = sink > 0 && raw_accept(&r);
    if (!ok)
        fprintf(stderr, "muster-load: rawlimit: can't set up: %s\n", strerror(errno));
    else
        ok = raw_measure(&r, sink);
    audience_fini(&r.audience);
    free(r.sockets);
    return ok;
}

#endif
