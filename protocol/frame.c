#include "protocol/frame.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/xalloc.h"

enum {
    FRAME_FINAL_TEXT = 0x81, /* FIN and opcode 1 (RFC 6455, 5.2) */
    LENGTH_IN_16_BITS = 126,
    LENGTH_IN_64_BITS = 127,
};

static size_t header_len(size_t payload_n)
{
    if (payload_n < LENGTH_IN_16_BITS)
        return 2;
    return payload_n <= UINT16_MAX ? 4 : 10;
}

static void put_header(unsigned char *to, size_t payload_n)
{
    size_t n = header_len(payload_n);

    to[0] = FRAME_FINAL_TEXT;
    if (n == 2) {
        to[1] = (unsigned char)payload_n;
        return;
    }
    to[1] = n == 4 ? LENGTH_IN_16_BITS : LENGTH_IN_64_BITS;
    for (size_t i = n - 1; i > 1; i--, payload_n >>= 8)
        to[i] = (unsigned char)payload_n; /* network order */
}

struct frame *frame_alloc(size_t payload_n, char **payload)
{
    size_t header_n = header_len(payload_n);
    struct frame *f;

    assert(payload_n <= UINT32_MAX - 10);
    f = xmalloc(sizeof *f + header_n + payload_n);
    atomic_init(&f->refs, 1);
    f->len = (uint32_t)(header_n + payload_n);
    put_header(f->bytes, payload_n);
    *payload = (char *)f->bytes + header_n;
    return f;
}

struct frame *frame_text(struct slice payload)
{
    char *to;
    struct frame *f = frame_alloc(payload.n, &to);

    if (payload.n)
        memcpy(to, payload.p, payload.n);
    return f;
}

struct frame *frame_hold(struct frame *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void frame_release(struct frame *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
        free(f);
}

struct slice frame_payload(const struct frame *f)
{
    size_t header_n = 2;

    if (f->bytes[1] == LENGTH_IN_16_BITS)
        header_n = 4;
    else if (f->bytes[1] == LENGTH_IN_64_BITS)
        header_n = 10;
    return (struct slice){(const char *)f->bytes + header_n, f->len - header_n};
}
