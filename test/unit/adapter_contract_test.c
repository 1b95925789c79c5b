/* The contract that every adapter keeps (adapters/adapter.h), run against each of them.
 * An adapter may answer from within the verb or later: turn() lets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adapters/local.h"
#include "adapters/redis.h"
#include "presence/presence.h"
#include "protocol/frame.h"
#include "server/base/clock.h"
#include "server/base/xalloc.h"
#include "test/unit/redis_server.h"

/* A call that an adapter wants made on the home's thread. */
struct wanted {
    struct wanted *next;
    void (*fn)(void *arg, bool alive);
    void *arg;
};

struct home {
    char log[1024]; /* "open1 " and "1:payload " or "1:payload!5.6 " */
    pthread_mutex_t lock;
    struct wanted *first, **end;
};

enum { HOMES = 2 };

/* One adapter with its homes, all on the test's thread. */
struct stage {
    struct adapter *adapter;
    struct home homes[HOMES];
};

struct kind {
    const char *name;
    struct adapter *(*alloc)(void);
    unsigned quiet_ms; /* for so long nothing may come any more; 0: it answers at once */
    unsigned users, members; /* of a channel, by its answer to a question */
};

static struct adapter *alloc_local(void)
{
    return local_adapter_alloc(HOMES, 1 << 20);
}

static struct redis_server server;

static bool not_stalled(void *context)
{
    (void)context;
    return false;
}

static struct adapter *alloc_redis(void)
{
    const struct redis_adapter_conf conf = {.link = {.host = "",
                                                     .unix_socket = server.socket,
                                                     .username = "",
                                                     .password = ""},
                                            .prefix = "contract:",
                                            .required = true,
                                            .homes = HOMES,
                                            .stalled = not_stalled};

    freeReplyObject(redis_server_ask(&server, "FLUSHALL"));
    return redis_adapter_alloc(&conf);
}

static const struct kind kinds[] = {
    {"local", alloc_local, 0, 2, 1}, /* as `facts` says */
    {"redis", alloc_redis, 100, 0, 0},
};

static void waits(void *context, uint64_t id, bool wait)
{
    (void)context, (void)id, (void)wait;
}

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

static void run(void *context, void (*fn)(void *arg, bool alive), void *arg)
{
    struct home *h = context;
    struct wanted *w = xmalloc(sizeof *w);

    *w = (struct wanted){NULL, fn, arg};
    pthread_mutex_lock(&h->lock);
    *h->end = w;
    h->end = &w->next;
    pthread_mutex_unlock(&h->lock);
}

/* Makes the calls that are wanted; false: there was none. */
static bool make_calls(struct home *h, bool alive)
{
    struct wanted *w;

    pthread_mutex_lock(&h->lock);
    w = h->first;
    h->first = NULL;
    h->end = &h->first;
    pthread_mutex_unlock(&h->lock);
    if (!w)
        return false;
    while (w) {
        struct wanted *next = w->next;

        w->fn(w->arg, alive);
        free(w);
        w = next;
    }
    return true;
}

static const struct adapter_sink sink = {opened, waits, event, NULL, facts, run};

/* Until nothing is under way. */
static void turn(const struct kind *k, struct stage *s)
{
    uint64_t until = clock_ms() + k->quiet_ms;

    do {
        bool some = false;

        for (unsigned i = 0; i < HOMES; i++) {
            some |= make_calls(&s->homes[i], true);
            adapter_turn_ends(s->adapter, i);
        }
        if (some)
            until = clock_ms() + k->quiet_ms;
        else if (k->quiet_ms)
            usleep(1000);
    } while (clock_ms() < until);
}

