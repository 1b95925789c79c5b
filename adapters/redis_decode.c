/* Replies of the scripts. Whatever isn't exactly what the script is known to say is an
 * error: then the other side isn't what we think it is, and nothing that it says can be
 * built on. Sizes are counted before anything is allocated, in one block, so a decoded
 * reply is freed by one free. */
#include "adapters/redis_script.h"

#include <stdlib.h>

#include "adapters/redis_reply.h"
#include "adapters/redis_text.h"
#include "server/base/xalloc.h"

enum { NID_DIGITS = 16 };

static bool decode_status(const redisReply *r, enum reply_status *status)
{
    struct slice s;

    if (!reply_text(r, &s))
        return false;
    if (slice_is(s, "OK"))
        *status = REPLY_OK;
    else if (slice_is(s, "FENCED"))
        *status = REPLY_FENCED;
    else if (slice_is(s, "STALE"))
        *status = REPLY_STALE;
    else
        return false;
    return true;
}

static bool decode_batch_status(const redisReply *r, enum reply_status *status)
{
    struct slice s;

    if (!reply_text(r, &s) || !slice_is(s, "ANEW"))
        return decode_status(r, status);
    *status = REPLY_ANEW;
    return true;
}

/* `12:00c0ffee00c0f001` */
static bool decode_at(struct slice s, struct version *at)
{
    struct text_reader r = {s, true};

    at->seq = text_read_decimal(&r);
    text_literal(&r, ':');
    at->nonce = text_read_hex16(&r);
    return r.ok && !r.rest.n;
}

static bool decode_result(char letter, enum op_result *result)
{
    static const struct {
        char letter;
        enum op_result result;
    } results[] = {{'N', RESULT_NONE}, {'A', RESULT_ADDED}, {'+', RESULT_REF},
                   {'D', RESULT_DUP},  {'F', RESULT_FULL},  {'R', RESULT_REMOVED},
                   {'-', RESULT_UNREF}};

    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (results[i].letter == letter) {
            *result = results[i].result;
            return true;
        }
    return false;
}

/* Where the members and nids of a batch's snapshots go. */
struct members {
    struct replica_member *next;
    uint64_t *next_nid;
};

/* How many nids `nid,nid;info` has: 0 where it isn't that. */
static size_t count_nids(struct slice value)
{
    const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;
    size_t n = semicolon ? (size_t)(semicolon - value.p) + 1 : 0;

    return n % (NID_DIGITS + 1) ? 0 : n / (NID_DIGITS + 1);
}

static bool decode_member(const redisReply *user, const redisReply *held,
                          struct members *to)
{
    struct replica_member *m = to->next++;
    struct text_reader r = {.ok = true};

    *m = (struct replica_member){.nids = to->next_nid};
    if (!reply_text(user, &m->user) || !reply_text(held, &r.rest))
        return false;
    m->n_nids = (unsigned)count_nids(r.rest);
    for (unsigned i = 0; i < m->n_nids; i++) {
        *to->next_nid++ = text_read_hex16(&r);
        text_literal(&r, i + 1 < m->n_nids ? ',' : ';');
    }
    if (r.rest.n)
        m->info = r.rest;
    return m->n_nids && r.ok;
}

static const char *decode_snapshot(const redisReply *r, struct op_reply *op,
                                   struct members *to)
{
    const redisReply *fields;

    if (!reply_number(r->element[1], &op->cursor))
        return "batch: a snapshot's cursor is none";
    fields = r->element[2];
    op->members = to->next;
    op->n_members = (unsigned)(fields->elements / 2);
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (!decode_member(fields->element[i], fields->element[i + 1], to))
            return "batch: a snapshot has what is no member";
    return NULL;
}

static const char *decode_op(const redisReply *r, struct op_reply *op, struct members *to)
{
    bool snapshot = r->type == REDIS_REPLY_ARRAY;
    struct slice s;

    if (!reply_text(snapshot ? r->element[0] : r, &s) || s.n < 1 ||
        !decode_result(s.p[0], &op->result))
        return "batch: an operation's result isn't known";
    if (!decode_at((struct slice){s.p + 1, s.n - 1}, &op->at))
        return "batch: an operation's version is none";
    return snapshot ? decode_snapshot(r, op, to) : NULL;
}

/* Whether all snapshots have their shape; counts their members and nids. */
static bool measure(const redisReply *r, size_t *n_members, size_t *n_nids)
{
    for (size_t i = 2; i < r->elements; i++) {
        const redisReply *op = r->element[i], *fields;
        struct slice held;

        if (op->type != REDIS_REPLY_ARRAY)
            continue;
        if (!reply_array(op, 3) || op->element[2]->type != REDIS_REPLY_ARRAY ||
            op->element[2]->elements % 2)
            return false;
        fields = op->element[2];
        *n_members += fields->elements / 2;
        for (size_t j = 1; j < fields->elements; j += 2)
            *n_nids += reply_text(fields->element[j], &held) ? count_nids(held) : 0;
    }
    return true;
}

