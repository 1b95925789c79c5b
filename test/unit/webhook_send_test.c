/* Webhooks against real receivers on loopback: what is sent, and what becomes of it when
 * a receiver fails, stalls, hangs up, is gone and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <sys/wait.h>

#include "conf/load.h"
#include "conf/read.h"
#include "protocol/auth.h"
#include "server/webhook.h"
#include "test/unit/webhook_receiver.h"

#define TEST(name) cmocka_unit_test(name)

static _Atomic bool is_resolving;
static const char dead_letters[] = "/tmp/muster-webhook-test";

/* The configuration, and the webhooks that run by it. */
struct sender {
    struct conf *conf;
    struct webhooks *w;
    char dead[64];
};

/* settings: of the group webhooks; hooks: the app's list, both JSON. */
static struct sender sender_start(const char *settings, const char *hooks)
{
    static char *none[] = {NULL};
    struct buf text = BUF_INIT, problems = BUF_INIT;
    struct sender s;

    snprintf(s.dead, sizeof s.dead, "%s-%d", dead_letters, (int)getpid());
    unlink(s.dead);
    buf_addf(&text,
             "{\"webhooks\":{\"dead_letter_file\":\"%s\"%s},\"apps\":[{\"id\":\"none\"},"
             "{\"id\":\"app\",\"key\":\"the-key\",\"secret\":\"the-secret\","
             "\"webhooks\":[%s]}]}",
             s.dead, settings, hooks);
    if (conf_load_memory(&s.conf, buf_slice(&text), TEXT_JSON, "c", none, &problems))
        fail_msg("%s", buf_cstr(&problems));
    s.w = webhooks_alloc(s.conf);
    assert_non_null(s.w);
    assert_int_equal(webhooks_start(s.w), ERR_NONE);
    buf_fini(&text);
    buf_fini(&problems);
    return s;
}

static void sender_stop(struct sender *s, unsigned grace)
{
    webhooks_stop(s->w, grace);
    webhooks_free(s->w);
    conf_free(s->conf);
    unlink(s->dead);
}

static struct sender sender_to(const struct webhook_receiver *r, const char *settings)
{
    char hook[96];

    snprintf(hook, sizeof hook, "{\"url\":\"http://127.0.0.1:%u/hook\"}", r->port);
    return sender_start(settings, hook);
}

static void post(struct sender *s, enum conf_webhook_event type, const char *channel)
{
    const struct webhook_event e = {
        .type = type, .app = 1, .channel = slice_of(channel), .user_id = SLICE("u")};

    webhooks_post(s->w, webhook_event_alloc(&e));
}

/* A client event whose data is its number on its channel. */
static void post_number(struct sender *s, unsigned channel, unsigned number)
{
    char name[32], data[16];
    const struct webhook_event e = {
        .type = CONF_WEBHOOK_CLIENT_EVENT,
        .app = 1,
        .channel = {name, (size_t)snprintf(name, sizeof name, "private-%u", channel)},
        .event = SLICE("client-n"),
        .data_raw = {data, (size_t)snprintf(data, sizeof data, "%u", number)},
        .socket_id = SLICE("1.2")};

    webhooks_post(s->w, webhook_event_alloc(&e));
}

#define STAT(s, name) atomic_load(&webhooks_stats((s)->w)->name)

