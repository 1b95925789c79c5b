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

enum {
    LINGER_MS = 2000,      /* a subscription without a life */
    HOLD_LINK_MS = 6000,   /* removals after the links were down (rule 5) */
    ROTATION_MS = 30000,   /* quiet channels' versions are compared (rule 3) */
    SUSPICION_MS = 500,    /* what differs may be a push on its way: once more */
    ROTATION_BURST = 1000, /* channels a tick */
};

struct shared *shared_alloc(const struct shared_pipe *pipe,
                            const struct shared_sink *sink, void *context,
                            struct hash_seed seed)
{
    struct shared *s = xcalloc(1, sizeof *s);

    s->pipe = pipe;
    s->sink = sink;
    s->context = context;
    s->seed = seed;
    s->first_number = s->next_number = pipe->random(context) >> 24;
    hmap_init(&s->by_id);
    list_init(&s->busy);
    list_init(&s->idle);
    list_init(&s->rotation);
    list_init(&s->holding);
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_init(&s->partitions[i], s, i);
    return s;
}

void shared_set_ablation(struct shared *s, unsigned flags)
{
    s->ablation = flags;
}

/* The record of a channel */

static uint64_t name_hash(const struct shared *s, struct slice app, struct slice name)
{
    return hash_bytes(s->seed, app.p, app.n) * 31 + hash_bytes(s->seed, name.p, name.n);
}

static struct partition *partition_of(struct shared *s, struct slice app,
                                      struct slice name)
{
    uint16_t crc = crc16(app.p, app.n, 0);

    crc = crc16(":", 1, crc);
    return &s->partitions[crc16(name.p, name.n, crc) % PARTITIONS];
}

struct shared_channel *shared_find(struct shared *s, struct slice app, struct slice name)
{
    struct partition *p = partition_of(s, app, name);
    uint64_t hash = name_hash(s, app, name);

    for (struct hmap_node *n = hmap_first(&p->channels, hash); n;
         n = hmap_next(n, hash)) {
        struct shared_channel *c = CONTAINER_OF(n, struct shared_channel, by_name);

        if (slice_eq(c->app, app) && slice_eq(c->name, name))
            return c;
    }
    return NULL;
}

static void go_idle(struct shared_channel *c)
{
    c->idle_since = c->shared->now;
    list_append(&c->shared->idle, &c->idle);
}

struct shared_channel *shared_channel_get(struct shared *s, struct slice app,
                                          struct slice name)
{
    struct shared_channel *c = shared_find(s, app, name);

    if (c)
        return c;
    c = xcalloc(1, sizeof *c + app.n + name.n);
    memcpy(c->bytes, app.p, app.n);
    memcpy(c->bytes + app.n, name.p, name.n);
    c->app = (struct slice){c->bytes, app.n};
    c->name = (struct slice){c->bytes + app.n, name.n};
    c->shared = s;
    c->partition = partition_of(s, app, name);
    c->count_hash = (name_hash(s, app, name) & 0xffffffff) | 1;
    list_init(&c->references);
    list_init(&c->dirty);
    list_init(&c->snapshot);
    list_init(&c->idle);
    list_init(&c->rotation);
    list_init(&c->holding);
    list_init(&c->events);
    hmap_insert(&c->partition->channels, &c->by_name, name_hash(s, app, name));
    c->id = ++s->next_id;
    hmap_insert(&s->by_id, &c->by_id, hash_u64(c->id));
    go_idle(c);
    return c;
}

static void unsubscribe(struct shared_channel *c)
{
    if (c->before)
        c->shared->pipe->unsubscribe(c->shared->context, c);
    c->before = c->asked = c->subscribed = false;
}

void shared_channel_drop(struct shared_channel *c)
{
    if (c->life || c->pins || !list_empty(&c->references) ||
        c->count_state != KNOWN_NOT || !list_empty(&c->dirty) ||
        c->shared->now < c->idle_since + (c->asked ? LINGER_MS : 0))
        return;
    unsubscribe(c);
    list_remove(&c->idle);
    hmap_remove(&c->partition->channels, &c->by_name);
    hmap_remove(&c->shared->by_id, &c->by_id);
    free(c);
}

