/* The string half of json_scan.h: what stands between two quotes, read and written. */
#include "protocol/json_text.h"

#include "protocol/json_scan.h"

enum { REPLACEMENT = 0xfffd };

static unsigned hex_digit(char c)
{
    if (c <= '9')
        return (unsigned)(c - '0');
    return (unsigned)((c | 0x20) - 'a') + 10;
}

static unsigned hex4(const char *p)
{
    return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 |
           hex_digit(p[3]);
}

static size_t utf8_put(char *to, unsigned c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* The code point of the \uXXXX at *at, or of two that make a surrogate pair; steps
 * behind. */
static unsigned decode_unicode(const char **at, const char *end)
{
    unsigned c = hex4(*at + 2), low;

    *at += 6;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    if (c > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return REPLACEMENT;
    low = hex4(*at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return REPLACEMENT; /* and what follows is decoded by itself */
    *at += 6;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* Decodes the escape whose backslash is at *at and steps behind it. It never takes more
 * bytes than it was written with: six for at most three, twelve for four. */
static size_t decode_escape(const char **at, const char *end, char out[4])
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = (*at)[1];

    if (c == 'u')
        return utf8_put(out, decode_unicode(at, end));
    *at += 2;
    out[0] = into[strchr(from, c) - from];
    return 1;
}

static struct slice between_quotes(struct slice raw_string)
{
    return (struct slice){raw_string.p + 1, raw_string.n - 2};
}

/* The first backslash of s, or its end. */
static const char *find_escape(const char *p, const char *end)
{
    const char *found = p < end ? memchr(p, '\\', (size_t)(end - p)) : NULL;

    return found ? found : end;
}

bool json_is_plain(struct slice raw_string)
{
    return !memchr(raw_string.p, '\\', raw_string.n);
}

void json_unescape(struct buf *out, struct slice raw_string)
{
    struct slice s = between_quotes(raw_string);
    const char *p = s.p, *end = s.p + s.n;

    buf_reserve(out, s.n + 1); /* enough for all of it: out never moves below */
    while (p < end) {
        const char *escape = find_escape(p, end);

        buf_add(out, p, (size_t)(escape - p));
        p = escape;
        if (p < end)
            out->n += decode_escape(&p, end, out->p + out->n);
    }
}

bool json_string_is(struct slice raw_string, const char *text)
{
    struct slice s = between_quotes(raw_string);
    const char *p = s.p, *end = s.p + s.n;

    while (p < end) {
        char bytes[4] = {*p};
        size_t n = 1;

        if (*p == '\\')
            n = decode_escape(&p, end, bytes);
        else
            p++;
        for (size_t i = 0; i < n; i++, text++) {
            if (!*text || *text != bytes[i])
                return false;
        }
    }
    return !*text;
}

static size_t escape_len(char c)
{
    return c == '"' || c == '\\' || c == '\n' ? 2 : 6;
}

static char *escape_char(char *to, char c)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    if (escape_len(c) == 2) {
        *to++ = c == '\n' ? 'n' : c;
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = digits[(unsigned char)c >> 4];
    to[4] = digits[c & 0xf];
    return to + 5;
}

size_t json_escaped_len(struct slice s)
{
    const char *p = s.p, *end = s.n ? s.p + s.n : s.p;
    size_t n = s.n;

    while ((p = json_text_run(p, end)) < end)
        n += escape_len(*p++) - 1;
    return n;
}

char *json_escape_to(char *to, struct slice s)
{
    const char *p = s.p, *end = s.n ? s.p + s.n : s.p;

    while (p < end) {
        const char *run = json_text_run(p, end);

        memcpy(to, p, (size_t)(run - p));
        to += run - p;
        p = run;
        if (p < end)
            to = escape_char(to, *p++);
    }
    return to;
}

void json_escape(struct buf *out, struct slice s)
{
    size_t n = json_escaped_len(s);

    if (!n)
        return;
    json_escape_to(buf_reserve(out, n), s);
    out->n += n;
}

/* The length of the well-formed sequence at p, or 0 (the Unicode standard's table 3-7).
 */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char lead = p[0], low = 0x80, high = 0xbf;
    size_t n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4 || left < n)
        return 0;
    if (lead == 0xe0 || lead == 0xf0)
        low = lead == 0xe0 ? 0xa0 : 0x90; /* below: overlong */
    if (lead == 0xed || lead == 0xf4)
        high = lead == 0xed ? 0x9f : 0x8f; /* above: surrogates, or beyond U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

bool utf8_valid(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0, n;
    uint64_t x;

    while (i < s.n) {
        if (s.n - i >= 8) {
            memcpy(&x, p + i, 8);
            if (!(x & JSON_TEXT_EACH(0x80))) {
                i += 8;
                continue;
            }
        }
        n = utf8_sequence(p + i, s.n - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}
