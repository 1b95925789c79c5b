/* What arrives on a channel's pub/sub channel: membership, which the scripts publish, and
 * events, which nodes do. Pure; any thread. An event's form, numbers with their highest
 * byte first:
 *
 *   0  1   the format's version, 1 (no kind of membership has this byte)
 *   1  1   'E' event, 'T' terminate
 *   2 16   its number among the channel's kept events, decimal (the script sets it); 0s
 *  18  8   nid of its origin        26  8   its number there
 *  34 16   excluded socket id       50  4   s for which it is kept; 0 not
 *  54  4   bytes of `data`          58      `data`, then the frame's payload */
#ifndef MUSTER_ADAPTERS_REDIS_PUSH_H
#define MUSTER_ADAPTERS_REDIS_PUSH_H

#include "presence/exchange.h"
#include "protocol/socket_id.h"
#include "server/base/buf.h"
#include "server/base/err.h"

struct redis_event {
    bool terminate; /* end the user's connections; no data, no text */
    uint64_t nid, number;
    struct socket_id except; /* the socket that must not get it, or {0, 0} */
    uint64_t kept;           /* its number among the channel's kept events; 0: isn't */
    unsigned keep;           /* s for which the channel keeps it; 0 not */
    struct slice data;       /* of an event that is kept: its raw JSON `data` */
    struct slice text;       /* the frame's payload, for frame_text */
};

/** Appends the event's message; kept is ignored: it's the script's. */
void redis_event_encode(const struct redis_event *e, struct buf *to);

/* How many subscriptions the channel has on all nodes, by the partition's keys of that
 * epoch. */
struct redis_count {
    uint64_t total, epoch;
};

enum redis_message_kind { MESSAGE_PUSH, MESSAGE_COUNT, MESSAGE_EVENT };

struct redis_message {
    enum redis_message_kind kind;
    union {
        struct push push;
        struct redis_count count;
        struct redis_event event;
    };
};

/** Reads a message (slices are borrowed from it). NULL, or what is wrong with it. */
const char *redis_message_decode(struct slice message,
                                 struct redis_message *out) MUST_CHECK;

#endif
