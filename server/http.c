/* HTTP through lws: which route a request takes, its body, its reply. A reply is put
 * together in one buffer, head and body, and written at once; what the kernel doesn't
 * take lws keeps and sends on, and the connection is kept alive where the client wants
 * it. */
#include "server/http.h"

#include <libwebsockets.h>
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/demo.h"
#include "server/node.h"
#include "server/worker.h"

enum {
    HEAD_MAX = 1024, /* bytes of a reply's head */
    BODY_MAX = 100 * 1024,
};

typedef void handler_fn(struct node *n, struct slice body, struct http_reply *reply);

struct route {
    const char *method, *path;
    handler_fn *handler;
    bool demo; /* exists only with demo = true */
};

static const struct route routes[] = {
    {"GET", "/", demo_get_page, true},
    {"GET", "/demo.json", demo_get_settings, true},
    {"POST", "/pusher/auth", demo_post_auth, true},
};

struct http_request {
    struct worker *worker;
    struct lws *wsi;
    const struct route *route;
    struct buf body;
};

void http_reply_text(struct http_reply *reply, unsigned status, const char *text)
{
    reply->status = status;
    reply->type = "text/plain; charset=utf-8";
    buf_addf(&reply->body, "%s\n", text);
}

static bool put_header(struct lws *wsi, const char *name, const char *value,
                       unsigned char **p, unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value),
                                       p, end) == 0;
}

static bool put_head(struct lws *wsi, const struct http_reply *reply, unsigned char **p,
                     unsigned char *end)
{
    if (lws_add_http_common_headers(wsi, reply->status, reply->type, reply->body.n, p,
                                    end))
        return false;
    if (reply->allow && !put_header(wsi, "allow:", reply->allow, p, end))
        return false;
    if (reply->close && !put_header(wsi, "connection:", "close", p, end))
        return false;
    return lws_finalize_http_header(wsi, p, end) == 0;
}

/* Takes the reply's body. False: it could not be sent. */
static bool write_reply(struct lws *wsi, struct http_reply *reply)
{
    unsigned char *bytes = xmalloc(LWS_PRE + HEAD_MAX + reply->body.n);
    unsigned char *head = bytes + LWS_PRE, *p = head;
    bool ok = put_head(wsi, reply, &p, head + HEAD_MAX);

    if (ok) {
        if (reply->body.n)
            memcpy(p, reply->body.p, reply->body.n);
        p += reply->body.n;
        ok = lws_write(wsi, head, (size_t)(p - head), LWS_WRITE_HTTP) >= 0;
    }
    free(bytes);
    buf_fini(&reply->body);
    return ok;
}

/* Takes the reply's body. Returns false if the connection is to be closed. */
static bool send_reply(struct lws *wsi, struct http_reply *reply)
{
    return write_reply(wsi, reply) && !reply->close &&
           lws_http_transaction_completed(wsi) == 0;
}

/* A refusal before the body has been read: then the connection can't go on. */
static bool send_refusal(struct lws *wsi, unsigned status, const char *text,
                         const char *allow, bool body_unread)
{
    struct http_reply reply = {.allow = allow, .close = body_unread};

    http_reply_text(&reply, status, text);
    return send_reply(wsi, &reply);
}

static const char *method_of(struct lws *wsi)
{
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI))
        return "GET";
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI))
        return "POST";
    return "";
}

static struct slice without_prefix(struct slice uri, const char *prefix)
{
    struct slice p = slice_of(prefix);

    if (!slice_starts(uri, p))
        return SLICE_NONE;
    uri = (struct slice){uri.p + p.n, uri.n - p.n};
    return uri.n ? uri : SLICE("/");
}

/* The route of this path and method; *allow: the method that the path does have. */
static const struct route *find_route(struct worker *w, struct slice uri,
                                      const char *method, const char **allow)
{
    const struct conf *conf = w->node->conf;
    struct slice path = without_prefix(uri, conf->path_prefix);

    *allow = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!slice_is(path, routes[i].path) || (routes[i].demo && !conf->demo))
            continue;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
        *allow = routes[i].method;
    }
    return NULL;
}

static bool reply_with(struct lws *wsi, struct worker *w, const struct route *route,
                       struct slice body)
{
    struct http_reply reply = {0};

    route->handler(w->node, body, &reply);
    return send_reply(wsi, &reply);
}

/* A POST's length must be known: lws can't read chunked bodies (LIBRARIES.md 13). 0, or
 * the status of the refusal. */
static unsigned body_fault(struct lws *wsi, long long *length)
{
    char text[32];

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) ||
        lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return 411;
    *length = atoll(text);
    return *length < 0 || *length > BODY_MAX ? 413 : 0;
}

bool http_begin(struct worker *w, struct lws *wsi, struct slice uri,
                struct http_request **out)
{
    const char *method = method_of(wsi), *allow;
    const struct route *route = find_route(w, uri, method, &allow);
    bool post = strcmp(method, "POST") == 0;
    long long length = 0;
    unsigned fault = post ? body_fault(wsi, &length) : 0;
    bool unread = fault || length;

    if (fault)
        return send_refusal(
            wsi, fault, fault == 411 ? "Content-Length is required" : "Body too large",
            NULL, true);
    if (!route)
        return send_refusal(wsi, allow ? 405 : 404,
                            allow ? "Method not allowed" : "Not found", allow, unread);
    if (!length)
        return reply_with(wsi, w, route, SLICE(""));
    *out = xcalloc(1, sizeof **out);
    **out = (struct http_request){.worker = w, .wsi = wsi, .route = route};
    return true;
}

bool http_body(struct http_request *r, struct slice piece)
{
    if (r->body.n + piece.n > BODY_MAX)
        return false; /* more than its Content-Length said */
    buf_add_slice(&r->body, piece);
    return true;
}

bool http_end(struct http_request *r)
{
    return reply_with(r->wsi, r->worker, r->route, buf_slice(&r->body));
}

void http_request_free(struct http_request *r)
{
    if (r)
        buf_fini(&r->body);
    free(r);
}

static const char *upgrade_fault(struct lws *wsi, struct slice to)
{
    char version[8];

    if (to.n != 9 || strncasecmp(to.p, "websocket", 9) != 0)
        return "The only upgrade is websocket"; /* lws would speak h2c too */
    if (lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION) <= 0 ||
        strcmp(version, "13") != 0)
        return "Sec-WebSocket-Version must be 13"; /* lws would take any for 13 */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL))
        return "No Sec-WebSocket-Protocol is spoken"; /* lws would close without a word */
    return NULL;
}

int http_check_upgrade(struct lws *wsi, struct slice to)
{
    const char *fault = upgrade_fault(wsi, to);
    struct http_reply reply = {0};

    if (!fault)
        return 0;
    http_reply_text(&reply, 400, fault);
    return write_reply(wsi, &reply) ? 1 : -1;
}
