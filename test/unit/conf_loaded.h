/* What the tests of the configuration share: loading from memory or a file, and what they
 * expect of it. */
#ifndef MUSTER_TEST_CONF_LOADED_H
#define MUSTER_TEST_CONF_LOADED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/load.h"

static const char *const no_environment[] = {NULL};

/* What one loading gave; each test ends it with loaded_fini. */
struct loaded {
    enum err err;
    struct conf *conf;
    struct buf problems;
};

enum { VARIABLES_MAX = 16 };

/* The environment as the program has it: writable, NULL at the end. */
static inline void copy_environment(const char *const *from, char *to[VARIABLES_MAX])
{
    size_t n = 0;

    for (; *from; from++)
        to[n++] = strdup(*from);
    to[n] = NULL;
}

static inline void free_environment(char **environment)
{
    for (; *environment; environment++)
        free(*environment);
}

static inline struct loaded load(const char *bytes, enum text_form form, const char *name,
                                 const char *const *variables)
{
    struct loaded l = {.problems = BUF_INIT};
    char *environment[VARIABLES_MAX];

    copy_environment(variables, environment);
    l.err =
        conf_load_memory(&l.conf, slice_of(bytes), form, name, environment, &l.problems);
    buf_cstr(&l.problems);
    free_environment(environment);
    return l;
}

static inline struct loaded load_json(const char *bytes)
{
    return load(bytes, TEXT_JSON, "config.json", no_environment);
}

static inline struct loaded load_cfg(const char *bytes)
{
    return load(bytes, TEXT_LIBCONFIG, "muster.cfg", no_environment);
}

static inline struct loaded load_file(const char *path, const char *const *variables)
{
    struct loaded l = {.problems = BUF_INIT};
    char *environment[VARIABLES_MAX];

    copy_environment(variables, environment);
    l.err = conf_load(&l.conf, path, environment, &l.problems);
    buf_cstr(&l.problems);
    free_environment(environment);
    return l;
}

static inline void loaded_fini(struct loaded *l)
{
    conf_free(l->conf);
    buf_fini(&l->problems);
}

static inline void assert_loaded(const struct loaded *l)
{
    if (l->err != ERR_NONE)
        fail_msg("refused: %s", l->problems.p);
    assert_non_null(l->conf);
}

static inline void assert_says(const struct loaded *l, const char *line)
{
    if (!strstr(l->problems.p, line))
        fail_msg("\"%s\" isn't in:\n%s", line, l->problems.p);
}

/* Refused with that line among the problems; ends the loading. */
static inline void assert_refused(struct loaded l, const char *line)
{
    if (l.err != ERR_INVALID)
        fail_msg("\"%s\" was expected, and it was accepted", line);
    assert_null(l.conf);
    assert_says(&l, line);
    loaded_fini(&l);
}

/* ---- files in a folder of their own ---- */

struct folder {
    char path[64];
    char before[4096];
};

static inline int enter_folder(void **state)
{
    struct folder *f = malloc(sizeof *f);

    strcpy(f->path, "/tmp/muster-conf-XXXXXX");
    if (!mkdtemp(f->path) || !getcwd(f->before, sizeof f->before) || chdir(f->path) != 0)
        return -1;
    *state = f;
    return 0;
}

static inline int leave_folder(void **state)
{
    struct folder *f = *state;
    char command[128];
    int rc;

    snprintf(command, sizeof command, "rm -rf %s", f->path);
    rc = chdir(f->before) || system(command);
    free(f);
    return rc;
}

static inline void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *to = fopen(path, "w");

    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, n, to), n);
    assert_int_equal(fclose(to), 0);
}

static inline void write_file(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

#define TEST(name) cmocka_unit_test(name)
#define TEST_IN_FOLDER(name) \
    cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)

#endif
