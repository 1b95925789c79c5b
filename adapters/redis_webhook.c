/* Webhooks in a cluster are decided by the scripts and sent once (PRESENCE.md, rule 12):
 * what is due in a partition is leased to the node that asks first, renewed while it is
 * being sent, and deleted when it is delivered or given up. If the node dies, the lease
 * ends, and another one sends it.
 *
 * Every partition is asked about once a second, and at once where this node's own batch
 * may have made something. One command a partition is under way; it carries what is done
 * since the last one. */
#include <stdlib.h>
#include <string.h>

#include "adapters/redis_seat.h"
#include "server/base/clock.h"
#include "server/base/list.h"
#include "server/base/mailbox.h"
#include "server/base/xalloc.h"

enum {
    LEASE_MS = 60000,
    RENEW_MS = 20000,
    ASK_MS = 1000,
    TAKE_MAX = 200,     /* entries a command */
    SAY_MAX = 500,      /* done and renewed ones a command */
    LEASED_MAX = 20000, /* entries under way on this node */
};

/* An entry that this node is sending. */
struct lease {
    struct letter letter; /* back from whoever has sent it */
    struct list node;
    struct redis_webhooker *owner;
    struct part *part;
    uint64_t renew_at; /* ms */
    bool saying;       /* the command under way says that it is done */
    struct slice token;
    char bytes[];
};

struct part {
    struct redis_command command;
    struct redis_webhooker *owner;
    unsigned index;
    uint64_t ask_at; /* ms */
    bool asking;
    struct list leased, done;
};

struct redis_webhooker {
    struct redis *redis;
    struct mailbox returned; /* leases that are over */
    unsigned n_leased;
    struct part parts[PARTITIONS];
};

static void nothing_to_wake(void *context)
{
    (void)context; /* the tick looks */
}

struct redis_webhooker *redis_webhooker_alloc(struct redis *r)
{
    struct redis_webhooker *w = xcalloc(1, sizeof *w);

    w->redis = r;
    mailbox_init(&w->returned, nothing_to_wake, w);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct part *p = &w->parts[i];

        p->owner = w;
        p->index = i;
        list_init(&p->leased);
        list_init(&p->done);
    }
    return w;
}

static void lease_free(struct lease *l)
{
    list_remove(&l->node);
    l->owner->n_leased--;
    free(l);
}

static void free_all(struct list *leases)
{
    while (!list_empty(leases))
        lease_free(CONTAINER_OF(leases->next, struct lease, node));
}

void redis_webhooker_free(struct redis_webhooker *w)
{
    mailbox_take(&w->returned);
    mailbox_fini(&w->returned);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        free_all(&w->parts[i].leased);
        free_all(&w->parts[i].done);
    }
    free(w);
}

/* Any thread: it was delivered, or given up. */
static void lease_over(void *lease)
{
    struct lease *l = lease;

    mailbox_post(&l->owner->returned, &l->letter);
}

static void hand_out(struct part *p, const struct redis_webhook *entry)
{
    static const struct {
        enum redis_webhook_kind kind;
        enum adapter_transition transition;
    } kinds[] = {{WEBHOOK_OCCUPIED, TRANSITION_OCCUPIED},
                 {WEBHOOK_VACATED, TRANSITION_VACATED},
                 {WEBHOOK_ADDED, TRANSITION_ADDED},
                 {WEBHOOK_REMOVED, TRANSITION_REMOVED}};
    const struct redis_adapter_conf *conf = &p->owner->redis->conf;
    struct lease *l = xcalloc(1, sizeof *l + entry->token.n);
    struct adapter_webhook out = {.app = entry->app,
                                  .channel = entry->channel,
                                  .user = entry->user,
                                  .done = lease_over,
                                  .lease = l};

    memcpy(l->bytes, entry->token.p, entry->token.n);
    l->token = (struct slice){l->bytes, entry->token.n};
    l->owner = p->owner;
    l->part = p;
    l->renew_at = clock_ms() + RENEW_MS;
    list_append(&p->leased, &l->node);
    p->owner->n_leased++;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind == entry->kind)
            out.kind = kinds[i].transition;
    }
    conf->webhook(conf->context, &out);
}

