/* One scan serves both formats. It knows just enough of them to tell strings from
 * comments, and copies byte by byte, so lines and columns stay what they were. */
#include "conf/scan.h"

#include <ctype.h>
#include <string.h>

static void emit(struct scan *s, char c)
{
    buf_add_char(&s->text->bytes, c);
    if (c != '\n')
        return;
    s->text->line++;
    s->at.line++;
}

static void copy(struct scan *s)
{
    emit(s, *s->p++);
}

static void blank(struct scan *s)
{
    emit(s, *s->p == '\n' ? '\n' : ' ');
    s->p++;
}

static bool at_text(const struct scan *s, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(s->end - s->p) >= n && memcmp(s->p, text, n) == 0;
}

/* libconfig gives a C string, where \x00 would be the end. */
static void copy_escape(struct scan *s)
{
    if (s->text->form == TEXT_LIBCONFIG && (at_text(s, "\\x00") || at_text(s, "\\X00")))
        report_error(s->r, s->at, NULL, "a string must not hold \\x00");
    copy(s);
    if (s->p < s->end)
        copy(s);
}

/* libconfig 1.5 leaks a string that its grammar doesn't want. It wants one behind an
 * equals sign, behind another string, and as an item of a list. */
static bool string_may_stand(const struct text *t)
{
    char bracket = t->depth ? t->brackets[t->depth - 1] : '{';

    return strchr("=:\"", t->last) || (bracket != '{' && strchr("[(,", t->last));
}

/* A string of libconfig may hold newlines; what JSON's may hold is left to its parser. */
static void scan_string(struct scan *s)
{
    struct place start = s->at;

    if (s->text->form == TEXT_LIBCONFIG && !string_may_stand(s->text))
        report_error(s->r, s->at, NULL, "a string can't stand here");
    copy(s);
    while (s->p < s->end && *s->p != '"') {
        if (*s->p == '\n' && s->text->form == TEXT_JSON)
            return;
        if (*s->p == '\\')
            copy_escape(s);
        else
            copy(s);
    }
    if (s->p < s->end)
        copy(s);
    else
        report_error(s->r, start, NULL, "this string is never closed");
}

static void scan_line_comment(struct scan *s)
{
    while (s->p < s->end && *s->p != '\n')
        blank(s);
}

static void scan_block_comment(struct scan *s)
{
    struct place start = s->at;

    while (s->p < s->end && !at_text(s, "*/"))
        blank(s);
    if (s->p == s->end) {
        report_error(s->r, start, NULL, "this comment is never closed");
        return;
    }
    blank(s);
    blank(s);
}

static void scan_word(struct scan *s)
{
    while (s->p < s->end && (isalnum((unsigned char)*s->p) || strchr("-_*", *s->p)))
        copy(s);
}

/* libconfig 1.5 cuts numbers off at 32 bits without a word: 4294973297 would be port
 * 6001. No key takes more than nine digits (seven of hexadecimal). */
static void scan_number(struct scan *s)
{
    bool hex = at_text(s, "0x") || at_text(s, "0X");
    unsigned n_digits = 0;

    if (hex) {
        copy(s);
        copy(s);
    }
    for (; s->p < s->end; copy(s)) {
        unsigned char c = (unsigned char)*s->p;

        if (hex ? !isxdigit(c) : !isdigit(c))
            break;
        n_digits += n_digits > 0 || c != '0';
    }
    if (n_digits > (hex ? 7 : 9))
        report_error(s->r, s->at, NULL, "this number is too large");
}

static void scan_bracket(struct scan *s)
{
    struct text *t = s->text;
    bool opens = strchr("{[(", *s->p);

    if (opens && t->depth == TEXT_MAX_DEPTH)
        report_error(s->r, s->at, NULL, "nested deeper than %d levels", TEXT_MAX_DEPTH);
    else if (opens)
        t->brackets[t->depth++] = *s->p;
    else if (t->depth)
        t->depth--;
    copy(s);
}

static bool at_line_start(const struct scan *s)
{
    size_t n = s->text->bytes.n;

    while (n && (s->text->bytes.p[n - 1] == ' ' || s->text->bytes.p[n - 1] == '\t'))
        n--;
    return n == 0 || s->text->bytes.p[n - 1] == '\n';
}

/* The name between the quotes of "@include "name"", which p stands at; p moves behind it.
 */
static struct slice include_name(struct scan *s)
{
    const char *p = s->p + strlen("@include");
    const char *close;

    while (p < s->end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == s->end || *p != '"')
        return SLICE_NONE;
    p++;
    for (close = p; close < s->end && *close != '"' && *close != '\n'; close++)
        ;
    if (close == s->end || *close == '\n' || close == p)
        return SLICE_NONE;
    s->p = close + 1;
    return (struct slice){p, (size_t)(close - p)};
}

static void scan_at(struct scan *s)
{
    struct slice name = SLICE_NONE;

    if (at_text(s, "@include") && at_line_start(s))
        name = include_name(s);
    if (!name.p) {
        report_error(s->r, s->at, NULL,
                     "'@' stands only in a line that begins with @include \"FILE\"");
        s->p++;
        return;
    }
    scan_include(s, name);
    text_add_span(s->text, s->at);
}

static void scan_libconfig_step(struct scan *s)
{
    if (*s->p == '#')
        scan_line_comment(s);
    else if (*s->p == '@')
        scan_at(s);
    else if (isdigit((unsigned char)*s->p))
        scan_number(s);
    else if (isalpha((unsigned char)*s->p))
        scan_word(s);
    else
        copy(s);
}

static unsigned char last_byte(const struct text *t)
{
    return t->bytes.n ? (unsigned char)t->bytes.p[t->bytes.n - 1] : ' ';
}

static void scan_step(struct scan *s)
{
    if (*s->p == '"')
        scan_string(s);
    else if (at_text(s, "//"))
        scan_line_comment(s);
    else if (at_text(s, "/*"))
        scan_block_comment(s);
    else if (strchr("{}[]()", *s->p))
        scan_bracket(s);
    else if (s->text->form == TEXT_LIBCONFIG)
        scan_libconfig_step(s);
    else
        copy(s);
    if (!isspace(last_byte(s->text)))
        s->text->last = (char)last_byte(s->text);
}

/* The place of the byte at p. */
static struct place place_of(const struct scan *s, const char *p)
{
    struct place at = s->at;

    for (const char *q = s->p; q < p; q++)
        at.line += *q == '\n';
    return at;
}

void scan_file(struct scan *s)
{
    size_t n = (size_t)(s->end - s->p);
    const char *nul = n ? memchr(s->p, '\0', n) : NULL;

    text_add_span(s->text, s->at);
    if (nul) {
        report_error(s->r, place_of(s, nul), NULL, "a NUL byte: not a text file");
        return;
    }
    if (at_text(s, "\xef\xbb\xbf")) /* a byte order mark, which editors leave */
        s->p += 3;
    while (s->p < s->end)
        scan_step(s);
    if (s->n_includes)
        emit(s, '\n');
}
