/* A node's part in webhooks, as adapters/redis_webhook.c and the queue behind it: asks
 * each partition for what is due, sends what it is given, one at a time of each channel,
 * as often as it takes, and says what is done. */
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "test/sim/link.h"

enum {
    ASK_MS = 1000,
    TAKE_MAX = 5, /* few, so that a channel's come in several answers */
    SEND_MS = 150,
    STALL_MS = 4000,
};

struct sending {
    struct list node; /* in its part's list, in their order */
    struct sender *sender;
    struct hook hook;
    bool done, said, under_way;
};

struct part {
    unsigned partition;
    uint64_t ask_at, number, heard; /* ask_at: ms */
    bool asking;
    struct list sendings;
};

struct sender {
    struct node *node;
    uint64_t id;
    unsigned n_parts;
    struct part parts[ROOMS];
};

struct sender *sender_alloc(struct node *n)
{
    struct world *w = n->world;
    struct sender *s = xcalloc(1, sizeof *s);

    s->node = n;
    s->id = rng_u64(&w->dice) | 1;
    for (unsigned i = 0; i < w->n_rooms; i++) {
        struct part *p = &s->parts[s->n_parts];
        unsigned j = 0;

        while (j < s->n_parts && s->parts[j].partition != w->rooms[i].partition)
            j++;
        if (j < s->n_parts)
            continue;
        p->partition = w->rooms[i].partition;
        list_init(&p->sendings);
        s->n_parts++;
    }
    return s;
}

static void sending_free(struct sending *h)
{
    list_remove(&h->node);
    free(h);
}

void sender_free(struct sender *s)
{
    for (unsigned i = 0; i < s->n_parts; i++) {
        struct list *all = &s->parts[i].sendings, *next;

        for (struct list *at = all->next; at != all; at = next) {
            next = at->next;
            sending_free(CONTAINER_OF(at, struct sending, node));
        }
    }
    free(s);
}

static struct part *part_of(struct sender *s, unsigned partition)
{
    unsigned i = 0;

    while (s->parts[i].partition != partition)
        i++;
    return &s->parts[i];
}

/* Sending */

static void send_next(struct part *p);

/* The receiver has it. */
static void delivered(struct node *n, void *arg)
{
    struct sending *h = arg;

    checks_hook(n->world, &h->hook);
    h->done = true;
    h->under_way = false;
    send_next(part_of(h->sender, h->hook.partition));
}

static void arrives(void *arg)
{
    struct sending *h = arg;

    node_deliver(h->sender->node, delivered, NULL, h); /* its node frees it */
}

static bool is_first(const struct part *p, const struct sending *h)
{
    for (struct list *at = h->node.prev; at != &p->sendings; at = at->prev) {
        const struct sending *before = CONTAINER_OF(at, struct sending, node);

        if (before->hook.channel == h->hook.channel && !before->done)
            return false;
    }
    return true;
}

static void send_next(struct part *p)
{
    for (struct list *at = p->sendings.next; at != &p->sendings; at = at->next) {
        struct sending *h = CONTAINER_OF(at, struct sending, node);
        struct world *w = h->sender->node->world;
        bool stalls = rng_chance(&w->net, 10);

        if (h->done || h->under_way || !is_first(p, h))
            continue;
        h->under_way = true;
        sched_in(&w->sched, rng_below(&w->net, stalls ? STALL_MS : SEND_MS) * MS, arrives,
                 h);
    }
}

/* Asking */

static void ask(struct sender *s, struct part *p, uint64_t now)
{
    struct world *w = s->node->world;
    unsigned shard = (unsigned)(world_shard(w, p->partition) - w->shards);
    struct request *r = request_new(s->node->link->commands[shard], REQUEST_CLAIM);
    uint64_t *done;
    unsigned n = 0;

    for (struct list *at = p->sendings.next; at != &p->sendings; at = at->next)
        n++;
    done = arena_alloc(&r->memory, (n + 1) * sizeof *done);
    r->claim = (struct claim){.partition = p->partition,
                              .sender = s->id,
                              .number = ++p->number,
                              .heard = p->heard,
                              .done = done,
                              .limit = TAKE_MAX,
                              .lease_ms = HOOKS_LEASE_MS};
    for (struct list *at = p->sendings.next; at != &p->sendings; at = at->next) {
        struct sending *h = CONTAINER_OF(at, struct sending, node);

        h->said = h->done;
        if (h->done)
            done[r->claim.n_done++] = h->hook.number;
    }
    p->asking = true;
    p->ask_at = now + ASK_MS;
    request_send(r);
}

void sender_answered(struct sender *s, const struct claim *c, const struct claim_reply *r)
{
    struct part *p = part_of(s, c->partition);
    struct list *next;

    p->asking = false;
    p->heard = c->number;
    for (struct list *at = p->sendings.next; at != &p->sendings; at = next) {
        struct sending *h = CONTAINER_OF(at, struct sending, node);

        next = at->next;
        if (h->said)
            sending_free(h);
    }
    for (unsigned i = 0; i < r->n; i++) {
        struct sending *h = xcalloc(1, sizeof *h);

        h->sender = s;
        h->hook = r->hooks[i];
        list_append(&p->sendings, &h->node);
    }
    send_next(p);
    if (r->more)
        p->ask_at = 0;
}

void sender_lost(struct sender *s)
{
    for (unsigned i = 0; i < s->n_parts; i++)
        s->parts[i].asking = false;
}

void sender_soon(struct sender *s, unsigned partition)
{
    part_of(s, partition)->ask_at = 0;
}

void sender_tick(struct sender *s, uint64_t now)
{
    for (unsigned i = 0; i < s->n_parts; i++)
        if (s->node->link->up && !s->parts[i].asking && s->parts[i].ask_at <= now)
            ask(s, &s->parts[i], now);
}
