/* JSON by jansson. It doesn't say where a value stands, so a cursor walks the text beside
 * the tree: jansson keeps the members of an object in the text's order and duplicates are
 * refused, so the n-th key or value of the walk is the n-th token of the text. */
#include "conf/parse.h"

#include <string.h>

#include <jansson.h>

#include "server/base/xalloc.h"

struct cursor {
    const struct text *text;
    const char *p, *end;
    unsigned line;
};

/* Skips what stands between tokens, then the token: a string, a scalar or an opening
 * bracket. Returns where it stands. The text is known to be JSON. */
static struct place next_token(struct cursor *c)
{
    unsigned line;

    while (c->p < c->end && strchr(" \t\r\n,:]}", *c->p))
        c->line += *c->p++ == '\n';
    line = c->line;
    if (c->p < c->end && *c->p == '"') {
        for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
            c->p += *c->p == '\\';
        c->p++;
    } else if (c->p < c->end && (*c->p == '{' || *c->p == '[')) {
        c->p++;
    } else {
        while (c->p < c->end && !strchr(" \t\r\n,:]}", *c->p))
            c->p++;
    }
    return text_place(c->text, line);
}

static void convert(struct node *node, json_t *value, struct cursor *c);

static void convert_object(struct node *node, json_t *value, struct cursor *c)
{
    struct node *item;
    const char *key;
    json_t *member;

    node_set_items(node, NODE_GROUP, json_object_size(value));
    item = node->items.v;
    json_object_foreach(value, key, member)
    {
        struct place at = next_token(c);

        convert(item, member, c);
        item->name = xstrdup(key);
        item->at = at;
        item++;
    }
}

static void convert_array(struct node *node, json_t *value, struct cursor *c)
{
    node_set_items(node, NODE_LIST, json_array_size(value));
    for (size_t i = 0; i < node->items.n; i++)
        convert(&node->items.v[i], json_array_get(value, i), c);
}

static void convert(struct node *node, json_t *value, struct cursor *c)
{
    node->at = next_token(c);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        convert_object(node, value, c);
        return;
    case JSON_ARRAY:
        convert_array(node, value, c);
        return;
    case JSON_STRING:
        node_set_text(node, json_string_value(value));
        return;
    case JSON_INTEGER:
        node->type = NODE_NUMBER;
        node->number = json_integer_value(value);
        return;
    case JSON_REAL:
        node->type = NODE_REAL;
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        node->type = NODE_BOOL;
        node->flag = json_is_true(value);
        return;
    case JSON_NULL:
        node->type = NODE_NULL;
        return;
    }
}

/* jansson quotes the text near the error, which may be a secret: only what stands before.
 */
static void report_syntax(const struct text *t, const json_error_t *e, struct report *r)
{
    const char *near = strstr(e->text, " near ");
    size_t n = near ? (size_t)(near - e->text) : strlen(e->text);
    struct place at = text_place(t, e->line > 0 ? (unsigned)e->line : 1);

    report_error(r, at, NULL, "not JSON: %.*s (column %d)", (int)n, e->text,
                 e->column > 0 ? e->column : 1);
}

enum err parse_json(struct node *root, struct text *t, struct report *r)
{
    struct cursor c = {.text = t, .p = buf_cstr(&t->bytes), .line = 1};
    json_error_t e;
    json_t *value = json_loadb(t->bytes.p, t->bytes.n, JSON_REJECT_DUPLICATES, &e);

    *root = (struct node){.type = NODE_NULL};
    if (!value) {
        report_syntax(t, &e, r);
        return ERR_INVALID;
    }
    c.end = c.p + t->bytes.n;
    if (json_is_object(value))
        convert(root, value, &c);
    else
        report_error(r, text_place(t, 1), NULL, "must be a JSON object");
    json_decref(value);
    return root->type == NODE_GROUP ? ERR_NONE : ERR_INVALID;
}
