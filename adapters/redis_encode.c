/* Commands as Redis's protocol has them: `*<words>\r\n`, then each word as
 * `$<bytes>\r\n…\r\n`. A script's command is EVALSHA <sha1> 1 <key> and its arguments;
 * the one key leads a cluster to the slot, all others begin with the base that is among
 * the arguments. A batch may have 1,800 words: so numbers are written by hand, not by
 * printf.
 */
#include "adapters/redis_script.h"

#include <assert.h>

enum { NONCE_COUNT_BITS = 12, HEX_DIGITS = 16, LIST_PAGE = 1000 };
enum { BATCH_HEAD = 384, BATCH_WORD = 32 }; /* bytes that most have room in */

enum { DECIMAL_DIGITS = 20, HEAD_MAX = 1 + DECIMAL_DIGITS + 2 };

static struct slice decimal(char digits[DECIMAL_DIGITS], uint64_t value)
{
    char *end = digits + DECIMAL_DIGITS, *p = end;

    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    return (struct slice){p, (size_t)(end - p)};
}

static void add_hex(struct buf *to, uint64_t value, unsigned digits)
{
    char *p = buf_reserve(to, digits);

    for (unsigned i = digits; i--; value >>= 4)
        p[i] = "0123456789abcdef"[value & 15];
    to->n += digits;
}

/* Writes at most HEAD_MAX bytes; returns what is behind them. */
static char *put_size(char *p, char mark, size_t n)
{
    char digits[DECIMAL_DIGITS];
    struct slice text = decimal(digits, n);

    *p++ = mark;
    memcpy(p, text.p, text.n);
    memcpy(p + text.n, "\r\n", 2);
    return p + text.n + 2;
}

static void add_size(struct buf *to, char mark, size_t n)
{
    to->n = (size_t)(put_size(buf_reserve(to, HEAD_MAX), mark, n) - to->p);
}

static void add_word(struct buf *to, struct slice s)
{
    char *p = put_size(buf_reserve(to, HEAD_MAX + s.n + 2), '$', s.n);

    if (s.n)
        memcpy(p, s.p, s.n);
    memcpy(p + s.n, "\r\n", 2);
    to->n = (size_t)(p + s.n + 2 - to->p);
}

/* What stands from start on becomes a word. */
static void wrap(struct buf *to, size_t start)
{
    size_t n = to->n - start, size;
    char head[HEAD_MAX], *p;

    size = (size_t)(put_size(head, '$', n) - head);
    p = buf_reserve(to, size + 2) - n;
    memmove(p + size, p, n);
    memcpy(p, head, size);
    memcpy(p + size + n, "\r\n", 2);
    to->n += size + 2;
}

static void add_number(struct buf *to, uint64_t value)
{
    char digits[DECIMAL_DIGITS];

    add_word(to, decimal(digits, value));
}

/* An id, an epoch: 16 hex digits; of a nonce only the random ones. */
static void add_id(struct buf *to, uint64_t id)
{
    add_size(to, '$', HEX_DIGITS);
    add_hex(to, id, HEX_DIGITS);
    buf_add_lit(to, "\r\n");
}

static void add_tag(struct buf *to, uint64_t nonce)
{
    add_size(to, '$', HEX_DIGITS - NONCE_COUNT_BITS / 4);
    add_hex(to, nonce >> NONCE_COUNT_BITS, HEX_DIGITS - NONCE_COUNT_BITS / 4);
    buf_add_lit(to, "\r\n");
}

static void add_channel(struct buf *to, struct slice app, struct slice channel)
{
    add_size(to, '$', app.n + 1 + channel.n);
    buf_add_slice(to, app);
    buf_add_char(to, ':');
    buf_add_slice(to, channel);
    buf_add_lit(to, "\r\n");
}

/* A word that the function adds to k_. */
#define ADD_KEY(to, add_to)      \
    do {                         \
        struct buf *k_ = (to);   \
        size_t start_ = (to)->n; \
        add_to;                  \
        wrap((to), start_);      \
    } while (0)

void redis_command_encode(struct buf *to, const struct slice *words, size_t n)
{
    add_size(to, '*', n);
    for (size_t i = 0; i < n; i++)
        add_word(to, words[i]);
}

static void begin(struct buf *to, enum redis_script script, size_t keys, size_t arguments)
{
    add_size(to, '*', 3 + keys + arguments);
    add_word(to, SLICE("EVALSHA"));
    add_word(to, (struct slice){redis_script_sources[script].sha1, 40});
    add_number(to, keys);
}

