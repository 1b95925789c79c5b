#include "server/handshake.h"

#include <ctype.h>

#include "protocol/refusal.h"

/* The key of [prefix]/app/KEY[/]; absent if the path is another. */
static struct slice key_of(struct slice path, struct slice prefix)
{
    const struct slice app = SLICE("/app/");

    if (!slice_starts(path, prefix))
        return SLICE_NONE;
    path = (struct slice){path.p + prefix.n, path.n - prefix.n};
    if (!slice_starts(path, app))
        return SLICE_NONE;
    path = (struct slice){path.p + app.n, path.n - app.n};
    if (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (!path.n || memchr(path.p, '/', path.n))
        return SLICE_NONE;
    return path;
}

/* 5, 6 and 7 are spoken: 5 and 6 differ in what Muster does not send. */
static int protocol_fault(struct slice protocol)
{
    if (!protocol.p || !protocol.n)
        return CLOSE_NO_PROTOCOL;
    for (size_t i = 0; i < protocol.n; i++) {
        if (!isdigit((unsigned char)protocol.p[i]))
            return CLOSE_BAD_VERSION;
    }
    if (protocol.n != 1 || protocol.p[0] < '5' || protocol.p[0] > '7')
        return CLOSE_UNSUPPORTED_PROTOCOL;
    return 0;
}

/* True if a proxy says that the client came without TLS: several proxies make a list,
 * whose first is the client's. Without the header nobody says so. */
static bool plain_text(struct slice forwarded)
{
    const char *comma = forwarded.n ? memchr(forwarded.p, ',', forwarded.n) : NULL;
    size_t n = comma ? (size_t)(comma - forwarded.p) : forwarded.n;

    while (n && forwarded.p[n - 1] == ' ')
        n--;
    return n && !(n == 5 && strncasecmp(forwarded.p, "https", 5) == 0) &&
           !(n == 3 && strncasecmp(forwarded.p, "wss", 3) == 0);
}

int handshake_check(const struct handshake *h, const struct apps *apps,
                    struct slice prefix, struct app **app)
{
    struct slice key = key_of(h->path, prefix);
    int fault;

    *app = NULL;
    if (!key.p)
        return CLOSE_BAD_PATH;
    fault = protocol_fault(h->protocol);
    if (fault)
        return fault;
    *app = apps_find(apps, key);
    if (!*app)
        return CLOSE_NO_APP;
    if (!(*app)->conf->enabled)
        return CLOSE_APP_DISABLED;
    if ((*app)->conf->require_tls && plain_text(h->forwarded_proto))
        return CLOSE_TLS_ONLY;
    if (!app_allows_origin(*app, h->origin))
        return CLOSE_UNAUTHORIZED;
    return 0;
}
