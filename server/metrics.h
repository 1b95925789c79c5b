/* The node's figures in Prometheus's text format 0.0.4 (docs/metrics.md, which a test
 * compares with it). Any thread. */
#ifndef MUSTER_SERVER_METRICS_H
#define MUSTER_SERVER_METRICS_H

#include "server/base/buf.h"

struct gauges;
struct node;

void metrics_write(struct buf *out, const struct node *n, const struct gauges *g);

#endif