struct slice shared_app(const struct shared_channel *c)
{
    return c->app;
}

struct slice shared_name(const struct shared_channel *c)
{
    return c->name;
}

uint64_t shared_life(const struct shared_channel *c)
{
    return c->life;
}

bool shared_is_user(const struct shared_channel *c)
{
    return c->user;
}

bool shared_subscribed_before(const struct shared_channel *c)
{
    return c->before;
}

bool shared_opened(const struct shared_channel *c)
{
    return c->opened;
}

uint64_t shared_unconfirmed(const struct shared *s)
{
    return s->unconfirmed;
}

uint64_t shared_nid(const struct shared *s)
{
    return s->nid;
}

uint64_t shared_id(const struct shared_channel *c)
{
    return c->id;
}

struct shared_channel *shared_by_id(struct shared *s, uint64_t id)
{
    uint64_t hash = hash_u64(id);

    for (struct hmap_node *n = hmap_first(&s->by_id, hash); n; n = hmap_next(n, hash)) {
        struct shared_channel *c = CONTAINER_OF(n, struct shared_channel, by_id);

        if (c->id == id)
            return c;
    }
    return NULL;
}

void *shared_owner(const struct shared_channel *c)
{
    return c->owner;
}

/* Events of this node */

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

/* Those whose echo can't come, or isn't waited for, in their order; up to and without the
 * first that these links haven't sent, if only_sent. */
static void deliver_waiting(struct shared_channel *c, bool only_lost)
{
    uint64_t generation = c->shared->generation;

    while (!list_empty(&c->events)) {
        struct shared_event *e = first_event(c);

        if (only_lost && (!e->generation || e->generation == generation))
            return;
        c->direct_upto = e->number;
        c->shared->unconfirmed += c->life != 0;
        deliver(c, e);
    }
}

static void send_event(struct shared_channel *c, struct shared_event *e)
{
    e->generation = c->shared->generation;
    c->shared->pipe->publish(c->shared->context, c, e);
}

static void send_waiting(struct shared_channel *c)
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
    if (s->generation && (c->subscribed || c->direct))
        send_event(c, e);
    if (c->direct)
        deliver_waiting(c, false);
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
        return number > c->direct_upto ? (deliver_waiting(c, false), true) : false;
    while (!list_empty(&c->events) && first_event(c)->number <= number)
        deliver(c, first_event(c)); /* one before it has lost its echo */
    return true;
}

/* The home's verbs */

static void set_direct(struct shared_channel *c, bool direct)
{
    c->direct = direct;
    if (c->presence)
        presence_set_direct(c->presence, direct, c->shared->now);
}

void shared_maybe_opened(struct shared_channel *c)
{
    bool counted = c->presence || !c->kind.counted || c->count_state == KNOWN_HELD;

    if (c->life && !c->opened && (c->direct || (c->subscribed && counted))) {
        c->opened = true;
        c->shared->sink->opened(c->shared->context, c);
    }
}

