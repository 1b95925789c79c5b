/* What threads say to each other: every letter between the acceptor, edges and homes. A
 * letter is made by its sender, owned by whoever has it, and freed by the receiver with
 * letter_free, which also lets go of what it holds. Slices inside borrow from the
 * letter's own tail. */
#ifndef MUSTER_SERVER_LETTERS_H
#define MUSTER_SERVER_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/adapter.h"
#include "presence/presence.h"
#include "protocol/channel_name.h"
#include "protocol/frame.h"
#include "protocol/refusal.h"
#include "server/base/mailbox.h"

struct app;
struct webhook_event;
struct gauges;

enum letter_kind {
    /* to an edge */
    LETTER_ADOPT,      /* acceptor: a connection to serve */
    LETTER_SUBSCRIBED, /* home: a subscribe was let in */
    LETTER_REFUSED,    /* home: it was not */
    LETTER_DELIVER,    /* home: a frame for all subscribers of a channel */
    LETTER_ONLINE,     /* home: a watched user's state */
    LETTER_TERMINATE,  /* home: end the connections signed in as a channel's user */
    LETTER_DRAIN,      /* node: say 4200 to everyone, then stop */
    /* to a home */
    LETTER_SUBSCRIBE,
    LETTER_UNSUBSCRIBE,
    LETTER_PUBLISH, /* from a subscriber */
    LETTER_EMIT,    /* from the HTTP API, to a channel that may have no subscriber */
    LETTER_WATCH,   /* tell me whether this user is online */
    LETTER_UNWATCH,
    LETTER_RUN, /* an adapter: a call to make on the home's thread */
    /* to a worker */
    LETTER_ANSWER, /* a lookup's answer, for an HTTP request */
    LETTER_GAUGES, /* a worker: add yours and pass it on (health.h) */
    LETTER_STOP,
};

struct msg {
    struct letter letter; /* first: a letter is its msg */
    enum letter_kind kind;
};

/* Where a connection came in. */
enum listener { LISTENER_MAIN, LISTENER_METRICS };

struct msg_adopt {
    struct msg msg;
    enum listener listener;
    int fd; /* closed by letter_free unless taken (set to -1) */
};

/* Each subscribe has a number, unique on its edge for ever: answers to one that has been
 * undone meanwhile find nothing (PRESENCE.md, "Edge races"). */
struct msg_subscribe {
    struct msg msg;
    unsigned edge;
    uint64_t sub_id;
    const struct app *app;
    enum channel_kind kind;
    struct slice channel;
    struct slice user_id;   /* presence kinds */
    struct slice user_info; /* raw JSON, or absent */
    char bytes[];
};

struct msg_unsubscribe {
    struct msg msg;
    unsigned edge;
    uint64_t sub_id;
    enum presence_exit how;
};

struct msg_publish {
    struct msg msg;
    uint64_t channel_id;
    struct frame *frame; /* held */
    struct socket_id except;
    struct webhook_event *webhook; /* the same event for webhooks, owned, or NULL */
};

struct msg_emit {
    struct msg msg;
    const struct app *app;
    struct frame *frame; /* held; NULL: terminate */
    struct socket_id except;
    struct slice channel;
    struct slice data;               /* raw JSON, where the channel is to keep it */
    unsigned keep;                   /* s; 0 not */
    struct adapter_receipt *receipt; /* one of its events; NULL: nobody waits */
    char bytes[];
};

struct msg_watch {
    struct msg msg;
    unsigned edge;
    uint64_t watch_id; /* unique on the edge for ever, as a sub_id */
    const struct app *app;
    struct slice channel; /* the user's */
    char bytes[];
};

struct msg_unwatch {
    struct msg msg;
    unsigned edge;
    uint64_t watch_id;
};

struct msg_online {
    struct msg msg;
    uint64_t watch_id;
    bool online;
};

struct msg_run {
    struct msg msg;
    void (*fn)(void *arg, bool alive); /* NULL once it has been called */
    void *arg;
};

struct msg_answer {
    struct msg msg;
    uint64_t call;
    struct lookup_answer *answer; /* owned */
};

struct msg_gauges {
    struct msg msg;
    unsigned asker;        /* the worker whose request it is for */
    uint64_t call;         /* the request's number there */
    struct gauges *gauges; /* owned */
};

struct msg_terminate {
    struct msg msg;
    uint64_t channel_id;
};

struct msg_subscribed {
    struct msg msg;
    uint64_t sub_id;
    uint64_t channel_id;
    struct frame *frame; /* subscription_succeeded, held */
    struct frame
        *after; /* what follows it at once (kept event, cache_miss), held, or NULL */
};

struct msg_refused {
    struct msg msg;
    uint64_t sub_id;
    enum refusal why;
    unsigned limit; /* the limit that was reached, for the text */
};

struct msg_deliver {
    struct msg msg;
    uint64_t channel_id;
    struct frame *frame; /* held */
    struct socket_id except;
};

/** A letter without contents. */
struct msg *letter_plain(enum letter_kind kind);
/** size: of the whole struct with its tail; zeroed. */
void *letter_alloc(enum letter_kind kind, size_t size);
/** Ends any letter. */
void letter_free(struct msg *m);

#endif
