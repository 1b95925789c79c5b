/* What the tests of the link share: a Redis of their own, a link to it, and what the link
 * says on its thread, as lines of a log that the test waits for. */
#ifndef MUSTER_TEST_REDIS_LINKED_H
#define MUSTER_TEST_REDIS_LINKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/redis_link.h"
#include "adapters/redis_script.h"
#include "server/base/clock.h"
#include "server/base/xalloc.h"
#include "test/unit/redis_server.h"

/* What was said, one line each: "up 1", "down", "degraded 1", "subscribed 1 7", "message
 * 7 name payload", "reply text", "reply none". */
struct heard {
    pthread_mutex_t lock;
    struct buf lines;
    unsigned subscribed; /* of this generation */
    uint64_t up_at, down_at, degraded_at, proven_at;
    bool quiet; /* counts subscribed, but doesn't write it down */
};

struct setting {
    struct redis_server server;
    struct redis_keys keys;
    struct redis_link_conf conf;
    struct redis_link *link;
    struct heard heard;
};

static inline void say(struct heard *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void say(struct heard *h, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&h->lock);
    va_start(args, format);
    buf_vaddf(&h->lines, format, args);
    va_end(args);
    buf_add_char(&h->lines, '\n');
    pthread_mutex_unlock(&h->lock);
}

static inline void up(void *context, uint64_t generation)
{
    struct heard *h = context;

    h->subscribed = 0;
    h->up_at = clock_ms();
    say(h, "up %llu", (unsigned long long)generation);
}

static inline void down(void *context, const char *why)
{
    struct heard *h = context;

    h->down_at = clock_ms();
    say(h, "down %s", why);
}

static inline void degraded(void *context, bool is_degraded)
{
    struct heard *h = context;

    *(is_degraded ? &h->degraded_at : &h->proven_at) = clock_ms();
    say(h, "degraded %d", is_degraded);
}

static inline void subscribed(void *context, uint64_t generation, void *owner,
                              uint64_t id, unsigned n_names)
{
    struct heard *h = context;

    (void)n_names;

    assert_ptr_equal(owner, h);
    pthread_mutex_lock(&h->lock);
    h->subscribed++;
    pthread_mutex_unlock(&h->lock);
    if (!h->quiet)
        say(h, "subscribed %llu %llu", (unsigned long long)generation,
            (unsigned long long)id);
}

static inline void message(void *context, void *owner, uint64_t id, struct slice name,
                           struct slice payload)
{
    (void)owner;
    say(context, "message %llu %.*s %.*s", (unsigned long long)id, SLICE_ARG(name),
        SLICE_ARG(payload));
}

static inline void turn(void *context)
{
    (void)context;
}

static const struct redis_link_sink sink = {.up = up,
                                            .down = down,
                                            .degraded = degraded,
                                            .subscribed = subscribed,
                                            .message = message,
                                            .turn = turn};

/* How often a line that begins so has been said. */
static inline unsigned said(struct heard *h, const char *line)
{
    unsigned n = 0;

    pthread_mutex_lock(&h->lock);
    for (const char *p = buf_cstr(&h->lines); p && *p;) {
        n += strncmp(p, line, strlen(line)) == 0;
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    pthread_mutex_unlock(&h->lock);
    return n;
}

static inline void wait_times(struct heard *h, const char *line, unsigned times,
                              unsigned ms)
{
    uint64_t until = clock_ms() + ms;

    while (said(h, line) < times) {
        if (clock_ms() > until) {
            pthread_mutex_lock(&h->lock);
            print_error("%s", buf_cstr(&h->lines));
            pthread_mutex_unlock(&h->lock);
            fail_msg("no \"%s\" in these", line);
        }
        usleep(times > 1000 ? 50000 : 2000); /* it looks through all of it */
    }
}

static inline void wait_for(struct heard *h, const char *line, unsigned ms)
{
    wait_times(h, line, 1, ms);
}

static inline int setup(void **state)
{
    struct setting *s = xcalloc(1, sizeof *s);

    redis_server_start(&s->server, "");
    redis_keys_init(&s->keys, "t:", 0);
    pthread_mutex_init(&s->heard.lock, NULL);
    s->conf = (struct redis_link_conf){.host = "127.0.0.1",
                                       .port = 1,
                                       .unix_socket = s->server.socket,
                                       .username = "",
                                       .password = ""};
    *state = s;
    return 0;
}

static inline void start(struct setting *s)
{
    s->link = redis_link_alloc(&s->conf, &s->keys, &sink, &s->heard);
    assert_int_equal(redis_link_start(s->link), ERR_NONE);
}

static inline void start_and_wait(struct setting *s)
{
    const char *why;

    start(s);
    if (redis_link_await(s->link, 3000, &why))
        fail_msg("%s", why);
}

static inline int teardown(void **state)
{
    struct setting *s = *state;
    uint64_t began = clock_ms();

    if (s->link) {
        redis_link_stop(s->link);
        redis_link_free(s->link);
    }
    assert_in_range(clock_ms() - began, 0, 1000);
    redis_server_end(&s->server);
    buf_fini(&s->heard.lines);
    pthread_mutex_destroy(&s->heard.lock);
    free(s);
    return 0;
}

struct asked {
    struct redis_command c;
    struct heard *heard;
};

static inline void answered(struct redis_command *c, redisReply *reply)
{
    struct asked *a = (struct asked *)c;

    if (!reply)
        say(a->heard, "reply none");
    else if (reply->type == REDIS_REPLY_INTEGER)
        say(a->heard, "reply %lld", reply->integer);
    else if (reply->type == REDIS_REPLY_ARRAY)
        say(a->heard, "reply %zu elements", reply->elements);
    else
        say(a->heard, "reply %s", reply->str);
    freeReplyObject(reply);
    buf_fini(&c->bytes);
    free(a);
}

static inline struct asked *asked(struct setting *s)
{
    struct asked *a = xcalloc(1, sizeof *a);

    a->c.done = answered;
    a->heard = &s->heard;
    return a;
}

static inline void ask_in(struct setting *s, uint64_t generation, const char *words)
{
    struct asked *a = asked(s);
    struct slice w[8];
    size_t n = 0;

    for (const char *p = words; *p; n++) {
        size_t length = strcspn(p, " ");

        w[n] = (struct slice){p, length};
        p += length + (p[length] == ' ');
    }
    redis_command_encode(&a->c.bytes, w, n);
    a->c.generation = generation;
    redis_link_send(s->link, &a->c);
}

static inline void ask(struct setting *s, const char *words)
{
    ask_in(s, 0, words);
}

static inline void ask_by_script(struct setting *s)
{
    struct asked *a = asked(s);

    redis_encode_kept(&s->keys, SLICE("app"), SLICE("cache-x"), &a->c.bytes);
    redis_link_send(s->link, &a->c);
}

static inline void subscribe(struct setting *s, uint64_t id, const char *one,
                             const char *two)
{
    const struct slice names[] = {slice_of(one), slice_of(two)};

    redis_link_subscribe(s->link, &s->heard, id, names, two ? 2 : 1);
}

static inline void unsubscribe(struct setting *s, uint64_t id, const char *one)
{
    const struct slice names[] = {slice_of(one)};

    redis_link_unsubscribe(s->link, &s->heard, id, names, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* A program of these tests; its argument picks some of them. */
#define RUN(name, tests)                                             \
    do {                                                             \
        signal(SIGPIPE, SIG_IGN);                                    \
        if (argc > 1)                                                \
            cmocka_set_test_filter(argv[1]);                         \
        return cmocka_run_group_tests_name(name, tests, NULL, NULL); \
    } while (0)

#endif
