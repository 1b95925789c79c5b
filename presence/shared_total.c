/* How many subscriptions a channel has on all nodes, where its clients are told. Redis
 * says so after each change; what may have been missed while there were no links is asked
 * for. While removals are held a lower total is held as well: it may lack those whom
 * their nodes are about to assert again. By itself a node goes on from what it told last,
 * by what changes here. */
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"

/* A total that was read doesn't say of which epoch it is. By then this node knows whether
 * Redis has lost its keys. */
enum { READ_HOLD_MS = 2000 };

static bool is_told(const struct shared_channel *c)
{
    return c->life && c->kind.webhooks & WANT_COUNT;
}

static bool is_held(const struct shared_channel *c)
{
    uint64_t now = c->shared->now;

    if (c->shared->ablation & ABLATE_FEWER)
        return false;
    return now < c->shared->hold_until || now < c->partition->hold_until ||
           now < c->total_hold_until;
}

static void tell(struct shared_channel *c)
{
    list_remove(&c->totals);
    if (c->total_any && c->total == c->total_told)
        return;
    c->total_any = true;
    c->total_told = c->total;
    c->shared->sink->total(c->shared->context, c, c->total);
}

/* Redis says so. */
static void set_total(struct shared_channel *c, unsigned total)
{
    bool held = c->total_any && total < c->total_told && is_held(c);

    if (held && c->direct)
        return; /* it is asked for when this node doesn't decide any more */
    c->total = total;
    c->total_unsure = false;
    list_remove(&c->totals);
    if (held)
        list_append(&c->shared->totals_held, &c->totals);
    else
        tell(c);
}

void shared_total(struct shared_channel *c, unsigned total, uint64_t epoch, uint64_t now)
{
    c->shared->now = now;
    partition_epoch_heard(c->partition, epoch);
    if (is_told(c))
        set_total(c, total);
}

void shared_total_read(struct shared_channel *c, unsigned total, uint64_t now)
{
    bool current = c->life && c->total_asked == c->life;

    c->shared->now = now;
    if (!current)
        return;
    c->total_asked = 0;
    if (!c->total_unsure || !is_told(c))
        return; /* something newer has come meanwhile */
    c->total_hold_until = now + READ_HOLD_MS;
    set_total(c, total);
}

void shared_total_lost(struct shared_channel *c)
{
    c->total_unsure = true;
    c->total_asked = 0;
    if (!c->direct)
        list_remove(&c->totals); /* what was held is asked for again */
}

/* As long as Redis hasn't all of this node's, what it will have is published, or comes by
 * here once more. */
void shared_total_check(struct shared_channel *c)
{
    bool right = c->count_state == KNOWN_HELD && c->count_known == c->count;

    if (!is_told(c) || !c->total_unsure || !c->subscribed || !right ||
        c->total_asked == c->life || c->shared->ablation & ABLATE_TOTAL)
        return;
    c->total_asked = c->life;
    c->shared->pipe->total(c->shared->context, c);
}

/* At the turn's end: who comes by this change is to hear of it, too. */
static void tell_soon(struct shared_channel *c)
{
    list_remove(&c->totals);
    list_append(&c->shared->totals, &c->totals);
}

/* From what changes here, if Redis doesn't have it: base is what it has. */
static void add_here(struct shared_channel *c, unsigned base, unsigned count_then)
{
    c->total = base > count_then ? base - count_then + c->count : c->count;
    tell_soon(c);
}

void shared_total_set_direct(struct shared_channel *c, bool direct)
{
    if (!is_told(c))
        return;
    if (direct && c->total_any) {
        add_here(c, c->total_told, c->count_known);
    } else if (direct) {
        add_here(c, c->count, c->count);
    } else {
        c->total_unsure = true;
        shared_total_check(c);
    }
}

/* Redis may have this node's count: somebody left, and somebody came, at once. */
static void check_unless_under_way(struct shared_channel *c)
{
    if (!c->pins)
        shared_total_check(c);
}

void shared_total_begin(struct shared_channel *c)
{
    c->total_any = false;
    c->total_unsure = true;
    if (c->direct)
        shared_total_set_direct(c, true);
    else
        check_unless_under_way(c);
}

void shared_total_counted(struct shared_channel *c, unsigned before)
{
    if (!is_told(c))
        return;
    if (c->direct)
        add_here(c, c->total, before);
    else
        check_unless_under_way(c);
}

void shared_totals_tell(struct shared *s)
{
    while (!list_empty(&s->totals))
        tell(CONTAINER_OF(s->totals.next, struct shared_channel, totals));
}

void shared_totals_end_holds(struct shared *s)
{
    struct list *next;

    for (struct list *at = s->totals_held.next; at != &s->totals_held; at = next) {
        struct shared_channel *c = CONTAINER_OF(at, struct shared_channel, totals);

        next = at->next;
        if (!is_held(c))
            tell(c);
    }
}