/* Waits until it holds, for at most some seconds. */
#define WAIT_FOR(condition, seconds)                                    \
    do {                                                                \
        uint64_t until_ = clock_ms() + (seconds)*1000;                  \
                                                                        \
        while (!(condition)) {                                          \
            if (clock_ms() > until_)                                    \
                fail_msg("not within %d s: %s", (seconds), #condition); \
            usleep(2000);                                               \
        }                                                               \
    } while (0)

/* The dead letter file's bytes; "" where there are none. */
static char *read_dead(const struct sender *s)
{
    struct buf b = BUF_INIT;

    read_whole_file(s->dead, 1 << 20, &b);
    buf_cstr(&b);
    return b.p;
}

/* ---- what is sent ---- */

static bool has_line(const char *head, const char *line)
{
    char wanted[256];

    snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
    return strstr(head, wanted) != NULL;
}

static void a_request_is_signed_and_has_the_headers_that_sdks_expect(void **state)
{
    struct webhook_receiver *r = receiver_start(TAKES);
    char hook[256], line[128], hex[AUTH_HEX_LEN + 1];
    const struct received *got;
    struct sender s;

    (void)state;
    snprintf(hook, sizeof hook,
             "{\"url\":\"http://127.0.0.1:%u/hook?x=1\","
             "\"headers\":[\"X-Team: chat\",\"User-Agent: mine\"]}",
             r->port);
    s = sender_start("", hook);
    post(&s, CONF_WEBHOOK_CHANNEL_OCCUPIED, "presence-a");
    post(&s, CONF_WEBHOOK_MEMBER_ADDED, "presence-a");
    WAIT_FOR(STAT(&s, delivered) == 2, 5);
    WAIT_FOR(r->n, 5);
    assert_int_equal(r->n, 1); /* one batch */
    got = &r->requests[0];
    assert_int_equal(strncmp(got->head, "POST /hook?x=1 HTTP/1.1\r\n", 25), 0);
    assert_true(has_line(got->head, "Content-Type: application/json"));
    assert_true(has_line(got->head, "X-Pusher-Key: the-key"));
    assert_true(has_line(got->head, "X-Team: chat"));
    assert_true(has_line(got->head, "User-Agent: mine"));
    assert_null(strcasestr(got->head, "Expect"));
    auth_sign(hex, SLICE("the-secret"), slice_of(got->body));
    snprintf(line, sizeof line, "X-Pusher-Signature: %s", hex);
    assert_true(has_line(got->head, line));
    assert_int_equal(strncmp(got->body, "{\"time_ms\":1", 12), 0);
    assert_string_equal(strchr(got->body, ','),
                        ",\"events\":[{\"name\":\"channel_occupied\",\"channel\":"
                        "\"presence-a\"},{\"name\":\"member_added\",\"channel\":"
                        "\"presence-a\",\"user_id\":\"u\"}]}");
    assert_int_equal(STAT(&s, attempts), 1);
    sender_stop(&s, 1000);
    receiver_free(r);
}

static void each_webhook_gets_what_it_wants_and_no_other(void **state)
{
    struct webhook_receiver *all = receiver_start(TAKES_204),
                            *some = receiver_start(TAKES);
    char hooks[512];
    struct sender s;

    (void)state;
    snprintf(hooks, sizeof hooks,
             "{\"url\":\"http://127.0.0.1:%u\",\"event_types\":[\"member_added\","
             "\"cache_miss\"]},{\"url\":\"http://127.0.0.1:%u\",\"filter\":{"
             "\"channel_prefix\":\"presence-\",\"channel_suffix\":\"-eu\"}}",
             all->port, some->port);
    s = sender_start("", hooks);
    assert_true(webhooks_want(s.w, 1, CONF_WEBHOOK_CACHE_MISS, SLICE("cache-x")));
    assert_false(webhooks_want(s.w, 1, CONF_WEBHOOK_CHANNEL_OCCUPIED, SLICE("x-eu")));
    assert_true(
        webhooks_want(s.w, 1, CONF_WEBHOOK_CHANNEL_OCCUPIED, SLICE("presence-eu")));
    assert_false(webhooks_want(s.w, 0, CONF_WEBHOOK_CACHE_MISS, SLICE("cache-x")));
    post(&s, CONF_WEBHOOK_MEMBER_ADDED, "presence-1-us");
    post(&s, CONF_WEBHOOK_CHANNEL_VACATED, "presence-2-eu");
    post(&s, CONF_WEBHOOK_CHANNEL_VACATED, "x");
    post(&s, CONF_WEBHOOK_MEMBER_ADDED, "presence-3-eu");
    WAIT_FOR(STAT(&s, delivered) == 4, 5);
    assert_int_equal(all->n, 1);
    assert_non_null(strstr(all->requests[0].body, "presence-1-us"));
    assert_non_null(strstr(all->requests[0].body, "presence-3-eu"));
    assert_null(strstr(all->requests[0].body, "vacated"));
    assert_int_equal(some->n, 1);
    assert_non_null(strstr(some->requests[0].body, "presence-2-eu"));
    assert_non_null(strstr(some->requests[0].body, "presence-3-eu"));
    assert_null(strstr(some->requests[0].body, "presence-1-us"));
    sender_stop(&s, 1000);
    receiver_free(all);
    receiver_free(some);
}

static void an_app_without_webhooks_has_no_thread(void **state)
{
    struct sender s = sender_start("", "");

    (void)state;
    assert_false(webhooks_want(s.w, 1, CONF_WEBHOOK_CACHE_MISS, SLICE("x")));
    assert_int_equal(webhooks_descriptors(s.conf), 0);
    post(&s, CONF_WEBHOOK_CACHE_MISS, "x");
    sender_stop(&s, 1000);
}

static void the_environments_proxy_is_not_asked(void **state)
{
    struct webhook_receiver *r = receiver_start(TAKES);
    struct sender s;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    s = sender_to(r, "");
    post(&s, CONF_WEBHOOK_CHANNEL_OCCUPIED, "x");
    WAIT_FOR(STAT(&s, delivered) == 1, 5);
    assert_int_equal(STAT(&s, attempts), 1);
    sender_stop(&s, 1000);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    receiver_free(r);
}

/* ---- receivers that fail ---- */

/* The numbers that were taken must be 0, 1, 2, … on each channel: none missing, none
 * twice, none before another. */
static void assert_all_in_order(struct webhook_receiver *r, unsigned channels,
                                unsigned numbers)
{
    unsigned seen[64] = {0};

    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < r->n; i++) {
        const char *at = r->requests[i].taken ? r->requests[i].body : "";

        while ((at = strstr(at, "\"channel\":\"private-"))) {
            unsigned channel = (unsigned)strtoul(at + 19, NULL, 10);
            const char *data = strstr(at, "\"data\":\"");

            if ((unsigned)strtoul(data + 8, NULL, 10) != seen[channel])
                fail_msg("channel %u: %.10s instead of %u", channel, data + 8,
                         seen[channel]);
            seen[channel]++;
            at = data;
        }
    }
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < channels; i++)
        assert_int_equal(seen[i], numbers);
}

