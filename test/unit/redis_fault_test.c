/* The link to a real Redis, and what befalls it. */
#include "test/unit/redis_linked.h"
#include "test/unit/redis_mute.h"

static void connects_again_when_redis_was_killed(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    subscribe(s, 7, "one", NULL);
    wait_for(&s->heard, "subscribed 1 7\n", 1000);
    kill(s->server.pid, SIGSTOP);
    ask(s, "SET a 1"); /* will not be answered */
    usleep(50000);
    redis_server_kill(&s->server);
    wait_for(&s->heard, "down", 1000);
    assert_int_equal(said(&s->heard, "reply none\n"), 1);
    ask(s, "SET a 1"); /* nor while it's gone */
    wait_times(&s->heard, "reply none\n", 2, 1000);
    usleep(200000);
    redis_server_run(&s->server, "");
    wait_for(&s->heard, "up 2\n", 3000);
    wait_for(&s->heard, "subscribed 2 7\n", 1000);
    ask(s, "PUBLISH one hello");
    wait_for(&s->heard, "message 7 one hello\n", 1000);
    ask_by_script(s);
    wait_for(&s->heard, "reply 3 elements\n", 1000);
}

static void is_degraded_after_2_s_of_silence_and_down_after_5(void **state)
{
    struct setting *s = *state;
    uint64_t stopped;

    start_and_wait(s);
    usleep(300000);
    kill(s->server.pid, SIGSTOP);
    stopped = clock_ms();
    ask(s, "SET a 1");
    wait_for(&s->heard, "degraded 1\n", 3000);
    assert_in_range(s->heard.degraded_at - stopped, 1600, 2400);
    assert_int_equal(said(&s->heard, "down"), 0);
    wait_for(&s->heard, "down", 4000);
    assert_in_range(s->heard.down_at - stopped, 4600, 5400);
    assert_int_equal(said(&s->heard, "reply none\n"), 1);
    kill(s->server.pid, SIGCONT);
    wait_for(&s->heard, "up 2\n", 3000);
    wait_for(&s->heard, "degraded 0\n", 500);
}

static void a_short_silence_is_nothing(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    kill(s->server.pid, SIGSTOP);
    usleep(1200000);
    kill(s->server.pid, SIGCONT);
    ask(s, "SET a 1");
    wait_for(&s->heard, "reply OK\n", 1000);
    usleep(300000);
    assert_int_equal(said(&s->heard, "degraded"), 0);
    assert_int_equal(said(&s->heard, "down"), 0);
}

static void loads_the_scripts_again_when_redis_lost_them(void **state)
{
    struct setting *s = *state;
    struct redis_link_figures f;

    start_and_wait(s);
    ask_by_script(s);
    wait_for(&s->heard, "reply 3 elements\n", 1000);
    freeReplyObject(redis_server_ask(&s->server, "SCRIPT FLUSH"));
    for (int i = 0; i < 20; i++)
        ask_by_script(s);
    wait_times(&s->heard, "reply 3 elements\n", 21, 1000);
    assert_int_equal(said(&s->heard, "down"), 0);
    redis_link_figures(s->link, &f);
    assert_int_equal(f.scripts_reloaded, 1);
}

static void keep_event(struct setting *s, unsigned n)
{
    struct asked *a = asked(s);
    struct buf message = BUF_INIT;

    buf_addf(&message,
             "\x01"
             "E0000000000000000 %u",
             n);
    redis_encode_keep(&s->keys, SLICE("app"), SLICE("cache-x"), buf_slice(&message), 1000,
                      &a->c.bytes);
    buf_fini(&message);
    redis_link_send(s->link, &a->c);
}

/* How many lines with this beginning go on with 0, 1, 2 and so on, before one doesn't. */
static unsigned in_order(struct heard *h, const char *beginning)
{
    unsigned n = 0;
    const char *p;

    pthread_mutex_lock(&h->lock);
    for (p = buf_cstr(&h->lines); (p = strstr(p, beginning)); n++) {
        p += strlen(beginning) + strlen("E0000000000000000");
        if (strtoul(p, NULL, 10) != n)
            break;
    }
    pthread_mutex_unlock(&h->lock);
    return n;
}

