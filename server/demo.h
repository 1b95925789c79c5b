/* The demo: one page at /, and the auth endpoint that signs whatever it is asked to,
 * which is why both exist only with demo = true. Handlers of http.c; any worker's thread.
 */
#ifndef MUSTER_SERVER_DEMO_H
#define MUSTER_SERVER_DEMO_H

#include "server/http.h"

struct node;

void demo_get_page(struct node *n, struct slice body, struct http_reply *reply);
/** The keys that the page connects with: the first app, and the one with id "lobby". */
void demo_get_settings(struct node *n, struct slice body, struct http_reply *reply);
/** Form fields socket_id, channel_name and, all optional, app_key (the first app's),
 * user_id (from socket_id), user_name, user_color; answers as the user's document prints.
 */
void demo_post_auth(struct node *n, struct slice body, struct http_reply *reply);

#endif
