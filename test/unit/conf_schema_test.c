/* Every key of the schema, by every way in; and the files that repeat the schema. Run
 * from the repository's top. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/load.h"
#include "conf/parse.h"
#include "conf/read.h"
#include "conf/schema.h"
#include "conf/value.h"

static bool is_list(const struct conf_key *key)
{
    return key->type == CONF_LIST || key->type == CONF_PAIRS || key->type == CONF_FLAGS;
}

/* A value for a key, as each form writes it. */
struct sample {
    char json[512];
    char libconfig[512];
    char variable[512];
};

/* A text that every rule of the schema lets through, for the key's own. */
static const char *good_text(const struct conf_key *key)
{
    static const char *const texts[] = {"sample", "/sample", "https://sample",
                                        "X-Sample: sample", "sample:1"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!key->check || !key->check(texts[i]))
            return texts[i];
    return "none";
}

/* A good value that isn't the default. */
static void make_sample(const struct conf_key *key, struct sample *s)
{
    const char *text = good_text(key);

    switch (key->type) {
    case CONF_BOOL:
        text = strcmp(key->initial, "true") == 0 ? "false" : "true";
        snprintf(s->variable, sizeof s->variable, "%s", text);
        break;
    case CONF_UNSIGNED:
        snprintf(s->variable, sizeof s->variable, "%u", key->max - 1);
        break;
    case CONF_ENUM:
        text = strcmp(key->initial, key->choices[1]) == 0 ? key->choices[0]
                                                          : key->choices[1];
        snprintf(s->variable, sizeof s->variable, "%s", text);
        break;
    case CONF_FLAGS:
        snprintf(s->variable, sizeof s->variable, "%s", key->choices[1]);
        break;
    case CONF_GROUPS: /* a group is shown as its first string */
        snprintf(s->variable, sizeof s->variable, "https://sample");
        break;
    case CONF_STRING:
    case CONF_LIST:
    case CONF_PAIRS:
        snprintf(s->variable, sizeof s->variable, "%s", text);
        break;
    }
    if (key->type == CONF_BOOL || key->type == CONF_UNSIGNED)
        snprintf(s->json, sizeof s->json, "%.100s", s->variable);
    else if (is_list(key))
        snprintf(s->json, sizeof s->json, "[\"%.100s\"]", s->variable);
    else
        snprintf(s->json, sizeof s->json, "\"%.100s\"", s->variable);
    strcpy(s->libconfig, s->json);
    if (key->type == CONF_GROUPS) {
        strcpy(s->json, "[{\"url\": \"https://sample\"}]");
        strcpy(s->libconfig, "({ url = \"https://sample\"; })");
    }
}

/* What a group can't do without, where the value is another key's. */
static void write_required(struct buf *out, const char *list, const char *rest, bool json)
{
    if (strncmp(list, "webhooks[]", 10) == 0 && strcmp(rest, "url") != 0)
        buf_addf(out, json ? ", \"url\": \"https://x\"" : "url = \"https://x\";");
}

/* Writes value under the key's path, groups around it, in either form. In JSON the braces
 * are the caller's. */
static void write_inner(struct buf *out, const char *path, const char *value, bool json)
{
    const char *dot = strchr(path, '.');
    size_t n = dot ? (size_t)(dot - path) : strlen(path);
    bool list = dot && n > 2 && dot[-1] == ']';

    buf_addf(out, json ? "\"%.*s\": " : "%.*s = ", (int)(list ? n - 2 : n), path);
    if (dot) {
        buf_addf(out, list ? (json ? "[{" : "({") : "{");
        write_inner(out, dot + 1, value, json);
        if (list)
            write_required(out, path, dot + 1, json);
        buf_addf(out, list ? (json ? "}]" : "})") : "}");
    } else {
        buf_addf(out, "%s", value);
    }
    buf_addf(out, json ? "" : ";");
}

static void write_nested(struct buf *out, const char *path, const char *value,
                         enum text_form form)
{
    bool json = form == TEXT_JSON;

    buf_addf(out, json ? "{" : "");
    write_inner(out, path, value, json);
    buf_addf(out, json ? "}" : "");
}

static enum err load_value(const struct conf_key *key, const char *value,
                           enum text_form form, struct conf **conf, struct buf *problems)
{
    static char *none[] = {NULL};
    struct buf bytes = BUF_INIT;
    enum err err;

    write_nested(&bytes, key->path, value, form);
    err = conf_load_memory(conf, buf_slice(&bytes), form, "file", none, problems);
    buf_cstr(problems);
    buf_fini(&bytes);
    return err;
}

