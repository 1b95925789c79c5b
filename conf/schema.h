/* The schema: every key of the configuration, once. Files, environment variables, --help
 * and the README's table follow from it. Immutable; any thread. */
#ifndef MUSTER_CONF_SCHEMA_H
#define MUSTER_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/report.h"

enum conf_type {
    CONF_BOOL,
    CONF_UNSIGNED,
    CONF_STRING,
    CONF_ENUM,   /* an int: the index in choices */
    CONF_LIST,   /* of strings: a char ** with a size_t right behind it */
    CONF_PAIRS,  /* as CONF_LIST, of "name: value"; a file may write a group instead */
    CONF_FLAGS,  /* a list of choices: an unsigned with bit i for choices[i]; none: all */
    CONF_GROUPS, /* a list of groups: a pointer to structs, a size_t right behind it. The
                    group's keys begin with this key's path and "[]." */
};

enum { CONF_ENV_NAME_MAX = 64, CONF_PATH_MAX = 64 };

struct conf_key {
    const char *path; /* dotted; "apps[]." before what each app has of its own */
    enum conf_type type;
    const char *unit;    /* of a number; NULL none */
    const char *initial; /* the default, written as in the environment; NULL: see help */
    unsigned min, max;   /* of a number; of a string or a list's items: bytes */
    size_t offset;    /* into struct conf, conf_app under "apps[].", conf_webhook … */
    size_t item_size; /* of CONF_GROUPS: of the struct of one group */
    const char *const *choices; /* of CONF_ENUM and CONF_FLAGS, NULL-terminated */
    /* A rule for strings: what is wrong with it, or NULL. */
    const char *(*check)(const char *text);
    const char *help; /* one line */
};

/* The table; ends with a key whose path is NULL. */
extern const struct conf_key conf_keys[];

/** The key of that path, or NULL. */
const struct conf_key *conf_key_find(const char *path);
/** The key that an environment variable sets, or NULL. */
const struct conf_key *conf_key_find_env(const char *name);
/** Whether the key's offset is into the struct of that list's groups: "apps[]",
 * "apps[].webhooks[]", … or "", the node's. */
bool conf_key_is_of(const struct conf_key *key, const char *list);
/** Whether the key belongs to an app itself, not to a list inside it. */
bool conf_key_is_of_app(const struct conf_key *key);
/** Whether a variable can set the key: not what lies in lists of groups inside an app. */
bool conf_key_has_env(const struct conf_key *key);
/** Whether the path is the beginning of other keys' paths: presence, apps[].presence, …
 */
bool conf_path_is_group(const char *path);
/** MUSTER_… name of the key: MUSTER_PRESENCE_LEAVE_GRACE, MUSTER_APP_SECRET; "" for one
 * that has none. */
void conf_key_env_name(const struct conf_key *key, char name[CONF_ENV_NAME_MAX]);

/** The known key or group that looks most like path. */
void conf_nearest_path(const char *path, char nearest[CONF_PATH_MAX]);
/** The choice that looks most like text (borrowed). */
const char *conf_nearest_choice(const char *const *choices, const char *text);
/** The known variable that looks most like name. */
void conf_nearest_env(const char *name, char nearest[CONF_ENV_NAME_MAX]);

#endif
