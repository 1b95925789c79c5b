/* Typical queries hold no escapes: then every slice borrows from the text, nothing is
 * copied and nothing allocated. Otherwise scratch is reserved once, for as many bytes as
 * the text has, which is the most that its keys and values can decode to: slices into it
 * stay. */
#include "protocol/api_query.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at p stands for, or -1. */
static int escaped_byte(const char *p, const char *end)
{
    int high, low;

    if (*p != '%' || end - p < 3)
        return -1;
    high = hex_value(p[1]);
    low = hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool has_byte(struct slice s, char c)
{
    return s.n && memchr(s.p, c, s.n);
}

struct slice api_decode(struct buf *out, struct slice s, enum api_plus plus)
{
    const char *p = s.p, *end = s.n ? s.p + s.n : s.p;
    char *start, *to;

    if (!has_byte(s, '%') && (plus == API_PLUS_KEPT || !has_byte(s, '+')))
        return s;
    start = to = buf_reserve(out, s.n);
    while (p < end) {
        int byte = escaped_byte(p, end);

        if (byte >= 0)
            *to++ = (char)byte;
        else
            *to++ = *p == '+' && plus == API_PLUS_IS_SPACE ? ' ' : *p;
        p += byte >= 0 ? 3 : 1;
    }
    out->n += (size_t)(to - start);
    return (struct slice){start, (size_t)(to - start)};
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool has_upper(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_upper(s.p[i]))
            return true;
    }
    return false;
}

/* A key, decoded and in lower case. */
static struct slice decode_key(struct buf *scratch, struct slice raw)
{
    size_t start = scratch->n;
    struct slice key = api_decode(scratch, raw, API_PLUS_IS_SPACE);

    if (!has_upper(key))
        return key;
    if (scratch->n == start)
        buf_add_slice(scratch, key);
    for (size_t i = start; i < scratch->n; i++)
        scratch->p[i] =
            (char)(is_upper(scratch->p[i]) ? scratch->p[i] | 0x20 : scratch->p[i]);
    return (struct slice){scratch->p + start, scratch->n - start};
}

static int compare(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Behind every parameter whose key isn't greater. */
static void insert(struct api_query *q, struct api_param param)
{
    unsigned at = q->n++;

    for (; at && compare(q->params[at - 1].key, param.key) > 0; at--)
        q->params[at] = q->params[at - 1];
    q->sorted &= at + 1 == q->n;
    q->params[at] = param;
}

bool api_query_next(struct slice *rest, struct slice *key, struct slice *value)
{
    while (rest->n) {
        const char *end = memchr(rest->p, '&', rest->n);
        struct slice pair = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        size_t step = pair.n + (end ? 1 : 0);

        *rest = (struct slice){rest->p + step, rest->n - step};
        if (!pair.n)
            continue;
        key->p = pair.p;
        key->n = equals ? (size_t)(equals - pair.p) : pair.n;
        value->p = equals ? equals + 1 : pair.p + pair.n;
        value->n = (size_t)(pair.p + pair.n - value->p);
        return true;
    }
    return false;
}

static int refuse(struct buf *why, const char *text)
{
    buf_add_slice(why, slice_of(text));
    return 400;
}

int api_query_parse(struct api_query *q, struct slice text, struct buf *why)
{
    struct slice rest = text, key, value;

    q->text = text;
    q->n = 0;
    q->sorted = true;
    q->scratch = BUF_INIT;
    if (text.n > API_QUERY_MAX)
        return refuse(why, "The query string is longer than 8192 bytes");
    if (has_byte(text, '%') || has_byte(text, '+') || has_upper(text))
        buf_reserve(&q->scratch, text.n);
    while (api_query_next(&rest, &key, &value)) {
        struct api_param param = {.raw_value = value};

        if (q->n == API_PARAMS_MAX)
            return refuse(why, "The query string has more than 64 parameters");
        param.key = decode_key(&q->scratch, key);
        param.value = api_decode(&q->scratch, value, API_PLUS_IS_SPACE);
        insert(q, param);
    }
    return 0;
}

void api_query_fini(struct api_query *q)
{
    buf_fini(&q->scratch);
}

struct slice api_query_get(const struct api_query *q, const char *name)
{
    struct slice wanted = slice_of(name);

    for (unsigned i = 0; i < q->n; i++) {
        if (slice_eq(q->params[i].key, wanted))
            return q->params[i].value;
    }
    return SLICE_NONE;
}

bool api_param_is(const struct api_param *param, const char *name)
{
    struct slice wanted = slice_of(name), key = param->key;

    if (!slice_starts(key, wanted))
        return false;
    return key.n == wanted.n || (key.p[wanted.n] == '[' && key.p[key.n - 1] == ']');
}
