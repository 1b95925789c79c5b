/* muster-load join: users who join, churn in and leave presence channels, and whether
 * each of them is told exactly what happened; also over two nodes of one cluster, the
 * second of which can be killed.
 *
 * User i sits on seat i / rooms of room i % rooms. Every user keeps the set of members
 * that it has been told of and refuses what can't be: an addition of one who is in, a
 * removal of one who isn't (doubled), either of one who hasn't done so (false), a
 * snapshot without itself. Each event and snapshot moves the sum of all sets, and each
 * phase has one sum at which everybody knows everything: it must be reached (or events
 * are missing), and then nothing more may come. One who has asked to leave may or may not
 * hear of the others who do. Where all join from nothing, an event is due for each pair
 * of which the one's snapshot lacks the other: half of them, one by one; fewer where a
 * snapshot already has who came right behind. */
#ifndef MUSTER_LOAD_JOIN_H
#define MUSTER_LOAD_JOIN_H

#include <inttypes.h>
#include <signal.h>

#include "test/load/latency.h"
#include "test/load/pusher.h"

enum { USER_ID_BYTES = 7 }; /* u000123 */
enum { JOIN_PATIENCE_S = 5, HEAL_PATIENCE_S = 15, JOIN_FAULTS_SHOWN = 3 };

struct user {
    unsigned char *in; /* one a seat of its room */
    unsigned count;    /* of them */
    bool here;         /* has asked to join, hasn't asked to leave */
    bool joined;       /* has its snapshot */
    uint64_t asked_at; /* to join; ns */
};

struct join {
    const struct options *o;
    struct swarm swarm;
    struct user *users;
    unsigned rooms;
    uint64_t known,
        to_know; /* the sets of those who are here, summed; where a phase ends */
    unsigned joined, to_join;
    unsigned entered;        /* have asked to join, of those who do so one by one */
    uint64_t added, removed; /* member events */
    struct latency latency;  /* of joins */
    uint64_t doubled, false_, missing;
    uint64_t moved_at, joined_at;      /* the last frame, the last snapshot; ns */
    uint64_t removed_from, removed_at; /* the first removal, the last */
};

/* Where the CPU went; ns. */
struct cpu_cost {
    uint64_t servers, redis;
};

struct join_cost {
    struct cpu_cost storm, churn_leave, churn_join, leave;
    uint64_t joining, settling;     /* until the last snapshot, the last event; ns */
    uint64_t added, listed;         /* events and entries of snapshots while all joined */
    uint64_t healing, healing_from; /* from the kill to the last removal, the first */
    uint64_t gone, gone_due;        /* removals after it */
};

static inline const char *join_channel(const struct join *j, unsigned user, char out[32])
{
    snprintf(out, 32, "presence-room-%u", user % j->rooms);
    return out;
}

static inline void join_info(unsigned user, char out[48])
{
    snprintf(out, 48, "{\"name\":\"User %u\"}", user);
}

/* The seat of the user whose id is the JSON string; -1 where it isn't of this room. */
static inline long join_seat(const struct join *j, unsigned user, struct slice id)
{
    char digits[USER_ID_BYTES];
    unsigned long other;

    if (id.n != USER_ID_BYTES + 2 || id.p[1] != 'u')
        return -1;
    memcpy(digits, id.p + 2, USER_ID_BYTES - 1);
    digits[USER_ID_BYTES - 1] = 0;
    other = strtoul(digits, NULL, 10);
    return other < j->o->clients && other % j->rooms == user % j->rooms
               ? (long)(other / j->rooms)
               : -1;
}

static inline bool join_info_is(const struct join *j, unsigned user, long seat,
                                struct slice info)
{
    char want[48];

    join_info((unsigned)seat * j->rooms + user % j->rooms, want);
    return slice_is(info, want);
}

static inline void join_fault(struct join *j, uint64_t *count, unsigned user,
                              const char *what, struct slice data)
{
    if (j->doubled + j->false_ < JOIN_FAULTS_SHOWN)
        fprintf(stderr, "muster-load: user %u: %s: %.*s\n", user, what, SLICE_ARG(data));
    ++*count;
}

/* A member event, for a user whose set it changes, if it can be true. */
static inline void join_member(struct join *j, unsigned user, struct slice data, bool add)
{
    struct user *u = &j->users[user];
    long seat = join_seat(j, user, json_member(data, "user_id"));

    *(add ? &j->added : &j->removed) += 1;
    if (seat < 0 || !u->joined ||
        j->users[(unsigned)seat * j->rooms + user % j->rooms].here != add ||
        (add && !join_info_is(j, user, seat, json_member(data, "user_info")))) {
        join_fault(j, &j->false_, user, add ? "false addition" : "false removal", data);
        return;
    }
    if (!add) {
        j->removed_at = now_ns();
        j->removed_from = j->removed_from ? j->removed_from : j->removed_at;
    }
    if (u->in[seat] == add) {
        join_fault(j, &j->doubled, user, add ? "added twice" : "removed twice", data);
        return;
    }
    u->in[seat] = add;
    u->count += add ? 1 : -1U;
    if (u->here)
        j->known += add ? 1 : -1ULL;
}

