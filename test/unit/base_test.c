/* server/base: what everything else stands on, each part by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/base/buf.h"
#include "server/base/cpus.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"
#include "server/base/log.h"
#include "server/base/mailbox.h"
#include "server/base/random.h"
#include "server/base/wheel.h"
#include "server/base/xalloc.h"

/* hash */

static void crc16_is_the_one_of_redis_cluster(void **state)
{
    (void)state;
    assert_int_equal(crc16("123456789", 9, 0), 0x31c3);
    assert_int_equal(crc16("6789", 4, crc16("12345", 5, 0)), 0x31c3);
}

static void hash_bytes_is_siphash_1_3(void **state)
{
    struct hash_seed seed;
    unsigned char key[16], in[16];

    (void)state;
    for (unsigned char i = 0; i < 16; i++)
        key[i] = in[i] = i;
    memcpy(&seed, key, sizeof seed);
    /* Rust's test vectors of SipHasher13: the empty input, one byte, fifteen */
    assert_true(hash_bytes(seed, in, 0) == 0xabac0158050fc4dcULL);
    assert_true(hash_bytes(seed, in, 1) == 0xc9f49bf37d57ca93ULL);
    assert_true(hash_bytes(seed, in, 15) != hash_bytes(seed, in, 14));
}

/* hmap */

struct item {
    struct hmap_node node;
    unsigned number;
};

static struct item *look_up(struct hmap *m, unsigned number, uint64_t hash)
{
    for (struct hmap_node *n = hmap_first(m, hash); n; n = hmap_next(n, hash)) {
        struct item *i = CONTAINER_OF(n, struct item, node);

        if (i->number == number)
            return i;
    }
    return NULL;
}

static void a_map_finds_what_was_put_in_through_growing_and_shrinking(void **state)
{
    enum { N = 5000 };
    struct hmap m;
    struct item *items = xcalloc(N, sizeof *items);

    (void)state;
    hmap_init(&m);
    for (unsigned i = 0; i < N; i++) {
        items[i].number = i;
        hmap_insert(&m, &items[i].node, hash_u64(i / 2)); /* two share each hash */
    }
    for (unsigned i = 0; i < N; i++)
        assert_ptr_equal(look_up(&m, i, hash_u64(i / 2)), &items[i]);
    for (unsigned i = 0; i < N; i++) {
        hmap_remove(&m, &items[i].node);
        assert_null(look_up(&m, i, hash_u64(i / 2)));
        if (i + 1 < N)
            assert_non_null(look_up(&m, i + 1, hash_u64((i + 1) / 2)));
    }
    assert_int_equal(m.n, 0);
    hmap_fini(&m);
    free(items);
}

/* wheel */

struct alarm {
    struct wheel_entry entry;
    struct wheel *wheel;
    uint32_t fired_at;
    uint32_t again; /* seconds; 0 not */
};

static void ring(struct wheel_entry *e, void *context)
{
    struct alarm *a = CONTAINER_OF(e, struct alarm, entry);

    (void)context;
    a->fired_at = a->wheel->now;
    if (a->again)
        wheel_arm(a->wheel, e, a->again);
}

static void an_entry_fires_at_its_second_whatever_the_distance(void **state)
{
    static const uint32_t delays[] = {1, 2, 255, 256, 257, 1000, 86400};
    struct wheel w;
    struct alarm alarms[7] = {0};

    (void)state;
    wheel_init(&w);
    for (int i = 0; i < 7; i++) {
        wheel_entry_init(&alarms[i].entry);
        alarms[i].wheel = &w;
        wheel_arm(&w, &alarms[i].entry, delays[i]);
    }
    for (int i = 0; i < 86400; i++)
        wheel_tick(&w, ring, NULL);
    for (int i = 0; i < 7; i++)
        assert_int_equal(alarms[i].fired_at, delays[i]);
}

