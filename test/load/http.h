/* muster-load http: events POSTed to the HTTP API, each signed as an SDK would, on kept
 * connections of which each waits for its answer before it POSTs again. Everything is
 * heard by --clients subscribers, and checked as in the fan-out; --clients 1 is there for
 * the check alone. With --rate the POSTs keep a pace, with --one-by-one none goes out
 * before all have heard the last one. */
#ifndef MUSTER_LOAD_HTTP_H
#define MUSTER_LOAD_HTTP_H

#include <poll.h>

#include "test/load/audience.h"
#include "test/load/pusher.h"

enum { POSTER_REPLY_MAX = 4096, POSTER_HEAD_MAX = 2048, MD5_HEX = 32 };

/* A connection that POSTs, or is free to. */
struct poster {
    int fd;
    bool waits; /* for an answer */
    uint64_t sent_at;
    char reply[POSTER_REPLY_MAX];
    size_t n;
};

struct http {
    const struct options *o;
    struct swarm swarm; /* the subscribers */
    struct audience audience;
    struct poster *posters;
    int epoll;
    bool listening; /* all are subscribed: from now on only events come */
    unsigned subscribed;
    uint32_t *sequence; /* one a poster */
    uint64_t posted, answered, expected, to_post;
    uint64_t end; /* of posting, ns; 0: to_post ends it */
    unsigned turn;
    struct latency answers;
    char *out;
};

static inline void http_text(void *context, unsigned index, struct slice text,
                             uint64_t read_at)
{
    struct http *h = context;
    struct slice event;

    if (h->listening) {
        audience_hear(&h->audience, index, text, read_at);
        return;
    }
    event = json_member(text, "event");
    if (json_is(event, "pusher_internal:subscription_succeeded"))
        h->subscribed++;
    else
        swarm_fail(&h->swarm, "subscribing: %.*s", SLICE_ARG(text));
}

