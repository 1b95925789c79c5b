/* The contract that every adapter keeps (adapters/adapter.h), run against each of them.
 * An adapter may answer from within the verb or later: turn() lets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "adapters/local.h"
#include "protocol/frame.h"

struct kind {
    const char *name;
    struct adapter *(*alloc)(unsigned homes);
    void (*turn)(struct adapter *a); /* until nothing is under way */
};

static void nothing_under_way(struct adapter *a)
{
    (void)a;
}

static const struct kind kinds[] = {
    {"local", local_adapter_alloc, nothing_under_way},
};

struct home {
    char log[1024]; /* "open1 " and "1:payload " or "1:payload!5.6 " */
};

static void opened(void *context, uint64_t id)
{
    struct home *h = context;
    size_t n = strlen(h->log);

    snprintf(h->log + n, sizeof h->log - n, "open%llu ", (unsigned long long)id);
}

static void event(void *context, uint64_t id, const struct adapter_event *e)
{
    struct home *h = context;
    size_t n = strlen(h->log);
    struct slice payload = frame_payload(e->frame);

    n += (size_t)snprintf(h->log + n, sizeof h->log - n, "%llu:%.*s",
                          (unsigned long long)id, SLICE_ARG(payload));
    if (e->except.first)
        n += (size_t)snprintf(h->log + n, sizeof h->log - n, "!%llu.%llu",
                              (unsigned long long)e->except.first,
                              (unsigned long long)e->except.second);
    snprintf(h->log + n, sizeof h->log - n, " ");
}

static const struct adapter_sink sink = {opened, event};

static const struct adapter_channel lobby = {
    .id = 1, .home = 0, .app = {"app", 3}, .name = {"lobby", 5}};
static const struct adapter_channel other = {
    .id = 2, .home = 1, .app = {"app", 3}, .name = {"other", 5}};

static void publish(struct adapter *a, const struct adapter_channel *c, const char *text,
                    struct socket_id except)
{
    struct frame *f = frame_text(slice_of(text));

    adapter_publish(a, c, &(struct adapter_event){f, except});
    frame_release(f); /* the adapter holds what it keeps */
}

static void open_is_answered_once_and_before_any_event(const struct kind *k)
{
    struct home homes[2] = {{""}, {""}};
    struct adapter *a = k->alloc(2);

    for (unsigned i = 0; i < 2; i++)
        adapter_attach(a, i, &sink, &homes[i]);
    adapter_open(a, &lobby);
    k->turn(a);
    publish(a, &lobby, "x", (struct socket_id){0, 0});
    k->turn(a);
    assert_string_equal(homes[0].log, "open1 1:x ");
    assert_string_equal(homes[1].log, "");
    adapter_close(a, &lobby);
    adapter_free(a);
}

static void
events_come_back_in_the_order_of_publishing_with_their_exception(const struct kind *k)
{
    struct home homes[2] = {{""}, {""}};
    struct adapter *a = k->alloc(2);

    for (unsigned i = 0; i < 2; i++)
        adapter_attach(a, i, &sink, &homes[i]);
    adapter_open(a, &lobby);
    adapter_open(a, &other);
    k->turn(a);
    publish(a, &lobby, "1", (struct socket_id){5, 6});
    publish(a, &other, "A", (struct socket_id){0, 0});
    publish(a, &lobby, "2", (struct socket_id){0, 0});
    k->turn(a);
    assert_string_equal(homes[0].log, "open1 1:1!5.6 1:2 ");
    assert_string_equal(homes[1].log, "open2 2:A ");
    adapter_close(a, &lobby);
    adapter_close(a, &other);
    adapter_free(a);
}

static void a_later_life_of_a_channel_is_opened_anew(const struct kind *k)
{
    struct home homes[1] = {{""}};
    struct adapter *a = k->alloc(1);
    struct adapter_channel again = lobby;

    again.id = 7;
    adapter_attach(a, 0, &sink, &homes[0]);
    adapter_open(a, &lobby);
    k->turn(a);
    adapter_close(a, &lobby);
    adapter_open(a, &again);
    k->turn(a);
    publish(a, &again, "x", (struct socket_id){0, 0});
    k->turn(a);
    assert_string_equal(homes[0].log, "open1 open7 7:x ");
    adapter_close(a, &again);
    adapter_free(a);
}

#define FOR_EACH_ADAPTER(clause)                                  \
    static void test_##clause(void **state)                       \
    {                                                             \
        (void)state;                                              \
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) \
            clause(&kinds[i]);                                    \
    }

FOR_EACH_ADAPTER(open_is_answered_once_and_before_any_event)
FOR_EACH_ADAPTER(events_come_back_in_the_order_of_publishing_with_their_exception)
FOR_EACH_ADAPTER(a_later_life_of_a_channel_is_opened_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_is_answered_once_and_before_any_event),
        cmocka_unit_test(
            test_events_come_back_in_the_order_of_publishing_with_their_exception),
        cmocka_unit_test(test_a_later_life_of_a_channel_is_opened_anew),
    };

    return cmocka_run_group_tests_name("adapter contract", tests, NULL, NULL);
}
