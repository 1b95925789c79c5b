/* Webhooks (rule 12): which there are, and what webhooks.lua does: all hooks of a channel
 * are one sender's until none is left; who lets his lease run out loses his to those who
 * ask. */
#include <string.h>

#include "test/sim/fake_redis.h"

enum { UNCLEAN_MS = 3000, EACH_COUNT_UP_TO = 100, COUNT_LATER_MS = 5000 };

/* What changes cause */

static bool hook_is(const struct hook *h, enum hook_kind kind, const struct name *channel,
                    const struct name *user)
{
    return h->kind == kind && h->channel == channel && h->user == user;
}

/* What a return would take back; NULL: none. */
static struct hook *waiting_hook(struct fake *f, enum hook_kind kind,
                                 const struct fake_channel *c, const struct name *user)
{
    for (unsigned i = 0; i < f->data.n_hooks; i++) {
        struct hook *h = &f->data.hooks[i];

        if (hook_is(h, kind, c->name, user) && !h->sender && h->due)
            return h;
    }
    return NULL;
}

static void add_hook(struct fake *f, enum hook_kind kind, const struct fake_channel *c,
                     const struct name *user, uint64_t due)
{
    struct fake_data *d = &f->data;
    unsigned times = f->rules.broken & FAKE_TWO_HOOKS ? 2 : 1;

    while (times--) {
        d->hooks = grown(d->hooks, d->n_hooks, &d->hooks_room, sizeof *d->hooks);
        d->hooks[d->n_hooks++] =
            (struct hook){.kind = kind,
                          .channel = c->name,
                          .user = user,
                          .due = due,
                          .partition = c->partition,
                          .number = ++d->partitions[c->partition].hooks,
                          .delayed = due > 0};
    }
}

void fake_hook_gone(struct fake *f, enum hook_kind kind, const struct fake_channel *c,
                    const struct name *user, const struct fake_change *by)
{
    const struct fake_partition *p = &f->data.partitions[c->partition];
    uint64_t due = by->unclean ? by->now + UNCLEAN_MS : 0;

    if (by->told && waiting_hook(f, kind, c, user))
        return;
    if (p->anew_until > by->now && p->anew_until > due)
        due = p->anew_until;
    add_hook(f, kind, c, user, due);
}

void fake_hook_came(struct fake *f, enum hook_kind kind, const struct fake_channel *c,
                    const struct name *user, const struct fake_change *by)
{
    struct fake_data *d = &f->data;
    enum hook_kind gone = kind == HOOK_ADDED ? HOOK_REMOVED : HOOK_VACATED;

    if (by->told && !waiting_hook(f, gone, c, user))
        return;
    for (unsigned i = 0; i < d->n_hooks; i++) {
        struct hook *h = &d->hooks[i];

        if (!hook_is(h, gone, c->name, user) || h->sender)
            continue;
        if (h->due > by->now) {
            memmove(h, h + 1, (--d->n_hooks - i) * sizeof *d->hooks);
            return;
        }
        h->due = 0;
    }
    add_hook(f, kind, c, user, 0);
}

/* Takes back the count of the channel that waits; returns when it was due, or 0. number:
 * its place. */
static uint64_t count_waiting(struct fake_data *d, const struct fake_channel *c,
                              uint64_t *number)
{
    for (unsigned i = 0; i < d->n_hooks; i++) {
        struct hook *h = &d->hooks[i];
        uint64_t due = h->due;

        if (!hook_is(h, HOOK_COUNT, c->name, NULL) || h->sender || !due)
            continue;
        *number = h->number;
        memmove(h, h + 1, (--d->n_hooks - i) * sizeof *d->hooks);
        return due;
    }
    return 0;
}

void fake_hook_count(struct fake *f, const struct fake_channel *c, unsigned total,
                     uint64_t now)
{
    struct fake_data *d = &f->data;
    uint64_t anew = d->partitions[c->partition].anew_until;
    uint64_t place = 0, due = count_waiting(d, c, &place);

    if (total <= EACH_COUNT_UP_TO && anew <= now)
        due = 0;
    else if (!due)
        due = total > EACH_COUNT_UP_TO && anew < now + COUNT_LATER_MS
                  ? now + COUNT_LATER_MS
                  : anew;
    add_hook(f, HOOK_COUNT, c, NULL, due);
    d->hooks[d->n_hooks - 1].count = total;
    if (due && place) {
        d->hooks[d->n_hooks - 1].number = place;
        d->partitions[c->partition].hooks--;
    }
}

/* Who sends them */

static struct fake_lease *lease_of(struct fake_data *d, unsigned partition,
                                   uint64_t sender)
{
    for (unsigned i = 0; i < d->n_leases; i++)
        if (d->leases[i].partition == partition && d->leases[i].sender == sender)
            return &d->leases[i];
    return NULL;
}

