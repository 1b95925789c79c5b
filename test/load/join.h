/* muster-load join: users who join, churn in and leave presence channels, and whether
 * each of them is told exactly what happened.
 *
 * User i sits on seat i / rooms of room i % rooms. Every user keeps the set of members
 * that it has been told of and refuses what can't be: an addition of one who is in, a
 * removal of one who isn't, a snapshot without itself. Each event and snapshot moves the
 * sum of all sets, and each phase has one sum at which everybody knows everything: it
 * must be reached, and then nothing more may come. One who has asked to leave may or may
 * not hear of the others who do. */
#ifndef MUSTER_LOAD_JOIN_H
#define MUSTER_LOAD_JOIN_H

#include <inttypes.h>

#include "test/load/pusher.h"

enum { USER_ID_BYTES = 7 }; /* u000123 */

struct user {
    unsigned char *in; /* one a seat of its room */
    unsigned count;    /* of them */
    bool here;         /* has asked to join, hasn't asked to leave */
    bool joined;       /* has its snapshot */
};

struct join {
    const struct options *o;
    struct swarm swarm;
    struct user *users;
    unsigned rooms;
    uint64_t known,
        to_know; /* the sets of those who are here, summed; where a phase ends */
    unsigned joined, to_join;
    uint64_t added, removed; /* member events */
};

/* Where the CPU went; ns. */
struct join_cost {
    uint64_t storm, churn_leave, churn_join, leave;
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

/* A member event, for a user whose set it changes: whether it can be true. */
static inline bool join_can_be(const struct join *j, unsigned user, long seat, bool add)
{
    const struct user *u = &j->users[user];

    return seat >= 0 && u->joined && u->in[seat] == !add &&
           j->users[(unsigned)seat * j->rooms + user % j->rooms].here == add;
}

static inline void join_member(struct join *j, unsigned user, struct slice data, bool add)
{
    struct user *u = &j->users[user];
    long seat = join_seat(j, user, json_member(data, "user_id"));

    if (!join_can_be(j, user, seat, add) ||
        (add && !join_info_is(j, user, seat, json_member(data, "user_info")))) {
        swarm_fail(&j->swarm, "user %u: wrong member_%s: %.*s", user,
                   add ? "added" : "removed", SLICE_ARG(data));
        return;
    }
    u->in[seat] = add;
    u->count += add ? 1 : -1U;
    *(add ? &j->added : &j->removed) += 1;
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

    (void)read_at;
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

/* Waits until everybody knows what the phase must bring, and a moment more for what it
 * must not. cost gets the server's CPU time since cpu. */
static inline bool join_phase(struct join *j, uint64_t cpu, uint64_t *cost,
                              const char *what)
{
    uint64_t events;
    bool ok = swarm_until(&j->swarm, join_phase_done, j->o->timeout, what);

    *cost += process_cpu_ns(j->o->pid) - cpu;
    events = j->added + j->removed;
    ok = ok && swarm_for(&j->swarm, 20);
    if (!join_phase_done(j) || events != j->added + j->removed) {
        swarm_fail(&j->swarm, "too many events");
        fprintf(stderr,
                "muster-load: %s: members known, of all users: %" PRIu64
                ", must be %" PRIu64 "; snapshots: %u, must be %u\n",
                what, j->known, j->to_know, j->joined, j->to_join);
    }
    j->joined = 0;
    return !j->swarm.failure[0] && ok;
}

static inline void join_enter(struct join *j, unsigned user)
{
    struct user *u = &j->users[user];
    char channel[32], info[48], data[128];

    memset(u->in, 0, j->o->room);
    *u = (struct user){.in = u->in, .here = true};
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

/* All at once. */
static inline bool join_storm(struct join *j, struct join_cost *cost)
{
    uint64_t cpu = process_cpu_ns(j->o->pid), k = j->o->room;

    j->to_join = j->o->clients;
    j->to_know = j->rooms * k * k;
    for (unsigned i = 0; i < j->o->clients; i++)
        join_enter(j, i);
    return join_phase(j, cpu, &cost->storm, "joining");
}

/* In every room one member goes, by unsubscribing or by closing, and comes back. */
static inline bool join_churn(struct join *j, unsigned round, struct join_cost *cost)
{
    unsigned first = round % j->o->room * j->rooms; /* that seat, in every room */
    uint64_t cpu = process_cpu_ns(j->o->pid), k = j->o->room;
    bool close = round % 2;

    j->to_join = 0;
    j->to_know = j->rooms * (k - 1) * (k - 1);
    for (unsigned i = first; i < first + j->rooms; i++)
        join_go(j, i, close);
    if (!join_phase(j, cpu, &cost->churn_leave, "churn: leaving") ||
        (close && !swarm_open(&j->swarm, first, j->rooms, 0)))
        return false;
    cpu = process_cpu_ns(j->o->pid);
    j->to_join = j->rooms;
    j->to_know = j->rooms * k * k;
    for (unsigned i = first; i < first + j->rooms; i++)
        join_enter(j, i);
    return join_phase(j, cpu, &cost->churn_join, "churn: joining");
}

/* Half of each room goes at once; the other half hears of each. */
static inline bool join_leave(struct join *j, struct join_cost *cost)
{
    uint64_t cpu = process_cpu_ns(j->o->pid), stay = j->o->room - j->o->room / 2;

    j->to_join = 0;
    j->to_know = j->rooms * stay * stay;
    for (unsigned i = 0; i < j->o->room / 2 * j->rooms; i++)
        join_go(j, i, false);
    return join_phase(j, cpu, &cost->leave, "leaving");
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
           " server_cpu_us_per_churn_join=%.2f server_cpu_us_per_churn_leave=%.2f\n",
           j->o->clients, j->rooms, j->o->room, j->o->rounds, ok ? "yes" : "no", j->added,
           j->removed, (double)c->storm / 1e3 / users, (double)c->leave / 1e3 / left,
           (double)c->churn_join / 1e3 / churned, (double)c->churn_leave / 1e3 / churned);
}

static inline bool join_measure(struct join *j)
{
    struct join_cost cost = {0};
    bool ok = join_storm(j, &cost);

    for (unsigned round = 0; ok && round < j->o->rounds; round++)
        ok = join_churn(j, round, &cost);
    ok = ok && join_leave(j, &cost);
    join_report(j, &cost, ok);
    return ok;
}

static inline bool join_run(const struct options *o)
{
    static const struct swarm_owner owner = {join_text, NULL};
    struct join j = {.o = o, .rooms = o->clients / o->room};
    unsigned char *seats = calloc(o->clients, o->room);
    bool ok;

    j.users = calloc(o->clients, sizeof *j.users);
    swarm_init(&j.swarm, o, o->clients, &owner, &j);
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
