/* The link to a real Redis: what it carries, and which Redis it takes. */
#include "test/unit/redis_linked.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* Any name will do for the link. */
static void carries_commands_and_what_is_published(void **state)
{
    struct setting *s = *state;
    struct redis_link_figures f;

    start_and_wait(s);
    wait_for(&s->heard, "up 1\n", 0);
    ask(s, "SET a 1");
    ask(s, "INCR a");
    wait_for(&s->heard, "reply OK\nreply 2\n", 1000);
    subscribe(s, 7, "one", "two");
    wait_for(&s->heard, "subscribed 1 7\n", 1000);
    ask(s, "PUBLISH one hello");
    ask(s, "PUBLISH two there");
    ask(s, "PUBLISH three nobody");
    wait_for(&s->heard, "message 7 two there\n", 1000);
    assert_int_equal(said(&s->heard, "message 7 one hello\n"), 1);
    unsubscribe(s, 7, "one");
    unsubscribe(s, 8, "two"); /* isn't 8's */
    ask(s, "PUBLISH one again");
    ask(s, "PUBLISH two again");
    wait_for(&s->heard, "message 7 two again\n", 1000);
    assert_int_equal(said(&s->heard, "message 7 one"), 1);
    redis_link_figures(s->link, &f);
    assert_int_equal(f.generation, 1);
    assert_false(f.degraded);
    assert_in_range(f.messages, 3, 4);
}

static void a_command_of_another_generation_is_not_sent(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    ask_in(s, 2, "SET a 1");
    ask_in(s, 1, "EXISTS a");
    wait_for(&s->heard, "reply 0\n", 1000);
    assert_int_equal(said(&s->heard, "reply none\n"), 1);
}

static void a_name_given_up_and_taken_again_is_confirmed_by_its_own_ack(void **state)
{
    struct setting *s = *state;

    start_and_wait(s);
    for (uint64_t id = 1; id <= 50; id++) {
        subscribe(s, id, "one", NULL);
        if (id % 3 == 0)
            usleep(500);
        if (id < 50)
            unsubscribe(s, id, "one");
    }
    wait_for(&s->heard, "subscribed 1 50\n", 1000);
    ask(s, "PUBLISH one hello");
    wait_for(&s->heard, "message 50 one hello\n", 1000);
    assert_int_equal(said(&s->heard, "message"), 1);
    subscribe(s, 51, "one", NULL); /* passes on, and is confirmed at once */
    wait_for(&s->heard, "subscribed 1 51\n", 1000);
    unsubscribe(s, 50, "one");
    ask(s, "PUBLISH one there");
    wait_for(&s->heard, "message 51 one there\n", 1000);
}

static void assert_refused(struct setting *s, const char *words)
{
    const char *why;

    start(s);
    assert_int_equal(redis_link_await(s->link, 3000, &why), ERR_INVALID);
    if (!strstr(why, words))
        fail_msg("%s", why);
    assert_int_equal(said(&s->heard, "up"), 0);
}

static void a_wrong_password_is_refused(void **state)
{
    struct setting *s = *state;

    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET requirepass right"));
    s->conf.password = "wrong";
    assert_refused(s, "WRONGPASS");
}

static void no_password_is_refused_where_one_is_needed(void **state)
{
    struct setting *s = *state;

    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET requirepass right"));
    assert_refused(s, "NOAUTH");
}

static void a_password_and_a_database_are_used(void **state)
{
    struct setting *s = *state;

    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET requirepass right"));
    s->conf.password = "right";
    s->conf.db = 3;
    start_and_wait(s);
    ask(s, "SET a 1");
    wait_for(&s->heard, "reply OK\n", 1000);
    freeReplyObject(redis_server_ask(&s->server, "SELECT 3"));
    redisReply *r = redis_server_ask(&s->server, "GET a");

    assert_string_equal(r->str, "1");
    freeReplyObject(r);
}

static void eviction_of_any_key_is_refused_by_name(void **state)
{
    struct setting *s = *state;

    freeReplyObject(
        redis_server_ask(&s->server, "CONFIG SET maxmemory-policy allkeys-lru"));
    assert_refused(s, "maxmemory-policy is allkeys-lru");
    freeReplyObject(
        redis_server_ask(&s->server, "CONFIG SET maxmemory-policy noeviction"));
    wait_for(&s->heard, "up 1\n", 5000);
}

static void another_number_of_partitions_is_refused_by_name(void **state)
{
    struct setting *s = *state;

    freeReplyObject(redis_server_ask(&s->server, "SET t:1:{pxhb}partitions 32"));
    assert_refused(s, "use 32 partitions, this one 64");
}

