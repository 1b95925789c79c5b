/* What is sent when, with a clock of the test's own: windows, sizes, order per channel,
 * slots, retries, the bound and the end. And how an event reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/auth.h"
#include "server/webhook_event.h"
#include "server/webhook_queue.h"

#define TEST(name) cmocka_unit_test(name)

enum { START = 1000000 };

static const struct webhook_limits defaults = {50, 50, 300000, 4, 10000};

/* One queue with three targets, whose owners are their names; each has a URL of its own.
 */
struct world {
    struct webhook_queue *q;
    struct webhook_target *a, *b, *c;
    uint64_t now;
};

static char name_a[] = "a", name_b[] = "b", name_c[] = "c";

static struct world world_of(struct webhook_limits limits)
{
    struct world w = {.q = webhook_queue_alloc(&limits, 42), .now = START};

    w.a = webhook_target_add(w.q, slice_of(name_a), name_a);
    w.b = webhook_target_add(w.q, slice_of(name_b), name_b);
    w.c = webhook_target_add(w.q, slice_of(name_c), name_c);
    return w;
}

static void *add(struct world *w, struct webhook_target *t, const char *channel,
                 const char *json)
{
    struct webhook_piece *piece =
        webhook_piece_alloc(slice_of(channel), slice_of(json), w->now);
    void *loser = webhook_queue_add(w->q, t, piece);

    webhook_piece_release(piece);
    return loser;
}

static struct webhook_batch *next(struct world *w)
{
    return webhook_queue_next(w->q, (struct webhook_now){w->now, 7});
}

static void assert_body(struct webhook_batch *b, const char *events)
{
    char expected[512];

    assert_non_null(b);
    snprintf(expected, sizeof expected, "{\"time_ms\":7,\"events\":[%s]}", events);
    assert_string_equal(buf_cstr(&b->body), expected);
}

static void an_event_waits_for_its_window_and_shares_it(void **state)
{
    struct world w = world_of(defaults);
    struct webhook_batch *b;

    (void)state;
    assert_true(webhook_queue_due(w.q) == UINT64_MAX);
    add(&w, w.a, "x", "1");
    assert_int_equal(webhook_queue_due(w.q), START + 50);
    w.now += 30;
    add(&w, w.a, "y", "2");
    add(&w, w.a, "x", "3");
    w.now += 19;
    assert_null(next(&w));
    w.now += 1;
    b = next(&w);
    assert_body(b, "1,2,3"); /* in the order they were posted, channels mixed */
    assert_int_equal(b->n_events, 3);
    assert_int_equal(b->posted_sum, 3 * START + 60);
    assert_ptr_equal(b->owner, name_a);
    assert_null(next(&w));
    assert_int_equal(webhook_queue_events(w.q), 3);
    webhook_batch_end(w.q, b);
    assert_int_equal(webhook_queue_events(w.q), 0);
    assert_true(webhook_queue_due(w.q) == UINT64_MAX);
    webhook_queue_free(w.q);
}

static void count_done(void *arg)
{
    ++*(unsigned *)arg;
}

static void an_event_is_done_when_all_its_targets_are_through_with_it(void **state)
{
    struct world w = world_of(defaults);
    struct webhook_piece *piece = webhook_piece_alloc(SLICE("x"), SLICE("1"), w.now);
    struct webhook_batch *first, *second;
    unsigned done = 0;

    (void)state;
    piece->done = count_done;
    piece->arg = &done;
    webhook_queue_add(w.q, w.a, piece);
    webhook_queue_add(w.q, w.b, piece);
    webhook_piece_release(piece);
    w.now += 50;
    first = next(&w);
    second = next(&w);
    assert_true(first && second);
    assert_int_equal(done, 0); /* written down, but not delivered */
    assert_true(webhook_batch_retry(w.q, first, w.now));
    webhook_batch_end(w.q, second);
    assert_int_equal(done, 0);
    w.now += WEBHOOK_BACKOFF_FIRST;
    assert_ptr_equal(next(&w), first);
    webhook_batch_end(w.q, first);
    assert_int_equal(done, 1);
    webhook_queue_free(w.q);
}

static void a_full_batch_goes_at_once_and_the_rest_waits(void **state)
{
    struct webhook_limits limits = defaults;
    struct webhook_batch *b;
    struct world w;

    (void)state;
    limits.batch_size = 2;
    w = world_of(limits);
    add(&w, w.a, "x", "1");
    assert_null(next(&w));
    add(&w, w.a, "y", "2");
    add(&w, w.a, "z", "3");
    b = next(&w);
    assert_body(b, "1,2");
    assert_null(next(&w));
    w.now += 50;
    assert_body(next(&w), "3");
    webhook_queue_free(w.q);
}

