/* A WebSocket frame made once and shared: immutable after it is made, counted by
 * reference, sent as it is to every connection (LIBRARIES.md 5 and 7). Any thread may
 * hold, release and read it. */
#ifndef MUSTER_PROTOCOL_FRAME_H
#define MUSTER_PROTOCOL_FRAME_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/base/slice.h"

struct frame {
    _Atomic uint32_t refs;
    uint32_t len;          /* header and payload */
    unsigned char bytes[]; /* ready for the socket */
};

/** One unmasked, final text frame whose payload the caller writes to *payload (payload_n
 * bytes) before anyone else gets the frame. The caller holds one reference. */
struct frame *frame_alloc(size_t payload_n, char **payload);
/** The same around a payload that is there already (copied). */
struct frame *frame_text(struct slice payload);
/** One reference more; returns f. */
struct frame *frame_hold(struct frame *f);
/** One reference less; the last one frees the frame. */
void frame_release(struct frame *f);
/** The payload behind the header (borrowed). */
struct slice frame_payload(const struct frame *f);

#endif
