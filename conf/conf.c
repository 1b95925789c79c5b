/* Loading goes: text, parser, node-wide keys (defaults, file, environment), then the apps
 * over the node-wide presence limits. Every step reports all it finds and goes on; the
 * result is handed out only where nothing was found. */
#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/apply.h"
#include "conf/apps.h"
#include "conf/env.h"
#include "conf/load.h"
#include "conf/parse.h"
#include "conf/schema.h"
#include "conf/value.h"
#include "server/base/xalloc.h"

static const char *const default_paths[] = {
    "./muster.cfg",
    "./config/config.json",
    "/etc/muster/muster.cfg",
};

/* One loading: what was read, and what comes of it. */
struct load {
    struct conf *conf;
    struct node root; /* a group, or null: no file, or a broken one */
    char **environment;
    struct report *r;
};

/* A file that exists but can't be read is named, not passed over. */
static const char *find_default_path(void)
{
    struct stat st;

    for (size_t i = 0; i < sizeof default_paths / sizeof default_paths[0]; i++)
        if (stat(default_paths[i], &st) == 0 || (errno != ENOENT && errno != ENOTDIR))
            return default_paths[i];
    return NULL;
}

static void set_host(struct load *l, const char *host)
{
    free(l->conf->host);
    l->conf->host = xstrdup(host);
}

static void warn_demo(struct load *l)
{
    const struct conf *conf = l->conf;

    report_warning(
        l->r, (struct place){NULL, 0}, NULL,
        "nothing is configured: one demo app, whose key (%s) and secret are known "
        "to all, on %s",
        conf->apps[0].key, conf->host);
}

/* A joiner is sent the whole list of members at once. */
static void warn_about_snapshots(struct load *l)
{
    const struct conf *conf = l->conf;

    for (size_t i = 0; i < conf->n_apps; i++) {
        const struct conf_presence *p = &conf->apps[i].presence;
        unsigned long long kb =
            (unsigned long long)p->max_members_per_channel * p->max_member_size_in_kb;

        if (kb > conf->max_pending_kb)
            report_warning(
                l->r, (struct place){conf->source, 0}, "max_pending_kb",
                "%u KiB is less than the members of a full presence channel of "
                "app %s may need (%llu KiB)",
                conf->max_pending_kb, conf->apps[i].id, kb);
    }
}

/* As the example file has it, it says nothing. */
static void warn_about_cache(struct load *l)
{
    const struct conf *conf = l->conf;

    if (conf->adapter_driver == CONF_ADAPTER_REDIS &&
        conf->cache_max_kb != strtoul(conf_key_find("cache_max_kb")->initial, NULL, 10))
        report_warning(l->r, (struct place){conf->source, 0}, "cache_max_kb",
                       "bounds nothing where adapter.driver is redis: Redis keeps the "
                       "events, each for cache_ttl");
}

/* Settings that would do nothing. */
static void check_no_sentinels(struct load *l, struct place at)
{
    const struct conf_redis *redis = &l->conf->redis;

    if (*redis->master_name)
        report_error(l->r, at, "adapter.redis.master_name",
                     "needs adapter.redis.sentinels, which knows where it is");
    if (*redis->sentinel_username)
        report_error(l->r, at, "adapter.redis.sentinel_username",
                     "needs adapter.redis.sentinels");
    if (*redis->sentinel_password)
        report_error(l->r, at, "adapter.redis.sentinel_password",
                     "needs adapter.redis.sentinels");
}

/* A sentinel has one voice. */
static void check_twice(struct load *l, struct place at)
{
    char *const *all = l->conf->redis.sentinels;

    for (size_t i = 1; i < l->conf->redis.n_sentinels; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(all[i], all[j]) == 0)
                report_error(l->r, at, "adapter.redis.sentinels", "names %s twice",
                             all[i]);
}

/* Which Redis: two answers to that are none. A host or port that is the default may well
 * stand there. */
