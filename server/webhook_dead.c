#include "server/webhook_dead.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "protocol/json_scan.h"
#include "server/base/buf.h"
#include "server/base/log.h"

int dead_letters_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        log_error("webhook.dead_letter_file", "path=%s error=%s", path, strerror(errno));
    return fd;
}

static void add_string(struct buf *b, const char *name, struct slice value)
{
    buf_addf(b, "\"%s\":\"", name);
    json_escape(b, value);
    buf_add_lit(b, "\",");
}

static void add_names(struct buf *b, const struct dead_letter *letter)
{
    buf_add_lit(b, "\"headers\":[");
    for (size_t i = 0; i < letter->n_headers; i++) {
        const char *header = letter->headers[i];

        buf_addf(b, "%s\"%.*s\"", i ? "," : "", (int)strcspn(header, ":"), header);
    }
    buf_add_lit(b, "],");
}

void dead_letter_write(int fd, const struct dead_letter *letter)
{
    struct buf b = BUF_INIT;
    ssize_t written;

    buf_addf(&b, "{\"time_ms\":%llu,", (unsigned long long)letter->time);
    add_string(&b, "id", slice_of(letter->id));
    add_string(&b, "app", slice_of(letter->app));
    add_string(&b, "url", slice_of(letter->url));
    add_names(&b, letter);
    add_string(&b, "reason", slice_of(letter->reason));
    buf_addf(&b, "\"status\":%d,\"attempts\":%u,", letter->status, letter->attempts);
    add_string(&b, "body", letter->body);
    b.n--; /* the last comma */
    buf_add_lit(&b, "}\n");
    written = write(fd, b.p, b.n);
    if (written != (ssize_t)b.n)
        log_error("webhook.dead_letter_lost", "id=%s written=%zd of=%zu error=%s",
                  letter->id, written, b.n, written < 0 ? strerror(errno) : "none");
    buf_fini(&b);
}
