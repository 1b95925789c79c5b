/* The file of what couldn't be delivered: one JSON line a batch, whole lines even where
 * several processes append. Belongs to the thread that sends webhooks. */
#ifndef MUSTER_SERVER_WEBHOOK_DEAD_H
#define MUSTER_SERVER_WEBHOOK_DEAD_H

#include <stdint.h>

#include "server/base/err.h"
#include "server/base/slice.h"

struct dead_letter {
    uint64_t time; /* ms since 1970 */
    const char *id, *app, *url;
    const char *const *headers; /* "Name: value", of which the names are written */
    size_t n_headers;
    const char *reason;
    int status;
    unsigned attempts;
    struct slice body; /* written as a string, so that its bytes can be had again */
};

/** Opens the file for appending, for its owner alone. -1: it was logged. */
int dead_letters_open(const char *path);
/** Writes one line; what fails is logged. */
void dead_letter_write(int fd, const struct dead_letter *letter);

#endif
