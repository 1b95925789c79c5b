/* The bodies that backends POST to the HTTP API: events and batch_events (PROTOCOL.md 6).
 * Any thread; slices borrow from the body and from the parsed body's own scratch, and
 * live until api_body_fini or the body's end, whichever is first. */
#ifndef MUSTER_PROTOCOL_API_BODY_H
#define MUSTER_PROTOCOL_API_BODY_H

#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/slice.h"

enum {
    API_CHANNELS_MAX = 100, /* of an event */
    API_BATCH_MAX = 10,     /* events */
};

struct api_event {
    struct slice name;     /* unescaped, 1 to EVENT_NAME_MAX bytes */
    struct slice data_raw; /* a JSON string with its quotes, byte for byte as POSTed */
    uint64_t except[2];    /* socket_id's two numbers; {0, 0} excludes nobody */
    unsigned info;         /* of enum api_info */
    unsigned first; /* its channels: n_channels of api_body.channels from here on */
    unsigned n_channels;
};

/* Not to be copied once parsed. */
struct api_body {
    unsigned n_events;
    unsigned n_channels;
    struct api_event events[API_BATCH_MAX];
    struct slice channels[API_CHANNELS_MAX]; /* unescaped, legal names */
    struct buf scratch;
};

/** Parses the body of POST …/events: one event, to 1 to API_CHANNELS_MAX channels, whose
 * data, unescaped, has at most max_data bytes. Returns 0, or an HTTP status (400, 413)
 * with the answer's text added to why. A channel that stands several times is taken once,
 * where it stood first. Either way the caller ends b with api_body_fini. */
int api_events_parse(struct api_body *b, struct slice body, size_t max_data,
                     struct buf *why) MUST_CHECK;
/** The same for POST …/batch_events: up to API_BATCH_MAX events, of one channel each. */
int api_batch_parse(struct api_body *b, struct slice body, size_t max_data,
                    struct buf *why) MUST_CHECK;
void api_body_fini(struct api_body *b);

#endif
