#include "server/http_route.h"

#include "server/api.h"
#include "server/demo.h"
#include "server/health.h"
#include "server/stats.h"

/* The last `*` of a path takes whatever stands before its end, slashes too: a user id may
 * hold one. */
static const struct http_route routes[] = {
    {"POST", "/apps/*/events", api_post_events, PLACE_MAIN},
    {"POST", "/apps/*/batch_events", api_post_batch, PLACE_MAIN},
    {"GET", "/apps/*/channels", api_get_channels, PLACE_MAIN},
    {"GET", "/apps/*/channels/*/users", api_get_users, PLACE_MAIN},
    {"GET", "/apps/*/channels/*", api_get_channel, PLACE_MAIN},
    {"POST", "/apps/*/users/*/terminate_connections", api_terminate, PLACE_MAIN},
    {"GET", "/", demo_get_page, PLACE_DEMO},
    {"GET", "/demo.json", demo_get_settings, PLACE_DEMO},
    {"POST", "/pusher/auth", demo_post_auth, PLACE_DEMO},
    {"GET", "/up", health_get_up, PLACE_HEALTH},
    {"GET", "/ready", health_get_ready, PLACE_HEALTH},
    {"GET", "/usage", health_get_usage, PLACE_METRICS},
    {"GET", "/metrics", health_get_metrics, PLACE_METRICS},
};

enum { ROUTES = sizeof routes / sizeof *routes };

_Static_assert((int)ROUTES < (int)HTTP_ROUTES_MAX, "each route's requests are counted");

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

unsigned http_places(const struct conf *conf, bool own_port)
{
    if (own_port)
        return PLACE_HEALTH | PLACE_METRICS;
    return PLACE_MAIN | PLACE_HEALTH | (conf->demo ? PLACE_DEMO : 0u) |
           (*conf->metrics.token ? PLACE_METRICS : 0u);
}

const struct http_route *http_route_find(unsigned places, struct slice method,
                                         struct slice path,
                                         struct slice args[HTTP_ARGS_MAX],
                                         const char **allow)
{
    *allow = NULL;
    if (slice_is(method, "HEAD")) /* http.c leaves the body out */
        method = SLICE("GET");
    for (size_t i = 0; i < ROUTES; i++) {
        const struct http_route *r = &routes[i];

        if (!(r->place & places) || !match(r->path, path, args))
            continue;
        if (slice_is(method, r->method))
            return r;
        *allow = r->method;
    }
    return NULL;
}

unsigned http_route_number(const struct http_route *r)
{
    return r ? (unsigned)(r - routes) : ROUTES;
}

const char *http_route_label(unsigned number)
{
    if (number < ROUTES)
        return routes[number].path;
    return number == ROUTES ? "other" : NULL;
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
