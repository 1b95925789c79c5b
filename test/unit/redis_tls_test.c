/* TLS to Redis: with a build that can, against a Redis with a certificate of the test's
 * own; with one that can't, that it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>

#include "adapters/redis_link.h"
#include "test/unit/redis_server.h"

static void up(void *context, uint64_t generation)
{
    (void)context, (void)generation;
}

static void down(void *context, const char *why)
{
    (void)context, (void)why;
}

static void degraded(void *context, bool is_degraded)
{
    (void)context, (void)is_degraded;
}

static void subscribed(void *context, uint64_t generation, void *owner, uint64_t id,
                       unsigned n_names)
{
    (void)context, (void)generation, (void)owner, (void)id, (void)n_names;
}

static void message(void *context, void *owner, uint64_t id, struct slice name,
                    struct slice payload)
{
    (void)context, (void)owner, (void)id, (void)name, (void)payload;
}

static void turn(void *context)
{
    (void)context;
}

static const struct redis_link_sink sink = {.up = up,
                                            .down = down,
                                            .degraded = degraded,
                                            .subscribed = subscribed,
                                            .message = message,
                                            .turn = turn};

static enum err start_link(const struct redis_link_conf *conf, struct buf *why)
{
    struct redis_keys keys;
    struct redis_link *l;
    const char *said = "";
    enum err err;

    redis_keys_init(&keys, "t:", 0);
    l = redis_link_alloc(conf, &keys, &sink, NULL);
    err = redis_link_start(l);
    if (!err)
        err = redis_link_await(l, 1500, &said);
    why->n = 0;
    buf_addf(why, "%s", said);
    redis_link_stop(l);
    redis_link_free(l);
    return err;
}

static void a_socket_and_tls_do_not_go_together(void **state)
{
    const struct redis_link_conf conf = {.host = "localhost",
                                         .port = 1,
                                         .unix_socket = "x",
                                         .username = "",
                                         .password = "",
                                         .tls = true};
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(start_link(&conf, &why), ERR_INVALID);
    buf_fini(&why);
}

/* A connection that was meant to be private mustn't be plain without a word. */
static void files_without_tls_and_half_a_pair_are_refused(void **state)
{
    static const struct tls_client_files wrong[] = {
        {.ca = "/a"}, {.cert = "/a", .key = "/b"}, {.cert = "/a"}, {.key = "/b"}};
    struct redis_link_conf conf = {.host = "localhost",
                                   .port = 1,
                                   .unix_socket = "",
                                   .username = "",
                                   .password = ""};
    struct buf why = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        conf.tls_files = wrong[i];
        conf.tls = i > 1;
        assert_int_equal(start_link(&conf, &why), ERR_INVALID);
    }
    buf_fini(&why);
}

#ifdef MUSTER_REDIS_TLS

static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void the_certificate_must_be_known_and_bear_the_name(void **state)
{
    struct redis_server server;
    struct redis_link_conf conf = {.host = "localhost",
                                   .port = free_port(),
                                   .unix_socket = "",
                                   .username = "",
                                   .password = "",
                                   .tls = true};
    char more[512], certificate[128];
    struct buf why = BUF_INIT;

    (void)state;
    redis_server_start(&server, "");
    redis_server_kill(&server);
    redis_server_certify(server.folder, "DNS:localhost");
    snprintf(certificate, sizeof certificate, "%s/cert", server.folder);
    snprintf(more, sizeof more,
             "--tls-port %u --tls-cert-file %s/cert --tls-key-file %s/key "
             "--tls-ca-cert-file %s/cert --tls-auth-clients no",
             conf.port, server.folder, server.folder, server.folder);
    redis_server_run(&server, more);
    setenv("SSL_CERT_FILE", certificate, 1);
    assert_int_equal(start_link(&conf, &why), ERR_NONE);
    conf.host = "127.0.0.1"; /* isn't in it */
    assert_int_equal(start_link(&conf, &why), ERR_SYSTEM);
    assert_non_null(strstr(buf_cstr(&why), "address mismatch"));
    conf.host = "localhost";
    setenv("SSL_CERT_FILE", "/etc/hosts", 1);
    assert_int_equal(start_link(&conf, &why), ERR_SYSTEM);
    assert_non_null(strstr(buf_cstr(&why), "self-signed certificate"));
    conf.tls_files.ca = certificate; /* the file instead of the system's */
    assert_int_equal(start_link(&conf, &why), ERR_NONE);
    conf.tls_files.ca = "/nonexistent";
    assert_int_equal(start_link(&conf, &why), ERR_INVALID);
    conf.tls_files.ca = NULL;
    unsetenv("SSL_CERT_FILE");
    conf.tls = false; /* plain words to a TLS port */
    assert_int_equal(start_link(&conf, &why), ERR_SYSTEM);
    redis_server_end(&server);
    buf_fini(&why);
}

/* The kernel takes the connection; Redis, stopped or hung, says nothing to the greeting.
 */
static void a_server_that_does_not_greet_costs_no_time(void **state)
{
    unsigned port = free_port();
    const struct redis_link_conf conf = {.host = "127.0.0.1",
                                         .port = port,
                                         .unix_socket = "",
                                         .username = "",
                                         .password = "",
                                         .tls = true};
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct buf why = BUF_INIT;
    clock_t before;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    setenv("SSL_CERT_FILE", "/etc/hosts", 1); /* the system's take long to read */
    before = clock();
    assert_int_equal(start_link(&conf, &why), ERR_SYSTEM); /* after 1.5 s */
    unsetenv("SSL_CERT_FILE");
    if (clock() - before > CLOCKS_PER_SEC / 8)
        fail_msg("%ld ms of a processor",
                 (long)(clock() - before) * 1000 / CLOCKS_PER_SEC);
    close(fd);
    buf_fini(&why);
}

#else

static void a_build_without_tls_says_so(void **state)
{
    const struct redis_link_conf conf = {.host = "localhost",
                                         .port = 1,
                                         .unix_socket = "",
                                         .username = "",
                                         .password = "",
                                         .tls = true};
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(start_link(&conf, &why), ERR_INVALID);
    buf_fini(&why);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_and_tls_do_not_go_together),
        cmocka_unit_test(files_without_tls_and_half_a_pair_are_refused),
#ifdef MUSTER_REDIS_TLS
        cmocka_unit_test(the_certificate_must_be_known_and_bear_the_name),
        cmocka_unit_test(a_server_that_does_not_greet_costs_no_time),
#else
        cmocka_unit_test(a_build_without_tls_says_so),
#endif
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("redis_tls", tests, NULL, NULL);
}
