/* Questions of the HTTP API, answered from Redis's keys: one partition's for a channel,
 * all partitions' for a list. No node is ever asked. While Redis is silent, a channel
 * that lives here is answered for by its home, and nothing else can be. */
#include <stdlib.h>

#include "adapters/redis_push.h"
#include "adapters/redis_seat.h"
#include "server/base/xalloc.h"

struct question {
    struct redis_command command;
    struct redis *redis;
    unsigned partition;
    struct lookup_query *query; /* owned */
    struct lookup_answer *answer;
};

static void reply(struct question *q, bool available)
{
    q->answer->unavailable = !available;
    q->query->reply(q->query->asker, q->query->call, q->answer);
    buf_fini(&q->command.bytes);
    free(q->query);
    free(q);
}

static const char *add_kept(struct lookup_answer *a, const struct redis_channel_facts *f)
{
    struct redis_message m;
    const char *why = redis_message_decode(f->kept, &m);

    if (!why && m.kind == MESSAGE_EVENT)
        lookup_set_cached(a, m.event.data, (unsigned)((f->kept_ttl_ms + 999) / 1000));
    return why;
}

static const char *add(struct lookup_answer *a, const struct redis_channel_facts *f)
{
    struct channel_facts *to = lookup_add(a, f->channel);

    to->subscriptions = f->subscriptions;
    to->users = f->users;
    for (unsigned i = 0; i < f->n_members; i++)
        lookup_add_member(a, f->members[i]);
    return f->kept.p ? add_kept(a, f) : NULL;
}

static void send(struct question *q, uint64_t cursor);

/* A page; the last one completes the answer. */
static void done(struct redis_command *command, redisReply *r)
{
    struct question *q = CONTAINER_OF(command, struct question, command);
    struct redis_lookup_reply page;
    void *memory = NULL;
    const char *why = r ? redis_decode_lookup(r, &memory, &page) : NULL;

    for (unsigned i = 0; r && !why && i < page.n; i++)
        why = add(q->answer, &page.facts[i]);
    if (why)
        redis_link_fail(q->redis->link, 0, why);
    if (!r || why)
        reply(q, false);
    else if (page.cursor)
        send(q, page.cursor);
    else
        reply(q, true);
    free(memory);
    if (r)
        freeReplyObject(r);
}

static void send(struct question *q, uint64_t cursor)
{
    const struct redis_lookup ask = {
        .partition = q->partition,
        .app = q->query->app,
        .channel = q->query->channel,
        .prefix = q->query->prefix,
        .users = q->query->attributes & LOOKUP_USERS,
        .members = q->query->attributes & LOOKUP_MEMBERS,
        .kept = q->query->attributes & LOOKUP_CACHE,
        .cursor = cursor,
    };

    buf_fini(&q->command.bytes);
    redis_encode_lookup(&q->redis->keys, &ask, &q->command.bytes);
    q->command.done = done;
    redis_link_send(q->redis->link, &q->command);
}

static struct question *question_alloc(struct redis *r, const struct lookup_query *query)
{
    struct question *q = xcalloc(1, sizeof *q);

    q->redis = r;
    q->query = lookup_query_copy(query);
    q->answer = lookup_answer_alloc();
    return q;
}

static bool is_up(struct redis *r)
{
    return r->base.ops->state(&r->base) == ADAPTER_UP;
}

/* The home has what is asked for. One that keeps nothing isn't sure of it: it may have
 * been opened without Redis. */
static bool is_answered(const struct question *q)
{
    const struct lookup_answer *a = q->answer;

    return a->n && (!(q->query->attributes & LOOKUP_CACHE) || a->facts[0].cached.n);
}

/* By way of the channel's home, so that whoever has been told that an event is published
 * finds it kept. While Redis is silent, the home's own view, if the channel lives there.
 */
static void ask_home(void *arg, bool alive)
{
    struct question *q = arg;
    struct seat *s = &q->redis->seats[q->query->home];

    if (alive && is_up(q->redis)) {
        send(q, 0);
        return;
    }
    if (alive)
        s->sink->facts(s->context, q->query, q->answer);
    reply(q, is_answered(q));
}

unsigned redis_lookup_ask(struct redis *r, const struct lookup_query *query)
{
    bool up = is_up(r);
    unsigned n = query->channel.p || !up ? 1 : PARTITIONS;

    for (unsigned i = 0; i < n; i++) {
        struct question *q = question_alloc(r, query);
        struct seat *s = &r->seats[query->home];

        q->partition = query->channel.p ? redis_partition(query->app, query->channel) : i;
        if (query->channel.p)
            s->sink->run(s->context, ask_home, q);
        else if (up)
            send(q, 0);
        else
            reply(q, false);
    }
    return n;
}
