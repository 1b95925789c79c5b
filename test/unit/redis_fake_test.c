/* The simulator's Redis against a real one: the same random commands to both must have
 * the same replies, the same pushes in the same order, and leave the same webhooks to
 * send. What the simulator proves holds only as far as its Redis does what Redis does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "test/sim/fake_redis.h"
#include "test/unit/redis_scripts.h"

enum {
    SENDERS = 3,
    NIDS = 4,
    ROOMS = 5,
    USERS = 7,
    OPS_MAX = 12,
    COMMANDS = 1500,
    SEEDS = 8,
    LATE_MS = 300,
    HELD_MAX = 400
};

static const char *const rooms[ROOMS] = {"presence-a", "presence-b", "room-c", "#user-d",
                                         "presence-e with : and blanks"};
static const char *const users[USERS] = {"1", "2", "ann", "bob;x", "c,d", "", "\xc3\xa9"};

/* In which order a reap goes through channels and members is nobody's business; so
 * neither is the place of a change in the command: nonces are compared without it, and
 * what one command has said about a channel is compared as a set. */

static uint64_t tag_of(uint64_t nonce)
{
    return nonce >> 12;
}

static void assert_same_version(struct version a, struct version b)
{
    assert_true(a.seq == b.seq);
    assert_true(tag_of(a.nonce) == tag_of(b.nonce));
}

/* Lists that have no order, as sorted text. */
struct lines {
    char **v;
    unsigned n;
};

static void add_line(struct lines *l, const char *text)
{
    l->v = realloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = strdup(text);
}

static void lines_fini(struct lines *l)
{
    for (unsigned i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct lines){.n = 0};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Ends both. */
static void assert_same_lines(struct lines *a, struct lines *b)
{
    if (a->n)
        qsort(a->v, a->n, sizeof *a->v, by_text);
    if (b->n)
        qsort(b->v, b->n, sizeof *b->v, by_text);
    for (unsigned i = 0; i < a->n && i < b->n; i++)
        assert_string_equal(a->v[i], b->v[i]);
    assert_int_equal(a->n, b->n);
    lines_fini(a);
    lines_fini(b);
}

/* What was published on a channel: a line begins with the number of its command. */
struct said {
    struct lines lines;
    uint64_t tag, seq;
    unsigned commands, totals;
};

static void say(struct said *rooms_said, struct slice channel, const struct push *p)
{
    unsigned room = 0;
    struct said *s;
    char text[256];

    while (!slice_is(channel, rooms[room]))
        room++;
    s = &rooms_said[room];
    assert_true(p->at.seq == s->seq + 1 || p->at.seq == 1); /* 1: all was forgotten */
    s->commands += tag_of(p->at.nonce) != s->tag;
    s->tag = tag_of(p->at.nonce);
    s->seq = p->at.seq;
    snprintf(text, sizeof text, "%06u %c %llx %llx %.*s=%.*s", s->commands, (char)p->kind,
             (unsigned long long)s->tag, (unsigned long long)p->nid, SLICE_ARG(p->user),
             SLICE_ARG(p->info));
    add_line(&s->lines, text);
}

static void say_total(struct said *rooms_said, struct slice channel, unsigned total,
                      uint64_t epoch)
{
    unsigned room = 0;
    struct said *s;
    char text[64];

    while (!slice_is(channel, rooms[room]))
        room++;
    s = &rooms_said[room];
    snprintf(text, sizeof text, "C %06u %u %llx", ++s->totals, total,
             (unsigned long long)epoch);
    add_line(&s->lines, text);
}

/* Who sends a partition's webhooks. */
struct sender {
    uint64_t number, heard;
    struct slice held[HELD_MAX]; /* tokens of what it has, in the arena */
    unsigned n;
};

struct pair {
    struct scripts *real;
    struct fake fake;
    struct names names;
    struct arena arena;
    struct said *said[2]; /* the fake's and the real one's, by room */
    uint64_t state;       /* of the generator */
    uint64_t now, numbers[NIDS];
    unsigned partitions[ROOMS];
    struct sender senders[ROOMS][SENDERS];
    bool clean; /* all leaves are, so that all webhooks are due at once */
};

static unsigned below(struct pair *p, unsigned n)
{
    p->state ^= p->state << 13;
    p->state ^= p->state >> 7;
    p->state ^= p->state << 17;
    return (unsigned)(p->state >> 33) % n;
}

static uint64_t nid_of(unsigned i)
{
    return 0x1111111111111111ULL * (i + 1);
}

static void fake_push(void *context, struct slice app, struct slice channel,
                      const struct push *push)
{
    struct pair *p = context;

    (void)app;
    say(p->said[0], channel, push);
}

static void fake_published_total(void *context, struct slice app, struct slice channel,
                                 unsigned total, uint64_t epoch)
{
    struct pair *p = context;

    (void)app;
    say_total(p->said[0], channel, total, epoch);
}

static void begin(struct pair *p, struct scripts *s, uint64_t seed)
{
    const struct fake_rules rules = {.snapshot_page = SNAPSHOT_PAGE,
                                     .reap_page = REAP_PAGE,
                                     .list_page = 1000,
                                     .kept_empty = 60000};
    redisReply *r;

    *p = (struct pair){.real = s, .state = seed * 0x9e3779b97f4a7c15ULL, .now = 1000000};
    p->said[0] = calloc(ROOMS, sizeof *p->said[0]);
    p->said[1] = calloc(ROOMS, sizeof *p->said[1]);
    fake_init(&p->fake, rules, &p->names);
    p->fake.on_push = fake_push;
    p->fake.on_total = fake_published_total;
    p->fake.context = p;
    for (unsigned i = 0; i < ROOMS; i++)
        p->partitions[i] = redis_partition(APP, slice_of(rooms[i]));
    freeReplyObject(redis_server_ask(&s->server, "FLUSHALL"));
    redisFree(s->listener);
    s->listener = redisConnectUnix(s->server.socket);
    r = redisCommand(s->listener, "PSUBSCRIBE *c:app:*");
    assert_non_null(r);
    freeReplyObject(r);
}

static void end(struct pair *p)
{
    fake_fini(&p->fake);
    arena_fini(&p->arena);
    names_fini(&p->names);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned room = 0; room < ROOMS; room++)
            lines_fini(&p->said[i][room].lines); /* not compared: nobody heard the last */
        free(p->said[i]);
    }
}