static void an_entry_may_be_armed_again_or_cancelled(void **state)
{
    struct wheel w;
    struct alarm a = {.again = 3}, b = {0};

    (void)state;
    wheel_init(&w);
    a.wheel = b.wheel = &w;
    wheel_entry_init(&a.entry);
    wheel_entry_init(&b.entry);
    wheel_arm(&w, &a.entry, 1);
    wheel_arm(&w, &b.entry, 2);
    wheel_tick(&w, ring, NULL);
    wheel_cancel(&b.entry);
    wheel_cancel(&b.entry);
    for (int i = 0; i < 3; i++)
        wheel_tick(&w, ring, NULL);
    assert_int_equal(a.fired_at, 4);
    assert_int_equal(b.fired_at, 0);
    wheel_cancel(&a.entry);
}

/* mailbox */

struct counted {
    struct letter letter;
    int sender, number;
};

struct box {
    struct mailbox mailbox;
    _Atomic int wakes;
};

struct sender {
    struct box *box;
    int number;
};

enum { SENDERS = 4, EACH = 20000 };

static void wake(void *context)
{
    struct box *b = context;

    b->wakes++;
}

static void *send_all(void *context)
{
    struct sender *s = context;

    for (int i = 0; i < EACH; i++) {
        struct counted *c = xcalloc(1, sizeof *c);

        c->sender = s->number;
        c->number = i;
        mailbox_post(&s->box->mailbox, &c->letter);
    }
    return NULL;
}

static int take(struct box *b, int next[SENDERS])
{
    struct letter *l = mailbox_take(&b->mailbox);
    int n = 0;

    while (l) {
        struct counted *c = CONTAINER_OF(l, struct counted, letter);

        l = l->next;
        assert_int_equal(c->number, next[c->sender]++);
        free(c);
        n++;
    }
    return n;
}

static void letters_of_each_sender_arrive_once_and_in_order(void **state)
{
    struct box b = {.wakes = 0};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int next[SENDERS] = {0}, got = 0;

    (void)state;
    mailbox_init(&b.mailbox, wake, &b);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&b, i};
        pthread_create(&threads[i], NULL, send_all, &senders[i]);
    }
    while (got < SENDERS * EACH)
        got += take(&b, next);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(take(&b, next), 0);
    assert_true(b.wakes >= 1 && b.wakes <= SENDERS * EACH);
    mailbox_fini(&b.mailbox);
}

static void a_sender_wakes_the_receiver_only_when_the_box_was_empty(void **state)
{
    struct box b = {.wakes = 0};
    struct letter letters[3];

    (void)state;
    mailbox_init(&b.mailbox, wake, &b);
    mailbox_post(&b.mailbox, &letters[0]);
    mailbox_post(&b.mailbox, &letters[1]);
    assert_int_equal(b.wakes, 1);
    mailbox_take(&b.mailbox);
    mailbox_post(&b.mailbox, &letters[2]);
    assert_int_equal(b.wakes, 2);
    mailbox_take(&b.mailbox);
    mailbox_fini(&b.mailbox);
}

struct slow {
    struct box *box;
    struct letter late;
    int handled;
};

/* Takes its time over every sixteenth letter; meanwhile another one is posted. */
static void handle_slowly(struct letter *l, void *context)
{
    struct slow *s = context;

    (void)l;
    if (++s->handled == 2)
        mailbox_post(&s->box->mailbox, &s->late);
    if (s->handled % 16 == 0)
        usleep(3000);
}

static void a_receiver_that_breaks_off_is_woken_for_what_came_meanwhile(void **state)
{
    struct box b = {.wakes = 0};
    struct slow s = {.box = &b};
    struct letter letters[32];

    (void)state;
    mailbox_init(&b.mailbox, wake, &b);
    for (int i = 0; i < 32; i++)
        mailbox_post(&b.mailbox, &letters[i]);
    mailbox_receive(&b.mailbox, 1, handle_slowly, &s);
    assert_int_equal(s.handled, 16);
    b.wakes = 0; /* the loop has heard them all */
    mailbox_receive(&b.mailbox, 1, handle_slowly, &s);
    assert_int_equal(s.handled, 32); /* the rest is done, the late one waits in the box */
    assert_int_equal(b.wakes, 1);
    mailbox_receive(&b.mailbox, 1, handle_slowly, &s);
    assert_int_equal(s.handled, 33);
    mailbox_fini(&b.mailbox);
}

