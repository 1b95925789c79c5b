/* Configuration files as they should be: the user's document, comments, includes, both
 * forms, presence limits. What is refused: conf_refused_test.c; variables and default
 * places: conf_env_test.c; key by key: conf_schema_test.c. */
#include <sys/stat.h>

#include "server/base/log.h"
#include "test/unit/conf_loaded.h"

/* ---- the user's document, verbatim ---- */

static void the_documents_first_configuration_parses(void **state)
{
    struct loaded l = load_json("{\n"
                                "  \"presence\": {\n"
                                "    \"max_members_per_channel\": 100,\n"
                                "    \"max_member_size_in_kb\": 2\n"
                                "  },\n"
                                "  \"apps\": [\n"
                                "    {\n"
                                "      \"id\": \"my-app\",\n"
                                "      \"key\": \"my-key\",\n"
                                "      \"secret\": \"my-secret\",\n"
                                "      \"enable_user_authentication\": true\n"
                                "    }\n"
                                "  ]\n"
                                "}\n");

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.problems.n, 0);
    assert_null(l.conf->missing);
    assert_int_equal(l.conf->n_apps, 1);
    assert_string_equal(l.conf->apps[0].id, "my-app");
    assert_string_equal(l.conf->apps[0].key, "my-key");
    assert_string_equal(l.conf->apps[0].secret, "my-secret");
    assert_true(l.conf->apps[0].enable_user_authentication);
    assert_int_equal(l.conf->apps[0].user_authentication_timeout, 3600);
    assert_int_equal(l.conf->apps[0].presence.max_members_per_channel, 100);
    assert_int_equal(l.conf->presence.max_member_size_in_kb, 2);
    assert_string_equal(l.conf->host, "0.0.0.0");
    loaded_fini(&l);
}

static void the_documents_presence_alone_parses_and_lacks_apps(void **state)
{
    struct loaded l = load_json("{\n"
                                "  \"presence\": {\n"
                                "    \"max_members_per_channel\": 100,\n"
                                "    \"max_member_size_in_kb\": 2\n"
                                "  }\n"
                                "}");

    (void)state;
    assert_loaded(&l);
    assert_string_equal(l.conf->missing,
                        "config.json: apps: at least one app is missing\n");
    loaded_fini(&l);
}

static void the_documents_app_settings_parse_and_lack_key_and_secret(void **state)
{
    struct loaded l = load_json("{\n"
                                "  \"apps\": [\n"
                                "    {\n"
                                "      \"id\": \"my-app\",\n"
                                "      \"enable_user_authentication\": true,\n"
                                "      \"user_authentication_timeout\": 3600\n"
                                "    }\n"
                                "  ]\n"
                                "}");

    (void)state;
    assert_loaded(&l);
    assert_string_equal(l.conf->missing, "config.json:3: apps[0].key is missing\n"
                                         "config.json:3: apps[0].secret is missing\n");
    loaded_fini(&l);
}

static void the_documents_commented_limit_parses(void **state)
{
    struct loaded l =
        load_json("{\n"
                  "  \"presence\": {\n"
                  "    \"max_members_per_channel\": 100  // Adjust based on "
                  "use case\n"
                  "  }\n"
                  "}");

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->presence.max_members_per_channel, 100);
    loaded_fini(&l);
}

static void the_documents_raised_limit_parses_without_a_warning(void **state)
{
    struct loaded l =
        load_json("{\n"
                  "  \"presence\": {\n"
                  "    \"max_members_per_channel\": 500  // Increase from 100\n"
                  "  }\n"
                  "}");

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.problems.n, 0);
    assert_int_equal(l.conf->presence.max_members_per_channel, 500);
    loaded_fini(&l);
}

static void the_documents_activity_timeout_parses(void **state)
{
    struct loaded l =
        load_json("{\n"
                  "  \"activity_timeout\": 120  // Seconds until disconnect\n"
                  "}");

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->activity_timeout, 120);
    loaded_fini(&l);
}