/* Everything that was published so far. */
static void hear_all(struct pair *p)
{
    struct scripts *s = p->real;

    freeReplyObject(redis_server_ask(&s->server, "PUBLISH xc:app:end end"));
    for (;;) {
        struct redis_topic topic;
        struct redis_message m;
        struct slice name, payload;
        void *got = NULL;
        redisReply *r;

        assert_int_equal(redisGetReply(s->listener, &got), REDIS_OK);
        r = got;
        name = (struct slice){r->element[2]->str, r->element[2]->len};
        payload = (struct slice){r->element[3]->str, r->element[3]->len};
        if (slice_is(payload, "end")) {
            freeReplyObject(r);
            break;
        }
        assert_true(redis_topic_parse(&s->keys, name, &topic));
        assert_null(redis_message_decode(payload, &m));
        if (m.kind == MESSAGE_COUNT)
            say_total(p->said[1], topic.channel, (unsigned)m.count.total, m.count.epoch);
        else
            say(p->said[1], topic.channel, &m.push);
        freeReplyObject(r);
    }
    for (unsigned i = 0; i < ROOMS; i++)
        assert_same_lines(&p->said[1][i].lines, &p->said[0][i].lines);
}

static void add_members(struct lines *l, const struct op_reply *r)
{
    for (unsigned i = 0; i < r->n_members; i++) {
        uint64_t held = 0;
        char text[256];

        for (unsigned k = 0; k < r->members[i].n_nids; k++)
            held += r->members[i].nids[k];
        snprintf(text, sizeof text, "%.*s=%.*s %llx/%u", SLICE_ARG(r->members[i].user),
                 SLICE_ARG(r->members[i].info), (unsigned long long)held,
                 r->members[i].n_nids);
        add_line(l, text);
    }
}

static struct op random_op(struct pair *p, unsigned room)
{
    static const unsigned limits[] = {0, 0, 3};
    struct op op = {.app = APP, .channel = slice_of(rooms[room])};
    unsigned kind = below(p, 10);
    unsigned user = below(p, USERS);

    op.kind = kind < 4   ? OP_JOIN
              : kind < 7 ? OP_LEAVE
              : kind < 9 ? OP_COUNT
                         : OP_SNAPSHOT;
    op.webhooks = room == 2 ? WANT_OCCUPIED | WANT_COUNT | WANT_TOTALS
                            : WANT_OCCUPIED | WANT_MEMBERS;
    op.unclean = below(p, 2) && !p->clean;
    if (!p->clean && !below(p, 4))
        op.webhooks |= TOLD_BEFORE;
    if (op.kind == OP_JOIN || op.kind == OP_LEAVE) {
        op.user = slice_of(users[user]);
        op.hash = 0xfedcba9000ULL + user;
    }
    if (op.kind == OP_JOIN) {
        op.max = limits[below(p, 3)];
        op.info = below(p, 3) ? SLICE("{\"n\":1}") : SLICE_NONE;
    }
    if (op.kind == OP_COUNT) {
        op.count = below(p, 4) * (p->clean ? 30 : 1); /* above 100 they wait */
        op.hash = 0xabcdef00ULL + room;
    }
    return op;
}

