/* A growing byte buffer, embedded in its owner. One thread at a time. Pointers into it
 * live until the next add. */
#ifndef MUSTER_BASE_BUF_H
#define MUSTER_BASE_BUF_H

#include <stdarg.h>

#include "server/base/slice.h"

struct buf {
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
};

#define BUF_INIT ((struct buf){NULL, 0, 0})

/** Frees the bytes; the buffer is empty and may be used again. */
void buf_fini(struct buf *b);
/** Room for n more bytes behind the used ones; returns where they go (borrowed). */
char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_char(struct buf *b, char c);
/** As printf; grows to fit. */
void buf_addf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** As vprintf. */
void buf_vaddf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/** The bytes with a NUL behind them (not counted in n); borrowed. */
const char *buf_cstr(struct buf *b);

#define buf_add_lit(b, literal) buf_add((b), (literal), sizeof(literal) - 1)

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->p ? b->p : "", b->n};
}

#endif
