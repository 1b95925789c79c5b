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

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/lookup.h"
#include "presence/presence.h"
#include "presence/shared.h"
#include "protocol/frame.h"
#include "protocol/socket_id.h"
#include "server/base/err.h"
#include "server/base/slice.h"

/* What a channel keeps for those who join (PROTOCOL.md 3, cache). */
struct adapter_kept {
    struct frame *frame; /* NULL: nothing */
    uint64_t ttl_ms;     /* for which it is still kept */
};

/* One life of a channel on this node, from its first subscriber to its last. The home
 * owns it and keeps it until it has called close. What comes for an id that is closed is
 * dropped. id 0: a channel that is only published to, with no subscriber here. */
struct adapter_channel {
    uint64_t id;       /* unique on this node, for ever */
    unsigned home;     /* the index of its home */
    struct slice app;  /* the app's id */
    struct slice name; /* the channel's name */
    bool keeps;        /* a cache channel */
    bool user;         /* of a signed-in user: events go to his own connections only */
    struct shared_kind kind;       /* for open */
    struct presence *presence;     /* for open: of presence kinds and users, else NULL */
    struct shared_channel *shared; /* the adapter's, from open to close */
    /* The adapter's: the last kept event that was had, and what it is until opened. */
    uint64_t kept_number;
    struct adapter_kept kept;
};

/* Who published some events, and waits until each has its place in its channel's order,
 * on every node, or can't be known to have one any more: whatever he publishes then, on
 * whichever node, comes behind. */
struct adapter_receipt {
    _Atomic unsigned events; /* whose place isn't known yet */
    /* Frees it. Any thread; alive: as in adapter_sink's run. */
    void (*done)(struct adapter_receipt *r, bool alive);
};

/** One of its events has its place. r: NULL is fine. */
static inline void adapter_receipt_end(struct adapter_receipt *r, bool alive)
{
    if (r && atomic_fetch_sub(&r->events, 1) == 1)
        r->done(r, alive);
}

/* An event on its way: what every client of the channel is to receive. */
struct adapter_event {
    struct frame *frame;     /* ready made; borrowed, hold it to keep it. NULL: none, only
                                `terminate` or `forget` */
    struct socket_id except; /* the socket that must not get it, or {0, 0} */
    struct slice data;       /* of an event that is kept: its raw JSON `data` */
    unsigned keep;           /* s for which the channel keeps it (cache_ttl); 0 not */
    bool forget;    /* the channel keeps nothing from now on (set by the adapter) */
    bool terminate; /* end the connections that are signed in as the channel's user */
    struct adapter_receipt *receipt; /* NULL: nobody waits; the adapter ends it once */
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
    /* Once opened: joiners are to wait again, or needn't any more (shared_sink). */
    void (*waits)(void *context, uint64_t channel_id, bool wait);
    /* The next event of the channel's order. */
    void (*event)(void *context, uint64_t channel_id, const struct adapter_event *e);
    /* How many subscriptions the channel has on all nodes now, where nodes share it and
     * its kind wants to know. */
    void (*count)(void *context, uint64_t channel_id, unsigned total);
    /* Adds what this node knows of the channels that a query asks about. */
    void (*facts)(void *context, const struct lookup_query *q, struct lookup_answer *a);
    /* Any thread: has fn(arg, true) called on the home's thread, or fn(arg, false) on
     * some thread when the node ends before. */
    void (*run)(void *context, void (*fn)(void *arg, bool alive), void *arg);
};

/* How an adapter that nodes share gets on, since its start. */
struct adapter_figures {
    uint64_t commands;    /* sent to Redis */
    uint64_t messages;    /* that came back by pub/sub */
    uint64_t reconnects;  /* of its links */
    uint64_t renames;     /* times that this node was declared dead, or a clone */
    uint64_t unconfirmed; /* events of this node whose echo was not waited for */
};

/* Whether what is published now reaches the other nodes. */
enum adapter_state {
    ADAPTER_UP,
    ADAPTER_SILENT, /* no: homes decide by themselves (PRESENCE.md, "Degraded") */
};

/* A transition of the cluster that some webhook may want (PRESENCE.md, rule 12). */
enum adapter_transition {
    TRANSITION_OCCUPIED,
    TRANSITION_VACATED,
    TRANSITION_ADDED,
    TRANSITION_REMOVED,
    TRANSITION_COUNT,
};

