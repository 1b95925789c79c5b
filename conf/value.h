/* Putting one value into its field, with the checks of its key. One thread. */
#ifndef MUSTER_CONF_VALUE_H
#define MUSTER_CONF_VALUE_H

#include "conf/node.h"
#include "conf/schema.h"

/* What a key's offset is into, and how messages call the value. */
struct target {
    void *base;
    const char *shown; /* such as apps[1].presence.leave_grace */
};

/** Puts the value of a file's node into the key's field (copies); not of CONF_GROUPS.
 * What is wrong with its type, range or text is reported and the field stays as it was.
 */
void value_set(const struct conf_key *key, struct target to, const struct node *node,
               struct report *r);
/** As value_set, from text as it stands in the environment: true/false/yes/no/on/off/1/0,
 * digits, a string, items separated by commas. at names where it came from. */
void value_set_text(const struct conf_key *key, struct target to, const char *text,
                    struct place at, struct report *r);

/** The field of a key, for those who print or compare (borrowed). */
void *value_field(const struct conf_key *key, void *base);
/** Makes the field of a CONF_GROUPS key n zeroed structs (borrowed), in place of what
 * was there. */
void *value_make_groups(const struct conf_key *key, void *base, size_t n);
/** Frees what the fields of base own: the struct of that list's groups ("apps[]", …), or
 * with "" a struct conf. */
void value_fini_all(void *base, const char *list);

#endif
