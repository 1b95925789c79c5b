/* What decoders ask of a redisReply: each false where it isn't that. Any thread. */
#ifndef MUSTER_ADAPTERS_REDIS_REPLY_H
#define MUSTER_ADAPTERS_REDIS_REPLY_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "adapters/redis_text.h"
#include "server/base/slice.h"

/** A string or a status (borrowed from r). */
static inline bool reply_text(const redisReply *r, struct slice *s)
{
    if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
        return false;
    *s = (struct slice){r->str, (size_t)r->len};
    return true;
}

/** A string of 16 hex digits. */
static inline bool reply_id(const redisReply *r, uint64_t *id)
{
    struct slice s;

    return reply_text(r, &s) && text_hex16(s, id);
}

/** A number that isn't negative, as an integer or as text. */
static inline bool reply_number(const redisReply *r, uint64_t *n)
{
    struct slice s;

    if (r && r->type == REDIS_REPLY_INTEGER && r->integer >= 0) {
        *n = (uint64_t)r->integer;
        return true;
    }
    return reply_text(r, &s) && text_decimal(s, n);
}

/** An array of n elements. */
static inline bool reply_array(const redisReply *r, size_t n)
{
    return r && r->type == REDIS_REPLY_ARRAY && r->elements == n;
}

/** An integer 0 or 1. */
static inline bool reply_flag(const redisReply *r, bool *flag)
{
    if (!r || r->type != REDIS_REPLY_INTEGER || (r->integer != 0 && r->integer != 1))
        return false;
    *flag = r->integer == 1;
    return true;
}

#endif
