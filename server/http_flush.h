/* A reply that its client is slow to take. The worker's thread only. */
#ifndef MUSTER_SERVER_HTTP_FLUSH_H
#define MUSTER_SERVER_HTTP_FLUSH_H

struct http_flush;
struct loop;
struct lws;

/** lws holds a part of a reply, or may have to wait before it can write the next one:
 * nothing is read until then. The connection keeps it (http.h). */
void http_flush_alloc(struct loop *l, struct lws *wsi);
/** The connection has gone. NULL is fine. */
void http_flush_free(struct http_flush *f);

#endif