static enum err load_variable(const struct conf_key *key, const char *value,
                              struct conf **conf, struct buf *problems)
{
    char id[] = "MUSTER_APP_ID=other", name[CONF_ENV_NAME_MAX], variable[1024];
    char *environment[] = {variable, id, NULL};
    enum err err;

    conf_key_env_name(key, name);
    snprintf(variable, sizeof variable, "%s=%s", name, value);
    if (!conf_key_is_of_app(key) || strcmp(name, "MUSTER_APP_ID") == 0)
        environment[1] = NULL;
    err = conf_load_memory(conf, slice_of(""), TEXT_LIBCONFIG, "file", environment,
                           problems);
    buf_cstr(problems);
    return err;
}

/* What the key's offset is into; NULL where there is no group of that kind. */
static void *base_of(const struct conf_key *key, struct conf *conf)
{
    if (conf_key_is_of(key, ""))
        return conf;
    if (conf_key_is_of(key, "apps[]"))
        return &conf->apps[0];
    assert_true(conf_key_is_of(key, "apps[].webhooks[]"));
    return conf->apps[0].n_webhooks ? &conf->apps[0].webhooks[0] : NULL;
}

/* The names of the bits that are set; nothing where all are. */
static void print_flags(const struct conf_key *key, unsigned flags, char out[256])
{
    size_t n = 0, all = 0;

    *out = '\0';
    for (unsigned i = 0; key->choices[i]; i++) {
        all |= 1u << i;
        if (flags & 1u << i)
            n +=
                (size_t)snprintf(out + n, 256 - n, "%s%s", n ? "," : "", key->choices[i]);
    }
    if (flags == all)
        *out = '\0';
}

/* The field as the environment would write it; a group as its first string. */
static void print_field(const struct conf_key *key, struct conf *conf, char out[256])
{
    char *field = value_field(key, base_of(key, conf));
    size_t n;

    switch (key->type) {
    case CONF_BOOL:
        strcpy(out, *(bool *)(void *)field ? "true" : "false");
        return;
    case CONF_UNSIGNED:
        snprintf(out, 256, "%u", *(unsigned *)(void *)field);
        return;
    case CONF_STRING:
        snprintf(out, 256, "%s", *(char **)(void *)field);
        return;
    case CONF_ENUM:
        snprintf(out, 256, "%s", key->choices[*(int *)(void *)field]);
        return;
    case CONF_FLAGS:
        print_flags(key, *(unsigned *)(void *)field, out);
        return;
    case CONF_LIST:
    case CONF_PAIRS:
    case CONF_GROUPS:
        memcpy(&n, field + sizeof(char **), sizeof n);
        snprintf(out, 256, "%s", n ? **(char ***)(void *)field : "");
        return;
    }
}

static void assert_landed(const struct conf_key *key, enum err err, struct conf *conf,
                          struct buf *problems, const char *expected)
{
    char found[256];

    if (err != ERR_NONE)
        fail_msg("%s: %s", key->path, problems->p);
    print_field(key, conf, found);
    if (strcmp(found, expected) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", key->path, found, expected);
    conf_free(conf);
    buf_fini(problems);
}

static void every_key_lands_in_its_field_by_every_way_in(void **state)
{
    (void)state;
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        struct buf problems = BUF_INIT;
        struct conf *conf;
        struct sample s;
        enum err err;

        make_sample(key, &s);
        err = load_value(key, s.json, TEXT_JSON, &conf, &problems);
        assert_landed(key, err, conf, &problems, s.variable);
        err = load_value(key, s.libconfig, TEXT_LIBCONFIG, &conf, &problems);
        assert_landed(key, err, conf, &problems, s.variable);
        if (!conf_key_has_env(key))
            continue;
        err = load_variable(key, s.variable, &conf, &problems);
        assert_landed(key, err, conf, &problems, s.variable);
    }
}

/* How long the part of the path is that names the list of groups that it lies in. */
static size_t list_of(const struct conf_key *key)
{
    const char *end = strrchr(key->path, ']');

    return end ? (size_t)(end - key->path) + 1 : 0;
}

static void no_two_keys_share_a_field(void **state)
{
    (void)state;
    for (const struct conf_key *a = conf_keys; a->path; a++) {
        for (const struct conf_key *b = a + 1; b->path; b++) {
            if (list_of(a) == list_of(b) && strncmp(a->path, b->path, list_of(a)) == 0)
                assert_int_not_equal(a->offset, b->offset);
        }
    }
}

static void assert_refused(const struct conf_key *key, enum err err, struct conf *conf,
                           struct buf *problems, const char *place)
{
    const char *leaf = strrchr(key->path, '.');

