/* Replies about nodes, kept events, channels and webhooks; as redis_decode.c. */
#include "adapters/redis_script.h"

#include <stdlib.h>

#include "adapters/redis_reply.h"
#include "server/base/xalloc.h"

static bool decode_value(struct slice s, struct beat_value *v)
{
    struct text_reader r = {s, true};

    *v = (struct beat_value){0, 0, false};
    if (!s.n)
        return true;
    v->counter = text_read_hex16(&r);
    text_literal(&r, ':');
    v->nonce = text_read_hex16(&r);
    v->bye = r.rest.n == 1 && r.rest.p[0] == 'b';
    return r.ok && r.rest.n == v->bye;
}

static bool decode_table(const redisReply *r, struct beat_entry *entries, unsigned *n)
{
    for (size_t i = 0; i < r->elements; i += 2) {
        struct beat_entry *e = &entries[*n];
        struct slice name, value;

        if (!reply_text(r->element[i], &name) || !reply_text(r->element[i + 1], &value))
            return false;
        if (slice_is(name, "_e"))
            continue;
        if (!text_hex16(name, &e->nid) || !value.n || !decode_value(value, &e->value))
            return false;
        ++*n;
    }
    return true;
}

const char *redis_decode_beat(const redisReply *r, void **memory, struct beat_reply *out)
{
    struct beat_entry *entries;
    struct slice current;

    *memory = NULL;
    *out = (struct beat_reply){.n = 0};
    if (!reply_array(r, 4) || !reply_flag(r->element[0], &out->ok) ||
        !reply_text(r->element[1], &current) || !decode_value(current, &out->current) ||
        !reply_id(r->element[2], &out->epoch))
        return "beat: not a flag, a value and an epoch";
    if (r->element[3]->type != REDIS_REPLY_ARRAY || r->element[3]->elements % 2)
        return "beat: no table";
    *memory = entries = xcalloc(r->element[3]->elements / 2 + 1, sizeof *entries);
    out->entries = entries;
    if (!decode_table(r->element[3], entries, &out->n))
        return "beat: the table has what is no heartbeat";
    return NULL;
}

const char *redis_decode_kill(const redisReply *r, bool *done)
{
    return reply_flag(r, done) ? NULL : "kill: neither 0 nor 1";
}

const char *redis_decode_reap(const redisReply *r, bool *more)
{
    return reply_flag(r, more) ? NULL : "reap: neither 0 nor 1";
}

const char *redis_decode_holders(const redisReply *r, void **memory,
                                 const uint64_t **nids, unsigned *n)
{
    uint64_t *found;

    *memory = NULL;
    if (!r || r->type != REDIS_REPLY_ARRAY)
        return "holders: no list";
    *memory = found = xcalloc(r->elements + 1, sizeof *found);
    for (size_t i = 0; i < r->elements; i++)
        if (!reply_id(r->element[i], &found[i]))
            return "holders: not a node's number";
    *nids = found;
    *n = (unsigned)r->elements;
    return NULL;
}

const char *redis_decode_kept(const redisReply *r, struct redis_kept *out)
{
    *out = (struct redis_kept){.number = 0};
    if (!reply_array(r, 3) || !reply_number(r->element[2], &out->number))
        return "kept: not a message, a time and a number";
    if (r->element[0]->type == REDIS_REPLY_NIL)
        return NULL;
    if (!reply_text(r->element[0], &out->message) ||
        !reply_number(r->element[1], &out->ttl_ms))
        return "kept: neither a message with its time, nor none";
    return NULL;
}

enum { LOOKUP_WORDS = 6 };

static const char *decode_facts(redisReply *const *words, struct redis_channel_facts *f,
                                struct slice **members)
{
    uint64_t subscriptions, users;
    const redisReply *ids = words[5];

