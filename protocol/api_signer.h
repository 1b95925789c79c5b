/* The other end of api_sign.h: signs a request to the HTTP API as an SDK would (`muster
 * sign`, tests). A pure function, any thread; everything that goes in is borrowed for the
 * call. */
#ifndef MUSTER_PROTOCOL_API_SIGNER_H
#define MUSTER_PROTOCOL_API_SIGNER_H

#include "protocol/api_sign.h"

/** Appends the whole query string of a request made now: params (a query string, escaped
 * or not; may be absent), auth_key, auth_timestamp, auth_version, body_md5 where there is
 * a body, and auth_signature; escaped, ready to stand behind `?`. r->path is signed as it
 * stands. ERR_INVALID, and nothing appended, where params can't be parsed, hold one of
 * these names, or make a query string that api_query_parse would refuse. */
enum err api_sign_query(struct buf *out, const struct api_request *r, struct slice params,
                        const struct api_credentials *app, int64_t now) MUST_CHECK;

#endif
