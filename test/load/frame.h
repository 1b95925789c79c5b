/* WebSocket frames (RFC 6455), as a client sees them: masked out, unmasked in. */
#ifndef MUSTER_LOAD_FRAME_H
#define MUSTER_LOAD_FRAME_H

#include <stdint.h>

#include "server/base/slice.h"

enum { FRAME_TEXT = 1, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };
enum { FRAME_HEAD_MAX = 14 };

struct frame {
    unsigned opcode;
    struct slice payload; /* borrowed from what was read */
    size_t bytes;         /* on the wire, head and payload */
};

/** 1: a whole frame; 0: more bytes are needed; -1: none that a server may send here
 * (masked, a fragment, or a reserved bit). */
static inline int frame_read(struct frame *f, const char *in, size_t n)
{
    const unsigned char *b = (const unsigned char *)in;
    size_t head = 2, size;

    if (n < 2)
        return 0;
    if ((b[0] & 0xf0) != 0x80 || (b[1] & 0x80))
        return -1;
    size = b[1];
    if (size >= 126) {
        head = size == 126 ? 4 : 10;
        if (n < head)
            return 0;
        size = 0;
        for (size_t i = 2; i < head; i++)
            size = size << 8 | b[i];
    }
    if (n - head < size)
        return 0;
    *f = (struct frame){b[0] & 15U, {in + head, size}, head + size};
    return 1;
}

static inline size_t frame_head(char *out, unsigned opcode, size_t size,
                                unsigned mask_bit)
{
    size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;

    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(mask_bit | (head == 2 ? size : head == 4 ? 126 : 127));
    for (size_t i = head - 1, rest = size; i >= 2; i--, rest >>= 8)
        out[i] = (char)rest;
    return head;
}

/** As a server frames: no mask. out has room for FRAME_HEAD_MAX + payload.n. */
static inline size_t frame_write_plain(char *out, struct slice payload)
{
    size_t head = frame_head(out, FRAME_TEXT, payload.n, 0);

    memcpy(out + head, payload.p, payload.n);
    return head + payload.n;
}

/** As a client frames. out has room for FRAME_HEAD_MAX + payload.n. */
static inline size_t frame_write(char *out, unsigned opcode, struct slice payload,
                                 uint32_t mask)
{
    size_t head = frame_head(out, opcode, payload.n, 0x80);
    char key[4];

    memcpy(key, &mask, 4);
    memcpy(out + head, key, 4);
    head += 4;
    for (size_t i = 0; i < payload.n; i++)
        out[head + i] = (char)(payload.p[i] ^ key[i & 3]);
    return head + payload.n;
}

#endif
