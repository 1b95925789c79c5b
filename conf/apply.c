#include "conf/apply.h"

#include <stdio.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/value.h"
#include "server/base/xalloc.h"

enum { SHOWN_MAX = 192, INDEX_MAX = 32 };

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

void apply_defaults(void *base, bool of_app, struct report *r)
{
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        struct target to = {base, key->path};

        if (conf_key_is_of_app(key) != of_app)
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
    snprintf(to, SHOWN_MAX, "%s%s%s", group, *group ? "." : "", name);
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
    if (key)
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
    char shown[INDEX_MAX];
    const struct scope scope = {app, r, "apps[]", shown};

    snprintf(shown, sizeof shown, "apps[%zu]", index);
    if (item->type == NODE_GROUP)
        apply_group(&scope, item);
    else
        report_error(r, item->at, shown, "must be a group, is %s",
                     node_type_name(item->type));
}