static void a_replica_is_refused(void **state)
{
    struct setting *s = *state;

    freeReplyObject(redis_server_ask(&s->server, "REPLICAOF 127.0.0.1 1"));
    assert_refused(s, "role is slave");
}

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

/* It passes: a start waits for it. */
static void a_master_without_its_replicas_is_waited_for(void **state)
{
    struct setting *s = *state;
    const char *why;

    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET min-replicas-to-write 1"));
    start(s);
    assert_int_equal(redis_link_await(s->link, 500, &why), ERR_SYSTEM);
    assert_non_null(strstr(why, "NOREPLICAS"));
    freeReplyObject(redis_server_ask(&s->server, "CONFIG SET min-replicas-to-write 0"));
    assert_int_equal(redis_link_await(s->link, 5000, &why), ERR_NONE);
}

static void names_are_resolved(void **state)
{
    struct setting *s = *state;

    redis_server_kill(&s->server);
    s->server.port = free_port();
    redis_server_run(&s->server, "");
    s->conf.unix_socket = "";
    s->conf.host = "localhost"; /* maybe ::1 first, where nobody listens */
    s->conf.port = s->server.port;
    start_and_wait(s);
    ask(s, "SET a 1");
    wait_for(&s->heard, "reply OK\n", 1000);
}

static void many_commands_are_carried_in_pieces(void **state)
{
    struct setting *s = *state;
    char *big = xmalloc(1 << 20);

    memset(big, 'x', 1 << 20);
    start_and_wait(s);
    for (int i = 0; i < 40; i++) {
        struct asked *a = asked(s);

        redis_command_encode(
            &a->c.bytes,
            (const struct slice[]){SLICE("SET"), SLICE("big"), {big, 1 << 20}}, 3);
        redis_link_send(s->link, &a->c);
    }
    wait_times(&s->heard, "reply OK\n", 40, 4000);
    free(big);
}

static void ask_patiently(struct setting *s)
{
    struct asked *a = asked(s);

    redis_command_encode(&a->c.bytes, (const struct slice[]){SLICE("TIME")}, 1);
    a->c.patient = true;
    redis_link_send(s->link, &a->c);
}

/* ms that three patient commands took, each asked when the one before was answered,
 * after a while without any; of some such rows. */
struct waits {
    unsigned shortest[3], longest_row;
};

static void time_patient_ones(struct setting *s, struct waits *w)
{
    unsigned answered = 0;

    *w = (struct waits){.shortest = {1000, 1000, 1000}};
    for (unsigned row = 0; row < 10; row++) {
        uint64_t began;

        usleep(100000);
        began = clock_ms();
        for (unsigned i = 0; i < 3; i++) {
            uint64_t asked_at = clock_ms();
            unsigned ms;

            ask_patiently(s);
            wait_times(&s->heard, "reply 2 elements\n", ++answered, 1000);
            ms = (unsigned)(clock_ms() - asked_at);
            w->shortest[i] = ms < w->shortest[i] ? ms : w->shortest[i];
        }
        if (clock_ms() - began > w->longest_row)
            w->longest_row = (unsigned)(clock_ms() - began);
    }
}

/* A channel's first subscriber takes two batches: its count, and then its join. */
static void two_patient_commands_after_a_while_dont_wait_a_third_does(void **state)
{
    struct setting *s = *state;
    struct waits w;

    start_and_wait(s);
    time_patient_ones(s, &w);
    assert_in_range(w.shortest[0], 0, 6);
    assert_in_range(w.shortest[1], 0, 6);
    assert_in_range(w.longest_row, 9, 1000);
}