/* log */

/* What log_at writes on standard error, without the time. */
static void logged(char *out, size_t size, void (*write_line)(void))
{
    int pipes[2], saved = dup(2);
    ssize_t n;
    char *id;

    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], 2);
    write_line();
    dup2(saved, 2);
    close(saved);
    close(pipes[1]);
    n = read(pipes[0], out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    close(pipes[0]);
    id = strstr(out, "warn");
    if (id)
        memmove(out, id, strlen(id) + 1);
}

static void write_hostile(void)
{
    log_warn("ws.x", "app=%s n=%u size=%zu neg=%d cut=%.*s", "a b\"\n} evil=1", 7u,
             (size_t)9, -3, 2, "xyz");
}

static void no_value_can_forge_a_pair_or_a_line(void **state)
{
    char line[512];

    (void)state;
    log_setup(LOG_LEVEL_INFO, LOG_FORM_TEXT);
    logged(line, sizeof line, write_hostile);
    assert_string_equal(
        line, "warn ws.x app=\"a b\\\"\\u000a} evil=1\" n=7 size=9 neg=-3 cut=xy\n");
    log_setup(LOG_LEVEL_INFO, LOG_FORM_JSON);
    logged(line, sizeof line, write_hostile);
    assert_string_equal(
        line, "warn\",\"id\":\"ws.x\",\"app\":\"a b\\\"\\u000a} evil=1\",\"n\":7,"
              "\"size\":9,\"neg\":-3,\"cut\":\"xy\"}\n");
    log_setup(LOG_LEVEL_INFO, LOG_FORM_TEXT);
}

static void write_long(void)
{
    char text[6000];

    memset(text, 'x', sizeof text);
    log_warn("ws.x", "a=%.*s b=%.*s c=%.*s", 6000, text, 6000, text, 6000, text);
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
    char line[8192];

    (void)state;
    logged(line, sizeof line, write_long);
    assert_true(strlen(line) <= 4096);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void write_debug(void)
{
    log_debug("ws.x", "a=%d", 1);
}

static void a_line_below_the_level_is_dropped(void **state)
{
    char line[64];

    (void)state;
    logged(line, sizeof line, write_debug);
    assert_string_equal(line, "");
}

/* the rest */

static void a_buffer_grows_and_formats(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%d,", i);
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.p + b.n - 4, "999,", 4);
    assert_int_equal(strlen(buf_cstr(&b)), b.n);
    buf_fini(&b);
}

static void random_words_differ(void **state)
{
    struct random_pool pool;
    uint64_t last = 0;

    (void)state;
    random_pool_init(&pool);
    for (int i = 0; i < 200; i++) {
        uint64_t word = random_pool_u64(&pool);

        assert_true(word != last);
        last = word;
    }
}

static void at_least_one_cpu_is_allowed(void **state)
{
    (void)state;
    assert_true(cpus_allowed() >= 1);
    assert_true(cpus_allowed() <= (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc16_is_the_one_of_redis_cluster),
        cmocka_unit_test(hash_bytes_is_siphash_1_3),
        cmocka_unit_test(a_map_finds_what_was_put_in_through_growing_and_shrinking),
        cmocka_unit_test(an_entry_fires_at_its_second_whatever_the_distance),
        cmocka_unit_test(an_entry_may_be_armed_again_or_cancelled),
        cmocka_unit_test(letters_of_each_sender_arrive_once_and_in_order),
        cmocka_unit_test(a_sender_wakes_the_receiver_only_when_the_box_was_empty),
        cmocka_unit_test(a_receiver_that_breaks_off_is_woken_for_what_came_meanwhile),
        cmocka_unit_test(no_value_can_forge_a_pair_or_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_still_ends),
        cmocka_unit_test(a_line_below_the_level_is_dropped),
        cmocka_unit_test(a_buffer_grows_and_formats),
        cmocka_unit_test(random_words_differ),
        cmocka_unit_test(at_least_one_cpu_is_allowed),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
