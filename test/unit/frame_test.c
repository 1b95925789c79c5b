#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/frame.h"

static struct frame *frame_of_length(size_t n)
{
    char *payload = malloc(n + 1);
    struct frame *f;

    memset(payload, 'x', n);
    f = frame_text((struct slice){payload, n});
    free(payload);
    return f;
}

static void assert_frame(size_t payload_n, const unsigned char *header, size_t header_n)
{
    struct frame *f = frame_of_length(payload_n);
    struct slice payload = frame_payload(f);

    assert_int_equal(f->len, header_n + payload_n);
    assert_memory_equal(f->bytes, header, header_n);
    assert_ptr_equal(payload.p, (const char *)f->bytes + header_n);
    assert_int_equal(payload.n, payload_n);
    frame_release(f);
}

static void the_length_takes_7_16_or_64_bits(void **state)
{
    (void)state;
    assert_frame(0, (const unsigned char[]){0x81, 0}, 2);
    assert_frame(1, (const unsigned char[]){0x81, 1}, 2);
    assert_frame(125, (const unsigned char[]){0x81, 125}, 2);
    assert_frame(126, (const unsigned char[]){0x81, 126, 0, 126}, 4);
    assert_frame(300, (const unsigned char[]){0x81, 126, 1, 44}, 4);
    assert_frame(65535, (const unsigned char[]){0x81, 126, 0xff, 0xff}, 4);
    assert_frame(65536, (const unsigned char[]){0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10);
    assert_frame(0x123456,
                 (const unsigned char[]){0x81, 127, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56}, 10);
}

static void the_payload_is_copied(void **state)
{
    char text[] = "hello";
    struct frame *f = frame_text((struct slice){text, 5});

    (void)state;
    text[0] = 'j';
    assert_true(slice_is(frame_payload(f), "hello"));
    frame_release(f);
}

static void a_payload_can_be_written_in_place(void **state)
{
    char *to;
    struct frame *f = frame_alloc(3, &to);

    (void)state;
    memcpy(to, "abc", 3);
    assert_true(slice_is(frame_payload(f), "abc"));
    frame_release(f);
}

static void a_held_frame_outlives_a_release(void **state)
{
    struct frame *f = frame_text(SLICE("x"));

    (void)state;
    assert_ptr_equal(frame_hold(f), f);
    frame_release(f);
    assert_true(slice_is(frame_payload(f), "x"));
    assert_int_equal(atomic_load(&f->refs), 1);
    frame_release(f);
}

static void *hold_and_release(void *arg)
{
    struct frame *f = arg;

    for (int i = 0; i < 10000; i++)
        frame_release(frame_hold(f));
    frame_release(f);
    return NULL;
}

static void threads_share_a_frame_and_the_last_one_frees_it(void **state)
{
    struct frame *f = frame_text(SLICE("shared"));
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, hold_and_release, frame_hold(f)), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&f->refs), 1);
    frame_release(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_length_takes_7_16_or_64_bits),
        cmocka_unit_test(the_payload_is_copied),
        cmocka_unit_test(a_payload_can_be_written_in_place),
        cmocka_unit_test(a_held_frame_outlives_a_release),
        cmocka_unit_test(threads_share_a_frame_and_the_last_one_frees_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