static void a_receiver_that_fails_in_every_way_and_comes_back_misses_nothing(void **state)
{
    enum { CHANNELS = 40, NUMBERS = 50 };
    static const enum manners course[] = {TAKES,   FAILS, CLOSES,   TAKES, STALLS,
                                          IS_DOWN, TAKES, CUTS_OFF, FAILS, TAKES_204};
    struct webhook_receiver *r = receiver_start(TAKES);
    struct sender s = sender_to(r, ",\"batch_ms\":5,\"batch_size\":7,\"timeout\":1,"
                                   "\"retry_seconds\":60");
    unsigned failed = 0;

    (void)state;
    for (unsigned i = 0; i < NUMBERS; i++) {
        atomic_store(&r->manners, course[i / 5 % 10]);
        for (unsigned channel = 0; channel < CHANNELS; channel++)
            post_number(&s, channel, i);
        usleep(60000);
    }
    WAIT_FOR(STAT(&s, delivered) == CHANNELS * NUMBERS, 20);
    assert_all_in_order(r, CHANNELS, NUMBERS);
    for (unsigned i = 0; i < r->n; i++)
        failed += !r->requests[i].taken;
    assert_true(failed > 0);
    assert_true(STAT(&s, retries) > 0);
    assert_int_equal(STAT(&s, gave_up), 0);
    assert_int_equal(STAT(&s, dropped), 0);
    WAIT_FOR(STAT(&s, queued) == 0, 1);
    assert_true(STAT(&s, delay_ms) > 0);
    sender_stop(&s, 1000);
    receiver_free(r);
}

