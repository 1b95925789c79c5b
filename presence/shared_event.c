/* Events of this node, until their echo: what makes all nodes see one order (PRESENCE.md,
 * "One order per channel"). An event whose echo isn't waited for, or can't come, is
 * delivered here all the same; its echo, should it come, is dropped. */
#include "presence/presence.h"
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"
#include "server/base/xalloc.h"

enum { ECHO_MS = 5000, ORIGINS = 16, NEAR = 1 << 24 };

/* How far each of the last homes of other nodes to publish here has come. A home counts
 * on from a number of 60 random bits, so numbers this near are one home's, whatever its
 * node is called by now (it may have been declared dead meanwhile), and clones are two.
 */
struct shared_origins {
    uint64_t last[ORIGINS];
    unsigned next; /* to be replaced */
};

static struct shared_event *first_event(struct shared_channel *c)
{
    return CONTAINER_OF(c->events.next, struct shared_event, waiting);
}

/* The event's turn has come. */
static void deliver(struct shared_channel *c, struct shared_event *e)
{
    list_remove(&e->waiting);
    c->shared->sink->published(c->shared->context, c, e);
}

/* Other nodes may have missed it. They haven't where these links, which live, have sent
 * it and it comes out early only because nobody is left here to wait for its echo. */
static bool is_unconfirmed(const struct shared_channel *c, const struct shared_event *e)
{
    return c->life || !e->generation || e->generation != c->shared->generation;
}

/* Those whose echo can't come, or isn't waited for, in their order; up to and without the
 * first that these links haven't sent, if only_sent. */
void shared_deliver_waiting(struct shared_channel *c, bool only_lost)
{
    uint64_t generation = c->shared->generation;

    while (!list_empty(&c->events)) {
        struct shared_event *e = first_event(c);

        if (only_lost && (!e->generation || e->generation == generation))
            return;
        c->direct_upto = e->number;
        c->shared->unconfirmed += is_unconfirmed(c, e);
        deliver(c, e);
    }
}

/* Links that live lose no echo; but should they, it mustn't hold up the channel. */
static void deliver_overdue(struct shared_channel *c)
{
    while (!list_empty(&c->events)) {
        struct shared_event *e = first_event(c);

        if (!e->generation || c->shared->now < e->sent_at + ECHO_MS)
            return;
        c->direct_upto = e->number;
        c->shared->unconfirmed += is_unconfirmed(c, e);
        deliver(c, e);
    }
    list_remove(&c->echoes);
}

void shared_expect_echoes(struct shared *s)
{
    struct list *next;

    for (struct list *at = s->echoes.next; at != &s->echoes; at = next) {
        next = at->next;
        deliver_overdue(CONTAINER_OF(at, struct shared_channel, echoes));
    }
}

static void send_event(struct shared_channel *c, struct shared_event *e)
{
    e->generation = c->shared->generation;
    e->sent_at = c->shared->now;
    c->shared->pipe->publish(c->shared->context, c, e);
}

void shared_send_waiting(struct shared_channel *c)
{
    for (struct list *at = c->events.next; at != &c->events; at = at->next) {
        struct shared_event *e = CONTAINER_OF(at, struct shared_event, waiting);

        if (!e->generation)
            send_event(c, e);
    }
}

void shared_publish(struct shared_channel *c, struct shared_event *e)
{
    struct shared *s = c->shared;

    e->number = ++s->next_number;
    e->generation = 0;
    list_init(&e->waiting);
    list_append(&c->events, &e->waiting);
    if (list_empty(&c->echoes))
        list_append(&s->echoes, &c->echoes);
    if (s->generation && (c->subscribed || c->direct))
        send_event(c, e);
    if (c->direct)
        shared_deliver_waiting(c, false);
}

/* A nid alone doesn't tell: a clone may have had it, too. */
static bool is_mine(const struct shared *s, uint64_t nid, uint64_t number)
{
    if (number <= s->first_number || number > s->next_number)
        return false;
    for (unsigned i = 0; i < s->n_old && i < 8; i++) {
        if (s->old_nids[i] == nid)
            return true;
    }
    return nid == s->nid;
}

bool shared_echo(struct shared_channel *c, uint64_t nid, uint64_t number)
{
    if (!is_mine(c->shared, nid, number))
        return false;
    if (c->shared->ablation & ABLATE_ECHO)
        return number > c->direct_upto ? (shared_deliver_waiting(c, false), true) : false;
    while (!list_empty(&c->events) && first_event(c)->number <= number)
        deliver(c, first_event(c)); /* one before it has lost its echo */
    return true;
}

bool shared_is_late(struct shared_channel *c, uint64_t number)
{
    struct shared_origins *o = c->origins;

    if (!number)
        return false;
    if (!o)
        o = c->origins = xcalloc(1, sizeof *o);
    for (unsigned i = 0; i < ORIGINS; i++) {
        if (o->last[i] - number < NEAR)
            return true;
        if (number - o->last[i] >= NEAR)
            continue;
        o->last[i] = number;
        return false;
    }
    o->last[o->next] = number;
    o->next = (o->next + 1) % ORIGINS;
    return false;
}