static void a_batch_is_bounded_in_bytes_and_a_larger_event_goes_alone(void **state)
{
    enum { HUGE_EVENT = WEBHOOK_BATCH_MAX_BYTES + 1 };
    struct world w = world_of(defaults);
    char *big = calloc(1, HUGE_EVENT + 1);

    (void)state;
    memset(big, '7', HUGE_EVENT);
    add(&w, w.a, "x", big);
    add(&w, w.a, "y", "1");
    big[HUGE_EVENT / 2] = '\0';
    add(&w, w.a, "z", big);
    add(&w, w.a, "z", big);
    w.now += 50;
    assert_int_equal(next(&w)->n_events, 1);
    assert_int_equal(next(&w)->n_events, 2);
    w.now += 50;
    assert_null(next(&w)); /* z is busy */
    assert_int_equal(webhook_queue_waiting(w.q), 1);
    free(big);
    webhook_queue_free(w.q);
}

static void a_channel_in_flight_waits_and_others_go_past(void **state)
{
    struct world w = world_of(defaults);
    struct webhook_batch *first, *second;

    (void)state;
    add(&w, w.a, "x", "1");
    w.now += 50;
    first = next(&w);
    assert_body(first, "1");
    add(&w, w.a, "x", "2");
    add(&w, w.a, "y", "3");
    w.now += 50;
    second = next(&w);
    assert_body(second, "3");
    assert_null(next(&w));
    assert_true(webhook_queue_due(w.q) == UINT64_MAX);
    webhook_batch_end(w.q, first);
    assert_body(next(&w), "2");
    webhook_queue_free(w.q);
}

static void a_channel_that_failed_keeps_its_order(void **state)
{
    struct world w = world_of(defaults);
    struct webhook_batch *b;

    (void)state;
    add(&w, w.a, "x", "1");
    w.now += 50;
    b = next(&w);
    add(&w, w.a, "x", "2");
    assert_true(webhook_batch_retry(w.q, b, w.now));
    assert_null(next(&w));
    w.now = webhook_queue_due(w.q);
    assert_ptr_equal(next(&w), b);
    assert_body(b, "1"); /* byte for byte what was sent before */
    assert_int_equal(b->attempts, 2);
    webhook_batch_end(w.q, b);
    assert_body(next(&w), "2");
    webhook_queue_free(w.q);
}

static void a_url_has_as_many_slots_as_its_concurrency(void **state)
{
    struct webhook_limits limits = defaults;
    struct webhook_batch *one, *two;
    struct world w;

    (void)state;
    limits.concurrency = 2;
    limits.batch_size = 1;
    w = world_of(limits);
    add(&w, w.a, "x", "1");
    add(&w, w.a, "y", "2");
    add(&w, w.a, "z", "3");
    add(&w, w.b, "x", "4");
    one = next(&w);
    assert_body(next(&w), "4"); /* the targets take turns */
    two = next(&w);
    assert_body(one, "1");
    assert_body(two, "2");
    assert_null(next(&w));
    assert_true(webhook_batch_retry(w.q, one, w.now)); /* keeps its slot */
    assert_null(next(&w));
    webhook_batch_end(w.q, two);
    assert_body(next(&w), "3");
    webhook_queue_free(w.q);
}

static void targets_of_one_url_share_its_requests_in_flight(void **state)
{
    struct webhook_limits limits = defaults;
    struct webhook_batch *one, *two;
    struct webhook_target *other;
    struct world w;

    (void)state;
    limits.concurrency = 2;
    limits.batch_size = 1;
    w = world_of(limits);
    other = webhook_target_add(w.q, slice_of(name_a), name_b);
    add(&w, w.a, "x", "1");
    add(&w, w.a, "y", "2");
    add(&w, other, "x", "3");
    one = next(&w);
    two = next(&w);
    assert_body(one, "1");
    assert_body(two, "3"); /* they take turns */
    assert_null(next(&w));
    assert_true(webhook_queue_due(w.q) == UINT64_MAX);
    add(&w, w.b, "x", "4");
    assert_body(next(&w), "4");                        /* another URL's has its own */
    assert_true(webhook_batch_retry(w.q, one, w.now)); /* and leaves room meanwhile */
    assert_body(next(&w), "2");
    w.now = one->due;
    assert_null(next(&w));
    webhook_batch_end(w.q, two);
    assert_ptr_equal(next(&w), one);
    webhook_queue_free(w.q);
}

