/* Which handler a path has, and which origins browsers may ask from. Pure; any thread. */
#ifndef MUSTER_SERVER_HTTP_ROUTE_H
#define MUSTER_SERVER_HTTP_ROUTE_H

#include "conf/conf.h"
#include "server/http.h"

/** The route of this method and decoded path, its arguments cut from path; or NULL, and
 * then *allow is the method that the path does have, NULL if it has none. */
const struct http_route *http_route_find(const struct conf *conf, struct slice method,
                                         struct slice path,
                                         struct slice args[HTTP_ARGS_MAX],
                                         const char **allow);
/** True if cors_allowed_origins names it, or `*`. */
bool http_origin_allowed(const struct conf *conf, struct slice origin);

#endif
