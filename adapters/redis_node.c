/* The link's thread: what it brings is gathered for each home and handed over once a
 * turn; and this node's heartbeat runs here, where no busy worker can hold it up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/redis_seat.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"

struct incoming *incoming_alloc(enum incoming_kind kind, size_t n)
{
    struct incoming *in = xmalloc(sizeof *in + n);

    *in = (struct incoming){.kind = kind, .n = n};
    return in;
}

void redis_gather(struct seat *s, struct incoming *in)
{
    in->next = NULL;
    *s->gathered_end = in;
    s->gathered_end = &in->next;
}

static void tell_all(struct redis *r, enum incoming_kind kind, uint64_t number)
{
    for (unsigned i = 0; i < r->conf.homes; i++) {
        struct incoming *in = incoming_alloc(kind, 0);

        in->number = number;
        redis_gather(&r->seats[i], in);
    }
}

/* A home's share of a turn, on its way to the home's thread. */
struct share {
    struct seat *seat;
    struct incoming *first;
};

static void hand_over(void *arg, bool alive)
{
    struct share *share = arg;

    if (alive) {
        seat_take(share->seat, share->first);
    } else {
        while (share->first) {
            struct incoming *next = share->first->next;

            incoming_free(share->first);
            share->first = next;
        }
    }
    free(share);
}

static void turn(void *context)
{
    struct redis *r = context;

    for (unsigned i = 0; i < r->conf.homes; i++) {
        struct seat *s = &r->seats[i];
        struct share *share;

        if (!s->gathered)
            continue;
        share = xmalloc(sizeof *share);
        *share = (struct share){s, s->gathered};
        s->gathered = NULL;
        s->gathered_end = &s->gathered;
        s->sink->run(s->context, hand_over, share);
    }
}

/* The heartbeat's commands */

struct call {
    struct redis_command command;
    struct redis *redis;
    unsigned partition;
    uint64_t nid;
    bool bye; /* of whom it is about */
    const char *(*take)(struct call *call, redisReply *reply);
};

static void done(struct redis_command *command, redisReply *reply)
{
    struct call *call = CONTAINER_OF(command, struct call, command);
    const char *why = reply ? call->take(call, reply) : NULL;

    if (why)
        redis_link_fail(call->redis->link, 0, why);
    if (reply)
        freeReplyObject(reply);
    buf_fini(&command->bytes);
    free(call);
}

static struct call *call_alloc(struct redis *r,
                               const char *(*take)(struct call *, redisReply *))
{
    struct call *call = xcalloc(1, sizeof *call);

    call->redis = r;
    call->take = take;
    call->command.done = done;
    return call;
}

static const char *beaten(struct call *call, redisReply *reply)
{
    struct beat_reply r;
    void *memory = NULL;
    const char *why = redis_decode_beat(reply, &memory, &r);

    if (!why)
        liveness_beaten(call->redis->liveness, &r, clock_ms());
    if (!why && call->bye && r.ok)
        atomic_store(&call->redis->left, true);
    free(memory);
    return why;
}

static void beat(void *context, const struct beat *b)
{
    struct redis *r = context;
    struct call *call = call_alloc(r, beaten);

    call->bye = b->value.bye;
    redis_encode_beat(&r->keys, b, &call->command.bytes);
    redis_link_send(r->link, &call->command);
}

static void log_nid(bool warn, const char *what, uint64_t nid)
{
    char hex[17];

    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)nid);
    if (warn)
        log_warn(what, "nid=%s", hex);
    else
        log_info(what, "nid=%s", hex);
}

static const char *killed(struct call *call, redisReply *reply)
{
    bool was = false;
    const char *why = redis_decode_kill(reply, &was);

    if (!why) {
        if (was)
            log_nid(!call->bye, call->bye ? "cluster.left" : "cluster.dead", call->nid);
        liveness_killed(call->redis->liveness, call->nid, was);
    }
    return why;
}

static void kill_node(void *context, uint64_t nid, struct beat_value seen)
{
    struct redis *r = context;
    struct call *call = call_alloc(r, killed);

    call->nid = nid;
    call->bye = seen.bye;
    redis_encode_kill(&r->keys, nid, seen, &call->command.bytes);
    redis_link_send(r->link, &call->command);
}

static const char *reaped(struct call *call, redisReply *reply)
{
    bool more = false;
    const char *why = redis_decode_reap(reply, &more);

    if (!why)
        liveness_reaped(call->redis->liveness, call->partition, call->nid, more);
    return why;
}

