/* One setter a type. The environment's text is first made the node that a file would have
 * held, so both ways in meet the same checks. */
#include "conf/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/buf.h"
#include "server/base/xalloc.h"

enum { LIST_MAX_ITEMS = 1000 };

/* The two fields of a CONF_LIST: see the assertions in schema.c. */
struct list_fields {
    char ***v;
    size_t *n;
};

/* One value on its way into one field. */
struct setting {
    const struct conf_key *key;
    struct target to;
    struct report *r;
};

void *value_field(const struct conf_key *key, void *base)
{
    return (char *)base + key->offset;
}

static bool has_type(const struct setting *s, const struct node *node,
                     enum node_type type)
{
    if (node->type == type)
        return true;
    report_error(s->r, node->at, s->to.shown, "must be %s, is %s", node_type_name(type),
                 node_type_name(node->type));
    return false;
}

static void set_bool(const struct setting *s, const struct node *node)
{
    if (has_type(s, node, NODE_BOOL))
        *(bool *)value_field(s->key, s->to.base) = node->flag;
}

static void set_unsigned(const struct setting *s, const struct node *node)
{
    if (!has_type(s, node, NODE_NUMBER))
        return;
    if (node->number < s->key->min || node->number > s->key->max)
        report_error(s->r, node->at, s->to.shown, "must be from %u to %u%s%s, is %lld",
                     s->key->min, s->key->max, s->key->unit ? " " : "",
                     s->key->unit ? s->key->unit : "", node->number);
    else
        *(unsigned *)value_field(s->key, s->to.base) = (unsigned)node->number;
}

/* Whether a string, or a list's item, keeps the key's rules. */
static bool is_good_text(const struct setting *s, const struct node *node)
{
    const struct conf_key *key = s->key;
    const char *why;
    size_t n;

    if (!has_type(s, node, NODE_STRING))
        return false;
    n = strlen(node->text);
    if (n < key->min || n > key->max) {
        report_error(s->r, node->at, s->to.shown, "must be %u to %u bytes long, is %zu",
                     key->min, key->max, n);
        return false;
    }
    why = key->check ? key->check(node->text) : NULL;
    if (why)
        report_error(s->r, node->at, s->to.shown, "%s", why);
    return !why;
}

static void set_string(const struct setting *s, const struct node *node)
{
    char **field = value_field(s->key, s->to.base);

    if (!is_good_text(s, node))
        return;
    free(*field);
    *field = xstrdup(node->text);
}

static void add_choices(struct buf *out, const char *const *choices)
{
    for (size_t i = 0; choices[i]; i++)
        buf_addf(out, "%s%s", i ? ", " : "", choices[i]);
}

static void set_enum(const struct setting *s, const struct node *node)
{
    struct buf known = BUF_INIT;

    if (!has_type(s, node, NODE_STRING))
        return;
    for (int i = 0; s->key->choices[i]; i++) {
        if (strcmp(s->key->choices[i], node->text) == 0) {
            *(int *)value_field(s->key, s->to.base) = i;
            return;
        }
    }
    add_choices(&known, s->key->choices);
    report_error(s->r, node->at, s->to.shown, "must be one of %s, is \"%.40s\"",
                 buf_cstr(&known), node->text);
    buf_fini(&known);
}

static struct list_fields list_fields(const struct conf_key *key, void *base)
{
    char *field = value_field(key, base);

    return (struct list_fields){(char ***)(void *)field,
                                (size_t *)(void *)(field + sizeof(char **))};
}

static void list_fini(struct list_fields list)
{
    for (size_t i = 0; i < *list.n; i++)
        free((*list.v)[i]);
    free(*list.v);
    *list.v = NULL;
    *list.n = 0;
}

static bool are_good_texts(const struct setting *s, const struct node *node)
{
    bool good = true;

    if (node->items.n > LIST_MAX_ITEMS) {
        report_error(s->r, node->at, s->to.shown, "must hold at most %d items, holds %zu",
                     LIST_MAX_ITEMS, node->items.n);
        return false;
    }
    for (size_t i = 0; i < node->items.n; i++)
        good = is_good_text(s, &node->items.v[i]) && good;
    return good;
}

static void set_list(const struct setting *s, const struct node *node)
{
    struct list_fields list = list_fields(s->key, s->to.base);

    if (!has_type(s, node, NODE_LIST) || !are_good_texts(s, node))
        return;
    list_fini(list);
    if (node->items.n)
        *list.v = xcalloc(node->items.n, sizeof **list.v);
    for (; *list.n < node->items.n; ++*list.n)
        (*list.v)[*list.n] = xstrdup(node->items.v[*list.n].text);
}

/* "Name: value" of each item of a group, as a list. */
static void list_pairs(const struct node *group, struct node *list)
{
    node_set_items(list, NODE_LIST, group->items.n);
    for (size_t i = 0; i < group->items.n; i++) {
        const struct node *from = &group->items.v[i];
        struct node *to = &list->items.v[i];
        struct buf pair = BUF_INIT;

        to->at = from->at;
        buf_addf(&pair, "%s: %s", from->name,
                 from->type == NODE_STRING ? from->text : "");
        node_set_text(to, buf_cstr(&pair));
        buf_fini(&pair);
    }
}

static bool are_strings(const struct setting *s, const struct node *group)
{
    bool good = true;

    for (size_t i = 0; i < group->items.n; i++)
        good = has_type(s, &group->items.v[i], NODE_STRING) && good;
    return good;
}