static void do_batch(struct pair *p)
{
    struct op ops[OPS_MAX];
    unsigned first = below(p, ROOMS), who = below(p, NIDS);
    struct batch b = {.partition = p->partitions[first], .nid = nid_of(who), .ops = ops};
    struct batch_reply real, fake;
    struct buf bytes = BUF_INIT;

    while (b.n < 1 + below(p, OPS_MAX - 1)) {
        unsigned room = below(p, ROOMS);

        if (p->partitions[room] == b.partition)
            ops[b.n++] = random_op(p, room);
    }
    p->numbers[who] += below(p, 12) ? 1 : 0; /* now and then a stale one */
    b.number = p->numbers[who];
    b.epoch_if_new = 1 + below(p, 1000);
    if (below(p, 2)) /* and now and then another one than it is */
        b.epoch = below(p, 8) ? p->fake.data.partitions[b.partition].epoch : 1;
    b.nonce = (p->state | 1) << 12;
    fake = fake_batch(&p->fake, &b, &p->arena, p->now);
    redis_encode_batch(&p->real->keys, &b, LATE_MS, &bytes);
    assert_null(redis_decode_batch(run(p->real, &bytes), b.n, &p->real->memory, &real));
    assert_int_equal(real.status, fake.status);
    assert_true(real.epoch == fake.epoch);
    for (unsigned i = 0; real.status == REPLY_OK && i < b.n; i++) {
        struct lines members[2] = {{.n = 0}, {.n = 0}};

        assert_int_equal(real.ops[i].result, fake.ops[i].result);
        assert_same_version(real.ops[i].at, fake.ops[i].at);
        add_members(&members[0], &fake.ops[i]);
        add_members(&members[1], &real.ops[i]);
        assert_same_lines(&members[0], &members[1]);
    }
}

static void do_verify(struct pair *p)
{
    unsigned who = below(p, NIDS), part = p->partitions[below(p, ROOMS)];
    struct verify v = {part, nid_of(who), ++p->numbers[who]};
    struct verify_reply real, fake = fake_verify(&p->fake, &v, p->now);
    struct buf b = BUF_INIT;

    redis_encode_verify(&p->real->keys, &v, &b);
    assert_null(redis_decode_verify(run(p->real, &b), &real));
    assert_int_equal(real.status, fake.status);
    assert_true(real.epoch == fake.epoch);
    if (real.status == REPLY_OK)
        assert_true(real.sum == fake.sum);
}

static void add_entries(struct lines *l, const struct list_reply *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        const struct list_entry *e = &r->entries[i];
        char text[256];

        snprintf(text, sizeof text, "%.*s %s%.*s %u", SLICE_ARG(e->channel),
                 e->user.p ? "user " : "", SLICE_ARG(e->user), e->user.p ? 0 : e->count);
        add_line(l, text);
    }
}

static void do_list(struct pair *p)
{
    unsigned part = p->partitions[below(p, ROOMS)];
    uint64_t nid = nid_of(below(p, NIDS));
    struct lines entries[2] = {{.n = 0}, {.n = 0}};
    struct list_reply r = {.cursor = 0};

    do {
        r = fake_list(&p->fake, part, nid, r.cursor, &p->arena);
        add_entries(&entries[0], &r);
    } while (r.cursor);
    do {
        struct buf b = BUF_INIT;

        redis_encode_list(&p->real->keys, part, nid, r.cursor, &b);
        assert_null(redis_decode_list(run(p->real, &b), &p->real->memory, &r));
        add_entries(&entries[1], &r);
    } while (r.cursor);
    assert_same_lines(&entries[0], &entries[1]);
}

static void do_reap(struct pair *p)
{
    unsigned part = p->partitions[below(p, ROOMS)], who = below(p, NIDS);
    uint64_t nonce = (p->state | 1) << 12;
    struct buf b = BUF_INIT;
    bool more;

    if (below(p, 8))
        return; /* fences last an hour: what a fenced nid does is soon all alike */
    more = fake_reap(&p->fake, part, nid_of(who), nonce, p->now);
    redis_encode_reap(&p->real->keys, part, nid_of(who), nonce, LATE_MS, &b);
    {
        bool real = false;

        assert_null(redis_decode_reap(run(p->real, &b), &real));
        assert_int_equal(real, more);
    }
}

