/* lws's callback, turned into calls. One lws protocol serves both WebSocket and plain
 * HTTP; a session is the few bytes that lws keeps for us with each of them. lws hands a
 * message over in pieces of rx_buffer_size, has no limit of its own on its size, and does
 * not show WebSocket PINGs (LIBRARIES.md 10 to 12): the pieces are put together here,
 * under max_message_kb. */
#include "server/socket.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "protocol/json_scan.h"
#include "protocol/refusal.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"
#include "server/conn.h"
#include "server/handshake.h"
#include "server/http.h"
#include "server/node.h"
#include "server/worker.h"

enum {
    RX_BYTES = 512,         /* a connection, the memory lever (LIBRARIES.md 9) */
    TX_BYTES = 1 << 16,     /* one write (LIBRARIES.md 8) */
    KEEPALIVE_SECONDS = 60, /* of an HTTP connection between requests */
    PATH_MAX_BYTES = 512,
    FLUSH_SECONDS = 5, /* for the client to take the last reply */
};

/* lws 4.3 has log contexts; the default one counts its users without a lock. */
#define LWS_LOG_CONTEXTS (LWS_LIBRARY_VERSION_NUMBER >= 4003000)

struct session {
    struct conn *conn;   /* a WebSocket */
    struct buf *partial; /* the message so far; NULL between messages */
    struct http_session http;
};

struct socket_server {
#if LWS_LOG_CONTEXTS
    lws_log_cx_t log;
#endif
    struct lws_context *context;
    struct lws_vhost *vhost;
    unsigned opening; /* connections that have sent no whole request yet */
};

static struct worker *worker_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* What stays with a connection from one HTTP request to the next, unlike its session:
 * bytes answered, and in the lowest bits the listener (lws chooses a vhost by the Host
 * header: one vhost for each listener would let clients choose), whether it ends,
 * and whether its first request is still to come. */
enum { IS_METRICS = 1, ENDS = 2, OPENING = 4, FLAG_BITS = 3 };

static uint64_t lasting(struct lws *wsi)
{
    return (uintptr_t)lws_get_opaque_user_data(wsi);
}

static void set_lasting(struct lws *wsi, uint64_t bits)
{
    lws_set_opaque_user_data(wsi, (void *)(uintptr_t)bits);
}

static bool ends(struct lws *wsi)
{
    return lasting(wsi) & ENDS;
}

/* WebSocket */

/* Absent where there is none. One that doesn't fit is not absent: `?` stands
 * for it, which is no legal value of any of them. */
static struct slice header(struct lws *wsi, enum lws_token_indexes token, char *p,
                           size_t size)
{
    int n = lws_hdr_copy(wsi, p, (int)size, token);

    if (!lws_hdr_total_length(wsi, token))
        return SLICE_NONE;
    return n > 0 ? (struct slice){p, (size_t)n} : SLICE("?");
}

static struct slice custom_header(struct lws *wsi, const char *name, char *p, size_t size)
{
    int n = lws_hdr_custom_copy(wsi, p, (int)size, name, (int)strlen(name));

    if (lws_hdr_custom_length(wsi, name, (int)strlen(name)) <= 0)
        return SLICE_NONE;
    return n > 0 ? (struct slice){p, (size_t)n} : SLICE("?");
}

static void established(struct lws *wsi, struct session *s)
{
    struct worker *w = worker_of(wsi);
    char path[PATH_MAX_BYTES], protocol[1024], origin[512], forwarded[64];
    const char *value =
        lws_get_urlarg_by_name(wsi, "protocol=", protocol, sizeof protocol);
    struct handshake h = {
        .path = header(wsi, WSI_TOKEN_GET_URI, path, sizeof path),
        .protocol = slice_of(value),
        .origin = header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin),
        .forwarded_proto =
            custom_header(wsi, "x-forwarded-proto:", forwarded, sizeof forwarded),
    };

    s->conn = conn_alloc(&w->edge, wsi);
    edge_welcome(&w->edge, s->conn, &h);
}

static void forget_partial(struct session *s)
{
    if (s->partial)
        buf_fini(s->partial);
    free(s->partial);
    s->partial = NULL;
}

static void message(struct conn *c, struct slice text)
{
    if (utf8_valid(text))
        edge_message(c, text);
    else
        conn_close(c, CLOSE_BAD_UTF8);
}

static void keep_piece(struct session *s, struct slice piece)
{
    if (!s->partial)
        s->partial = xcalloc(1, sizeof *s->partial);
    buf_add_slice(s->partial, piece);
    if (list_empty(&s->conn->unread) && !s->conn->paused)
        list_append(&s->conn->edge->unread, &s->conn->unread);
}

