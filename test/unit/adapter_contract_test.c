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

static struct adapter *alloc_local(unsigned homes)
{
    return local_adapter_alloc(homes, 1 << 20);
}

static const struct kind kinds[] = {
    {"local", alloc_local, nothing_under_way},
};

struct home {
    char log[1024]; /* "open1 " and "1:payload " or "1:payload!5.6 " */
};

static void opened(void *context, uint64_t id, const struct adapter_kept *kept)
{
    struct home *h = context;
    size_t n = strlen(h->log);

    n += (size_t)snprintf(h->log + n, sizeof h->log - n, "open%llu",
                          (unsigned long long)id);
    if (kept->frame)
        n += (size_t)snprintf(h->log + n, sizeof h->log - n, "(%.*s)",
                              SLICE_ARG(frame_payload(kept->frame)));
    snprintf(h->log + n, sizeof h->log - n, " ");
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

/* Each home knows one channel, the lobby. */
static void facts(void *context, const struct lookup_query *q, struct lookup_answer *a)
{
    struct channel_facts *f;

    (void)context;
    if (q->channel.p && !slice_is(q->channel, "lobby"))
        return;
    f = lookup_add(a, SLICE("lobby"));
    f->subscriptions = 3;
    f->users = 2;
    if (q->attributes & LOOKUP_MEMBERS)
        lookup_add_member(a, SLICE("ann"));
}

/* On the same thread here; an adapter may not count on that. */
static void run(void *context, void (*fn)(void *arg, bool alive), void *arg)
{
    (void)context;
    fn(arg, true);
}

static const struct adapter_sink sink = {opened, event, NULL, facts, run};

static struct adapter_channel lobby = {
    .id = 1, .home = 0, .app = {"app", 3}, .name = {"lobby", 5}};
static struct adapter_channel other = {
    .id = 2, .home = 1, .app = {"app", 3}, .name = {"other", 5}};

static void publish(struct adapter *a, const struct adapter_channel *c, const char *text,
                    struct socket_id except)
{
    struct frame *f = frame_text(slice_of(text));

    adapter_publish(a, c, &(struct adapter_event){.frame = f, .except = except});
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
    adapter_close(a, &lobby, false);
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
    adapter_close(a, &lobby, false);
    adapter_close(a, &other, false);
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
    adapter_close(a, &lobby, false);
    adapter_open(a, &again);
    k->turn(a);
    publish(a, &again, "x", (struct socket_id){0, 0});
    k->turn(a);
    assert_string_equal(homes[0].log, "open1 open7 7:x ");
    adapter_close(a, &again, false);
    adapter_free(a);
}

static void publish_kept(struct adapter *a, const struct adapter_channel *c,
                         const char *text)
{
    struct frame *f = frame_text(slice_of(text));

    adapter_publish(
        a, c, &(struct adapter_event){.frame = f, .data = SLICE("\"kept\""), .keep = 60});
    frame_release(f);
}

static void
what_is_published_to_a_closed_channel_is_kept_for_its_next_life(const struct kind *k)
{
    struct home homes[1] = {{""}};
    struct adapter *a = k->alloc(1);
    struct adapter_channel closed = lobby;

    closed.id = 0;
    adapter_attach(a, 0, &sink, &homes[0]);
    publish_kept(a, &closed, "old");
    publish_kept(a, &closed, "new");
    k->turn(a);
    assert_string_equal(homes[0].log, "");
    adapter_open(a, &lobby);
    k->turn(a);
    assert_string_equal(homes[0].log, "open1(new) ");
    adapter_close(a, &lobby, false);
    adapter_free(a);
}

struct asker {
    unsigned answers;
    size_t channels, members, cached;
    unsigned users;
};

static void answered(void *asker, uint64_t call, struct lookup_answer *answer)
{
    struct asker *who = asker;

    assert_int_equal(call, 77);
    who->answers++;
    who->channels += answer->n;
    who->members += answer->n_members;
    for (size_t i = 0; i < answer->n; i++) {
        who->users += answer->facts[i].users;
        who->cached += answer->facts[i].cached.n;
    }
    lookup_answer_free(answer);
}

static void a_lookup_is_answered_as_often_as_it_says(const struct kind *k)
{
    struct home homes[2] = {{""}, {""}};
    struct adapter *a = k->alloc(2);
    struct asker all = {0}, one = {0};
    struct lookup_query q = {
        .app = SLICE("app"), .reply = answered, .asker = &all, .call = 77};
    unsigned announced;

    for (unsigned i = 0; i < 2; i++)
        adapter_attach(a, i, &sink, &homes[i]);
    announced = adapter_lookup(a, &q);
    k->turn(a);
    assert_int_equal(all.answers, announced);
    assert_int_equal(all.channels, 2);
    publish_kept(a, &lobby, "x");
    q.channel = SLICE("lobby");
    q.attributes = LOOKUP_MEMBERS | LOOKUP_CACHE;
    q.asker = &one;
    announced = adapter_lookup(a, &q);
    k->turn(a);
    assert_int_equal(one.answers, announced);
    assert_int_equal(one.users, 2);
    assert_int_equal(one.members, 1);
    assert_int_equal(one.cached, 6);
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
FOR_EACH_ADAPTER(what_is_published_to_a_closed_channel_is_kept_for_its_next_life)
FOR_EACH_ADAPTER(a_lookup_is_answered_as_often_as_it_says)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_is_answered_once_and_before_any_event),
        cmocka_unit_test(
            test_events_come_back_in_the_order_of_publishing_with_their_exception),
        cmocka_unit_test(test_a_later_life_of_a_channel_is_opened_anew),
        cmocka_unit_test(
            test_what_is_published_to_a_closed_channel_is_kept_for_its_next_life),
        cmocka_unit_test(test_a_lookup_is_answered_as_often_as_it_says),
    };

    return cmocka_run_group_tests_name("adapter contract", tests, NULL, NULL);
}