static const char *decode_ops(const redisReply *r, unsigned n, void **memory,
                              struct batch_reply *out)
{
    size_t n_members = 0, n_nids = 0;
    struct op_reply *ops;
    struct members to;
    const char *wrong = NULL;

    if (r->elements != 2 + (size_t)n)
        return "batch: not as many results as operations";
    if (!measure(r, &n_members, &n_nids))
        return "batch: a snapshot isn't one";
    *memory = xcalloc(1, n * sizeof *ops + n_members * sizeof *to.next +
                             n_nids * sizeof *to.next_nid + 1);
    ops = *memory;
    to.next = (struct replica_member *)(void *)(ops + n);
    to.next_nid = (uint64_t *)(void *)(to.next + n_members);
    for (unsigned i = 0; i < n && !wrong; i++)
        wrong = decode_op(r->element[2 + i], &ops[i], &to);
    out->ops = ops;
    out->n = n;
    return wrong;
}

const char *redis_decode_batch(const redisReply *r, unsigned n_ops, void **memory,
                               struct batch_reply *out)
{
    *memory = NULL;
    *out = (struct batch_reply){.n = 0};
    if (!r || r->type != REDIS_REPLY_ARRAY || r->elements < 2 ||
        !decode_batch_status(r->element[0], &out->status) ||
        !reply_id(r->element[1], &out->epoch))
        return "batch: a reply without status and epoch";
    if (out->status == REPLY_OK)
        return decode_ops(r, n_ops, memory, out);
    return r->elements == 2 ? NULL : "batch: refused, and yet with results";
}

const char *redis_decode_verify(const redisReply *r, struct verify_reply *out)
{
    struct slice epoch, sum;
    bool negative;

    *out = (struct verify_reply){.epoch = 0};
    if (!reply_array(r, 3) || !decode_status(r->element[0], &out->status) ||
        !reply_text(r->element[1], &epoch) || !reply_text(r->element[2], &sum))
        return "verify: not a status, an epoch and a sum";
    if (epoch.n && !text_hex16(epoch, &out->epoch))
        return "verify: the epoch is none";
    negative = sum.n && sum.p[0] == '-';
    if (negative)
        sum = (struct slice){sum.p + 1, sum.n - 1};
    if (!text_decimal(sum, &out->sum))
        return "verify: the sum is none";
    if (negative)
        out->sum = 0 - out->sum;
    return NULL;
}

static bool decode_entry(const redisReply *name, const redisReply *value,
                         struct list_entry *e)
{
    struct slice n, v;
    uint64_t count;
    const char *colon;

    *e = (struct list_entry){.count = 0};
    if (!reply_text(name, &n) || !reply_text(value, &v) || n.n < 1 ||
        !(colon = memchr(n.p, ':', n.n)))
        return false;
    e->app = (struct slice){n.p + 1, (size_t)(colon - n.p) - 1};
    e->channel = (struct slice){colon + 1, n.n - 2 - e->app.n};
    if (n.p[0] == 'r')
        e->user = v;
    else if (n.p[0] != 's' || !text_decimal(v, &count) || count > UINT32_MAX)
        return false;
    else
        e->count = (unsigned)count;
    return true;
}

const char *redis_decode_list(const redisReply *r, void **memory, struct list_reply *out)
{
    const redisReply *pairs;
    struct list_entry *entries;

    *memory = NULL;
    *out = (struct list_reply){.n = 0};
    if (!reply_array(r, 2) || !reply_number(r->element[0], &out->cursor) ||
        r->element[1]->type != REDIS_REPLY_ARRAY || r->element[1]->elements % 2)
        return "list: not a cursor and pairs";
    pairs = r->element[1];
    *memory = entries = xcalloc(pairs->elements / 2 + 1, sizeof *entries);
    for (size_t i = 0; i < pairs->elements; i += 2)
        if (!decode_entry(pairs->element[i], pairs->element[i + 1], &entries[out->n++]))
            return "list: neither a reference nor a count";
    out->entries = entries;
    return NULL;
}

const char *redis_decode_version(const redisReply *r, struct version *out)
{
    struct slice s;

    *out = (struct version){0, 0};
    if (r && r->type == REDIS_REPLY_NIL)
        return NULL;
    if (!reply_text(r, &s) || !decode_at(s, out))
        return "version: not a number and a nonce";
    return NULL;
}

const char *redis_decode_total(const redisReply *r, unsigned *out)
{
    uint64_t total = 0, one;
    struct slice s;

    if (!r || r->type != REDIS_REPLY_ARRAY)
        return "total: no list";
    for (size_t i = 0; i < r->elements; i++) {
        if (!reply_text(r->element[i], &s) || !text_decimal(s, &one) || one > UINT32_MAX)
            return "total: not a count";
        total += one;
    }
    *out = total < UINT32_MAX ? (unsigned)total : UINT32_MAX;
    return NULL;
}
