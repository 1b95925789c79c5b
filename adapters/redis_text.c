#include "adapters/redis_text.h"

static char next(struct text_reader *r)
{
    return r->rest.n ? r->rest.p[0] : '\0';
}

static void skip(struct text_reader *r)
{
    r->rest.p++;
    r->rest.n--;
}

void text_literal(struct text_reader *r, char c)
{
    if (!r->rest.n || r->rest.p[0] != c)
        r->ok = false;
    else
        skip(r);
}

uint64_t text_read_decimal(struct text_reader *r)
{
    uint64_t value = 0;
    bool any = false;

    for (char c = next(r); c >= '0' && c <= '9'; c = next(r)) {
        any = true;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            r->ok = false;
        skip(r);
    }
    r->ok &= any;
    return value;
}

uint64_t text_read_hex16(struct text_reader *r)
{
    uint64_t value = 0;
    unsigned n = 0;

    for (; n < 16 && n < r->rest.n; n++) {
        char c = r->rest.p[n];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    r->rest.p += n;
    r->rest.n -= n;
    r->ok &= n == 16;
    return n == 16 ? value : 0;
}

bool text_decimal(struct slice s, uint64_t *value)
{
    struct text_reader r = {s, true};

    *value = text_read_decimal(&r);
    return r.ok && !r.rest.n;
}

bool text_hex16(struct slice s, uint64_t *value)
{
    struct text_reader r = {s, true};

    *value = text_read_hex16(&r);
    return r.ok && !r.rest.n;
}