static void the_documents_apps_without_an_id_parse(void **state)
{
    struct loaded a = load_json("{\n"
                                "  \"apps\": [{\n"
                                "    \"enable_user_authentication\": true\n"
                                "  }]\n"
                                "}");

    (void)state;
    assert_loaded(&a);
    assert_string_equal(a.conf->missing, "config.json:2: apps[0].id is missing\n"
                                         "config.json:2: apps[0].key is missing\n"
                                         "config.json:2: apps[0].secret is missing\n");
    assert_string_equal(a.conf->apps[0].id, "");
    loaded_fini(&a);
}

/* ---- comments, includes, forms ---- */

static void comments_go_and_strings_and_lines_stay(void **state)
{
    struct loaded l = load_json("/* one\n two */ {\n"
                                "\"path_prefix\": \"/a//b\", // end \"\n"
                                "\"apps\": [{\"secret\": \"/* \\\" // */\"}],\n"
                                "\"prot\": 1 }");

    (void)state;
    assert_says(&l, "config.json:3: path_prefix: must not hold an empty");
    assert_refused(l, "config.json:5: prot: unknown key");
}

static void a_line_comment_may_be_the_end(void **state)
{
    struct loaded l = load_json("{\"port\": 7} // end");
    struct loaded c = load_cfg("port = 7; # end");

    (void)state;
    assert_loaded(&l);
    assert_loaded(&c);
    loaded_fini(&l);
    loaded_fini(&c);
}

static void an_open_comment_or_string_names_its_beginning(void **state)
{
    (void)state;
    assert_refused(load_json("{\n /* \n\n"),
                   "config.json:2: this comment is never closed");
    assert_refused(load_cfg("port = 1;\nhost = \"a\n\n"),
                   "muster.cfg:2: this string is never closed");
    assert_refused(load_json("{\n\"host\": \"a\n}"), "config.json:2: not JSON: ");
}

static void a_file_is_json_by_its_name_or_its_brace(void **state)
{
    struct loaded a, b, c;

    (void)state;
    write_file("a.conf", "\n {\"port\": 1}");
    write_file("b.json", "// first a comment\n{\"port\": 2}");
    write_file("c.conf", "\xef\xbb\xbfport = 3;\r\nworkers = 2;\r\n");
    a = load_file("a.conf", no_environment);
    b = load_file("b.json", no_environment);
    c = load_file("c.conf", no_environment);
    assert_loaded(&a);
    assert_loaded(&b);
    assert_loaded(&c);
    assert_int_equal(a.conf->port, 1);
    assert_int_equal(b.conf->port, 2);
    assert_int_equal(c.conf->port, 3);
    assert_string_equal(c.conf->source, "c.conf");
    loaded_fini(&a);
    loaded_fini(&b);
    loaded_fini(&c);
}

static void an_include_is_found_beside_its_file_and_errors_name_it(void **state)
{
    struct loaded l;

    (void)state;
    assert_int_equal(mkdir("etc", 0755), 0);
    write_file("etc/main.cfg", "port = 1;\n  @include \"part.cfg\"\nwrkers = 2;\n");
    write_file("etc/part.cfg", "# a comment\nmax_conections = 5;");
    l = load_file("etc/main.cfg", no_environment);
    assert_says(&l, "etc/part.cfg:2: max_conections: unknown key");
    assert_refused(l, "etc/main.cfg:3: wrkers: unknown key");
    write_file("etc/part.cfg", "\n\n= 5;\n");
    assert_refused(load_file("etc/main.cfg", no_environment),
                   "etc/part.cfg:3: not libconfig");
}

static void includes_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    write_file("a.cfg", "\n@include \"none.cfg\"\n@include \"/tmp\"\n@include \"a.cfg\"\n"
                        "@include none\nport = 1; @include \"b.cfg\"\n");
    assert_refused(load_file("a.cfg", no_environment),
                   "a.cfg:2: none.cfg can't be included: No such file or directory\n"
                   "a.cfg:3: /tmp can't be included: it is a directory\n");
    assert_refused(load_file("a.cfg", no_environment), "a.cfg:4: too many files include");
    assert_refused(load_file("a.cfg", no_environment),
                   "a.cfg:6: '@' stands only in a line that begins with @include");
    assert_refused(load_cfg("@include \"a.cfg\""), "@include works only in a file");
}