/* The command has said it: those are gone for good. */
static void forget_said(struct part *p)
{
    struct list *next;

    for (struct list *at = p->done.next; at != &p->done; at = next) {
        struct lease *l = CONTAINER_OF(at, struct lease, node);

        next = at->next;
        if (l->saying)
            lease_free(l);
    }
}

static const char *take(struct part *p, redisReply *reply)
{
    struct redis_webhooks_reply r;
    void *memory = NULL;
    const char *why = redis_decode_webhooks(reply, &memory, &r);
    uint64_t now = clock_ms();

    if (!why) {
        forget_said(p);
        for (unsigned i = 0; i < r.n; i++)
            hand_out(p, &r.entries[i]);
        p->ask_at = now + ASK_MS;
        if (r.more)
            p->ask_at = now;
        else if (r.any && r.next_ms < ASK_MS)
            p->ask_at = now + r.next_ms;
    }
    free(memory);
    return why;
}

static void answered(struct redis_command *command, redisReply *reply)
{
    struct part *p = CONTAINER_OF(command, struct part, command);
    const char *why = NULL;

    buf_fini(&command->bytes);
    p->asking = false;
    if (reply) {
        why = take(p, reply);
        freeReplyObject(reply);
    }
    if (why)
        redis_link_fail(p->owner->redis->link, 0, why);
}

/* What the next command says. */
struct saying {
    struct slice done[SAY_MAX], renew[SAY_MAX];
    unsigned n_done, n_renew;
};

static void gather(struct part *p, struct saying *s, uint64_t now)
{
    s->n_done = s->n_renew = 0;
    for (struct list *at = p->done.next; at != &p->done; at = at->next) {
        struct lease *l = CONTAINER_OF(at, struct lease, node);

        l->saying = s->n_done < SAY_MAX;
        if (l->saying)
            s->done[s->n_done++] = l->token;
    }
    for (struct list *at = p->leased.next; at != &p->leased; at = at->next) {
        struct lease *l = CONTAINER_OF(at, struct lease, node);

        if (l->renew_at > now || s->n_renew == SAY_MAX)
            continue;
        l->renew_at = now + RENEW_MS;
        s->renew[s->n_renew++] = l->token;
    }
}

static void ask(struct part *p, uint64_t now)
{
    struct redis *r = p->owner->redis;
    struct saying s;
    struct redis_webhooks w = {.partition = p->index,
                               .limit = p->owner->n_leased < LEASED_MAX ? TAKE_MAX : 0,
                               .lease_ms = LEASE_MS};

    gather(p, &s, now);
    w.done = s.done;
    w.n_done = s.n_done;
    w.renew = s.renew;
    w.n_renew = s.n_renew;
    p->asking = true;
    p->ask_at = now + ASK_MS;
    p->command.done = answered;
    p->command.generation = 0;
    redis_encode_webhooks(&r->keys, &w, &p->command.bytes);
    redis_link_send(r->link, &p->command);
}

static void take_returned(struct redis_webhooker *w)
{
    struct letter *letter = mailbox_take(&w->returned);

    while (letter) {
        struct lease *l = CONTAINER_OF(letter, struct lease, letter);

        letter = letter->next;
        list_remove(&l->node);
        list_append(&l->part->done, &l->node);
        l->part->ask_at = 0;
    }
}

void redis_webhook_soon(struct redis *r, unsigned partition)
{
    struct part *p = &r->webhooks->parts[partition];

    if (!r->conf.webhook)
        return;
    p->ask_at = 0;
    if (!p->asking)
        ask(p, clock_ms());
}

void redis_webhook_tick(struct redis *r, uint64_t now)
{
    struct redis_webhooker *w = r->webhooks;

    take_returned(w);
    if (!r->conf.webhook || !atomic_load_explicit(&r->heard, memory_order_relaxed))
        return;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        if (!w->parts[i].asking && w->parts[i].ask_at <= now)
            ask(&w->parts[i], now);
    }
}