static void set_pairs(const struct setting *s, const struct node *node)
{
    struct node list = {.type = NODE_NULL, .at = node->at};

    if (node->type != NODE_GROUP) {
        set_list(s, node);
    } else if (are_strings(s, node)) {
        list_pairs(node, &list);
        set_list(s, &list);
        node_fini(&list);
    }
}

/* The bit of one item; 0 where it is no choice. */
static unsigned flag_of(const struct setting *s, const struct node *item)
{
    const char *const *choices = s->key->choices;

    if (!has_type(s, item, NODE_STRING))
        return 0;
    for (unsigned i = 0; choices[i]; i++)
        if (strcmp(choices[i], item->text) == 0)
            return 1u << i;
    report_error(s->r, item->at, s->to.shown,
                 "\"%.40s\" is unknown; the nearest known one is %s", item->text,
                 conf_nearest_choice(choices, item->text));
    return 0;
}

static unsigned all_flags(const struct conf_key *key)
{
    unsigned all = 0;

    for (unsigned i = 0; key->choices[i]; i++)
        all |= 1u << i;
    return all;
}

static void set_flags(const struct setting *s, const struct node *node)
{
    unsigned flags = 0;

    if (!has_type(s, node, NODE_LIST))
        return;
    for (size_t i = 0; i < node->items.n; i++)
        flags |= flag_of(s, &node->items.v[i]);
    *(unsigned *)value_field(s->key, s->to.base) =
        node->items.n ? flags : all_flags(s->key);
}

static void (*const setters[])(const struct setting *, const struct node *) = {
    [CONF_BOOL] = set_bool,   [CONF_UNSIGNED] = set_unsigned, [CONF_STRING] = set_string,
    [CONF_ENUM] = set_enum,   [CONF_LIST] = set_list,         [CONF_PAIRS] = set_pairs,
    [CONF_FLAGS] = set_flags,
};

void value_set(const struct conf_key *key, struct target to, const struct node *node,
               struct report *r)
{
    const struct setting s = {key, to, r};

    setters[key->type](&s, node);
}

static bool read_bool(const char *text, struct node *node)
{
    static const char *const words[] = {"false", "true", "no", "yes",
                                        "off",   "on",   "0",  "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            node->type = NODE_BOOL;
            node->flag = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool read_number(const char *text, struct node *node)
{
    const char *digits = text + (*text == '-');

    if (!*digits || digits[strspn(digits, "0123456789")])
        return false;
    errno = 0;
    node->type = NODE_NUMBER;
    node->number = strtoll(text, NULL, 10);
    return errno == 0;
}

static size_t count_items(const char *text)
{
    size_t n = *text != '\0';

    for (; *text; text++)
        n += *text == ',';
    return n;
}

/* "a,b": two items; "": none. Spaces before an item don't count. */
static void read_list(const char *text, struct node *node)
{
    node_set_items(node, NODE_LIST, count_items(text));
    for (size_t i = 0; i < node->items.n; i++) {
        struct node *item = &node->items.v[i];
        size_t n;

        text += strspn(text, " ");
        n = strcspn(text, ",");
        item->type = NODE_STRING;
        item->text = xmemdup0(text, n);
        item->at = node->at;
        text += n + 1;
    }
}

/* The text as the node that a file would have held; what doesn't fit the type stays a
 * string, so that value_set refuses it. */
static void read_text(const struct conf_key *key, const char *text, struct node *node)
{
    switch (key->type) {
    case CONF_BOOL:
        if (read_bool(text, node))
            return;
        break;
    case CONF_UNSIGNED:
        if (read_number(text, node))
            return;
        break;
    case CONF_LIST:
    case CONF_PAIRS:
    case CONF_FLAGS:
        read_list(text, node);
        return;
    case CONF_STRING:
    case CONF_ENUM:
    case CONF_GROUPS:
        break;
    }
    node_set_text(node, text);
}

void value_set_text(const struct conf_key *key, struct target to, const char *text,
                    struct place at, struct report *r)
{
    struct node node = {.type = NODE_NULL, .at = at};

    read_text(key, text, &node);
    if (node.type == NODE_STRING &&
        (key->type == CONF_BOOL || key->type == CONF_UNSIGNED))
        report_error(r, at, to.shown, "must be %s, is \"%.40s\"",
                     node_type_name(key->type == CONF_BOOL ? NODE_BOOL : NODE_NUMBER),
                     text);
    else
        value_set(key, to, &node, r);
    node_fini(&node);
}

/* Recurses only as deep as the schema has lists in lists. */
static void groups_fini(const struct conf_key *key, void *base)
{
    char *field = value_field(key, base), *items;
    char list[CONF_PATH_MAX + 2];
    size_t n;

    memcpy(&items, field, sizeof items); /* every struct's pointer looks like this one */
    memcpy(&n, field + sizeof items, sizeof n);
    snprintf(list, sizeof list, "%s[]", key->path);
    for (size_t i = 0; i < n; i++)
        value_fini_all(items + i * key->item_size, list);
    free(items);
}

void *value_make_groups(const struct conf_key *key, void *base, size_t n)
{
    char *field = value_field(key, base);
    void *items = n ? xcalloc(n, key->item_size) : NULL;

    groups_fini(key, base);
    memcpy(field, &items, sizeof items);
    memcpy(field + sizeof items, &n, sizeof n);
    return items;
}

void value_fini_all(void *base, const char *list)
{
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        if (!conf_key_is_of(key, list))
            continue;
        if (key->type == CONF_STRING)
            free(*(char **)value_field(key, base));
        if (key->type == CONF_LIST || key->type == CONF_PAIRS)
            list_fini(list_fields(key, base));
        if (key->type == CONF_GROUPS)
            groups_fini(key, base);
    }
}