static void do_holders(struct pair *p)
{
    unsigned part = p->partitions[below(p, ROOMS)], n = 0;
    struct lines nids[2] = {{.n = 0}, {.n = 0}};
    const uint64_t *v = NULL;
    struct buf b = BUF_INIT;
    char text[32];

    n = fake_holders(&p->fake, part, &p->arena, &v);
    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%llx", (unsigned long long)v[i]);
        add_line(&nids[0], text);
    }
    redis_encode_holders(&p->real->keys, part, &b);
    assert_null(redis_decode_holders(run(p->real, &b), &p->real->memory, &v, &n));
    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%llx", (unsigned long long)v[i]);
        add_line(&nids[1], text);
    }
    assert_same_lines(&nids[0], &nids[1]);
}

static void do_version(struct pair *p)
{
    struct slice room = slice_of(rooms[below(p, ROOMS)]);
    struct version real, fake = fake_version(&p->fake, APP, room, p->now);
    struct buf b = BUF_INIT;

    redis_encode_version(&p->real->keys, APP, room, &b);
    assert_null(redis_decode_version(run(p->real, &b), &real));
    assert_same_version(real, fake);
}

/* Now and then each forgets everything, or only one nid's fence... and goes on. */
static void do_one(struct pair *p)
{
    unsigned what = below(p, 200);

    if (what < 130)
        do_batch(p);
    else if (what < 145)
        do_verify(p);
    else if (what < 160)
        do_list(p);
    else if (what < 170)
        do_reap(p);
    else if (what < 180)
        do_holders(p);
    else if (what < 198)
        do_version(p);
    else if (what == 198)
        do_reap(p);
    else {
        fake_empty(&p->fake);
        freeReplyObject(redis_server_ask(&p->real->server, "FLUSHALL"));
    }
}

/* Whatever waits for its time in a partition needn't any more. */
static void make_due(struct pair *p, unsigned partition)
{
    struct buf key = BUF_INIT;

    redis_key_base(&p->real->keys, partition, &key);
    buf_add_char(&key, 'w');
    freeReplyObject(
        redis_server_ask(&p->real->server, "EVAL %s 1 %b",
                         "for _, t in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
                         "redis.call('ZADD', KEYS[1], 0, t) end",
                         key.p, key.n));
    buf_fini(&key);
}

/* Which transitions wait to be sent; not when. */
static void same_webhooks(struct pair *p)
{
    static const char letters[] = {[HOOK_OCCUPIED] = 'O',
                                   [HOOK_VACATED] = 'V',
                                   [HOOK_ADDED] = 'A',
                                   [HOOK_REMOVED] = 'R',
                                   [HOOK_COUNT] = 'C'};
    struct lines hooks[2] = {{.n = 0}, {.n = 0}};
    char text[256];

    for (unsigned i = 0; i < p->fake.data.n_hooks; i++) {
        const struct hook *h = &p->fake.data.hooks[i];

        snprintf(text, sizeof text, "%c %.*s %.*s %u", letters[h->kind],
                 SLICE_ARG(h->channel->text),
                 SLICE_ARG(h->user ? h->user->text : SLICE("")), h->count);
        add_line(&hooks[0], text);
    }
    for (unsigned part = 0; part < PARTITIONS; part++) {
        struct redis_webhooks ask = {
            .partition = part, .id = 1, .number = 1, .limit = 100000, .lease_ms = 60000};
        struct redis_webhooks_reply r;
        struct buf b = BUF_INIT;
        const char *why;

        make_due(p, part);
        redis_encode_webhooks(&p->real->keys, &ask, &b);
        why = redis_decode_webhooks(run(p->real, &b), &p->real->memory, &r);
        assert_null(why);
        for (unsigned i = 0; i < r.n; i++) {
            snprintf(text, sizeof text, "%c %.*s %.*s %u", (char)r.entries[i].kind,
                     SLICE_ARG(r.entries[i].channel), SLICE_ARG(r.entries[i].user),
                     r.entries[i].count);
            add_line(&hooks[1], text);
        }
    }
    assert_same_lines(&hooks[0], &hooks[1]);
}

static uint64_t number_of(struct slice token)
{
    return strtoull(token.p, NULL, 10);
}

