#include "conf/report.h"

#include <stdarg.h>
#include <stdio.h>

enum { REPORT_MAX = 100, KEY_SHOWN_MAX = 120, MESSAGE_MAX = 512 };

void place_print(struct buf *out, struct place at)
{
    if (!at.file)
        return;
    if (at.line)
        buf_addf(out, "%s:%u: ", at.file, at.line);
    else
        buf_addf(out, "%s: ", at.file);
}

/* A line of the report is one line, whatever a file's keys or the environment hold. */
static void blank_controls(struct buf *b, size_t from)
{
    for (size_t i = from; i < b->n; i++) {
        unsigned char c = (unsigned char)b->p[i];

        if (c < 0x20 || c == 0x7f)
            b->p[i] = '?';
    }
}

static void add_line(struct buf *out, struct place at, const char *key,
                     const char *message)
{
    size_t from = out->n;

    place_print(out, at);
    if (key)
        buf_addf(out, "%.*s: ", KEY_SHOWN_MAX, key);
    buf_addf(out, "%s", message);
    blank_controls(out, from);
    buf_add_char(out, '\n');
}

bool report_is_full(const struct report *r)
{
    return r->n_errors >= REPORT_MAX;
}

void report_error(struct report *r, struct place at, const char *key, const char *format,
                  ...)
{
    char message[MESSAGE_MAX];
    va_list args;

    if (r->n_errors++ >= REPORT_MAX) {
        if (r->n_errors == REPORT_MAX + 1)
            buf_add_lit(r->out, "there is more; it isn't shown\n");
        return;
    }
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    add_line(r->out, at, key, message);
}

void report_warning(struct report *r, struct place at, const char *key,
                    const char *format, ...)
{
    char message[MESSAGE_MAX];
    int n = snprintf(message, sizeof message, "warning: ");
    va_list args;

    if (r->n_warnings++ >= REPORT_MAX)
        return;
    va_start(args, format);
    vsnprintf(message + n, sizeof message - (size_t)n, format, args);
    va_end(args);
    add_line(r->out, at, key, message);
}
