/* What is refused in a configuration file, and how it is said. */
#include <fcntl.h>
#include <sys/stat.h>

#include "test/unit/conf_loaded.h"

static void an_unknown_key_names_the_nearest(void **state)
{
    (void)state;
    assert_refused(load_json("{\n\"max_conections\": 5}"),
                   "config.json:2: max_conections: unknown key; the nearest known one is "
                   "max_connections\n");
    assert_refused(
        load_cfg("precense: { leave_grace = 1; };"),
        "muster.cfg:1: precense: unknown key; the nearest known one is presence\n");
    assert_refused(load_json("{\"app\": []}"), "the nearest known one is apps\n");
    assert_refused(load_json("{\"max_members_per_channel\": 5}"),
                   "the nearest known one is presence.max_members_per_channel\n");
    assert_refused(load_json("{\"apps\": [\n{},\n{\"Key\": 1}]}"),
                   "config.json:3: apps[1].Key: unknown key; the nearest known one is "
                   "apps[].key\n");
    assert_refused(load_json("{\"apps\":[{\"presence\":{\"leave_grase\": 1}}]}"),
                   "apps[0].presence.leave_grase: unknown key; the nearest known one is "
                   "apps[].presence.leave_grace\n");
}

static void a_dotted_name_is_not_a_group(void **state)
{
    (void)state;
    assert_refused(load_json("{\"presence.leave_grace\": 5}"),
                   "presence.leave_grace: unknown key: write groups one in another");
    assert_refused(load_json("{\"apps[]\": {\"id\": \"a\"}}"), "apps[]: unknown key");
    assert_refused(load_json("{\"\": 5}"), "config.json:1: : unknown key");
}

static void a_control_byte_in_a_name_stays_on_its_line(void **state)
{
    (void)state;
    assert_refused(load_json("{\"po\\nrt\\u001b\": 5}"),
                   "config.json:1: po?rt?: unknown");
}

static void a_wrong_type_names_both(void **state)
{
    (void)state;
    assert_refused(load_json("{\n\n\"port\": \"6001\"}"),
                   "config.json:3: port: must be a whole number, is a string\n");
    assert_refused(load_json("{\"port\": 1.5}"), "is a number with a fraction\n");
    assert_refused(load_json("{\"port\": null}"), "is null\n");
    assert_refused(load_json("{\"demo\": 1}"), "demo: must be true or false, is a whole");
    assert_refused(load_json("{\"presence\": 1}"),
                   "presence: must be a group, is a whole");
    assert_refused(load_json("{\"presence\": [1]}"),
                   "presence: must be a group, is a list");
    assert_refused(load_json("{\"apps\": {}}"),
                   "apps: must be a list of groups, is a group");
    assert_refused(load_json("{\"apps\": [1]}"), "apps[0]: must be a group, is a whole");
    assert_refused(load_json("{\"apps\":[{\"allowed_origins\":[\"a\",2]}]}"),
                   "apps[0].allowed_origins: must be a string, is a whole number\n");
    assert_refused(load_json("[]"), "config.json:1: must be a JSON object\n");
}

static void a_number_out_of_range_names_the_range(void **state)
{
    (void)state;
    assert_refused(load_json("{\"port\": 65536}"),
                   "port: must be from 0 to 65535, is 65536");
    assert_refused(load_json("{\"port\": -1}"), "port: must be from 0 to 65535, is -1");
    assert_refused(load_cfg("activity_timeout = 0;"),
                   "activity_timeout: must be from 1 to 86400 s, is 0\n");
}

static void a_huge_number_is_refused_not_cut_off(void **state)
{
    (void)state;
    assert_refused(load_json("{\"port\": 4294973297}"), "is 4294973297\n");
    assert_refused(load_json("{\n\"port\": 99999999999999999999}"),
                   "config.json:2: not JSON: too big integer");
    assert_refused(load_json("{\"port\": 1e999}"), "not JSON: real number overflow");
    assert_refused(load_cfg("\nport = 4294973297;"),
                   "muster.cfg:2: this number is too large\n");
    assert_refused(load_cfg("port = 0x100001771;"), "this number is too large\n");
    assert_refused(load_cfg("port = 99999999999999999999L;"),
                   "this number is too large\n");
}

