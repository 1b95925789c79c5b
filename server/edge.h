/* A worker's edge: the connections that this worker was handed, what each is subscribed
 * to, and for every channel the connections here that get its frames. Commands of clients
 * go to the channels' homes as letters; what homes say goes to clients' rings. The
 * worker's thread only. */
#ifndef MUSTER_SERVER_EDGE_H
#define MUSTER_SERVER_EDGE_H

#include "server/base/hmap.h"
#include "server/base/list.h"
#include "server/base/loop.h"
#include "server/base/random.h"
#include "server/base/hash.h"
#include "server/base/wheel.h"
#include "server/letters.h"

struct conn;
struct handshake;
struct worker;

struct edge {
    struct worker *worker;
    struct list conns;        /* all of them */
    struct list dirty;        /* those with frames to flush at the end of the turn */
    struct list unread;       /* those whose last read ended inside a message */
    struct hmap watches;      /* by id: edge_watch.c */
    struct list news;         /* signed-in users to be told of whom they watch */
    struct list paused;       /* those that are not read from for a while */
    struct loop_timer resume; /* runs while there are any */
    unsigned reads;           /* of unread ones, this turn */
    unsigned n_over;          /* connections that owe more than their bound */
    struct hmap subs;         /* by sub_id */
    struct hmap names;        /* subscriptions by connection and channel name */
    struct hmap channels;     /* by channel id: struct edge_channel */
    struct wheel wheel;       /* one entry a connection */
    struct random_pool random;
    struct hash_seed seed;
    uint64_t next_sub_id;
    uint64_t started;       /* ms: the loop's clock as it began */
    unsigned char *scratch; /* where frames are put together for one write */
    uint64_t ticked;        /* ms: when the last tick was */
    bool was_late;          /* that one */
    bool draining;
};

void edge_init(struct edge *e, struct worker *w);
/** All connections must have gone. */
void edge_fini(struct edge *e);
/** A letter of the kinds "to an edge" but LETTER_ADOPT; takes it. */
void edge_receive(struct edge *e, struct msg *m);
/** Reads on where a read ended inside a message, up to a bound a turn; false: nothing to
 * read. lws reads RX_BYTES at a time, so a sender's burst would otherwise come in as many
 * turns, each with its own writes to everyone. */
bool edge_read_on(struct edge *e);
/** Reads from a paused connection again. */
void edge_resume(struct conn *c);
/** The end of a turn: each connection with something to send is flushed once. */
void edge_flush(struct edge *e);
/** This turn's monotonic time in ms, its low 32 bits. */
uint32_t edge_now(const struct edge *e);
/** The tick is overdue, by a busy or a stopped process: clients had no chance to take
 * what is for them. */
bool edge_is_late(const struct edge *e);
/** Once a second. */
void edge_tick(struct edge *e);
/** A WebSocket has been established, and h is what its URL and headers say. Greets it, or
 * refuses it with pusher:error and the same close code (PROTOCOL.md 1). */
void edge_welcome(struct edge *e, struct conn *c, const struct handshake *h);
/** Something came from the client: it is alive. */
void edge_heard(struct conn *c);
/** One whole text message of a client. */
void edge_message(struct conn *c, struct slice message);
/** The connection has gone: leaves all its channels. */
void edge_goodbye(struct conn *c, enum presence_exit how);

#endif
