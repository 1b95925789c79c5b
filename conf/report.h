/* What is wrong with a configuration: a list of lines, each with the place it speaks of.
 * A report borrows the buffer it writes to. One thread: the one that loads. */
#ifndef MUSTER_CONF_REPORT_H
#define MUSTER_CONF_REPORT_H

#include <stdbool.h>

#include "server/base/buf.h"

/* Where a value stands. file borrows: the text's file name, or an environment variable's
 * name (then line is 0). */
struct place {
    const char *file; /* NULL: nowhere, the line has no prefix */
    unsigned line;    /* from 1; 0 none */
};

struct report {
    struct buf *out;
    unsigned n_errors;
    unsigned n_warnings;
};

/** Adds "file:line: key: message". key may be NULL. Control bytes become '?', and behind
 * a hundred errors only their number is kept. Never pass a secret's value. */
void report_error(struct report *r, struct place at, const char *key, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/** As report_error, with "warning: " before the message; a warning refuses nothing. */
void report_warning(struct report *r, struct place at, const char *key,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/** Whether further errors would go unprinted: a walk may stop. */
bool report_is_full(const struct report *r);
/** Writes the prefix "file:line: " alone. */
void place_print(struct buf *out, struct place at);

#endif
