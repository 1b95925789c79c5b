/* Plain HTTP on the same port: one request at a time on a connection, answered whole. The
 * worker's thread only. */
#ifndef MUSTER_SERVER_HTTP_H
#define MUSTER_SERVER_HTTP_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/slice.h"

struct http_request;
struct lws;
struct worker;

/** A request's head has come. Replies at once, or returns a request that waits for its
 * body
 * (*out, caller ends it with http_request_free); false: the callback must return -1. */
bool http_begin(struct worker *w, struct lws *wsi, struct slice uri,
                struct http_request **out);
/** A piece of the body. False as above. */
bool http_body(struct http_request *r, struct slice piece);
/** The body is complete: replies. False as above. */
bool http_end(struct http_request *r);
/** A request asks for an upgrade to this protocol: 0 lets it go on; otherwise what the
 * callback must return (it was replied to where that is 1). */
int http_check_upgrade(struct lws *wsi, struct slice to);
void http_request_free(struct http_request *r);

/* What a handler of a route fills in. */
struct http_reply {
    unsigned status;
    const char *type;  /* Content-Type; static */
    const char *allow; /* Allow; static, or NULL */
    bool close;        /* the connection ends with this reply */
    struct buf body;
};

/** Replies with one line of plain text. */
void http_reply_text(struct http_reply *reply, unsigned status, const char *text);

#endif
