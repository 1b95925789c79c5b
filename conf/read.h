/* Reading a whole file with an upper bound. Any thread. */
#ifndef MUSTER_CONF_READ_H
#define MUSTER_CONF_READ_H

#include "server/base/buf.h"

/** Adds the file's bytes to out, at most max. Returns NULL, or why not (a static or
 * strerror's text: valid until the next call). A directory is refused; a pipe is read. */
const char *read_whole_file(const char *path, size_t max, struct buf *out);

#endif
