/* HTTP through lws: the request's parts, its body, its reply. lws hands over the path and
 * the parameters decoded and split, and the bytes as sent are gone by then; what
 * signatures cover is put together again, escaped as encodeURIComponent does
 * (protocol/api_sign.h knows what else an SDK may have signed). lws cuts at a bare `;` as
 * at `&`, in the path too, and reads a bare `+` as a space everywhere.
 *
 * A reply is put together in one buffer, head and body, and written at once; what the
 * kernel doesn't take lws keeps and sends on. A handler may answer later: until it does
 * lws must not read on. While it waits, lws 4.3 ends the connection over a request that
 * was sent ahead, takes it for more of the body, or drops it; lws 4.1 goes round with it.
 * The late reply goes out at once as well, not with lws's writeable callback, which a
 * connection that isn't read from doesn't get.
 *
 * lws may free the session within lws_http_transaction_completed, so the session's
 * pointer to the request is taken before. */
#include "server/http.h"

#include <libwebsockets.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "server/base/clock.h"
#include "server/base/xalloc.h"
#include "server/http_flush.h"
#include "server/http_route.h"
#include "server/node.h"
#include "server/socket.h"
#include "server/worker.h"

enum {
    HEAD_MAX = 1024, /* bytes of a reply's head */
    QUICK = 4096,    /* bytes of a reply that fit into an empty send buffer */
};

static const struct {
    const char *name;
    enum lws_token_indexes token;
} methods[] = {
    {"GET", WSI_TOKEN_GET_URI},         {"POST", WSI_TOKEN_POST_URI},
    {"OPTIONS", WSI_TOKEN_OPTIONS_URI}, {"PUT", WSI_TOKEN_PUT_URI},
    {"PATCH", WSI_TOKEN_PATCH_URI},     {"DELETE", WSI_TOKEN_DELETE_URI},
    {"HEAD", WSI_TOKEN_HEAD_URI},
};

/* The reply */

static bool put_header(struct lws *wsi, const char *name, const char *value,
                       unsigned char **p, unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value),
                                       p, end) == 0;
}

static bool put_cors(const struct http_request *r, unsigned char **p, unsigned char *end)
{
    char origin[256];

    if (!r->origin.n || r->origin.n >= sizeof origin ||
        !http_origin_allowed(r->worker->node->conf, r->origin))
        return true;
    memcpy(origin, r->origin.p, r->origin.n);
    origin[r->origin.n] = '\0';
    return put_header(r->wsi, "access-control-allow-origin:", origin, p, end) &&
           put_header(r->wsi, "vary:", "Origin", p, end) &&
           (!slice_is(r->method, "OPTIONS") ||
            (put_header(r->wsi, "access-control-allow-methods:", "GET, POST, OPTIONS", p,
                        end) &&
             put_header(r->wsi, "access-control-allow-headers:", "Content-Type", p,
                        end) &&
             put_header(r->wsi, "access-control-max-age:", "86400", p, end)));
}

static bool put_head(struct http_request *r, unsigned char **p, unsigned char *end)
{
    char retry[16];

    snprintf(retry, sizeof retry, "%u", r->reply.retry);
    if (lws_add_http_common_headers(r->wsi, r->reply.status, r->reply.type,
                                    r->reply.body.n, p, end))
        return false;
    if (r->reply.allow && !put_header(r->wsi, "allow:", r->reply.allow, p, end))
        return false;
    if (r->reply.authenticate &&
        !put_header(r->wsi, "www-authenticate:", r->reply.authenticate, p, end))
        return false;
    if (r->reply.retry && !put_header(r->wsi, "retry-after:", retry, p, end))
        return false;
    if (r->reply.close && !put_header(r->wsi, "connection:", "close", p, end))
        return false;
    return put_cors(r, p, end) && lws_finalize_http_header(r->wsi, p, end) == 0;
}

static bool write_reply(struct http_request *r)
{
    size_t n = r->reply.body.n;
    unsigned char *bytes = xmalloc(LWS_PRE + HEAD_MAX + n);
    unsigned char *head = bytes + LWS_PRE, *p = head;
    bool ok = put_head(r, &p, head + HEAD_MAX);

    if (ok) {
        if (n && !slice_is(r->method, "HEAD")) {
            memcpy(p, r->reply.body.p, n);
            p += n;
        }
        ok = lws_write(r->wsi, head, (size_t)(p - head), LWS_WRITE_HTTP) >= 0;
    }
    free(bytes);
    return ok;
}

static void count(const struct http_request *r)
{
    struct http_stats *all = r->worker->stats.http;

    http_stats_count(&all[http_route_number(r->route)], r->reply.status,
                     clock_us() - r->began);
}

