/* The acceptor: a thread that owns a listening socket and hands each connection to the
 * workers in turn (LIBRARIES.md 2). metrics.port has one of its own, which is stopped
 * only when the node has drained. */
#ifndef MUSTER_SERVER_ACCEPTOR_H
#define MUSTER_SERVER_ACCEPTOR_H

#include "server/base/err.h"
#include "server/letters.h"

struct acceptor;
struct node;

/** Binds and listens, and logs node.listening or metrics.listening. ERR_SYSTEM: it was
 * logged. */
enum err acceptor_alloc(struct acceptor **out, struct node *n,
                        enum listener listener) MUST_CHECK;
/** Starts to accept; the workers must run. */
enum err acceptor_start(struct acceptor *a) MUST_CHECK;
/** Closes the listening socket and ends the thread. What waited in its backlog is handed
 * over before, one turn's worth. Idempotent. */
void acceptor_stop(struct acceptor *a);
/** After acceptor_stop. */
void acceptor_free(struct acceptor *a);

#endif