static void drop_lease(struct fake_data *d, struct fake_lease *l)
{
    if (l)
        *l = d->leases[--d->n_leases];
}

static void renew(struct fake_data *d, const struct claim *c, uint64_t now)
{
    struct fake_lease *l = lease_of(d, c->partition, c->sender);

    if (!l) {
        d->leases = grown(d->leases, d->n_leases, &d->leases_room, sizeof *d->leases);
        l = &d->leases[d->n_leases++];
    }
    *l = (struct fake_lease){c->partition, c->sender, now + c->lease_ms, c->number};
}

/* Who has some of the channel's; 0: nobody. */
static uint64_t sender_of(const struct fake_data *d, const struct name *channel)
{
    for (unsigned i = 0; i < d->n_hooks; i++)
        if (d->hooks[i].channel == channel && d->hooks[i].sender)
            return d->hooks[i].sender;
    return 0;
}

static void end_hook(struct fake_data *d, unsigned partition, uint64_t number)
{
    for (unsigned i = 0; i < d->n_hooks; i++) {
        struct hook *h = &d->hooks[i];

        if (h->partition != partition || h->number != number)
            continue;
        memmove(h, h + 1, (--d->n_hooks - i) * sizeof *h);
        return;
    }
}

/* Each of the partition's that this sender has. */
#define EACH_OF(h, d, c, who)                                             \
    for (struct hook *h = (d)->hooks; h < (d)->hooks + (d)->n_hooks; h++) \
        if (h->partition == (c)->partition && h->sender == (who))

/* His lease is over: who asks next takes it over. */
static void give_back(struct fake_data *d, const struct claim *c)
{
    struct fake_lease *l = lease_of(d, c->partition, c->sender);

    EACH_OF(h, d, c, c->sender)
    {
        if (l)
            *l = (struct fake_lease){c->partition, c->sender, 0, c->number};
        return;
    }
    drop_lease(d, l);
}

static void take_over(struct fake_data *d, const struct claim *c, uint64_t now)
{
    for (unsigned i = d->n_leases; i-- > 0;) {
        struct fake_lease *l = &d->leases[i];

        if (l->partition != c->partition || l->sender == c->sender || l->until > now)
            continue;
        EACH_OF(h, d, c, l->sender)
        {
            h->sender = c->sender;
            h->taken = 0;
        }
        if (l->until + 10 * c->lease_ms <= now)
            drop_lease(d, l);
    }
}

static bool is_before(const struct hook *a, const struct hook *b)
{
    return a->due != b->due ? a->due < b->due : a->number < b->number;
}

/* The next one that nobody has. */
static struct hook *next_due(struct fake_data *d, unsigned partition, uint64_t now)
{
    struct hook *first = NULL;

    for (unsigned i = 0; i < d->n_hooks; i++) {
        struct hook *h = &d->hooks[i];

        if (h->partition == partition && !h->sender && h->due <= now &&
            (!first || is_before(h, first)))
            first = h;
    }
    return first;
}

static void deal_out(struct fake *f, const struct claim *c, uint64_t now)
{
    for (unsigned i = 0; i < c->limit; i++) {
        struct hook *h = next_due(&f->data, c->partition, now);
        uint64_t sender;

        if (!h)
            return;
        sender = f->rules.broken & FAKE_ANY_HOOK ? 0 : sender_of(&f->data, h->channel);
        h->sender = sender ? sender : c->sender;
    }
}

static struct hook *next_waiting(struct fake_data *d, const struct claim *c)
{
    struct hook *first = NULL;

    EACH_OF(h, d, c, c->sender)
    {
        if (!h->taken && (!first || h->number < first->number))
            first = h;
    }
    return first;
}

struct claim_reply fake_claim(struct fake *f, const struct claim *c, struct arena *a,
                              uint64_t now)
{
    struct fake_data *d = &f->data;
    struct fake_lease *l = lease_of(d, c->partition, c->sender);
    struct hook *out = arena_alloc(a, (c->limit + 1) * sizeof *out), *h;
    struct claim_reply r = {.hooks = out};

    if (l && c->number <= l->number)
        return r;
    for (unsigned i = 0; i < c->n_done; i++)
        end_hook(d, c->partition, c->done[i]);
    if (c->leaves) {
        give_back(d, c);
        return r;
    }
    renew(d, c, now);
    if (!(f->rules.broken & FAKE_LOST_HOOKS))
        EACH_OF(lost, d, c, c->sender)
        {
            if (lost->taken > c->heard)
                lost->taken = 0;
        }
    if (c->limit) {
        take_over(d, c, now);
        deal_out(f, c, now);
    }
    while (r.n < c->limit && (h = next_waiting(d, c))) {
        h->taken = c->number;
        out[r.n++] = *h;
    }
    r.more = (c->limit && next_waiting(d, c)) || next_due(d, c->partition, now);
    return r;
}
