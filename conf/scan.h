/* The scan that makes a file's bytes into a text (conf/text.c), shared by the files that
 * carry it out. One thread; lives for one file's scan. */
#ifndef MUSTER_CONF_SCAN_H
#define MUSTER_CONF_SCAN_H

#include <stdbool.h>

#include "conf/text.h"

struct scan {
    struct text *text;
    struct report *r;
    const char *p, *end;
    struct place at;     /* where p stands */
    unsigned n_includes; /* files that this one is included through */
    bool in_memory;
};

/** Adds the file's bytes, from p to end, to the text. */
void scan_file(struct scan *s);
/** Reads the file that s includes by that name and adds its bytes to the text. */
void scan_include(const struct scan *s, struct slice name);

#endif
