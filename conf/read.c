#include "conf/read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16 * 1024 };

static const char *read_all(int fd, size_t max, struct buf *out)
{
    size_t start = out->n;

    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, CHUNK_BYTES), CHUNK_BYTES);

        if (n == 0)
            return NULL;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerror(errno);
        out->n += (size_t)n;
        if (out->n - start > max)
            return "it is too large (the limit is 10 MiB)";
    }
}

const char *read_whole_file(const char *path, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *why;
    struct stat st;

    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        why = "it is a directory";
    else
        why = read_all(fd, max, out);
    close(fd);
    return why;
}
