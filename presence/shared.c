/* Channels, links and events. A channel is in one of two ways of deciding: through Redis,
 * where only what comes back from there moves it, or `direct`, by itself, while Redis is
 * silent (PRESENCE.md, "Degraded"). It goes over to direct at once, and back at one
 * instant, when the subscription is confirmed and its replica in step with Redis. */
#include "presence/shared.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "presence/presence.h"
#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"
#include "server/base/hash.h"
#include "server/base/xalloc.h"

struct shared *shared_alloc(const struct shared_pipe *pipe,
                            const struct shared_sink *sink, void *context,
                            struct hash_seed seed)
{
    struct shared *s = xcalloc(1, sizeof *s);

    s->pipe = pipe;
    s->sink = sink;
    s->context = context;
    s->seed = seed;
    s->first_number = s->next_number = pipe->random(context) >> 4;
    hmap_init(&s->by_id);
    list_init(&s->busy);
    list_init(&s->idle);
    list_init(&s->rotation);
    list_init(&s->holding);
    list_init(&s->echoes);
    list_init(&s->totals);
    list_init(&s->totals_held);
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_init(&s->partitions[i], s, i);
    return s;
}

void shared_set_ablation(struct shared *s, unsigned flags)
{
    s->ablation = flags;
}

/* The home's verbs */

void shared_set_direct(struct shared_channel *c, bool direct)
{
    c->direct = direct;
    if (c->presence)
        presence_set_direct(c->presence, direct, c->shared->now);
    shared_total_set_direct(c, direct);
}

void shared_set_waits(struct shared_channel *c, bool wait)
{
    if (c->waits == wait)
        return;
    c->waits = wait;
    if (c->shared->sink->waits)
        c->shared->sink->waits(c->shared->context, c, wait);
}

void shared_maybe_opened(struct shared_channel *c)
{
    bool counted = c->presence || !c->kind.counted || c->count_state == KNOWN_HELD;

    if (c->life && (c->direct || c->subscribed))
        shared_set_waits(c, false);
    if (c->life && !c->opened && (c->direct || (c->subscribed && counted))) {
        c->opened = true;
        c->shared->sink->opened(c->shared->context, c);
    }
}

void shared_ask(struct shared_channel *c)
{
    if (c->asked || !c->shared->generation)
        return;
    c->asked = true;
    c->shared->pipe->subscribe(c->shared->context, c, c->hears_user);
    c->before = true;
}

void shared_hear_user(struct shared_channel *c)
{
    if (c->hears_user || c->kind.counted)
        return;
    c->hears_user = true;
    c->before = c->asked = c->subscribed = false;
    list_remove(&c->snapshot);
    shared_ask(c);
    shared_want_snapshot(c); /* once it is confirmed: what comes until then is missed */
}

void shared_want_snapshot(struct shared_channel *c)
{
    replica_restart(&c->presence->replica);
    shared_next_page(c);
}

void shared_next_page(struct shared_channel *c)
{
    if (!c->subscribed || !list_empty(&c->snapshot))
        return;
    list_append(&c->partition->snapshots, &c->snapshot);
    partition_busy(c->partition);
}

/* heard: pushes have come to the life before, whose joins may stand, or be under way. */
static void begin_presence(struct shared_channel *c, bool heard)
{
    struct shared *s = c->shared;

    presence_share(c->presence, c, c->direct);
    if (heard)
        c->presence->replica.passed = c->passed;
    else
        presence_pushes_lost(c->presence);
    presence_hold(c->presence, s->hold_until);
    presence_hold(c->presence, c->partition->hold_until);
    shared_want_snapshot(c);
    c->check_at = s->now + SHARED_ROTATION_MS;
    list_append(&s->rotation, &c->rotation);
}

