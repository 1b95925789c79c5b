/* One session after another: addresses, both connections, what must be asked first, then
 * up until something is wrong. Nothing is torn down from within a connection's callback:
 * session_fail notes it, and the end of the turn does it, to both connections at once.
 *
 * A link that is up is proven by whatever it brings; four times a second it publishes to
 * itself, so that there is always something. What this thread slept through (the process
 * was stopped) counts for neither.
 *
 * With sentinels, each attempt begins with asking them, and they are asked on while it is
 * up: a master that was cut off from the others may be well and alive to this node, and
 * would keep it apart from the rest of the cluster.
 *
 * Sessions that fall, one after another, soon after they are up and by what Redis
 * answers, are no way to it, though each of their beginnings is fine: some command gets
 * an error every time (a key of the wrong type, a right that is missing). Then the links
 * are unproven until one has lasted, so that homes decide by themselves, and attempts
 * come as seldom as without a Redis. */
#include "adapters/redis_session.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/log.h"
#include "server/base/xalloc.h"

enum {
    UNPROVEN_MS = 2000, /* degraded */
    SILENT_MS = 5000,   /* torn down */
    ATTEMPT_MS = 5000,  /* to connect and be up */
    SLEPT_MS = 1000,    /* between two ticks */
    LASTING_MS = 5000,  /* a session is up for as long: it lasts */
    SHORT_LIVED = 3,    /* sessions in a row that don't: unproven */
    TICK_MS = 250,
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    NOTES_MAX = 200,
};

void session_fail(struct redis_link *l, const char *why, bool refused)
{
    if (l->failing)
        return; /* what came first is the cause */
    l->failing = xstrdup(why);
    l->failing_by_name = refused;
}

void session_fail_by_answer(struct redis_link *l, const char *why, bool refused)
{
    if (!l->failing)
        l->failing_by_answer = true;
    session_fail(l, why, refused);
}

/* Leaves a text for redis_link_await, as long as that may still come. */
static void note(struct redis_link *l, const char *why)
{
    size_t n = strlen(why) + 1;
    struct link_note *note;

    if (atomic_load(&l->outcome) != OUTCOME_NONE || l->n_notes == NOTES_MAX)
        return;
    note = xmalloc(sizeof *note + n);
    memcpy(note->text, why, n);
    note->next = l->notes;
    l->notes = note;
    l->n_notes++;
    atomic_store(&l->last_why, note->text);
}

static void first_outcome(struct redis_link *l, enum link_outcome outcome)
{
    int none = OUTCOME_NONE;

    if (atomic_compare_exchange_strong(&l->outcome, &none, outcome))
        sem_post(&l->first);
}

static void connect_to(struct redis_link *l, const char *address)
{
    const bool by_name = l->conf->n_sentinels > 0;
    const struct redis_target to = {by_name ? "" : l->conf->unix_socket, address,
                                    l->master.at.port, l->tls, l->master.at.host};

    l->state = SESSION_BOOTING;
    l->began = loop_now(l->loop);
    l->pubsub_ready = l->pubsub_proven = false;
    l->reloading = l->booting = 0;
    l->commands = redis_conn_alloc(l->loop, &to, &traffic_command_events, l);
    l->pubsub = redis_conn_alloc(l->loop, &to, &traffic_pubsub_events, l);
    if (!l->failing)
        traffic_boot(l);
}

static void resolved(void *context, const struct addresses *a)
{
    struct redis_link *l = context;

    if (l->state != SESSION_RESOLVING)
        return;
    if (a->n) {
        connect_to(l, a->text[l->attempts % a->n]);
    } else {
        buf_addf(&l->scratch, "%s: %s", l->master.at.host, a->error);
        session_fail(l, buf_cstr(&l->scratch), false);
        l->scratch.n = 0;
    }
}

static void go_to(struct redis_link *l, const struct redis_master *m)
{
    if (l->resolver && strcmp(l->master.at.host, m->at.host) != 0) {
        resolver_free(l->resolver); /* it may be at the other name still */
        l->resolver = NULL;
    }
    l->master = *m;
    if (!l->resolver)
        l->resolver = resolver_alloc(l->loop, resolved, l);
    l->state = SESSION_RESOLVING;
    l->began = loop_now(l->loop);
    resolver_start(l->resolver, l->master.at.host);
}

/* A link that is up, or on its way, to another master than the sentinels now name. Two
 * that name different ones of the same epoch are settled by most. */
static void move_to(struct redis_link *l, const struct sentinels_found *f)
{
    struct buf why = BUF_INIT;

    if (f->master.epoch < l->master.epoch ||
        (f->master.epoch == l->master.epoch && !f->by_most))
        return;
    buf_addf(&why, "the sentinels name another master: %s port %u", f->master.at.host,
             f->master.at.port);
    session_fail(l, buf_cstr(&why), false);
    buf_fini(&why);
}

/* The end of a round of questions. News of another master end the wait for the next
 * attempt. */
static void found(void *context, const struct sentinels_found *f)
{
    struct redis_link *l = context;
    bool same = redis_master_is_at(&f->master, &l->master);

    if (l->failing)
        return;
    if (l->state == SESSION_ASKING && !f->master.at.port) {
        session_fail(l, f->why, f->refused);
    } else if (l->state == SESSION_ASKING ||
               (l->state == SESSION_IDLE && f->master.at.port && !same)) {
        loop_cancel(l->loop, &l->retry);
        if (!same)
            log_info("redis.master", "host=%s port=%u epoch=%llu", f->master.at.host,
                     f->master.at.port, (unsigned long long)f->master.epoch);
        go_to(l, &f->master);
    } else if (l->state != SESSION_IDLE && f->master.at.port) {
        if (same)
            l->master.epoch = f->master.epoch;
        else
            move_to(l, f);
    }
}