/* Of a script that gets the base: its key is the partition's epoch. */
static void begin_in(struct buf *to, const struct redis_keys *k, enum redis_script script,
                     unsigned partition, size_t arguments)
{
    begin(to, script, 1, 1 + arguments);
    ADD_KEY(to, redis_key_of_partition(k, partition, KEY_EPOCH, k_));
    ADD_KEY(to, redis_key_base(k, partition, k_));
}

/* Words of an operation, its letter and channel included. */
static size_t words_of(const struct op *op)
{
    switch (op->kind) {
    case OP_JOIN:
        return 7;
    case OP_LEAVE:
    case OP_COUNT:
        return 6;
    case OP_SNAPSHOT:
        return 4;
    }
    return 0;
}

static void add_op(struct buf *to, const struct op *op, unsigned webhook_delay)
{
    static const char letters[] = {
        [OP_JOIN] = 'J', [OP_LEAVE] = 'L', [OP_COUNT] = 'C', [OP_SNAPSHOT] = 'S'};

    add_word(to, (struct slice){&letters[op->kind], 1});
    add_channel(to, op->app, op->channel);
    if (op->kind == OP_SNAPSHOT) {
        add_number(to, op->cursor);
        add_number(to, SNAPSHOT_PAGE);
        return;
    }
    if (op->kind == OP_COUNT) {
        add_number(to, op->count);
    } else {
        add_word(to, op->user);
    }
    if (op->kind == OP_JOIN) {
        add_word(to, op->info);
        add_number(to, op->max);
    }
    add_number(to, op->hash);
    add_number(to, op->webhooks);
    if (op->kind != OP_JOIN)
        add_number(to, op->unclean ? webhook_delay : 0);
}

void redis_encode_batch(const struct redis_keys *k, const struct batch *b,
                        unsigned webhook_delay, struct buf *to)
{
    size_t words = 0;

    assert(b->n <= BATCH_OPS);
    for (unsigned i = 0; i < b->n; i++)
        words += words_of(&b->ops[i]);
    buf_reserve(to, BATCH_HEAD + words * BATCH_WORD);
    begin_in(to, k, SCRIPT_BATCH, b->partition, 5 + words);
    add_id(to, b->nid);
    add_tag(to, b->nonce);
    add_number(to, b->number);
    add_id(to, b->epoch_if_new);
    if (b->epoch)
        add_id(to, b->epoch);
    else
        add_word(to, SLICE(""));
    for (unsigned i = 0; i < b->n; i++)
        add_op(to, &b->ops[i], webhook_delay);
}

void redis_encode_verify(const struct redis_keys *k, const struct verify *v,
                         struct buf *to)
{
    begin_in(to, k, SCRIPT_VERIFY, v->partition, 2);
    add_id(to, v->nid);
    add_number(to, v->number);
}

void redis_encode_list(const struct redis_keys *k, unsigned partition, uint64_t nid,
                       uint64_t cursor, struct buf *to)
{
    begin_in(to, k, SCRIPT_LIST, partition, 3);
    add_id(to, nid);
    add_number(to, cursor);
    add_number(to, LIST_PAGE);
}

void redis_encode_version(const struct redis_keys *k, struct slice app,
                          struct slice channel, struct buf *to)
{
    add_size(to, '*', 2);
    add_word(to, SLICE("GET"));
    ADD_KEY(to, redis_key_of_channel(k, KEY_VERSION, app, channel, k_));
}

void redis_encode_total(const struct redis_keys *k, struct slice app,
                        struct slice channel, struct buf *to)
{
    add_size(to, '*', 2);
    add_word(to, SLICE("HVALS"));
    ADD_KEY(to, redis_key_of_channel(k, KEY_SUBSCRIPTIONS, app, channel, k_));
}

static void add_value(struct buf *to, struct beat_value v)
{
    if (!v.counter && !v.nonce) {
        add_word(to, SLICE(""));
        return;
    }
    add_size(to, '$', 2 * HEX_DIGITS + 1 + v.bye);
    add_hex(to, v.counter, HEX_DIGITS);
    buf_add_char(to, ':');
    add_hex(to, v.nonce, HEX_DIGITS);
    if (v.bye)
        buf_add_char(to, 'b');
    buf_add_lit(to, "\r\n");
}

