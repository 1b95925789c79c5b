/* The keys of what connects nodes. */
#include "test/unit/conf_loaded.h"

#include "conf/check.h"

static void a_node_is_by_itself_unless_it_is_told_otherwise(void **state)
{
    struct loaded l = load("{}", TEXT_JSON, "c", no_environment);

    (void)state;
    assert_int_equal(l.err, ERR_NONE);
    assert_int_equal(l.conf->adapter_driver, CONF_ADAPTER_LOCAL);
    assert_string_equal(l.conf->redis.host, "127.0.0.1");
    assert_int_equal(l.conf->redis.port, 6379);
    assert_string_equal(l.conf->redis.prefix, "muster:");
    assert_true(l.conf->redis.required);
    assert_string_equal(l.conf->redis.tls_ca, "");
    loaded_fini(&l);
}

static void redis_is_set_by_a_file_and_by_variables(void **state)
{
    static const char *const environment[] = {"MUSTER_ADAPTER_REDIS_HOST=redis.example",
                                              "MUSTER_ADAPTER_REDIS_PASSWORD=hush", NULL};
    struct loaded l =
        load("adapter: { driver = \"redis\"; redis: { host = \"other\"; port = "
             "7000; db = 3; tls = true; tls_ca = \"ca.pem\"; tls_cert = \"node.pem\"; "
             "tls_key = \"node.key\"; required = false; }; };",
             TEXT_LIBCONFIG, "c", environment);

    (void)state;
    assert_int_equal(l.err, ERR_NONE);
    assert_int_equal(l.conf->adapter_driver, CONF_ADAPTER_REDIS);
    assert_string_equal(l.conf->redis.host, "redis.example");
    assert_string_equal(l.conf->redis.password, "hush");
    assert_int_equal(l.conf->redis.port, 7000);
    assert_int_equal(l.conf->redis.db, 3);
    assert_true(l.conf->redis.tls && !l.conf->redis.required);
    assert_string_equal(l.conf->redis.tls_ca, "ca.pem");
    assert_string_equal(l.conf->redis.tls_cert, "node.pem");
    assert_string_equal(l.conf->redis.tls_key, "node.key");
    loaded_fini(&l);
}

static void what_is_wrong_is_named_with_what_was_meant(void **state)
{
    (void)state;
    assert_refused(
        load("{\"adapter\":{\"driver\":\"reddis\"}}", TEXT_JSON, "c", no_environment),
        "redis");
    assert_refused(load("{\"adapter\":{\"redis\":{\"pasword\":\"x\"}}}", TEXT_JSON, "c",
                        no_environment),
                   "the nearest known one is adapter.redis.password");
    assert_refused(
        load("{\"adapter\":{\"redis\":{\"port\":0}}}", TEXT_JSON, "c", no_environment),
        "adapter.redis.port");
    assert_refused(load("{\"adapter\":{\"redis\":{\"prefix\":\"a{b}\"}}}", TEXT_JSON, "c",
                        no_environment),
                   "adapter.redis.prefix: may hold only");
}

static void the_password_is_told_in_no_message(void **state)
{
    static const char *const environment[] = {"MUSTER_ADAPTER_REDIS_PASSWORD=hush\n",
                                              NULL};
    struct loaded l = load("{\"adapter\":{\"redis\":{\"password\":\"hush\\u0001\"}}}",
                           TEXT_JSON, "c", environment);

    (void)state;
    assert_null(strstr(l.problems.p, "hush"));
    assert_refused(l, "adapter.redis.password: must not hold control bytes");
}

#define REDIS(settings) "{\"adapter\":{\"driver\":\"redis\",\"redis\":{" settings "}}}"
#define SENTINELS "\"sentinels\":[\"a:1\"]"

static struct loaded load_redis(const char *json)
{
    return load(json, TEXT_JSON, "c", no_environment);
}

static void sentinels_are_set_by_a_file_and_by_variables(void **state)
{
    static const char *const environment[] = {
        "MUSTER_ADAPTER_REDIS_SENTINELS=a.example:26379, [fd00::7]:5000",
        "MUSTER_ADAPTER_REDIS_MASTER_NAME=main",
        "MUSTER_ADAPTER_REDIS_SENTINEL_PASSWORD=s", NULL};
    struct loaded l = load("adapter: { driver = \"redis\"; redis: { sentinel_username = "
                           "\"u\"; host = \"127.0.0.1\"; port = 6379; }; };",
                           TEXT_LIBCONFIG, "c", environment);

    (void)state;
    assert_int_equal(l.err, ERR_NONE);
    assert_int_equal(l.conf->redis.n_sentinels, 2);
    assert_string_equal(l.conf->redis.sentinels[0], "a.example:26379");
    assert_string_equal(l.conf->redis.sentinels[1], "[fd00::7]:5000");
    assert_string_equal(l.conf->redis.master_name, "main");
    assert_string_equal(l.conf->redis.sentinel_username, "u");
    assert_string_equal(l.conf->redis.sentinel_password, "s");
    loaded_fini(&l);
}