static void received(struct lws *wsi, struct session *s, struct slice piece)
{
    struct conn *c = s->conn;
    size_t have = s->partial ? s->partial->n : 0,
           rest = lws_remaining_packet_payload(wsi);
    size_t limit = c->edge->worker->node->conf->max_message_kb * (size_t)1024;

    edge_heard(c);
    if (c->state != CONN_OPEN) /* nor does anything count behind a Close frame */
        return;
    if (lws_frame_is_binary(wsi)) {
        conn_close(c, CLOSE_BINARY);
    } else if (rest > limit || have + piece.n + rest > limit) {
        forget_partial(s);
        conn_close(c, CLOSE_TOO_BIG);
    } else if (rest || !lws_is_final_fragment(wsi)) {
        keep_piece(s, piece);
    } else if (!have) {
        message(c, piece);
    } else {
        keep_piece(s, piece);
        message(c, buf_slice(s->partial));
        forget_partial(s);
    }
}

static void closed(struct session *s)
{
    struct conn *c = s->conn;

    s->conn = NULL;
    forget_partial(s);
    if (!c)
        return;
    conn_closed(c, EXIT_UNCLEAN);
    conn_free(c);
}

static int websocket(struct lws *wsi, enum lws_callback_reasons reason, struct session *s,
                     struct slice in)
{
    if (reason == LWS_CALLBACK_ESTABLISHED)
        established(wsi, s);
    if (!s->conn)
        return 0;
    if (reason == LWS_CALLBACK_RECEIVE)
        received(wsi, s, in);
    else if (reason == LWS_CALLBACK_RECEIVE_PONG)
        edge_heard(s->conn);
    else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        return conn_writeable(s->conn) ? 0 : -1;
    else if (reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
        conn_closed(s->conn, EXIT_CLEAN);
    else if (reason == LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL) /* before it closes */
        conn_closed(s->conn, lws_get_close_length(wsi) > 0 ? EXIT_CLEAN : EXIT_UNCLEAN);
    else if (reason == LWS_CALLBACK_CLOSED)
        closed(s);
    return 0;
}

/* HTTP */

static int http(struct lws *wsi, enum lws_callback_reasons reason, struct session *s,
                struct slice in)
{
    bool keep = true;

    if (reason == LWS_CALLBACK_HTTP) {
        http_gone(&s->http);
        keep = http_begin(worker_of(wsi), wsi, &s->http);
    } else if (reason == LWS_CALLBACK_HTTP_BODY && s->http.request) {
        keep = http_body(s->http.request, in);
    } else if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION && s->http.request) {
        keep = http_end(s->http.request); /* which may make lws free the session */
    } else if (reason == LWS_CALLBACK_HTTP_WRITEABLE) {
        keep = !ends(wsi);
    } else if (reason == LWS_CALLBACK_CLOSED_HTTP) {
        http_gone(&s->http);
    }
    return keep ? 0 : -1;
}

/* lws writes the handshake's reply by itself: it goes out with the greeting that follows
 * (conn_flush), in one segment. */
static int check_upgrade(struct lws *wsi, struct slice to)
{
    int result = http_check_upgrade(wsi, to);

    if (!result)
        socket_cork(wsi, true);
    return result;
}

/* Its first request is here, or it has gone. */
static void opened(struct lws *wsi)
{
    if (!(lasting(wsi) & OPENING))
        return;
    set_lasting(wsi, lasting(wsi) & ~(uint64_t)OPENING);
    worker_of(wsi)->sockets->opening--;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                    void *in, size_t len)
{
    struct slice bytes = {in ? in : "", len};

    if (reason == LWS_CALLBACK_HTTP || reason == LWS_CALLBACK_ESTABLISHED ||
        reason == LWS_CALLBACK_WSI_DESTROY)
        opened(wsi);
    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED:
        return user ? websocket(wsi, reason, user, bytes) : 0;
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_CLOSED_HTTP:
        return user ? http(wsi, reason, user, bytes) : 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return check_upgrade(wsi, slice_of(in));
    case LWS_CALLBACK_WSI_DESTROY: /* whatever way it went */
        if (user) {
            closed(user);
            http_gone(&((struct session *)user)->http);
        }
        return 0;
    default:
        return 0;
    }
}

/* The context */

static void log_line(int level, const char *line)
{
    struct slice text = slice_of(line);

    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    if (level == LLL_ERR)
        log_error("lws", "text=%.*s", SLICE_ARG(text));
    else
        log_debug("lws", "text=%.*s", SLICE_ARG(text));
}

/* lws's own allocator keeps a global count without a lock (LIBRARIES.md 17). */
static void *reallocate(void *p, size_t size, const char *reason)
{
    (void)reason;
    if (size)
        return xrealloc(p, size);
    free(p);
    return NULL;
}

