/* POST requests on a loop: libcurl's multi interface behind three verbs. Belongs to the
 * loop's thread; made before any thread runs and freed after (libcurl's own start and end
 * are process-wide). A request asks one server directly: no proxy, no redirect,
 * certificates checked, http and https only, with a bound on time and on the answer. */
#ifndef MUSTER_SERVER_WEBHOOK_HTTP_H
#define MUSTER_SERVER_WEBHOOK_HTTP_H

#include "server/base/err.h"
#include "server/base/loop.h"
#include "server/base/slice.h"

struct webhook_http;

struct webhook_result {
    int status;        /* HTTP's; 0: none came */
    const char *error; /* static; "" where a status came */
};

/* Called once for each request, never from within webhook_http_post. */
typedef void webhook_done_fn(void *context, struct webhook_result result);

struct webhook_request {
    const char *url;            /* borrowed for the call, as are the headers */
    const char *const *headers; /* "Name: value", NULL at the end */
    struct slice body;          /* borrowed until done */
    webhook_done_fn *done;
    void *context;
};

/** timeout: seconds of one request. NULL: libcurl refused; it was logged. */
struct webhook_http *webhook_http_alloc(struct loop *loop, unsigned timeout);
/** No request may be under way. */
void webhook_http_free(struct webhook_http *h);
/** Begins a request. ERR_LIBRARY: libcurl refused; done isn't called. */
enum err webhook_http_post(struct webhook_http *h,
                           const struct webhook_request *request) MUST_CHECK;
/** Ends all requests under way with that error (static); done is called for each. */
void webhook_http_cancel_all(struct webhook_http *h, const char *error);

#endif
