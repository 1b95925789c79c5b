/* Kubernetes tells every container about the Services of its namespace, in variables that
 * begin with the Service's name: for one called muster that is
 * MUSTER_PORT=tcp://10.0.0.1:6001, MUSTER_SERVICE_HOST, MUSTER_PORT_6001_TCP_ADDR and
 * more; for muster-app, MUSTER_APP_PORT and so on. They aren't the operator's words, so
 * they are passed over, with one warning. */
#include "conf/env.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/value.h"
#include "server/base/buf.h"

enum { VARIABLE_NAME_MAX = 128 };

static const char prefix[] = "MUSTER_";

/* One variable of the list. */
struct variable {
    char name[VARIABLE_NAME_MAX]; /* cut off where longer: then no key has it */
    const char *value;            /* borrows from the list */
    const struct conf_key *key; /* NULL: no key has that name, or it isn't ours to read */
    bool is_kubernetes;
};

static bool is_service_url(const char *value)
{
    return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 ||
           strncmp(value, "sctp://", 7) == 0;
}

/* "_6001_TCP", "_6001_TCP_ADDR": what stands behind _PORT. */
static bool is_port_tail(const char *tail)
{
    size_t n;

    if (*tail++ != '_')
        return false;
    n = strspn(tail, "0123456789");
    return n && (strncmp(tail + n, "_TCP", 4) == 0 || strncmp(tail + n, "_UDP", 4) == 0 ||
                 strncmp(tail + n, "_SCTP", 5) == 0);
}

static bool is_kubernetes(const char *name, const char *value)
{
    const char *service = strstr(name, "_SERVICE_");
    const char *port = name;

    if (service &&
        (strcmp(service, "_SERVICE_HOST") == 0 || strcmp(service, "_SERVICE_PORT") == 0 ||
         strncmp(service, "_SERVICE_PORT_", 14) == 0))
        return true;
    while ((port = strstr(port, "_PORT"))) {
        port += strlen("_PORT");
        if (*port ? is_port_tail(port) : is_service_url(value))
            return true;
    }
    return false;
}

/* Takes an entry of the list apart; false where it isn't ours. */
static bool read_variable(const char *entry, struct variable *v)
{
    const char *equals = strchr(entry, '=');

    if (!equals || strncmp(entry, prefix, sizeof prefix - 1) != 0)
        return false;
    snprintf(v->name, sizeof v->name, "%.*s", (int)(equals - entry), entry);
    v->value = equals + 1;
    v->is_kubernetes = is_kubernetes(v->name, v->value);
    v->key = v->is_kubernetes ? NULL : conf_key_find_env(v->name);
    return true;
}

static void apply_variable(const struct variable *v, void *base, struct report *r)
{
    value_set_text(v->key, (struct target){base, v->key->path}, v->value,
                   (struct place){v->name, 0}, r);
}

static void report_unknown(const struct variable *v, struct report *r)
{
    char nearest[CONF_ENV_NAME_MAX];

    conf_nearest_env(v->name, nearest);
    report_error(r, (struct place){v->name, 0}, NULL,
                 "unknown variable; the nearest known one is %s", nearest);
}

static void warn_ignored(const struct variable *first, unsigned n, struct report *r)
{
    if (n)
        report_warning(r, (struct place){first->name, 0}, NULL,
                       "ignored%s: set by Kubernetes for a Service (enableServiceLinks: "
                       "false in the pod stops that)",
                       n > 1 ? ", and others like it" : "");
}

void env_apply(struct conf *conf, char **environment, struct report *r)
{
    struct variable v, first = {.value = NULL};
    unsigned n_ignored = 0;

    for (; *environment; environment++) {
        if (!read_variable(*environment, &v))
            continue;
        if (v.is_kubernetes && n_ignored++ == 0)
            first = v;
        if (!v.key && !v.is_kubernetes)
            report_unknown(&v, r);
        else if (v.key && !conf_key_is_of_app(v.key))
            apply_variable(&v, conf, r);
    }
    warn_ignored(&first, n_ignored, r);
}

static bool is_of_app(const struct variable *v)
{
    return v->key && conf_key_is_of_app(v->key);
}

void env_apply_app(struct conf_app *app, char **environment, struct report *r)
{
    struct variable v;

    for (; *environment; environment++)
        if (read_variable(*environment, &v) && is_of_app(&v))
            apply_variable(&v, app, r);
}

bool env_has_app(char **environment)
{
    struct variable v;

    for (; *environment; environment++)
        if (read_variable(*environment, &v) && is_of_app(&v))
            return true;
    return false;
}

const char *env_app_id(char **environment)
{
    struct variable v;

    for (; *environment; environment++)
        if (read_variable(*environment, &v) && strcmp(v.name, "MUSTER_APP_ID") == 0)
            return v.value;
    return NULL;
}