static void ask(struct shared_channel *c)
{
    if (c->asked || !c->shared->generation)
        return;
    c->asked = true;
    c->user = !c->kind.counted;
    c->shared->pipe->subscribe(c->shared->context, c, c->user);
    c->before = true;
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

struct shared_channel *shared_open(struct shared *s, struct slice app, struct slice name,
                                   const struct shared_opening *how, uint64_t now)
{
    struct shared_channel *c;

    s->now = now;
    c = shared_channel_get(s, app, name);
    assert(!c->life);
    list_remove(&c->idle);
    c->life = how->life;
    c->kind = how->kind;
    c->presence = how->presence;
    c->owner = how->owner;
    c->opened = c->suspect = c->checking = false;
    c->direct = s->degraded;
    c->count = c->kind.counted; /* whoever opens it subscribes */
    count_settle(c);
    if (c->kind.fresh)
        c->before = c->asked = c->subscribed = false;
    ask(c);
    if (c->presence) {
        presence_share(c->presence, c, c->direct);
        presence_hold(c->presence, s->hold_until);
        presence_hold(c->presence, c->partition->hold_until);
        shared_want_snapshot(c);
        c->check_at = now + ROTATION_MS;
        list_append(&s->rotation, &c->rotation);
    }
    shared_maybe_opened(c);
    return c;
}

void shared_close(struct shared_channel *c, bool unclean, uint64_t now)
{
    struct shared *s = c->shared;

    s->now = now;
    if (s->generation)
        send_waiting(c);
    c->life = 0;
    c->owner = NULL;
    deliver_waiting(c, false);
    if (c->presence)
        replica_restart(&c->presence->replica);
    c->presence = NULL;
    list_remove(&c->rotation);
    list_remove(&c->holding);
    list_remove(&c->snapshot);
    shared_count(c, 0, unclean);
    go_idle(c);
    shared_channel_drop(c);
}

void shared_count(struct shared_channel *c, unsigned n, bool unclean)
{
    if (!c->kind.counted)
        return;
    c->count = n;
    c->count_unclean = unclean;
    count_settle(c);
}

void shared_turn_ends(struct shared *s)
{
    while (!list_empty(&s->busy)) {
        struct partition *p = CONTAINER_OF(s->busy.next, struct partition, busy);

        list_remove(&p->busy);
        partition_flush(p);
    }
}

/* Is the replica in step? */

static void check(struct shared_channel *c, bool now)
{
    c->check_now |= now;
    c->checking = true;
    c->checked = c->presence->replica.at;
    c->shared->pipe->version(c->shared->context, c);
}

void shared_in_step(struct shared_channel *c)
{
    c->suspect = c->check_now = false;
    c->check_at = c->shared->now + ROTATION_MS;
    if (c->direct && !c->shared->degraded)
        set_direct(c, false);
}

static void out_of_step(struct shared_channel *c)
{
    presence_hold(c->presence, c->shared->now + HOLD_LINK_MS);
    c->presence->replica.passed = UINT64_MAX; /* a push may be lost */
    shared_want_snapshot(c);
}

/* A push that is on its way explains a difference; on new links nothing of before is. */
void shared_version(struct shared_channel *c, struct version v, uint64_t now)
{
    struct replica *r = c->presence ? &c->presence->replica : NULL;
    bool moved = r && !version_eq(r->at, c->checked);

    c->shared->now = now;
    c->checking = false;
    if (!r || !r->live)
        return;
    if (!v.seq && presence_is_void(c->presence))
        r->at = v; /* a version ends a minute after the last member */
    if (version_eq(v, r->at)) {
        presence_in_step(c->presence);
        shared_in_step(c);
    } else if (!moved &&
               (c->check_now || (c->suspect && version_eq(r->at, c->suspected)))) {
        out_of_step(c);
    } else {
        c->suspect = !moved; /* a replica that moves again wasn't stuck */
        c->suspected = r->at;
        c->check_at = now + SUSPICION_MS;
    }
}

static void rotate(struct shared *s)
{
    for (unsigned i = 0; i < ROTATION_BURST && !list_empty(&s->rotation); i++) {
        struct shared_channel *c =
            CONTAINER_OF(s->rotation.next, struct shared_channel, rotation);

        list_remove(&c->rotation);
        list_append(&s->rotation, &c->rotation);
        if (s->now >= c->check_at && !c->checking && c->subscribed &&
            c->presence->replica.live)
            check(c, false);
    }
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
        if (list_empty(&c->presence->going))
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
        rotate(s);
    end_holds(s);
    drop_idle(s);
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_tick(&s->partitions[i]);
    shared_turn_ends(s);
}

/* The links */

static void each_channel(struct shared *s, void (*f)(struct shared_channel *c))
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct hmap *all = &s->partitions[i].channels;

        for (size_t b = 0; b <= all->mask; b++) {
            for (struct hmap_node *n = all->buckets[b], *next; n; n = next) {
                next = n->next;
                f(CONTAINER_OF(n, struct shared_channel, by_name));
            }
        }
    }
}

