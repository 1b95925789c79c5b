/* Numbers as the scripts write them: decimal without sign or leading blanks, and 16 hex
 * digits. Strict: what isn't exactly that makes the reader not ok, and stays so. Any
 * thread. */
#ifndef MUSTER_ADAPTERS_REDIS_TEXT_H
#define MUSTER_ADAPTERS_REDIS_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/slice.h"

struct text_reader {
    struct slice rest;
    bool ok;
};

/** Skips one byte that must be c. */
void text_literal(struct text_reader *r, char c);
/** Reads digits up to what isn't one: at least one, and no more than 64 bits hold. */
uint64_t text_read_decimal(struct text_reader *r);
/** Reads 16 lower-case hex digits. */
uint64_t text_read_hex16(struct text_reader *r);

/** All of s is one decimal number. */
bool text_decimal(struct slice s, uint64_t *value);
/** All of s is 16 hex digits. */
bool text_hex16(struct slice s, uint64_t *value);

#endif
