/* The signed JSON in which a client's backend names the user: channel_data of a presence
 * subscribe ("user_id") and user_data of a sign-in ("id"). Any
 * thread. (PROTOCOL.md 4 and 8.) */
#ifndef MUSTER_PROTOCOL_CHANNEL_DATA_H
#define MUSTER_PROTOCOL_CHANNEL_DATA_H

#include "server/base/buf.h"
#include "server/base/slice.h"

enum {
    USER_ID_MAX = 128, /* bytes after conversion to a string */
    WATCHLIST_MAX = 100,
};

struct user_data {
    struct slice id; /* unescaped, 1 to 128 bytes; an integer became its digits (-0: 0) */
    struct slice info; /* user_info's raw JSON, verbatim; absent where none or null */
    struct buf scratch;
};

/** NULL if channel_data is a JSON object with a usable user_id, otherwise a static
 * sentence. Fills out, which borrows from channel_data; either way the caller ends it
 * with user_data_fini. */
const char *channel_data_parse(struct slice channel_data, struct user_data *out);
/** The same for a sign-in's user_data: `id` must be a non-empty string. */
const char *signin_data_parse(struct slice user_data, struct user_data *out);
void user_data_fini(struct user_data *d);

/* Whose comings and goings a signed-in user is told of. Not to be copied. */
struct watchlist {
    unsigned n;
    bool longer;                     /* it listed more than WATCHLIST_MAX */
    struct slice ids[WATCHLIST_MAX]; /* unescaped, each once */
    struct buf scratch;
};

/** NULL if user_data, which signin_data_parse took, has a `watchlist` array of strings or
 * none, otherwise a static sentence. Fills out, which borrows from user_data, with the
 * first WATCHLIST_MAX; of these it leaves out what can't be a user's id (empty, or over
 * USER_ID_MAX). Either way the caller ends it with watchlist_fini. */
const char *signin_watchlist(struct slice user_data, struct watchlist *out);
void watchlist_fini(struct watchlist *w);

#endif
