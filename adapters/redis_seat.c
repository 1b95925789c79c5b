/* A home's side of the Redis adapter: its channels' shared state, fed with what the
 * link's thread brings, and the events of this node on their way to their echo. */
#include "adapters/redis_seat.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/redis_push.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"

/* An event of this node until its turn has come. */
struct outgoing {
    struct shared_event shared;
    struct adapter_event event; /* its frame is held, its data is in bytes */
    char bytes[];
};

static struct outgoing *outgoing_alloc(const struct adapter_event *e)
{
    struct outgoing *o = xmalloc(sizeof *o + e->data.n);

    o->event = *e;
    if (e->frame)
        frame_hold(e->frame);
    if (e->data.n)
        memcpy(o->bytes, e->data.p, e->data.n);
    if (e->data.p)
        o->event.data.p = o->bytes;
    return o;
}

static void outgoing_free(struct seat *s, struct outgoing *o)
{
    adapter_receipt_end(o->event.receipt, !s->ends);
    if (o->event.frame)
        frame_release(o->event.frame);
    free(o);
}

/* The shared state speaks */

static void forget_kept(struct adapter_channel *c)
{
    if (c->kept.frame)
        frame_release(c->kept.frame);
    c->kept.frame = NULL;
}

static void opened(void *context, struct shared_channel *shared)
{
    struct seat *s = context;
    struct adapter_channel *c = shared_owner(shared);

    s->sink->opened(s->context, c->id, &c->kept);
    forget_kept(c);
}

/* For the channel's clients, and for those who wait to join: they get it as what is kept,
 * since it comes after what was read. */
static void tell(struct seat *s, struct shared_channel *c, const struct adapter_event *e)
{
    struct adapter_channel *owner = shared_owner(c);

    if (e->keep && !shared_opened(c)) {
        forget_kept(owner);
        owner->kept =
            (struct adapter_kept){frame_hold(e->frame), e->keep * (uint64_t)1000};
    }
    s->sink->event(s->context, owner->id, e);
}

static void published(void *context, struct shared_channel *c, struct shared_event *e)
{
    struct outgoing *o = CONTAINER_OF(e, struct outgoing, shared);

    if (shared_life(c))
        tell(context, c, &o->event);
    outgoing_free(context, o);
}

static void waits(void *context, struct shared_channel *c, bool wait)
{
    struct seat *s = context;

    s->sink->waits(s->context, shared_life(c), wait);
}

static void total(void *context, struct shared_channel *c, unsigned n)
{
    struct seat *s = context;

    s->sink->count(s->context, shared_life(c), n);
}

static const struct shared_sink sink = {opened, waits, published, total};

void seat_init(struct seat *s, struct redis *r, unsigned home)
{
    s->redis = r;
    s->home = home;
    s->gathered_end = &s->gathered;
    random_pool_init(&s->random);
    s->shared = shared_alloc(redis_pipe(), &sink, s, hash_seed_random());
}

void seat_fini(struct seat *s)
{
    while (s->gathered) {
        struct incoming *next = s->gathered->next;

        incoming_free(s->gathered);
        s->gathered = next;
    }
    s->ends = true;
    shared_free(s->shared);
}

/* The home's verbs */

void seat_open(struct seat *s, struct adapter_channel *c)
{
    c->kept_number = 0;
    c->kept = (struct adapter_kept){NULL, 0};
    c->shared = shared_open(
        s->shared, c->app, c->name,
        &(struct shared_opening){
            .life = c->id, .kind = c->kind, .presence = c->presence, .owner = c},
        clock_ms());
}

void seat_close(struct seat *s, struct adapter_channel *c, bool unclean)
{
    (void)s;
    shared_close(c->shared, unclean, clock_ms());
    c->shared = NULL;
    forget_kept(c);
}

void seat_send_event(struct seat *s, struct shared_channel *c, struct shared_event *e)
{
    struct outgoing *o = CONTAINER_OF(e, struct outgoing, shared);
    struct adapter_channel names = {
        .app = shared_app(c), .name = shared_name(c), .user = shared_is_user(c)};

    redis_publish(s, &names, &o->event, shared_nid(s->shared), e->number);
    o->event.receipt = NULL; /* the command's now */
}

