/* What a configuration file says, in the shape both formats share: a tree of named
 * values. A node owns its name, text and items; its place borrows from the text it was
 * read from, so the text outlives the tree. One thread. */
#ifndef MUSTER_CONF_NODE_H
#define MUSTER_CONF_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/report.h"

enum node_type {
    NODE_NULL,
    NODE_BOOL,
    NODE_NUMBER, /* whole */
    NODE_REAL,   /* no key wants one: its value isn't kept */
    NODE_STRING,
    NODE_LIST,
    NODE_GROUP,
};

struct node {
    enum node_type type;
    struct place at;
    char *name; /* of a group's item; NULL in a list */
    union {
        bool flag;
        long long number;
        char *text;
        struct {
            struct node *v;
            size_t n;
        } items; /* of a list or a group */
    };
};

/** Makes it a list or group of n items, which are null until they are filled in. */
void node_set_items(struct node *node, enum node_type type, size_t n);
/** Makes it a string (copies). */
void node_set_text(struct node *node, const char *text);
/** Frees what the node owns; it is null afterwards. */
void node_fini(struct node *node);
/** The group's item of that name, or NULL (borrowed); NULL too where node is NULL. */
const struct node *node_get(const struct node *node, const char *name);
/** "true or false", "a whole number", …: how messages call a type. */
const char *node_type_name(enum node_type type);

#endif