static void ask_sentinels(struct redis_link *l)
{
    if (!l->sentinels)
        l->sentinels = sentinels_alloc(l->loop, l->conf, l->tls, found, l);
    l->state = SESSION_ASKING;
    sentinels_ask(l->sentinels);
}

void session_begin(struct redis_link *l)
{
    struct redis_master to = {{"", l->conf->port}, 0};

    if (l->conf->n_sentinels) {
        ask_sentinels(l);
    } else if (*l->conf->unix_socket) {
        connect_to(l, "");
    } else {
        snprintf(to.at.host, sizeof to.at.host, "%s", l->conf->host);
        go_to(l, &to);
    }
}

static void begin_again(void *context)
{
    session_begin(context);
}

/* 50 ms, doubled up to 2 s, of which up to a half is left out at random: so that the
 * nodes of a cluster don't all come at once. */
static unsigned backoff(struct redis_link *l)
{
    unsigned shift = l->attempts < 6 ? l->attempts : 6;
    unsigned ms = BACKOFF_MIN_MS << shift;

    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    return ms - (unsigned)(random_pool_u64(&l->random) % (ms / 2));
}

void session_close(struct redis_link *l, const char *why)
{
    bool was_up = l->state == SESSION_UP;

    redis_conn_free(l->commands);
    redis_conn_free(l->pubsub);
    l->commands = l->pubsub = NULL;
    l->state = SESSION_IDLE;
    atomic_store(&l->up_generation, 0);
    redis_subs_reset(l->subs);
    traffic_drop(l);
    if (was_up)
        l->sink->down(l->context, why);
}

/* The first attempts of a row are logged, then fewer and fewer. */
static void log_failure(const struct redis_link *l, bool was_up)
{
    bool shown = (l->attempts & (l->attempts - 1)) == 0;

    if (was_up)
        log_error("redis.down", "generation=%llu error=%s",
                  (unsigned long long)l->generation, l->failing);
    else if (shown && l->failing_by_name)
        log_error("redis.refused", "error=%s attempt=%u", l->failing, l->attempts + 1);
    else if (shown)
        log_warn("redis.connect_failed", "error=%s attempt=%u", l->failing,
                 l->attempts + 1);
}

static uint64_t since(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

static bool has_lasted(const struct redis_link *l, uint64_t now)
{
    return since(l->up_at, now) >= LASTING_MS;
}

void session_end_turn(struct redis_link *l)
{
    char *why = l->failing;

    if (!why)
        return;
    log_failure(l, l->state == SESSION_UP);
    note(l, why);
    if (l->failing_by_name)
        first_outcome(l, OUTCOME_REFUSED);
    l->short_lived += l->state == SESSION_UP && l->failing_by_answer &&
                      !has_lasted(l, loop_now(l->loop));
    l->failing_by_answer = false;
    session_close(l, why);
    l->failing = NULL;
    free(why);
    loop_after(l->loop, &l->retry, backoff(l), begin_again, l);
    l->attempts++;
}

void session_booted(struct redis_link *l)
{
    l->state = SESSION_UP;
    if (l->generation++)
        atomic_fetch_add(&l->n_reconnects, 1);
    l->up_at = l->command_proof = l->pubsub_proof = loop_now(l->loop);
    atomic_store(&l->up_generation, l->generation);
    log_info("redis.up", "generation=%llu", (unsigned long long)l->generation);
    l->sink->up(l->context, l->generation);
    first_outcome(l, OUTCOME_UP);
    traffic_probe(l);
}

static void judge(struct redis_link *l, uint64_t now)
{
    uint64_t commands = since(l->command_proof, now);
    uint64_t pubsub = since(l->pubsub_proof, now);
    bool unproven =
        commands >= UNPROVEN_MS || pubsub >= UNPROVEN_MS || l->short_lived >= SHORT_LIVED;
    bool proven = l->state == SESSION_UP && l->pubsub_proven && !unproven;

    if (l->state == SESSION_UP && (commands >= SILENT_MS || pubsub >= SILENT_MS))
        session_fail(l,
                     commands >= SILENT_MS ? "commands are not answered"
                                           : "nothing that is published arrives",
                     false);
    if (l->degraded ? proven : unproven) {
        l->degraded = !l->degraded;
        atomic_store(&l->is_degraded, l->degraded);
        if (l->degraded)
            log_warn("redis.degraded", "generation=%llu",
                     (unsigned long long)l->generation);
        else
            log_info("redis.proven", "generation=%llu",
                     (unsigned long long)l->generation);
        l->sink->degraded(l->context, l->degraded);
    }
}

void session_proven(struct redis_link *l)
{
    if (l->degraded)
        judge(l, loop_now(l->loop));
}

void session_tick(void *context)
{
    struct redis_link *l = context;
    uint64_t now = loop_now(l->loop), gap = since(l->ticked, now);

    l->ticked = now;
    if (gap > SLEPT_MS) {
        uint64_t slept = gap - TICK_MS;

        l->command_proof += slept;
        l->pubsub_proof += slept;
        l->began += slept;
        l->up_at += slept;
    }
    if (l->state == SESSION_UP && has_lasted(l, now))
        l->attempts = l->short_lived = 0;
    if (l->state == SESSION_BOOTING && since(l->began, now) >= ATTEMPT_MS)
        session_fail(l, "no answer in 5 s", false);
    if (l->state == SESSION_UP)
        traffic_probe(l);
    if (l->sentinels && (l->state != SESSION_UP || l->degraded))
        sentinels_ask(l->sentinels); /* sooner than by themselves */
    judge(l, now);
    if (l->sink->tick)
        l->sink->tick(l->context);
}