static bool has_echo(const struct adapter_channel *c)
{
    return c->id && (!c->user || shared_hears_user(c->shared));
}

/* Without a subscriber here nobody waits for the echo. */
void seat_publish(struct seat *s, const struct adapter_channel *c,
                  const struct adapter_event *e)
{
    if (has_echo(c))
        shared_publish(c->shared, &outgoing_alloc(e)->shared);
    else
        redis_publish(s, c, e, shared_nid(s->shared), 0);
}

/* The link's thread speaks */

static void foreign(struct seat *s, struct shared_channel *c, const struct redis_event *e)
{
    struct adapter_event event = {
        .except = e->except, .data = e->data, .keep = e->keep, .terminate = e->terminate};

    if (!e->terminate)
        event.frame = frame_text(e->text);
    tell(s, c, &event);
    if (event.frame)
        frame_release(event.frame);
}

/* True: the channel has had it, or a later one, from what was kept. */
static bool had_already(struct adapter_channel *c, const struct redis_event *e)
{
    if (!c || !e->kept)
        return false;
    if (e->kept <= c->kept_number)
        return true;
    c->kept_number = e->kept;
    return false;
}

/* In its place among the channel's; one of this node's was delivered, or is now. */
static void in_turn(struct seat *s, struct shared_channel *c, const struct redis_event *e,
                    bool had)
{
    bool late;

    if (shared_echo(c, e->nid, e->number))
        return;
    late = shared_is_late(c, e->number) && !e->terminate;
    if (shared_life(c) && !had && !late)
        foreign(s, c, e);
}

static void take_event(struct seat *s, struct shared_channel *c,
                       const struct redis_event *e)
{
    bool had = had_already(shared_owner(c), e);

    if (!e->terminate || shared_is_user(c))
        in_turn(s, c, e, had);
}

static void fail(struct seat *s, const struct incoming *in, const char *why)
{
    log_error("redis.bad_reply", "error=%s", why);
    redis_link_fail(s->redis->link, in->number, why);
}

/* Another release's, or not Muster's: there may be as many as there are events. more: of
 * them since the last that was logged. */
static void log_bad_message(struct seat *s, const struct shared_channel *c,
                            const char *why)
{
    enum { A_LINE_MS = 1000 };
    uint64_t now = clock_ms();

    if (s->bad_messages++ && now < s->bad_logged_at + A_LINE_MS)
        return;
    log_error("redis.bad_message", "channel=%.*s error=%s more=%llu",
              SLICE_ARG(c ? shared_name(c) : SLICE("?")), why,
              (unsigned long long)(s->bad_messages - s->bad_logged - 1));
    s->bad_logged = s->bad_messages;
    s->bad_logged_at = now;
}

static void take_message(struct seat *s, const struct incoming *in)
{
    struct shared_channel *c = shared_by_id(s->shared, in->channel);
    struct redis_message m;
    const char *why = redis_message_decode((struct slice){in->bytes, in->n}, &m);

    if (why)
        log_bad_message(s, c, why);
    else if (c && m.kind == MESSAGE_PUSH)
        shared_push(c, &m.push, clock_ms());
    else if (c && m.kind == MESSAGE_COUNT)
        shared_total(c, (unsigned)m.count.total, m.count.epoch, clock_ms());
    else if (c)
        take_event(s, c, &m.event);
}

static bool is_cache(const struct shared_channel *c)
{
    const struct adapter_channel *owner = shared_owner(c);

    return owner && owner->keeps;
}

static void take_subscribed(struct seat *s, const struct incoming *in)
{
    struct shared_channel *c = shared_by_id(s->shared, in->channel);

    if (!c || in->number != s->generation)
        return;
    if (in->n_names < redis_n_names(c))
        return; /* from before somebody signed in; the one that he waits for comes */
    if (is_cache(c))
        redis_ask_kept(s, c); /* and its answer opens the channel */
    else
        shared_subscribed(c, clock_ms());
}