static void every_problem_is_reported_and_nothing_applied(void **state)
{
    static const char *const environment[] = {"MUSTER_WORKERS=many", "MUSTER_PROT=1",
                                              NULL};
    struct loaded l = load("{\"port\": -1,\n\"host\": 5,\n\"prot\": 1,\n\"log\": "
                           "{\"level\": \"loud\"}, \"apps\": [{\"key\": \"a:b\"}]}",
                           TEXT_JSON, "c.json", environment);

    (void)state;
    assert_string_equal(
        l.problems.p,
        "c.json:1: port: must be from 0 to 65535, is -1\n"
        "c.json:2: host: must be a string, is a whole number\n"
        "c.json:3: prot: unknown key; the nearest known one is port\n"
        "c.json:4: log.level: must be one of debug, info, warn, error, is \"loud\"\n"
        "MUSTER_WORKERS: workers: must be a whole number, is \"many\"\n"
        "MUSTER_PROT: unknown variable; the nearest known one is MUSTER_PORT\n"
        "c.json:4: apps[0].key: may hold only letters, digits and -_.~\n");
    assert_refused(l, "port");
}

static void two_apps_of_one_id_or_key_are_refused(void **state)
{
    struct loaded l =
        load_json("{\"apps\": [\n{\"id\": \"a\", \"key\": \"x\"},\n{\"id\": "
                  "\"b\", \"key\": \"y\"},\n{\"id\": \"a\",\n\"key\": "
                  "\"y\"}]}");

    (void)state;
    assert_says(&l, "config.json:4: apps[2].id: apps[0] has the same one, a\n");
    assert_refused(l, "config.json:5: apps[2].key: apps[1] has the same one, y\n");
}

static void a_key_given_twice_is_refused(void **state)
{
    (void)state;
    assert_refused(load_json("{\"port\": 1,\n\"port\": 2}"),
                   "config.json:2: not JSON: duplicate object key");
    assert_refused(load_cfg("port = 1;\nport = 2;"),
                   "muster.cfg:2: not libconfig's form: duplicate setting name");
}

static void broken_syntax_names_line_and_no_secret(void **state)
{
    struct loaded l = load_json("{\"apps\": [{\n\"secret\": \"hush\" \"hush\"}]}");

    (void)state;
    assert_null(strstr(l.problems.p, "hush"));
    assert_refused(l, "config.json:2: not JSON: '}' expected (column ");
    assert_refused(load_json("{\"port\": 1,}"), "not JSON: ");
    assert_refused(load_json("{} {}"), "not JSON: end of file expected");
    assert_refused(load_cfg("port = 1;\nhost 5"), "muster.cfg:2: not libconfig's form");
    assert_refused(load_cfg("a = [1, \"x\"];"), "mismatched element type in array");
    assert_refused(load_cfg("\nport \"x\";"),
                   "muster.cfg:2: a string can't stand here\n");
    assert_refused(load_cfg("\"x\""), "muster.cfg:1: a string can't stand here\n");
}

static void no_message_tells_a_secret(void **state)
{
    static const char *const environment[] = {"MUSTER_APP_SECRET=hush\n",
                                              "MUSTER_APP_ID=a", NULL};
    struct loaded l = load("{\"apps\": [{\"id\": \"a\", \"secret\": \"hush\\u0007\"}]}",
                           TEXT_JSON, "c.json", environment);

    (void)state;
    assert_null(strstr(l.problems.p, "hush"));
    assert_says(&l, "c.json:1: apps[0].secret: must not hold control bytes\n");
    assert_refused(l, "MUSTER_APP_SECRET: apps[].secret: must not hold control bytes\n");
}

static void deep_nesting_is_refused(void **state)
{
    enum { DEPTH = 100000 };
    static char deep[DEPTH + 1];

    (void)state;
    memset(deep, '[', DEPTH);
    deep[DEPTH] = '\0';
    assert_refused(load_json(deep), "config.json:1: nested deeper than 32 levels\n");
    memcpy(deep, "apps = ((", 9);
    memset(deep + 9, '(', DEPTH - 9);
    assert_refused(load_cfg(deep), "muster.cfg:1: nested deeper than 32 levels\n");
}

