/* Channel names: which are legal, and what kind of channel a name makes (PROTOCOL.md 3).
 * Pure functions, any thread. */
#ifndef MUSTER_PROTOCOL_CHANNEL_NAME_H
#define MUSTER_PROTOCOL_CHANNEL_NAME_H

#include <stdbool.h>

#include "server/base/slice.h"

enum { CHANNEL_NAME_MAX = 200 }; /* bytes */

/* Longest prefix first, in the order in which channel_kind_of tries them. */
enum channel_kind {
    CHANNEL_PRIVATE_ENCRYPTED_CACHE, /* private-encrypted-cache- */
    CHANNEL_PRIVATE_ENCRYPTED,       /* private-encrypted- */
    CHANNEL_PRIVATE_PRESENCE,        /* private-presence-: a presence channel */
    CHANNEL_PRIVATE_CACHE,           /* private-cache- */
    CHANNEL_PRIVATE,                 /* private- */
    CHANNEL_PRESENCE_CACHE,          /* presence-cache- */
    CHANNEL_PRESENCE,                /* presence- */
    CHANNEL_CACHE,                   /* cache- */
    CHANNEL_USER,                    /* #server-to-user- */
    CHANNEL_PUBLIC,
};

enum channel_kind channel_kind_of(struct slice name);
/** NULL if the name is legal, otherwise a sentence that says what is wrong with it
 * (static). Refuses: empty, over 200 bytes, a byte outside [A-Za-z0-9_\-=@,.;], `#`
 * elsewhere than in #server-to-user-ID (ID not empty; a user id may hold any
 * byte), a private- or presence- kind with nothing behind its prefix. */
const char *channel_name_fault(struct slice name);
/** Every kind that starts with private- or presence-. A user channel needs a sign-in. */
bool channel_needs_signature(enum channel_kind kind);
bool channel_is_presence(enum channel_kind kind);
bool channel_is_cache(enum channel_kind kind);
bool channel_is_encrypted(enum channel_kind kind);
/** Private and presence kinds, but not the encrypted ones (PROTOCOL.md 5). */
bool channel_takes_client_events(enum channel_kind kind);
/** The ID of #server-to-user-ID (borrowed from name). */
struct slice channel_user_id(struct slice name);

#endif
