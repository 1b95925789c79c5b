#include "adapters/redis_push.h"

#include "adapters/redis_text.h"

enum { EVENT_VERSION = 1, KEPT_DIGITS = 16, HEADER = 58 };

static void put(struct buf *to, uint64_t value, unsigned bytes)
{
    while (bytes--)
        buf_add_char(to, (char)(unsigned char)(value >> (8 * bytes)));
}

static uint64_t get(const char *p, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | (unsigned char)*p++;
    return value;
}

void redis_event_encode(const struct redis_event *e, struct buf *to)
{
    buf_add_char(to, EVENT_VERSION);
    buf_add_char(to, e->terminate ? 'T' : 'E');
    buf_add_lit(to, "0000000000000000");
    put(to, e->nid, 8);
    put(to, e->number, 8);
    put(to, e->except.first, 8);
    put(to, e->except.second, 8);
    put(to, e->keep, 4);
    put(to, e->data.n, 4);
    if (e->data.n)
        buf_add_slice(to, e->data);
    if (e->text.n)
        buf_add_slice(to, e->text);
}

static const char *decode_event(struct slice m, struct redis_event *e)
{
    const char *p = m.p + 2 + KEPT_DIGITS;
    size_t data_n;

    *e = (struct redis_event){.terminate = m.p[1] == 'T'};
    if (m.p[1] != 'T' && m.p[1] != 'E')
        return "an event of an unknown kind";
    if (!text_decimal((struct slice){m.p + 2, KEPT_DIGITS}, &e->kept))
        return "an event whose kept number is none";
    e->nid = get(p, 8);
    e->number = get(p + 8, 8);
    e->except = (struct socket_id){get(p + 16, 8), get(p + 24, 8)};
    e->keep = (unsigned)get(p + 32, 4);
    data_n = get(p + 36, 4);
    if (data_n > m.n - HEADER)
        return "an event shorter than it says";
    if (data_n)
        e->data = (struct slice){m.p + HEADER, data_n};
    if (m.n > HEADER + data_n)
        e->text = (struct slice){m.p + HEADER + data_n, m.n - HEADER - data_n};
    if (e->terminate != (e->text.n == 0) || (e->terminate && data_n))
        return "an event without text, or a terminate with one";
    return NULL;
}

/* `A 12 <prev> <nonce> <nid> 3 bob{"name":"Bob"}` */
static const char *decode_push(struct slice m, struct push *p)
{
    struct text_reader r = {{m.p + 1, m.n - 1}, true};
    uint64_t n;

    *p = (struct push){.kind = (unsigned char)m.p[0]};
    text_literal(&r, ' ');
    p->at.seq = text_read_decimal(&r);
    text_literal(&r, ' ');
    p->prev_nonce = text_read_hex16(&r);
    text_literal(&r, ' ');
    p->at.nonce = text_read_hex16(&r);
    text_literal(&r, ' ');
    p->nid = text_read_hex16(&r);
    text_literal(&r, ' ');
    n = text_read_decimal(&r);
    text_literal(&r, ' ');
    if (!r.ok || n > r.rest.n)
        return "a push that can't be read";
    p->user = (struct slice){r.rest.p, n};
    if (r.rest.n > n)
        p->info = (struct slice){r.rest.p + n, r.rest.n - n};
    if (p->info.n && p->kind != PUSH_ADDED)
        return "a push with more than a user";
    return NULL;
}

/* `C 12 <epoch>` */
static const char *decode_count(struct slice m, struct redis_count *c)
{
    struct text_reader r = {{m.p + 1, m.n - 1}, true};

    text_literal(&r, ' ');
    c->total = text_read_decimal(&r);
    text_literal(&r, ' ');
    c->epoch = text_read_hex16(&r);
    return r.ok && !r.rest.n ? NULL : "a count that can't be read";
}

const char *redis_message_decode(struct slice message, struct redis_message *out)
{
    if (message.n && strchr("A+-R", message.p[0]) && message.p[0]) {
        out->kind = MESSAGE_PUSH;
        return decode_push(message, &out->push);
    }
    if (message.n && message.p[0] == 'C') {
        out->kind = MESSAGE_COUNT;
        return decode_count(message, &out->count);
    }
    if (message.n < HEADER || message.p[0] != EVENT_VERSION)
        return "a message of an unknown form";
    out->kind = MESSAGE_EVENT;
    return decode_event(message, &out->event);
}
