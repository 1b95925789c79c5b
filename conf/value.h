/* Putting one value into its field, with the checks of its key. One thread. */
#ifndef MUSTER_CONF_VALUE_H
#define MUSTER_CONF_VALUE_H

#include "conf/node.h"
#include "conf/schema.h"

/* What a key's offset is into: a struct conf or a struct conf_app, and how messages call
 * the value. */
struct target {
    void *base;
    const char *shown; /* such as apps[1].presence.leave_grace */
};

/** Puts the value of a file's node into the key's field (copies). What is wrong with its
 * type, range or text is reported and the field stays as it was. */
void value_set(const struct conf_key *key, struct target to, const struct node *node,
               struct report *r);
/** As value_set, from text as it stands in the environment: true/false/yes/no/on/off/1/0,
 * digits, a string, items separated by commas. at names where it came from. */
void value_set_text(const struct conf_key *key, struct target to, const char *text,
                    struct place at, struct report *r);

/** The field of a key, for those who print or compare (borrowed). */
void *value_field(const struct conf_key *key, void *base);
/** Frees what the fields of an app, or of the node, own. */
void value_fini_all(void *base, bool of_app);

#endif
