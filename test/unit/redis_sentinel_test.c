/* The link with sentinels: whom it asks, which master it takes, and how soon it follows
 * to another one. Real sentinels where they can be brought to it, a fake one elsewhere.
 */
#include "test/unit/redis_linked.h"

#include <sys/mman.h>

#include "test/unit/redis_sentinels.h"

/* Beside the link's own: a second Redis, and where the sentinels are. */
struct world {
    struct redis_server other; /* pid 0: not started */
    struct real_sentinel real; /* as well */
    struct fake_sentinel fakes[2];
    unsigned n_fakes;
    int silent;        /* a socket that listens and never accepts; -1 none */
    char texts[3][64]; /* "host:port" each */
    char *sentinels[3];
};

static struct world world;

static void listens(struct redis_server *s, unsigned master_port)
{
    char more[128] = "--repl-diskless-sync yes --repl-diskless-sync-delay 0";

    redis_server_kill(s);
    s->port = free_port();
    if (master_port)
        snprintf(more, sizeof more, "--replicaof 127.0.0.1 %u", master_port);
    redis_server_run(s, more);
}

static void await_replication(struct redis_server *s)
{
    for (int i = 0; i < 500; i++, usleep(10000)) {
        redisReply *r = redis_server_ask(s, "INFO replication");
        bool good = strstr(r->str, "master_link_status:up") != NULL;

        freeReplyObject(r);
        if (good)
            return;
    }
    fail_msg("no replication");
}

static int setup_world(void **state)
{
    struct setting *s;

    memset(&world, 0, sizeof world);
    world.silent = -1;
    if (setup(state))
        return -1;
    s = *state;
    listens(&s->server, 0);
    s->conf.unix_socket = "";
    s->conf.host = "nowhere.invalid";
    s->conf.sentinels = world.sentinels;
    s->conf.master_name = "main";
    s->conf.sentinel_username = s->conf.sentinel_password = "";
    return 0;
}

static int teardown_world(void **state)
{
    int failed = teardown(state);

    for (unsigned i = 0; i < world.n_fakes; i++)
        fake_sentinel_end(&world.fakes[i]);
    if (world.real.pid)
        real_sentinel_end(&world.real);
    if (world.other.pid)
        redis_server_end(&world.other);
    if (world.silent >= 0)
        close(world.silent);
    return failed;
}

static void add_sentinel(struct setting *s, unsigned port)
{
    size_t i = s->conf.n_sentinels++;

    snprintf(world.texts[i], sizeof world.texts[i], "127.0.0.1:%u", port);
    world.sentinels[i] = world.texts[i];
}

static struct fake_sentinel *add_fake(struct setting *s)
{
    struct fake_sentinel *f = &world.fakes[world.n_fakes++];

    fake_sentinel_start(f);
    add_sentinel(s, f->port);
    return f;
}

static void add_real(struct setting *s, const char *more)
{
    real_sentinel_start(&world.real, s->server.port, 1, more);
    add_sentinel(s, world.real.port);
}

/* A second Redis: a master as well, or a replica of the first. */
static void add_other(struct setting *s, bool replica)
{
    redis_server_start(&world.other, "");
    listens(&world.other, replica ? s->server.port : 0);
}

/* Whether what the link writes arrives there. */
static void assert_talks_to(struct setting *s, struct redis_server *there)
{
    static unsigned n;
    char words[64];
    redisReply *r;

    redisFree(there->control); /* a sentinel that promotes it cuts all off */
    there->control = redisConnectUnix(there->socket);
    snprintf(words, sizeof words, "SET here %u", ++n);
    ask(s, words);
    for (int i = 0; i < 100; i++, usleep(10000)) {
        bool good;

        r = redis_server_ask(there, "GET here");
        good = r->type == REDIS_REPLY_STRING && (unsigned)atoi(r->str) == n;
        freeReplyObject(r);
        if (good)
            return;
    }
    fail_msg("it talks to another one");
}

static void assert_not_up(struct setting *s, enum err err, const char *words)
{
    const char *why;

    start(s);
    assert_int_equal(redis_link_await(s->link, 2500, &why), err);
    if (!strstr(why, words))
        fail_msg("%s", why);
    assert_int_equal(said(&s->heard, "up"), 0);
}

static void the_master_is_found_by_its_name(void **state)
{
    struct setting *s = *state;

    add_real(s, "");
    real_sentinel_await(&world.real, false);
    start_and_wait(s);
    assert_talks_to(s, &s->server);
}

