/* A text and where its lines came from: a list of spans, one a change of file. */
#include "conf/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/read.h"
#include "conf/scan.h"
#include "server/base/xalloc.h"

/* Lines of the bytes, from this one on, that came from one file. */
struct text_span {
    unsigned first;
    struct place at; /* of the first line */
};

void text_add_span(struct text *t, struct place at)
{
    t->spans = xrealloc(t->spans, (t->n_spans + 1) * sizeof *t->spans);
    t->spans[t->n_spans++] = (struct text_span){t->line, at};
}

struct place text_place(const struct text *t, unsigned line)
{
    const struct text_span *span = t->spans;

    for (size_t i = 1; i < t->n_spans && t->spans[i].first <= line; i++)
        span = &t->spans[i];
    if (line < span->first)
        line = span->first;
    return (struct place){span->at.file, span->at.line + line - span->first};
}

enum err text_load_memory(struct text *t, struct slice s, enum text_form form,
                          const char *name, struct report *r)
{
    unsigned n_before = r->n_errors;
    struct scan scan = {.text = t, .r = r, .p = s.p, .end = s.p + s.n, .in_memory = true};

    *t = (struct text){.form = form, .line = 1, .last = ';'};
    t->files[t->n_files++] = xstrdup(name);
    scan.at = (struct place){t->files[0], 1};
    if (s.n > TEXT_MAX_BYTES)
        report_error(r, (struct place){t->files[0], 0}, NULL, "it is too large");
    else
        scan_file(&scan);
    return r->n_errors == n_before ? ERR_NONE : ERR_INVALID;
}

static enum text_form form_of(const char *path, struct slice s)
{
    size_t n = strlen(path), i = 0;

    if (n >= 5 && strcmp(path + n - 5, ".json") == 0)
        return TEXT_JSON;
    if (slice_starts(s, SLICE("\xef\xbb\xbf")))
        i = 3;
    while (i < s.n && isspace((unsigned char)s.p[i]))
        i++;
    return i < s.n && s.p[i] == '{' ? TEXT_JSON : TEXT_LIBCONFIG;
}

static bool only_space(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isspace((unsigned char)s.p[i]))
            return false;
    return true;
}

enum err text_load_file(struct text *t, const char *path, struct report *r)
{
    unsigned n_before = r->n_errors;
    struct buf raw = BUF_INIT;
    struct scan scan = {.text = t, .r = r};
    const char *why = read_whole_file(path, TEXT_MAX_BYTES, &raw);

    if (!why && only_space(buf_slice(&raw)))
        why = "it is empty";
    *t = (struct text){.form = form_of(path, buf_slice(&raw)), .line = 1, .last = ';'};
    t->files[t->n_files++] = xstrdup(path);
    scan.at = (struct place){t->files[0], 1};
    scan.p = buf_cstr(&raw);
    scan.end = scan.p + raw.n;
    if (why)
        report_error(r, (struct place){t->files[0], 0}, NULL, "can't be read: %s", why);
    else
        scan_file(&scan);
    buf_fini(&raw);
    return r->n_errors == n_before ? ERR_NONE : ERR_INVALID;
}

void text_fini(struct text *t)
{
    for (size_t i = 0; i < t->n_files; i++)
        free(t->files[i]);
    free(t->spans);
    buf_fini(&t->bytes);
    *t = (struct text){0};
}
