/* The environment's part of the configuration, and where a file is looked for. */
#include <sys/stat.h>

#include "server/base/log.h"
#include "test/unit/conf_loaded.h"

/* ---- the environment ---- */

static void the_environment_wins_over_the_file(void **state)
{
    static const char *const environment[] = {"PATH=/bin", "MUSTER_PORT=7000",
                                              "MUSTER_DEMO=Yes", "MUSTER_LOG_LEVEL=error",
                                              NULL};
    struct loaded l = load("port = 1; workers = 2;", TEXT_LIBCONFIG, "c", environment);

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->port, 7000);
    assert_int_equal(l.conf->workers, 2);
    assert_true(l.conf->demo);
    assert_int_equal(l.conf->log_level, LOG_LEVEL_ERROR);
    loaded_fini(&l);
}

static void the_environments_app_is_added(void **state)
{
    static const char *const environment[] = {"MUSTER_APP_MAX_CONNECTIONS=5",
                                              "MUSTER_APP_ID=b",
                                              "MUSTER_APP_KEY=b-key",
                                              "MUSTER_APP_SECRET=b-secret",
                                              "MUSTER_APP_ALLOWED_ORIGINS=a.com, *.b.com",
                                              "MUSTER_APP_PRESENCE_LEAVE_GRACE=4",
                                              NULL};
    struct loaded l = load("apps = ({id = \"a\"; key = \"k\"; secret = \"s\"});",
                           TEXT_LIBCONFIG, "c", environment);

    (void)state;
    assert_loaded(&l);
    assert_null(l.conf->missing);
    assert_int_equal(l.conf->n_apps, 2);
    assert_string_equal(l.conf->apps[1].secret, "b-secret");
    assert_int_equal(l.conf->apps[1].max_connections, 5);
    assert_int_equal(l.conf->apps[1].n_allowed_origins, 2);
    assert_string_equal(l.conf->apps[1].allowed_origins[1], "*.b.com");
    assert_int_equal(l.conf->apps[1].presence.leave_grace, 4);
    assert_int_equal(l.conf->apps[0].presence.leave_grace, 0);
    loaded_fini(&l);
}

static void the_environments_app_overrides_the_files_of_that_id(void **state)
{
    static const char *const environment[] = {"MUSTER_APP_ID=a", "MUSTER_APP_SECRET=new",
                                              NULL};
    struct loaded l = load("apps = ({id = \"a\"; key = \"k\"; secret = \"s\"; "
                           "enable_client_messages = true});",
                           TEXT_LIBCONFIG, "c", environment);

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->n_apps, 1);
    assert_string_equal(l.conf->apps[0].secret, "new");
    assert_string_equal(l.conf->apps[0].key, "k");
    assert_true(l.conf->apps[0].enable_client_messages);
    loaded_fini(&l);
}

static void the_environments_app_needs_an_id(void **state)
{
    static const char *const without[] = {"MUSTER_APP_KEY=k", NULL};
    static const char *const with_empty[] = {"MUSTER_APP_KEY=k", "MUSTER_APP_ID=", NULL};

    (void)state;
    assert_refused(load("", TEXT_LIBCONFIG, "c", without),
                   "MUSTER_APP_ID: must name the app");
    assert_refused(load("", TEXT_LIBCONFIG, "c", with_empty),
                   "MUSTER_APP_ID: apps[].id: must be 1 to 64 bytes long, is 0\n");
}

static void bad_values_of_variables_are_refused(void **state)
{
    static const char *const bad[] = {
        "MUSTER_PORT=",     "MUSTER_PORT=6001 ",
        "MUSTER_PORT=0x10", "MUSTER_PORT=99999999999999999999",
        "MUSTER_PORT=-1",   "MUSTER_DEMO=",
        "MUSTER_DEMO=2",    "MUSTER_LOG_FORMAT=xml",
        "MUSTER_HOST=",     "MUSTER_PATH_PREFIX=x",
        "MUSTER_PORT=+5",   "MUSTER_PRESENCE=1",
        "MUSTER_APPS=1",    "MUSTER_=1"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const environment[] = {bad[i], NULL};
        char name[32];

        snprintf(name, sizeof name, "%.*s: ", (int)strcspn(bad[i], "="), bad[i]);
        assert_refused(load("", TEXT_LIBCONFIG, "c", environment), name);
    }
}

static void an_unknown_variable_names_the_nearest(void **state)
{
    static const char *const environment[] = {"MUSTER_APP_SECRTE=hush", NULL};

    (void)state;
    assert_refused(load("", TEXT_LIBCONFIG, "c", environment),
                   "MUSTER_APP_SECRTE: unknown variable; the nearest known one is "
                   "MUSTER_APP_SECRET\n");
}