static struct adapter *begin(const struct kind *k, struct stage *s)
{
    *s = (struct stage){.adapter = k->alloc()};
    for (unsigned i = 0; i < HOMES; i++) {
        pthread_mutex_init(&s->homes[i].lock, NULL);
        s->homes[i].end = &s->homes[i].first;
        adapter_attach(s->adapter, i, &sink, &s->homes[i]);
    }
    assert_int_equal(adapter_start(s->adapter), ERR_NONE);
    assert_int_equal(adapter_state(s->adapter), ADAPTER_UP);
    return s->adapter;
}

static void end(struct stage *s)
{
    adapter_bye(s->adapter);
    adapter_stop(s->adapter);
    for (unsigned i = 0; i < HOMES; i++)
        make_calls(&s->homes[i], false);
    adapter_free(s->adapter);
}

#define CHANNEL(number, at, text)                                               \
    (struct adapter_channel)                                                    \
    {                                                                           \
        .id = (number), .home = (at), .app = SLICE("app"), .name = SLICE(text), \
        .kind = {                                                               \
            .counted = true                                                     \
        }                                                                       \
    }

static void publish(struct adapter *a, const struct adapter_channel *c, const char *text,
                    struct socket_id except)
{
    struct frame *f = frame_text(slice_of(text));

    adapter_publish(a, c, &(struct adapter_event){.frame = f, .except = except});
    frame_release(f); /* the adapter holds what it keeps */
}

static void open_is_answered_once_and_before_any_event(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby");
    struct stage s;
    struct adapter *a = begin(k, &s);

    adapter_open(a, &lobby);
    turn(k, &s);
    publish(a, &lobby, "x", (struct socket_id){0, 0});
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "open1 1:x ");
    assert_string_equal(s.homes[1].log, "");
    adapter_close(a, &lobby, false);
    end(&s);
}

static void what_is_published_before_it_is_opened_comes_in_order(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby");
    struct stage s;
    struct adapter *a = begin(k, &s);

    adapter_open(a, &lobby);
    publish(a, &lobby, "1", (struct socket_id){0, 0});
    publish(a, &lobby, "2", (struct socket_id){0, 0});
    turn(k, &s);
    publish(a, &lobby, "3", (struct socket_id){0, 0});
    turn(k, &s);
    assert_non_null(strstr(s.homes[0].log, "open1 "));
    assert_non_null(strstr(s.homes[0].log, "1:1 "));
    assert_true(strstr(s.homes[0].log, "1:1 ") < strstr(s.homes[0].log, "1:2 "));
    assert_true(strstr(s.homes[0].log, "1:2 ") < strstr(s.homes[0].log, "1:3 "));
    adapter_close(a, &lobby, false);
    end(&s);
}

static void
events_come_back_in_the_order_of_publishing_with_their_exception(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby"), other = CHANNEL(2, 1, "other");
    struct stage s;
    struct adapter *a = begin(k, &s);

    adapter_open(a, &lobby);
    adapter_open(a, &other);
    turn(k, &s);
    publish(a, &lobby, "1", (struct socket_id){5, 6});
    publish(a, &other, "A", (struct socket_id){0, 0});
    publish(a, &lobby, "2", (struct socket_id){0, 0});
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "open1 1:1!5.6 1:2 ");
    assert_string_equal(s.homes[1].log, "open2 2:A ");
    adapter_close(a, &lobby, false);
    adapter_close(a, &other, false);
    end(&s);
}

static void a_later_life_of_a_channel_is_opened_anew(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby"), again = CHANNEL(7, 0, "lobby");
    struct stage s;
    struct adapter *a = begin(k, &s);

    adapter_open(a, &lobby);
    turn(k, &s);
    adapter_close(a, &lobby, false);
    adapter_open(a, &again);
    turn(k, &s);
    publish(a, &again, "x", (struct socket_id){0, 0});
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "open1 open7 7:x ");
    adapter_close(a, &again, false);
    end(&s);
}