/* Every script once, and the plain commands. */
static void run_everything(struct setting *s)
{
    const struct slice app = SLICE("app"), channel = SLICE("presence-x"),
                       message = SLICE("\x01"
                                       "E0000000000000000rest");
    const unsigned p = redis_partition(app, channel);
    const struct op ops[] = {
        {.kind = OP_JOIN,
         .app = app,
         .channel = channel,
         .user = SLICE("u"),
         .hash = 1,
         .webhooks = 3},
        {.kind = OP_COUNT,
         .app = app,
         .channel = channel,
         .count = 1,
         .hash = 1,
         .webhooks = 3},
        {.kind = OP_SNAPSHOT, .app = app, .channel = channel},
        {.kind = OP_SNAPSHOT, .app = app, .channel = channel, .cursor = 1},
        {.kind = OP_LEAVE,
         .app = app,
         .channel = channel,
         .user = SLICE("u"),
         .hash = 1,
         .webhooks = 3,
         .unclean = true}};
    const struct batch b = {p, 1, 1, 1, 0, 1 << 12, ops, 5};
    const struct beat beat = {1, {0, 0, false}, {1, 1, false}, 1};
    const struct redis_lookup q = {.partition = p,
                                   .app = app,
                                   .prefix = SLICE(""),
                                   .users = true,
                                   .members = true,
                                   .kept = true};
    struct asked *a[13];
    unsigned n = 0;

    for (unsigned i = 0; i < 13; i++)
        a[i] = asked(s);
    redis_encode_batch(&s->keys, &b, 3000, &a[n++]->c.bytes);
    redis_encode_verify(&s->keys, &(struct verify){p, 1, 2}, &a[n++]->c.bytes);
    redis_encode_list(&s->keys, p, 1, 0, &a[n++]->c.bytes);
    redis_encode_version(&s->keys, app, channel, &a[n++]->c.bytes);
    redis_encode_beat(&s->keys, &beat, &a[n++]->c.bytes);
    redis_encode_kill(&s->keys, 1, beat.value, &a[n++]->c.bytes);
    redis_encode_publish(&s->keys, TOPIC_USER, app, channel, message, &a[n++]->c.bytes);
    redis_encode_keep(&s->keys, app, channel, message, 1000, &a[n++]->c.bytes);
    redis_encode_kept(&s->keys, app, channel, &a[n++]->c.bytes);
    redis_encode_lookup(&s->keys, &q, &a[n++]->c.bytes);
    redis_encode_webhooks(&s->keys, &(struct redis_webhooks){.partition = p, .limit = 9},
                          &a[n++]->c.bytes);
    redis_encode_reap(&s->keys, p, 1, 2 << 12, 3000, &a[n++]->c.bytes);
    redis_encode_holders(&s->keys, p, &a[n++]->c.bytes);
    assert_int_equal(n, 13);
    for (unsigned i = 0; i < n; i++)
        redis_link_send(s->link, &a[i]->c);
    wait_times(&s->heard, "reply ", 13, 1000);
    assert_int_equal(said(&s->heard, "reply none"), 0);
}

/* The line of docs/redis.md, in words that are separated by single spaces, for the prefix
 * and password of this test. */
static void set_user(struct setting *s)
{
    static char text[2048];
    const char *argv[64];
    int argc = 0;
    char *rest;
    FILE *f = fopen("docs/redis.md", "r");
    redisReply *r;

    assert_non_null(f);
    while (fgets(text, sizeof text, f) && strncmp(text, "ACL SETUSER muster ", 19) != 0)
        ;
    fclose(f);
    text[strcspn(text, "\n")] = '\0';
    for (char *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = strcmp(w, "~muster:*") == 0   ? "~t:*"
                       : strcmp(w, "&muster:*") == 0 ? "&t:*"
                       : w[0] == '>'                 ? ">secret"
                                                     : w;
    assert_in_range(argc, 10, 64);
    r = redisCommandArgv(s->server.control, argc, argv, NULL);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
}

static void the_documented_acl_rules_are_enough(void **state)
{
    struct setting *s = *state;

    set_user(s);
    s->conf.username = "muster";
    s->conf.password = "secret";
    start_and_wait(s);
    subscribe(s, 7, "t:1:{px0}c:app:x", NULL);
    wait_for(&s->heard, "subscribed 1 7\n", 1000);
    unsubscribe(s, 7, "t:1:{px0}c:app:x");
    run_everything(s);
    assert_int_equal(said(&s->heard, "down"), 0);
    ask(s, "KEYS *");
    wait_for(&s->heard, "down Redis says: NOPERM", 1000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(carries_commands_and_what_is_published),
        TEST(a_command_of_another_generation_is_not_sent),
        TEST(a_name_given_up_and_taken_again_is_confirmed_by_its_own_ack),
        TEST(a_wrong_password_is_refused),
        TEST(no_password_is_refused_where_one_is_needed),
        TEST(a_password_and_a_database_are_used),
        TEST(eviction_of_any_key_is_refused_by_name),
        TEST(another_number_of_partitions_is_refused_by_name),
        TEST(a_replica_is_refused),
        TEST(a_master_without_its_replicas_is_waited_for),
        TEST(names_are_resolved),
        TEST(many_commands_are_carried_in_pieces),
        TEST(two_patient_commands_after_a_while_dont_wait_a_third_does),
        TEST(the_documented_acl_rules_are_enough),
    };

    RUN("redis_link", tests);
}