/* One refuses, one is as dead as its machine: what the others say is waited for no longer
 * than a moment. */
static void sentinels_that_are_down_are_passed_over(void **state)
{
    struct setting *s = *state;
    unsigned port;
    uint64_t began;

    world.silent = bound_socket(&port);
    listen(world.silent, 8);
    add_sentinel(s, port);
    add_sentinel(s, free_port());
    fake_sentinel_say(add_fake(s), "127.0.0.1", s->server.port, 1);
    began = clock_ms();
    start_and_wait(s);
    print_message("up after %u ms\n", (unsigned)(s->heard.up_at - began));
    assert_in_range(s->heard.up_at - began, 0, 900);
    assert_talks_to(s, &s->server);
}

static void a_master_that_they_do_not_know_is_named(void **state)
{
    struct setting *s = *state;
    char words[128];

    add_real(s, "");
    real_sentinel_await(&world.real, false);
    s->conf.master_name = "mian";
    snprintf(words, sizeof words,
             "adapter.redis.sentinels: no master named \"mian\" at 127.0.0.1:%u "
             "(adapter.redis.master_name)",
             world.real.port);
    assert_not_up(s, ERR_INVALID, words);
}

static void sentinels_that_cannot_be_reached_are_all_named(void **state)
{
    struct setting *s = *state;
    char words[256];
    unsigned port;

    add_sentinel(s, free_port());
    world.silent = bound_socket(&port);
    listen(world.silent, 8);
    add_sentinel(s, port);
    snprintf(words, sizeof words,
             "adapter.redis.sentinels: %s: Connection refused; %s: no answer in 1 s",
             world.sentinels[0], world.sentinels[1]);
    assert_not_up(s, ERR_SYSTEM, words);
}

static void what_is_no_sentinel_is_refused(void **state)
{
    struct setting *s = *state;

    add_sentinel(s, s->server.port);
    assert_not_up(s, ERR_INVALID, "says: ERR unknown command");
}

static void a_password_of_the_sentinels_is_needed(void **state)
{
    struct setting *s = *state;

    add_real(s, "requirepass right\n");
    usleep(300000);
    assert_not_up(s, ERR_INVALID,
                  "says: NOAUTH Authentication required. (adapter.redis.sentinel_");
}

static void a_wrong_password_of_the_sentinels_is_refused(void **state)
{
    struct setting *s = *state;

    add_real(s, "requirepass right\n");
    usleep(300000);
    s->conf.sentinel_password = "wrong";
    assert_not_up(s, ERR_INVALID, "says: WRONGPASS");
}

/* The least that docs/redis.md says a user needs. */
static void a_user_of_the_sentinels_is_used(void **state)
{
    struct setting *s = *state;

    add_real(s, "user muster on >right resetchannels -@all +auth +sentinel|master "
                "+sentinel|get-master-addr-by-name\n");
    usleep(300000);
    s->conf.sentinel_username = "muster";
    s->conf.sentinel_password = "right";
    start_and_wait(s);
    assert_talks_to(s, &s->server);
}

/* A failover that is under way: neither up, nor a reason to refuse the start. */
static void a_replica_is_asked_about_again(void **state)
{
    struct setting *s = *state;
    struct fake_sentinel *f = add_fake(s);

    add_other(s, true);
    fake_sentinel_say(f, "127.0.0.1", world.other.port, 1);
    assert_not_up(s, ERR_SYSTEM, "role is slave: it must be the master");
    fake_sentinel_say(f, "127.0.0.1", s->server.port, 2);
    wait_for(&s->heard, "up 1\n", 1500);
    assert_talks_to(s, &s->server);
}

static void the_last_failover_counts_not_the_first_answer(void **state)
{
    struct setting *s = *state;

    add_other(s, false);
    fake_sentinel_say(add_fake(s), "127.0.0.1", s->server.port, 1);
    fake_sentinel_say(add_fake(s), "127.0.0.1", world.other.port, 2);
    start_and_wait(s);
    assert_talks_to(s, &world.other);
    atomic_store(&world.fakes[1].is_silent, true); /* nor later on */
    redis_link_fail(s->link, 0, "for the test");
    wait_for(&s->heard, "down for the test", 1000);
    usleep(1500000);
    assert_int_equal(said(&s->heard, "up 2"), 0);
    atomic_store(&world.fakes[1].is_silent, false);
    wait_for(&s->heard, "up 2\n", 5000);
    assert_talks_to(s, &world.other);
}