static void a_sentinel_is_a_host_and_a_port(void **state)
{
    static const char *const wrong[] = {
        "a",     "a:",    "a:0",   ":1",     "a:65536", "::1:1", "[::1]",      "a:1x",
        "[a]:1", "a b:1", "a:1:2", "[::1]1", "[]:1",    "a:-1",  "redis://a:1"};
    char json[128];

    (void)state;
    assert_null(check_hostport("10.0.0.1:26379"));
    assert_null(check_hostport("[::ffff:10.0.0.1]:1"));
    assert_null(check_hostport("sentinel-0.redis.svc:65535"));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(json, sizeof json,
                 REDIS("\"sentinels\":[\"b:1\",\"%s\"],\"master_name\":\"m\""), wrong[i]);
        assert_refused(load_redis(json), "adapter.redis.sentinels: must be host:port");
    }
}

static void sentinels_and_the_masters_name_belong_together(void **state)
{
    (void)state;
    assert_refused(load_redis(REDIS(SENTINELS)),
                   "adapter.redis.sentinels: needs adapter.redis.master_name");
    assert_refused(load_redis(REDIS("\"master_name\":\"m\"")),
                   "adapter.redis.master_name: needs adapter.redis.sentinels");
    assert_refused(load_redis(REDIS(SENTINELS ",\"master_name\":\"a b\"")),
                   "adapter.redis.master_name: may hold only");
}

static void the_sentinels_login_is_of_no_use_without_them(void **state)
{
    (void)state;
    assert_refused(load_redis(REDIS("\"sentinel_username\":\"u\"")),
                   "adapter.redis.sentinel_username: needs adapter.redis.sentinels");
    assert_refused(load_redis(REDIS("\"sentinel_password\":\"s\"")),
                   "adapter.redis.sentinel_password: needs adapter.redis.sentinels");
}

/* It would have two voices where most of them decide. */
static void a_sentinel_stands_there_once(void **state)
{
    (void)state;
    assert_refused(load_redis(REDIS(
                       "\"sentinels\":[\"a:1\",\"b:1\",\"a:1\"],\"master_name\":\"m\"")),
                   "adapter.redis.sentinels: names a:1 twice");
}

static void sentinels_and_an_address_do_not_go_together(void **state)
{
    (void)state;
    assert_refused(
        load_redis(REDIS(SENTINELS ",\"master_name\":\"m\",\"host\":\"b\"")),
        "adapter.redis.sentinels: doesn't go together with adapter.redis.host");
    assert_refused(
        load_redis(REDIS(SENTINELS ",\"master_name\":\"m\",\"port\":6380")),
        "adapter.redis.sentinels: doesn't go together with adapter.redis.port");
    assert_refused(
        load_redis(REDIS(SENTINELS ",\"master_name\":\"m\",\"unix_socket\":\"/s\"")),
        "adapter.redis.sentinels: doesn't go together with adapter.redis.unix_socket");
}

static void the_sentinels_password_is_told_in_no_message(void **state)
{
    struct loaded l = load_redis(REDIS("\"sentinel_password\":\"hush\\u0001\""));

    (void)state;
    assert_null(strstr(l.problems.p, "hush"));
    assert_refused(l, "adapter.redis.sentinel_password: must not hold control bytes");
}

static void a_bound_that_redis_does_not_know_is_warned_about(void **state)
{
    static const char warning[] =
        "c: cache_max_kb: warning: bounds nothing where adapter.driver is redis";
    const struct {
        const char *json;
        bool warned;
    } cases[] = {
        {"{\"cache_max_kb\":64,\"adapter\":{\"driver\":\"redis\"}}", true},
        {"{\"cache_max_kb\":65536,\"adapter\":{\"driver\":\"redis\"}}", false},
        {"{\"cache_max_kb\":64}", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded l = load_redis(cases[i].json);

        assert_int_equal(l.err, ERR_NONE);
        assert_int_equal(strstr(l.problems.p, warning) != NULL, cases[i].warned);
        loaded_fini(&l);
    }
}

/* Keys are `{px<k>}<letter>:<app>:<channel>`: a colon in an app's id would make two names
 * one. */
static void an_apps_id_has_no_colon(void **state)
{
    (void)state;
    assert_non_null(check_token("a:b"));
    assert_null(check_token("a-b_c.d~e"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_is_by_itself_unless_it_is_told_otherwise),
        TEST(redis_is_set_by_a_file_and_by_variables),
        TEST(what_is_wrong_is_named_with_what_was_meant),
        TEST(the_password_is_told_in_no_message),
        TEST(sentinels_are_set_by_a_file_and_by_variables),
        TEST(a_sentinel_is_a_host_and_a_port),
        TEST(sentinels_and_the_masters_name_belong_together),
        cmocka_unit_test(the_sentinels_login_is_of_no_use_without_them),
        cmocka_unit_test(a_sentinel_stands_there_once),
        TEST(sentinels_and_an_address_do_not_go_together),
        TEST(the_sentinels_password_is_told_in_no_message),
        TEST(a_bound_that_redis_does_not_know_is_warned_about),
        TEST(an_apps_id_has_no_colon),
    };

    return cmocka_run_group_tests_name("conf_adapter", tests, NULL, NULL);
}