    if (err != ERR_INVALID || conf)
        fail_msg("%s: a bad value was accepted (%s)", key->path, place);
    if (strncmp(problems->p, place, strlen(place)) != 0 ||
        !strstr(problems->p, leaf ? leaf : key->path))
        fail_msg("%s: %s", key->path, problems->p);
    buf_fini(problems);
}

static void assert_value_refused(const struct conf_key *key, const char *value)
{
    struct buf problems = BUF_INIT;
    struct conf *conf;
    enum err err;

    err = load_value(key, value, TEXT_JSON, &conf, &problems);
    assert_refused(key, err, conf, &problems, "file:1: ");
    err = load_value(key, value, TEXT_LIBCONFIG, &conf, &problems);
    assert_refused(key, err, conf, &problems, "file:1: ");
}

static void assert_variable_refused(const struct conf_key *key, const char *value)
{
    struct buf problems = BUF_INIT;
    char name[CONF_ENV_NAME_MAX];
    struct conf *conf;
    enum err err;

    conf_key_env_name(key, name);
    err = load_variable(key, value, &conf, &problems);
    assert_refused(key, err, conf, &problems, name);
}

static void every_key_refuses_every_other_type(void **state)
{
    static const struct {
        const char *value;
        enum conf_type type; /* that it would be right for */
    } values[] = {
        {"true", CONF_BOOL},
        {"3", CONF_UNSIGNED},
        {"\"json\"", CONF_STRING},
        {"[\"x\"]", CONF_LIST},
        {"1.5", CONF_ENUM} /* right for none */,
    };

    (void)state;
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        enum conf_type type = key->type == CONF_ENUM ? CONF_STRING : key->type;

        type = type == CONF_PAIRS ? CONF_LIST : type;
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
            if (values[i].type != type)
                assert_value_refused(key, values[i].value);
    }
}

static void every_range_is_kept_at_both_ends(void **state)
{
    (void)state;
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        char low[32], high[32];

        if (key->type != CONF_UNSIGNED)
            continue;
        snprintf(low, sizeof low, "%lld", (long long)key->min - 1);
        snprintf(high, sizeof high, "%lld", (long long)key->max + 1);
        assert_value_refused(key, low);
        assert_value_refused(key, high);
        assert_true(conf_key_has_env(key));
        assert_variable_refused(key, low);
        assert_variable_refused(key, high);
        assert_variable_refused(key, "many");
    }
}

static void every_string_has_a_longest_length(void **state)
{
    (void)state;
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        char longest[4000] = "\"/", *value = longest;

        if (key->type != CONF_STRING)
            continue;
        memset(longest + 2, 'x', key->max);
        strcpy(longest + 2 + key->max, "\"");
        assert_value_refused(key, value);
        if (key->min)
            assert_value_refused(key, "\"\"");
    }
}

static void every_default_is_within_its_range(void **state)
{
    static char *none[] = {NULL};
    struct buf problems = BUF_INIT;
    struct conf *conf;

    (void)state;
    assert_int_equal(conf_load_memory(&conf,
                                      SLICE("{\"apps\":[{\"webhooks\":[{"
                                            "\"url\":\"http://x\"}]}]}"),
                                      TEXT_JSON, "f", none, &problems),
                     ERR_NONE);
    assert_int_equal(problems.n, 0);
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        char found[256];

        print_field(key, conf, found);
        if (key->initial && key->type != CONF_GROUPS)
            assert_string_equal(found, key->initial);
    }
    conf_free(conf);
}

static void every_key_has_a_variable_of_its_own(void **state)
{
    char name[CONF_ENV_NAME_MAX];

    (void)state;
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        conf_key_env_name(key, name);
        assert_int_equal(conf_key_has_env(key), *name != '\0');
        assert_ptr_equal(conf_key_find_env(name), *name ? key : NULL);
        assert_ptr_equal(conf_key_find(key->path), key);
        assert_true(strlen(key->path) < CONF_PATH_MAX);
        assert_true(strlen(key->help) < 80);
    }
    conf_key_env_name(conf_key_find("apps[].presence.leave_grace"), name);
    assert_string_equal(name, "MUSTER_APP_PRESENCE_LEAVE_GRACE");
}

/* ---- the files that repeat the schema ---- */

/* Takes the settings that are left out back in: a # with no space behind it goes. */
static void uncomment(struct buf *bytes)
{
    for (size_t i = 0; i + 1 < bytes->n; i++)
        if (bytes->p[i] == '#' && bytes->p[i + 1] != ' ')
            bytes->p[i] = ' ';
}

