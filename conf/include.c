/* @include "FILE". libconfig's own isn't used: it reads a directory as a file, which ends
 * the process inside flex; it looks in the working directory; and up to 1.5 it can't be
 * asked for another way to open files. Here the included text is pasted where the
 * directive stands, and libconfig never sees an '@'. */
#include "conf/scan.h"

#include <string.h>

#include "conf/read.h"

static char *include_path(const char *file, struct slice name)
{
    const char *slash = strrchr(file, '/');
    struct buf path = BUF_INIT;

    if (name.p[0] != '/' && slash)
        buf_add(&path, file, (size_t)(slash - file) + 1);
    buf_add_slice(&path, name);
    buf_cstr(&path);
    return path.p; /* the caller frees it */
}

static const char *include_refusal(const struct scan *s)
{
    if (s->in_memory)
        return "@include works only in a file";
    if (s->n_includes >= TEXT_MAX_INCLUDES)
        return "too many files include one another";
    if (s->text->n_files == TEXT_MAX_FILES)
        return "too many files";
    return NULL;
}

static size_t room_left(const struct text *t)
{
    return t->bytes.n < TEXT_MAX_BYTES ? TEXT_MAX_BYTES - t->bytes.n : 0;
}

void scan_include(const struct scan *s, struct slice name)
{
    const char *why = include_refusal(s);
    struct text *t = s->text;
    struct buf raw = BUF_INIT;
    struct scan inner;
    char *path;

    if (why) {
        report_error(s->r, s->at, NULL, "%s", why);
        return;
    }
    path = include_path(s->at.file, name);
    t->files[t->n_files++] = path;
    why = read_whole_file(path, room_left(t), &raw);
    if (why)
        report_error(s->r, s->at, NULL, "%s can't be included: %s", path, why);
    inner = *s;
    inner.p = why ? "" : buf_cstr(&raw);
    inner.end = inner.p + (why ? 0 : raw.n);
    inner.at = (struct place){path, 1};
    inner.n_includes++;
    scan_file(&inner);
    buf_fini(&raw);
}