static void kubernetes_variables_are_ignored_with_one_warning(void **state)
{
    static const char *const variables[] = {"MUSTER_PORT=tcp://10.0.0.1:6001",
                                            "MUSTER_SERVICE_HOST=10.0.0.1",
                                            "MUSTER_SERVICE_PORT=6001",
                                            "MUSTER_SERVICE_PORT_WS=6001",
                                            "MUSTER_PORT_6001_TCP=tcp://10.0.0.1:6001",
                                            "MUSTER_PORT_6001_TCP_PROTO=tcp",
                                            "MUSTER_PORT_6001_TCP_PORT=6001",
                                            "MUSTER_PORT_6001_TCP_ADDR=10.0.0.1",
                                            "MUSTER_APP_PORT=tcp://10.0.0.2:80",
                                            "MUSTER_APP_SERVICE_HOST=10.0.0.2",
                                            "MUSTER_PORTAL_PORT=udp://10.0.0.3:80",
                                            NULL};
    struct loaded l = load("port = 7;", TEXT_LIBCONFIG, "c", variables);

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.conf->port, 7);
    assert_int_equal(l.conf->n_apps, 0);
    assert_says(&l,
                "MUSTER_PORT: warning: ignored, and others like it: set by Kubernetes");
    assert_ptr_equal(strchr(l.problems.p, '\n'), l.problems.p + l.problems.n - 1);
    loaded_fini(&l);
}

/* ---- where it is looked for ---- */

static void the_first_default_file_is_read_and_named(void **state)
{
    struct loaded a, b;

    (void)state;
    assert_int_equal(mkdir("config", 0755), 0);
    write_file("config/config.json", "{\"port\": 2}");
    a = load_file(NULL, no_environment);
    assert_loaded(&a);
    assert_string_equal(a.conf->source, "./config/config.json");
    write_file("muster.cfg", "port = 3;");
    b = load_file(NULL, no_environment);
    assert_loaded(&b);
    assert_string_equal(b.conf->source, "./muster.cfg");
    assert_int_equal(b.conf->port, 3);
    loaded_fini(&a);
    loaded_fini(&b);
}

static void a_default_file_that_cannot_be_read_is_not_passed_over(void **state)
{
    (void)state;
    assert_int_equal(mkdir("config", 0755), 0);
    write_file("config/config.json", "{\"port\": 2}");
    assert_int_equal(mkdir("muster.cfg", 0755), 0);
    assert_refused(load_file(NULL, no_environment),
                   "./muster.cfg: can't be read: it is a");
}

static void nothing_at_all_is_one_demo_app_on_loopback(void **state)
{
    struct loaded l = load_file(NULL, no_environment);

    (void)state;
    assert_loaded(&l);
    assert_null(l.conf->source);
    assert_null(l.conf->missing);
    assert_string_equal(l.conf->host, "127.0.0.1");
    assert_false(l.conf->demo);
    assert_int_equal(l.conf->n_apps, 1);
    assert_string_equal(l.conf->apps[0].id, "demo");
    assert_string_equal(l.conf->apps[0].key, "demo-key");
    assert_string_equal(l.conf->apps[0].secret, "demo-secret");
    assert_true(l.conf->apps[0].enable_client_messages);
    assert_true(l.conf->apps[0].enable_user_authentication);
    assert_true(l.conf->apps[0].enabled);
    assert_int_equal(l.conf->apps[0].presence.max_members_per_channel, 100);
    assert_says(&l, "warning: nothing is configured: one demo app");
    loaded_fini(&l);
}

static void a_port_alone_keeps_the_demo_app_on_loopback(void **state)
{
    static const char *const with_port[] = {"MUSTER_PORT=0", NULL};
    static const char *const with_host[] = {"MUSTER_PORT=0", "MUSTER_HOST=10.1.2.3",
                                            NULL};
    struct loaded a = load_file(NULL, with_port), b = load_file(NULL, with_host);

    (void)state;
    assert_loaded(&a);
    assert_loaded(&b);
    assert_string_equal(a.conf->host, "127.0.0.1");
    assert_int_equal(a.conf->port, 0);
    assert_string_equal(b.conf->host, "10.1.2.3");
    assert_says(&b, "known to all, on 10.1.2.3\n");
    loaded_fini(&a);
    loaded_fini(&b);
}

static void an_app_of_the_environment_needs_no_file(void **state)
{
    static const char *const environment[] = {"MUSTER_APP_ID=a", "MUSTER_APP_KEY=k",
                                              NULL};
    struct loaded l = load_file(NULL, environment);

    (void)state;
    assert_loaded(&l);
    assert_null(l.conf->source);
    assert_string_equal(l.conf->host, "0.0.0.0");
    assert_int_equal(l.conf->n_apps, 1);
    assert_string_equal(l.conf->missing,
                        "MUSTER_APP_SECRET: apps[0].secret is missing\n");
    loaded_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_environment_wins_over_the_file),
        TEST(the_environments_app_is_added),
        TEST(the_environments_app_overrides_the_files_of_that_id),
        TEST(the_environments_app_needs_an_id),
        TEST(bad_values_of_variables_are_refused),
        TEST(an_unknown_variable_names_the_nearest),
        TEST(kubernetes_variables_are_ignored_with_one_warning),
        TEST_IN_FOLDER(the_first_default_file_is_read_and_named),
        TEST_IN_FOLDER(a_default_file_that_cannot_be_read_is_not_passed_over),
        TEST_IN_FOLDER(nothing_at_all_is_one_demo_app_on_loopback),
        TEST_IN_FOLDER(a_port_alone_keeps_the_demo_app_on_loopback),
        TEST_IN_FOLDER(an_app_of_the_environment_needs_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
