/* The demo: one page at /, and the auth endpoint that signs whatever it is asked to,
 * which is why both exist only with demo = true. Handlers of http_route.c; any worker's
 * thread.
 */
#ifndef MUSTER_SERVER_DEMO_H
#define MUSTER_SERVER_DEMO_H

#include "conf/conf.h"
#include "server/http.h"

void demo_get_page(struct http_request *r);
/** The keys that the page connects with: the first app, and the one with id "lobby". */
void demo_get_settings(struct http_request *r);
/** Form fields socket_id, channel_name and, all optional, app_key (the first app's, or
 * that of "lobby"; no other is signed for), user_id (from socket_id), user_name,
 * user_color; answers as the user's document prints.
 */
void demo_post_auth(struct http_request *r);
/** What the page calls this node, HOSTNAME:PORT, for the caller to free; NULL where the
 * demo is off or the node is by itself.
 */
char *demo_node_name(const struct conf *conf);

#endif