struct shared_channel *shared_open(struct shared *s, struct slice app, struct slice name,
                                   const struct shared_opening *how, uint64_t now)
{
    struct shared_channel *c;
    bool heard;

    s->now = now;
    c = shared_channel_get(s, app, name);
    assert(!c->life);
    heard = c->subscribed;
    if (s->degraded)
        shared_deliver_waiting(c, false);
    list_remove(&c->idle);
    c->life = how->life;
    c->kind = how->kind;
    c->presence = how->presence;
    c->owner = how->owner;
    c->opened = c->waits = c->suspect = c->checking = false;
    c->direct = s->degraded;
    c->count = c->kind.counted; /* whoever opens it subscribes */
    shared_total_begin(c);
    count_settle(c);
    if (c->kind.fresh)
        c->before = c->asked = c->subscribed = false;
    shared_ask(c);
    if (c->presence)
        begin_presence(c, heard);
    shared_maybe_opened(c);
    return c;
}

void shared_close(struct shared_channel *c, bool unclean, uint64_t now)
{
    struct shared *s = c->shared;

    s->now = now;
    if (s->generation)
        shared_send_waiting(c);
    c->life = 0;
    c->owner = NULL;
    if (!c->subscribed || c->kind.fresh) /* else the next life may hear their echo */
        shared_deliver_waiting(c, false);
    if (c->presence) {
        c->passed = c->presence->replica.passed;
        replica_restart(&c->presence->replica);
    }
    c->presence = NULL;
    list_remove(&c->rotation);
    list_remove(&c->holding);
    list_remove(&c->snapshot);
    list_remove(&c->totals);
    shared_count(c, 0, unclean);
    shared_go_idle(c);
    shared_channel_drop(c);
}

void shared_count(struct shared_channel *c, unsigned n, bool unclean)
{
    unsigned before = c->count;

    if (!c->kind.counted)
        return;
    c->count = n;
    c->count_unclean = unclean;
    count_settle(c);
    shared_total_counted(c, before);
}

void shared_turn_ends(struct shared *s)
{
    while (!list_empty(&s->busy)) {
        struct partition *p = CONTAINER_OF(s->busy.next, struct partition, busy);

        list_remove(&p->busy);
        partition_flush(p);
    }
    shared_totals_tell(s);
}

void shared_hold(struct shared_channel *c)
{
    if (list_empty(&c->holding))
        list_append(&c->shared->holding, &c->holding);
}

static void end_holds(struct shared *s)
{
    struct list *next;

    for (struct list *at = s->holding.next; at != &s->holding; at = next) {
        struct shared_channel *c = CONTAINER_OF(at, struct shared_channel, holding);

        next = at->next;
        presence_tick(c->presence, s->now);
        if (list_empty(&c->presence->going) && list_empty(&c->presence->coming))
            list_remove(&c->holding);
    }
}

static void drop_idle(struct shared *s)
{
    struct list *next;

    for (struct list *at = s->idle.next; at != &s->idle; at = next) {
        next = at->next;
        shared_channel_drop(CONTAINER_OF(at, struct shared_channel, idle));
    }
}

void shared_tick(struct shared *s, uint64_t now)
{
    s->now = now;
    if (s->generation && !(s->ablation & ABLATE_ROTATION))
        shared_rotate(s);
    end_holds(s);
    shared_totals_end_holds(s);
    shared_expect_echoes(s);
    drop_idle(s);
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_tick(&s->partitions[i]);
    shared_turn_ends(s);
}

static void free_reference(struct hmap_node *node, void *context)
{
    struct reference *r = CONTAINER_OF(node, struct reference, by_user);

    (void)context;
    free(r->info_bytes);
    free(r);
}

static void free_channel(struct hmap_node *node, void *context)
{
    struct shared_channel *c = CONTAINER_OF(node, struct shared_channel, by_name);

    (void)context;
    c->life = 0;
    shared_deliver_waiting(c, false);
    free(c->origins);
    free(c);
}

void shared_free(struct shared *s)
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        hmap_each(&s->partitions[i].references, free_reference, NULL);
        hmap_fini(&s->partitions[i].references);
        hmap_each(&s->partitions[i].channels, free_channel, NULL);
        hmap_fini(&s->partitions[i].channels);
    }
    hmap_fini(&s->by_id);
    free(s);
}
