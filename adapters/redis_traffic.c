/* What goes over the connections. Commands wait in `unsent` until their connection takes
 * them, a piece at a time, then in `sent`, in the order in which Redis answers them.
 * Those whose script Redis has lost go to `again`, which all of `unsent` waits for, so
 * that scripts run in the order in which they were handed in. The link's own commands
 * (its first questions, scripts to load, messages to itself) are commands as any other.
 *
 * Most of what a join costs beyond its deliveries is threads and processes woken up,
 * here, in Redis and on the nodes that hear of it. So batches (patient commands) go
 * together, once in 10 ms. After a while without any the first two don't wait: a
 * channel's first subscriber takes two batches, for its count and for its join. */
#include "adapters/redis_session.h"

#include <stdlib.h>

#include "adapters/redis_reply.h"
#include "adapters/redis_script.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"

enum {
    PIECE = 128 * 1024,             /* bytes handed to the connection at a time */
    GATHER_MS = 10,                 /* from one going of patient commands to the next */
    AHEAD_MS = GATHER_MS,           /* a going may come so early: two at once */
    QUEUED_MAX = 256 * 1024 * 1024, /* bytes of commands under way */
};

/* A command of the link's own. */
struct own_command {
    struct redis_command c;
    struct redis_link *link;
    enum boot_step step;
    unsigned script;
};

static struct own_command *own_of(struct redis_command *c)
{
    return CONTAINER_OF(c, struct own_command, c);
}

static void count_in(struct redis_link *l, const struct redis_command *c)
{
    l->queued += c->bytes.n;
    if (l->queued > QUEUED_MAX)
        session_fail(l, "Redis doesn't keep up: 256 MiB of commands wait", false);
}

static void enqueue(struct redis_link *l, struct redis_command *c)
{
    list_append(&l->unsent, &c->queue);
    l->impatient += !c->patient;
    count_in(l, c);
}

static void enqueue_again(struct redis_link *l, struct redis_command *c)
{
    list_append(&l->again, &c->queue);
    count_in(l, c);
}

static void drop(struct redis_command *c)
{
    list_remove(&c->queue);
    c->done(c, NULL);
}

void traffic_drop(struct redis_link *l)
{
    while (!list_empty(&l->sent))
        drop(CONTAINER_OF(l->sent.next, struct redis_command, queue));
    while (!list_empty(&l->again))
        drop(CONTAINER_OF(l->again.next, struct redis_command, queue));
    while (!list_empty(&l->unsent))
        drop(CONTAINER_OF(l->unsent.next, struct redis_command, queue));
    l->queued = l->impatient = 0;
}

void traffic_send(struct redis_link *l, struct redis_command *c)
{
    list_init(&c->queue);
    if (l->state == SESSION_UP && !l->failing &&
        (!c->generation || c->generation == l->generation))
        enqueue(l, c);
    else
        c->done(c, NULL);
}

static struct own_command *own(struct redis_link *l,
                               void (*done)(struct redis_command *, redisReply *))
{
    struct own_command *o = xcalloc(1, sizeof *o);

    o->c.done = done;
    o->link = l;
    list_init(&o->c.queue);
    return o;
}

static void own_free(struct own_command *o, redisReply *reply)
{
    if (reply)
        freeReplyObject(reply);
    buf_fini(&o->c.bytes);
    free(o);
}

/* The first questions. */

static void boot_answered(struct redis_link *l)
{
    if (--l->booting == 0 && l->state == SESSION_BOOTING && !l->failing)
        session_booted(l);
}

static void booted(struct redis_command *c, redisReply *reply)
{
    struct own_command *o = own_of(c);
    struct redis_link *l = o->link;
    struct buf why = BUF_INIT;
    enum boot_verdict verdict;
    const char *warning;

    if (reply) {
        verdict = redis_boot_judge(l->conf, o->step, o->script, reply, &why);
        if (verdict != BOOT_FINE)
            session_fail(l, buf_cstr(&why), verdict == BOOT_REFUSED);
        warning = o->step == BOOT_INFO ? redis_boot_warning(reply) : NULL;
        if (warning)
            log_warn("redis.eviction", "hint=%s", warning);
        boot_answered(l);
    }
    buf_fini(&why);
    own_free(o, reply);
}

static bool has_login(const struct redis_link *l)
{
    return *l->conf->password || *l->conf->username;
}

static void ask(struct redis_link *l, enum boot_step step, unsigned script)
{
    struct own_command *o = own(l, booted);

    o->step = step;
    o->script = script;
    redis_boot_command(l->conf, l->keys, step, script, &o->c.bytes);
    enqueue(l, &o->c);
    l->booting++;
}

