/* Apps are set after everything node-wide, so the presence limits that they inherit are
 * final when they are copied. What no two apps may share is found by sorting: ten
 * thousand apps take 0.1 s. */
#include "conf/apps.h"

#include <stdlib.h>
#include <string.h>

#include "conf/apply.h"
#include "conf/env.h"
#include "conf/value.h"
#include "server/base/xalloc.h"

enum { APPS_MAX = 10000 };

/* An app with what messages need of it. */
struct draft {
    const struct conf_app *app;
    const struct node *item; /* NULL: the environment's own */
    size_t index;
};

/* What no two apps may have in common. */
struct identity {
    const char *name;
    const char *variable;
    size_t offset;
};

static const struct identity identities[] = {
    {"id", "MUSTER_APP_ID", offsetof(struct conf_app, id)},
    {"key", "MUSTER_APP_KEY", offsetof(struct conf_app, key)},
};

static void app_init(struct conf_app *app, const struct conf *conf, struct report *r)
{
    apply_defaults(app, "apps[]", r);
    app->presence = conf->presence;
}

static struct conf_app *find_app(struct conf *conf, const char *id)
{
    for (size_t i = 0; i < conf->n_apps; i++)
        if (strcmp(conf->apps[i].id, id) == 0)
            return &conf->apps[i];
    return NULL;
}

static void build_from_file(struct conf *conf, const struct node *list, struct report *r)
{
    size_t n = list ? list->items.n : 0;

    if (n > APPS_MAX) {
        report_error(r, list->at, "apps", "must hold at most %d apps, holds %zu",
                     APPS_MAX, n);
        n = 0;
    }
    conf->apps = xcalloc(n + 1, sizeof *conf->apps); /* one more for the environment's */
    for (; conf->n_apps < n; conf->n_apps++) {
        app_init(&conf->apps[conf->n_apps], conf, r);
        apply_file_app(&conf->apps[conf->n_apps], &list->items.v[conf->n_apps],
                       conf->n_apps, r);
    }
}

static void build_from_environment(struct conf *conf, char **environment,
                                   struct report *r)
{
    const char *id = env_app_id(environment);
    struct conf_app *app;

    if (!id) {
        if (env_has_app(environment))
            report_error(r, (struct place){"MUSTER_APP_ID", 0}, NULL,
                         "must name the app that the other MUSTER_APP_ variables set");
        return;
    }
    app = *id ? find_app(conf, id) : NULL;
    if (!app) {
        app = &conf->apps[conf->n_apps++];
        app_init(app, conf, r);
    }
    env_apply_app(app, environment, r);
}

/* Where the field of an app was set, as well as can be told. */
static struct place place_of(const struct draft *d, const char *name,
                             const char *variable)
{
    const struct node *field = node_get(d->item, name);

    if (field)
        return field->at;
    return d->item ? d->item->at : (struct place){variable, 0};
}

static const char *identity_of(const struct draft *d, const struct identity *identity)
{
    const void *field = (const char *)d->app + identity->offset;

    return *(char *const *)field;
}

static int compare(const void *a, const void *b, void *identity)
{
    const struct draft *x = a, *y = b;
    int order = strcmp(identity_of(x, identity), identity_of(y, identity));

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static void check_unique(struct draft *drafts, size_t n, const struct identity *identity,
                         struct report *r)
{
    struct identity copy = *identity;

    qsort_r(drafts, n, sizeof *drafts, compare, &copy);
    for (size_t i = 1; i < n; i++) {
        const char *value = identity_of(&drafts[i], identity);

        if (*value && strcmp(value, identity_of(&drafts[i - 1], identity)) == 0)
            report_error(r, place_of(&drafts[i], identity->name, identity->variable),
                         NULL, "apps[%zu].%s: apps[%zu] has the same one, %s",
                         drafts[i].index, identity->name, drafts[i - 1].index, value);
    }
}

static void add_missing(struct buf *missing, const struct draft *d, const char *name,
                        const char *variable)
{
    place_print(missing, d->item ? d->item->at : (struct place){variable, 0});
    buf_addf(missing, "apps[%zu].%s is missing\n", d->index, name);
}

static void check_complete(const struct draft *d, struct buf *missing)
{
    if (!*d->app->id)
        add_missing(missing, d, "id", "MUSTER_APP_ID");
    if (!*d->app->key)
        add_missing(missing, d, "key", "MUSTER_APP_KEY");
    if (!*d->app->secret)
        add_missing(missing, d, "secret", "MUSTER_APP_SECRET");
}

static void check_apps(const struct conf *conf, const struct node *list, struct report *r,
                       struct buf *missing)
{
    struct draft *drafts = xcalloc(conf->n_apps, sizeof *drafts);

    for (size_t i = 0; i < conf->n_apps; i++) {
        drafts[i].app = &conf->apps[i];
        drafts[i].item = list && i < list->items.n ? &list->items.v[i] : NULL;
        drafts[i].index = i;
        check_complete(&drafts[i], missing);
    }
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++)
        check_unique(drafts, conf->n_apps, &identities[i], r);
    free(drafts);
}

void apps_build(struct conf *conf, const struct node *list, char **environment,
                struct report *r, struct buf *missing)
{
    build_from_file(conf, list, r);
    build_from_environment(conf, environment, r);
    check_apps(conf, list, r, missing);
}

void apps_build_demo(struct conf *conf, struct report *r)
{
    static const char *const settings[][2] = {
        {"apps[].id", "demo"},
        {"apps[].key", "demo-key"},
        {"apps[].secret", "demo-secret"},
        {"apps[].enable_client_messages", "true"},
        {"apps[].enable_user_authentication", "true"},
    };
    struct conf_app *app = xcalloc(1, sizeof *app);

    conf->apps = app;
    conf->n_apps = 1;
    app_init(app, conf, r);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        value_set_text(conf_key_find(settings[i][0]),
                       (struct target){app, settings[i][0]}, settings[i][1],
                       (struct place){"demo", 0}, r);
}