/* A master that was cut off from the sentinels and its replicas, not from this node: it
 * never says that it isn't the master any more. */
static void a_healthy_link_follows_to_another_master(void **state)
{
    struct setting *s = *state;
    struct fake_sentinel *f = add_fake(s);
    uint64_t began;

    add_other(s, false);
    fake_sentinel_say(f, "127.0.0.1", s->server.port, 1);
    start_and_wait(s);
    fake_sentinel_say(f, "localhost", world.other.port, 2); /* resolve-hostnames */
    began = clock_ms();
    wait_for(&s->heard, "down the sentinels name another master: localhost", 2000);
    wait_for(&s->heard, "up 2\n", 1000);
    print_message("up at another master %u ms after it was named\n",
                  (unsigned)(s->heard.up_at - began));
    assert_talks_to(s, &world.other);
    assert_int_equal(said(&s->heard, "degraded 1"), 0);
}

static void a_sentinel_that_forgets_epochs_moves_nobody(void **state)
{
    struct setting *s = *state;
    struct fake_sentinel *f = add_fake(s);

    f->forbids_master = true;
    fake_sentinel_say(f, "127.0.0.1", s->server.port, 7);
    start_and_wait(s);
    usleep(1500000);
    assert_int_equal(said(&s->heard, "down"), 0);
}

/* As a proxy before it may: it is asked on a new connection, and nothing is wrong. */
static void a_sentinel_that_hangs_up_when_it_has_answered_is_well(void **state)
{
    struct setting *s = *state;
    struct fake_sentinel *f = add_fake(s);
    char logged[4096] = "";
    int file = memfd_create("log", MFD_CLOEXEC), before = dup(STDERR_FILENO);

    f->hangs_up = true;
    fake_sentinel_say(f, "127.0.0.1", s->server.port, 7);
    dup2(file, STDERR_FILENO);
    start_and_wait(s);
    usleep(2500000);
    dup2(before, STDERR_FILENO);
    close(before);
    assert_true(pread(file, logged, sizeof logged - 1, 0) > 0);
    close(file);
    assert_non_null(strstr(logged, "redis.up"));
    assert_null(strstr(logged, "redis.sentinel_"));
}

/* The real thing, in both ways that a master dies. */
static void follow(struct setting *s, int signal)
{
    uint64_t began;

    add_other(s, true);
    add_real(s, "");
    real_sentinel_await(&world.real, true);
    await_replication(&world.other);
    start_and_wait(s);
    assert_talks_to(s, &world.other); /* by replication */
    usleep(1200000);                  /* the replica has told how far it is */
    began = clock_ms();
    kill(s->server.pid, signal);
    wait_for(&s->heard, "up 2\n", 15000);
    print_message("up at the new master %u ms after signal %d\n",
                  (unsigned)(s->heard.up_at - began), signal);
    assert_talks_to(s, &world.other);
    kill(s->server.pid, SIGCONT);
}

static void a_failover_is_followed(void **state)
{
    follow(*state, SIGKILL);
}

static void a_failover_that_is_ordered_is_followed(void **state)
{
    struct setting *s = *state;
    redisContext *c;
    redisReply *r;
    uint64_t began;

    add_other(s, true);
    add_real(s, "");
    real_sentinel_await(&world.real, true);
    await_replication(&world.other);
    start_and_wait(s);
    usleep(1200000);
    c = redisConnect("127.0.0.1", (int)world.real.port);
    began = clock_ms();
    r = redisCommand(c, "SENTINEL FAILOVER main");
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
    redisFree(c);
    wait_for(&s->heard, "up 2\n", 15000);
    print_message("up at the new master %u ms after the order\n",
                  (unsigned)(s->heard.up_at - began));
    assert_talks_to(s, &world.other);
}

/* The sentinel takes it for dead after 0.5 s; silence would show after 5 s. */
static void a_failover_from_a_frozen_master_is_followed(void **state)
{
    struct setting *s = *state;

    follow(s, SIGSTOP);
    assert_int_equal(said(&s->heard, "down the sentinels name another master"), 1);
}

#ifdef MUSTER_REDIS_TLS

