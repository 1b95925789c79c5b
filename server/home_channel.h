/* What a home keeps of one channel and of each subscription to it. Private to home*.c;
 * the home's thread only. */
#ifndef MUSTER_SERVER_HOME_CHANNEL_H
#define MUSTER_SERVER_HOME_CHANNEL_H

#include "presence/presence.h"
#include "server/apps.h"
#include "server/home.h"

struct home_channel {
    struct hmap_node by_name, by_id;
    struct home *home;
    const struct app *app;
    enum channel_kind kind;
    bool open;             /* the adapter has said so: joiners may be answered */
    struct list waiting;   /* subscriptions to be answered, in order */
    struct list joining;   /* in the home's list of that name, or alone */
    struct list admitting; /* subscriptions that are let in, until they are told */
    unsigned n_subs;       /* waiting ones too */
    unsigned n_admitted;
    unsigned total;              /* subscriptions on all nodes, as they are told */
    bool total_due;              /* it came before anybody was admitted */
    bool occupied;               /* as webhooks were told */
    bool busy;                   /* it stays, though its last subscription may go */
    enum presence_exit leaving;  /* the way in which members go, while presence says so */
    struct presence *presence;   /* presence kinds and users' channels, else NULL */
    struct frame *succeeded;     /* the shared answer to whoever joins now, or NULL */
    uint64_t succeeded_version;  /* of the view that it shows */
    struct list watchers;        /* of a user's channel (home_watch.c) */
    struct list grace, counts;   /* in the home's lists of those names */
    struct frame *kept;          /* what a cache channel keeps for joiners, or NULL */
    uint64_t kept_until;         /* ms, loop_now */
    struct adapter_channel life; /* what the adapter knows it by */
    unsigned *per_edge;          /* admitted subscriptions by edge */
};

struct home_sub {
    struct hmap_node by_id;
    struct home_channel *channel;
    struct list waiting;
    struct msg_subscribe *request; /* until it is answered */
    unsigned edge;
    bool admitted;
    bool refused; /* to be dropped at the end of the turn */
    uint64_t sub_id;
    struct presence_ref ref;
};

/** Finds or makes; made: the adapter is opened, and may have answered already. */
struct home_channel *home_channel_get(struct home *h, const struct app *app,
                                      enum channel_kind kind, struct slice name);
/** NULL if it has no life here. */
struct home_channel *home_channel_find(struct home *h, const struct app *app,
                                       struct slice name);
struct home_channel *home_channel_by_id(struct home *h, uint64_t id);
/** Somebody is here: said to webhooks once, before anything else of the channel. */
void home_channel_occupied(struct home_channel *c);
/** What joiners get behind their snapshot until then; f NULL: nothing. Borrows. */
void home_channel_keep(struct home_channel *c, struct frame *f, uint64_t until);
/** Ends the connections that are signed in as this user channel's user. */
void home_channel_terminate(struct home_channel *c);
/** Closes and frees a channel that has neither subscriptions nor members in grace. */
void home_channel_drop_if_idle(struct home_channel *c);
void home_channel_free(struct home_channel *c);
/** A frame for every admitted subscriber, one letter an edge. Borrows the frame. */
void home_channel_deliver(struct home_channel *c, struct frame *f,
                          struct socket_id except);

/** The subscription is decided (let in, or refused): home_turn_ends answers it, behind
 * all that is said of who comes at the same time. */
void home_sub_let_in(struct home_sub *s);
/** Removes and frees the subscription, and its channel if that was the last. */
void home_sub_drop(struct home_sub *s);

/** Presence for a channel of a presence kind (caller ends it with presence_fini and
 * free).
 */
struct presence *home_presence_alloc(struct home_channel *c);
/** subscription_succeeded at this moment; borrowed from the channel. */
struct frame *home_succeeded_frame(struct home_channel *c);
/** Whether its clients are told how many they are (PROTOCOL.md 2, subscription_count). */
bool home_counts(const struct home_channel *c);
/** This node's number of subscribers has changed: by itself, that is the number. */
void home_count_changed(struct home_channel *c);
/** What came before anybody was admitted is told now, to all who were since. */
void home_count_due(struct home_channel *c);
/** All nodes together have so many subscriptions now. */
void home_count_is(struct home_channel *c, unsigned total);
/** Sends what home_count_changed has put off. */
void home_counts_flush(struct home *h);

#endif
