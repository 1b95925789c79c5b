/* When a node is alive, as /up says it, and what is counted of an HTTP request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/health.h"
#include "server/http_stats.h"
#include "server/node.h"
#include "server/worker.h"

enum { NOW = 100000 };

/* A node whose workers have turned that many ms ago. */
static struct node *node_of(unsigned n, const uint64_t *ago)
{
    struct node *node = calloc(1, sizeof *node);

    node->n_workers = n;
    node->workers = calloc(n, sizeof *node->workers);
    for (unsigned i = 0; i < n; i++)
        atomic_init(&node->workers[i].last_turn, NOW - ago[i]);
    return node;
}

static bool turning(unsigned n, const uint64_t *ago)
{
    struct node *node = node_of(n, ago);
    bool yes = health_turning(node, NOW);

    free(node->workers);
    free(node);
    return yes;
}

static void a_node_is_up_while_each_worker_has_turned_within_5_s(void **state)
{
    (void)state;
    assert_true(turning(1, (const uint64_t[]){0}));
    assert_true(turning(3, (const uint64_t[]){0, 5000, 1200}));
    assert_false(turning(3, (const uint64_t[]){0, 5001, 1200}));
    assert_false(turning(3, (const uint64_t[]){0, 1, 60000}));
}

static void a_worker_that_turned_after_the_clock_was_read_is_alive(void **state)
{
    (void)state;
    assert_true(turning(2, (const uint64_t[]){(uint64_t)-1, 0}));
}

static unsigned place_of(const char *label, unsigned n, const char *(*label_at)(unsigned))
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(label_at(i), label) == 0)
            return i;
    }
    fail_msg("no label %s", label);
    return 0;
}

static uint64_t with_status(const struct http_stats *s, const char *label)
{
    return s->by_status[place_of(label, HTTP_STATUSES, http_status_label)];
}

static uint64_t within(const struct http_stats *s, const char *label)
{
    return s->by_time[place_of(label, HTTP_TIMES, http_time_label)];
}

static void a_request_is_counted_by_its_status_and_in_one_bucket(void **state)
{
    struct http_stats s = {0};

    (void)state;
    http_stats_count(&s, 200, 0);
    http_stats_count(&s, 200, 100);
    http_stats_count(&s, 404, 101);
    http_stats_count(&s, 503, 2500000);
    http_stats_count(&s, 418, 2500001);
    assert_int_equal(with_status(&s, "200"), 2);
    assert_int_equal(with_status(&s, "404"), 1);
    assert_int_equal(with_status(&s, "503"), 1);
    assert_int_equal(with_status(&s, "other"), 1);
    assert_int_equal(within(&s, "0.0001"), 2);
    assert_int_equal(within(&s, "0.00025"), 1);
    assert_int_equal(within(&s, "2.5"), 1);
    assert_int_equal(within(&s, "+Inf"), 1);
    assert_int_equal(s.us, 0 + 100 + 101 + 2500000 + 2500001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_up_while_each_worker_has_turned_within_5_s),
        cmocka_unit_test(a_worker_that_turned_after_the_clock_was_read_is_alive),
        cmocka_unit_test(a_request_is_counted_by_its_status_and_in_one_bucket),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