struct socket_server *socket_server_alloc(struct worker *w)
{
    static const struct lws_protocols protocols[] = {
        {"muster", callback, sizeof(struct session), RX_BYTES, 0, NULL, TX_BYTES},
        {0},
    };
    static const lws_retry_bo_t no_validity = {0}; /* LIBRARIES.md 4 */
    struct socket_server *s = xcalloc(1, sizeof *s);
    void *loops[] = {loop_ev(w->loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .vhost_name = "muster",
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_DISABLE_IPV6,
        .foreign_loops = loops,
        .user = w,
        .max_http_header_data = HTTP_HEADERS_MAX,
        .timeout_secs = w->node->conf->handshake_timeout,
        .timeout_secs_ah_idle = w->node->conf->handshake_timeout,
        .keepalive_timeout = KEEPALIVE_SECONDS,
        .retry_and_idle_policy = &no_validity,
        .server_string = "Muster",
    };

    lws_set_allocator(reallocate);
    lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
#if LWS_LOG_CONTEXTS
    s->log.u.emit = log_line;
    s->log.lll_flags = LLL_ERR | LLL_WARN;
    info.log_cx = &s->log;
#endif
    s->context = lws_create_context(&info);
#if LWS_LOG_CONTEXTS
    s->log.lll_flags = 0; /* as socket_servers_made does for the rest */
#endif
    s->vhost = s->context ? lws_get_vhost_by_name(s->context, "muster") : NULL;
    if (s->vhost)
        return s;
    log_error(
        "lws.no_context", "hint=%s",
        "is the package libwebsockets-evlib-ev installed? it is loaded at run time");
    socket_server_free(s);
    return NULL;
}

void socket_servers_made(void)
{
    lws_set_log_level(0, NULL);
}

void socket_server_free(struct socket_server *s)
{
    if (s->context)
        lws_context_destroy(s->context);
    free(s);
}

enum listener socket_listener(struct lws *wsi)
{
    return lasting(wsi) & IS_METRICS ? LISTENER_METRICS : LISTENER_MAIN;
}

void socket_set_answered(struct lws *wsi, uint64_t bytes)
{
    set_lasting(wsi, bytes << FLAG_BITS | (lasting(wsi) & IS_METRICS));
}

uint64_t socket_get_answered(struct lws *wsi)
{
    return lasting(wsi) >> FLAG_BITS;
}

void socket_server_adopt(struct socket_server *s, int fd, enum listener listener)
{
    struct lws *wsi = lws_adopt_socket_vhost(s->vhost, fd);

    if (!wsi) {
        log_warn("ws.adopt_failed", "fd=%d", fd); /* lws has closed it */
        return;
    }
    set_lasting(wsi, OPENING | (listener == LISTENER_METRICS ? IS_METRICS : 0));
    s->opening++;
    socket_read_on(wsi); /* the request has come already (TCP_DEFER_ACCEPT) */
}

bool socket_server_opening(const struct socket_server *s)
{
    return s->opening > 0;
}

void socket_server_tick(struct socket_server *s)
{
    lws_cancel_service(s->context);
}

void socket_want_write(struct lws *wsi)
{
    lws_callback_on_writable(wsi);
}

void socket_read_on(struct lws *wsi)
{
    struct lws_pollfd fd = {
        .fd = lws_get_socket_fd(wsi), .events = LWS_POLLIN, .revents = LWS_POLLIN};

    lws_service_fd(lws_get_context(wsi), &fd);
}

bool socket_write_on(struct lws *wsi)
{
    struct lws_pollfd fd = {
        .fd = lws_get_socket_fd(wsi), .events = LWS_POLLOUT, .revents = LWS_POLLOUT};

    return lws_service_fd(lws_get_context(wsi), &fd) == 0;
}

int socket_fd(struct lws *wsi)
{
    return lws_get_socket_fd(wsi);
}

struct http_session *socket_http(struct lws *wsi)
{
    return &((struct session *)lws_wsi_user(wsi))->http;
}

void socket_cork(struct lws *wsi, bool cork)
{
    int on = cork;

    setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void socket_pause(struct lws *wsi, bool pause)
{
    lws_rx_flow_control(wsi, pause ? 0 : 1);
}

void socket_kill(struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    lws_cancel_service(lws_get_context(wsi));
}

void socket_end(struct lws *wsi)
{
    set_lasting(wsi, lasting(wsi) | ENDS);
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, FLUSH_SECONDS);
    lws_callback_on_writable(wsi);
}

bool socket_busy(struct lws *wsi)
{
    return lws_partial_buffered(wsi);
}

bool socket_write(struct lws *wsi, unsigned char *bytes, size_t n)
{
    return lws_write(wsi, bytes, n, LWS_WRITE_RAW) >= 0;
}

uint32_t socket_silence(struct lws *wsi)
{
    int fd = lws_get_socket_fd(wsi), unread = 0;
    struct tcp_info info = {0};
    socklen_t n = sizeof info;

    if (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
        return 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return 0; /* the socket is broken: lws will say so */
    return info.tcpi_last_data_recv;
}

void socket_close_reason(struct lws *wsi, int code)
{
    char text[124];
    struct slice reason = slice_of(close_code_text(code));

    if (reason.n > 123)
        reason.n = 123;
    memcpy(text, reason.p, reason.n);
    lws_close_reason(wsi, (enum lws_close_status)code, (unsigned char *)text, reason.n);
}
