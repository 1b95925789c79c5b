/* Which names are to be subscribed to, and when that is confirmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adapters/redis_subs.h"

struct setting {
    struct redis_subs *subs;
    struct buf said; /* "7 " for each confirmation */
    struct buf sent; /* "SUBSCRIBE a b\n" */
};

static void subscribed(void *context, void *owner, uint64_t id, unsigned n_names)
{
    struct setting *s = context;

    assert_in_range(n_names, 1, 2);
    assert_ptr_equal(owner, s);
    buf_addf(&s->said, "%llu ", (unsigned long long)id);
}

static int setup(void **state)
{
    static const struct redis_subs_sink sink = {subscribed};
    static struct setting s;

    s = (struct setting){.said = BUF_INIT};
    s.subs = redis_subs_alloc(&sink, &s);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct setting *s = *state;

    redis_subs_free(s->subs);
    buf_fini(&s->said);
    buf_fini(&s->sent);
    return 0;
}

static void add(struct setting *s, uint64_t id, const char *one, const char *two)
{
    const struct slice names[] = {slice_of(one), slice_of(two)};

    redis_subs_add(s->subs, s, id, names, two ? 2 : 1);
}

static void take_out(struct setting *s, uint64_t id, const char *one)
{
    const struct slice names[] = {slice_of(one)};

    redis_subs_remove(s->subs, s, id, names, 1);
}

static void ack(struct setting *s, const char *name)
{
    assert_true(redis_subs_acknowledged(s->subs, slice_of(name)));
}

/* Sends all there is; what was sent: the words of each command. */
static const char *send_all(struct setting *s)
{
    struct buf b = BUF_INIT;
    char *rest;

    while (redis_subs_next(s->subs, &b))
        ;
    s->sent.n = 0;
    buf_add_char(&b, '\0');
    for (char *w = strtok_r(b.p, "\r\n", &rest); w; w = strtok_r(NULL, "\r\n", &rest))
        if (*w == '*')
            buf_addf(&s->sent, "%s", s->sent.n ? "\n" : "");
        else if (*w != '$')
            buf_addf(&s->sent, "%s ", w);
    buf_fini(&b);
    return buf_cstr(&s->sent);
}

static void assert_said(struct setting *s, const char *want)
{
    assert_string_equal(buf_cstr(&s->said), want);
}

static bool hears(struct setting *s, const char *name, uint64_t id)
{
    uint64_t found;
    void *owner;

    return redis_subs_find(s->subs, slice_of(name), &owner, &found) && found == id;
}

static void a_subscription_is_confirmed_once_all_its_names_are(void **state)
{
    struct setting *s = *state;

    add(s, 7, "a", "b");
    assert_string_equal(send_all(s), "SUBSCRIBE a b ");
    ack(s, "a");
    assert_said(s, "");
    assert_false(hears(s, "a", 7));
    ack(s, "b");
    assert_said(s, "7 ");
    assert_true(hears(s, "a", 7) && hears(s, "b", 7));
    assert_string_equal(send_all(s), "");
}

static void the_first_ones_acknowledgement_is_not_the_seconds(void **state)
{
    struct setting *s = *state;

    add(s, 1, "a", NULL);
    send_all(s);
    take_out(s, 1, "a");
    assert_string_equal(send_all(s), "UNSUBSCRIBE a ");
    add(s, 2, "a", NULL);
    assert_string_equal(send_all(s), "SUBSCRIBE a ");
    ack(s, "a");
    ack(s, "a");
    assert_said(s, "");
    assert_false(hears(s, "a", 2));
    ack(s, "a");
    assert_said(s, "2 ");
    assert_false(redis_subs_acknowledged(s->subs, slice_of("a")));
}

static void what_is_taken_back_in_the_same_turn_is_not_sent(void **state)
{
    struct setting *s = *state;

    add(s, 1, "a", NULL);
    take_out(s, 1, "a");
    assert_string_equal(send_all(s), "");
    add(s, 2, "a", NULL);
    send_all(s);
    ack(s, "a");
    take_out(s, 2, "a");
    assert_false(hears(s, "a", 2));
    add(s, 3, "a", NULL); /* was never given up, as far as Redis knows */
    assert_said(s, "2 3 ");
    assert_string_equal(send_all(s), "");
}

static void a_name_passes_to_the_last_who_asked(void **state)
{
    struct setting *s = *state;

    add(s, 1, "a", "b");
    send_all(s);
    ack(s, "a");
    ack(s, "b");
    add(s, 2, "a", NULL);
    assert_said(s, "1 2 ");
    take_out(s, 1, "a"); /* isn't 1's */
    assert_true(hears(s, "a", 2) && hears(s, "b", 1));
    assert_string_equal(send_all(s), "");
    take_out(s, 1, "b");
    assert_string_equal(send_all(s), "UNSUBSCRIBE b ");
}

static void after_a_reset_all_are_sent_again_and_new_ones_first(void **state)
{
    struct setting *s = *state;

    add(s, 1, "a", NULL);
    add(s, 2, "b", NULL);
    send_all(s);
    ack(s, "a");
    take_out(s, 2, "b");
    send_all(s);
    redis_subs_reset(s->subs);
    assert_false(hears(s, "a", 1));
    add(s, 3, "c", NULL);
    assert_string_equal(send_all(s), "SUBSCRIBE c \nSUBSCRIBE a ");
    ack(s, "c");
    ack(s, "a");
    assert_said(s, "1 3 1 ");
    assert_false(redis_subs_acknowledged(s->subs, slice_of("b")));
}

static void no_more_is_sent_than_is_acknowledged_in_time(void **state)
{
    struct setting *s = *state;
    struct buf b = BUF_INIT;
    unsigned commands = 0;
    char name[16];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "n%u", i);
        add(s, i, name, NULL);
    }
    while (redis_subs_next(s->subs, &b))
        commands++;
    assert_int_equal(commands, 5); /* of 500 */
    for (unsigned i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "n%u", i);
        ack(s, name);
    }
    while (redis_subs_next(s->subs, &b))
        commands++;
    assert_int_equal(commands, 10);
    buf_fini(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_subscription_is_confirmed_once_all_its_names_are),
        TEST(the_first_ones_acknowledgement_is_not_the_seconds),
        TEST(what_is_taken_back_in_the_same_turn_is_not_sent),
        TEST(a_name_passes_to_the_last_who_asked),
        TEST(after_a_reset_all_are_sent_again_and_new_ones_first),
        TEST(no_more_is_sent_than_is_acknowledged_in_time),
    };

    return cmocka_run_group_tests_name("redis_subs", tests, NULL, NULL);
}
