#include "server/apps.h"

#include <ctype.h>
#include <stdlib.h>

#include "server/base/xalloc.h"

void apps_init(struct apps *a, const struct conf *conf)
{
    a->n = conf->n_apps;
    a->apps = xcalloc(a->n, sizeof *a->apps);
    for (size_t i = 0; i < a->n; i++) {
        struct app *app = &a->apps[i];

        app->conf = &conf->apps[i];
        app->id = slice_of(app->conf->id);
        app->key = slice_of(app->conf->key);
        app->secret = slice_of(app->conf->secret);
        app->index = (unsigned)i;
    }
}

void apps_fini(struct apps *a)
{
    free(a->apps);
}

struct app *apps_find(const struct apps *a, struct slice key)
{
    for (size_t i = 0; i < a->n; i++) {
        if (slice_eq(a->apps[i].key, key))
            return &a->apps[i];
    }
    return NULL;
}

struct app *apps_find_id(const struct apps *a, struct slice id)
{
    for (size_t i = 0; i < a->n; i++) {
        if (slice_eq(a->apps[i].id, id))
            return &a->apps[i];
    }
    return NULL;
}

uint64_t app_allowance(_Atomic uint64_t *spent, unsigned rate, unsigned n, uint64_t now)
{
    const uint64_t second = 1000000;
    uint64_t was = atomic_load(spent), cost, next;

    if (!rate)
        return 0;
    cost = n * second / rate;
    do {
        next = (was > now ? was : now) + cost;
        /* one request that is larger than a second's worth passes on a full allowance */
        if (cost > second && was > now)
            return was - now;
        if (cost <= second && next > now + second)
            return next - second - now;
    } while (!atomic_compare_exchange_weak(spent, &was, next));
    return 0;
}

/* Shell-like match with `*` only, ASCII case ignored; one backtrack point suffices. */
static bool matches(const char *pattern, struct slice s)
{
    const char *star = NULL;
    size_t i = 0, retry = 0;

    while (i < s.n) {
        if (*pattern == '*') {
            star = pattern++;
            retry = i;
        } else if (*pattern &&
                   tolower((unsigned char)*pattern) == tolower((unsigned char)s.p[i])) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star + 1;
            i = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* The host of scheme://host:port, brackets of an IPv6 address kept. */
static struct slice host_of(struct slice origin)
{
    const char *scheme = memmem(origin.p, origin.n, "://", 3);
    size_t end;

    if (scheme) {
        origin.n -= (size_t)(scheme + 3 - origin.p);
        origin.p = scheme + 3;
    }
    for (end = origin.n; end > 0; end--) {
        char c = origin.p[end - 1];

        if (c == ':')
            return (struct slice){origin.p, end - 1};
        if (!isdigit((unsigned char)c))
            break;
    }
    return origin;
}

bool app_allows_origin(const struct app *app, struct slice origin)
{
    const struct conf_app *conf = app->conf;

    if (!conf->n_allowed_origins || !origin.n)
        return true;
    for (size_t i = 0; i < conf->n_allowed_origins; i++) {
        const char *pattern = conf->allowed_origins[i];

        if (matches(pattern, strstr(pattern, "://") ? origin : host_of(origin)))
            return true;
    }
    return false;
}
