/* From a parsed file to the fields: walks the tree beside the schema. One thread. */
#ifndef MUSTER_CONF_APPLY_H
#define MUSTER_CONF_APPLY_H

#include "conf/conf.h"
#include "conf/node.h"

/** Sets the default of every key of base, which is zeroed: the struct of a list's groups
 * ("apps[]", …), or with "" a struct conf. What inherits its default is left alone. */
void apply_defaults(void *base, const char *list, struct report *r);
/** Applies the file's node-wide keys. Returns its list of apps (borrows from root), or
 * NULL. */
const struct node *apply_file(struct conf *conf, const struct node *root,
                              struct report *r);
/** Applies one item of that list. */
void apply_file_app(struct conf_app *app, const struct node *item, size_t index,
                    struct report *r);

#endif