static void a_dead_receiver_holds_up_nobody_else(void **state)
{
    enum { CHANNELS = 20, NUMBERS = 50 };
    struct webhook_receiver *dead = receiver_start(STALLS),
                            *alive = receiver_start(TAKES);
    char hooks[256];
    struct sender s;

    (void)state;
    snprintf(hooks, sizeof hooks,
             "{\"url\":\"http://127.0.0.1:%u\"},{\"url\":\"http://127.0.0.1:%u\"}",
             dead->port, alive->port);
    /* The dead one's events fill the queue, and make room for the other's. */
    s = sender_start(",\"batch_ms\":0,\"max_queue\":300,\"concurrency\":3", hooks);
    for (unsigned channel = 0; channel < 3; channel++) {
        post_number(&s, channel, 0);
        WAIT_FOR(dead->n == channel + 1, 2);
    }
    for (unsigned i = 0; i < NUMBERS; i++) {
        for (unsigned channel = i ? 0 : 3; channel < CHANNELS; channel++)
            post_number(&s, channel, i);
        usleep(5000);
    }
    WAIT_FOR(STAT(&s, delivered) == CHANNELS * NUMBERS, 3);
    assert_all_in_order(alive, CHANNELS, NUMBERS);
    WAIT_FOR(STAT(&s, in_flight) == 3, 2);
    assert_int_equal(dead->n, 3);
    assert_true(STAT(&s, dropped) > 0);
    assert_true(STAT(&s, queued) <= 300 + 3 * 50);
    assert_int_equal(STAT(&s, dropped) + STAT(&s, queued), CHANNELS * NUMBERS);
    sender_stop(&s, 10);
    assert_true(dead->most_at_once <= 3);
    receiver_free(dead);
    receiver_free(alive);
}

/* What libcurl's resolver calls: for one name it takes its time. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    typedef int fn(const char *, const char *, const struct addrinfo *,
                   struct addrinfo **);
    fn *real;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");

    if (node && strcmp(node, "slow.test") == 0) {
        atomic_store(&is_resolving, true);
        sleep(3);
        return EAI_AGAIN;
    }
    memcpy(&real, &symbol, sizeof real);
    return real(node, service, hints, out);
}

static void a_name_that_is_slow_to_resolve_holds_up_nobody_else(void **state)
{
    struct webhook_receiver *r = receiver_start(TAKES);
    char hooks[256];
    struct sender s;
    uint64_t begun = clock_ms();

    (void)state;
    snprintf(hooks, sizeof hooks,
             "{\"url\":\"http://slow.test/\"},{\"url\":\"http://127.0.0.1:%u\"}",
             r->port);
    s = sender_start(",\"batch_ms\":0,\"timeout\":1,\"retry_seconds\":0", hooks);
    post_number(&s, 0, 0);
    WAIT_FOR(atomic_load(&is_resolving), 5);
    WAIT_FOR(STAT(&s, gave_up) == 1, 5); /* it was given up, and isn't waited for */
    post_number(&s, 0, 1);
    WAIT_FOR(STAT(&s, delivered) == 2, 5);
    webhooks_stop(s.w, 0);
    assert_true(clock_ms() - begun < 2500);
    sender_stop(&s, 0);
    receiver_free(r);
}

static void what_was_answered_2xx_is_never_sent_again(void **state)
{
    static const enum manners ways[] = {CUTS_OFF, NEVER_ENDS};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct webhook_receiver *r = receiver_start(ways[i]);
        struct sender s = sender_to(r, ",\"timeout\":1");

        post(&s, CONF_WEBHOOK_CHANNEL_OCCUPIED, "x");
        WAIT_FOR(STAT(&s, delivered) == 1, 5);
        usleep(700000); /* a retry would have come */
        assert_int_equal(r->n, 1);
        assert_int_equal(STAT(&s, attempts), 1);
        sender_stop(&s, 1000);
        receiver_free(r);
    }
}