static void the_backoff_doubles_within_its_jitter(void **state)
{
    static const unsigned most[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

    (void)state;
    for (unsigned i = 0; i < sizeof most / sizeof most[0]; i++) {
        unsigned lowest = UINT32_MAX, highest = 0;

        for (uint64_t random = 0; random < 100000; random++) {
            unsigned wait = webhook_backoff(i + 1, random);

            lowest = wait < lowest ? wait : lowest;
            highest = wait > highest ? wait : highest;
        }
        assert_int_equal(lowest, most[i] / 2);
        assert_int_equal(highest, most[i]);
    }
    assert_in_range(webhook_backoff(1000000, 3), 15000, 30000);
}

static void retries_end_with_one_at_the_end_of_their_time(void **state)
{
    struct webhook_limits limits = defaults;
    struct webhook_batch *b;
    uint64_t last = 0;
    struct world w;

    (void)state;
    limits.retry_ms = 10000;
    limits.batch_ms = 0;
    w = world_of(limits);
    add(&w, w.a, "x", "1");
    b = next(&w);
    while (webhook_batch_retry(w.q, b, w.now)) {
        last = webhook_queue_due(w.q);
        assert_true(last > w.now);
        w.now = last;
        assert_ptr_equal(next(&w), b);
    }
    assert_int_equal(last, START + 10000);
    assert_in_range(b->attempts, 6, 9);
    webhook_batch_end(w.q, b);
    webhook_queue_free(w.q);
}

static void without_retry_seconds_there_is_one_attempt(void **state)
{
    struct webhook_limits limits = defaults;
    struct webhook_batch *b;
    struct world w;

    (void)state;
    limits.retry_ms = 0;
    w = world_of(limits);
    add(&w, w.a, "x", "1");
    w.now += 50;
    b = next(&w);
    assert_false(webhook_batch_retry(w.q, b, w.now));
    webhook_batch_end(w.q, b);
    webhook_queue_free(w.q);
}

static void every_event_of_a_batch_has_its_whole_time(void **state)
{
    struct world w = world_of(defaults);
    struct webhook_batch *b;

    (void)state;
    add(&w, w.a, "x", "1");
    w.now += 299000;
    add(&w, w.a, "y", "2");
    b = next(&w);
    assert_body(b, "1,2");
    assert_true(webhook_batch_retry(w.q, b, w.now + 299999));
    assert_ptr_equal(webhook_queue_next(w.q, (struct webhook_now){w.now + 300000, 7}), b);
    assert_false(webhook_batch_retry(w.q, b, w.now + 300000));
    webhook_batch_end(w.q, b);
    webhook_queue_free(w.q);
}

static void a_full_queue_takes_from_whoever_has_most(void **state)
{
    struct webhook_limits limits = defaults;
    struct world w;

    (void)state;
    limits.max_queue = 4;
    w = world_of(limits);
    assert_null(add(&w, w.a, "x", "1"));
    assert_null(add(&w, w.a, "x", "2"));
    assert_null(add(&w, w.a, "y", "3"));
    assert_null(add(&w, w.b, "x", "4"));
    assert_ptr_equal(add(&w, w.a, "z", "5"), name_a); /* its own newest */
    assert_ptr_equal(add(&w, w.b, "x", "6"), name_a); /* a's 3 makes room */
    assert_ptr_equal(add(&w, w.c, "x", "7"), name_a); /* or b's: they are even */
    assert_int_equal(webhook_queue_waiting(w.q), 4);
    w.now += 50;
    assert_body(next(&w), "1");
    assert_body(next(&w), "4,6");
    assert_body(next(&w), "7");
    assert_null(next(&w));
    webhook_queue_free(w.q);
}

static void draining_waits_for_nothing_and_tries_once(void **state)
{
    struct world w = world_of(defaults);
    struct webhook_batch *failed, *fresh;

    (void)state;
    add(&w, w.a, "x", "1");
    w.now += 50;
    failed = next(&w);
    assert_true(webhook_batch_retry(w.q, failed, w.now));
    add(&w, w.a, "y", "2");
    assert_null(next(&w));
    webhook_queue_drain(w.q);
    assert_ptr_equal(next(&w), failed);
    fresh = next(&w);
    assert_body(fresh, "2");
    assert_false(webhook_batch_retry(w.q, failed, w.now));
    assert_false(webhook_batch_retry(w.q, fresh, w.now));
    webhook_batch_end(w.q, failed);
    webhook_batch_end(w.q, fresh);
    assert_int_equal(webhook_queue_events(w.q), 0);
    webhook_queue_free(w.q);
}

static void flushing_yields_all_there_is(void **state)
{
    struct webhook_limits limits = defaults;
    struct webhook_batch *b;
    unsigned n = 0;
    struct world w;

    (void)state;
    limits.concurrency = 1;
    limits.batch_size = 2;
    w = world_of(limits);
    for (int i = 0; i < 9; i++)
        add(&w, w.a, i % 2 ? "x" : "y", "1");
    assert_non_null(next(&w));
    webhook_queue_flush(w.q);
    while ((b = next(&w))) {
        n += b->n_events;
        webhook_batch_end(w.q, b);
    }
    assert_in_range(n, 1, 7); /* not the busy channel's */
    webhook_queue_free(w.q);
}

/* Any run of adds, failures and deliveries: each target gets each channel's events once
 * and in order, never two batches at a time with one channel in them. */
static void order_and_number_hold_for_any_run(void **state)
{
    enum { CHANNELS = 5, ROUNDS = 20000, FLIGHT = 16 };
    struct webhook_limits limits = {20, 3, UINT32_MAX, 3, 1000000};
    unsigned posted[CHANNELS] = {0}, seen[CHANNELS] = {0}, random = 12345;
    struct webhook_batch *flight[FLIGHT];
    size_t n_flight = 0;
    struct world w;

    (void)state;
    w = world_of(limits);
    for (unsigned round = 0; round < ROUNDS || webhook_queue_events(w.q); round++) {
        struct webhook_batch *b;
        unsigned what;

        random = random * 1103515245 + 12345;
        what = (random >> 16) % 8;
        if (what < 3 && round < ROUNDS) {
            unsigned channel = (random >> 20) % CHANNELS;
            char name[8], json[32];

            snprintf(name, sizeof name, "%u", channel);
            snprintf(json, sizeof json, "%u.%u", channel, posted[channel]++);
            add(&w, w.a, name, json);
        } else if (what < 5 && n_flight < FLIGHT && (b = next(&w))) {
            flight[n_flight++] = b;
            assert_true(n_flight <= 3);
        } else if (what < 7 && n_flight) {
            size_t i = (random >> 20) % n_flight;
            unsigned channel, number;
            int used;

            b = flight[i];
            flight[i] = flight[--n_flight];
            if (what == 5) {
                assert_true(webhook_batch_retry(w.q, b, w.now));
                continue;
            }
            for (const char *p = strchr(buf_cstr(&b->body), '[') + 1;
                 sscanf(p, "%u.%u%n", &channel, &number, &used) == 2; p += used + 1) {
                assert_int_equal(number, seen[channel]);
                seen[channel]++;
                if (p[used] != ',')
                    break;
            }
            webhook_batch_end(w.q, b);
        } else {
            w.now += 7;
        }
    }
    for (unsigned i = 0; i < CHANNELS; i++)
        assert_int_equal(seen[i], posted[i]);
    webhook_queue_free(w.q);
}

/* ---- events ---- */

static void assert_reads(struct webhook_event from, const char *expected)
{
    struct webhook_event *e = webhook_event_alloc(&from);
    struct buf out = BUF_INIT;

    webhook_event_json(&out, e);
    assert_string_equal(buf_cstr(&out), expected);
    buf_fini(&out);
    webhook_event_free(e);
}

static void each_event_has_its_types_fields_and_no_others(void **state)
{
    struct webhook_event e = {.channel = SLICE("presence-a"),
                              .user_id = SLICE("10"),
                              .event = SLICE("client-x"),
                              .data_raw = SLICE("{\"n\":\"\xc3\xa9\", \"x\":1.10}"),
                              .socket_id = SLICE("1.2"),
                              .count = 3};

    (void)state;
    e.type = CONF_WEBHOOK_CHANNEL_OCCUPIED;
    assert_reads(e, "{\"name\":\"channel_occupied\",\"channel\":\"presence-a\"}");
    e.type = CONF_WEBHOOK_CHANNEL_VACATED;
    assert_reads(e, "{\"name\":\"channel_vacated\",\"channel\":\"presence-a\"}");
    e.type = CONF_WEBHOOK_CACHE_MISS;
    assert_reads(e, "{\"name\":\"cache_miss\",\"channel\":\"presence-a\"}");
    e.type = CONF_WEBHOOK_MEMBER_ADDED;
    assert_reads(e, "{\"name\":\"member_added\",\"channel\":\"presence-a\",\"user_id\":"
                    "\"10\"}");
    e.type = CONF_WEBHOOK_MEMBER_REMOVED;
    assert_reads(e, "{\"name\":\"member_removed\",\"channel\":\"presence-a\",\"user_id\":"
                    "\"10\"}");
    e.type = CONF_WEBHOOK_SUBSCRIPTION_COUNT;
    assert_reads(e, "{\"name\":\"subscription_count\",\"channel\":\"presence-a\","
                    "\"subscription_count\":3}");
    e.type = CONF_WEBHOOK_CLIENT_EVENT;
    assert_reads(e, "{\"name\":\"client_event\",\"channel\":\"presence-a\",\"event\":"
                    "\"client-x\",\"data\":\"{\\\"n\\\":\\\"\xc3\xa9\\\", "
                    "\\\"x\\\":1.10}\",\"socket_id\":\"1.2\",\"user_id\":\"10\"}");
}

static void a_client_events_data_is_always_a_string(void **state)
{
    struct webhook_event e = {.type = CONF_WEBHOOK_CLIENT_EVENT,
                              .channel = SLICE("private-a"),
                              .event = SLICE("client-\"x\""),
                              .data_raw = SLICE("\"a\\u0041\""),
                              .socket_id = SLICE("1.2")};

    (void)state;
    assert_reads(e, "{\"name\":\"client_event\",\"channel\":\"private-a\",\"event\":"
                    "\"client-\\\"x\\\"\",\"data\":\"a\\u0041\",\"socket_id\":\"1.2\"}");
    e.data_raw = SLICE("[1]");
    assert_reads(e, "{\"name\":\"client_event\",\"channel\":\"private-a\",\"event\":"
                    "\"client-\\\"x\\\"\",\"data\":\"[1]\",\"socket_id\":\"1.2\"}");
    e.data_raw = SLICE_NONE;
    assert_reads(e, "{\"name\":\"client_event\",\"channel\":\"private-a\",\"event\":"
                    "\"client-\\\"x\\\"\",\"data\":\"null\",\"socket_id\":\"1.2\"}");
}

static void the_body_of_the_protocols_vector_has_its_signature(void **state)
{
    struct webhook_event e = {.type = CONF_WEBHOOK_CHANNEL_OCCUPIED,
                              .channel = SLICE("my-channel")};
    struct world w = world_of(defaults);
    struct buf json = BUF_INIT;
    char hex[AUTH_HEX_LEN + 1];
    struct webhook_batch *b;

    (void)state;
    webhook_event_json(&json, &e);
    add(&w, w.a, "my-channel", buf_cstr(&json));
    b = webhook_queue_next(w.q, (struct webhook_now){w.now + 50, 1327078148132});
    assert_non_null(b);
    assert_string_equal(
        buf_cstr(&b->body),
        "{\"time_ms\":1327078148132,\"events\":[{\"name\":\"channel_occupied\","
        "\"channel\":\"my-channel\"}]}");
    auth_sign(hex, SLICE("7ad3773142a6692b25b8"), buf_slice(&b->body));
    assert_string_equal(
        hex, "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf");
    buf_fini(&json);
    webhook_queue_free(w.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_waits_for_its_window_and_shares_it),
        TEST(an_event_is_done_when_all_its_targets_are_through_with_it),
        TEST(a_full_batch_goes_at_once_and_the_rest_waits),
        TEST(a_batch_is_bounded_in_bytes_and_a_larger_event_goes_alone),
        TEST(a_channel_in_flight_waits_and_others_go_past),
        TEST(a_channel_that_failed_keeps_its_order),
        TEST(a_url_has_as_many_slots_as_its_concurrency),
        TEST(targets_of_one_url_share_its_requests_in_flight),
        TEST(the_backoff_doubles_within_its_jitter),
        TEST(retries_end_with_one_at_the_end_of_their_time),
        TEST(without_retry_seconds_there_is_one_attempt),
        TEST(every_event_of_a_batch_has_its_whole_time),
        TEST(a_full_queue_takes_from_whoever_has_most),
        TEST(draining_waits_for_nothing_and_tries_once),
        TEST(flushing_yields_all_there_is),
        TEST(order_and_number_hold_for_any_run),
        TEST(each_event_has_its_types_fields_and_no_others),
        TEST(a_client_events_data_is_always_a_string),
        TEST(the_body_of_the_protocols_vector_has_its_signature),
    };

    return cmocka_run_group_tests_name("webhook queue", tests, NULL, NULL);
}