static void a_life_that_ends_at_once_is_heard_of_no_more(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby"), again = CHANNEL(7, 0, "lobby");
    struct stage s;
    struct adapter *a = begin(k, &s);

    adapter_open(a, &lobby);
    adapter_close(a, &lobby, false);
    s.homes[0].log[0] = '\0'; /* an adapter may have opened it at once */
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "");
    adapter_open(a, &again);
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "open7 ");
    adapter_close(a, &again, false);
    end(&s);
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
    struct adapter_channel closed = CHANNEL(0, 0, "lobby"),
                           lobby = CHANNEL(1, 0, "lobby");
    struct stage s;
    struct adapter *a = begin(k, &s);

    lobby.keeps = lobby.kind.fresh = true;
    publish_kept(a, &closed, "old");
    publish_kept(a, &closed, "new");
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "");
    adapter_open(a, &lobby);
    turn(k, &s);
    assert_string_equal(s.homes[0].log, "open1(new) ");
    adapter_close(a, &lobby, false);
    end(&s);
}

struct asker {
    _Atomic unsigned answers;
    size_t channels, members, cached;
    unsigned users;
};

static void answered(void *asker, uint64_t call, struct lookup_answer *answer)
{
    struct asker *who = asker;

    assert_int_equal(call, 77);
    assert_false(answer->unavailable);
    who->channels += answer->n;
    who->members += answer->n_members;
    for (size_t i = 0; i < answer->n; i++) {
        who->users += answer->facts[i].users;
        who->cached += answer->facts[i].cached.n;
    }
    lookup_answer_free(answer);
    who->answers++;
}

static void a_lookup_is_answered_as_often_as_it_says(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby"), other = CHANNEL(2, 1, "other");
    struct asker all = {.users = 0}, one = {.users = 0};
    struct lookup_query q = {
        .app = SLICE("app"), .reply = answered, .asker = &all, .call = 77};
    struct stage s;
    struct adapter *a = begin(k, &s);
    unsigned announced;

    adapter_open(a, &lobby);
    adapter_open(a, &other);
    turn(k, &s);
    announced = adapter_lookup(a, &q);
    turn(k, &s);
    assert_int_equal(all.answers, announced);
    assert_int_equal(all.channels, 2);
    publish_kept(a, &lobby, "x");
    q.channel = SLICE("lobby");
    q.attributes = LOOKUP_USERS | LOOKUP_MEMBERS | LOOKUP_CACHE;
    q.asker = &one;
    announced = adapter_lookup(a, &q);
    turn(k, &s);
    assert_int_equal(one.answers, announced);
    assert_int_equal(one.users, k->users);
    assert_int_equal(one.members, k->members);
    assert_int_equal(one.cached, 6);
    adapter_close(a, &lobby, false);
    adapter_close(a, &other, false);
    end(&s);
}
struct receipt {
    struct adapter_receipt events;
    _Atomic unsigned times;
};

static void placed(struct adapter_receipt *r, bool alive)
{
    struct receipt *receipt = CONTAINER_OF(r, struct receipt, events);

    assert_true(alive);
    atomic_fetch_add(&receipt->times, 1);
}

static void a_receipt_ends_once_when_all_its_events_are_published(const struct kind *k)
{
    struct adapter_channel lobby = CHANNEL(1, 0, "lobby"), nowhere = CHANNEL(0, 1, "x");
    struct receipt receipt = {.events = {3, placed}};
    struct frame *f = frame_text(SLICE("x"));
    struct adapter_event e = {.frame = f, .receipt = &receipt.events};
    struct stage s;
    struct adapter *a = begin(k, &s);

    adapter_publish(a, &nowhere, &e);
    adapter_open(a, &lobby);
    adapter_publish(a, &lobby, &e); /* which may not be open yet */
    turn(k, &s);
    assert_int_equal(receipt.times, 0);
    adapter_publish(a, &lobby, &e);
    turn(k, &s);
    assert_int_equal(receipt.times, 1);
    frame_release(f);
    adapter_close(a, &lobby, false);
    end(&s);
    assert_int_equal(receipt.times, 1);
}

