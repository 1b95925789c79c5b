/* What the tests of the scripts share: a Redis with all scripts loaded, a listener, and
 * each command as one call. Redis's database is emptied before each test. */
#ifndef MUSTER_TEST_REDIS_SCRIPTS_H
#define MUSTER_TEST_REDIS_SCRIPTS_H

#include "adapters/redis_push.h"
#include "adapters/redis_script.h"
#include "test/unit/redis_server.h"

#define APP SLICE("app")
#define ROOM SLICE("presence-r")

enum { DELAY_MS = 400, HASH_A = 1000, HASH_B = 30 };

struct scripts {
    struct redis_server server;
    struct redis_keys keys;
    redisContext *listener;
    redisReply *heard;  /* the last push's */
    redisReply *answer; /* the last command's */
    void *memory;       /* of what was decoded from it */
    uint64_t batches;   /* so far, of every nid */
    unsigned partition; /* ROOM's */
};

static const uint64_t N1 = 0x1111111111111111, N2 = 0x2222222222222222;

static inline int scripts_setup(void **state)
{
    static struct scripts s;

    redis_server_start(&s.server, "");
    redis_keys_init(&s.keys, "t:", 0);
    s.partition = redis_partition(APP, ROOM);
    for (unsigned i = 0; i < REDIS_SCRIPTS; i++) {
        const struct redis_script_source *source = &redis_script_sources[i];
        redisReply *r =
            redis_server_ask(&s.server, "SCRIPT LOAD %b", source->text.p, source->text.n);

        assert_string_equal(r->str, source->sha1);
        freeReplyObject(r);
    }
    *state = &s;
    return 0;
}

static inline int scripts_teardown(void **state)
{
    struct scripts *s = *state;

    redis_server_end(&s->server);
    return 0;
}

static inline void forget_answer(struct scripts *s)
{
    if (s->answer)
        freeReplyObject(s->answer);
    s->answer = NULL;
    free(s->memory);
    s->memory = NULL;
}

/* Sends the command and frees its bytes; the reply stays until the next one. */
static inline redisReply *run(struct scripts *s, struct buf *b)
{
    void *r = NULL;

    forget_answer(s);
    redisAppendFormattedCommand(s->server.control, b->p, b->n);
    assert_int_equal(redisGetReply(s->server.control, &r), REDIS_OK);
    buf_fini(b);
    s->answer = r;
    if (s->answer->type == REDIS_REPLY_ERROR)
        fail_msg("%s", s->answer->str);
    return s->answer;
}

static inline void listen_to(struct scripts *s, struct slice channel)
{
    struct buf b = BUF_INIT;
    redisReply *r;

    redis_key_of_channel(&s->keys, TOPIC_CHANNEL, APP, channel, &b);
    s->listener = redisConnectUnix(s->server.socket);
    r = redisCommand(s->listener, "SUBSCRIBE %b", b.p, b.n);
    assert_non_null(r);
    freeReplyObject(r);
    buf_fini(&b);
}

static inline int scripts_begin(void **state)
{
    struct scripts *s = *state;

    freeReplyObject(redis_server_ask(&s->server, "FLUSHALL"));
    s->batches = 0;
    listen_to(s, ROOM);
    return 0;
}

static inline int scripts_end(void **state)
{
    struct scripts *s = *state;

    forget_answer(s);
    if (s->heard)
        freeReplyObject(s->heard);
    s->heard = NULL;
    redisFree(s->listener);
    return 0;
}

#define SCRIPTS_TEST(f) cmocka_unit_test_setup_teardown(f, scripts_begin, scripts_end)

/* The next message of ROOM; waits for it. */
static inline struct redis_message hear(struct scripts *s)
{
    const struct timeval second = {1, 0};
    struct redis_message m;
    void *r = NULL;
    const char *wrong;

    if (s->heard)
        freeReplyObject(s->heard);
    redisSetTimeout(s->listener, second);
    if (redisGetReply(s->listener, &r) != REDIS_OK)
        fail_msg("nothing was published");
    s->heard = r;
    wrong = redis_message_decode(
        (struct slice){s->heard->element[2]->str, s->heard->element[2]->len}, &m);
    if (wrong)
        fail_msg("%s", wrong);
    return m;
}

