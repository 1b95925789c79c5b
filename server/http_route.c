#include "server/http_route.h"

#include "server/api.h"
#include "server/demo.h"

/* The last `*` of a path takes whatever stands before its end, slashes too: a user id may
 * hold one. */
static const struct http_route routes[] = {
    {"POST", "/apps/*/events", api_post_events, false},
    {"POST", "/apps/*/batch_events", api_post_batch, false},
    {"GET", "/apps/*/channels", api_get_channels, false},
    {"GET", "/apps/*/channels/*/users", api_get_users, false},
    {"GET", "/apps/*/channels/*", api_get_channel, false},
    {"POST", "/apps/*/users/*/terminate_connections", api_terminate, false},
    {"GET", "/", demo_get_page, true},
    {"GET", "/demo.json", demo_get_settings, true},
    {"POST", "/pusher/auth", demo_post_auth, true},
};

static bool ends(struct slice s, struct slice with)
{
    return s.n >= with.n && memcmp(s.p + s.n - with.n, with.p, with.n) == 0;
}

/* The pattern behind its last `*` against the end of the path. */
static bool match_last(const char *rest, struct slice path, struct slice *arg)
{
    struct slice end = slice_of(rest);

    if (!ends(path, end) || path.n == end.n)
        return false;
    *arg = (struct slice){path.p, path.n - end.n};
    return true;
}

static bool match(const char *pattern, struct slice path,
                  struct slice args[HTTP_ARGS_MAX])
{
    for (int i = 0;; i++) {
        const char *star = strchr(pattern, '*'), *slash;
        struct slice literal = {pattern,
                                star ? (size_t)(star - pattern) : strlen(pattern)};

        if (!star)
            return slice_eq(path, literal);
        if (!slice_starts(path, literal))
            return false;
        path = (struct slice){path.p + literal.n, path.n - literal.n};
        pattern = star + 1;
        if (!strchr(pattern, '*'))
            return match_last(pattern, path, &args[i]);
        slash = memchr(path.p, '/', path.n);
        if (!slash || slash == path.p)
            return false;
        args[i] = (struct slice){path.p, (size_t)(slash - path.p)};
        path = (struct slice){slash, path.n - args[i].n};
    }
}

const struct http_route *http_route_find(const struct conf *conf, struct slice method,
                                         struct slice path,
                                         struct slice args[HTTP_ARGS_MAX],
                                         const char **allow)
{
    *allow = NULL;
    if (slice_is(method, "HEAD")) /* http.c leaves the body out */
        method = SLICE("GET");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct http_route *r = &routes[i];

        if ((r->demo && !conf->demo) || !match(r->path, path, args))
            continue;
        if (slice_is(method, r->method))
            return r;
        *allow = r->method;
    }
    return NULL;
}

bool http_origin_allowed(const struct conf *conf, struct slice origin)
{
    for (size_t i = 0; i < conf->n_cors_allowed_origins; i++) {
        const char *allowed = conf->cors_allowed_origins[i];

        if (strcmp(allowed, "*") == 0 || slice_is(origin, allowed))
            return true;
    }
    return false;
}