    if (!reply_text(words[0], &f->channel) || !reply_number(words[1], &subscriptions) ||
        !reply_number(words[2], &users) || !reply_text(words[3], &f->kept) ||
        subscriptions > UINT32_MAX || users > UINT32_MAX)
        return "lookup: not what was asked of a channel";
    f->subscriptions = (unsigned)subscriptions;
    f->users = (unsigned)users;
    if (!f->kept.n)
        f->kept = SLICE_NONE;
    /* Negative: it went between two commands' clocks, or never does. */
    if (words[4]->type != REDIS_REPLY_INTEGER)
        return "lookup: not a time";
    f->kept_ttl_ms = words[4]->integer > 0 ? (uint64_t)words[4]->integer : 0;
    f->members = *members;
    f->n_members = (unsigned)ids->elements;
    for (size_t i = 0; i < ids->elements; i++)
        if (!reply_text(ids->element[i], (*members)++))
            return "lookup: not a user";
    return NULL;
}

const char *redis_decode_lookup(const redisReply *r, void **memory,
                                struct redis_lookup_reply *out)
{
    struct redis_channel_facts *facts;
    struct slice *members;
    size_t n, n_members = 0;
    const char *wrong = NULL;

    *memory = NULL;
    *out = (struct redis_lookup_reply){.n = 0};
    if (!r || r->type != REDIS_REPLY_ARRAY || r->elements % LOOKUP_WORDS != 1 ||
        !reply_number(r->element[0], &out->cursor))
        return "lookup: not a cursor and channels";
    n = r->elements / LOOKUP_WORDS;
    for (size_t i = 1; i < r->elements; i += LOOKUP_WORDS) {
        if (r->element[i + 5]->type != REDIS_REPLY_ARRAY)
            return "lookup: no list of users";
        n_members += r->element[i + 5]->elements;
    }
    *memory = facts = xcalloc(1, n * sizeof *facts + n_members * sizeof *members + 1);
    members = (struct slice *)(void *)(facts + n);
    for (size_t i = 0; i < n && !wrong; i++)
        wrong = decode_facts(&r->element[1 + i * LOOKUP_WORDS], &facts[i], &members);
    out->facts = facts;
    out->n = (unsigned)n;
    return wrong;
}

/* `<16 digits><kind><bytes of app:channel>:<app>:<channel><user or count>` */
static bool decode_webhook(struct slice token, struct redis_webhook *w)
{
    struct text_reader r = {token, true};
    uint64_t n, count;
    const char *colon;

    *w = (struct redis_webhook){.token = token};
    if (token.n < 17 || !memchr("OVARC", token.p[16], 5))
        return false;
    w->kind = (unsigned char)token.p[16];
    r.rest = (struct slice){token.p + 17, token.n - 17};
    n = text_read_decimal(&r);
    text_literal(&r, ':');
    if (!r.ok || n > r.rest.n || !(colon = memchr(r.rest.p, ':', n)))
        return false;
    w->app = (struct slice){r.rest.p, (size_t)(colon - r.rest.p)};
    w->channel = (struct slice){colon + 1, n - w->app.n - 1};
    r.rest = (struct slice){r.rest.p + n, r.rest.n - n};
    if (w->kind == WEBHOOK_COUNT) {
        if (!text_decimal(r.rest, &count) || count > UINT32_MAX)
            return false;
        w->count = (unsigned)count;
        return true;
    }
    if (w->kind == WEBHOOK_ADDED || w->kind == WEBHOOK_REMOVED)
        w->user = r.rest;
    return w->user.p || !r.rest.n;
}

const char *redis_decode_webhooks(const redisReply *r, void **memory,
                                  struct redis_webhooks_reply *out)
{
    struct redis_webhook *entries;
    const redisReply *due;

    *memory = NULL;
    *out = (struct redis_webhooks_reply){.n = 0};
    if (!reply_array(r, 2) || r->element[0]->type != REDIS_REPLY_INTEGER ||
        r->element[1]->type != REDIS_REPLY_ARRAY)
        return "webhooks: not a time and entries";
    out->any = r->element[0]->integer >= 0;
    out->more = r->element[0]->integer == 0;
    out->next_ms = out->any ? (uint64_t)r->element[0]->integer : 0;
    due = r->element[1];
    *memory = entries = xcalloc(due->elements + 1, sizeof *entries);
    for (size_t i = 0; i < due->elements; i++) {
        struct slice token;

        if (!reply_text(due->element[i], &token) || !decode_webhook(token, &entries[i]))
            return "webhooks: an entry that can't be read";
    }
    out->entries = entries;
    out->n = (unsigned)due->elements;
    return NULL;
}
