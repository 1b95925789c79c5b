/* The inside of JSON strings, for json_scan.c and encode.c only: finding the next byte
 * that matters, and escaping straight into memory that was measured before. Pure, any
 * thread. */
#ifndef MUSTER_PROTOCOL_JSON_TEXT_H
#define MUSTER_PROTOCOL_JSON_TEXT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "server/base/slice.h"

#define JSON_TEXT_EACH(byte) (0x0101010101010101u * (byte))

/** Flags (by its top bit) the lowest of eight bytes that is a quote, a backslash or a
 * control character; bytes above that one may be flagged wrongly. 0: none is. */
static inline uint64_t json_text_special(uint64_t x)
{
    uint64_t quote = x ^ JSON_TEXT_EACH('"');
    uint64_t slash = x ^ JSON_TEXT_EACH('\\');
    uint64_t control = (x - JSON_TEXT_EACH(0x20)) & ~x;

    quote = (quote - JSON_TEXT_EACH(1)) & ~quote;
    slash = (slash - JSON_TEXT_EACH(1)) & ~slash;
    return (quote | slash | control) & JSON_TEXT_EACH(0x80);
}

/** The first quote, backslash or control character from p on; end if there is none. Eight
 * bytes a step: most of every message is passed over here. */
static inline const char *json_text_run(const char *p, const char *end)
{
    uint64_t x;

    for (; end - p >= 8; p += 8) {
        memcpy(&x, p, 8);
        x = json_text_special(le64toh(x));
        if (x)
            return p + __builtin_ctzll(x) / 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/** The bytes that s takes once escaped. */
size_t json_escaped_len(struct slice s);
/** Writes s escaped; to has room for json_escaped_len(s). Returns the end of what it
 * wrote. */
char *json_escape_to(char *to, struct slice s);

#endif
