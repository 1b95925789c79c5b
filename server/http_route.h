/* Which handler a path has, and which origins browsers may ask from. Pure; any thread. */
#ifndef MUSTER_SERVER_HTTP_ROUTE_H
#define MUSTER_SERVER_HTTP_ROUTE_H

#include "conf/conf.h"
#include "server/http.h"

/* Which routes there are, as bits. */
enum http_place {
    PLACE_MAIN = 1,    /* the main port's */
    PLACE_DEMO = 2,    /* with demo = true */
    PLACE_HEALTH = 4,  /* both ports' */
    PLACE_METRICS = 8, /* metrics.port's; the main port's with a metrics.token */
};

/** The places that a connection of metrics.port (own_port), or of the main one, has. */
unsigned http_places(const struct conf *conf, bool own_port);
/** The route of this method and decoded path, its arguments cut from path; or NULL, and
 * then *allow is the method that the path does have, NULL if it has none. */
const struct http_route *http_route_find(unsigned places, struct slice method,
                                         struct slice path,
                                         struct slice args[HTTP_ARGS_MAX],
                                         const char **allow);
/** A number below HTTP_ROUTES_MAX; r NULL: that of all paths that have no route. */
unsigned http_route_number(const struct http_route *r);
/** The route's path, or "other"; NULL for a number that none has. */
const char *http_route_label(unsigned number);
/** True if cors_allowed_origins names it, or `*`. */
bool http_origin_allowed(const struct conf *conf, struct slice origin);

#endif
