/* A strict JSON scanner for the wire: validates (RFC 8259) and cuts, never re-encodes, so
 * that what was signed or sent travels byte for byte (jansson would turn 1.10 into
 * 1.1000000000000001). One pass, no allocation, depth at most JSON_DEPTH_MAX, any thread.
 * Input is taken as UTF-8; the caller has it checked (utf8_valid). */
#ifndef MUSTER_PROTOCOL_JSON_SCAN_H
#define MUSTER_PROTOCOL_JSON_SCAN_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

enum { JSON_DEPTH_MAX = 64 };

enum json_type {
    JSON_ABSENT,
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_value {
    enum json_type type;
    struct slice raw; /* with the quotes of a string; no space around; borrowed */
};

/* One wanted key of an object: the caller sets name, the scan sets value (the last one
 * wins where a key stands twice; JSON_ABSENT where there is none). Keys are compared
 * unescaped. */
struct json_want {
    const char *name;
    struct json_value value;
};

/** Validates the whole text and cuts the wanted keys of its top-level object. On error
 * returns ERR_INVALID, or ERR_TOO_LONG where it nests too deep, and *why is a static text
 * such as "not a JSON object" or "not valid JSON: invalid escape in a string". */
enum err json_scan_object(struct slice text, struct json_want *want, size_t n_want,
                          const char **why) MUST_CHECK;
/** Validates any one JSON value with space around it. */
enum err json_scan_value(struct slice text, struct json_value *out,
                         const char **why) MUST_CHECK;

/* The items of an array, one after another. */
struct json_items {
    const char *p;
    const char *end;
};

/** The items of a raw array that was validated (borrowed). */
struct json_items json_items_of(struct slice raw_array);
/** Sets *out to the next item; false at the end. Where it is an object, its wanted keys
 * are cut as json_scan_object does (n_want may be 0). */
bool json_items_next(struct json_items *items, struct json_value *out,
                     struct json_want *want, size_t n_want);

/** Appends the bytes that a raw string (with its quotes, validated) stands for; a lone
 * surrogate becomes U+FFFD. */
void json_unescape(struct buf *out, struct slice raw_string);
/** True if the raw string holds no escape: what is between its quotes is its value. */
bool json_is_plain(struct slice raw_string);
/** True if the raw string, unescaped, is exactly text. */
bool json_string_is(struct slice raw_string, const char *text);
/** Appends s escaped for the inside of a JSON string, without the quotes around: `"` `\`
 * and controls (\n as \n, others \u00XX); all else verbatim. */
void json_escape(struct buf *out, struct slice s);
/** True if s is well-formed UTF-8 (no surrogates, no overlong forms). */
bool utf8_valid(struct slice s);

#endif
