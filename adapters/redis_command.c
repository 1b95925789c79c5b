/* What a home asks of Redis: one command each, whose reply the link's thread hands back
 * to the home's seat. A command of links that have gone down meanwhile has no reply; the
 * home hears of that by INCOMING_DOWN. */
#include <stdlib.h>

#include "adapters/redis_push.h"
#include "adapters/redis_seat.h"
#include "server/base/xalloc.h"

struct call {
    struct redis_command command;
    struct seat *seat; /* NULL: nobody asks for the reply */
    enum incoming_kind kind;
    unsigned partition, n_ops;
    uint64_t channel;
    bool webhooks; /* it may have made some */
    struct adapter_receipt *receipt;
    _Atomic uint64_t *unheard; /* counts an event whose echo nobody waits for; or NULL */
};

static void done(struct redis_command *command, redisReply *reply)
{
    struct call *call = CONTAINER_OF(command, struct call, command);

    if (reply && call->webhooks)
        redis_webhook_soon(call->seat->redis, call->partition);
    if (reply && call->seat) {
        struct incoming *in = incoming_alloc(call->kind, 0);

        in->number = command->generation;
        in->channel = call->channel;
        in->partition = call->partition;
        in->n_ops = call->n_ops;
        in->reply = reply;
        redis_gather(call->seat, in);
    } else if (reply) {
        freeReplyObject(reply);
    }
    if (!reply && call->unheard)
        atomic_fetch_add_explicit(call->unheard, 1, memory_order_relaxed);
    adapter_receipt_end(call->receipt, true);
    buf_fini(&command->bytes);
    free(call);
}

static struct call *call_alloc(struct seat *s, enum incoming_kind kind)
{
    struct call *call = xcalloc(1, sizeof *call);

    call->seat = s;
    call->kind = kind;
    call->command.generation = s->generation;
    call->command.done = done;
    return call;
}

static void send(struct seat *s, struct call *call)
{
    redis_link_send(s->redis->link, &call->command);
}

static uint64_t random_number(void *context)
{
    struct seat *s = context;
    uint64_t n;

    do
        n = random_pool_u64(&s->random);
    while (!n);
    return n;
}

/* A channel's names in Redis. */
struct topics {
    struct buf text;
    struct slice names[REDIS_NAMES_MAX];
    unsigned n;
};

static void topics_init(struct topics *t, const struct seat *s,
                        const struct shared_channel *c, bool user)
{
    const struct redis_keys *k = &s->redis->keys;
    size_t first;

    t->text = BUF_INIT;
    redis_key_of_channel(k, TOPIC_CHANNEL, shared_app(c), shared_name(c), &t->text);
    first = t->text.n;
    if (user)
        redis_key_of_channel(k, TOPIC_USER, shared_app(c), shared_name(c), &t->text);
    t->names[0] = (struct slice){t->text.p, first};
    t->names[1] = (struct slice){t->text.p + first, t->text.n - first};
    t->n = user ? 2 : 1;
}

unsigned redis_n_names(const struct shared_channel *c)
{
    return shared_hears_user(c) ? 2 : 1;
}

static void subscribe(void *context, struct shared_channel *c, bool user)
{
    struct seat *s = context;
    struct topics t;

    if (shared_subscribed_before(c))
        return; /* the link does it by itself */
    topics_init(&t, s, c, user);
    redis_link_subscribe(s->redis->link, s, shared_id(c), t.names, t.n);
    buf_fini(&t.text);
}

static void unsubscribe(void *context, struct shared_channel *c)
{
    struct seat *s = context;
    struct topics t;

    topics_init(&t, s, c, shared_hears_user(c));
    redis_link_unsubscribe(s->redis->link, s, shared_id(c), t.names, t.n);
    buf_fini(&t.text);
}

static void batch(void *context, const struct batch *b)
{
    struct seat *s = context;
    struct call *call = call_alloc(s, INCOMING_BATCH);

    call->command.patient = true;
    call->partition = b->partition;
    call->n_ops = b->n;
    for (unsigned i = 0; i < b->n; i++)
        call->webhooks |= b->ops[i].kind != OP_SNAPSHOT && b->ops[i].webhooks;
    redis_encode_batch(&s->redis->keys, b, s->redis->conf.webhook_delay_ms,
                       &call->command.bytes);
    send(s, call);
}

static void verify(void *context, const struct verify *v)
{
    struct seat *s = context;
    struct call *call = call_alloc(s, INCOMING_VERIFY);

    call->partition = v->partition;
    redis_encode_verify(&s->redis->keys, v, &call->command.bytes);
    send(s, call);
}

static void list(void *context, unsigned partition, uint64_t nid, uint64_t cursor)
{
    struct seat *s = context;
    struct call *call = call_alloc(s, INCOMING_LIST);

    call->partition = partition;
    redis_encode_list(&s->redis->keys, partition, nid, cursor, &call->command.bytes);
    send(s, call);
}

static void version(void *context, struct shared_channel *c)
{
    struct seat *s = context;
    struct call *call = call_alloc(s, INCOMING_VERSION);

    call->channel = shared_id(c);
    redis_encode_version(&s->redis->keys, shared_app(c), shared_name(c),
                         &call->command.bytes);
    send(s, call);
}

static void total(void *context, struct shared_channel *c)
{
    struct seat *s = context;
    struct call *call = call_alloc(s, INCOMING_TOTAL);

    call->channel = shared_id(c);
    redis_encode_total(&s->redis->keys, shared_app(c), shared_name(c),
                       &call->command.bytes);
    send(s, call);
}

void redis_ask_kept(struct seat *s, struct shared_channel *c)
{
    struct call *call = call_alloc(s, INCOMING_KEPT);

    call->channel = shared_id(c);
    redis_encode_kept(&s->redis->keys, shared_app(c), shared_name(c),
                      &call->command.bytes);
    send(s, call);
}

void redis_publish(struct seat *s, const struct adapter_channel *c,
                   const struct adapter_event *e, uint64_t nid, uint64_t number)
{
    const struct redis_keys *k = &s->redis->keys;
    struct call *call = call_alloc(s, INCOMING_BATCH);
    struct buf message = BUF_INIT;
    struct redis_event out = {
        .terminate = e->terminate,
        .nid = nid,
        .number = number,
        .except = e->except,
        .keep = e->keep,
        .data = e->data,
        .text = e->frame ? frame_payload(e->frame) : SLICE(""),
    };

    call->seat = NULL;
    call->receipt = e->receipt;
    call->unheard = number ? NULL : &s->redis->unheard;
    redis_event_encode(&out, &message);
    if (e->keep)
        redis_encode_keep(k, c->app, c->name, buf_slice(&message), e->keep * 1000ULL,
                          &call->command.bytes);
    else
        redis_encode_publish(k, c->user ? TOPIC_USER : TOPIC_CHANNEL, c->app, c->name,
                             buf_slice(&message), &call->command.bytes);
    buf_fini(&message);
    send(s, call);
}

static void fenced(void *context, uint64_t nid)
{
    struct seat *s = context;

    atomic_store(&s->redis->fenced, nid);
}

static void publish(void *context, struct shared_channel *c, struct shared_event *e)
{
    seat_send_event(context, c, e);
}

const struct shared_pipe *redis_pipe(void)
{
    static const struct shared_pipe pipe = {
        .random = random_number,
        .subscribe = subscribe,
        .unsubscribe = unsubscribe,
        .batch = batch,
        .verify = verify,
        .list = list,
        .version = version,
        .total = total,
        .publish = publish,
        .fenced = fenced,
    };

    return &pipe;
}