static void what_expired_is_counted_and_written_down_without_secrets(void **state)
{
    struct webhook_receiver *r = receiver_start(REDIRECTS);
    char hook[256], expected[256], *dead;
    struct sender s;

    (void)state;
    snprintf(hook, sizeof hook,
             "{\"url\":\"http://127.0.0.1:%u/hook?token=hush\","
             "\"headers\":[\"Authorization: Bearer hush\",\"X-Two: hush\"]}",
             r->port);
    s = sender_start(",\"retry_seconds\":1", hook);
    post(&s, CONF_WEBHOOK_CHANNEL_OCCUPIED, "x\"y");
    WAIT_FOR(STAT(&s, gave_up) == 1, 5);
    assert_int_equal(STAT(&s, delivered), 0);
    assert_true(r->n >= 3); /* at once, after 0.25 to 0.5 s, …, and after a second */
    assert_in_range(r->requests[r->n - 1].at - r->requests[0].at, 900, 5000);
    for (unsigned i = 0; i < r->n; i++) {
        assert_null(strstr(r->requests[i].head, "/there"));
        assert_string_equal(r->requests[i].body, r->requests[0].body);
    }
    dead = read_dead(&s);
    assert_null(strstr(dead, "hush"));
    snprintf(expected, sizeof expected,
             ",\"app\":\"app\",\"url\":\"http://127.0.0.1:%u/hook\",\"headers\":["
             "\"Authorization\",\"X-Two\"],\"reason\":\"refused\",\"status\":307,"
             "\"attempts\":%u,\"body\":\"{\\\"time_ms\\\":",
             r->port, r->n);
    assert_non_null(strstr(dead, expected));
    assert_non_null(strstr(dead, "\\\"channel\\\":\\\"x\\\\\\\"y\\\"}]}\"}\n"));
    free(dead);
    sender_stop(&s, 1000);
    receiver_free(r);
}

static void an_interim_answer_is_none(void **state)
{
    struct webhook_receiver *r = receiver_start(HINTS);
    struct sender s = sender_to(r, ",\"timeout\":1,\"retry_seconds\":0");
    char *dead;

    (void)state;
    post(&s, CONF_WEBHOOK_CHANNEL_OCCUPIED, "x");
    WAIT_FOR(STAT(&s, gave_up) == 1, 5);
    dead = read_dead(&s);
    assert_non_null(strstr(dead, "\"reason\":\"Timeout was reached\",\"status\":0,"));
    free(dead);
    sender_stop(&s, 1000);
    receiver_free(r);
}

/* ---- the end ---- */

static void stopping_tries_once_more_what_is_queued(void **state)
{
    struct webhook_receiver *r = receiver_start(FAILS);
    struct sender s = sender_to(r, ",\"batch_ms\":60000,\"batch_size\":2,"
                                   "\"concurrency\":1");
    uint64_t begun;

    (void)state;
    post_number(&s, 0, 0);
    post_number(&s, 0, 1);
    WAIT_FOR(r->n == 3, 5); /* the next wait is a second or more */
    WAIT_FOR(STAT(&s, in_flight) == 0, 5);
    post_number(&s, 0, 2);
    post_number(&s, 1, 0);
    atomic_store(&r->manners, TAKES);
    begun = clock_ms();
    webhooks_stop(s.w, 5000);
    assert_true(clock_ms() - begun < 900);
    assert_int_equal(STAT(&s, delivered), 4);
    assert_int_equal(STAT(&s, gave_up), 0);
    assert_string_equal(strrchr(r->requests[3].body, '['),
                        strrchr(r->requests[0].body, '['));
    sender_stop(&s, 0);
    receiver_free(r);
}

static void what_is_left_when_the_grace_is_over_is_written_down(void **state)
{
    struct webhook_receiver *r = receiver_start(STALLS);
    struct sender s = sender_to(r, ",\"batch_ms\":0,\"batch_size\":10,"
                                   "\"concurrency\":2");
    uint64_t begun;
    unsigned lines = 0;
    char *dead;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        post_number(&s, i % 5, i / 5);
    WAIT_FOR(r->n >= 1, 5);
    begun = clock_ms();
    webhooks_stop(s.w, 200);
    assert_in_range(clock_ms() - begun, 150, 4000);
    assert_int_equal(STAT(&s, gave_up), 100);
    assert_int_equal(STAT(&s, queued), 0);
    dead = read_dead(&s);
    assert_non_null(strstr(dead, "\"reason\":\"shutdown\",\"status\":0,\"attempts\":1,"));
    for (const char *p = dead; (p = strstr(p, "client_event")); p++)
        lines++;
    assert_int_equal(lines, 100);
    free(dead);
    sender_stop(&s, 0);
    receiver_free(r);
}