static void boot_pubsub(struct redis_link *l)
{
    struct buf bytes = BUF_INIT;

    if (has_login(l))
        redis_boot_command(l->conf, l->keys, BOOT_AUTH, 0, &bytes);
    redis_command_encode(
        &bytes, (const struct slice[]){SLICE("SUBSCRIBE"), buf_slice(&l->self)}, 2);
    redis_conn_write(l->pubsub, buf_slice(&bytes));
    l->booting++;
    buf_fini(&bytes);
}

void traffic_boot(struct redis_link *l)
{
    if (has_login(l))
        ask(l, BOOT_AUTH, 0);
    if (l->conf->db)
        ask(l, BOOT_SELECT, 0);
    ask(l, BOOT_INFO, 0);
    ask(l, BOOT_PARTITIONS_SET, 0);
    ask(l, BOOT_PARTITIONS, 0);
    for (unsigned i = 0; i < REDIS_SCRIPTS; i++)
        ask(l, BOOT_SCRIPT, i);
    boot_pubsub(l);
}

/* The message to itself. */

static void probed(struct redis_command *c, redisReply *reply)
{
    own_free(own_of(c), reply); /* that it came is proof enough */
}

void traffic_probe(struct redis_link *l)
{
    struct own_command *o;

    if (l->failing)
        return;
    o = own(l, probed);
    redis_command_encode(
        &o->c.bytes,
        (const struct slice[]){SLICE("PUBLISH"), buf_slice(&l->self), SLICE("?")}, 3);
    enqueue(l, &o->c);
}

/* Commands. */

static void patient_ones_go(struct redis_link *l)
{
    uint64_t now = loop_now(l->loop);

    l->gather_until = (now > l->gather_until ? now : l->gather_until) + GATHER_MS;
}

static void write_one(struct redis_link *l, struct redis_command *c)
{
    redis_conn_write(l->commands, buf_slice(&c->bytes));
    list_remove(&c->queue);
    list_append(&l->sent, &c->queue);
    atomic_fetch_add(&l->n_commands, 1);
}

/* While scripts are being loaded, more of what was sent before may come back to `again`.
 */
static struct redis_command *next_to_write(struct redis_link *l)
{
    struct list *from = list_empty(&l->again) ? &l->unsent : &l->again;

    if (list_empty(from) || (from == &l->unsent && l->reloading))
        return NULL;
    return CONTAINER_OF(from->next, struct redis_command, queue);
}

static bool write_piece(struct redis_link *l)
{
    size_t n = 0;
    bool patient = false;
    struct redis_command *c;

    while (n < PIECE && (c = next_to_write(l))) {
        if (list_empty(&l->again)) {
            patient |= c->patient;
            l->impatient -= !c->patient;
        }
        n += c->bytes.n;
        write_one(l, c);
    }
    if (patient)
        patient_ones_go(l);
    return n > 0;
}

static bool commands_drained(void *context)
{
    return write_piece(context);
}

static void reloaded(struct redis_command *c, redisReply *reply)
{
    struct own_command *o = own_of(c);

    if (reply)
        o->link->reloading--;
    own_free(o, reply);
}

/* SCRIPT FLUSH, or a master that never had them. */
static void load_scripts(struct redis_link *l)
{
    if (l->reloading)
        return;
    log_warn("redis.scripts_lost", "generation=%llu", (unsigned long long)l->generation);
    atomic_fetch_add(&l->n_reloads, 1);
    for (unsigned i = 0; i < REDIS_SCRIPTS; i++) {
        struct own_command *o = own(l, reloaded);

        redis_boot_command(l->conf, l->keys, BOOT_SCRIPT, i, &o->c.bytes);
        enqueue_again(l, &o->c);
        l->reloading++;
    }
}

static bool send_again(struct redis_link *l, struct redis_command *c, struct slice error)
{
    if (c->sent_again || !slice_starts(error, SLICE("NOSCRIPT")))
        return false;
    load_scripts(l);
    c->sent_again = true;
    enqueue_again(l, c);
    return true;
}

static void fail_by_error(struct redis_link *l, struct slice error)
{
    struct buf why = BUF_INIT;
    bool refused =
        l->state == SESSION_BOOTING && redis_boot_judge_error(error) == BOOT_REFUSED;

    buf_addf(&why, "Redis says: %.*s", SLICE_ARG(error));
    session_fail_by_answer(l, buf_cstr(&why), refused);
    buf_fini(&why);
}

/* Whoever refuses each session answers its first questions all the same: only a session
 * that is up proves anything. */
static void prove(const struct redis_link *l, uint64_t *proof)
{
    if (l->state == SESSION_UP)
        *proof = loop_now(l->loop);
}