/* Other nodes take an event that comes behind a later one of the same home for lost. */
static void what_is_sent_again_for_its_script_keeps_its_place(void **state)
{
    enum { EVENTS = 20000 };
    struct setting *s = *state;
    struct buf line = BUF_INIT, name = BUF_INIT;

    redis_key_of_channel(&s->keys, TOPIC_CHANNEL, SLICE("app"), SLICE("cache-x"), &name);
    start_and_wait(s);
    subscribe(s, 7, buf_cstr(&name), NULL);
    wait_for(&s->heard, "subscribed 1 7\n", 1000);
    for (unsigned n = 0; n < EVENTS; n++) {
        if (n == EVENTS / 2)
            freeReplyObject(redis_server_ask(&s->server, "SCRIPT FLUSH"));
        keep_event(s, n);
    }
    wait_times(&s->heard, "message 7 ", EVENTS, 20000);
    buf_addf(&line, "message 7 %s \x01", buf_cstr(&name));
    assert_int_equal(in_order(&s->heard, buf_cstr(&line)), EVENTS);
    buf_fini(&line);
    buf_fini(&name);
}

static void a_script_that_is_nobodys_is_not_tried_for_ever(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    ask(s, "EVALSHA 0123456789012345678901234567890123456789 0");
    wait_for(&s->heard, "down Redis says: NOSCRIPT", 1000);
    assert_int_equal(said(&s->heard, "reply none\n"), 1);
}

static void any_error_reply_takes_both_links_down(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    ask(s, "SADD a 1");
    ask(s, "INCR a");
    ask(s, "SCARD a"); /* was answered behind the error */
    wait_for(&s->heard, "down Redis says: WRONGTYPE", 1000);
    assert_int_equal(said(&s->heard, "reply none\n"), 2);
    wait_for(&s->heard, "up 2\n", 1000);
}

/* What the caller asks gets an error reply in each session, as a script does whose key
 * has the wrong type. Returns the generation that was up last. */
static uint64_t poison_each_session(struct setting *s, unsigned ms)
{
    uint64_t until = clock_ms() + ms, generation = 0;
    struct redis_link_figures f;

    ask(s, "SADD a 1");
    while (clock_ms() < until) {
        redis_link_figures(s->link, &f);
        if (f.generation > generation) {
            generation = f.generation;
            ask_in(s, generation, "INCR a");
        }
        usleep(2000);
    }
    return generation;
}

static void an_error_in_every_session_is_degraded_until_one_lasts(void **state)
{
    struct setting *s = *state;
    uint64_t last;

    start_and_wait(s);
    last = poison_each_session(s, 6000);
    assert_in_range(last, 4, 12); /* not 25 a second */
    assert_int_equal(said(&s->heard, "degraded 1\n"), 1);
    assert_int_equal(said(&s->heard, "degraded 0\n"), 0);
    wait_for(&s->heard, "degraded 0\n", 9000);
    assert_in_range(s->heard.proven_at - s->heard.up_at, 4800, 5600);
}

static void two_errors_in_a_row_are_nothing(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    ask(s, "SADD a 1");
    ask(s, "INCR a");
    wait_for(&s->heard, "up 2\n", 1000);
    ask_in(s, 2, "INCR a");
    wait_for(&s->heard, "up 3\n", 1000);
    usleep(600000);
    assert_int_equal(said(&s->heard, "degraded"), 0);
}

static void three_closed_connections_in_a_row_are_nothing(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    for (unsigned i = 2; i <= 5; i++) {
        char up[16];

        snprintf(up, sizeof up, "up %u\n", i);
        freeReplyObject(redis_server_ask(&s->server, "CLIENT KILL TYPE pubsub"));
        wait_for(&s->heard, up, 1500);
    }
    usleep(600000);
    assert_int_equal(said(&s->heard, "degraded"), 0);
}

