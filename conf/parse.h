/* The two parsers behind one interface: text in, a tree of nodes out. One thread. */
#ifndef MUSTER_CONF_PARSE_H
#define MUSTER_CONF_PARSE_H

#include "conf/node.h"
#include "conf/text.h"

/** Parses t by its form into root, a group; root's places borrow from t. ERR_INVALID: the
 * report says why and root is null. The caller ends root with node_fini. */
enum err parse_text(struct node *root, struct text *t, struct report *r) MUST_CHECK;

enum err parse_json(struct node *root, struct text *t, struct report *r) MUST_CHECK;
enum err parse_libconfig(struct node *root, struct text *t, struct report *r) MUST_CHECK;

#endif
