/* Plain HTTP on the same port: one request at a time on a connection, answered whole, at
 * once or later. The worker's thread only. socket.c drives it; api*.c, demo.c and
 * health.c answer. */
#ifndef MUSTER_SERVER_HTTP_H
#define MUSTER_SERVER_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"
#include "server/base/wheel.h"

struct http_flush;
struct http_request;
struct lws;
struct worker;

typedef void http_handler_fn(struct http_request *r);

enum {
    HTTP_ARGS_MAX = 2,
    HTTP_HEADERS_MAX = 16 << 10, /* bytes of a request: sites' cookies come along */
};

/* A path that is served; each `*` in it is an argument. */
struct http_route {
    const char *method, *path;
    http_handler_fn *handler;
    unsigned place; /* enum http_place */
};

/* What a connection keeps: zeroed at first. */
struct http_session {
    struct http_request *request; /* it waits for its body or its answer */
    struct http_flush *flush;     /* its answer waits for the client */
};

/* What a handler reads, and the reply that it fills in before http_finish. */
struct http_request {
    struct worker *worker;
    struct slice method;
    struct slice path;   /* behind path_prefix, escaped as encodeURIComponent does */
    struct slice query;  /* escaped likewise; absent without one */
    struct slice origin; /* absent without one */
    struct slice authorization;
    struct slice args[HTTP_ARGS_MAX]; /* of the route's path, decoded */
    bool own_port;                    /* it came in on metrics.port */
    struct buf body;
    struct {
        unsigned status;
        const char *type;         /* Content-Type; static */
        const char *allow;        /* Allow; static, or NULL */
        const char *authenticate; /* WWW-Authenticate; static, or NULL */
        unsigned retry;           /* Retry-After in s; 0 none */
        bool close;               /* the connection ends with this reply */
        struct buf body;
    } reply;
    void *state; /* the handler's own, until the reply; ended by end_state */
    void (*end_state)(struct http_request *r);
    /* http.c's own */
    struct lws *wsi;
    struct http_session *session;
    size_t length;               /* of the body, as announced */
    struct wheel_entry deadline; /* for the body to come */
    const struct http_route *route;
    uint64_t began; /* µs, clock_us */
    struct buf text;
    bool in_callback, handed, finished; /* handed: the route has it */
};

/** Sets a reply of one line of plain text, and finishes. */
void http_reply_text(struct http_request *r, unsigned status, const char *text);
/** As http_reply_text, with the status's usual headers for a refusal over a limit. */
void http_reply_later(struct http_request *r, unsigned status, unsigned retry_s,
                      const char *text);
/** Appends the path, its arguments escaped as encodeURIComponent does: what was sent may
 * have been this, where it wasn't r->path. */
void http_path_escaped(const struct http_request *r, struct buf *out);
/** The path's spaces were sent as `+`, and stand for it. */
void http_path_had_plus(struct http_request *r);
/** The body of the reply is complete: sends it as this type with status 200. r is gone
 * when the handler returns, or for a late reply, when this does. */
void http_finish(struct http_request *r, const char *type);

/* For socket.c. Where these return false, the lws callback must return -1. */

/** A request's head has come. */
bool http_begin(struct worker *w, struct lws *wsi, struct http_session *s);
/** Once a second: ends the connections whose bodies don't come. */
void http_tick(struct wheel *requests);
/** A piece of the body. */
bool http_body(struct http_request *r, struct slice piece);
/** The body is complete. */
bool http_end(struct http_request *r);
/** A request asks for an upgrade to this protocol: 0 lets it go on; otherwise what the
 * callback must return (it was replied to where that is 1). */
int http_check_upgrade(struct lws *wsi, struct slice to);
/** The connection has gone. Idempotent. */
void http_gone(struct http_session *s);

#endif