/* Nothing is published before a message that is published now. */
static inline void assert_silence(struct scripts *s)
{
    const struct redis_event mark = {.nid = 1, .text = SLICE("mark")};
    struct buf message = BUF_INIT, b = BUF_INIT;

    redis_event_encode(&mark, &message);
    redis_encode_publish(&s->keys, TOPIC_CHANNEL, APP, ROOM, buf_slice(&message), &b);
    run(s, &b);
    buf_fini(&message);
    assert_int_equal(hear(s).kind, MESSAGE_EVENT);
}

static inline struct op join(const char *user)
{
    return (struct op){.kind = OP_JOIN,
                       .app = APP,
                       .channel = ROOM,
                       .user = slice_of(user),
                       .info = SLICE("{\"n\":1}"),
                       .hash = HASH_A};
}

static inline struct op leave(const char *user)
{
    return (struct op){.kind = OP_LEAVE,
                       .app = APP,
                       .channel = ROOM,
                       .user = slice_of(user),
                       .hash = HASH_A};
}

static inline struct op count(unsigned n)
{
    return (struct op){
        .kind = OP_COUNT, .app = APP, .channel = ROOM, .count = n, .hash = HASH_B};
}

static inline struct op snapshot(uint64_t cursor)
{
    return (struct op){
        .kind = OP_SNAPSHOT, .app = APP, .channel = ROOM, .cursor = cursor};
}

static inline struct batch_reply batch_numbered(struct scripts *s, uint64_t nid,
                                                uint64_t number, const struct op *ops,
                                                unsigned n)
{
    const struct batch b = {.partition = s->partition,
                            .nid = nid,
                            .number = number,
                            .epoch_if_new = 0xe,
                            .nonce = (0xabc0 + number) << 12,
                            .ops = ops,
                            .n = n};
    struct batch_reply out;
    struct buf bytes = BUF_INIT;
    const char *wrong;
    const redisReply *r;

    redis_encode_batch(&s->keys, &b, DELAY_MS, &bytes);
    r = run(s, &bytes);
    wrong = redis_decode_batch(r, n, &s->memory, &out);
    if (wrong)
        fail_msg("%s", wrong);
    return out;
}

static inline struct batch_reply batch(struct scripts *s, uint64_t nid,
                                       const struct op *ops, unsigned n)
{
    return batch_numbered(s, nid, ++s->batches, ops, n);
}

/* One operation, its reply. */
static inline struct op_reply does(struct scripts *s, uint64_t nid, struct op op)
{
    struct batch_reply r = batch(s, nid, &op, 1);

    assert_int_equal(r.status, REPLY_OK);
    return r.ops[0];
}

static inline struct verify_reply verify_numbered(struct scripts *s, uint64_t nid,
                                                  uint64_t number)
{
    const struct verify v = {s->partition, nid, number};
    struct verify_reply out;
    struct buf b = BUF_INIT;

    redis_encode_verify(&s->keys, &v, &b);
    assert_null(redis_decode_verify(run(s, &b), &out));
    return out;
}

static inline uint64_t sum(struct scripts *s, uint64_t nid)
{
    return verify_numbered(s, nid, ++s->batches).sum;
}

/* Of a key of ROOM's partition: "x:<nid>", "l:app"; the reply stays until the next. */
static inline const redisReply *ask(struct scripts *s, const char *verb, const char *key,
                                    const char *more)
{
    struct buf b = BUF_INIT, base = BUF_INIT;

    redis_key_base(&s->keys, s->partition, &base);
    buf_addf(&base, "%s", key);
    redis_command_encode(
        &b, (const struct slice[]){slice_of(verb), buf_slice(&base), slice_of(more)},
        *more ? 3 : 2);
    buf_fini(&base);
    return run(s, &b);
}

static inline bool reap(struct scripts *s, uint64_t nid, uint64_t nonce)
{
    struct buf b = BUF_INIT;
    bool more;

    redis_encode_reap(&s->keys, s->partition, nid, nonce, DELAY_MS, &b);
    assert_null(redis_decode_reap(run(s, &b), &more));
    return more;
}

#endif
