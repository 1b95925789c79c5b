/* The node: everything that one process runs. Made by main, before and after all threads;
 * while they run, they read it, and write its named atomics only. */
#ifndef MUSTER_SERVER_NODE_H
#define MUSTER_SERVER_NODE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "adapters/adapter.h"
#include "conf/conf.h"
#include "server/apps.h"

struct acceptor;
struct webhooks;
struct worker;

struct node {
    const struct conf *conf;
    struct apps apps;
    struct adapter *adapter;
    struct webhooks *webhooks;
    struct acceptor *acceptor;
    struct acceptor *metrics; /* metrics.port's; NULL without one */
    struct worker *workers;
    unsigned n_workers;
    char *demo_name;              /* what the demo's clients are told; NULL: nothing */
    int64_t started;              /* s, Unix time */
    _Atomic unsigned connections; /* let in, of all apps */
    _Atomic bool stopping;        /* homes have nothing to do any more: /ready says so */
};

/** Listens and serves; conf must outlive the node. On an error it was logged and *out is
 * NULL. */
enum err node_start(struct node **out, const struct conf *conf) MUST_CHECK;
/** Stops accepting, tells every client 4200, waits for them to go, but at most
 * shutdown_grace, and frees everything. Logs the node's counters. */
void node_stop(struct node *n);
/** The sum over all workers of one of their statistics; offset: in struct stats. */
uint64_t node_stat(const struct node *n, size_t offset);

#endif
