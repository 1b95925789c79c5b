/* A cluster in one process: nodes that run the real presence/ code over fake masters of
 * Redis, clients that come and go, faults, virtual time. Everything follows from a seed.
 *
 * node.c is a node with its homes' part, link.c what its Redis thread would do, world.c
 * the masters and the checks, clients.c who comes and goes, faults.c what goes wrong. */
#ifndef MUSTER_SIM_WORLD_H
#define MUSTER_SIM_WORLD_H

#include "presence/liveness.h"
#include "presence/presence.h"
#include "presence/shared.h"
#include "test/sim/fake_redis.h"
#include "test/sim/invariants.h"
#include "test/sim/sched.h"

enum {
    SHARDS = 2,
    ROOMS = 10,
    NODES_MAX = 6,
    HOMES_MAX = 3,         /* of a node */
    HOOKS_LEASE_MS = 6000, /* shorter than a node's, as a run is */
    HOOKS_MS = 30000,      /* the last webhooks are delivered then, whoever had them */
};

enum sabotage {
    BREAK_SNAPSHOT = 1, /* I1: the joiner is left out */
    BREAK_TWICE = 2,    /* I2: an addition is told twice */
    BREAK_ORDER = 4,    /* I4: two events change places */
    BREAK_BYE = 8,      /* rule 10: nodes go without bye */
    BREAK_EARLY = 16,   /* rule 1: batches before the first heartbeat */
    /* Nothing is broken: they make frequent what is needed for a rule's ablation. */
    BREAK_LATE = 32, /* more late bytes than usual, for STALE's */
    BREAK_LAG = 64,  /* a lag, and snapshots in pages of one member, for READ's */
};

struct options {
    unsigned faults; /* bits, enum fault; 0: as the seed has it */
    unsigned fake, shared, liveness, sabotage; /* rules switched off */
    bool verbose;
};

enum fault {
    FAULT_RESTART_EMPTY,
    FAULT_ROLLBACK,
    FAULT_OUTAGE,
    FAULT_STALL, /* Redis is stopped, its connections stay */
    FAULT_FLUSH,
    FAULT_SUBDROP,
    FAULT_LOSTMSG,
    FAULT_BREAK, /* one node's connections, with replies and bytes on their way */
    FAULT_ERRORS,
    FAULT_STALE, /* a node's numbers aren't the highest any more, as if it had a twin */
    FAULT_KILL9,
    FAULT_STOP,
    FAULT_PARTITION,
    FAULT_CLONE,
    FAULT_ROLL,
    FAULTS
};

extern const char *const fault_names[FAULTS];

enum room_kind { ROOM_PRESENCE, ROOM_PLAIN, ROOM_USER };

struct room {
    enum room_kind kind;
    struct slice name;
    unsigned partition, shard;
    struct check_item *order; /* as Redis had it */
    unsigned n_order, order_room, calm_from;
    uint64_t full_at;   /* ms: the last time it was full */
    struct hook *hooks; /* delivered */
    unsigned n_hooks, hooks_room;
};

struct world;
struct node;
struct client;

/* An event on its way. */
struct sim_event {
    struct shared_event shared;
    struct sim_event *next; /* all there are */
    uint64_t id;
    struct room *room;
    struct client *sender; /* NULL: the HTTP API */
    struct node *origin;
    bool delivered; /* to the origin's clients */
    bool lost;      /* Redis has kept its echo from the origin (FAULT_LOSTMSG) */
};

enum client_state {
    CLIENT_WAITS,
    CLIENT_ADMITTED,
    CLIENT_IN,
    CLIENT_REFUSED,
    CLIENT_GONE
};

struct client {
    struct list of_place;
    struct list of_world; /* while it isn't gone */
    struct presence_ref ref;
    struct check_client check;
    unsigned calm_from; /* what it had seen when calm began */
    unsigned id;
    struct world *world;
    struct node *node;
    struct place *place; /* NULL: not there yet */
    struct room *room;
    struct slice user; /* absent: it watches, or the room is plain */
    struct slice info;
    bool begins; /* its user's stay, as any node could know: its info stands */
    enum client_state state;
    unsigned held;      /* scans that found its reference in Redis */
    bool settled;       /* enough of them: nobody may be told that it left */
    bool moving;        /* told to reconnect (4200) */
    uint64_t came;      /* ms */
    bool came_calmly;   /* without faults, then */
    uint64_t went;      /* ms */
    bool unheard;       /* Redis wasn't told, then */
    bool was_in;        /* else its coming and going may be told late, at once */
    struct client *all; /* chain of all there ever were */
};

/* A channel on a node. */
struct place {
    struct node *node;
    struct room *room;
    uint64_t life; /* 0: none */
    bool opened, closing_unclean;
    struct presence presence;
    struct shared_channel *channel;
    struct list clients;
    unsigned n;     /* subscriptions, those that wait for their 4200 reconnect included */
    unsigned total; /* on all nodes, as it was told last in this life */
};

struct link;
struct sender;

struct node {
    struct world *world;
    unsigned index;
    bool alive, paused, cut, degraded, bye;
    uint64_t cut_until; /* us */
    uint64_t nid, forced_nid;
    uint64_t started, stalled_until; /* ms */
    unsigned n_homes;
    struct shared *homes[HOMES_MAX]; /* as a node's workers: each has partitions */
    struct liveness *liveness;
    struct link *link;
    struct sender *sender;
    struct place places[ROOMS];
    struct node *all;                  /* chain of all there ever were */
    struct deferred *held, **held_end; /* while paused */
    bool answers_due;
    uint64_t last_published[ROOMS];
    int64_t skew; /* ms: its clock isn't the others' */
};