/* What is kept and wasn't heard of: by those who wait to join, it is had with the answer;
 * by those who lived through an outage, only now. */
static void take_kept(struct seat *s, const struct incoming *in)
{
    struct shared_channel *c = shared_by_id(s->shared, in->channel);
    struct adapter_channel *owner = c ? shared_owner(c) : NULL;
    struct redis_kept kept;
    struct redis_message m;
    const char *why = redis_decode_kept(in->reply, &kept);

    if (!why && kept.message.p)
        why = redis_message_decode(kept.message, &m);
    if (why) {
        fail(s, in, why);
        return;
    }
    if (!owner) {
        if (c)
            shared_subscribed(c, clock_ms());
        return;
    }
    if (kept.message.p && m.kind == MESSAGE_EVENT && kept.number > owner->kept_number) {
        owner->kept_number = kept.number;
        if (shared_opened(c)) {
            in_turn(s, c, &m.event, false);
        } else {
            forget_kept(owner);
            owner->kept = (struct adapter_kept){frame_text(m.event.text), kept.ttl_ms};
        }
    }
    shared_subscribed(c, clock_ms());
}

static void take_reply(struct seat *s, const struct incoming *in)
{
    struct shared_channel *c = shared_by_id(s->shared, in->channel);
    uint64_t now = clock_ms();
    struct batch_reply batch;
    struct verify_reply verify;
    struct list_reply list;
    struct version version;
    unsigned count;
    void *memory = NULL;
    const char *why = NULL;

    if (in->kind == INCOMING_BATCH) {
        why = redis_decode_batch(in->reply, in->n_ops, &memory, &batch);
        if (!why)
            shared_batched(s->shared, in->partition, &batch, now);
    } else if (in->kind == INCOMING_VERIFY) {
        why = redis_decode_verify(in->reply, &verify);
        if (!why)
            shared_verified(s->shared, in->partition, &verify, now);
    } else if (in->kind == INCOMING_LIST) {
        why = redis_decode_list(in->reply, &memory, &list);
        if (!why)
            shared_listed(s->shared, in->partition, &list);
    } else if (in->kind == INCOMING_TOTAL) {
        why = redis_decode_total(in->reply, &count);
        if (!why && c)
            shared_total_read(c, count, now);
    } else {
        why = redis_decode_version(in->reply, &version);
        if (!why && c)
            shared_version(c, version, now);
    }
    free(memory);
    if (why)
        fail(s, in, why);
}

static void take_one(struct seat *s, const struct incoming *in)
{
    switch (in->kind) {
    case INCOMING_UP:
        s->generation = in->number;
        shared_link_up(s->shared, in->number, clock_ms());
        break;
    case INCOMING_DOWN:
        s->generation = 0;
        shared_link_down(s->shared);
        break;
    case INCOMING_DEGRADED:
        shared_degraded(s->shared, in->number, clock_ms());
        break;
    case INCOMING_RENAMED:
        shared_renamed(s->shared, in->number, clock_ms());
        break;
    case INCOMING_READY:
        shared_ready(s->shared, in->number);
        break;
    case INCOMING_TABLE_LOST:
        shared_table_lost(s->shared, clock_ms());
        break;
    case INCOMING_FOUND:
        shared_found(s->shared, in->partition, in->number, clock_ms());
        break;
    case INCOMING_SUBSCRIBED:
        take_subscribed(s, in);
        break;
    case INCOMING_MESSAGE:
        take_message(s, in);
        break;
    case INCOMING_BATCH:
    case INCOMING_VERIFY:
    case INCOMING_LIST:
    case INCOMING_VERSION:
    case INCOMING_TOTAL:
        if (in->number == s->generation)
            take_reply(s, in);
        break;
    case INCOMING_KEPT:
        if (in->number == s->generation)
            take_kept(s, in);
        break;
    }
}

void incoming_free(struct incoming *in)
{
    if (in->reply)
        freeReplyObject(in->reply);
    free(in);
}

void seat_take(struct seat *s, struct incoming *first)
{
    while (first) {
        struct incoming *next = first->next;

        take_one(s, first);
        incoming_free(first);
        first = next;
    }
}
