/* Reads go to one scratch buffer for all connections; only an incomplete frame is kept
 * with its connection. An epoll event carries the place and its life, so that one that
 * was meant for a connection closed meanwhile finds nothing. */
#include "test/chaos/conn.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

enum { UNGREETED_SHOWN = 3, SOURCES = 16, INPUT = UINT32_MAX };

static void more_descriptors(void)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

void conns_init(struct conns *s, unsigned n, const char *key,
                const struct conns_owner *owner, void *context)
{
    more_descriptors();
    *s = (struct conns){.owner = owner,
                        .context = context,
                        .key = key,
                        .n = n,
                        .input = -1,
                        .mask = 0x6d757374};
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->all = calloc(n ? n : 1, sizeof *s->all);
    s->scratch = malloc(SWARM_SCRATCH + SWARM_TAIL_MAX);
    if (s->epoll < 0 || !s->all || !s->scratch)
        abort();
}

void conns_input(struct conns *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)INPUT << 32};

    s->input = fd;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        fprintf(stderr, "muster-chaos: epoll of the input: %s\n", strerror(errno));
        exit(2);
    }
}

void conns_fini(struct conns *s)
{
    for (unsigned i = 0; i < s->n; i++)
        conn_close(s, i, false);
    close(s->epoll);
    free(s->all);
    free(s->scratch);
}

static void watch(struct conns *s, struct conn *c, int how)
{
    struct epoll_event e = {.events = EPOLLIN,
                            .data.u64 = (uint64_t)(c - s->all) << 32 | c->life};

    if (c->state == CLIENT_CONNECTING || c->out.n > 0)
        e.events |= EPOLLOUT;
    if (epoll_ctl(s->epoll, how, c->fd, &e) != 0)
        abort();
}

static void keep(struct conn *c, const char *p, size_t n)
{
    c->out.p = realloc(c->out.p, c->out.n + n);
    if (!c->out.p)
        abort();
    memcpy(c->out.p + c->out.n, p, n);
    c->out.n += n;
}

/* Writes now what the socket takes and keeps the rest; a broken one is found by reading.
 */
static void put(struct conns *s, struct conn *c, const char *p, size_t n)
{
    ssize_t wrote = c->out.n ? 0 : send(c->fd, p, n, MSG_NOSIGNAL);
    size_t left = n - (wrote > 0 ? (size_t)wrote : 0);

    if (left == 0 || (wrote < 0 && errno != EAGAIN))
        return;
    keep(c, p + n - left, left);
    watch(s, c, EPOLL_CTL_MOD);
}

static void flush(struct conns *s, struct conn *c)
{
    ssize_t wrote = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);

    if (wrote <= 0)
        return;
    backlog_set(&c->out, c->out.p + wrote, c->out.n - (size_t)wrote);
    watch(s, c, EPOLL_CTL_MOD);
}

static void put_frame(struct conns *s, struct conn *c, unsigned opcode,
                      struct slice payload)
{
    char out[4096];

    if (payload.n > sizeof out - FRAME_HEAD_MAX)
        abort();
    s->mask = s->mask * 1664525 + 1013904223;
    put(s, c, out, frame_write(out, opcode, payload, s->mask));
}

void conn_send(struct conns *s, unsigned index, struct slice text)
{
    struct conn *c = &s->all[index];

    if (c->state == CLIENT_OPEN)
        put_frame(s, c, FRAME_TEXT, text);
}

void conn_close(struct conns *s, unsigned index, bool clean)
{
    struct conn *c = &s->all[index];

    if (c->state == CLIENT_CLOSED)
        return;
    if (clean && c->state == CLIENT_OPEN)
        put_frame(s, c, FRAME_CLOSE, (struct slice){"\x03\xe8", 2});
    close(c->fd);
    backlog_set(&c->in, NULL, 0);
    backlog_set(&c->out, NULL, 0);
    c->state = CLIENT_CLOSED;
    c->life++;
}

static void lost(struct conns *s, struct conn *c, int code)
{
    unsigned index = (unsigned)(c - s->all);

    conn_close(s, index, false);
    s->owner->lost(s->context, index, code);
}

/* Over 127.0.0.1 … 127.0.0.16, so that closed connections don't use up the ports. */
static void spread(struct conns *s, const struct target *to, int fd)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;

    if (ntohl(to->to.sin_addr.s_addr) >> 24 != 127)
        return;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + s->source++ % SOURCES);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        fprintf(stderr, "muster-chaos: bind: %s\n", strerror(errno));
}

void conn_open(struct conns *s, unsigned index, const struct target *to)
{
    struct conn *c = &s->all[index];
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || c->state != CLIENT_CLOSED) {
        fprintf(stderr, "muster-chaos: socket: %s\n", strerror(errno));
        exit(2);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *c = (struct conn){
        .fd = fd, .state = CLIENT_CONNECTING, .life = c->life + 1, .to = to};
    spread(s, to, fd);
    if (connect(fd, (const struct sockaddr *)&to->to, sizeof to->to) != 0 &&
        errno != EINPROGRESS) {
        lost(s, c, CONN_REFUSED);
        return;
    }
    watch(s, c, EPOLL_CTL_ADD);
}