static void reap(void *context, unsigned partition, uint64_t nid, uint64_t nonce)
{
    struct redis *r = context;
    struct call *call = call_alloc(r, reaped);

    call->partition = partition;
    call->nid = nid;
    redis_encode_reap(&r->keys, partition, nid, nonce, r->conf.webhook_delay_ms,
                      &call->command.bytes);
    redis_link_send(r->link, &call->command);
}

static const char *held(struct call *call, redisReply *reply)
{
    const uint64_t *nids = NULL;
    unsigned n = 0;
    void *memory = NULL;
    const char *why = redis_decode_holders(reply, &memory, &nids, &n);

    if (!why)
        liveness_held(call->redis->liveness, call->partition, nids, n);
    free(memory);
    return why;
}

static void holders(void *context, unsigned partition)
{
    struct redis *r = context;
    struct call *call = call_alloc(r, held);

    call->partition = partition;
    redis_encode_holders(&r->keys, partition, &call->command.bytes);
    redis_link_send(r->link, &call->command);
}

static uint64_t random_number(void *context)
{
    uint64_t n = 0;

    (void)context;
    while (!n)
        random_bytes(&n, sizeof n);
    return n;
}

static void renamed(void *context, uint64_t nid)
{
    struct redis *r = context;

    log_nid(false, "cluster.nid", nid);
    if (r->liveness) /* not its first name */
        atomic_fetch_add_explicit(&r->renames, 1, memory_order_relaxed);
    tell_all(context, INCOMING_RENAMED, nid);
}

static void ready(void *context, uint64_t nid)
{
    tell_all(context, INCOMING_READY, nid);
}

static void found(void *context, unsigned partition, uint64_t nid)
{
    struct redis *r = context;
    struct incoming *in = incoming_alloc(INCOMING_FOUND, 0);

    in->number = nid;
    in->partition = partition;
    redis_gather(&r->seats[shared_home(partition, r->conf.homes)], in);
}

static void table_lost(void *context)
{
    tell_all(context, INCOMING_TABLE_LOST, 0);
}

void redis_node_init(struct redis *r)
{
    static const struct liveness_sink sink = {
        .random = random_number,
        .beat = beat,
        .kill = kill_node,
        .reap = reap,
        .holders = holders,
        .renamed = renamed,
        .ready = ready,
        .found = found,
        .table_lost = table_lost,
    };
    struct liveness_rules rules = {.leave_grace_ms = r->conf.leave_grace_ms};

    r->liveness = liveness_alloc(rules, &sink, r, clock_ms());
}

/* The link's sink */

static void heard(struct redis *r, bool yes)
{
    atomic_store_explicit(&r->heard, yes, memory_order_relaxed);
}

static void tick(void *context)
{
    struct redis *r = context;
    uint64_t nid = atomic_exchange(&r->fenced, 0);

    if (nid)
        liveness_fenced(r->liveness, nid);
    if (atomic_load(&r->leaving))
        liveness_bye(r->liveness);
    liveness_tick(r->liveness, clock_ms(), r->conf.stalled(r->conf.context));
    redis_webhook_tick(r, clock_ms());
}

static void up(void *context, uint64_t generation)
{
    struct redis *r = context;
    struct redis_link_figures f;

    tell_all(r, INCOMING_UP, generation);
    liveness_link_up(r->liveness, clock_ms());
    tick(r); /* a node that has just come may do nothing before its first heartbeat */
    redis_link_figures(r->link, &f);
    heard(r, !f.degraded);
}

static void down(void *context, const char *why)
{
    struct redis *r = context;

    (void)why; /* the link has logged it */
    heard(r, false);
    tell_all(r, INCOMING_DOWN, 0);
    liveness_link_down(r->liveness);
}

static void degraded(void *context, bool is)
{
    struct redis *r = context;

    heard(r, !is);
    tell_all(r, INCOMING_DEGRADED, is);
}

static void subscribed(void *context, uint64_t generation, void *owner, uint64_t id,
                       unsigned n_names)
{
    struct incoming *in = incoming_alloc(INCOMING_SUBSCRIBED, 0);

    (void)context;
    in->number = generation;
    in->channel = id;
    in->n_names = n_names;
    redis_gather(owner, in);
}

static void message(void *context, void *owner, uint64_t id, struct slice name,
                    struct slice payload)
{
    struct incoming *in = incoming_alloc(INCOMING_MESSAGE, payload.n);

    (void)context, (void)name;
    in->channel = id;
    memcpy(in->bytes, payload.p, payload.n);
    redis_gather(owner, in);
}

const struct redis_link_sink redis_node_sink = {
    .up = up,
    .down = down,
    .degraded = degraded,
    .subscribed = subscribed,
    .message = message,
    .tick = tick,
    .turn = turn,
};
