/* What the tests of a home share: one with one presence channel, whose links are up, and
 * what it has asked of Redis and told its clients. */
#ifndef MUSTER_TEST_SHARED_HOME_H
#define MUSTER_TEST_SHARED_HOME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "presence/presence.h"
#include "presence/shared.h"
#include "presence/shared_channel.h"
#include "server/base/xalloc.h"

enum { JOINERS = 40, INFO = 200 * 1024 };

struct world {
    struct shared *shared;
    struct shared_channel *channel;
    struct presence presence;
    struct presence_ref refs[JOINERS];
    char *info;
    unsigned partition, verifies, ops, joins; /* of the batch */
    unsigned verified[4];                     /* partitions */
    unsigned counts;                          /* of the room, in all */
    enum op_kind kinds[BATCH_OPS];            /* of the batch */
    bool told[BATCH_OPS];                     /* before, says the batch */
    size_t bytes;
    uint64_t random;
    unsigned added, removed, known, published; /* told */
    unsigned total, totals, totals_asked;      /* the last one told, how many were */
};

static inline uint64_t random_number(void *context)
{
    struct world *w = context;

    return ++w->random << 20;
}

static inline void subscribe(void *context, struct shared_channel *c, bool user)
{
    (void)context, (void)c, (void)user;
}

static inline void unsubscribe(void *context, struct shared_channel *c)
{
    (void)context, (void)c;
}

static inline void batch(void *context, const struct batch *b)
{
    struct world *w = context;

    w->partition = b->partition;
    w->ops = b->n;
    w->joins = 0;
    w->bytes = 0;
    for (unsigned i = 0; i < b->n; i++) {
        w->kinds[i] = b->ops[i].kind;
        w->told[i] = b->ops[i].webhooks & TOLD_BEFORE;
        w->joins += b->ops[i].kind == OP_JOIN;
        w->counts += b->ops[i].kind == OP_COUNT && slice_is(b->ops[i].channel, "room");
        w->bytes += b->ops[i].user.n + b->ops[i].info.n;
    }
}

static inline void verify(void *context, const struct verify *v)
{
    struct world *w = context;

    w->partition = v->partition;
    if (w->verifies < 4)
        w->verified[w->verifies++] = v->partition;
}

static inline void list(void *context, unsigned partition, uint64_t nid, uint64_t cursor)
{
    (void)context, (void)partition, (void)nid, (void)cursor;
}

static inline void publish(void *context, struct shared_channel *c,
                           struct shared_event *e)
{
    (void)context, (void)c, (void)e;
}

static inline void version(void *context, struct shared_channel *c)
{
    (void)context, (void)c;
}

static inline void ask_total(void *context, struct shared_channel *c)
{
    (void)c;
    ((struct world *)context)->totals_asked++;
}

static const struct shared_pipe pipe = {.random = random_number,
                                        .subscribe = subscribe,
                                        .unsubscribe = unsubscribe,
                                        .batch = batch,
                                        .verify = verify,
                                        .list = list,
                                        .publish = publish,
                                        .version = version,
                                        .total = ask_total};

static inline void opened(void *context, struct shared_channel *c)
{
    (void)context, (void)c;
}

static inline void published(void *context, struct shared_channel *c,
                             struct shared_event *e)
{
    (void)e;
    ((struct world *)context)->published += shared_life(c) != 0;
}

static inline void total(void *context, struct shared_channel *c, unsigned n)
{
    struct world *w = context;

    (void)c;
    w->total = n;
    w->totals++;
}

static const struct shared_sink sink = {
    .opened = opened, .published = published, .total = total};

static inline void added(void *context, const struct member *m)
{
    (void)m;
    ((struct world *)context)->added++;
}

static inline void removed(void *context, const struct member *m)
{
    (void)m;
    ((struct world *)context)->removed++;
}

static inline void known(void *context)
{
    ((struct world *)context)->known++;
}

static inline void decided(void *context, struct presence_ref *ref)
{
    (void)context, (void)ref;
}

static const struct presence_sink told = {added, removed, decided, decided, known};

static inline void open_life(struct world *w, uint64_t life)
{
    static const struct hash_seed seed = {1, 2};

    presence_init(&w->presence, (struct presence_rules){1000, 0}, seed, &told, w);
    w->channel = shared_open(w->shared, SLICE("app"), SLICE("presence-x"),
                             &(struct shared_opening){.life = life,
                                                      .kind = {.counted = true},
                                                      .presence = &w->presence,
                                                      .owner = w},
                             0);
}

