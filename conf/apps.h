/* Putting the list of apps together: the file's, the environment's one, or the built-in
 * one. One thread. */
#ifndef MUSTER_CONF_APPS_H
#define MUSTER_CONF_APPS_H

#include "conf/conf.h"
#include "conf/node.h"

/** Fills in conf->apps from the file's list (NULL: none) and the environment, over the
 * node-wide presence limits, which must be final; reports apps of one id or key. Names in
 * missing what an app lacks to serve. */
void apps_build(struct conf *conf, const struct node *list, char **environment,
                struct report *r, struct buf *missing);
/** Fills in the one app that is there when nothing is configured. */
void apps_build_demo(struct conf *conf, struct report *r);

#endif
