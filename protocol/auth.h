/* Signatures: KEY:lowercase-hex-HMAC-SHA256(secret, S) (PROTOCOL.md 4). Any thread. */
#ifndef MUSTER_PROTOCOL_AUTH_H
#define MUSTER_PROTOCOL_AUTH_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/slice.h"

enum { AUTH_HEX_LEN = 64, AUTH_MD5_HEX_LEN = 32 };

/** Appends S for a channel: socket_id:channel, and :channel_data where it is present. */
void auth_channel_string(struct buf *out, struct slice socket_id, struct slice channel,
                         struct slice channel_data);
/** Appends S for a sign-in: socket_id::user::user_data. */
void auth_signin_string(struct buf *out, struct slice socket_id, struct slice user_data);
/** True if auth is exactly key ":" hex of S under secret. The digest is compared in
 * constant time; an absent or foreign auth is false. */
bool auth_verify(struct slice auth, struct slice key, struct slice secret,
                 struct slice s);
/** Writes 64 lowercase hex digits and a NUL: HMAC-SHA256(secret, s). */
void auth_sign(char hex[AUTH_HEX_LEN + 1], struct slice secret, struct slice s);
/** True if hex is exactly what auth_sign writes for s; compared in constant time. */
bool auth_signature_is(struct slice hex, struct slice secret, struct slice s);
/** True if the two secrets are the same, compared in constant time (not so their
 * lengths). */
bool auth_secret_is(struct slice given, struct slice secret);
/** Writes 32 lowercase hex digits and a NUL: MD5(s), an HTTP body's body_md5. */
void auth_md5(char hex[AUTH_MD5_HEX_LEN + 1], struct slice s);

#endif