struct adapter_webhook {
    enum adapter_transition kind;
    struct slice app, channel;
    struct slice user; /* TRANSITION_ADDED and _REMOVED; else absent */
    unsigned count;    /* TRANSITION_COUNT: subscriptions on all nodes */
    /* To be called once, on any thread, when it is delivered or given up. */
    void (*done)(void *lease);
    void *lease;
};

struct adapter;

/* What an implementation provides; see the verbs below for the contracts. */
struct adapter_ops {
    const char *name;
    void (*attach)(struct adapter *a, unsigned home, const struct adapter_sink *sink,
                   void *context);
    enum err (*start)(struct adapter *a);
    void (*bye)(struct adapter *a);
    void (*stop)(struct adapter *a);
    void (*open)(struct adapter *a, struct adapter_channel *c);
    void (*close)(struct adapter *a, struct adapter_channel *c, bool unclean);
    void (*count)(struct adapter *a, struct adapter_channel *c, unsigned n, bool unclean);
    void (*publish)(struct adapter *a, const struct adapter_channel *c,
                    const struct adapter_event *e);
    unsigned (*lookup)(struct adapter *a, const struct lookup_query *q);
    void (*cached)(struct adapter *a, unsigned home, struct adapter_cached *c);
    void (*turn_ends)(struct adapter *a, unsigned home);
    void (*tick)(struct adapter *a, unsigned home, uint64_t now);
    enum adapter_state (*state)(struct adapter *a);
    void (*figures)(struct adapter *a, struct adapter_figures *f);
    void (*free)(struct adapter *a);
};

struct adapter {
    const struct adapter_ops *ops;
    bool shared; /* nodes share it: membership is decided there, and webhooks are */
};

/** Before any thread starts: home's sink (borrowed, as context, until adapter_free). */
static inline void adapter_attach(struct adapter *a, unsigned home,
                                  const struct adapter_sink *sink, void *context)
{
    a->ops->attach(a, home, sink, context);
}

/** After every home is attached, before their threads start: connects. On an error it was
 * logged (or the start was given up), and adapter_stop still has to be called. */
static inline enum err adapter_start(struct adapter *a)
{
    return a->ops->start(a);
}

/** Any thread: this node is about to exit. Other nodes wait for its users to come back
 * elsewhere (PRESENCE.md, rule 10). */
static inline void adapter_bye(struct adapter *a)
{
    a->ops->bye(a);
}

/** After the homes' threads have ended, before the homes are freed: ends what calls their
 * sinks. */
static inline void adapter_stop(struct adapter *a)
{
    a->ops->stop(a);
}

/** The channel has its first subscriber here: answered by opened, once. Where nodes share
 * it, its presence is fed from now on. */
static inline void adapter_open(struct adapter *a, struct adapter_channel *c)
{
    a->ops->open(a, c);
}

/** The channel has lost its last subscriber here: nothing comes for its id any more.
 * unclean: by lost connections. */
static inline void adapter_close(struct adapter *a, struct adapter_channel *c,
                                 bool unclean)
{
    a->ops->close(a, c, unclean);
}

/** So many subscriptions are there now on this node; an open channel's. */
static inline void adapter_count(struct adapter *a, struct adapter_channel *c, unsigned n,
                                 bool unclean)
{
    a->ops->count(a, c, n, unclean);
}

/** The home's turn ends: what has come up in it may go out. */
static inline void adapter_turn_ends(struct adapter *a, unsigned home)
{
    a->ops->turn_ends(a, home);
}

/** Every 250 ms, where nodes share it; on the home's thread; now: ms, loop_now. */
static inline void adapter_tick(struct adapter *a, unsigned home, uint64_t now)
{
    a->ops->tick(a, home, now);
}

/** Any thread. */
static inline enum adapter_state adapter_state(struct adapter *a)
{
    return a->ops->state(a);
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

/** Any thread. */
static inline void adapter_figures(struct adapter *a, struct adapter_figures *f)
{
    a->ops->figures(a, f);
}

/** After every thread has ended. */
static inline void adapter_free(struct adapter *a)
{
    a->ops->free(a);
}

#endif
