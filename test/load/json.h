/* Just enough JSON to check what a server sends: a scanner over borrowed text. A value is
 * a slice of the text; strings keep their quotes until json_string undoes the escapes. It
 * accepts all valid JSON and some that isn't: the server's own tests judge that. */
#ifndef MUSTER_LOAD_JSON_H
#define MUSTER_LOAD_JSON_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/base/slice.h"

/* Walks the members of an object or the elements of an array. */
struct json_walk {
    const char *p, *end;
    bool object;
    bool bad; /* the text wasn't JSON */
};

static inline const char *json_space(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    return p;
}

/* Behind the string that starts at p; NULL where it doesn't end. */
static inline const char *json_skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

/* Behind the value that starts at p; NULL where there is none. */
static inline const char *json_skip(const char *p, const char *end)
{
    const char *start = p;
    int depth = 0;

    while (p && p < end) {
        if (*p == '"') {
            p = json_skip_string(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0)
                break;
            depth--;
            p++;
        } else if (depth == 0 && (*p == ',' || *p == ':' || isspace((unsigned char)*p))) {
            break;
        } else {
            p++;
            continue;
        }
        if (depth == 0)
            return p;
    }
    return p == start || depth > 0 ? NULL : p;
}

static inline struct json_walk json_walk(struct slice value)
{
    struct json_walk w = {value.p, value.p ? value.p + value.n : NULL, false, false};

    w.p = json_space(w.p, w.end);
    w.bad = w.p >= w.end || (*w.p != '{' && *w.p != '[');
    w.object = !w.bad && *w.p == '{';
    w.p += !w.bad;
    return w;
}

/* The slice of the value at w->p, which moves behind it and the space that follows. */
static inline bool json_take(struct json_walk *w, struct slice *value)
{
    const char *start = json_space(w->p, w->end), *behind = json_skip(start, w->end);

    if (!behind) {
        w->bad = true;
        return false;
    }
    value->p = start;
    value->n = (size_t)(behind - start);
    w->p = json_space(behind, w->end);
    return true;
}

/** The next member (key with its quotes) or element (key untouched); false at the end. */
static inline bool json_next(struct json_walk *w, struct slice *key, struct slice *value)
{
    w->p = w->bad ? w->end : json_space(w->p, w->end);
    if (w->p >= w->end || *w->p == '}' || *w->p == ']')
        return false;
    if (w->object) {
        if (!json_take(w, key))
            return false;
        w->bad = w->p >= w->end || *w->p != ':';
        w->p += !w->bad;
    }
    if (w->bad || !json_take(w, value))
        return false;
    if (w->p < w->end && *w->p == ',')
        w->p++;
    return true;
}

/** The value of the object's member key (a plain word); absent where there is none. */
static inline struct slice json_member(struct slice object, const char *key)
{
    struct json_walk w = json_walk(object);
    struct slice name = SLICE_NONE, value = SLICE_NONE;

    while (w.object && json_next(&w, &name, &value))
        if (name.n == strlen(key) + 2 && memcmp(name.p + 1, key, name.n - 2) == 0)
            return value;
    return SLICE_NONE;
}

/** True where value is the string text (which needs no escapes). */
static inline bool json_is(struct slice value, const char *text)
{
    size_t n = strlen(text);

    return value.n == n + 2 && value.p[0] == '"' && memcmp(value.p + 1, text, n) == 0;
}

static inline int json_hex(const char *p)
{
    int x = 0;

    for (int i = 0; i < 4; i++) {
        int c = tolower((unsigned char)p[i]);

        if (!isxdigit(c))
            return -1;
        x = x * 16 + (isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return x;
}

/** Writes the string's bytes to out, which has room for value.n, and returns how many; -1
 * where value isn't a string or holds an escape beyond ASCII (nothing sent here needs
 * one). */
static inline long json_string(struct slice value, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *o = out;

    if (value.n < 2 || value.p[0] != '"' || value.p[value.n - 1] != '"')
        return -1;
    for (const char *p = value.p + 1, *end = value.p + value.n - 1; p < end; p++) {
        const char *known;
        int x;

        if (*p != '\\') {
            *o++ = *p;
        } else if (p + 5 < end && p[1] == 'u' && (x = json_hex(p + 2)) >= 0 && x < 128) {
            *o++ = (char)x;
            p += 5;
        } else if (++p < end && (known = strchr(from, *p)) && *known) {
            *o++ = to[known - from];
        } else {
            return -1;
        }
    }
    return o - out;
}

#endif
