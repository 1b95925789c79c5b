/* Events lie in two lists: their channel's (order) and their target's (which one to
 * drop). A channel is ready (in its target's list of those, oldest first), or busy (in
 * the list of the batch that holds some of its events), and is gone when it is neither.
 * The window of webhooks.batch_ms begins with the oldest ready event. Only targets that
 * hold something are walked; a walk is a few comparisons for each. */
#include "server/webhook_queue.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/webhook_target.h"

struct webhook_piece *webhook_piece_alloc(struct slice channel, struct slice json,
                                          uint64_t posted)
{
    struct webhook_piece *piece = xmalloc(sizeof *piece + channel.n + json.n);

    piece->holders = 1;
    piece->done = NULL;
    piece->posted = posted;
    memcpy(piece->bytes, channel.p, channel.n);
    memcpy(piece->bytes + channel.n, json.p, json.n);
    piece->channel = (struct slice){piece->bytes, channel.n};
    piece->json = (struct slice){piece->bytes + channel.n, json.n};
    return piece;
}

void webhook_piece_release(struct webhook_piece *piece)
{
    if (--piece->holders)
        return;
    if (piece->done)
        piece->done(piece->arg);
    free(piece);
}

struct webhook_queue *webhook_queue_alloc(const struct webhook_limits *limits,
                                          uint64_t seed)
{
    struct webhook_queue *q = xcalloc(1, sizeof *q);

    q->limits = *limits;
    q->random = seed ? seed : 1;
    q->seed = (struct hash_seed){webhook_draw(q), webhook_draw(q)};
    list_init(&q->active);
    hmap_init(&q->channels);
    hmap_init(&q->urls);
    return q;
}

static struct webhook_url *url_get(struct webhook_queue *q, struct slice text)
{
    uint64_t hash = hash_bytes(q->seed, text.p, text.n);
    struct webhook_url *u;

    for (struct hmap_node *n = hmap_first(&q->urls, hash); n; n = hmap_next(n, hash)) {
        u = CONTAINER_OF(n, struct webhook_url, node);
        if (slice_eq(u->text, text))
            return u;
    }
    u = xcalloc(1, sizeof *u + text.n);
    memcpy(u->bytes, text.p, text.n);
    u->text = (struct slice){u->bytes, text.n};
    hmap_insert(&q->urls, &u->node, hash);
    return u;
}

struct webhook_target *webhook_target_add(struct webhook_queue *q, struct slice url,
                                          void *owner)
{
    struct webhook_target *t = xcalloc(1, sizeof *t);

    list_init(&t->active);
    list_init(&t->ready);
    list_init(&t->entries);
    list_init(&t->batches);
    t->salt = webhook_draw(q);
    t->url = url_get(q, url);
    t->owner = owner;
    t->next = q->targets;
    q->targets = t;
    return t;
}

/* ---- channels ---- */

static struct webhook_channel *channel_get(struct webhook_queue *q,
                                           struct webhook_target *t, struct slice name)
{
    uint64_t hash = hash_bytes(q->seed, name.p, name.n) ^ t->salt;
    struct webhook_channel *c;

    for (struct hmap_node *n = hmap_first(&q->channels, hash); n;
         n = hmap_next(n, hash)) {
        c = CONTAINER_OF(n, struct webhook_channel, node);
        if (c->target == t && slice_eq(c->name, name))
            return c;
    }
    c = xcalloc(1, sizeof *c + name.n);
    memcpy(c->bytes, name.p, name.n);
    c->name = (struct slice){c->bytes, name.n};
    c->target = t;
    list_init(&c->link);
    list_init(&c->entries);
    hmap_insert(&q->channels, &c->node, hash);
    return c;
}

static void channel_free(struct webhook_queue *q, struct webhook_channel *c)
{
    list_remove(&c->link);
    hmap_remove(&q->channels, &c->node);
    free(c);
}

static void make_ready(struct webhook_channel *c)
{
    struct webhook_target *t = c->target;
    uint64_t posted = webhook_first_of(c)->piece->posted;

    if (!t->n_ready || posted < t->since)
        t->since = posted;
    t->n_ready += c->n;
    list_append(&t->ready, &c->link);
}

void webhook_channel_release(struct webhook_queue *q, struct webhook_channel *c)
{
    c->busy = false;
    list_remove(&c->link);
    if (c->n)
        make_ready(c);
    else
        channel_free(q, c);
}

/* ---- entries ---- */

void webhook_target_changed(struct webhook_queue *q, struct webhook_target *t)
{
    bool is_active = t->n_waiting || t->n_batches;

    if (is_active == !list_empty(&t->active))
        return;
    if (is_active) {
        list_append(&q->active, &t->active);
        q->n_active++;
    } else {
        list_remove(&t->active);
        q->n_active--;
    }
}

struct webhook_piece *webhook_entry_take(struct webhook_queue *q, struct webhook_entry *e)
{
    struct webhook_piece *piece = e->piece;

    list_remove(&e->in_channel);
    list_remove(&e->in_target);
    e->channel->n--;
    e->channel->target->n_waiting--;
    q->n_waiting--;
    free(e);
    return piece;
}

static void drop_newest(struct webhook_queue *q, struct webhook_target *t)
{
    struct webhook_entry *e =
        CONTAINER_OF(t->entries.prev, struct webhook_entry, in_target);
    struct webhook_channel *c = e->channel;

    webhook_piece_release(webhook_entry_take(q, e));
    if (!c->busy) {
        t->n_ready--;
        if (!c->n)
            channel_free(q, c);
    }
    webhook_target_changed(q, t);
}

