/* The HTTP API (PROTOCOL.md 6): what backends ask and publish. Handlers of http_route.c:
 * the worker's thread that has the request. An event is answered when it is with its
 * homes; questions are put to the adapter, which knows the cluster's answer. */
#ifndef MUSTER_SERVER_API_H
#define MUSTER_SERVER_API_H

#include <stdint.h>

#include "server/http.h"

struct home;
struct lookup_answer;

void api_post_events(struct http_request *r);
void api_post_batch(struct http_request *r);
void api_get_channels(struct http_request *r);
void api_get_channel(struct http_request *r);
void api_get_users(struct http_request *r);
void api_terminate(struct http_request *r);

#endif
