/* Watchlists at the edge (PROTOCOL.md 8): whom a signed-in connection watches, and what
 * it has been told. News of a turn go out in one watchlist_events. The edge's thread
 * only. */
#ifndef MUSTER_SERVER_EDGE_WATCH_H
#define MUSTER_SERVER_EDGE_WATCH_H

#include "server/letters.h"

struct conn;
struct edge;

/** The connection has just signed in: watches whom its user_data lists. */
void edge_watch(struct conn *c, struct slice user_data);
/** Watches nobody any more; homes are told unless the node stops. */
void edge_unwatch_all(struct conn *c);
/** A home's word on a watched user. */
void edge_watch_news(struct edge *e, const struct msg_online *m);
/** The end of a turn: tells each connection what has changed for it. */
void edge_watch_turn_ends(struct edge *e);

#endif
