/* The query string of an HTTP API request: a bounded table of decoded parameters
 * (PROTOCOL.md 6). Any thread; slices borrow from the text and from the query's own
 * scratch, and live until api_query_fini or the text's end, whichever is first. */
#ifndef MUSTER_PROTOCOL_API_QUERY_H
#define MUSTER_PROTOCOL_API_QUERY_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

enum {
    API_PARAMS_MAX = 64,
    API_QUERY_MAX = 8192, /* bytes */
};

struct api_param {
    struct slice key;       /* decoded, in lower case */
    struct slice value;     /* decoded: %XX, and + as a space */
    struct slice raw_value; /* as sent */
};

/* Not to be copied once parsed. */
struct api_query {
    struct slice text; /* as sent */
    unsigned n;
    bool sorted;                             /* it was sent in order of its keys */
    struct api_param params[API_PARAMS_MAX]; /* by key; among equals as sent */
    struct buf scratch;
};

/** Parses what stands behind the `?` (absent: no parameters). Returns 0, or an HTTP
 * status with the answer's text added to why: too long, or too many parameters. An escape
 * that isn't one stands for itself (some SDKs send their values unescaped), as does a
 * parameter without `=`, whose value is empty. Either way the caller ends q with
 * api_query_fini. */
int api_query_parse(struct api_query *q, struct slice text, struct buf *why) MUST_CHECK;
void api_query_fini(struct api_query *q);

/** The value of the first parameter of this name; absent if there is none. */
struct slice api_query_get(const struct api_query *q, const char *name);
/** True for the parameter `name`, and for `name[]` and `name[0]` too, in which SDKs send
 * arrays. */
bool api_param_is(const struct api_param *param, const char *name);

/** Cuts the next `key=value` off *rest, as sent; false at the end. */
bool api_query_next(struct slice *rest, struct slice *key, struct slice *value);

enum api_plus { API_PLUS_KEPT, API_PLUS_IS_SPACE };
/** s with %XX decoded: s itself where there is nothing to decode, else (copies) at the
 * end of out, and valid until out grows or ends. A path's + stands for itself. */
struct slice api_decode(struct buf *out, struct slice s, enum api_plus plus);

#endif