/* Joins wait for the subscription, so that their pushes arrive. */
static void settle_references(struct shared_channel *c)
{
    struct list *next;

    c->pins++; /* the last one would take the channel with it */
    for (struct list *at = c->references.next; at != &c->references; at = next) {
        next = at->next;
        reference_settle(CONTAINER_OF(at, struct reference, of_channel));
    }
    c->pins--;
}

static void links_lost(struct shared_channel *c)
{
    c->asked = c->subscribed = c->checking = false;
    list_remove(&c->snapshot);
    settle_references(c);
}

void shared_link_down(struct shared *s)
{
    if (!s->generation)
        return;
    s->generation = 0;
    each_channel(s, links_lost);
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_lost(&s->partitions[i]);
}

static void links_are_new(struct shared_channel *c)
{
    if (!c->life)
        return;
    if (c->presence) {
        presence_hold(c->presence, c->shared->now + HOLD_LINK_MS);
        c->presence->replica.passed = UINT64_MAX; /* pushes may be lost */
    }
    ask(c);
}

void shared_link_up(struct shared *s, uint64_t generation, uint64_t now)
{
    s->now = now;
    shared_link_down(s);
    s->generation = generation;
    if (generation > 1) /* for lives that begin meanwhile, too */
        s->hold_until = now + HOLD_LINK_MS;
    each_channel(s, links_are_new);
}

/* Subscribed, and Redis answers: a channel without presence is in step by that. */
static void step_in(struct shared_channel *c)
{
    if (!c->life || !c->subscribed)
        return;
    if (!c->presence)
        shared_in_step(c);
    else if (c->presence->replica.live)
        check(c, true);
    else
        shared_next_page(c);
}

void shared_subscribed(struct shared_channel *c, uint64_t now)
{
    c->shared->now = now;
    c->subscribed = true;
    settle_references(c);
    deliver_waiting(c, true);
    send_waiting(c);
    step_in(c);
    shared_maybe_opened(c);
}

void shared_push(struct shared_channel *c, const struct push *p, uint64_t now)
{
    c->shared->now = now;
    if (c->presence)
        presence_push(c->presence, p, now);
}

static void check_soon(struct shared_channel *c)
{
    c->check_at = c->shared->now;
}

void shared_table_lost(struct shared *s, uint64_t now)
{
    s->now = now;
    each_channel(s, check_soon);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        s->partitions[i].must_verify = true;
        partition_busy(&s->partitions[i]);
    }
}

static void decide_here(struct shared_channel *c)
{
    if (!c->life || c->direct)
        return;
    set_direct(c, true);
    deliver_waiting(c, false);
    shared_maybe_opened(c);
}

void shared_degraded(struct shared *s, bool degraded, uint64_t now)
{
    s->now = now;
    s->degraded = degraded;
    each_channel(s, degraded ? decide_here : step_in);
}

/* Names */

static void renamed(struct shared_channel *c)
{
    deliver_waiting(c, false);
    if (!c->presence)
        return;
    presence_hold(c->presence, c->shared->now + HOLD_LINK_MS);
    presence_renamed(c->presence, c->shared->now);
}

void shared_renamed(struct shared *s, uint64_t nid, uint64_t now)
{
    s->now = now;
    if (s->nid)
        s->old_nids[s->n_old++ % 8] = s->nid;
    s->nid = nid;
    s->ready = false;
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_renamed(&s->partitions[i]);
    each_channel(s, renamed);
}

void shared_ready(struct shared *s, uint64_t nid)
{
    if (nid != s->nid)
        return;
    s->ready = true;
    for (unsigned i = 0; i < PARTITIONS; i++)
        partition_busy(&s->partitions[i]);
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
    deliver_waiting(c, false);
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
