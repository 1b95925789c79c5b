/* While a reply waits for its client, lws mustn't read on, as while one is awaited
 * (http.c): it goes round with what it has read, and with what it could read. But a
 * connection that lws isn't to read from it doesn't write to either. So this watches the
 * socket itself, and lets lws go on, both ways, for one write at a time. */
#include "server/http_flush.h"

#include <stdlib.h>

#include "server/base/loop.h"
#include "server/base/xalloc.h"
#include "server/http.h"
#include "server/socket.h"

struct http_flush {
    struct loop_io io;
    struct loop *loop;
    struct lws *wsi;
};

static void wait(struct http_flush *f);

static void writable(void *context)
{
    struct http_flush *f = context;
    struct lws *wsi = f->wsi;

    loop_ignore(f->loop, &f->io);
    socket_http(wsi)->flush = NULL; /* lws may free it, or the connection too */
    socket_pause(wsi, false);
    if (socket_busy(wsi) && socket_write_on(wsi))
        wait(f);
    else
        free(f);
}

static void wait(struct http_flush *f)
{
    socket_http(f->wsi)->flush = f;
    socket_pause(f->wsi, true);
    loop_watch(f->loop, &f->io, socket_fd(f->wsi), LOOP_WRITABLE, writable, f);
}

void http_flush_alloc(struct loop *l, struct lws *wsi)
{
    struct http_flush *f = xcalloc(1, sizeof *f);

    f->loop = l;
    f->wsi = wsi;
    wait(f);
}

void http_flush_free(struct http_flush *f)
{
    if (!f)
        return;
    loop_ignore(f->loop, &f->io);
    free(f);
}