static inline void begin(struct world *w)
{
    static const struct hash_seed seed = {1, 2};

    *w = (struct world){.info = xcalloc(1, INFO)};
    memset(w->info, '1', INFO);
    w->shared = shared_alloc(&pipe, &sink, w, seed);
    shared_renamed(w->shared, 7, 0);
    shared_link_up(w->shared, 1, 0);
    shared_ready(w->shared, 7);
    open_life(w, 1);
}

static inline void end(struct world *w)
{
    for (unsigned i = 0; i < JOINERS; i++)
        if (w->refs[i].member || w->refs[i].reference)
            presence_leave(&w->presence, &w->refs[i], EXIT_CLEAN, 0);
    shared_close(w->channel, false, 0);
    presence_fini(&w->presence);
    shared_free(w->shared);
    free(w->info);
}

static inline void answer_verify(struct world *w)
{
    shared_turn_ends(w->shared);
    assert_int_equal(w->verifies, 1);
    shared_verified(w->shared, w->partition,
                    &(struct verify_reply){.status = REPLY_OK, .epoch = 1}, 0);
}

/* All of the batch was done. */
static inline void answer_batch(struct world *w)
{
    struct op_reply replies[BATCH_OPS] = {{.at = {1, 1}}};

    for (unsigned i = 0; i < w->ops; i++)
        replies[i] = (struct op_reply){.result = RESULT_NONE, .at = {1, 1}};
    w->ops = w->joins = 0;
    shared_batched(w->shared, w->partition,
                   &(struct batch_reply){REPLY_OK, 1, replies, BATCH_OPS}, 0);
    shared_turn_ends(w->shared);
}

static inline void take(struct world *w, uint64_t seq,
                        const struct replica_member *members, unsigned n, uint64_t now)
{
    replica_restart(&w->presence.replica);
    presence_page(
        &w->presence,
        &(struct op_reply){.at = {seq, seq}, .members = members, .n_members = n}, now);
}

/* The batch was done: u's join, if it is in it, at that version. */
static inline void answer_at(struct world *w, uint64_t epoch, struct version at)
{
    static uint64_t own[] = {7};
    const struct replica_member u = {.user = SLICE("u"), .nids = own, .n_nids = 1};
    struct op_reply replies[BATCH_OPS] = {{.at = at}};

    shared_turn_ends(w->shared);
    for (unsigned i = 0; i < w->ops; i++) {
        replies[i] = (struct op_reply){.at = at};
        if (w->kinds[i] == OP_JOIN)
            replies[i].result = RESULT_ADDED;
        else if (w->kinds[i] == OP_SNAPSHOT)
            replies[i].members = &u, replies[i].n_members = 1;
    }
    shared_batched(w->shared, w->partition,
                   &(struct batch_reply){REPLY_OK, epoch, replies, w->ops},
                   w->shared->now);
    w->ops = 0;
    shared_turn_ends(w->shared);
}

/* counted: its count is through, too. */
static inline void begin_subscribed(struct world *w, bool counted)
{
    begin(w);
    answer_verify(w);
    if (counted)
        answer_at(w, 1, (struct version){0, 0});
    shared_subscribed(w->channel, 0);
}

static inline void u_comes(struct world *w, struct version at)
{
    const struct push push = {
        .kind = PUSH_ADDED, .at = at, .prev_nonce = 0, .nid = 7, .user = SLICE("u")};

    shared_push(w->channel, &push, 0);
}

/* u is in, at version 1, and his push has come: nothing of that is news. */
static inline void begin_with_u(struct world *w, bool counted)
{
    begin_subscribed(w, counted);
    presence_join(&w->presence, &w->refs[0], SLICE("u"), SLICE_NONE);
    answer_at(w, 1, (struct version){1, 1});
    assert_null(w->refs[0].member); /* before his push */
    u_comes(w, (struct version){1, 1});
    assert_non_null(w->refs[0].member);
    w->added = w->removed = 0;
}

static inline void new_life(struct world *w, uint64_t life)
{
    presence_fini(&w->presence);
    open_life(w, life);
    presence_join(&w->presence, &w->refs[0], SLICE("u"), SLICE_NONE);
}

static inline void v_comes_and_goes(struct world *w, unsigned seq)
{
    const struct push push = {.kind = seq % 2 ? PUSH_REMOVED : PUSH_ADDED,
                              .at = {seq, seq},
                              .prev_nonce = seq - 1,
                              .nid = 9,
                              .user = SLICE("v")};

    shared_push(w->channel, &push, 0);
}

static inline void answer_all_verifies(struct world *w)
{
    shared_turn_ends(w->shared);
    while (w->verifies)
        shared_verified(w->shared, w->verified[--w->verifies],
                        &(struct verify_reply){.status = REPLY_OK, .epoch = 1}, 0);
    shared_turn_ends(w->shared);
}

#endif
