/* Webhooks in a cluster are decided by the scripts and sent once (PRESENCE.md, rule 12):
 * what is due in a partition is leased to the node that asks first, as long as it goes on
 * asking, and deleted when it is delivered or given up. If the node dies, its lease runs
 * out, and another one sends it. What a channel has more meanwhile is given to the same
 * node: so its order is this node's queue's, retries included, and a receiver that is
 * dead holds up nobody here who isn't held up on a node by itself.
 *
 * Every partition is asked about once a second, more often while something of it is being
 * sent, and at once where this node's own batch may have made something. One command a
 * partition is under way; it carries what is done since the last one. A node that is
 * about to exit takes none any more, and gives back what it hasn't sent. */
#include <stdlib.h>
#include <string.h>

#include "adapters/redis_seat.h"
#include "server/base/clock.h"
#include "server/base/list.h"
#include "server/base/mailbox.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"

enum {
    LEASE_MS = 60000,
    ASK_MS = 1000,
    ASK_AGAIN_MS = 250, /* while entries of the partition are out here */
    TAKE_MAX = 200,     /* entries a command */
    SAY_MAX = 500,      /* done ones a command */
};

/* An entry that this node is sending. */
struct lease {
    struct letter letter; /* back from whoever has sent it */
    struct list node;
    struct redis_webhooker *owner;
    struct part *part;
    bool saying; /* the command under way says that it is done */
    struct slice token;
    char bytes[];
};

struct part {
    struct redis_command command;
    struct redis_webhooker *owner;
    unsigned index;
    uint64_t ask_at;        /* ms */
    uint64_t number, heard; /* of commands: the last one, the last that was answered */
    bool asking, leaving, left;
    struct list leased, done;
};

struct redis_webhooker {
    struct redis *redis;
    uint64_t id;
    struct mailbox returned; /* leases that are over */
    unsigned n_leased;
    unsigned n_left; /* partitions */
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
    random_bytes(&w->id, sizeof w->id);
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
                 {WEBHOOK_REMOVED, TRANSITION_REMOVED},
                 {WEBHOOK_COUNT, TRANSITION_COUNT}};
    const struct redis_adapter_conf *conf = &p->owner->redis->conf;
    struct lease *l = xcalloc(1, sizeof *l + entry->token.n);
    struct adapter_webhook out = {.app = entry->app,
                                  .channel = entry->channel,
                                  .user = entry->user,
                                  .count = entry->count,
                                  .done = lease_over,
                                  .lease = l};

    memcpy(l->bytes, entry->token.p, entry->token.n);
    l->token = (struct slice){l->bytes, entry->token.n};
    l->owner = p->owner;
    l->part = p;
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
        p->heard = p->number;
        p->ask_at = now + (list_empty(&p->leased) ? ASK_MS : ASK_AGAIN_MS);
        if (r.more || !list_empty(&p->done)) /* that have come meanwhile */
            p->ask_at = now;
        else if (r.any && now + r.next_ms < p->ask_at)
            p->ask_at = now + r.next_ms;
    }
    free(memory);
    return why;
}

static void ask(struct part *p, uint64_t now);

static void has_left(struct part *p)
{
    struct redis_webhooker *w = p->owner;

    p->left = true;
    if (++w->n_left == PARTITIONS)
        atomic_store(&w->redis->webhooks_left, true);
}

static void answered(struct redis_command *command, redisReply *reply)
{
    struct part *p = CONTAINER_OF(command, struct part, command);
    struct redis *r = p->owner->redis;
    const char *why;

    buf_fini(&command->bytes);
    p->asking = false;
    if (!reply)
        return; /* the links are down; the next command says that it wasn't heard */
    why = take(p, reply);
    freeReplyObject(reply);
    if (why)
        redis_link_fail(r->link, 0, why);
    else if (p->leaving)
        has_left(p);
    else if (atomic_load(&r->webhooks_end))
        ask(p, clock_ms());
}

/* What the next command says is done; true: that is all. */
static bool gather(struct part *p, struct slice said[SAY_MAX], unsigned *n)
{
    *n = 0;
    for (struct list *at = p->done.next; at != &p->done; at = at->next) {
        struct lease *l = CONTAINER_OF(at, struct lease, node);

        l->saying = *n < SAY_MAX;
        if (!l->saying)
            return false;
        said[(*n)++] = l->token;
    }
    return true;
}

/* What the queue has no room for it drops, and that is done: so nothing that waits for a
 * dead receiver keeps others' from being taken. */
static unsigned may_take(const struct redis *r)
{
    bool full = r->webhooks->n_leased > 2 * r->conf.webhooks_max + TAKE_MAX;

    return full || atomic_load(&r->leaving) ? 0 : TAKE_MAX;
}

static void ask(struct part *p, uint64_t now)
{
    struct redis *r = p->owner->redis;
    struct slice said[SAY_MAX];
    struct redis_webhooks w = {.partition = p->index,
                               .id = p->owner->id,
                               .number = ++p->number,
                               .heard = p->heard,
                               .done = said,
                               .limit = may_take(r),
                               .lease_ms = LEASE_MS};

    p->leaving = gather(p, said, &w.n_done) && atomic_load(&r->webhooks_end);
    w.leaves = p->leaving;
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
    if (!p->asking && !p->left)
        ask(p, clock_ms());
}

void redis_webhook_tick(struct redis *r, uint64_t now)
{
    struct redis_webhooker *w = r->webhooks;
    bool end = atomic_load(&r->webhooks_end);

    take_returned(w);
    if (!r->conf.webhook || !atomic_load_explicit(&r->heard, memory_order_relaxed))
        return;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct part *p = &w->parts[i];

        if (!p->asking && !p->left && (end || p->ask_at <= now))
            ask(p, now);
    }
}