/* lws goes astray when it finds a request with a body among bytes that it read together
 * with an earlier request: 4.1 goes round for ever, 4.3 takes the head for the body. It
 * doesn't tell where it found one; but if it has read nothing that came after the last
 * reply, it was there. Who waits for the reply sends nothing before it, so all that came
 * by then may count as read, and a reply costs one system call. */

static struct tcp_info tcp_info(struct lws *wsi)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    getsockopt(socket_fd(wsi), IPPROTO_TCP, TCP_INFO, &info, &size);
    return info;
}

static uint64_t bytes_waiting(int fd)
{
    int n = 0;

    ioctl(fd, SIOCINQ, &n);
    return (uint64_t)n;
}

static bool was_sent_ahead(struct lws *wsi)
{
    int fd = socket_fd(wsi);
    uint64_t answered = socket_get_answered(wsi), come = 0, before;

    if (!answered)
        return false;
    answered++; /* the kernel counts the end of what a client sends as a byte */
    do {        /* what comes between the two calls only seems not to have been read */
        before = come;
        come = tcp_info(wsi).tcpi_bytes_received;
        if (come > answered + bytes_waiting(fd))
            return false;
    } while (come != before);
    return true;
}

static void request_free(struct http_request *r)
{
    if (r->end_state)
        r->end_state(r);
    wheel_cancel(&r->deadline);
    buf_fini(&r->text);
    buf_fini(&r->body);
    buf_fini(&r->reply.body);
    free(r);
}

void http_gone(struct http_session *s)
{
    http_flush_free(s->flush);
    s->flush = NULL;
    if (s->request)
        request_free(s->request);
    s->request = NULL;
}

/* Sends the reply and frees the request; false if the connection is to be closed. */
static bool send_reply(struct http_request *r)
{
    struct lws *wsi = r->wsi;
    struct loop *loop = r->worker->loop;
    bool keep = !r->reply.close, slow = false;

    if (keep) {
        struct tcp_info info = tcp_info(wsi);

        socket_set_answered(wsi, info.tcpi_bytes_received);
        slow = info.tcpi_notsent_bytes || r->reply.body.n > QUICK;
    }
    count(r); /* before the client can ask how often it was answered */
    keep = write_reply(r) && keep;
    r->session->request = NULL;
    request_free(r);
    keep = keep && lws_http_transaction_completed(wsi) == 0;
    if (socket_busy(wsi) || (keep && slow))
        http_flush_alloc(loop, wsi);
    return keep;
}

void http_finish(struct http_request *r, const char *type)
{
    struct lws *wsi = r->wsi;

    if (!r->reply.status)
        r->reply.status = 200;
    r->reply.type = type;
    r->finished = true;
    if (r->in_callback)
        return;
    socket_pause(wsi, false);
    if (!send_reply(r))
        socket_end(wsi);
}

void http_reply_text(struct http_request *r, unsigned status, const char *text)
{
    r->reply.status = status;
    buf_addf(&r->reply.body, "%s\n", text);
    http_finish(r, "text/plain; charset=utf-8");
}

void http_reply_later(struct http_request *r, unsigned status, unsigned retry_s,
                      const char *text)
{
    r->reply.retry = retry_s;
    http_reply_text(r, status, text);
}

/* The request */

static struct slice kept(struct http_request *r, size_t from)
{
    return (struct slice){r->text.p + from, r->text.n - from};
}

static void escape(struct buf *out, struct slice s, const char *also_plain)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-_.!~*'()";

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && (strchr(plain, s.p[i]) || strchr(also_plain, s.p[i])))
            buf_add_char(out, s.p[i]);
        else
            buf_addf(out, "%%%02X", (unsigned char)s.p[i]);
    }
}

void http_path_escaped(const struct http_request *r, struct buf *out)
{
    unsigned arg = 0;

    for (const char *p = r->route->path; *p; p++) {
        if (*p == '*')
            escape(out, r->args[arg++], "");
        else
            buf_add_char(out, *p);
    }
}

void http_path_had_plus(struct http_request *r)
{
    for (unsigned i = 0; i < HTTP_ARGS_MAX; i++) {
        char *p = r->args[i].p ? r->text.p + (r->args[i].p - r->text.p) : NULL;

        for (size_t k = 0; k < r->args[i].n; k++) {
            if (p[k] == ' ')
                p[k] = '+';
        }
    }
}

/* As SDKs send it that sign what they send, instead of its values. */
static const char plain_in_value[] = "/?:@$,;";

/* name=value, where lws has decoded either: the first `=` is the one that was sent. */
static void escape_parameter(struct buf *out, struct slice s)
{
    const char *equals = memchr(s.p, '=', s.n);
    size_t n = equals ? (size_t)(equals - s.p) : s.n;

    escape(out, (struct slice){s.p, n}, "[]");
    if (!equals)
        return;
    buf_add_char(out, '=');
    escape(out, (struct slice){equals + 1, s.n - n - 1}, plain_in_value);
}

