/* One log line is built on the stack and written with one write(), so that lines of
 * several threads never mix. The format string is walked pair by pair: each conversion is
 * printed by itself, so that a value can be quoted (text) or typed (JSON) and no value,
 * whatever a client put into it, can forge another pair or another line. */
#include "server/base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/base/slice.h"

enum { LINE_MAX_BYTES = 4096, VALUE_MAX_BYTES = 2048 };

/* Named atomics, as STYLE.md allows: set once at start, read by every thread. */
static _Atomic int log_min_level = LOG_LEVEL_INFO;
static _Atomic int log_line_form = LOG_FORM_TEXT;

struct line {
    char p[LINE_MAX_BYTES];
    size_t n;
    bool json;
};

struct value {
    char p[VALUE_MAX_BYTES];
    size_t n;
    bool number; /* printed by a numeric conversion alone */
};

void log_setup(enum log_level level, enum log_form form)
{
    atomic_store(&log_min_level, (int)level);
    atomic_store(&log_line_form, (int)form);
}

/* A closing quote, the closing brace and the newline always fit behind what put() lets
 * in. */
static size_t room_in(const struct line *l)
{
    return sizeof l->p - 3 - l->n;
}

static void put(struct line *l, const char *p, size_t n)
{
    if (n > room_in(l))
        n = room_in(l);
    memcpy(l->p + l->n, p, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static void put_quoted(struct line *l, const char *p, size_t n)
{
    put(l, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        char esc[8];

        if (room_in(l) < sizeof esc && (c & 0xc0) != 0x80)
            break; /* cut before an escape or a character, not inside */
        if (c == '"' || c == '\\') {
            esc[0] = '\\';
            esc[1] = (char)c;
            put(l, esc, 2);
        } else if (c < 0x20 || c == 0x7f) {
            put(l, esc, (size_t)snprintf(esc, sizeof esc, "\\u%04x", c));
        } else {
            put(l, p + i, 1);
        }
    }
    l->p[l->n++] = '"';
}

static bool plain(const struct value *v)
{
    for (size_t i = 0; i < v->n; i++) {
        unsigned char c = (unsigned char)v->p[i];

        if (c <= 0x20 || c == 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return v->n > 0;
}

static void put_value(struct line *l, const struct value *v)
{
    bool bare = l->json ? v->number : plain(v);

    if (bare)
        put(l, v->p, v->n);
    else
        put_quoted(l, v->p, v->n);
}

static void value_add(struct value *v, const char *p, size_t n)
{
    size_t room = sizeof v->p - v->n;

    if (n > room)
        n = room;
    memcpy(v->p + v->n, p, n);
    v->n += n;
}

/* Prints one conversion into the value; returns the format behind it. */
static const char *convert(struct value *v, const char *f, va_list *args)
{
    char digits[32];
    int longs = 0, n = 0;
    bool size = false;

    assert(*f == '%');
    f++;
    if (strncmp(f, ".*s", 3) == 0) {
        int len = va_arg(*args, int);
        const char *s = va_arg(*args, const char *);

        value_add(v, s ? s : "", s && len > 0 ? (size_t)len : 0);
        v->number = false;
        return f + 3;
    }
    for (; *f == 'l' || *f == 'z'; f++) {
        longs += *f == 'l';
        size |= *f == 'z';
    }
    v->number = v->number && *f != 's';
    if (*f == 's') {
        const char *s = va_arg(*args, const char *);

        s = s ? s : "";
        value_add(v, s, strlen(s));
    } else if (*f == 'd') {
        long long x = longs > 1   ? va_arg(*args, long long)
                      : longs > 0 ? va_arg(*args, long)
                                  : va_arg(*args, int);

        n = snprintf(digits, sizeof digits, "%lld", x);
    } else if (*f == 'u') {
        unsigned long long x = size        ? va_arg(*args, size_t)
                               : longs > 1 ? va_arg(*args, unsigned long long)
                               : longs > 0 ? va_arg(*args, unsigned long)
                                           : va_arg(*args, unsigned);

        n = snprintf(digits, sizeof digits, "%llu", x);
    } else {
        assert(0 && "log formats know %s %.*s %d %u with l, ll and z");
    }
    value_add(v, digits, (size_t)n);
    return f + 1;
}

static void put_pairs(struct line *l, const char *f, va_list *args)
{
    while (*f) {
        const char *equals = strchr(f, '=');
        struct value v;

        assert(equals);
        v.n = 0;
        v.number = true;
        put_str(l, l->json ? ",\"" : " ");
        put(l, f, (size_t)(equals - f));
        put_str(l, l->json ? "\":" : "=");
        for (f = equals + 1; *f && *f != ' ';) {
            if (*f == '%') {
                f = convert(&v, f, args);
            } else {
                value_add(&v, f++, 1);
                v.number = false;
            }
        }
        put_value(l, &v);
        f += *f == ' ';
    }
}

static void put_head(struct line *l, enum log_level level, const char *id)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct timespec now;
    struct tm utc;
    char when[64], text[160];
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + n, sizeof when - n, ".%03ldZ", now.tv_nsec / 1000000);
    if (l->json)
        snprintf(text, sizeof text, "{\"time\":\"%s\",\"level\":\"%s\",\"id\":\"%s\"",
                 when, names[level], id);
    else
        snprintf(text, sizeof text, "%s %s %s", when, names[level], id);
    put_str(l, text);
}

void log_at(enum log_level level, const char *id, const char *format, ...)
{
    struct line l;
    va_list args;
    ssize_t written;

    if ((int)level < atomic_load(&log_min_level))
        return;
    l.n = 0;
    l.json = atomic_load(&log_line_form) == LOG_FORM_JSON;
    put_head(&l, level, id);
    va_start(args, format);
    put_pairs(&l, format, &args);
    va_end(args);
    if (l.json)
        l.p[l.n++] = '}';
    l.p[l.n++] = '\n';
    written = write(STDERR_FILENO, l.p, l.n);
    (void)written; /* nowhere is left to report it */
}
