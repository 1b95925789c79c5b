/* Signatures of the HTTP API: hex HMAC-SHA256(secret, METHOD\npath\nquery), the query
 * being every parameter but auth_signature, by key, decoded (PROTOCOL.md 6). Pure
 * functions, any thread; everything that goes in is borrowed for the call. */
#ifndef MUSTER_PROTOCOL_API_SIGN_H
#define MUSTER_PROTOCOL_API_SIGN_H

#include <stdint.h>

#include "protocol/api_query.h"
#include "server/base/err.h"

enum { API_WINDOW_S = 600 }; /* how far auth_timestamp may be from the server's time */

struct api_request {
    struct slice method; /* in upper case */
    struct slice path;   /* as sent, behind the server's path_prefix, without the query */
    struct slice prefixed; /* as sent, with it; absent where the server has none */
    struct slice body;     /* as sent; empty or absent where there is none */
};

struct api_credentials {
    struct slice key;
    struct slice secret;
};

/** 0 if the request is signed by app within API_WINDOW_S of now (seconds since 1970), or
 * else 401 with the answer's text, PROTOCOL.md 6's where it gives one, added to why. The
 * body is hashed only once the signature is right, which covers body_md5: a forger can't
 * make the server hash. The signature may also be over what an SDK is known to sign
 * instead of the rule's: the path decoded or with the server's prefix, `+` unescaped, the
 * query exactly as sent, arrays joined by commas. */
int api_sign_verify(const struct api_request *r, const struct api_query *q,
                    const struct api_credentials *app, int64_t now,
                    struct buf *why) MUST_CHECK;

/** Appends the string to sign, as the rule has it. */
void api_sign_string(struct buf *out, struct slice method, struct slice path,
                     const struct api_query *q);

#endif
