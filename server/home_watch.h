/* Who is told whether a user is online (PROTOCOL.md 8, PRESENCE.md "Users and
 * watchlists"): a user is the one member that the channel #server-to-user-ID can have,
 * and whoever watches is a spectator of that channel. The home's thread only. */
#ifndef MUSTER_SERVER_HOME_WATCH_H
#define MUSTER_SERVER_HOME_WATCH_H

#include <stdbool.h>

#include "server/letters.h"

struct home;
struct home_channel;

/** An edge asks to be told; the answer is the user's state now, and each change later. */
void home_watch(struct home *h, const struct msg_watch *m);
/** No more; nothing where it is unknown. */
void home_unwatch(struct home *h, const struct msg_unwatch *m);
/** The channel's user has come online, or gone. */
void home_watch_tell(struct home_channel *c, bool online);
/** Frees all, telling nobody. */
void home_watches_fini(struct home *h);

#endif