/* Full, it answers INFO and the like all the same: that is no proof of a way to it. */
static void a_redis_that_refuses_every_session_is_degraded_after_2_s(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET maxmemory 1"));
    ask(s, "SET a 1");
    wait_for(&s->heard, "down Redis says: OOM", 1000);
    wait_for(&s->heard, "degraded 1\n", 3500);
    assert_in_range(s->heard.degraded_at - s->heard.down_at, 1700, 3000);
    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET maxmemory 0"));
    wait_for(&s->heard, "up 2\n", 5000);
    wait_for(&s->heard, "degraded 0\n", 1000);
}

static void a_demoted_master_is_left(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    freeReplyObject(redis_server_ask(&s->server, "REPLICAOF 127.0.0.1 1"));
    ask(s, "SET a 1");
    wait_for(&s->heard, "down Redis says: READONLY", 1000);
    usleep(300000);
    assert_int_equal(said(&s->heard, "up 2\n"), 0);
    freeReplyObject(redis_server_ask(&s->server, "REPLICAOF NO ONE"));
    wait_for(&s->heard, "up 2\n", 3000);
}

static void the_caller_may_take_it_down(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    redis_link_fail(s->link, 9, "another generation's");
    redis_link_fail(s->link, 1, "batch: a reply that can't be read");
    wait_for(&s->heard, "down batch: a reply", 1000);
    wait_for(&s->heard, "up 2\n", 1000);
    assert_int_equal(said(&s->heard, "down"), 1);
}

static void a_killed_subscriber_takes_the_commands_with_it(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    freeReplyObject(redis_server_ask(&s->server, "CLIENT KILL TYPE pubsub"));
    wait_for(&s->heard, "down pub/sub", 1000);
    wait_for(&s->heard, "up 2\n", 1000);
}

static void stops_at_once_with_commands_under_way(void **state)
{
    struct setting *s = *state;
    uint64_t began;

    start_and_wait(s);
    kill(s->server.pid, SIGSTOP);
    for (int i = 0; i < 1000; i++)
        ask(s, "SET a 1");
    began = clock_ms();
    redis_link_stop(s->link);
    assert_in_range(clock_ms() - began, 0, 500);
    assert_int_equal(said(&s->heard, "reply none\n"), 1000);
    assert_int_equal(said(&s->heard, "down stopped\n"), 1);
    kill(s->server.pid, SIGCONT);
}

static void more_than_256_mib_of_commands_take_the_links_down(void **state)
{
    enum { COMMAND = 60 << 20, COMMANDS = 5 };
    struct setting *s = *state;
    char *big = xcalloc(1, COMMAND);

    start_and_wait(s);
    kill(s->server.pid, SIGSTOP);
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct asked *a = asked(s);

        redis_command_encode(
            &a->c.bytes,
            (const struct slice[]){SLICE("SET"), SLICE("big"), {big, COMMAND}}, 3);
        redis_link_send(s->link, &a->c);
    }
    wait_for(&s->heard, "down Redis doesn't keep up: 256 MiB", 4900);
    assert_int_equal(said(&s->heard, "reply none\n"), COMMANDS);
    kill(s->server.pid, SIGCONT);
    wait_for(&s->heard, "up 2\n", 10000);
    free(big);
}

static void wait_subscribed(struct setting *s, unsigned n, unsigned ms)
{
    uint64_t until = clock_ms() + ms;
    unsigned now = 0;

    while (now < n && clock_ms() < until) {
        usleep(5000);
        pthread_mutex_lock(&s->heard.lock);
        now = s->heard.subscribed;
        pthread_mutex_unlock(&s->heard.lock);
    }
    assert_int_equal(now, n);
}

static void a_hundred_thousand_names_are_subscribed_again(void **state)
{
    struct setting *s = *state;
    const unsigned n = 100000;
    uint64_t began;

    s->heard.quiet = true;
    start_and_wait(s);
    for (unsigned i = 0; i < n; i++) {
        char name[64];

        snprintf(name, sizeof name, "t:1:{px12}c:app:presence-a-room-%u", i);
        subscribe(s, i, name, NULL);
    }
    wait_subscribed(s, n, 10000);
    began = clock_ms();
    freeReplyObject(redis_server_ask(&s->server, "CLIENT KILL TYPE pubsub"));
    wait_for(&s->heard, "up 2\n", 2000);
    subscribe(s, n, "fresh", NULL); /* before those 100,000 */
    ask(s, "SET a 1");
    wait_for(&s->heard, "reply OK\n", 500);
    wait_subscribed(s, n + 1, 10000);
    print_message("100,000 names again in %llu ms\n",
                  (unsigned long long)(clock_ms() - began));
    assert_int_equal(said(&s->heard, "degraded"), 0);
    ask(s, "PUBLISH t:1:{px12}c:app:presence-a-room-99999 hello");
    wait_for(&s->heard, "message 99999", 1000);
}

