/* A batch is made from the oldest ready channels: of each what there is room for, which
 * makes the channel busy until the batch is over. It is written down once, so that each
 * attempt sends the same bytes under the same signature. */
#include "server/webhook_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "server/webhook_target.h"

/* What a batch is made of while it is made. */
struct picked {
    uint64_t number;
    struct webhook_piece *piece;
};

struct making {
    struct webhook_batch *batch;
    struct picked *picked;
    size_t bytes;
    uint64_t newest; /* ms: when the last of its events was posted */
};

static bool has_room(const struct webhook_queue *q, const struct making *m,
                     const struct webhook_entry *e)
{
    unsigned n = m->batch->n_events;

    return n < q->limits.batch_size &&
           (!n || m->bytes + e->piece->json.n <= WEBHOOK_BATCH_MAX_BYTES);
}

/* Takes from one ready channel what there is room for. False: the batch is full. */
static bool pick_from(struct webhook_queue *q, struct making *m,
                      struct webhook_channel *c)
{
    struct webhook_target *t = c->target;

    if (!has_room(q, m, webhook_first_of(c)))
        return false;
    t->n_ready -= c->n;
    c->busy = true;
    list_remove(&c->link);
    list_append(&m->batch->channels, &c->link);
    while (c->n && has_room(q, m, webhook_first_of(c))) {
        struct picked *to = &m->picked[m->batch->n_events++];

        to->number = webhook_first_of(c)->number;
        to->piece = webhook_entry_take(q, webhook_first_of(c));
        m->bytes += to->piece->json.n + 1;
        m->batch->posted_sum += to->piece->posted;
        if (m->newest < to->piece->posted)
            m->newest = to->piece->posted;
    }
    return !c->n;
}

/* The body has what they say. Whoever waits for their end waits for the batch's: it may
 * yet fail, for minutes, and who has leased an event has it until it is delivered. */
static void let_go(const struct making *m)
{
    struct webhook_batch *b = m->batch;

    b->pieces = xcalloc(b->n_events, sizeof(struct webhook_piece *));
    for (unsigned i = 0; i < b->n_events; i++) {
        if (m->picked[i].piece->done)
            b->pieces[b->n_pieces++] = m->picked[i].piece;
        else
            webhook_piece_release(m->picked[i].piece);
    }
}

static int by_number(const void *a, const void *b)
{
    const struct picked *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static void write_body(const struct making *m, uint64_t wall)
{
    struct webhook_batch *b = m->batch;

    qsort(m->picked, b->n_events, sizeof *m->picked, by_number);
    buf_reserve(&b->body, m->bytes + 64);
    buf_addf(&b->body, "{\"time_ms\":%llu,\"events\":[", (unsigned long long)wall);
    for (unsigned i = 0; i < b->n_events; i++) {
        if (i)
            buf_add_char(&b->body, ',');
        buf_add_slice(&b->body, m->picked[i].piece->json);
    }
    buf_add_lit(&b->body, "]}");
}

struct webhook_batch *webhook_batch_make(struct webhook_queue *q,
                                         struct webhook_target *t, struct webhook_now now)
{
    struct webhook_batch *b = xcalloc(1, sizeof *b);
    size_t most = t->n_ready < q->limits.batch_size ? t->n_ready : q->limits.batch_size;
    struct making m = {b, xcalloc(most, sizeof *m.picked), 0, 0};

    b->owner = t->owner;
    b->target = t;
    list_init(&b->channels);
    while (!list_empty(&t->ready) &&
           pick_from(q, &m, CONTAINER_OF(t->ready.next, struct webhook_channel, link)))
        ;
    write_body(&m, now.wall);
    b->until = m.newest + q->limits.retry_ms; /* each event gets all of its time */
    if (t->n_ready)
        t->since =
            webhook_first_of(CONTAINER_OF(t->ready.next, struct webhook_channel, link))
                ->piece->posted;
    let_go(&m);
    free(m.picked);
    list_append(&t->batches, &b->node);
    t->n_batches++;
    q->n_held += b->n_events;
    return b;
}

unsigned webhook_backoff(unsigned attempts, uint64_t random)
{
    unsigned most = WEBHOOK_BACKOFF_FIRST;

    while (--attempts && most < WEBHOOK_BACKOFF_MAX)
        most *= 2;
    if (most > WEBHOOK_BACKOFF_MAX)
        most = WEBHOOK_BACKOFF_MAX;
    return most / 2 + (unsigned)(random % (most / 2 + 1));
}

static void landed(struct webhook_batch *b)
{
    if (b->in_flight)
        b->target->url->in_flight--;
    b->in_flight = false;
}

/* The last attempt comes at the very end of the time there is: a receiver that is back by
 * then has missed nothing. */
bool webhook_batch_retry(struct webhook_queue *q, struct webhook_batch *b, uint64_t now)
{
    assert(b->in_flight);
    landed(b);
    if (q->draining || now >= b->until)
        return false;
    b->due = now + webhook_backoff(b->attempts, webhook_draw(q));
    if (b->due > b->until)
        b->due = b->until;
    return true;
}

void webhook_batch_end(struct webhook_queue *q, struct webhook_batch *b)
{
    struct webhook_target *t = b->target;

    landed(b);
    for (unsigned i = 0; i < b->n_pieces; i++)
        webhook_piece_release(b->pieces[i]);
    free(b->pieces);
    while (!list_empty(&b->channels))
        webhook_channel_release(
            q, CONTAINER_OF(b->channels.next, struct webhook_channel, link));
    list_remove(&b->node);
    t->n_batches--;
    q->n_held -= b->n_events;
    webhook_target_changed(q, t);
    buf_fini(&b->body);
    free(b);
}
