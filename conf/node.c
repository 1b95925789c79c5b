#include "conf/node.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

void node_set_items(struct node *node, enum node_type type, size_t n)
{
    node->type = type;
    node->items.v = xcalloc(n, sizeof *node->items.v);
    node->items.n = n;
}

void node_set_text(struct node *node, const char *text)
{
    node->type = NODE_STRING;
    node->text = xstrdup(text);
}

/* Recurses as deep as the file nests, which conf/text.c limits. */
void node_fini(struct node *node)
{
    if (node->type == NODE_STRING)
        free(node->text);
    if (node->type == NODE_LIST || node->type == NODE_GROUP) {
        for (size_t i = 0; i < node->items.n; i++)
            node_fini(&node->items.v[i]);
        free(node->items.v);
    }
    free(node->name);
    *node = (struct node){.type = NODE_NULL};
}

const struct node *node_get(const struct node *node, const char *name)
{
    if (!node || node->type != NODE_GROUP)
        return NULL;
    for (size_t i = 0; i < node->items.n; i++)
        if (strcmp(node->items.v[i].name, name) == 0)
            return &node->items.v[i];
    return NULL;
}

const char *node_type_name(enum node_type type)
{
    static const char *const names[] = {
        [NODE_NULL] = "null",
        [NODE_BOOL] = "true or false",
        [NODE_NUMBER] = "a whole number",
        [NODE_REAL] = "a number with a fraction",
        [NODE_STRING] = "a string",
        [NODE_LIST] = "a list",
        [NODE_GROUP] = "a group",
    };

    return names[type];
}