static void command_reply(void *context, redisReply *reply)
{
    struct redis_link *l = context;
    bool is_error = reply->type == REDIS_REPLY_ERROR;
    struct slice error = {reply->str, (size_t)reply->len};
    struct redis_command *c;

    if (list_empty(&l->sent)) {
        session_fail(l, "an answer to nothing", false);
        freeReplyObject(reply);
        return;
    }
    c = CONTAINER_OF(l->sent.next, struct redis_command, queue);
    list_remove(&c->queue);
    l->queued -= c->bytes.n;
    atomic_fetch_add(&l->n_replies, 1);
    prove(l, &l->command_proof);
    if (!l->failing && !is_error) {
        c->done(c, reply);
        return;
    }
    if (l->failing || !send_again(l, c, error)) {
        fail_by_error(l, error); /* unless something else came first */
        c->done(c, NULL);
    }
    freeReplyObject(reply);
}

/* What is published. */

static void hear(struct redis_link *l, struct slice name, struct slice payload)
{
    uint64_t id;
    void *owner;

    prove(l, &l->pubsub_proof);
    if (slice_eq(name, buf_slice(&l->self))) {
        l->pubsub_proven = true;
        session_proven(l);
        return;
    }
    atomic_fetch_add(&l->n_messages, 1);
    if (redis_subs_find(l->subs, name, &owner, &id))
        l->sink->message(l->context, owner, id, name, payload);
}

static void acknowledged(struct redis_link *l, struct slice name)
{
    prove(l, &l->pubsub_proof);
    if (slice_eq(name, buf_slice(&l->self))) {
        l->pubsub_ready = true;
        boot_answered(l);
    } else if (!redis_subs_acknowledged(l->subs, name)) {
        session_fail(l, "an acknowledgement of nothing", false);
    }
}

static void pubsub_array(struct redis_link *l, const redisReply *r)
{
    struct slice kind, name, payload;

    if (!reply_text(r->element[0], &kind) || !reply_text(r->element[1], &name))
        session_fail(l, "what is published can't be read", false);
    else if (slice_is(kind, "message") && reply_text(r->element[2], &payload))
        hear(l, name, payload);
    else if (slice_is(kind, "subscribe") || slice_is(kind, "unsubscribe"))
        acknowledged(l, name);
    else
        session_fail(l, "an unknown kind of what is published", false);
}

static void pubsub_reply(void *context, redisReply *reply)
{
    struct redis_link *l = context;

    if (l->failing)
        ;
    else if (reply->type == REDIS_REPLY_ERROR)
        fail_by_error(l, (struct slice){reply->str, (size_t)reply->len});
    else if (reply_array(reply, 3))
        pubsub_array(l, reply);
    else if (reply->type != REDIS_REPLY_STATUS) /* of AUTH */
        session_fail(l, "an answer that is no message", false);
    freeReplyObject(reply);
}

/* One more piece of what has to be subscribed to, once the last one is with the kernel.
 */
static bool pubsub_drained(void *context)
{
    struct redis_link *l = context;
    bool any;

    if (l->state != SESSION_UP || l->failing)
        return false;
    any = redis_subs_next(l->subs, &l->scratch);
    if (any)
        redis_conn_write(l->pubsub, buf_slice(&l->scratch));
    l->scratch.n = 0;
    return any;
}

static void commands_lost(void *context, const char *why)
{
    struct buf text = BUF_INIT;

    buf_addf(&text, "commands: %s", why);
    session_fail(context, buf_cstr(&text), false);
    buf_fini(&text);
}

static void pubsub_lost(void *context, const char *why)
{
    struct buf text = BUF_INIT;

    buf_addf(&text, "pub/sub: %s", why);
    session_fail(context, buf_cstr(&text), false);
    buf_fini(&text);
}

const struct redis_conn_events traffic_command_events = {command_reply, commands_drained,
                                                         commands_lost};
const struct redis_conn_events traffic_pubsub_events = {pubsub_reply, pubsub_drained,
                                                        pubsub_lost};

static void gathered(void *context)
{
    struct redis_link *l = context;

    l->gathering = false; /* and the turn's end sends them */
}

static bool may_wait(struct redis_link *l)
{
    uint64_t now = loop_now(l->loop) + AHEAD_MS;

    if (list_empty(&l->unsent) || !list_empty(&l->again) || l->impatient ||
        now >= l->gather_until)
        return false;
    if (!l->gathering)
        loop_after(l->loop, &l->gather, (unsigned)(l->gather_until - now), gathered, l);
    l->gathering = true;
    return true;
}

void traffic_flush(struct redis_link *l)
{
    if (l->failing || !l->commands)
        return;
    if (!may_wait(l))
        redis_conn_flush(l->commands);
    redis_conn_flush(l->pubsub);
}
