/* Connections to servers that may die at any time: WebSocket over epoll, many on one
 * thread. Unlike muster-load's swarm, where a lost connection is a failure, here it is
 * news: whoever owns them is told and opens another. Pings are answered here.
 *
 * A place (index) is opened and closed again and again; what the kernel still has to say
 * of an earlier life of it is dropped. All callbacks may open and close any place. */
#ifndef MUSTER_CHAOS_CONN_H
#define MUSTER_CHAOS_CONN_H

#include "test/load/client.h"

enum { CONN_LOST = 0, CONN_REFUSED = -1, CONN_NONSENSE = -2 };

struct conns_owner {
    /** connection_established came. */
    void (*open)(void *context, unsigned index);
    /** A text frame; borrowed until return. at: ns. */
    void (*text)(void *context, unsigned index, struct slice text, uint64_t at);
    /** It is closed: code of the server's Close frame, or CONN_*. */
    void (*lost)(void *context, unsigned index, int code);
    /** The input descriptor has something, or its end. */
    void (*input)(void *context);
};

struct conn {
    int fd;
    enum client_state state;
    uint32_t life;
    struct backlog in, out;
    const struct target *to;
    char socket_id[SOCKET_ID_MAX];
};

struct conns {
    const struct conns_owner *owner;
    void *context;
    const char *key; /* the app's */
    struct conn *all;
    unsigned n, source;
    unsigned ungreeted; /* told to go away instead; a few are shown */
    int epoll, input;
    uint32_t mask;
    char *scratch;
};

/** n closed places. key, owner and context are borrowed. input: a descriptor to watch, or
 * -1. */
void conns_init(struct conns *s, unsigned n, const char *key,
                const struct conns_owner *owner, void *context);
void conns_input(struct conns *s, int fd);
void conns_fini(struct conns *s);

/** to is borrowed while it is open. */
void conn_open(struct conns *s, unsigned index, const struct target *to);
/** clean: with a Close frame before. lost isn't called. Idempotent. */
void conn_close(struct conns *s, unsigned index, bool clean);
/** At most 3,900 bytes; nothing if it isn't open. */
void conn_send(struct conns *s, unsigned index, struct slice text);
/** Waits up to ms for something to do, and does all of it. */
void conns_turn(struct conns *s, int ms);

#endif
