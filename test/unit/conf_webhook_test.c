/* apps[].webhooks: a list of groups inside a list of groups, and the rules of its keys.
 */
#include "test/unit/conf_loaded.h"

#include "conf/check.h"

enum { ALL_EVENTS = (1u << CONF_WEBHOOK_EVENTS) - 1 };

static void an_app_has_several_webhooks_each_with_its_own_keys(void **state)
{
    struct loaded l = load_cfg(
        "apps = ( { id = \"a\"; webhooks = (\n"
        " { url = \"https://one.example/hook?x=1\";\n"
        "   event_types = [\"member_added\", \"cache_miss\"];\n"
        "   headers = [\"X-Team: chat\", \"Authorization: Bearer t\"];\n"
        "   filter = { channel_prefix = \"presence-\"; channel_suffix = \"-eu\"; }; },\n"
        " { url = \"http://127.0.0.1:8080\"; } ); }, { id = \"b\"; } );");
    const struct conf_webhook *hook;

    (void)state;
    assert_loaded(&l);
    assert_int_equal(l.problems.n, 0);
    assert_int_equal(l.conf->apps[0].n_webhooks, 2);
    assert_int_equal(l.conf->apps[1].n_webhooks, 0);
    hook = l.conf->apps[0].webhooks;
    assert_string_equal(hook[0].url, "https://one.example/hook?x=1");
    assert_int_equal(hook[0].event_types,
                     1u << CONF_WEBHOOK_MEMBER_ADDED | 1u << CONF_WEBHOOK_CACHE_MISS);
    assert_int_equal(hook[0].n_headers, 2);
    assert_string_equal(hook[0].headers[1], "Authorization: Bearer t");
    assert_string_equal(hook[0].channel_prefix, "presence-");
    assert_string_equal(hook[0].channel_suffix, "-eu");
    assert_string_equal(hook[1].url, "http://127.0.0.1:8080");
    assert_int_equal(hook[1].event_types, ALL_EVENTS);
    assert_int_equal(hook[1].n_headers, 0);
    assert_string_equal(hook[1].channel_prefix, "");
    loaded_fini(&l);
}

static void headers_may_be_a_group(void **state)
{
    struct loaded j = load_json("{\"apps\":[{\"webhooks\":[{\"url\":\"http://x\","
                                "\"headers\":{\"X-One\":\"1\",\"X-Two\":\"b c\"}}]}]}");
    struct loaded c = load_cfg("apps = ({ webhooks = ({ url = \"http://x\";"
                               "headers = { X-One = \"1\"; }; }); });");

    (void)state;
    assert_loaded(&j);
    assert_loaded(&c);
    assert_int_equal(j.conf->apps[0].webhooks[0].n_headers, 2);
    assert_string_equal(j.conf->apps[0].webhooks[0].headers[1], "X-Two: b c");
    assert_string_equal(c.conf->apps[0].webhooks[0].headers[0], "X-One: 1");
    loaded_fini(&j);
    loaded_fini(&c);
}

static void what_is_wrong_in_a_webhook_is_named_with_its_place(void **state)
{
    struct loaded l = load_json("{\"apps\":[{},{\"webhooks\":[{\"url\":\"http://x\"},\n"
                                "{\"event_types\":[\"member_add\"],\n\"urll\":1,\n"
                                "\"filter\":{\"prefix\":\"\"},\n"
                                "\"headers\":{\"X-Hush\":\"hush\\n\"}},\n7]}]}");

    (void)state;
    assert_null(strstr(l.problems.p, "hush"));
    assert_says(&l, "config.json:2: apps[1].webhooks[1].event_types: \"member_add\" is "
                    "unknown; the nearest known one is member_added\n");
    assert_says(&l, "config.json:3: apps[1].webhooks[1].urll: unknown key; the nearest "
                    "known one is apps[].webhooks[].url\n");
    assert_says(&l, "apps[1].webhooks[1].filter.prefix: unknown key");
    assert_says(&l, "config.json:5: apps[1].webhooks[1].headers: must not hold control");
    assert_says(&l, "config.json:6: apps[1].webhooks[2]: must be a group, is a whole");
    assert_refused(l, "apps[1].webhooks[1].url: is missing\n");
    assert_refused(load_json("{\"apps\":[{\"webhooks\":{}}]}"),
                   "apps[0].webhooks: must be a list of at most 100 groups\n");
    assert_refused(load_json("{\"apps\":[{\"webhook\":[]}]}"),
                   "the nearest known one is apps[].webhooks\n");
}

