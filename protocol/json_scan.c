/* The scanner is a recursive descent over one pointer. Its recursion is bounded by
 * JSON_DEPTH_MAX, so a hostile message can't use more than some 20 kB of stack, and
 * it allocates nothing. A rule that the text breaks ends the scan at once through fail(),
 * which keeps the first reason; every function returns false from there on. The texts
 * stand by themselves ("not valid JSON: …"), because they are shown to clients as they
 * are. */
#include "protocol/json_scan.h"

#include "protocol/json_text.h"

struct scan {
    const char *p;
    const char *end;
    unsigned depth;
    enum err err;
    const char *why;
};

static bool scan_value(struct scan *s, struct json_value *out);

static struct scan scan_of(struct slice text)
{
    const char *p = text.p ? text.p : "";

    return (struct scan){.p = p, .end = p + text.n};
}

static bool fail(struct scan *s, const char *why)
{
    s->err = ERR_INVALID;
    s->why = s->p == s->end ? "not valid JSON: it ends too early" : why;
    return false;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end &&
           (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

/* Steps over c if it stands at p. */
static bool take(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool scan_hex4(struct scan *s)
{
    for (int i = 0; i < 4; i++) {
        char c = s->p < s->end ? *s->p : '\0';
        bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');

        if (!hex)
            return fail(s, "not valid JSON: \\u without four hex digits");
        s->p++;
    }
    return true;
}

static bool scan_escape(struct scan *s)
{
    static const char known[] = "\"\\/bfnrt";

    s->p++;
    if (take(s, 'u'))
        return scan_hex4(s);
    if (s->p == s->end || !memchr(known, *s->p, sizeof known - 1))
        return fail(s, "not valid JSON: invalid escape in a string");
    s->p++;
    return true;
}

static bool scan_string(struct scan *s)
{
    s->p++;
    for (;;) {
        s->p = json_text_run(s->p, s->end);
        if (take(s, '"'))
            return true;
        if (s->p == s->end || *s->p != '\\')
            return fail(s, "not valid JSON: control character in a string");
        if (!scan_escape(s))
            return false;
    }
}

static bool scan_digits(struct scan *s)
{
    const char *start = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > start || fail(s, "not valid JSON: number without digits");
}

static bool scan_number(struct scan *s)
{
    take(s, '-');
    if (!take(s, '0') && !scan_digits(s))
        return false;
    if (take(s, '.') && !scan_digits(s))
        return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    for (; *word; word++) {
        if (!take(s, *word))
            return fail(s, "not valid JSON: unknown word");
    }
    return true;
}

/* Steps into an object or array. */
static bool enter(struct scan *s)
{
    s->p++;
    if (s->depth++ < JSON_DEPTH_MAX)
        return true;
    s->err = ERR_TOO_LONG;
    s->why = "JSON nested deeper than 64 levels";
    return false;
}

static bool scan_array(struct scan *s)
{
    struct json_value item;

    if (!enter(s))
        return false;
    skip_space(s);
    if (!take(s, ']')) {
        do {
            if (!scan_value(s, &item))
                return false;
            skip_space(s);
        } while (take(s, ','));
        if (!take(s, ']'))
            return fail(s, "not valid JSON: expected , or ] in an array");
    }
    s->depth--;
    return true;
}

static void keep_wanted(struct json_want *want, size_t n_want, struct slice key,
                        struct json_value value)
{
    for (size_t i = 0; i < n_want; i++) {
        if (json_string_is(key, want[i].name)) {
            want[i].value = value;
            return;
        }
    }
}

static bool scan_member(struct scan *s, struct json_want *want, size_t n_want)
{
    struct json_value value;
    struct slice key = {s->p, 0};

    if (s->p == s->end || *s->p != '"')
        return fail(s, "not valid JSON: expected a key in quotes");
    if (!scan_string(s))
        return false;
    key.n = (size_t)(s->p - key.p);
    skip_space(s);
    if (!take(s, ':'))
        return fail(s, "not valid JSON: expected : behind a key");
    if (!scan_value(s, &value))
        return false;
    keep_wanted(want, n_want, key, value);
    return true;
}

static bool scan_object(struct scan *s, struct json_want *want, size_t n_want)
{
    if (!enter(s))
        return false;
    skip_space(s);
    if (!take(s, '}')) {
        do {
            skip_space(s);
            if (!scan_member(s, want, n_want))
                return false;
            skip_space(s);
        } while (take(s, ','));
        if (!take(s, '}'))
            return fail(s, "not valid JSON: expected , or } in an object");
    }
    s->depth--;
    return true;
}

static enum json_type type_at(const struct scan *s)
{
    char c = s->p < s->end ? *s->p : '\0';

    switch (c) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? JSON_NUMBER : JSON_ABSENT;
    }
}

static bool scan_typed(struct scan *s, enum json_type type)
{
    switch (type) {
    case JSON_OBJECT:
        return scan_object(s, NULL, 0);
    case JSON_ARRAY:
        return scan_array(s);
    case JSON_STRING:
        return scan_string(s);
    case JSON_TRUE:
        return scan_word(s, "true");
    case JSON_FALSE:
        return scan_word(s, "false");
    case JSON_NULL:
        return scan_word(s, "null");
    case JSON_NUMBER:
        return scan_number(s);
    case JSON_ABSENT:
        break;
    }
    return fail(s, "not valid JSON: expected a value");
}

static bool scan_value(struct scan *s, struct json_value *out)
{
    const char *start;

    skip_space(s);
    start = s->p;
    out->type = type_at(s);
    if (!scan_typed(s, out->type))
        return false;
    out->raw = (struct slice){start, (size_t)(s->p - start)};
    return true;
}

static bool scan_end(struct scan *s)
{
    skip_space(s);
    return s->p == s->end || fail(s, "not valid JSON: more text behind the value");
}

enum err json_scan_value(struct slice text, struct json_value *out, const char **why)
{
    struct scan s = scan_of(text);

    if (scan_value(&s, out) && scan_end(&s))
        return ERR_NONE;
    *why = s.why;
    return s.err;
}

static void none_found(struct json_want *want, size_t n_want)
{
    for (size_t i = 0; i < n_want; i++)
        want[i].value = (struct json_value){JSON_ABSENT, SLICE_NONE};
}

enum err json_scan_object(struct slice text, struct json_want *want, size_t n_want,
                          const char **why)
{
    struct scan s = scan_of(text);
    struct json_value other;

    none_found(want, n_want);
    skip_space(&s);
    if (type_at(&s) == JSON_OBJECT) {
        if (scan_object(&s, want, n_want) && scan_end(&s))
            return ERR_NONE;
    } else if (scan_value(&s, &other) && scan_end(&s)) {
        s.err = ERR_INVALID;
        s.why = "not a JSON object";
    }
    *why = s.why;
    return s.err;
}

struct json_items json_items_of(struct slice raw_array)
{
    return (struct json_items){raw_array.p + 1, raw_array.p + raw_array.n - 1};
}

bool json_items_next(struct json_items *items, struct json_value *out,
                     struct json_want *want, size_t n_want)
{
    struct scan s = {.p = items->p, .end = items->end};
    bool ok;

    none_found(want, n_want);
    skip_space(&s);
    if (s.p == s.end)
        return false;
    out->raw.p = s.p;
    out->type = type_at(&s);
    ok = out->type == JSON_OBJECT ? scan_object(&s, want, n_want)
                                  : scan_typed(&s, out->type);
    out->raw.n = (size_t)(s.p - out->raw.p);
    skip_space(&s);
    take(&s, ',');
    items->p = s.p;
    return ok;
}
