/* Where lws ends and Muster begins: a worker's lws context on its loop, and the callback
 * that turns what lws says into calls of edge.h and http.h. The worker's thread only. */
#ifndef MUSTER_SERVER_SOCKET_H
#define MUSTER_SERVER_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/letters.h"

struct conn;
struct http_session;
struct lws;
struct socket_server;
struct worker;

/** NULL: lws gave no context; it was logged. Called for one worker after another, before
 * any thread starts: lws's set-up is process-global (LIBRARIES.md 1). */
struct socket_server *socket_server_alloc(struct worker *w);
/** After the last socket_server_alloc: lws is silent from now on. It puts its lines
 * together in one static buffer, whatever thread it runs on; what they say of clients'
 * input isn't an operator's trouble. */
void socket_servers_made(void);
/** Closes what is still open. */
void socket_server_free(struct socket_server *s);
/** Serves a connected socket that came in there; takes it, also on failure. */
void socket_server_adopt(struct socket_server *s, int fd, enum listener listener);
/** Where it came in. */
enum listener socket_listener(struct lws *wsi);
/** Keeps with the connection how many bytes had come by the last reply; 0 at first. */
void socket_set_answered(struct lws *wsi, uint64_t bytes);
uint64_t socket_get_answered(struct lws *wsi);
/** True while some connection has not sent its first request whole. */
bool socket_server_opening(const struct socket_server *s);
/** Lets lws look at its own timeouts; once a second. */
void socket_server_tick(struct socket_server *s);
/** Asks for a writeable callback. */
void socket_want_write(struct lws *wsi);
/** Outside a callback: reads what waits, if anything does. */
void socket_read_on(struct lws *wsi);
/** Outside a callback: writes what lws holds. False: the connection is gone, or going. */
bool socket_write_on(struct lws *wsi);
/** For what must be watched besides. */
int socket_fd(struct lws *wsi);
/** Not kept from one request to the next. */
struct http_session *socket_http(struct lws *wsi);
/** While corked the kernel keeps what doesn't fill a segment. */
void socket_cork(struct lws *wsi, bool cork);
/** Stops reading from the client, whose data waits in the kernel then; or reads again. */
void socket_pause(struct lws *wsi, bool pause);
/** Ends the socket from outside a callback, at once. */
void socket_kill(struct lws *wsi);
/** Ends an HTTP connection from outside a callback, behind what lws has still to send. */
void socket_end(struct lws *wsi);
/** True while lws holds a part of an earlier write. */
bool socket_busy(struct lws *wsi);
/** Writes ready frames; false when the socket is broken. */
bool socket_write(struct lws *wsi, unsigned char *bytes, size_t n);
/** Milliseconds since anything came from the peer; 0 while something waits to be read. */
uint32_t socket_silence(struct lws *wsi);
/** In a callback that then returns -1: the close frame to send. */
void socket_close_reason(struct lws *wsi, int code);

#endif