void redis_encode_beat(const struct redis_keys *k, const struct beat *b, struct buf *to)
{
    begin(to, SCRIPT_BEAT, 1, 4);
    ADD_KEY(to, redis_key_of_all(k, "hb", k_));
    add_id(to, b->nid);
    add_value(to, b->expected);
    add_value(to, b->value);
    add_id(to, b->epoch_if_new);
}

void redis_encode_kill(const struct redis_keys *k, uint64_t nid, struct beat_value seen,
                       struct buf *to)
{
    begin(to, SCRIPT_KILL, 1, 2);
    ADD_KEY(to, redis_key_of_all(k, "hb", k_));
    add_id(to, nid);
    add_value(to, seen);
}

void redis_encode_reap(const struct redis_keys *k, unsigned partition, uint64_t nid,
                       uint64_t nonce, unsigned webhook_delay, struct buf *to)
{
    begin_in(to, k, SCRIPT_REAP, partition, 4);
    add_id(to, nid);
    add_tag(to, nonce);
    add_number(to, REAP_PAGE);
    add_number(to, webhook_delay);
}

void redis_encode_holders(const struct redis_keys *k, unsigned partition, struct buf *to)
{
    add_size(to, '*', 2);
    add_word(to, SLICE("SMEMBERS"));
    ADD_KEY(to, redis_key_of_partition(k, partition, KEY_HOLDERS, k_));
}

void redis_encode_publish(const struct redis_keys *k, enum redis_key_letter letter,
                          struct slice app, struct slice channel, struct slice message,
                          struct buf *to)
{
    add_size(to, '*', 3);
    add_word(to, SLICE("PUBLISH"));
    ADD_KEY(to, redis_key_of_channel(k, letter, app, channel, k_));
    add_word(to, message);
}

static void add_kept_keys(struct buf *to, const struct redis_keys *k, struct slice app,
                          struct slice channel)
{
    ADD_KEY(to, redis_key_of_channel(k, KEY_KEPT, app, channel, k_));
    ADD_KEY(to, redis_key_of_channel(k, KEY_KEPT_NUMBER, app, channel, k_));
}

void redis_encode_keep(const struct redis_keys *k, struct slice app, struct slice channel,
                       struct slice message, uint64_t ttl_ms, struct buf *to)
{
    const size_t at = 2, behind = at + 16; /* of its number, in redis_push.h's form */

    assert(message.n > behind && ttl_ms);
    begin(to, SCRIPT_KEEP, 2, 4);
    add_kept_keys(to, k, app, channel);
    ADD_KEY(to, redis_key_of_channel(k, TOPIC_CHANNEL, app, channel, k_));
    add_word(to, (struct slice){message.p, at});
    add_word(to, (struct slice){message.p + behind, message.n - behind});
    add_number(to, ttl_ms);
}

void redis_encode_kept(const struct redis_keys *k, struct slice app, struct slice channel,
                       struct buf *to)
{
    begin(to, SCRIPT_KEPT, 2, 0);
    add_kept_keys(to, k, app, channel);
}

void redis_encode_lookup(const struct redis_keys *k, const struct redis_lookup *q,
                         struct buf *to)
{
    struct buf asked = BUF_INIT;

    if (q->users)
        buf_add_char(&asked, 'u');
    if (q->members)
        buf_add_char(&asked, 'm');
    if (q->kept)
        buf_add_char(&asked, 'k');
    begin_in(to, k, SCRIPT_LOOKUP, q->partition, 5);
    add_word(to, q->app);
    add_word(to, q->channel.p ? SLICE("1") : SLICE("p"));
    add_word(to, q->channel.p ? q->channel : q->prefix);
    add_word(to, buf_slice(&asked));
    add_number(to, q->channel.p ? 0 : q->cursor);
    buf_fini(&asked);
}

void redis_encode_webhooks(const struct redis_keys *k, const struct redis_webhooks *w,
                           struct buf *to)
{
    begin_in(to, k, SCRIPT_WEBHOOKS, w->partition, 5 + (size_t)w->n_done);
    add_id(to, w->id);
    add_number(to, w->number);
    add_number(to, w->heard);
    if (w->leaves)
        add_word(to, SLICE("-1"));
    else
        add_number(to, w->limit);
    add_number(to, w->lease_ms);
    for (unsigned i = 0; i < w->n_done; i++)
        add_word(to, w->done[i]);
}
