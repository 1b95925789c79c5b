/* What an edge keeps of each subscription, and of each channel that has some here.
 * Private to edge*.c; the edge's thread only. */
#ifndef MUSTER_SERVER_EDGE_SUB_H
#define MUSTER_SERVER_EDGE_SUB_H

#include "protocol/channel_data.h"
#include "protocol/command.h"
#include "server/conn.h"
#include "server/edge.h"

/* The connections here that get a channel's frames. */
struct edge_channel {
    struct hmap_node by_id;
    uint64_t id; /* as its home named it */
    struct edge_sub **subs;
    unsigned n, cap;
};

struct edge_sub {
    struct hmap_node by_id, by_name;
    struct list of_conn; /* in conn->subs */
    struct conn *conn;
    struct edge_channel *channel; /* NULL until the home has let it in */
    unsigned place;               /* in channel->subs */
    unsigned home;
    enum channel_kind kind;
    bool asked; /* by the client; not so: the sign-in's own, to the user's channel */
    uint64_t id;
    struct slice name;
    struct slice user_id; /* presence kinds: the authenticated one */
    char bytes[];
};

/** The connection's subscription to the channel, pending ones too; NULL if none. */
struct edge_sub *edge_sub_find(struct edge *e, const struct conn *c, struct slice name);
struct edge_sub *edge_sub_by_id(struct edge *e, uint64_t id);
/** A pending subscription (copies the slices). asked: by the client. */
struct edge_sub *edge_sub_add(struct edge *e, struct conn *c, enum channel_kind kind,
                              struct slice name, struct slice user_id, bool asked);
/** The client asks for one, or takes back that it did, that is there already. */
void edge_sub_set_asked(struct edge_sub *s, bool asked);
/** The home has let it in. */
void edge_sub_join(struct edge *e, struct edge_sub *s, uint64_t channel_id);
/** Removes and frees it; its home isn't told. */
void edge_sub_remove(struct edge *e, struct edge_sub *s);
/** Removes and frees it, and tells its home. */
void edge_sub_leave(struct edge *e, struct edge_sub *s, enum presence_exit how);
struct edge_channel *edge_channel_find(struct edge *e, uint64_t id);

/* The commands, a file a verb (PROTOCOL.md 2). */
void edge_subscribe(struct conn *c, const struct command *cmd);
void edge_unsubscribe(struct conn *c, const struct command *cmd);
void edge_client_event(struct conn *c, const struct command *cmd);
void edge_signin(struct conn *c, const struct command *cmd);
/** Its user's channel has let the connection in: the first time, that confirms it. */
void edge_signed_in(struct conn *c);

/** pusher:error with the code's text, then closes with the same code. */
void edge_say_and_close(struct conn *c, int code);
/** Asks the channel's home for the subscription. user: id and info on presence kinds. */
void edge_ask_home(struct conn *c, struct slice channel, enum channel_kind kind,
                   const struct user_data *user, bool asked);
/** Posts what a connection asks of a channel's home; takes the letter. */
void edge_post_home(struct conn *c, unsigned home, struct msg *m);
/** Reads nothing from the connection for ms, and as long as that home is busy. */
void edge_pause(struct conn *c, unsigned home, uint64_t ms);
/** Arms the connection's one timer for whatever is due first. */
void edge_timer_arm(struct conn *c);

/** pusher:error; format as printf. channel absent: not about one. */
void edge_error(struct conn *c, int code, struct slice channel, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** True if auth is the app's signature of s; otherwise why (appended to) names the exact
 * string that was to be signed (PROTOCOL.md 4). */
bool edge_signed(const struct conn *c, struct slice auth, struct slice s,
                 struct buf *why);
/** pusher:subscription_error. */
void edge_refuse_text(struct conn *c, struct slice channel, enum refusal why,
                      struct slice text);
/** As edge_refuse_text; format as printf. */
void edge_refuse(struct conn *c, struct slice channel, enum refusal why,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