static void connected(struct conns *s, struct conn *c)
{
    char request[512];
    int error = 0;
    socklen_t size = sizeof error;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        lost(s, c, CONN_REFUSED);
        return;
    }
    snprintf(request, sizeof request,
             "GET %s/app/%s?protocol=7&client=muster-chaos&version=1.0 HTTP/1.1\r\n"
             "Host: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Version: 13\r\n\r\n",
             c->to->prefix, s->key, c->to->host, c->to->port);
    c->state = CLIENT_UPGRADING;
    watch(s, c, EPOLL_CTL_MOD);
    put(s, c, request, strlen(request));
}

/* The HTTP reply, once it is whole; its size, 0 before that, -1 for another than 101. */
static long upgraded(struct conn *c, const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);

    if (!end)
        return 0;
    if (memcmp(p, "HTTP/1.1 101", 12) != 0)
        return -1;
    c->state = CLIENT_GREETING;
    return end - p + 4;
}

static bool greeted(struct conn *c, struct slice text)
{
    char data[1024];
    struct slice string = json_member(text, "data"), id;
    long n = -1;

    if (json_is(json_member(text, "event"), "pusher:connection_established") &&
        string.n < sizeof data)
        n = json_string(string, data);
    id = n < 0 ? SLICE_NONE : json_member((struct slice){data, (size_t)n}, "socket_id");
    if (id.n < 5 || id.n - 2 >= SOCKET_ID_MAX)
        return false;
    memcpy(c->socket_id, id.p + 1, id.n - 2);
    c->socket_id[id.n - 2] = 0;
    c->state = CLIENT_OPEN;
    return true;
}

static void take_text(struct conns *s, struct conn *c, struct slice text, uint64_t at)
{
    unsigned index = (unsigned)(c - s->all);

    if (c->state == CLIENT_OPEN) {
        if (json_is(json_member(text, "event"), "pusher:ping"))
            conn_send(s, index, SLICE("{\"event\":\"pusher:pong\",\"data\":{}}"));
        else
            s->owner->text(s->context, index, text, at);
    } else if (greeted(c, text)) {
        s->owner->open(s->context, index);
    } else { /* pusher:error, and its Close frame behind it */
        if (s->ungreeted++ < UNGREETED_SHOWN)
            fprintf(stderr, "muster-chaos: no greeting: %.*s\n", SLICE_ARG(text));
    }
}

static void take_frame(struct conns *s, struct conn *c, const struct frame *f,
                       uint64_t at)
{
    const unsigned char *b = (const unsigned char *)f->payload.p;

    if (f->opcode == FRAME_TEXT)
        take_text(s, c, f->payload, at);
    else if (f->opcode == FRAME_PING && f->payload.n < 126)
        put_frame(s, c, FRAME_PONG, f->payload);
    else if (f->opcode == FRAME_CLOSE)
        lost(s, c, f->payload.n >= 2 ? b[0] * 256 + b[1] : CONN_LOST);
}

/* Takes every whole frame; returns how many bytes they were, -1 for nonsense. Stops where
 * a callback has closed the connection. */
static long take(struct conns *s, struct conn *c, const char *p, size_t n)
{
    uint64_t at = now_ns();
    uint32_t life = c->life;
    long used = c->state == CLIENT_UPGRADING ? upgraded(c, p, n) : 0;

    while (used >= 0 && c->life == life && c->state >= CLIENT_GREETING) {
        struct frame f;
        int got = frame_read(&f, p + used, n - (size_t)used);

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (long)f.bytes;
        take_frame(s, c, &f, at);
    }
    return used;
}

static void readable(struct conns *s, struct conn *c)
{
    uint32_t life = c->life;
    size_t kept = c->in.n;
    ssize_t got;
    long used;

    memcpy(s->scratch, c->in.p ? c->in.p : "", kept);
    got = read(c->fd, s->scratch + kept, SWARM_SCRATCH);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        lost(s, c, c->state < CLIENT_OPEN ? CONN_REFUSED : CONN_LOST);
        return;
    }
    kept += (size_t)got;
    used = take(s, c, s->scratch, kept);
    if (c->life != life)
        return;
    if (used < 0 || kept - (size_t)used > SWARM_TAIL_MAX)
        lost(s, c, CONN_NONSENSE);
    else
        backlog_set(&c->in, s->scratch + used, kept - (size_t)used);
}

static void ready(struct conns *s, const struct epoll_event *e)
{
    uint32_t index = (uint32_t)(e->data.u64 >> 32);
    struct conn *c = &s->all[index == INPUT ? 0 : index];

    if (index == INPUT) {
        s->owner->input(s->context);
        return;
    }
    if (c->state == CLIENT_CLOSED || c->life != (uint32_t)e->data.u64)
        return;
    if (c->state == CLIENT_CONNECTING) {
        connected(s, c);
        return;
    }
    if ((e->events & EPOLLOUT) && c->out.n)
        flush(s, c);
    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        readable(s, c);
}

void conns_turn(struct conns *s, int ms)
{
    struct epoll_event events[SWARM_EVENTS];
    int n = epoll_wait(s->epoll, events, SWARM_EVENTS, ms);

    for (int i = 0; i < n; i++)
        ready(s, &events[i]);
}