/* ids, hash and count must tell the same set; false where they don't. */
static inline bool join_snapshot_take(struct join *j, unsigned user,
                                      struct slice presence)
{
    struct user *u = &j->users[user];
    struct json_walk ids = json_walk(json_member(presence, "ids"));
    struct json_walk hash = json_walk(json_member(presence, "hash"));
    struct slice key, value, count = json_member(presence, "count");
    unsigned hashed = 0;

    while (json_next(&ids, &key, &value)) {
        long seat = join_seat(j, user, value);

        if (seat < 0 || u->in[seat])
            return false;
        u->in[seat] = 1;
        u->count++;
    }
    for (; json_next(&hash, &key, &value); hashed++) {
        long seat = join_seat(j, user, key);

        if (seat < 0 || !u->in[seat] || !join_info_is(j, user, seat, value))
            return false;
    }
    return !ids.bad && !hash.bad && hashed == u->count && count.n > 0 &&
           strtoul(count.p, NULL, 10) == u->count && u->in[user / j->rooms];
}

static inline void join_snapshot(struct join *j, unsigned user, struct slice data)
{
    struct user *u = &j->users[user];

    if (u->joined || !join_snapshot_take(j, user, json_member(data, "presence"))) {
        swarm_fail(&j->swarm, "user %u: wrong snapshot: %.*s", user, SLICE_ARG(data));
        return;
    }
    u->joined = true;
    j->joined++;
    j->joined_at = now_ns();
    latency_add(&j->latency, j->joined_at - u->asked_at);
    j->known += u->count;
}

static inline void join_text(void *context, unsigned index, struct slice text,
                             uint64_t read_at)
{
    struct join *j = context;
    struct slice event = json_member(text, "event"), string = json_member(text, "data");
    char channel[32], *plain = malloc(string.n + 1);
    long n = plain ? json_string(string, plain) : -1;
    struct slice data = {plain, n > 0 ? (size_t)n : 0};

    j->moved_at = read_at;
    if (!json_is(json_member(text, "channel"), join_channel(j, index, channel)) || n < 0)
        swarm_fail(&j->swarm, "user %u was sent: %.*s", index, SLICE_ARG(text));
    else if (json_is(event, "pusher_internal:subscription_succeeded"))
        join_snapshot(j, index, data);
    else if (json_is(event, "pusher_internal:member_added"))
        join_member(j, index, data, true);
    else if (json_is(event, "pusher_internal:member_removed"))
        join_member(j, index, data, false);
    else
        swarm_fail(&j->swarm, "user %u was sent: %.*s", index, SLICE_ARG(text));
    free(plain);
}

static inline bool join_phase_done(void *context)
{
    const struct join *j = context;

    return j->known == j->to_know && j->joined == j->to_join;
}

static inline void cost_add(struct cpu_cost *cost, const struct usage *from)
{
    struct usage used = usage_since(from);

    cost->servers += used.peer_cpu;
    cost->redis += used.redis_cpu;
}

/* For as long as something moves; false where it ends before the phase is done. */
static inline bool join_wait(struct join *j, unsigned patience_s)
{
    uint64_t since = now_ns();

    while (!join_phase_done(j) && swarm_turn(&j->swarm, 20)) {
        uint64_t now = now_ns();

        since = j->moved_at > since ? j->moved_at : since;
        if (now > since + patience_s * NS_PER_S || now > j->swarm.deadline)
            break;
    }
    return join_phase_done(j) && !j->swarm.failure[0];
}

static inline bool join_told_wrong(const struct join *j)
{
    return j->doubled + j->false_ + j->missing > 0;
}

/* Waits until everybody knows what the phase must bring, and a moment more for what it
 * must not. cost gets the CPU time since from; NULL: a node has died, which takes longer.
 */
static inline bool join_phase(struct join *j, const struct usage *from,
                              struct cpu_cost *cost, const char *what)
{
    bool ok = join_wait(j, cost ? JOIN_PATIENCE_S : HEAL_PATIENCE_S);
    uint64_t events;