static void check_redis(struct load *l)
{
    const struct conf_redis *redis = &l->conf->redis;
    const struct place at = {l->conf->source, 0};
    const char *other = NULL;

    if (l->conf->adapter_driver != CONF_ADAPTER_REDIS)
        return;
    if (!redis->n_sentinels) {
        check_no_sentinels(l, at);
        return;
    }
    check_twice(l, at);
    if (!*redis->master_name)
        report_error(l->r, at, "adapter.redis.sentinels",
                     "needs adapter.redis.master_name, what they call the master");
    if (*redis->unix_socket)
        other = "unix_socket";
    else if (strcmp(redis->host, conf_key_find("adapter.redis.host")->initial) != 0)
        other = "host";
    else if (redis->port !=
             strtoul(conf_key_find("adapter.redis.port")->initial, NULL, 10))
        other = "port";
    if (other)
        report_error(l->r, at, "adapter.redis.sentinels",
                     "doesn't go together with adapter.redis.%s: the sentinels say where "
                     "the master is",
                     other);
}

static void build_node(struct load *l, const struct node **apps)
{
    apply_defaults(l->conf, "", l->r);
    if (!l->conf->source && !env_has_app(l->environment))
        set_host(l, "127.0.0.1");
    *apps = l->root.type == NODE_GROUP ? apply_file(l->conf, &l->root, l->r) : NULL;
    env_apply(l->conf, l->environment, l->r);
    check_redis(l);
}

static void build_apps(struct load *l, const struct node *list)
{
    struct buf missing = BUF_INIT;
    struct conf *conf = l->conf;

    if (!conf->source && !env_has_app(l->environment)) {
        apps_build_demo(conf, l->r);
        if (!l->r->n_errors)
            warn_demo(l);
        return;
    }
    apps_build(conf, list, l->environment, l->r, &missing);
    if (!conf->n_apps) {
        place_print(&missing, (struct place){conf->source, 0});
        buf_add_lit(&missing, "apps: at least one app is missing\n");
    }
    if (missing.n)
        conf->missing = xstrdup(buf_cstr(&missing));
    buf_fini(&missing);
}

/* Ends the loading: hands the configuration out, or frees it. */
static enum err finish(struct load *l, struct conf **out)
{
    node_fini(&l->root);
    if (l->r->n_errors) {
        conf_free(l->conf);
        *out = NULL;
        return ERR_INVALID;
    }
    warn_about_snapshots(l);
    warn_about_cache(l);
    *out = l->conf;
    return ERR_NONE;
}

/* text: what was loaded with that result, or NULL without a file. A broken file doesn't
 * keep the environment from being checked. */
static enum err build(struct load *l, struct text *text, enum err loaded,
                      struct conf **out)
{
    const struct node *apps;

    l->conf = xcalloc(1, sizeof *l->conf);
    if (text) {
        l->conf->source = xstrdup(text->files[0]);
        if (loaded == ERR_NONE)
            loaded = parse_text(&l->root, text, l->r);
    }
    build_node(l, &apps);
    build_apps(l, apps);
    return finish(l, out);
}

enum err conf_load(struct conf **out, const char *path, char **environment,
                   struct buf *problems)
{
    struct report r = {.out = problems};
    struct load l = {.environment = environment, .r = &r};
    struct text text;
    enum err err;

    if (!path)
        path = find_default_path();
    if (!path)
        return build(&l, NULL, ERR_NONE, out);
    err = text_load_file(&text, path, &r);
    err = build(&l, &text, err, out);
    text_fini(&text);
    return err;
}

enum err conf_load_memory(struct conf **out, struct slice bytes, enum text_form form,
                          const char *name, char **environment, struct buf *problems)
{
    struct report r = {.out = problems};
    struct load l = {.environment = environment, .r = &r};
    struct text text;
    enum err err;

    err = text_load_memory(&text, bytes, form, name, &r);
    err = build(&l, &text, err, out);
    text_fini(&text);
    return err;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < conf->n_apps; i++)
        value_fini_all(&conf->apps[i], "apps[]");
    free(conf->apps);
    value_fini_all(conf, "");
    free(conf->source);
    free(conf->missing);
    free(conf);
}