struct shard {
    struct world *world;
    struct fake fake;
    bool up, errors;
    uint64_t stalled_until;  /* us */
    struct fake_data *image; /* for a rollback */
};

struct world {
    struct sched sched;
    struct rng plan, net, dice;
    struct options options;
    uint64_t seed;
    struct names names;
    struct shard shards[SHARDS];
    unsigned pace; /* 1, or higher: more comes and goes */
    unsigned lag;  /* ms: pushes come so much later, replies to batches a tenth of it */
    unsigned n_shards, n_nodes, n_homes, n_users, limit, grace; /* ms */
    struct node *nodes[NODES_MAX];
    struct node *all_nodes;
    struct room rooms[ROOMS];
    unsigned n_rooms;
    struct list clients;
    struct client *all_clients;
    struct sim_event *events;
    unsigned next_client, next_life;
    uint64_t next_event;
    struct check_report report;
    unsigned faults;                /* bits: which ones this run has */
    uint64_t faults_end, churn_end; /* us */
    bool only_redis;                /* faults of Redis alone */
    bool ended;                     /* what still happens is only cleared away */
    bool calm; /* the faults are over and healed: all is as without */
    unsigned violations;
    char first[6][160];
    /* Work done, so that a run that tests nothing is seen. */
    unsigned long joins, admissions, refusals, added, removed, events_seen, resets;
};

/* world.c */

/** Runs one seed; the number of violations. w is zeroed. */
unsigned world_run(struct world *w, uint64_t seed, const struct options *options);
void world_fini(struct world *w);
uint64_t world_ms(const struct world *w);
void world_violation(struct world *w, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void world_log(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct room *world_room(struct world *w, struct slice name);
struct shard *world_shard(struct world *w, unsigned partition);
bool world_is_faultless(const struct world *w);
/** Redis has lost something, or will. */
bool world_loses_data(const struct world *w);
/** No data is lost, and no node decides by itself: limits are exact. */
bool world_keeps_limits(const struct world *w);

/* checks.c */

void checks_scan(struct world *w);
void checks_final(struct world *w);
/** From now on everything is checked as in a run without faults. */
void checks_calm(struct world *w);
void checks_removed(struct client *seer, struct slice user);
void checks_added(struct place *p, struct slice user);
/** The client is answered now. */
void checks_answered(const struct client *c);
/** A lower total of subscriptions is told than before. */
void checks_fewer(struct place *p, unsigned total);
/** A receiver has got it. */
void checks_hook(struct world *w, const struct hook *h);

/* infos.c */

/** The client joins: says whether its user's stay begins with it. */
void infos_join(struct client *c);
/** At the end: all show what Redis has. */
void infos_final(struct world *w);

/* node.c */

struct node *node_start(struct world *w, unsigned index, uint64_t forced_nid);
/** As kill -9, and as the end after the last 4200. */
void node_kill(struct node *n);
void node_free(struct node *n);
uint64_t node_ms(const struct node *n);
/** Runs f when the node runs; takes arg: f frees it, or drop does if the node is dead. */
void node_deliver(struct node *n, void (*f)(struct node *n, void *arg),
                  void (*drop)(void *arg), void *arg);
void node_pause(struct node *n, uint64_t ms);
void node_turn_ends(struct node *n);
/** The home that has the partition. */
struct shared *node_home(const struct node *n, unsigned partition);
/** The room's record at its home; NULL: none. */
struct shared_channel *node_channel(const struct node *n, const struct room *room);
#define EACH_HOME(h, n) \
    for (struct shared **h = (n)->homes; h < (n)->homes + (n)->n_homes; h++)
void node_join(struct node *n, struct client *c);
/** stays: the node is about to exit, and doesn't take note of it (rule 10). */
void node_leave(struct client *c, bool unclean, bool stays);
void node_publish(struct node *n, struct room *room, struct client *sender);
/** An event that came back from Redis. */
void node_event(struct node *n, struct room *room, struct sim_event *e, uint64_t nid,
                uint64_t number);

/* link.c */

struct link *link_alloc(struct node *n);
void link_free(struct link *l);
/** ms since both links came up; 0: they are down. */
uint64_t link_up_for(const struct link *l);
/** The other end has closed, or bytes don't pass any more: the node sees it later. */
void link_break(struct node *n, int shard, uint64_t seen_after_us);
/** Only the subscriber's connection of a shard. */
void link_break_pubsub(struct node *n, unsigned shard, uint64_t seen_after_us);
/** Pushes of the shard don't arrive for so long. */
void link_deafen(struct node *n, unsigned shard, uint64_t us);
void link_tick(struct link *l);
/** The shard has published something. event NULL: a change of membership. */
void link_route_total(struct world *w, struct shard *s, struct room *room, unsigned total,
                      uint64_t epoch);
void link_route(struct world *w, struct shard *s, struct room *room, const struct push *p,
                struct sim_event *event, uint64_t nid, uint64_t number);
extern const struct shared_pipe link_pipe;
extern const struct liveness_sink link_liveness_sink;

/* clients.c, faults.c */

void clients_start(struct world *w);
/** Until another churn_end. */
void clients_go_on(struct world *w);
struct client *client_new(struct world *w, struct room *room, struct slice user);
void client_free(struct client *c);
void clients_move(struct node *from);
void faults_plan(struct world *w);

#endif