static void nul_bytes_are_refused(void **state)
{
    struct loaded l = {.problems = BUF_INIT};

    (void)state;
    write_bytes("nul.cfg", "port = 1;\nhost\0= 2;", 19);
    l = load_file("nul.cfg", no_environment);
    assert_refused(l, "nul.cfg:2: a NUL byte: not a text file\n");
    assert_refused(load_json("{\"host\": \"a\\u0000b\"}"),
                   "not JSON: \\u0000 is not allowed");
    assert_refused(load_cfg("host = \"a\\x00b\";"), "a string must not hold \\x00\n");
}

static void files_that_cannot_be_read_are_named(void **state)
{
    int fd;

    (void)state;
    write_file("empty.json", " \n");
    assert_int_equal(mkdir("folder", 0755), 0);
    fd = open("large.cfg", O_CREAT | O_WRONLY, 0600);
    assert_int_equal(ftruncate(fd, 10 * 1024 * 1024 + 1), 0);
    close(fd);
    assert_refused(load_file("empty.json", no_environment),
                   "empty.json: can't be read: it is empty\n");
    assert_refused(load_file("folder", no_environment),
                   "folder: can't be read: it is a directory\n");
    assert_refused(load_file("none.cfg", no_environment),
                   "none.cfg: can't be read: No such file or directory\n");
    assert_refused(load_file("large.cfg", no_environment),
                   "large.cfg: can't be read: it is too large (the limit is 10 MiB)\n");
    assert_refused(load_file("/proc/self/mem", no_environment), "can't be read: ");
}

static void a_file_full_of_errors_is_cut_short(void **state)
{
    struct buf bytes = BUF_INIT;
    struct loaded l;
    size_t n_lines = 0;

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_addf(&bytes, "%s\"unknown%d\":1", i ? "," : "{", i);
    buf_add_char(&bytes, '}');
    l = load_json(buf_cstr(&bytes));
    for (size_t i = 0; i < l.problems.n; i++)
        n_lines += l.problems.p[i] == '\n';
    assert_in_range(n_lines, 100, 101);
    assert_refused(l, "unknown0: unknown key");
    buf_fini(&bytes);
}

static void a_path_prefix_is_a_plain_absolute_path(void **state)
{
    static const char *const bad[] = {"x",     "/",     "/a/",  "//a",
                                      "/a//b", "/a b",  "/a?b", "/a#b",
                                      "/a%20", "/../a", "/a/.", "/\xc3\xa4"};
    static const char *const good[] = {"", "/a", "/a/b-c_d.e~f", "/.well-known/x",
                                       "/a..b"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[64];
        struct loaded l;

        snprintf(text, sizeof text, "{\"path_prefix\": \"%s\"}", good[i]);
        l = load_json(text);
        assert_loaded(&l);
        assert_string_equal(l.conf->path_prefix, good[i]);
        loaded_fini(&l);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];

        snprintf(text, sizeof text, "{\"path_prefix\": \"%s\"}", bad[i]);
        assert_refused(load_json(text), "config.json:1: path_prefix: must ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_key_names_the_nearest),
        TEST(a_dotted_name_is_not_a_group),
        TEST(a_control_byte_in_a_name_stays_on_its_line),
        TEST(a_wrong_type_names_both),
        TEST(a_number_out_of_range_names_the_range),
        TEST(a_huge_number_is_refused_not_cut_off),
        TEST(every_problem_is_reported_and_nothing_applied),
        TEST(two_apps_of_one_id_or_key_are_refused),
        TEST(a_key_given_twice_is_refused),
        TEST(broken_syntax_names_line_and_no_secret),
        TEST(no_message_tells_a_secret),
        TEST(deep_nesting_is_refused),
        TEST_IN_FOLDER(nul_bytes_are_refused),
        TEST_IN_FOLDER(files_that_cannot_be_read_are_named),
        TEST(a_file_full_of_errors_is_cut_short),
        TEST(a_path_prefix_is_a_plain_absolute_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
