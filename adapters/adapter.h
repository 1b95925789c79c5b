/* What carries the events of a channel between the nodes that have subscribers on it. A
 * home publishes into the adapter and tells its clients only what comes back out of it;
 * so whoever implements this decides the one order of a channel's events: `local` is one
 * node by itself and hands an event back at once, a cluster's adapter hands it back when
 * its echo has come (PRESENCE.md, "One order per channel").
 *
 * An adapter serves every home of the node. The verbs about a channel are called on that
 * channel's home thread, and the home's sink is called on that thread too, either from
 * within the verb or later; the home takes both. */
#ifndef MUSTER_ADAPTERS_ADAPTER_H
#define MUSTER_ADAPTERS_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/lookup.h"
#include "protocol/frame.h"
#include "server/base/slice.h"

/* A connection's socket_id as two numbers, "first.second"; {0, 0} is nobody's. */
struct socket_id {
    uint64_t first, second;
};

static inline bool socket_id_eq(struct socket_id a, struct socket_id b)
{
    return a.first == b.first && a.second == b.second;
}

/* One life of a channel on this node, from its first subscriber to its last. The home
 * owns it and keeps it until it has called close. What comes for an id that is closed is
 * dropped. id 0: a channel that is only published to, with no subscriber here. */
struct adapter_channel {
    uint64_t id;       /* unique on this node, for ever */
    unsigned home;     /* the index of its home */
    struct slice app;  /* the app's id */
    struct slice name; /* the channel's name */
};

/* An event on its way: what every client of the channel is to receive. */
struct adapter_event {
    struct frame *frame; /* ready made; borrowed, hold it to keep it. NULL: `terminate` */
    struct socket_id except; /* the socket that must not get it, or {0, 0} */
    struct slice data;       /* of an event that is kept: its raw JSON `data` */
    unsigned keep;           /* s for which the channel keeps it (cache_ttl); 0 not */
    bool forget;    /* the channel keeps nothing from now on (set by the adapter) */
    bool terminate; /* end the connections that are signed in as the channel's user */
};

/* What a channel keeps for those who join (PROTOCOL.md 3, cache). */
struct adapter_kept {
    struct frame *frame; /* NULL: nothing */
    unsigned ttl_ms;     /* for which it is still kept */
};

/* What cache channels keep in this node's memory. */
struct adapter_cached {
    size_t events, bytes;
};

/* What a home takes. context is what adapter_attach was given. All but run are called on
 * the home's thread. */
struct adapter_sink {
    /* Whatever is published on the channel from now on arrives: joiners may be answered.
     * kept: what it keeps at this moment; later events say themselves. */
    void (*opened)(void *context, uint64_t channel_id, const struct adapter_kept *kept);
    /* The next event of the channel's order. */
    void (*event)(void *context, uint64_t channel_id, const struct adapter_event *e);
    /* Adds what this node knows of the channels that a query asks about. */
    void (*facts)(void *context, const struct lookup_query *q, struct lookup_answer *a);
    /* Any thread: has fn(arg, true) called on the home's thread, or fn(arg, false) on
     * some thread when the node ends before. */
    void (*run)(void *context, void (*fn)(void *arg, bool alive), void *arg);
};

struct adapter;

/* What an implementation provides; see the verbs below for the contracts. */
struct adapter_ops {
    const char *name;
    void (*attach)(struct adapter *a, unsigned home, const struct adapter_sink *sink,
                   void *context);
    void (*open)(struct adapter *a, const struct adapter_channel *c);
    void (*close)(struct adapter *a, const struct adapter_channel *c);
    void (*publish)(struct adapter *a, const struct adapter_channel *c,
                    const struct adapter_event *e);
    unsigned (*lookup)(struct adapter *a, const struct lookup_query *q);
    void (*cached)(struct adapter *a, unsigned home, struct adapter_cached *c);
    void (*free)(struct adapter *a);
};

struct adapter {
    const struct adapter_ops *ops;
};

/** Before any thread starts: home's sink (borrowed, as context, until adapter_free). */
static inline void adapter_attach(struct adapter *a, unsigned home,
                                  const struct adapter_sink *sink, void *context)
{
    a->ops->attach(a, home, sink, context);
}

/** The channel has its first subscriber here: answered by opened, once. */
static inline void adapter_open(struct adapter *a, const struct adapter_channel *c)
{
    a->ops->open(a, c);
}

/** The channel has lost its last subscriber here: nothing comes for its id any more. */
static inline void adapter_close(struct adapter *a, const struct adapter_channel *c)
{
    a->ops->close(a, c);
}

/** Publishes to every node's clients of the channel, this node's included, whether or not
 * it is open here (then its id is 0); this node's get it
 * when the sink is handed the event. Does not block. */
static inline void adapter_publish(struct adapter *a, const struct adapter_channel *c,
                                   const struct adapter_event *e)
{
    a->ops->publish(a, c, e);
}

/** Any thread: asks the cluster. Borrows q; q->reply will be called as many times as this
 * returns, on any thread. */
static inline unsigned adapter_lookup(struct adapter *a, const struct lookup_query *q)
{
    return a->ops->lookup(a, q);
}

/** What is kept for this home's channels; the home's thread. */
static inline void adapter_cached(struct adapter *a, unsigned home,
                                  struct adapter_cached *c)
{
    a->ops->cached(a, home, c);
}

/** After every thread has ended. */
static inline void adapter_free(struct adapter *a)
{
    a->ops->free(a);
}

#endif