static void a_dead_letter_file_that_cannot_be_opened_refuses_to_start(void **state)
{
    static char *none[] = {NULL};
    struct buf problems = BUF_INIT;
    struct conf *conf;
    struct webhooks *w;

    (void)state;
    assert_int_equal(
        conf_load_memory(&conf,
                         SLICE("{\"webhooks\":{\"dead_letter_file\":\"/nowhere/x\"},"
                               "\"apps\":[{\"webhooks\":[{\"url\":\"http://x\"}]}]}"),
                         TEXT_JSON, "c", none, &problems),
        ERR_NONE);
    w = webhooks_alloc(conf);
    assert_int_equal(webhooks_start(w), ERR_SYSTEM);
    webhooks_stop(w, 0);
    webhooks_free(w);
    conf_free(conf);
    buf_fini(&problems);
}

/* ---- TLS ---- */

/* `openssl s_server` with a certificate that nobody signed; -1 where there is none. */
static pid_t start_tls(const char *folder, unsigned port)
{
    char command[512];
    pid_t pid;

    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 "
             "-addext subjectAltName=IP:127.0.0.1 -keyout %s/k -out %s/c 2>/dev/null",
             folder, folder);
    if (system(command) != 0)
        return -1;
    snprintf(command, sizeof command,
             "exec openssl s_server -accept 127.0.0.1:%u -key %s/k -cert %s/c -www "
             ">/dev/null 2>&1",
             port, folder, folder);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(1);
    }
    return pid;
}

static bool is_listening(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;

    close(fd);
    return is;
}

static void a_certificate_that_nobody_signed_is_refused(void **state)
{
    struct webhook_receiver *r = receiver_start(IS_DOWN); /* a free port */
    char folder[] = "/tmp/muster-tls-XXXXXX", hook[128], command[64], *dead;
    struct sender s;
    pid_t server;

    (void)state;
    WAIT_FOR(!is_listening(r->port), 2);
    assert_non_null(mkdtemp(folder));
    server = start_tls(folder, r->port);
    if (server > 0) {
        WAIT_FOR(is_listening(r->port), 5);
        snprintf(hook, sizeof hook, "{\"url\":\"https://127.0.0.1:%u/\"}", r->port);
        s = sender_start(",\"retry_seconds\":0", hook);
        post(&s, CONF_WEBHOOK_CHANNEL_OCCUPIED, "x");
        WAIT_FOR(STAT(&s, gave_up) == 1, 5);
        dead = read_dead(&s);
        assert_non_null(strstr(dead, "SSL peer certificate"));
        free(dead);
        sender_stop(&s, 1000);
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    receiver_free(r);
    if (server < 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_signed_and_has_the_headers_that_sdks_expect),
        TEST(each_webhook_gets_what_it_wants_and_no_other),
        TEST(an_app_without_webhooks_has_no_thread),
        TEST(the_environments_proxy_is_not_asked),
        TEST(a_receiver_that_fails_in_every_way_and_comes_back_misses_nothing),
        TEST(a_dead_receiver_holds_up_nobody_else),
        TEST(a_name_that_is_slow_to_resolve_holds_up_nobody_else),
        TEST(what_was_answered_2xx_is_never_sent_again),
        TEST(what_expired_is_counted_and_written_down_without_secrets),
        TEST(an_interim_answer_is_none),
        TEST(stopping_tries_once_more_what_is_queued),
        TEST(what_is_left_when_the_grace_is_over_is_written_down),
        TEST(a_dead_letter_file_that_cannot_be_opened_refuses_to_start),
        TEST(a_certificate_that_nobody_signed_is_refused),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("webhook send", tests, NULL, NULL);
}