static void libconfigs_own_forms_are_read(void **state)
{
    struct loaded l =
        load_cfg("host : \"local\" \"host\", port = 0x1770;\n"
                 "log: { level = \"warn\"; format = \"json\" }\n"
                 "apps = ( { id = \"a\"; allowed_origins = [\"x.com\", "
                 "\"*.y.com\"]; }, { id = \"b\"; allowed_origins = (\"z\"); "
                 "enabled = FALSE } );");

    (void)state;
    assert_loaded(&l);
    assert_string_equal(l.conf->host, "localhost");
    assert_int_equal(l.conf->port, 6000);
    assert_int_equal(l.conf->log_level, LOG_LEVEL_WARN);
    assert_int_equal(l.conf->log_form, LOG_FORM_JSON);
    assert_int_equal(l.conf->n_apps, 2);
    assert_int_equal(l.conf->apps[0].n_allowed_origins, 2);
    assert_string_equal(l.conf->apps[0].allowed_origins[1], "*.y.com");
    assert_string_equal(l.conf->apps[1].allowed_origins[0], "z");
    assert_false(l.conf->apps[1].enabled);
    loaded_fini(&l);
}

/* ---- presence limits ---- */

static void an_apps_presence_falls_back_key_by_key(void **state)
{
    struct loaded l = load_json("{\"apps\": [{\"presence\": {\"leave_grace\": 7}}, {}],"
                                "\"presence\": {\"max_members_per_channel\": 5, "
                                "\"leave_grace\": 3}}");

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->apps[0].presence.leave_grace, 7);
    assert_int_equal(l.conf->apps[0].presence.max_members_per_channel, 5);
    assert_int_equal(l.conf->apps[0].presence.max_member_size_in_kb, 2);
    assert_int_equal(l.conf->apps[1].presence.leave_grace, 3);
    loaded_fini(&l);
}

static void the_environments_presence_reaches_the_files_apps(void **state)
{
    static const char *const environment[] = {"MUSTER_PRESENCE_LEAVE_GRACE=9", NULL};
    struct loaded l = load("{\"presence\": {\"leave_grace\": 3}, \"apps\": [{}, "
                           "{\"presence\": {\"leave_grace\": 1}}]}",
                           TEXT_JSON, "c", environment);

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->presence.leave_grace, 9);
    assert_int_equal(l.conf->apps[0].presence.leave_grace, 9);
    assert_int_equal(l.conf->apps[1].presence.leave_grace, 1);
    loaded_fini(&l);
}

static void members_that_exceed_max_pending_are_warned_about(void **state)
{
    struct loaded l = load_json("{\"apps\": [{\"id\": \"a\", \"presence\": "
                                "{\"max_members_per_channel\": 1000}}]}");

    (void)state;
    assert_loaded(&l);
    assert_says(&l,
                "config.json: max_pending_kb: warning: 1024 KiB is less than the members "
                "of a full presence channel of app a may need (2000 KiB)\n");
    loaded_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_documents_first_configuration_parses),
        TEST(the_documents_presence_alone_parses_and_lacks_apps),
        TEST(the_documents_app_settings_parse_and_lack_key_and_secret),
        TEST(the_documents_commented_limit_parses),
        TEST(the_documents_raised_limit_parses_without_a_warning),
        TEST(the_documents_activity_timeout_parses),
        TEST(the_documents_apps_without_an_id_parse),
        TEST(comments_go_and_strings_and_lines_stay),
        TEST(a_line_comment_may_be_the_end),
        TEST(an_open_comment_or_string_names_its_beginning),
        TEST_IN_FOLDER(a_file_is_json_by_its_name_or_its_brace),
        TEST_IN_FOLDER(an_include_is_found_beside_its_file_and_errors_name_it),
        TEST_IN_FOLDER(includes_that_cannot_be_read_are_named),
        TEST(libconfigs_own_forms_are_read),
        TEST(an_apps_presence_falls_back_key_by_key),
        TEST(the_environments_presence_reaches_the_files_apps),
        TEST(members_that_exceed_max_pending_are_warned_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