    if (cost)
        cost_add(cost, from);
    events = j->added + j->removed;
    ok = ok && swarm_for(&j->swarm, cost ? 20 : 1000);
    if (!join_phase_done(j) || events != j->added + j->removed) {
        swarm_fail(&j->swarm, "%s: events are missing, or too many", what);
        j->missing +=
            j->known > j->to_know ? j->known - j->to_know : j->to_know - j->known;
        fprintf(stderr,
                "muster-load: %s: members known, of all users: %" PRIu64
                ", must be %" PRIu64 "; snapshots: %u, must be %u\n",
                what, j->known, j->to_know, j->joined, j->to_join);
    }
    j->joined = 0;
    return !j->swarm.failure[0] && ok && !join_told_wrong(j);
}

static inline void join_enter(struct join *j, unsigned user)
{
    struct user *u = &j->users[user];
    char channel[32], info[48], data[128];

    memset(u->in, 0, j->o->room);
    *u = (struct user){.in = u->in, .here = true, .asked_at = now_ns()};
    join_info(user, info);
    snprintf(data, sizeof data, "{\"user_id\":\"u%06u\",\"user_info\":%s}", user, info);
    pusher_subscribe(&j->swarm, user, join_channel(j, user, channel), data);
}

static inline void join_go(struct join *j, unsigned user, bool by_closing)
{
    struct user *u = &j->users[user];
    char channel[32];

    u->here = false;
    j->known -= u->count;
    if (by_closing)
        swarm_close(&j->swarm, user);
    else
        pusher_unsubscribe(&j->swarm, user, join_channel(j, user, channel));
}

static inline void join_timer(void *context, uint64_t times)
{
    struct join *j = context;

    for (; times > 0 && j->entered < j->o->clients; times--)
        join_enter(j, j->entered++);
    if (j->entered == j->o->clients)
        swarm_timer(&j->swarm, 0);
    j->moved_at = now_ns();
}

/* All at once, or so many a second. */
static inline bool join_storm(struct join *j, struct join_cost *cost)
{
    struct usage from = usage_start(j->o->pids);
    uint64_t start = now_ns(), k = j->o->room;
    bool ok;

    j->to_join = j->o->clients;
    j->to_know = j->rooms * k * k;
    if (j->o->rate)
        swarm_timer(&j->swarm, NS_PER_S / j->o->rate);
    for (unsigned i = 0; i < j->o->clients && !j->o->rate; i++)
        join_enter(j, i);
    ok = join_phase(j, &from, &cost->storm, "joining");
    cost->joining = j->joined_at > start ? j->joined_at - start : 0;
    cost->settling = j->moved_at > start ? j->moved_at - start : 0;
    cost->added = j->added;
    cost->listed = j->known - j->added;
    return ok;
}

/* In every room one member goes, by unsubscribing or by closing, and comes back. */
static inline bool join_churn(struct join *j, unsigned round, struct join_cost *cost)
{
    unsigned first = round % j->o->room * j->rooms; /* that seat, in every room */
    struct usage from = usage_start(j->o->pids);
    uint64_t k = j->o->room;
    bool close = round % 2;

    j->to_join = 0;
    j->to_know = j->rooms * (k - 1) * (k - 1);
    for (unsigned i = first; i < first + j->rooms; i++)
        join_go(j, i, close);
    if (!join_phase(j, &from, &cost->churn_leave, "churn: leaving") ||
        (close && !swarm_open(&j->swarm, first, j->rooms, 0)))
        return false;
    from = usage_start(j->o->pids);
    j->to_join = j->rooms;
    j->to_know = j->rooms * k * k;
    for (unsigned i = first; i < first + j->rooms; i++)
        join_enter(j, i);
    return join_phase(j, &from, &cost->churn_join, "churn: joining");
}

/* Half of each room goes at once; the other half hears of each. */
static inline bool join_leave(struct join *j, struct join_cost *cost)
{
    struct usage from = usage_start(j->o->pids);
    uint64_t stay = j->o->room - j->o->room / 2;

    j->to_join = 0;
    j->to_know = j->rooms * stay * stay;
    for (unsigned i = 0; i < j->o->room / 2 * j->rooms; i++)
        join_go(j, i, false);
    return join_phase(j, &from, &cost->leave, "leaving");
}

/* Until a process has no thread left that could still see its sockets closed. */
static inline void await_death(pid_t pid)
{
    char path[64], state = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    for (unsigned i = 0; i < 2000 && state != 'Z'; i++) {
        FILE *f = fopen(path, "re");

        if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            state = 'Z';
        if (f)
            fclose(f);
        usleep(1000);
    }
}

/* The second node dies, with all who are on it; those of the first hear that they went.
 */
