/* libcurl asks for a socket to be watched or a timer to be set, and is told when either
 * happens; finished requests are collected after each such call. A status line decides: a
 * 2xx is a delivery even where the rest of the answer was late, cut off or too long, so
 * that nothing is sent again behind it. */
#include "server/webhook_http.h"

#include <stdbool.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "server/base/list.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"
#include "server/version.h"

enum {
    CONNECT_SECONDS = 5,
    ANSWER_MAX_BYTES = 64 * 1024, /* headers counted; nothing of it is kept */
    IDLE_CONNECTIONS = 64,        /* kept open for the next request */
};

struct webhook_http {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    struct list requests, sockets;
    unsigned timeout; /* s */
};

struct request {
    struct list node;
    struct webhook_http *http;
    CURL *easy;
    struct curl_slist *headers;
    size_t answered; /* bytes */
    webhook_done_fn *done;
    void *context;
};

/* A socket of libcurl's that the loop watches. */
struct watched {
    struct list node;
    struct loop_io io;
    struct webhook_http *http;
    curl_socket_t fd;
};

static void request_free(struct request *r)
{
    list_remove(&r->node);
    if (r->easy) {
        curl_multi_remove_handle(r->http->multi, r->easy);
        curl_easy_cleanup(r->easy);
    }
    curl_slist_free_all(r->headers);
    free(r);
}

static void finish(struct request *r, const char *error)
{
    webhook_done_fn *done = r->done;
    void *context = r->context;
    long status = 0;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        status = 0; /* 1xx: the answer itself has not come */
    request_free(r);
    done(context, (struct webhook_result){(int)status, status ? "" : error});
}

static void collect(struct webhook_http *h)
{
    struct CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(h->multi, &left))) {
        const char *error = curl_easy_strerror(message->data.result);
        char *private = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish((struct request *)(void *)private, error);
    }
}

static void act(struct webhook_http *h, curl_socket_t fd)
{
    int running;

    /* No bits: libcurl looks for itself what the socket is ready for. */
    curl_multi_socket_action(h->multi, fd, 0, &running);
    collect(h);
}

/* ---- what libcurl calls ---- */

static void timer_fired(void *context)
{
    act(context, CURL_SOCKET_TIMEOUT);
}

static int on_timer(CURLM *multi, long ms, void *context)
{
    struct webhook_http *h = context;

    (void)multi;
    loop_cancel(h->loop, &h->timer);
    if (ms >= 0)
        loop_after(h->loop, &h->timer, (unsigned)ms, timer_fired, h);
    return 0;
}

static void socket_ready(void *context)
{
    const struct watched *w = context;

    act(w->http, w->fd);
}

static void unwatch(struct watched *w)
{
    loop_ignore(w->http->loop, &w->io);
    list_remove(&w->node);
    free(w);
}

static struct watched *watched_of(struct webhook_http *h, curl_socket_t fd)
{
    struct watched *w = xcalloc(1, sizeof *w);

    w->http = h;
    w->fd = fd;
    list_append(&h->sockets, &w->node);
    curl_multi_assign(h->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket)
{
    struct webhook_http *h = context;
    struct watched *w = socket;
    unsigned events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            unwatch(w);
        curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= LOOP_READABLE;
    if (what & CURL_POLL_OUT)
        events |= LOOP_WRITABLE;
    w = w ? w : watched_of(h, fd);
    loop_watch(h->loop, &w->io, fd, events, socket_ready, w);
    return 0;
}

/* Headers and body alike: counted, and thrown away. Taking less than all ends it. */
static size_t on_answer(char *bytes, size_t size, size_t n, void *context)
{
    struct request *r = context;

    (void)bytes;
    r->answered += size * n;
    return r->answered > ANSWER_MAX_BYTES ? 0 : size * n;
}

/* ---- requests ---- */

static bool add_headers(struct request *r, const char *const *headers)
{
    /* No "100 Continue" first: it would cost a round trip, or a second where the receiver
     * doesn't know it. */
    r->headers = curl_slist_append(NULL, "Expect:");
    for (; *headers && r->headers; headers++) {
        struct curl_slist *longer = curl_slist_append(r->headers, *headers);

        if (!longer)
            return false;
        r->headers = longer;
    }
    return r->headers != NULL;
}

/* Sets what cannot fail, but for memory; the first refusal is kept. */
#define SET(option, value)                                      \
    do {                                                        \
        if (!err)                                               \
            err = curl_easy_setopt(r->easy, (option), (value)); \
    } while (0)

static CURLcode set_limits(struct request *r, unsigned timeout)
{
    CURLcode err = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT, (long)timeout);
    SET(CURLOPT_CONNECTTIMEOUT,
        (long)(timeout < CONNECT_SECONDS ? timeout : CONNECT_SECONDS));
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* nor the environment's */
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* A resolver's thread that is still asking is left behind, not waited for: the wait
     * would hold up every other receiver. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    return err;
}

static CURLcode set_request(struct request *r, const struct webhook_request *request)
{
    CURLcode err = CURLE_OK;

    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    SET(CURLOPT_POSTFIELDS, request->body.p); /* not copied */
    SET(CURLOPT_HTTPHEADER, r->headers);
    SET(CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
    SET(CURLOPT_HEADERFUNCTION, on_answer);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_PRIVATE, (char *)r);
    return err;
}

enum err webhook_http_post(struct webhook_http *h, const struct webhook_request *request)
{
    struct request *r = xcalloc(1, sizeof *r);

    r->http = h;
    r->done = request->done;
    r->context = request->context;
    list_append(&h->requests, &r->node);
    r->easy = curl_easy_init();
    if (!r->easy || !add_headers(r, request->headers) || set_limits(r, h->timeout) ||
        set_request(r, request) || curl_multi_add_handle(h->multi, r->easy)) {
        log_error("webhook.libcurl", "error=%s", "a request was refused");
        request_free(r);
        return ERR_LIBRARY;
    }
    return ERR_NONE;
}

void webhook_http_cancel_all(struct webhook_http *h, const char *error)
{
    while (!list_empty(&h->requests))
        finish(CONTAINER_OF(h->requests.next, struct request, node), error);
}

struct webhook_http *webhook_http_alloc(struct loop *loop, unsigned timeout)
{
    struct webhook_http *h;

    if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
        log_error("webhook.libcurl", "error=%s", "curl_global_init failed");
        return NULL;
    }
    h = xcalloc(1, sizeof *h);
    h->loop = loop;
    h->timeout = timeout;
    list_init(&h->requests);
    list_init(&h->sockets);
    h->multi = curl_multi_init();
    if (!h->multi) {
        log_error("webhook.libcurl", "error=%s", "curl_multi_init failed");
        curl_global_cleanup();
        free(h);
        return NULL;
    }
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    return h;
}

void webhook_http_free(struct webhook_http *h)
{
    curl_multi_cleanup(h->multi); /* closes the idle connections */
    while (!list_empty(&h->sockets))
        unwatch(CONTAINER_OF(h->sockets.next, struct watched, node));
    loop_cancel(h->loop, &h->timer);
    curl_global_cleanup();
    free(h);
}
