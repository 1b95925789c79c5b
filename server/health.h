/* What those who run a node ask of it: is it alive, is it ready, how much is there
 * (docs/metrics.md). Handlers of http_route.c, on the thread of the worker that has the
 * request. /metrics and /usage need every worker's gauges: a LETTER_GAUGES goes round
 * them, each adds its own, and it comes back to the worker that has the request. */
#ifndef MUSTER_SERVER_HEALTH_H
#define MUSTER_SERVER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/list.h"
#include "server/http.h"

struct msg_gauges;
struct node;
struct worker;

/* A worker's requests whose letter is under way. */
struct health {
    struct list asked;
    uint64_t next;
};

void health_init(struct health *h);
/** 200, or 503 while a worker hasn't turned for 5 s. */
void health_get_up(struct http_request *r);
/** 200, or 503 once the node stops. */
void health_get_ready(struct http_request *r);
void health_get_usage(struct http_request *r);
void health_get_metrics(struct http_request *r);
/** The letter has come to this worker: it adds its gauges and passes it on, or answers
 * the request if it is its own. Takes the letter. */
void health_gauges(struct worker *w, struct msg_gauges *m);
/** False if some worker hasn't turned for 5 s at now (ms, clock_ms). Any thread. */
bool health_turning(const struct node *n, uint64_t now);

#endif