static inline void http_md5(struct slice body, char out[MD5_HEX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    EVP_Digest(body.p, body.n, digest, &n, EVP_md5(), NULL);
    for (unsigned i = 0; i < MD5_HEX / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* Writes the whole request to out; returns its size. */
static inline size_t http_request(const struct http *h, char *out, struct slice body)
{
    const struct options *o = h->o;
    const struct target *t = &o->targets[0];
    char md5[MD5_HEX + 1], sign[SIGNATURE_HEX + 1], query[512], text[1024];
    int n;

    http_md5(body, md5);
    snprintf(query, sizeof query,
             "auth_key=%s&auth_timestamp=%lld&auth_version=1.0&body_md5=%s", o->key,
             (long long)time(NULL), md5);
    snprintf(text, sizeof text, "POST\n/apps/%s/events\n%s", o->app, query);
    pusher_sign(o->secret, text, sign);
    n = snprintf(out, POSTER_HEAD_MAX,
                 "POST %s/apps/%s/events?%s&auth_signature=%s HTTP/1.1\r\n"
                 "Host: %s:%s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 t->prefix, o->app, query, sign, t->host, t->port, body.n);
    if (n < 0 || n >= POSTER_HEAD_MAX)
        abort();
    memcpy(out + n, body.p, body.n);
    return (size_t)n + body.n;
}

/* One POST on a free connection. */
static inline void http_post(struct http *h, unsigned index)
{
    struct poster *p = &h->posters[index];
    char body[512 + 65536];
    size_t n = audience_event(&h->audience, body, index, h->sequence[index]++);

    n = http_request(h, h->out, (struct slice){body, n});
    p->waits = true;
    p->n = 0;
    p->sent_at = now_ns();
    if (send(p->fd, h->out, n, MSG_NOSIGNAL) != (ssize_t)n)
        swarm_fail(&h->swarm, "POST: %s", strerror(errno));
    h->posted++;
    h->expected += h->o->clients;
}

static inline bool http_over(const struct http *h)
{
    return h->end ? now_ns() >= h->end : h->posted >= h->to_post;
}

/* The answer, once it is whole, must be 200 and {}. */
static inline void http_answer(struct http *h, unsigned index)
{
    struct poster *p = &h->posters[index];
    const char *end = memmem(p->reply, p->n, "\r\n\r\n", 4);

    if (!end || p->reply + p->n < end + 6)
        return;
    if (memcmp(p->reply, "HTTP/1.1 200", 12) != 0 || p->reply + p->n != end + 6 ||
        memcmp(end + 4, "{}", 2) != 0) {
        swarm_fail(&h->swarm, "answered: %.*s", (int)p->n, p->reply);
        return;
    }
    p->waits = false;
    h->answered++;
    latency_add(&h->answers, now_ns() - p->sent_at);
    if (h->end && !http_over(h))
        http_post(h, index);
}

static inline void http_read(struct http *h, unsigned index)
{
    struct poster *p = &h->posters[index];
    ssize_t got = recv(p->fd, p->reply + p->n, sizeof p->reply - p->n, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN))
        swarm_fail(&h->swarm, "a connection that POSTs was lost: %s",
                   got ? strerror(errno) : "closed");
    if (got <= 0)
        return;
    p->n += (size_t)got;
    http_answer(h, index);
}

/* At a pace: the next free connection POSTs; where none is free, the server is behind and
 * the POST is left for the next tick. */
static inline void http_timer(void *context, uint64_t times)
{
    struct http *h = context;

    if (h->o->one_by_one) {
        if (h->audience.deliveries < h->expected || h->answered < h->posted)
            return;
        times = 1;
    }
    for (unsigned tried = 0; times > 0 && tried < h->o->publishers && !http_over(h);
         tried++) {
        unsigned index = h->turn++ % h->o->publishers;

        if (h->posters[index].waits)
            continue;
        http_post(h, index);
        times--;
        tried = 0;
    }
}

/* Waits up to 20 ms for either side, and does what there is to do. */
static inline bool http_turn(struct http *h)
{
    struct pollfd wait[] = {{h->epoll, POLLIN, 0}, {h->swarm.epoll, POLLIN, 0}};
    struct epoll_event events[64];
    int n;

    poll(wait, 2, 20);
    n = epoll_wait(h->epoll, events, 64, 0);
    for (int i = 0; i < n && !h->swarm.failure[0]; i++)
        http_read(h, events[i].data.u32);
    return swarm_turn(&h->swarm, 0);
}

/* Until everything has been POSTed, answered and heard; a server that delivers nothing
 * for five seconds has lost something. */
static inline bool http_wait(struct http *h)
{
    uint64_t heard = 0, since = now_ns();

    while ((!http_over(h) || h->answered < h->posted ||
            h->audience.deliveries < h->expected) &&
           http_turn(h)) {
        uint64_t now = now_ns();

        if (h->audience.deliveries != heard) {
            heard = h->audience.deliveries;
            since = now;
        }
        if (now > h->swarm.deadline || now - since > 5 * NS_PER_S)
            swarm_fail(&h->swarm, "answers or deliveries are missing");
    }
    return !h->swarm.failure[0];
}

static inline bool http_all_subscribed(void *context)
{
    const struct http *h = context;

    return h->subscribed == h->swarm.n;
}

static inline bool http_subscribe(struct http *h)
{
    for (unsigned i = 0; i < h->swarm.n; i++)
        pusher_subscribe(&h->swarm, i, h->o->channel, NULL);
    h->listening =
        swarm_until(&h->swarm, http_all_subscribed, h->o->timeout, "subscribing");
    return h->listening;
}

static inline bool http_connect(struct http *h)
{
    const struct sockaddr_in *to = &h->o->targets[0].to;
    int one = 1;

    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < h->o->publishers; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        h->posters[i].fd = fd;
        if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 ||
            epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
            swarm_fail(&h->swarm, "connect: %s", strerror(errno));
            return false;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return true;
}

static inline void http_reset(struct http *h, size_t pad)
{
    audience_reset(&h->audience, pad);
    memset(h->sequence, 0, h->o->publishers * sizeof *h->sequence);
    memset(&h->answers, 0, sizeof h->answers);
    h->posted = h->answered = h->expected = h->to_post = 0;
}

/* One POST of each connection, unmeasured, with so much filling. */
static inline bool http_round(struct http *h, size_t pad)
{
    http_reset(h, pad);
    for (unsigned i = 0; i < h->o->publishers; i++)
        http_post(h, i);
    return http_wait(h) && audience_ok(&h->audience);
}

/* Fits the filling to --size, as the fan-out does. */
static inline bool http_calibrate(struct http *h)
{
    size_t head = h->o->size < 128 ? 2 : 4, bare;

    if (!http_round(h, 0))
        return false;
    bare = h->audience.samples[0].n + head;
    if (bare > h->o->size) {
        swarm_fail(&h->swarm, "a delivered frame has at least %zu bytes", bare);
        return false;
    }
    if (!http_round(h, h->o->size - bare))
        return false;
    http_reset(h, h->audience.pad);
    return true;
}

static inline void http_report(const struct http *h, const struct usage *u)
{
    const struct audience *a = &h->audience;
    double posts = h->answered ? (double)h->answered : 1;
    double each = a->deliveries ? (double)a->deliveries : 1;

    printf(
        "http subscribers=%u connections=%u frame_bytes=%u posts=%" PRIu64
        " deliveries=%" PRIu64 " lost=%" PRIu64 " misordered=%" PRIu64 " wrong=%" PRIu64
        " one_order=%s seconds=%.3f posts_per_second=%.0f"
        " server_cpu_us_per_post=%.2f server_cpu_ns_per_delivery=%.1f"
        " client_cpu_us_per_post=%.2f answer_p50_us=%.0f answer_p99_us=%.0f p50_us=%.0f"
        " p99_us=%.0f others_percent=%.0f\n",
        h->o->clients, h->o->publishers, h->o->size, h->answered, a->deliveries, a->lost,
        a->misordered, a->wrong, audience_one_order(a, h->o->clients) ? "yes" : "no",
        (double)u->wall / 1e9, posts / ((double)u->wall / 1e9),
        (double)u->peer_cpu / 1e3 / posts, (double)u->peer_cpu / each,
        (double)u->cpu / 1e3 / posts, latency_us(&h->answers, 50),
        latency_us(&h->answers, 99), latency_us(&a->latency, 50),
        latency_us(&a->latency, 99), usage_others_percent(u));
}

static inline bool http_measure(struct http *h)
{
    const struct options *o = h->o;
    struct usage usage = usage_start(o->pids);
    bool all;

    if (o->rate) {
        h->to_post = (uint64_t)o->rate * o->seconds;
        swarm_timer(&h->swarm, NS_PER_S / o->rate);
    } else {
        h->end = now_ns() + o->seconds * NS_PER_S;
        for (unsigned i = 0; i < o->publishers; i++)
            http_post(h, i);
    }
    all = http_wait(h);
    usage = usage_since(&usage);
    if (all) /* whatever still comes is too much, and counted as such */
        swarm_for(&h->swarm, 200);
    if (h->audience.deliveries < h->expected)
        h->audience.lost = h->expected - h->audience.deliveries;
    http_report(h, &usage);
    return audience_ok(&h->audience) && !h->swarm.failure[0];
}

static inline void http_fini(struct http *h)
{
    for (unsigned i = 0; h->posters && i < h->o->publishers; i++)
        if (h->posters[i].fd > 0)
            close(h->posters[i].fd);
    if (h->epoll > 0)
        close(h->epoll);
    audience_fini(&h->audience);
    swarm_fini(&h->swarm);
    free(h->posters);
    free(h->sequence);
    free(h->out);
}

static inline bool http_run(const struct options *o)
{
    static const struct swarm_owner owner = {http_text, http_timer};
    struct http h = {.o = o};
    bool ok;

    h.sequence = calloc(o->publishers, sizeof *h.sequence);
    h.posters = calloc(o->publishers, sizeof *h.posters);
    h.out = malloc(POSTER_HEAD_MAX + 512 + 65536);
    swarm_init(&h.swarm, o, o->clients, &owner, &h);
    audience_init(&h.audience, o->channel, o->clients, o->publishers);
    h.audience.posted = true;
    ok = h.sequence && h.posters && h.out && !h.swarm.failure[0] &&
         swarm_open(&h.swarm, 0, o->clients, 0) && http_subscribe(&h) &&
         http_connect(&h) && http_calibrate(&h) && http_measure(&h);
    if (h.swarm.failure[0])
        fprintf(stderr, "muster-load: http: %s\n", h.swarm.failure);
    http_fini(&h);
    return ok;
}

#endif
