/* The walk: each name of a group is a key (then its value is set), a group inside this
 * one, or a list of groups, each of which becomes a struct with defaults of its own. How
 * deep it goes is the schema's, not the file's. */
#include "conf/apply.h"

#include <stdio.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/value.h"
#include "server/base/xalloc.h"

enum { SHOWN_MAX = 192, GROUPS_MAX = 100 };

/* A group of the file on its way into a struct: as the schema calls it
 * ("apps[].presence") and as messages do ("apps[1].presence"). Both are empty at the top.
 */
struct scope {
    void *base;
    struct report *r;
    const char *path;
    const char *shown;
};

static void apply_group(const struct scope *s, const struct node *group);
static void apply_element(const struct scope *s, const struct node *item);

void apply_defaults(void *base, const char *list, struct report *r)
{
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        struct target to = {base, key->path};

        if (!conf_key_is_of(key, list) || key->type == CONF_GROUPS)
            continue;
        if (key->initial)
            value_set_text(key, to, key->initial, (struct place){"schema", 0}, r);
        else if (key->type == CONF_STRING)
            *(char **)value_field(key, base) = xstrdup("");
    }
}

static void report_unknown(const struct scope *s, const char *path, const char *shown,
                           const struct node *item)
{
    char nearest[CONF_PATH_MAX];

    if (strpbrk(item->name, ".[")) {
        report_error(s->r, item->at, shown,
                     "unknown key: write groups one in another, not with dots");
        return;
    }
    conf_nearest_path(path, nearest);
    report_error(s->r, item->at, shown, "unknown key; the nearest known one is %s",
                 nearest);
}

/* The name of an item behind its group's: a file's name is of any length, and a cut-off
 * one is unknown all the same. */
static void join(char to[SHOWN_MAX], const char *group, const char *name)
{
    snprintf(to, SHOWN_MAX, "%.100s%s%.80s", group, *group ? "." : "", name);
}

/* What a group can't do without, and the file doesn't say. */
static void check_complete(const struct scope *s, const struct node *group)
{
    size_t n = strlen(s->path);

    for (const struct conf_key *key = conf_keys; key->path; key++) {
        char shown[SHOWN_MAX];

        if (!conf_key_is_of(key, s->path) || key->type != CONF_STRING || key->initial ||
            node_get(group, key->path + n + 1))
            continue;
        join(shown, s->shown, key->path + n + 1);
        report_error(s->r, group->at, shown, "is missing");
    }
}

static void apply_list(const struct scope *s, const struct conf_key *key,
                       const struct node *list)
{
    char path[SHOWN_MAX], shown[SHOWN_MAX];
    struct scope inner = {NULL, s->r, path, shown};
    char *items;

    if (list->type != NODE_LIST || list->items.n > GROUPS_MAX) {
        report_error(s->r, list->at, s->shown, "must be a list of at most %d groups",
                     GROUPS_MAX);
        return;
    }
    items = value_make_groups(key, s->base, list->items.n);
    snprintf(path, sizeof path, "%s[]", key->path);
    for (size_t i = 0; i < list->items.n; i++) {
        const struct node *item = &list->items.v[i];

        inner.base = items + i * key->item_size;
        snprintf(shown, sizeof shown, "%.100s[%zu]", s->shown, i);
        apply_defaults(inner.base, path, s->r);
        apply_element(&inner, item);
        if (item->type == NODE_GROUP)
            check_complete(&inner, item);
    }
}

static void apply_item(const struct scope *s, const struct node *item)
{
    char path[SHOWN_MAX], shown[SHOWN_MAX];
    const struct scope inner = {s->base, s->r, path, shown};
    const struct conf_key *key;
    bool is_name = !strpbrk(item->name, ".[");

    join(path, s->path, item->name);
    join(shown, s->shown, item->name);
    key = is_name ? conf_key_find(path) : NULL;
    if (key && key->type == CONF_GROUPS)
        apply_list(&inner, key, item);
    else if (key)
        value_set(key, (struct target){s->base, shown}, item, s->r);
    else if (!is_name || !conf_path_is_group(path))
        report_unknown(s, path, shown, item);
    else if (item->type != NODE_GROUP)
        report_error(s->r, item->at, shown, "must be a group, is %s",
                     node_type_name(item->type));
    else
        apply_group(&inner, item);
}

/* Recurses only as deep as the schema has groups. */
static void apply_group(const struct scope *s, const struct node *group)
{
    for (size_t i = 0; i < group->items.n && !report_is_full(s->r); i++)
        apply_item(s, &group->items.v[i]);
}

/* One item of a list of groups. */
static void apply_element(const struct scope *s, const struct node *item)
{
    if (item->type == NODE_GROUP)
        apply_group(s, item);
    else
        report_error(s->r, item->at, s->shown, "must be a group, is %s",
                     node_type_name(item->type));
}

const struct node *apply_file(struct conf *conf, const struct node *root,
                              struct report *r)
{
    const struct scope top = {conf, r, "", ""};
    const struct node *apps = NULL;

    for (size_t i = 0; i < root->items.n && !report_is_full(r); i++) {
        const struct node *item = &root->items.v[i];

        if (strcmp(item->name, "apps") != 0)
            apply_item(&top, item);
        else if (item->type == NODE_LIST)
            apps = item;
        else
            report_error(r, item->at, "apps", "must be a list of groups, is %s",
                         node_type_name(item->type));
    }
    return apps;
}

void apply_file_app(struct conf_app *app, const struct node *item, size_t index,
                    struct report *r)
{
    char shown[SHOWN_MAX];
    const struct scope scope = {app, r, "apps[]", shown};

    snprintf(shown, sizeof shown, "apps[%zu]", index);
    apply_element(&scope, item);
}