static inline bool join_kill(struct join *j, struct join_cost *cost)
{
    uint64_t here = j->o->room - j->o->room / 2, gone = j->o->room / 2, start = now_ns();
    uint64_t removed = j->removed;
    bool ok;

    kill(j->o->pids.servers[1], SIGKILL);
    await_death(j->o->pids.servers[1]);
    for (unsigned i = 0; i < j->o->clients; i++)
        if (swarm_node(&j->swarm, i) == 1) {
            j->users[i].here = false;
            j->known -= j->users[i].count;
            swarm_close(&j->swarm, i);
        }
    j->to_join = 0;
    j->to_know = j->rooms * here * here;
    j->removed_from = 0;
    ok = join_phase(j, NULL, NULL, "after the kill");
    cost->healing = j->removed > removed ? j->removed_at - start : 0;
    cost->healing_from = j->removed_from > start ? j->removed_from - start : 0;
    cost->gone = j->removed - removed;
    cost->gone_due = j->rooms * here * gone;
    return ok;
}

static inline void join_report_cluster(const struct join *j, const struct join_cost *c)
{
    double users = j->o->clients, ms = 1e6;
    uint64_t k = j->o->room, due = j->rooms * k * k - c->listed;

    printf(" nodes=%u redis_cpu_us_per_join=%.2f joins_per_second=%.0f joined_ms=%.1f"
           " settled_ms=%.1f joined_events=%" PRIu64 " joined_events_due=%" PRIu64
           " one_by_one=%" PRIu64 " doubled=%" PRIu64 " false=%" PRIu64
           " missing=%" PRIu64 " join_p50_us=%.0f join_p99_us=%.0f",
           j->o->n_targets, (double)c->storm.redis / 1e3 / users,
           users * 1e9 / (double)(c->joining ? c->joining : 1), (double)c->joining / ms,
           (double)c->settling / ms, c->added, due, j->rooms * k * (k - 1) / 2,
           j->doubled, j->false_, j->missing, latency_us(&j->latency, 50),
           latency_us(&j->latency, 99));
    if (j->o->kill)
        printf(" healed_s=%.3f first_removed_s=%.3f removals=%" PRIu64
               " removals_due=%" PRIu64,
               (double)c->healing / 1e9, (double)c->healing_from / 1e9, c->gone,
               c->gone_due);
}

static inline void join_report(const struct join *j, const struct join_cost *c, bool ok)
{
    double users = j->o->clients, churned = (double)j->rooms * j->o->rounds;
    double left = j->o->room / 2 * j->rooms;

    churned = churned > 0 ? churned : 1;
    left = left > 0 ? left : 1;
    printf("join users=%u rooms=%u room=%u rounds=%u ok=%s member_added=%" PRIu64
           " member_removed=%" PRIu64
           " server_cpu_us_per_join=%.2f server_cpu_us_per_leave=%.2f"
           " server_cpu_us_per_churn_join=%.2f server_cpu_us_per_churn_leave=%.2f",
           j->o->clients, j->rooms, j->o->room, j->o->rounds, ok ? "yes" : "no", j->added,
           j->removed, (double)c->storm.servers / 1e3 / users,
           (double)c->leave.servers / 1e3 / left,
           (double)c->churn_join.servers / 1e3 / churned,
           (double)c->churn_leave.servers / 1e3 / churned);
    join_report_cluster(j, c);
    printf("\n");
}

static inline bool join_measure(struct join *j)
{
    struct join_cost cost = {0};
    bool ok = join_storm(j, &cost);

    for (unsigned round = 0; ok && round < j->o->rounds; round++)
        ok = join_churn(j, round, &cost);
    ok = ok && (j->o->kill ? join_kill(j, &cost) : join_leave(j, &cost));
    join_report(j, &cost, ok);
    return ok;
}

static inline bool join_run(const struct options *o)
{
    static const struct swarm_owner owner = {join_text, join_timer};
    struct join j = {.o = o, .rooms = o->clients / o->room};
    unsigned char *seats = calloc(o->clients, o->room);
    bool ok;

    j.users = calloc(o->clients, sizeof *j.users);
    swarm_init(&j.swarm, o, o->clients, &owner, &j);
    j.swarm.stride = j.rooms ? j.rooms : 1; /* a room's seats take turns with the nodes */
    for (unsigned i = 0; seats && j.users && i < o->clients; i++)
        j.users[i].in = seats + (size_t)i * o->room;
    if (!seats || !j.users)
        swarm_fail(&j.swarm, "no memory");
    if (j.rooms * o->room != o->clients)
        swarm_fail(&j.swarm, "--room must divide --clients");
    ok =
        !j.swarm.failure[0] && swarm_open(&j.swarm, 0, o->clients, 0) && join_measure(&j);
    if (j.swarm.failure[0])
        fprintf(stderr, "muster-load: join: %s\n", j.swarm.failure);
    swarm_fini(&j.swarm);
    free(j.users);
    free(seats);
    return ok;
}

#endif