/* The Redis and a sentinel by TLS alone, the sentinel's own way to the master as well. */
static void speak_tls(struct setting *s)
{
    const char *folder = s->server.folder;
    unsigned port = free_port(), sentinel_port = free_port();
    char tls[512], certificate[96], more[640];

    redis_server_certify(folder, "IP:127.0.0.1");
    snprintf(certificate, sizeof certificate, "%s/cert", folder);
    snprintf(more, sizeof more,
             "--tls-port %u --tls-cert-file %s/cert --tls-key-file %s/key "
             "--tls-ca-cert-file %s/cert --tls-auth-clients no",
             port, folder, folder, folder);
    redis_server_kill(&s->server);
    s->server.port = 0;
    redis_server_run(&s->server, more);
    snprintf(tls, sizeof tls,
             "port 0\ntls-port %u\ntls-replication yes\ntls-auth-clients no\n"
             "tls-cert-file %s/cert\ntls-key-file %s/key\ntls-ca-cert-file %s/cert\n",
             sentinel_port, folder, folder, folder);
    real_sentinel_start(&world.real, port, 1, tls);
    add_sentinel(s, sentinel_port);
    usleep(500000);
    s->conf.tls = true;
    setenv("SSL_CERT_FILE", certificate, 1);
}

static void tls_holds_for_the_sentinels_and_the_master(void **state)
{
    struct setting *s = *state;

    speak_tls(s);
    start_and_wait(s);
    assert_talks_to(s, &s->server);
    redis_link_stop(s->link);
    redis_link_free(s->link);
    s->link = NULL;
    setenv("SSL_CERT_FILE", "/etc/hosts", 1);
    s->heard.lines.n = 0;
    assert_not_up(s, ERR_SYSTEM, "self-signed certificate");
    unsetenv("SSL_CERT_FILE");
}

static void a_sentinel_without_tls_is_told_from_others(void **state)
{
    struct setting *s = *state;

    atomic_store(&add_fake(s)->text, "-ERR no TLS\r\n");
    s->conf.tls = true;
    assert_not_up(s, ERR_SYSTEM, "wrong version number");
}

/* OpenSSL keeps a thread's errors until somebody clears them; here more than a socket
 * takes at once is on its way when one of the sentinels turns out to be none. */
static void a_sentinel_without_tls_harms_no_other_connection(void **state)
{
    struct setting *s = *state;
    struct asked *a;
    struct slice words[] = {SLICE("SET"), SLICE("big"), {NULL, 16 << 20}};
    char *big = xcalloc(1, words[2].n);

    words[2].p = big;
    speak_tls(s);
    atomic_store(&add_fake(s)->text, "-ERR no TLS\r\n");
    start_and_wait(s);
    for (unsigned i = 0; i < 20; i++, usleep(100000)) {
        a = asked(s);
        redis_command_encode(&a->c.bytes, words, 3);
        redis_link_send(s->link, &a->c);
    }
    wait_times(&s->heard, "reply OK", 20, 5000);
    assert_int_equal(said(&s->heard, "down"), 0);
    unsetenv("SSL_CERT_FILE");
    free(big);
}

#endif

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_world, teardown_world)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_master_is_found_by_its_name),
        TEST(sentinels_that_are_down_are_passed_over),
        TEST(a_master_that_they_do_not_know_is_named),
        TEST(sentinels_that_cannot_be_reached_are_all_named),
        TEST(what_is_no_sentinel_is_refused),
        TEST(a_password_of_the_sentinels_is_needed),
        TEST(a_wrong_password_of_the_sentinels_is_refused),
        TEST(a_user_of_the_sentinels_is_used),
        TEST(a_replica_is_asked_about_again),
        TEST(the_last_failover_counts_not_the_first_answer),
        TEST(a_healthy_link_follows_to_another_master),
        TEST(a_sentinel_that_forgets_epochs_moves_nobody),
        TEST(a_sentinel_that_hangs_up_when_it_has_answered_is_well),
        TEST(a_failover_is_followed),
        TEST(a_failover_that_is_ordered_is_followed),
        TEST(a_failover_from_a_frozen_master_is_followed),
#ifdef MUSTER_REDIS_TLS
        TEST(tls_holds_for_the_sentinels_and_the_master),
        TEST(a_sentinel_without_tls_is_told_from_others),
        TEST(a_sentinel_without_tls_harms_no_other_connection),
#endif
    };

    RUN("redis_sentinel", tests);
}
