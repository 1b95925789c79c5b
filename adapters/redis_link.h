/* The way to Redis and back: one thread with two connections, one for commands, one for
 * pub/sub. It decides nothing: it carries commands, gives back their replies, and hands
 * out what is published. Both connections go down and come up together, each time as a
 * new generation, so that an answer never has to be told from one of an earlier life.
 *
 * Any thread may hand in commands and subscriptions; what one thread hands in is carried
 * out in its order. The sink, and a command's done, are called on the link's thread; they
 * may call any of these functions but start, stop and free.
 *
 * The links go down for any error reply (READONLY, LOADING, OOM, NOPERM, MOVED, NOAUTH…:
 * a demoted master still takes PUBLISH, so it looks healthy), for silence of 5 s, for a
 * reply that the caller can't read (redis_link_fail). Then it connects again, with a
 * backoff of 50 ms to 2 s. */
#ifndef MUSTER_ADAPTERS_REDIS_LINK_H
#define MUSTER_ADAPTERS_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/redis_keys.h"
#include "protocol/tls_client.h"
#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "server/base/mailbox.h"

struct redis_link;

/* Strings are borrowed until redis_link_free; none is NULL, where it is used. */
struct redis_link_conf {
    const char *host; /* name or address */
    unsigned port;
    const char *unix_socket; /* "": host and port */
    const char *username;    /* "": Redis's default user */
    const char *password;    /* a secret; "": none */
    unsigned db;
    bool tls;                          /* to the sentinels, too */
    struct tls_client_files tls_files; /* with tls only; they may be NULL */
    /* "host:port" each, all good (server/base/hostport.h); none: the above. They say
     * where the master is; host, port and unix_socket aren't used then. */
    char *const *sentinels;
    size_t n_sentinels;
    const char *master_name; /* this and the next ones: only with sentinels */
    const char *sentinel_username, *sentinel_password; /* "": none */
};

/* Called on the link's thread. */
struct redis_link_sink {
    /* Both links are there, checked, and every script is loaded. Generations count
     * from 1. Every subscription is sent again by itself; see subscribed. */
    void (*up)(void *context, uint64_t generation);
    /* They aren't any more. Commands under way have been called back without a reply. */
    void (*down)(void *context, const char *why);
    /* One of the links has been unproven for 2 s (not being there counts, from the start
     * on), or both are proven again. Not called twice with the same. */
    void (*degraded)(void *context, bool degraded);
    /* All names of the subscription are confirmed in this generation: what is published
     * from now on arrives. Once a generation, and once for each redis_link_subscribe;
     * n_names: as many as that one had. */
    void (*subscribed)(void *context, uint64_t generation, void *owner, uint64_t id,
                       unsigned n_names);
    /* On one of its names; from subscribed on. name and payload are borrowed. */
    void (*message)(void *context, void *owner, uint64_t id, struct slice name,
                    struct slice payload);
    /* About every 250 ms, from start to stop; may be NULL. */
    void (*tick)(void *context);
    /* The end of a turn of the thread, in which any of the above may have been called:
     * the moment to hand on what was gathered. */
    void (*turn)(void *context);
};

/* The head of whatever is posted to the link; its own business. */
struct redis_letter {
    struct letter letter;
    int kind;
};

/* A command on its way. Embedded in what the caller wants to know again; the link owns it
 * from redis_link_send until done. */
struct redis_command {
    struct redis_letter head; /* the link's, as queue and sent_again */
    struct list queue;
    bool sent_again;
    bool patient; /* may wait for others to go with it, some ms; set by the caller */
    /* Exactly one command as Redis's protocol has it (adapters/redis_script.h). */
    struct buf bytes;
    /* It is sent only if the links are still of this generation; 0: of any. */
    uint64_t generation;
    /* Takes the command, and the reply (freeReplyObject; on any thread). NULL: the links
     * went down before it was answered, or weren't there: it may have been carried out,
     * or not. Never an error reply: they take the links down. The link no longer reads
     * bytes: buf_fini is the callee's. */
    void (*done)(struct redis_command *c, redisReply *reply);
};

/** Doesn't connect yet. keys and sink are borrowed until redis_link_free. */
struct redis_link *redis_link_alloc(const struct redis_link_conf *conf,
                                    const struct redis_keys *keys,
                                    const struct redis_link_sink *sink, void *context);
/** Starts the thread, which begins to connect. ERR_INVALID: what is asked can't be done
 * by this build, or with these files (TLS); it was logged. */
enum err redis_link_start(struct redis_link *l) MUST_CHECK;
/** Waits until both links are up for the first time, at most ms. Call it after start, on
 * the thread that called start, and not again once it was up or refused. ERR_INVALID:
 * Redis was reached and mustn't be used as it is (eviction, a cluster, another number of
 * partitions, a replica, a wrong password…); ERR_SYSTEM: it wasn't reached in time. *why
 * (borrowed from l, until free) says what was wrong; "" otherwise. It goes on trying in
 * any case. */
enum err redis_link_await(struct redis_link *l, unsigned ms, const char **why) MUST_CHECK;
/** The sink's tick comes at once, this once: not to be called twice. */
void redis_link_tick(struct redis_link *l);
/** Ends the thread and waits for it, for less than 1 s: whatever is under way is called
 * back without a reply, then down is called if the links were up. Nobody may hand in
 * anything any more. */
void redis_link_stop(struct redis_link *l);
/** After stop, or without start. */
void redis_link_free(struct redis_link *l);

/** Takes the command. A command whose script Redis has lost is repaired: the scripts are
 * loaded, and all such commands sent again, in their order. Commands without a script
 * that were on their way by then have overtaken them. */
void redis_link_send(struct redis_link *l, struct redis_command *c);
/** Takes the links down, if they are still of this generation (0: whichever). */
void redis_link_fail(struct redis_link *l, uint64_t generation, const char *why);

enum { REDIS_NAMES_MAX = 2 };

/** Subscribes to n different names (copied) as one: confirmed once all are. Names that
 * are subscribed already pass to this owner and id, and are confirmed anew. owner and id:
 * for the sink; owner must stay as long as it may be called back with it. */
void redis_link_subscribe(struct redis_link *l, void *owner, uint64_t id,
                          const struct slice *names, unsigned n);
/** Unsubscribes what was subscribed with the same owner and id; does nothing where that
 * has passed to another. names: all of them. */
void redis_link_unsubscribe(struct redis_link *l, void *owner, uint64_t id,
                            const struct slice *names, unsigned n);

/* How it stands, for metrics; any thread. */
struct redis_link_figures {
    uint64_t generation; /* 0: not up */
    bool degraded;
    uint64_t commands, replies, messages; /* so far */
    uint64_t reconnects, scripts_reloaded;
};

void redis_link_figures(const struct redis_link *l, struct redis_link_figures *f);

#endif
