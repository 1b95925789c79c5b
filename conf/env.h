/* The environment's part of the configuration: MUSTER_… variables. All borrow the
 * NULL-terminated list of "NAME=value". One thread. */
#ifndef MUSTER_CONF_ENV_H
#define MUSTER_CONF_ENV_H

#include "conf/conf.h"
#include "conf/report.h"

/** Applies the node-wide variables, and reports every MUSTER_ variable that no key has.
 * What Kubernetes sets for a Service called muster is ignored with a warning. */
void env_apply(struct conf *conf, char **environment, struct report *r);
/** Applies the MUSTER_APP_… variables to one app. */
void env_apply_app(struct conf_app *app, char **environment, struct report *r);
/** Whether any MUSTER_APP_… variable stands in it. */
bool env_has_app(char **environment);
/** The value of MUSTER_APP_ID, or NULL. */
const char *env_app_id(char **environment);

#endif