static const struct node *find_node(const struct node *root, const char *path)
{
    const struct node *node = root;

    while (node && *path) {
        char name[CONF_PATH_MAX];
        size_t n = strcspn(path, ".");

        snprintf(name, sizeof name, "%.*s", (int)n, path);
        path += n + (path[n] == '.');
        n = strlen(name);
        if (name[n - 1] != ']') {
            node = node_get(node, name);
            continue;
        }
        name[n - 2] = '\0';
        node = node_get(node, name);
        node =
            node && node->type == NODE_LIST && node->items.n ? &node->items.v[0] : NULL;
    }
    return node;
}

static void the_example_shows_every_key_with_its_default_and_help(void **state)
{
    static char *none[] = {NULL};
    struct buf bytes = BUF_INIT, problems = BUF_INIT;
    struct report r = {.out = &problems};
    struct conf *conf;
    struct text text;
    struct node root;

    (void)state;
    assert_null(read_whole_file("conf/muster.cfg.example", TEXT_MAX_BYTES, &bytes));
    assert_int_equal(conf_load_memory(&conf, buf_slice(&bytes), TEXT_LIBCONFIG, "example",
                                      none, &problems),
                     ERR_NONE);
    assert_non_null(strstr(conf->missing, "apps[0].secret is missing\n"));
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        char found[256] = "";

        if (base_of(key, conf))
            print_field(key, conf, found);
        if (key->initial && strcmp(found, key->initial) != 0)
            fail_msg("%s = %s in the example, and %s by default", key->path, found,
                     key->initial);
        if (!strstr(key->help, "The app's own") && !strstr(buf_cstr(&bytes), key->help))
            fail_msg("%s: \"%s\" isn't in the example", key->path, key->help);
    }
    conf_free(conf);
    uncomment(&bytes);
    assert_int_equal(text_load_memory(&text, buf_slice(&bytes), TEXT_LIBCONFIG, "e", &r),
                     ERR_NONE);
    if (parse_text(&root, &text, &r) != ERR_NONE)
        fail_msg("%s", buf_cstr(&problems));
    for (const struct conf_key *key = conf_keys; key->path; key++)
        if (!find_node(&root, key->path))
            fail_msg("%s isn't in the example", key->path);
    node_fini(&root);
    text_fini(&text);
    buf_fini(&bytes);
    buf_fini(&problems);
}

static void the_demos_file_has_two_apps_and_a_lobby_of_four(void **state)
{
    static char *none[] = {NULL};
    struct buf problems = BUF_INIT;
    struct conf *conf;

    (void)state;
    assert_int_equal(conf_load(&conf, "conf/demo.cfg", none, &problems), ERR_NONE);
    assert_int_equal(problems.n, 0);
    assert_null(conf->missing);
    assert_true(conf->demo);
    assert_string_equal(conf->host, "127.0.0.1");
    assert_int_equal(conf->n_apps, 2);
    assert_string_equal(conf->apps[0].key, "demo-key");
    assert_int_equal(conf->apps[0].presence.max_members_per_channel, 100);
    assert_string_equal(conf->apps[1].key, "lobby-key");
    assert_int_equal(conf->apps[1].presence.max_members_per_channel, 4);
    for (size_t i = 0; i < 2; i++) {
        assert_true(conf->apps[i].enable_client_messages);
        assert_true(conf->apps[i].enable_user_authentication);
        assert_int_equal(conf->apps[i].user_authentication_timeout, 0);
    }
    conf_free(conf);
}

static void the_printed_lists_name_every_key(void **state)
{
    static void (*const prints[])(FILE *) = {conf_print_keys, conf_print_markdown};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *text = NULL;
        size_t n;
        FILE *to = open_memstream(&text, &n);

        prints[i](to);
        fclose(to);
        for (const struct conf_key *key = conf_keys; key->path; key++) {
            assert_non_null(strstr(text, key->path));
            assert_non_null(strstr(text, key->help));
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_lands_in_its_field_by_every_way_in),
        cmocka_unit_test(no_two_keys_share_a_field),
        cmocka_unit_test(every_key_refuses_every_other_type),
        cmocka_unit_test(every_range_is_kept_at_both_ends),
        cmocka_unit_test(every_string_has_a_longest_length),
        cmocka_unit_test(every_default_is_within_its_range),
        cmocka_unit_test(every_key_has_a_variable_of_its_own),
        cmocka_unit_test(the_example_shows_every_key_with_its_default_and_help),
        cmocka_unit_test(the_demos_file_has_two_apps_and_a_lobby_of_four),
        cmocka_unit_test(the_printed_lists_name_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