static void lists_of_groups_have_no_variable(void **state)
{
    static const char *const environment[] = {"MUSTER_APP_ID=a", "MUSTER_APP_WEBHOOKS=x",
                                              "MUSTER_WEBHOOKS_BATCH_MS=7", NULL};
    struct loaded l = load("", TEXT_LIBCONFIG, "c", environment);

    (void)state;
    assert_null(strstr(l.problems.p, "BATCH_MS:"));
    assert_refused(l, "MUSTER_APP_WEBHOOKS: unknown variable");
}

static void a_url_is_http_or_https_without_a_password(void **state)
{
    static const char *const good[] = {"http://x", "https://a.example:8443/p?q=a%20b&c",
                                       "HTTPS://[::1]:1/", "http://a?b"};
    static const char *const bad[] = {"",
                                      "x",
                                      "ftp://x",
                                      "file:///etc/passwd",
                                      "http://",
                                      "http:///path",
                                      "http://:80/",
                                      "http://u:p@x/",
                                      "http://x/a b",
                                      "http://x/\n",
                                      "http://x/#f",
                                      "http://x\\y/",
                                      "http://\xc3\xa4/"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(check_url(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(check_url(bad[i]));
}

static void a_header_is_one_line_and_none_that_is_always_sent(void **state)
{
    static const char *const good[] = {"X-A: b", "X-A:b", "Authorization: Bearer a:b",
                                       "User-Agent: me"};
    static const char *const bad[] = {"",
                                      "X-A",
                                      "X-A:",
                                      "X-A:  ",
                                      ": b",
                                      "X A: b",
                                      "X-A: b\r\nX-B: c",
                                      "X-A\r: b",
                                      "X-A: b\tc",
                                      "content-type: text/plain",
                                      "X-Pusher-Key: k",
                                      "x-pusher-signature: s",
                                      "Content-Length: 0",
                                      "Transfer-Encoding: chunked"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(check_header(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(check_header(bad[i]));
}

static void an_origin_for_cors_is_a_star_or_what_a_browser_sends(void **state)
{
    static const char *const good[] = {"*", "https://a.example", "http://localhost:3000"};
    static const char *const bad[] = {"a.example", "https://", "https://a.example/",
                                      "https://*.a", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(check_cors_origin(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(check_cors_origin(bad[i]));
}

static void the_metrics_token_is_told_in_no_message(void **state)
{
    static const char *const environment[] = {"MUSTER_METRICS_TOKEN=hush hush", NULL};
    struct loaded l =
        load("{\"metrics\":{\"token\":\"hush!\"}}", TEXT_JSON, "c", environment);

    (void)state;
    assert_null(strstr(l.problems.p, "hush"));
    assert_refused(l, "c:1: metrics.token: may hold only letters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_app_has_several_webhooks_each_with_its_own_keys),
        TEST(headers_may_be_a_group),
        TEST(what_is_wrong_in_a_webhook_is_named_with_its_place),
        TEST(lists_of_groups_have_no_variable),
        TEST(a_url_is_http_or_https_without_a_password),
        TEST(a_header_is_one_line_and_none_that_is_always_sent),
        TEST(an_origin_for_cors_is_a_star_or_what_a_browser_sends),
        TEST(the_metrics_token_is_told_in_no_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
