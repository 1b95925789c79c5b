/* Inside of struct redis_link: both connections from the first byte to the last, one
 * session after another. redis_link.c has the thread and its letters, redis_session.c
 * connects, proves and tears down, redis_traffic.c carries commands and what is
 * published. The link's thread only, but for what is atomic. */
#ifndef MUSTER_ADAPTERS_REDIS_SESSION_H
#define MUSTER_ADAPTERS_REDIS_SESSION_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "adapters/redis_boot.h"
#include "adapters/redis_conn.h"
#include "adapters/redis_link.h"
#include "adapters/redis_resolve.h"
#include "adapters/redis_sentinel.h"
#include "adapters/redis_subs.h"
#include "adapters/redis_tls.h"
#include "server/base/loop.h"
#include "server/base/random.h"

enum session_state {
    SESSION_IDLE,      /* waits to try again */
    SESSION_ASKING,    /* asks the sentinels for the master */
    SESSION_RESOLVING, /* asks for the host's addresses */
    SESSION_BOOTING,   /* connects, and asks what must be known first */
    SESSION_UP,
};

/* How the first attempts went, for redis_link_await. */
enum link_outcome { OUTCOME_NONE, OUTCOME_UP, OUTCOME_REFUSED };

/* A text that another thread may read: never changed, kept until the link is freed. */
struct link_note {
    struct link_note *next;
    char text[];
};

struct redis_link {
    const struct redis_link_conf *conf;
    const struct redis_keys *keys;
    const struct redis_link_sink *sink;
    void *context;
    struct loop *loop;
    struct mailbox inbox;
    struct redis_letter soon, stop;
    _Atomic bool soon_posted;
    pthread_t thread;
    bool is_started;
    struct random_pool random;
    struct loop_timer tick, retry;
    struct redis_tls *tls; /* NULL: plain */
    struct resolver *resolver;
    struct sentinels *sentinels; /* NULL: none are configured */
    struct redis_master master;  /* where this session, or the last one, goes */

    enum session_state state;
    uint64_t generation;  /* of this session once it is up, or of the last one */
    unsigned attempts;    /* since the links were up for long enough */
    unsigned short_lived; /* sessions in a row that an answer ended soon after */
    uint64_t up_at;       /* ms: when this session, or the last one, came up */
    uint64_t began;       /* ms: this attempt */
    uint64_t ticked;      /* ms: the last tick */
    char *failing;        /* why it is to be torn down at the end of the turn; or NULL */
    bool failing_by_name; /* refused: it won't pass by itself */
    bool failing_by_answer; /* an error, or one that can't be read */
    struct redis_conn *commands, *pubsub;
    unsigned
        booting; /* answers that are missing: of the boot, and of the pubsub's self */
    bool pubsub_ready;
    struct list unsent, again, sent; /* redis_commands */
    unsigned impatient;              /* of the unsent ones */
    uint64_t gather_until;           /* ms: when it's time for patient ones to go */
    struct loop_timer gather;        /* until the waiting ones must go */
    bool gathering;
    size_t queued; /* their bytes */
    struct redis_subs *subs;
    struct buf scratch;
    struct buf self;    /* the pub/sub channel on which the link hears itself */
    unsigned reloading; /* scripts whose loading is unanswered */
    uint64_t command_proof, pubsub_proof; /* ms: when each last showed life */
    bool pubsub_proven;                   /* in this session */
    bool degraded;

    sem_t first;
    _Atomic int outcome; /* enum link_outcome */
    _Atomic(const char *) last_why;
    struct link_note *notes;
    unsigned n_notes;

    _Atomic uint64_t up_generation; /* 0: down */
    _Atomic bool is_degraded;
    _Atomic uint64_t n_commands, n_replies, n_messages, n_reconnects, n_reloads;
};

/* redis_session.c */

void session_begin(struct redis_link *l);
/** The timer of every 250 ms. */
void session_tick(void *link);
/** The links are to go down at the end of this turn. refused: waiting won't help. */
void session_fail(struct redis_link *l, const char *why, bool refused);
/** The same, by what Redis has answered: the next session may get that, too. */
void session_fail_by_answer(struct redis_link *l, const char *why, bool refused);
/** The end of a turn: tears down what failed. */
void session_end_turn(struct redis_link *l);
/** The link has heard itself. */
void session_proven(struct redis_link *l);
/** All of the boot is answered. */
void session_booted(struct redis_link *l);
/** Closes the connections and calls back everything under way. */
void session_close(struct redis_link *l, const char *why);

/* redis_traffic.c */

/** Sends what has come up. */
void traffic_flush(struct redis_link *l);
/** Takes the command; done is called at once where the links aren't there. */
void traffic_send(struct redis_link *l, struct redis_command *c);
/** Commands of the link's own: what is asked first. Adds to l->booting. */
void traffic_boot(struct redis_link *l);
/** A message to itself, whose coming proves both links. */
void traffic_probe(struct redis_link *l);
/** Calls back all commands without a reply. */
void traffic_drop(struct redis_link *l);

extern const struct redis_conn_events traffic_command_events, traffic_pubsub_events;

#endif
