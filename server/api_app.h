/* What every request of the HTTP API goes through first. Private to api*.c. */
#ifndef MUSTER_SERVER_API_APP_H
#define MUSTER_SERVER_API_APP_H

#include "protocol/api_query.h"
#include "server/apps.h"
#include "server/http.h"

enum api_allowance { API_EVENTS, API_READS };

/** The app of the request's path, if the request is signed by it and it is enabled; or
 * NULL, and the refusal is on its way (400, 401, 403, 404). Parses q, which the caller
 * ends. */
struct app *api_enter(struct http_request *r, struct api_query *q);
/** Takes n off the app's allowance; or replies 429. */
bool api_allowed(struct http_request *r, struct app *app, enum api_allowance which,
                 unsigned n);

#endif
