/* One client's connection at its edge: who it is, and the ring of frames on their way to
 * it. Every byte to the client goes through the ring and is written at the end of the
 * turn, as many frames as there are in one write, and only while lws holds no part of an
 * earlier one (LIBRARIES.md 5 and 6). The ring is bounded by bytes and by count: who is
 * over that for a second, and doesn't take as much in it, is too slow, and is closed with
 * 4100. At once he is over a bound that is some times as high: what has piled up in Redis
 * or before a node that stood still may come within milliseconds. The edge's thread only;
 * conn_free is called by socket.c alone, when lws has let go of the socket. */
#ifndef MUSTER_SERVER_CONN_H
#define MUSTER_SERVER_CONN_H

#include "adapters/adapter.h"
#include "presence/presence.h"
#include "protocol/frame.h"
#include "server/base/list.h"
#include "server/base/wheel.h"

struct app;
struct edge;
struct lws;

enum conn_state {
    CONN_OPEN,
    CONN_CLOSING, /* nothing comes in; what is in the ring goes out, then the close frame
                   */
    CONN_CLOSED,  /* nothing goes out: lws has the close code, or closes by itself, or the
                     socket is broken */
};

/* Who the connection is signed in as; one allocation. */
struct conn_user {
    struct list watches; /* whom it watches: edge_watch.c */
    struct list news;    /* in edge->news, or alone */
    struct slice id;
    struct slice info; /* user_info's raw JSON, or absent */
    struct slice
        confirm; /* user_data (owned), until its channel lets it in; absent: was */
    char bytes[];
};

struct conn {
    struct lws *wsi;
    struct edge *edge;
    struct app *app; /* NULL until it was let in */
    struct socket_id id;
    struct list all;    /* in edge->conns */
    struct list dirty;  /* in edge->dirty, or alone */
    struct list unread; /* in edge->unread or, paused, in edge->paused, or alone */
    struct list subs;
    struct wheel_entry timer;
    struct conn_user *user; /* signed in as; NULL: not */
    struct frame **ring;    /* NULL while at most one frame waits, in `only` */
    struct frame *only;
    uint64_t client_events_spent, joins_spent; /* µs: as app_allowance has it */
    uint32_t ring_bytes;
    uint32_t opened;       /* ms, edge_now; differences are right across its wrap */
    uint32_t last_command; /* ms */
    uint32_t pinged;       /* ms, while awaits_pong */
    uint32_t resume_at;    /* ms, while paused */
    uint32_t over_since;   /* ms, odd; 0: what waits is within the bound */
    uint32_t taken_bytes, taken_frames; /* by the client since then */
    uint8_t paused_for;                 /* the home whose backlog it waits for too */
    uint32_t ring_head, ring_n, ring_cap;
    uint32_t n_subs;
    uint16_t close_code;
    uint8_t state; /* enum conn_state */
    bool awaits_pong : 1;
    bool awaits_writeable : 1;
    bool authorized : 1; /* signed in, or let into a channel that needs a signature */
    bool counted : 1;    /* in the app's and the node's connections */
    bool corked : 1; /* the handshake's reply waits for the greeting, to go out with it */
    bool paused : 1; /* nothing is read from it for a while */
};

/** For a socket that lws has just upgraded. */
struct conn *conn_alloc(struct edge *e, struct lws *wsi);
/** Frees it and what its ring holds. */
void conn_free(struct conn *c);
/** Puts a frame (held by the ring) on its way; on a connection that is closing, nothing.
 */
void conn_send(struct conn *c, struct frame *f);
/** As conn_send; takes the caller's reference. */
void conn_send_take(struct conn *c, struct frame *f);
/** Writes what can be written; asks for a writeable callback if something is left. False:
 * the socket is broken and must be ended by the caller. */
bool conn_flush(struct conn *c);
/** Closes it if it has been over its bound for too long; pardon: its time begins again.
 */
void conn_judge(struct conn *c, bool pardon);
/** lws says that the socket is writeable. False: the callback must return -1. */
bool conn_writeable(struct conn *c);
/** lws closes it by itself, or the peer does: nothing goes out any more, and the channels
 * are left now. Idempotent. */
void conn_closed(struct conn *c, enum presence_exit how);
/** Ends the connection with this close code: leaves its channels now, sends what is in
 * the ring, then the close frame, and is gone at the latest after 5 s. Idempotent. */
void conn_close(struct conn *c, int code);
/** pusher:error with this code and text, then conn_close with the same code. */
void conn_refuse(struct conn *c, int code);
/** "first.second", written to text (at most 33 bytes); borrowed from it. */
struct slice conn_id_text(const struct conn *c, char text[48]);

#endif