/* The target that has most waiting. What was found last time serves as long as it has
 * more than the average, so that a full queue isn't walked for each event. */
static struct webhook_target *largest(struct webhook_queue *q)
{
    if (q->largest && q->largest->n_waiting * q->n_active >= q->n_waiting)
        return q->largest;
    q->largest = NULL;
    for (struct list *at = q->active.next; at != &q->active; at = at->next) {
        struct webhook_target *t = CONTAINER_OF(at, struct webhook_target, active);

        if (!q->largest || t->n_waiting > q->largest->n_waiting)
            q->largest = t;
    }
    return q->largest;
}

void *webhook_queue_add(struct webhook_queue *q, struct webhook_target *t,
                        struct webhook_piece *piece)
{
    void *loser = NULL;
    struct webhook_channel *c;
    struct webhook_entry *e;

    if (q->n_waiting >= q->limits.max_queue) {
        struct webhook_target *most = largest(q);

        if (!most || most->n_waiting <= t->n_waiting)
            return t->owner;
        drop_newest(q, most);
        loser = most->owner;
    }
    c = channel_get(q, t, piece->channel);
    e = xcalloc(1, sizeof *e);
    e->piece = piece;
    piece->holders++;
    e->channel = c;
    e->number = q->numbers++;
    list_append(&c->entries, &e->in_channel);
    list_append(&t->entries, &e->in_target);
    c->n++;
    t->n_waiting++;
    q->n_waiting++;
    if (!c->busy && c->n == 1)
        make_ready(c);
    else if (!c->busy)
        t->n_ready++;
    webhook_target_changed(q, t);
    return loser;
}

/* ---- what is due ---- */

static bool has_slot(const struct webhook_queue *q, const struct webhook_target *t)
{
    return t->n_batches < q->limits.concurrency || q->flushing;
}

/* One request more to the target's URL. */
static bool may_send(const struct webhook_queue *q, const struct webhook_target *t)
{
    return t->url->in_flight < q->limits.concurrency || q->flushing;
}

/* When the target's next new batch is due. */
static uint64_t window_ends(const struct webhook_queue *q, const struct webhook_target *t)
{
    if (!t->n_ready || !has_slot(q, t))
        return UINT64_MAX;
    if (q->draining || t->n_ready >= q->limits.batch_size)
        return 0;
    return t->since + q->limits.batch_ms;
}

static uint64_t retry_due(const struct webhook_queue *q, const struct webhook_batch *b)
{
    if (b->in_flight)
        return UINT64_MAX;
    return q->draining ? 0 : b->due;
}

static struct webhook_batch *next_of(struct webhook_queue *q, struct webhook_target *t,
                                     struct webhook_now now)
{
    if (!may_send(q, t))
        return NULL;
    for (struct list *at = t->batches.next; at != &t->batches; at = at->next) {
        struct webhook_batch *b = CONTAINER_OF(at, struct webhook_batch, node);

        if (retry_due(q, b) <= now.ms)
            return b;
    }
    return window_ends(q, t) <= now.ms ? webhook_batch_make(q, t, now) : NULL;
}

struct webhook_batch *webhook_queue_next(struct webhook_queue *q, struct webhook_now now)
{
    for (struct list *at = q->active.next; at != &q->active; at = at->next) {
        struct webhook_target *t = CONTAINER_OF(at, struct webhook_target, active);
        struct webhook_batch *b = next_of(q, t, now);

        if (!b)
            continue;
        list_remove(&t->active); /* the others' turn */
        list_append(&q->active, &t->active);
        b->attempts++;
        b->in_flight = true;
        t->url->in_flight++;
        return b;
    }
    return NULL;
}

uint64_t webhook_queue_due(const struct webhook_queue *q)
{
    uint64_t due = UINT64_MAX;

    for (struct list *at = q->active.next; at != &q->active; at = at->next) {
        struct webhook_target *t = CONTAINER_OF(at, struct webhook_target, active);
        uint64_t when = window_ends(q, t);

        if (!may_send(q, t)) /* until one of the URL's ends */
            continue;
        due = when < due ? when : due;
        for (struct list *bat = t->batches.next; bat != &t->batches; bat = bat->next) {
            when = retry_due(q, CONTAINER_OF(bat, struct webhook_batch, node));
            due = when < due ? when : due;
        }
    }
    return due;
}

void webhook_queue_drain(struct webhook_queue *q)
{
    q->draining = true;
}

void webhook_queue_flush(struct webhook_queue *q)
{
    q->draining = q->flushing = true;
}

size_t webhook_queue_waiting(const struct webhook_queue *q)
{
    return q->n_waiting;
}

size_t webhook_queue_events(const struct webhook_queue *q)
{
    return q->n_waiting + q->n_held;
}

static void target_free(struct webhook_queue *q, struct webhook_target *t)
{
    while (!list_empty(&t->batches))
        webhook_batch_end(q, CONTAINER_OF(t->batches.next, struct webhook_batch, node));
    while (!list_empty(&t->entries))
        drop_newest(q, t);
    free(t);
}

static void url_free(struct hmap_node *node, void *context)
{
    (void)context;
    free(CONTAINER_OF(node, struct webhook_url, node));
}

void webhook_queue_free(struct webhook_queue *q)
{
    for (struct webhook_target *t = q->targets, *next; t; t = next) {
        next = t->next;
        target_free(q, t);
    }
    hmap_each(&q->urls, url_free, NULL);
    hmap_fini(&q->urls);
    hmap_fini(&q->channels);
    free(q);
}