/* A part of what the sender has is done; the rest stays. */
static unsigned some_done(struct pair *p, struct sender *s, struct slice *tokens,
                          uint64_t *numbers)
{
    unsigned n = 0, kept = 0;

    for (unsigned i = 0; i < s->n; i++) {
        if (below(p, 3)) {
            s->held[kept++] = s->held[i];
            continue;
        }
        tokens[n] = s->held[i];
        numbers[n++] = number_of(s->held[i]);
    }
    s->n = kept;
    return n;
}

static void same_taken(struct pair *p, struct sender *s,
                       const struct redis_webhooks_reply *real,
                       const struct claim_reply *fake, bool heard)
{
    assert_int_equal(real->n, fake->n);
    for (unsigned i = 0; i < real->n; i++) {
        struct slice token = real->entries[i].token;
        char *copy = arena_alloc(&p->arena, token.n + 1);

        assert_true(number_of(token) == fake->hooks[i].number);
        assert_true(slice_eq(real->entries[i].channel, fake->hooks[i].channel->text));
        assert_int_equal(real->entries[i].count, fake->hooks[i].count);
        memcpy(copy, token.p, token.n);
        if (heard && s->n < HELD_MAX)
            s->held[s->n++] = (struct slice){copy, token.n};
    }
}

/* Rooms of one partition have one sender on each node. */
static struct sender *sender_of(struct pair *p, unsigned room, unsigned who)
{
    unsigned first = 0;

    while (p->partitions[first] != p->partitions[room])
        first++;
    return &p->senders[first][who];
}

/* Now and then the answer is lost, the lease brief, the command late, or the sender
 * leaves. */
static void do_claim(struct pair *p)
{
    unsigned room = below(p, ROOMS), who = below(p, SENDERS);
    struct sender *s = sender_of(p, room, who);
    bool late = s->number && !below(p, 20), leaves = !late && !below(p, 20),
         heard = below(p, 8);
    struct slice tokens[HELD_MAX];
    uint64_t numbers[HELD_MAX];
    unsigned n = late ? 0 : some_done(p, s, tokens, numbers);
    struct claim claim = {.partition = p->partitions[room],
                          .sender = nid_of(who),
                          .number = late ? s->number : ++s->number,
                          .heard = s->heard,
                          .done = numbers,
                          .n_done = n,
                          .limit = below(p, 6),
                          .lease_ms = below(p, 6) ? 60000 : 0,
                          .leaves = leaves};
    struct redis_webhooks ask = {.partition = claim.partition,
                                 .id = claim.sender,
                                 .number = claim.number,
                                 .heard = claim.heard,
                                 .done = tokens,
                                 .n_done = n,
                                 .limit = claim.limit,
                                 .lease_ms = claim.lease_ms,
                                 .leaves = leaves};
    struct claim_reply fake = fake_claim(&p->fake, &claim, &p->arena, p->now);
    struct redis_webhooks_reply real;
    struct buf b = BUF_INIT;

    redis_encode_webhooks(&p->real->keys, &ask, &b);
    assert_null(redis_decode_webhooks(run(p->real, &b), &p->real->memory, &real));
    if (leaves)
        s->n = 0;
    same_taken(p, s, &real, &fake, heard && !late);
    if (!leaves && !late)
        assert_int_equal(real.more, fake.more);
    if (heard && !late)
        s->heard = claim.number;
}

static void webhooks_are_dealt_out_alike(void **state)
{
    for (uint64_t seed = 200; seed < 200 + SEEDS; seed++) {
        struct pair *p = calloc(1, sizeof *p);

        begin(p, *state, seed);
        p->clean = true;
        for (unsigned i = 0; i < COMMANDS; i++, p->now++) {
            if (below(p, 3))
                do_claim(p);
            else
                do_batch(p);
        }
        end(p);
        free(p);
    }
}

static void random_commands_have_the_same_effect(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct pair p;

        begin(&p, *state, seed);
        for (unsigned i = 0; i < COMMANDS; i++) {
            do_one(&p);
            p.now++;
        }
        hear_all(&p);
        end(&p);
    }
}

/* So few that all of them fit, and with leaves that are due only long after. */
static void the_same_webhooks_are_left_to_send(void **state)
{
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++) {
        struct pair p;

        begin(&p, *state, seed);
        for (unsigned i = 0; i < 40; i++) {
            do_one(&p);
            p.now++;
        }
        same_webhooks(&p);
        end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRIPTS_TEST(random_commands_have_the_same_effect),
        SCRIPTS_TEST(the_same_webhooks_are_left_to_send),
        SCRIPTS_TEST(webhooks_are_dealt_out_alike),
    };

    return cmocka_run_group_tests(tests, scripts_setup, scripts_teardown);
}