#define FOR_EACH_ADAPTER(clause)                                  \
    static void test_##clause(void **state)                       \
    {                                                             \
        (void)state;                                              \
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) \
            clause(&kinds[i]);                                    \
    }

FOR_EACH_ADAPTER(open_is_answered_once_and_before_any_event)
FOR_EACH_ADAPTER(what_is_published_before_it_is_opened_comes_in_order)
FOR_EACH_ADAPTER(events_come_back_in_the_order_of_publishing_with_their_exception)
FOR_EACH_ADAPTER(a_later_life_of_a_channel_is_opened_anew)
FOR_EACH_ADAPTER(a_life_that_ends_at_once_is_heard_of_no_more)
FOR_EACH_ADAPTER(what_is_published_to_a_closed_channel_is_kept_for_its_next_life)
FOR_EACH_ADAPTER(a_receipt_ends_once_when_all_its_events_are_published)
FOR_EACH_ADAPTER(a_lookup_is_answered_as_often_as_it_says)

static int start_server(void **state)
{
    (void)state;
    redis_server_start(&server, "");
    return 0;
}

static int end_server(void **state)
{
    (void)state;
    redis_server_end(&server);
    return 0;
}

static void nothing_changes(void *context, const struct member *m)
{
    (void)context, (void)m;
}

static void nothing_is_decided(void *context, struct presence_ref *ref)
{
    (void)context, (void)ref;
}

/* Somebody watched him, and he signs in while the first confirmation is on its way: it
 * knew nothing of what is sent to him alone. */
static void a_sign_in_waits_for_a_confirmation_of_its_own(void **state)
{
    static const struct presence_sink told = {
        nothing_changes, nothing_changes, nothing_is_decided, nothing_is_decided, NULL};
    struct adapter_channel bob = CHANNEL(1, 0, "#server-to-user-bob");
    struct presence presence;
    struct presence_ref ref = {0};
    struct stage s;
    struct adapter *a = begin(&kinds[1], &s);

    (void)state;
    turn(&kinds[1], &s);
    presence_init(&presence, (struct presence_rules){1, 0}, (struct hash_seed){1, 2},
                  &told, &s);
    bob.user = true;
    bob.kind.counted = false;
    bob.presence = &presence;
    adapter_open(a, &bob);
    adapter_turn_ends(a, 0);
    usleep(100000); /* it is confirmed, and this home hasn't heard of it */
    kill(server.pid, SIGSTOP);
    presence_join(&presence, &ref, SLICE("bob"), SLICE("{}"));
    turn(&kinds[1], &s);
    assert_string_equal(s.homes[0].log, "");
    kill(server.pid, SIGCONT);
    turn(&kinds[1], &s);
    assert_string_equal(s.homes[0].log, "open1 ");
    presence_leave(&presence, &ref, EXIT_CLEAN, clock_ms());
    adapter_close(a, &bob, false);
    presence_fini(&presence);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_is_answered_once_and_before_any_event),
        cmocka_unit_test(
            test_events_come_back_in_the_order_of_publishing_with_their_exception),
        cmocka_unit_test(test_what_is_published_before_it_is_opened_comes_in_order),
        cmocka_unit_test(test_a_life_that_ends_at_once_is_heard_of_no_more),
        cmocka_unit_test(test_a_later_life_of_a_channel_is_opened_anew),
        cmocka_unit_test(
            test_what_is_published_to_a_closed_channel_is_kept_for_its_next_life),
        cmocka_unit_test(test_a_receipt_ends_once_when_all_its_events_are_published),
        cmocka_unit_test(test_a_lookup_is_answered_as_often_as_it_says),
        cmocka_unit_test(a_sign_in_waits_for_a_confirmation_of_its_own),
    };

    return cmocka_run_group_tests_name("adapter contract", tests, start_server,
                                       end_server);
}