static void a_name_that_does_not_exist_is_tried_again(void **state)
{
    struct setting *s = *state;
    const char *why;

    s->conf.unix_socket = "";
    s->conf.host = "nowhere.invalid";
    start(s);
    assert_int_equal(redis_link_await(s->link, 500, &why), ERR_SYSTEM);
    wait_for(&s->heard, "degraded 1\n", 2500);
    ask(s, "SET a 1");
    wait_for(&s->heard, "reply none\n", 1000);
}

/* In a process of its own: how often it was degraded, once the pipe is closed. */
static int linked_until_closed(struct setting *s, int pipe_end)
{
    char c;

    start_and_wait(s);
    while (read(pipe_end, &c, 1) > 0)
        ;
    usleep(400000); /* more than a tick */
    redis_link_stop(s->link);
    return (int)(said(&s->heard, "degraded") + said(&s->heard, "down") -
                 said(&s->heard, "down stopped"));
}

static void what_the_process_slept_through_proves_nothing(void **state)
{
    struct setting *s = *state;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(linked_until_closed(s, ends[0]));
    }
    close(ends[0]);
    usleep(600000);
    kill(child, SIGSTOP);
    usleep(2600000);
    kill(child, SIGCONT);
    close(ends[1]);
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_mute_subscriber_is_found_though_commands_are_answered(void **state)
{
    struct setting *s = *state;
    struct mute m;
    uint64_t began;

    mute_start(&m, s->server.socket);
    s->conf.unix_socket = m.path;
    start_and_wait(s);
    usleep(300000);
    atomic_store(&m.is_mute, true);
    began = clock_ms();
    wait_for(&s->heard, "degraded 1\n", 3000);
    assert_in_range(s->heard.degraded_at - began, 1600, 2500);
    ask(s, "SET a 1");
    wait_for(&s->heard, "reply OK\n", 1000);
    wait_for(&s->heard, "down nothing that is published arrives", 4000);
    assert_in_range(s->heard.down_at - began, 4500, 5500);
    atomic_store(&m.is_mute, false);
    wait_for(&s->heard, "degraded 0\n", 3000);
    redis_link_stop(s->link);
    mute_end(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(connects_again_when_redis_was_killed),
        TEST(is_degraded_after_2_s_of_silence_and_down_after_5),
        TEST(a_short_silence_is_nothing),
        TEST(loads_the_scripts_again_when_redis_lost_them),
        TEST(what_is_sent_again_for_its_script_keeps_its_place),
        TEST(a_script_that_is_nobodys_is_not_tried_for_ever),
        TEST(any_error_reply_takes_both_links_down),
        TEST(an_error_in_every_session_is_degraded_until_one_lasts),
        TEST(two_errors_in_a_row_are_nothing),
        TEST(three_closed_connections_in_a_row_are_nothing),
        TEST(a_redis_that_refuses_every_session_is_degraded_after_2_s),
        TEST(a_demoted_master_is_left),
        TEST(the_caller_may_take_it_down),
        TEST(a_killed_subscriber_takes_the_commands_with_it),
        TEST(stops_at_once_with_commands_under_way),
        TEST(more_than_256_mib_of_commands_take_the_links_down),
        TEST(a_hundred_thousand_names_are_subscribed_again),
        TEST(a_name_that_does_not_exist_is_tried_again),
        TEST(what_the_process_slept_through_proves_nothing),
        TEST(a_mute_subscriber_is_found_though_commands_are_answered),
    };

    RUN("redis_fault", tests);
}
