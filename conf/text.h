/* The text of a configuration file, made ready for its parser: comments blanked, @include
 * pasted in, and what the libraries don't stand (NUL bytes, deep nesting, numbers that
 * they would cut off, directories) refused with its place. Owned by the loader, one
 * thread. It outlives the nodes that were read from it: their places borrow its file
 * names. */
#ifndef MUSTER_CONF_TEXT_H
#define MUSTER_CONF_TEXT_H

#include "conf/report.h"
#include "server/base/buf.h"
#include "server/base/err.h"

enum text_form { TEXT_JSON, TEXT_LIBCONFIG };

enum {
    TEXT_MAX_BYTES = 10 * 1024 * 1024, /* includes counted */
    TEXT_MAX_DEPTH = 32,               /* brackets */
    TEXT_MAX_INCLUDES = 8,             /* in one another */
    TEXT_MAX_FILES = 64,
};

struct text {
    enum text_form form;
    struct buf bytes;
    unsigned line;                 /* the last line of bytes, from 1 */
    char brackets[TEXT_MAX_DEPTH]; /* open there, outermost first */
    unsigned depth;
    char last; /* the last byte that isn't space */
    struct text_span *spans;
    size_t n_spans;
    char *files[TEXT_MAX_FILES];
    size_t n_files;
};

/** Reads a file, JSON if its name ends in .json or it begins with a brace, else
 * libconfig. ERR_INVALID: the report says why. Either way the caller ends it with
 * text_fini. */
enum err text_load_file(struct text *t, const char *path, struct report *r) MUST_CHECK;
/** As text_load_file, from memory (borrowed for the call); @include is refused. name is
 * what places call it. */
enum err text_load_memory(struct text *t, struct slice s, enum text_form form,
                          const char *name, struct report *r) MUST_CHECK;
void text_fini(struct text *t);
/** From here on, lines of bytes come from at (borrows its file's name, one of t->files).
 */
void text_add_span(struct text *t, struct place at);
/** The file and line that a line of bytes came from; the file's name borrows from t. */
struct place text_place(const struct text *t, unsigned line);

#endif