/* A part without `=` is the rest of a value in which a `;` stood: names of channels may.
 */
static void take_query(struct http_request *r, struct buf *out)
{
    char text[HTTP_HEADERS_MAX + 1]; /* no part is longer */
    int n;

    for (int i = 0; (n = lws_hdr_copy_fragment(r->wsi, text, sizeof text,
                                               WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0;
         i++) {
        struct slice part = {text, (size_t)n};

        if (i && !memchr(text, '=', part.n)) {
            buf_add_char(out, ';');
            escape(out, part, plain_in_value);
            continue;
        }
        if (i)
            buf_add_char(out, '&');
        escape_parameter(out, part);
    }
}

/* The decoded path; what cut it was a `;`, more likely than an unescaped `&`. */
static void take_path(struct http_request *r, enum lws_token_indexes method,
                      struct buf *out)
{
    char text[HTTP_HEADERS_MAX + 1]; /* no part is longer */
    int n;

    for (int i = 0;
         (n = lws_hdr_copy_fragment(r->wsi, text, sizeof text, method, i)) >= 0; i++) {
        if (i)
            buf_add_char(out, ';');
        buf_add(out, text, (size_t)n);
    }
}

static void take_header(struct http_request *r, enum lws_token_indexes token,
                        struct buf *out)
{
    char text[1024];
    int n = lws_hdr_copy(r->wsi, text, sizeof text, token);

    if (n > 0)
        buf_add(out, text, (size_t)n);
}

static struct slice without_prefix(struct slice uri, const char *prefix)
{
    struct slice p = slice_of(prefix);

    if (!slice_starts(uri, p) || (uri.n > p.n && uri.p[p.n] != '/'))
        return SLICE_NONE;
    uri = (struct slice){uri.p + p.n, uri.n - p.n};
    return uri.n ? uri : SLICE("/");
}

/* Every part is copied into one buffer first, then cut, since it moves as it grows. */
static void take_parts(struct http_request *r, struct slice decoded)
{
    size_t at[4];

    escape(&r->text, decoded, "/@=,;:$&+"); /* as they stand in paths */
    at[0] = r->text.n;
    take_query(r, &r->text);
    at[1] = r->text.n;
    take_header(r, WSI_TOKEN_ORIGIN, &r->text);
    at[2] = r->text.n;
    take_header(r, WSI_TOKEN_HTTP_AUTHORIZATION, &r->text);
    at[3] = r->text.n;
    buf_add_slice(&r->text, decoded); /* the arguments are cut from here */
    r->path = (struct slice){r->text.p, at[0]};
    r->query = (struct slice){r->text.p + at[0], at[1] - at[0]};
    r->origin = (struct slice){r->text.p + at[1], at[2] - at[1]};
    r->authorization = (struct slice){r->text.p + at[2], at[3] - at[2]};
}

static void take_target(struct http_request *r, struct slice uri)
{
    const struct conf *conf = r->worker->node->conf;
    struct slice decoded = without_prefix(uri, r->own_port ? "" : conf->path_prefix);

    if (!decoded.p)
        return;
    take_parts(r, decoded);
    r->route = http_route_find(http_places(conf, r->own_port), r->method,
                               kept(r, r->text.n - decoded.n), r->args, &r->reply.allow);
}

static struct http_request *request_alloc(struct worker *w, struct lws *wsi)
{
    struct http_request *r = xcalloc(1, sizeof *r);
    struct buf uri = BUF_INIT;
    size_t i = 0;

    r->worker = w;
    r->wsi = wsi;
    r->in_callback = true;
    r->own_port = socket_listener(wsi) == LISTENER_METRICS;
    r->began = clock_us();
    wheel_entry_init(&r->deadline);
    while (i < sizeof methods / sizeof *methods &&
           !lws_hdr_total_length(wsi, methods[i].token))
        i++;
    r->method = SLICE("");
    if (i < sizeof methods / sizeof *methods) {
        r->method = slice_of(methods[i].name);
        take_path(r, methods[i].token, &uri);
    }
    take_target(r, buf_slice(&uri));
    buf_fini(&uri);
    return r;
}

/* A body's length must be known: lws can't read chunked ones (LIBRARIES.md 13). 0, or the
 * status of the refusal. */
static unsigned body_fault(struct http_request *r, long long *length)
{
    long long limit = r->worker->node->conf->max_http_body_kb * 1024LL;
    char text[24];
    int n = lws_hdr_copy(r->wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);

    if (lws_hdr_total_length(r->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
        return 411;
    if (!lws_hdr_total_length(r->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
        return slice_is(r->method, "POST") ? 411 : 0;
    if (n <= 0)
        return 413; /* more digits than any length has */
    if (strspn(text, "0123456789") != (size_t)n)
        return 400; /* two lengths, or none: a proxy may have read another one */
    *length = atoll(text);
    return *length > limit ? 413 : 0;
}

/* lws waits for a body behind these, announced or not. */
static bool waits_for_body(const struct http_request *r)
{
    return (slice_is(r->method, "PUT") || slice_is(r->method, "PATCH")) &&
           !lws_hdr_total_length(r->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
}

/* Answers what no route can. True: answered. */
static bool refuse(struct http_request *r, unsigned fault, bool body_comes)
{
    r->reply.close = body_comes; /* it stays unread */
    if (fault == 411) {
        http_reply_text(r, 411, "Content-Length is required");
    } else if (fault == 503) {
        http_reply_later(r, 503, 1,
                         "A request with a body can't be sent ahead: wait for the answer "
                         "to the one before");
    } else if (fault == 400) {
        http_reply_text(r, 400, "Content-Length is not one number");
    } else if (fault) {
        http_reply_text(r, 413, "Body too large");
    } else if (!r->route && slice_is(r->method, "OPTIONS") && r->origin.n &&
               http_origin_allowed(r->worker->node->conf, r->origin)) {
        r->reply.allow = NULL;
        r->reply.status = 204;
        http_finish(r, "text/plain");
    } else if (!r->route && r->reply.allow) {
        http_reply_text(r, 405, "Method not allowed");
    } else if (!r->route) {
        http_reply_text(r, 404, "Not found");
    } else {
        r->reply.close = false;
        return false;
    }
    return true;
}

/* Lets the route answer, at once or later. */
static bool answer(struct http_request *r)
{
    wheel_cancel(&r->deadline);
    r->in_callback = r->handed = true;
    r->route->handler(r);
    r->in_callback = false;
    if (r->finished)
        return send_reply(r);
    socket_pause(r->wsi, true);
    return true;
}

bool http_begin(struct worker *w, struct lws *wsi, struct http_session *s)
{
    struct http_request *r = request_alloc(w, wsi);
    long long length = 0;
    unsigned fault = body_fault(r, &length);

    r->session = s;
    if (!fault && length > 0 && was_sent_ahead(wsi))
        fault = 503;
    if (refuse(r, fault, fault || length > 0 || waits_for_body(r)))
        return send_reply(r);
    s->request = r;
    if (!length)
        return answer(r);
    r->length = (size_t)length;
    wheel_arm(&w->requests, &r->deadline, w->node->conf->handshake_timeout);
    return true;
}

static void expired(struct wheel_entry *e, void *context)
{
    (void)context;
    socket_kill(CONTAINER_OF(e, struct http_request, deadline)->wsi);
}

/* lws has a timeout of its own, which each byte of a body starts anew. */
void http_tick(struct wheel *requests)
{
    wheel_tick(requests, expired, NULL);
}

/* lws 4.3 hands over whatever it has read, past the end of the body: then the body is
 * complete, and what follows it is lost, so that the connection must end. */
bool http_body(struct http_request *r, struct slice piece)
{
    size_t room = r->length - r->body.n;

    if (r->handed)
        return true;
    buf_add(&r->body, piece.p, piece.n < room ? piece.n : room);
    if (piece.n <= room)
        return true;
    r->reply.close = true;
    return answer(r);
}

bool http_end(struct http_request *r)
{
    /* lws 4.3 says so for a POST of no bytes too, which has its answer or waits for it */
    return r->handed || answer(r);
}

static const char *upgrade_fault(struct lws *wsi, struct slice to)
{
    char version[8];

    if (socket_listener(wsi) == LISTENER_METRICS)
        return "No WebSocket is spoken on metrics.port";
    if (to.n != 9 || strncasecmp(to.p, "websocket", 9) != 0)
        return "The only upgrade is websocket"; /* lws would speak h2c too */
    if (lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION) <= 0 ||
        strcmp(version, "13") != 0)
        return "Sec-WebSocket-Version must be 13"; /* lws would take any for 13 */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL))
        return "No Sec-WebSocket-Protocol is spoken"; /* lws closes without a word */
    return NULL;
}

int http_check_upgrade(struct lws *wsi, struct slice to)
{
    const char *fault = upgrade_fault(wsi, to);
    struct http_request r = {.wsi = wsi,
                             .worker = lws_context_user(lws_get_context(wsi)),
                             .in_callback = true,
                             .began = clock_us()};
    bool ok;

    if (!fault)
        return 0;
    http_reply_text(&r, 400, fault);
    count(&r);
    ok = write_reply(&r);
    buf_fini(&r.reply.body);
    return ok ? 1 : -1;
}
