/* Memory that is always there: out of memory aborts, so no signature carries it.
 * Any thread. What these return belongs to the caller, who ends it with free(). */
#ifndef MUSTER_BASE_XALLOC_H
#define MUSTER_BASE_XALLOC_H

#include <stddef.h>

/** size bytes, uninitialised; never NULL. Cap a size that a peer controls before this. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
/** count * size zeroed bytes; aborts where the product overflows. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/** As realloc(); takes p, which may be NULL. */
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/** A copy of n bytes and a NUL behind them. */
char *xmemdup0(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
/** A copy of a NUL-terminated string. */
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

#endif
