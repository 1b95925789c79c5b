/* A frame is written down as a list of parts: literal JSON and pieces that travel as they
 * are (RAW), and strings to escape (TEXT). The list is measured, then the frame is
 * allocated once and filled; nothing is copied twice. An absent slice is a part of no
 * bytes, which is how optional keys are left out.
 *
 * `data` that is a JSON string needs its content escaped once more than usual. The
 * contents are literals that are escaped already, and pieces: see encode.h. */
#include "protocol/encode.h"

#include <assert.h>
#include <stdio.h>

#include "protocol/json_scan.h"
#include "protocol/json_text.h"

struct part {
    bool escape;
    struct slice s;
};

#define LIT(literal)          \
    {                         \
        false, SLICE(literal) \
    }
#define RAW(slice)   \
    {                \
        false, slice \
    }
#define TEXT(slice) \
    {               \
        true, slice \
    }
/* A literal that stands only where the slice does. */
#define LIT_IF(slice, literal)                         \
    {                                                  \
        false, (slice).p ? SLICE(literal) : SLICE_NONE \
    }

#define FRAME_OF(parts) frame_of((parts), sizeof(parts) / sizeof((parts)[0]))

static size_t parts_len(const struct part *parts, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += parts[i].escape ? json_escaped_len(parts[i].s) : parts[i].s.n;
    return len;
}

static char *put_part(char *to, const struct part *part)
{
    if (part->escape)
        return json_escape_to(to, part->s);
    if (part->s.n)
        memcpy(to, part->s.p, part->s.n);
    return to + part->s.n;
}

static struct frame *frame_of(const struct part *parts, size_t n)
{
    size_t len = parts_len(parts, n);
    char *to;
    struct frame *f = frame_alloc(len, &to);
    const char *end = to + len;

    for (size_t i = 0; i < n; i++)
        to = put_part(to, &parts[i]);
    assert(to == end);
    (void)end;
    return f;
}

struct number {
    char text[24];
};

static struct slice number_slice(struct number *n, long long value)
{
    snprintf(n->text, sizeof n->text, "%lld", value);
    return slice_of(n->text);
}

struct frame *encode_established(struct slice socket_id, unsigned activity_timeout,
                                 struct slice node)
{
    struct number n;
    const struct part parts[] = {
        LIT("{\"event\":\"pusher:connection_established\",\"data\":\"{\\\"socket_id\\\":"
            "\\\""),
        TEXT(socket_id), /* digits and a dot: escaping it once or twice is the same */
        LIT("\\\",\\\"activity_timeout\\\":"),
        RAW(number_slice(&n, activity_timeout)),
        LIT_IF(node, ",\\\"node\\\":\\\""),
        RAW(node),
        LIT_IF(node, "\\\""),
        LIT("}\"}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_error(int code, struct slice message, struct slice channel)
{
    struct number n;
    const struct part parts[] = {
        LIT("{\"event\":\"pusher:error\""),
        LIT_IF(channel, ",\"channel\":\""),
        TEXT(channel),
        LIT_IF(channel, "\""),
        LIT(",\"data\":{\"code\":"),
        RAW(code == ERROR_NULL ? SLICE("null") : number_slice(&n, code)),
        LIT(",\"message\":\""),
        TEXT(message),
        LIT("\"}}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_ping(void)
{
    return frame_text(SLICE("{\"event\":\"pusher:ping\",\"data\":\"{}\"}"));
}

struct frame *encode_pong(void)
{
    return frame_text(SLICE("{\"event\":\"pusher:pong\",\"data\":\"{}\"}"));
}

static struct frame *signin_success(struct slice escaped_once)
{
    const struct part parts[] = {
        LIT("{\"event\":\"pusher:signin_success\",\"data\":\"{\\\"user_data\\\":\\\""),
        TEXT(escaped_once),
        LIT("\\\"}\"}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_signin_success(struct slice user_data)
{
    struct buf once = BUF_INIT;
    struct frame *f;

    json_escape(&once, user_data);
    f = signin_success(buf_slice(&once));
    buf_fini(&once);
    return f;
}

struct frame *encode_subscribed(struct slice channel)
{
    const struct part parts[] = {
        LIT("{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":\"{}\"}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_refused(struct slice channel, enum refusal why, struct slice error)
{
    struct number n;
    const struct part parts[] = {
        LIT("{\"event\":\"pusher:subscription_error\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":{\"type\":\""),
        RAW(slice_of(refusal_type(why))),
        LIT("\",\"error\":\""),
        TEXT(error),
        LIT("\",\"status\":"),
        RAW(number_slice(&n, refusal_status(why))),
        LIT("}}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_cache_miss(struct slice channel)
{
    const struct part parts[] = {
        LIT("{\"event\":\"pusher:cache_miss\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":\"{}\"}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_subscription_count(struct slice channel, unsigned count)
{
    struct number n;
    const struct part parts[] = {
        LIT("{\"event\":\"pusher_internal:subscription_count\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":\"{\\\"subscription_count\\\":"),
        RAW(number_slice(&n, count)),
        LIT("}\"}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_client_event(struct slice event, struct slice channel,
                                  struct slice data_raw, struct slice user_id)
{
    const struct part parts[] = {
        LIT("{\"event\":\""),
        TEXT(event),
        LIT("\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":"),
        RAW(data_raw.p ? data_raw : SLICE("null")), /* Java and pusher-js need the key */
        LIT_IF(user_id, ",\"user_id\":\""),
        TEXT(user_id),
        LIT_IF(user_id, "\""),
        LIT("}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_published(struct slice event, struct slice channel,
                               struct slice data_raw)
{
    return encode_client_event(event, channel, data_raw, SLICE_NONE);
}

static void put_watched(struct buf *out, const char *name, const struct slice *ids,
                        size_t n)
{
    if (!n)
        return;
    if (out->p[out->n - 1] == '}')
        buf_add_char(out, ',');
    buf_addf(out, "{\\\"name\\\":\\\"%s\\\",\\\"user_ids\\\":[", name);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        encode_id_piece(out, ids[i]);
    }
    buf_add_lit(out, "]}");
}

struct frame *encode_watchlist(const struct slice *online, size_t n_online,
                               const struct slice *offline, size_t n_offline)
{
    struct buf b = BUF_INIT;
    struct frame *f;

    buf_add_lit(&b, "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{"
                    "\\\"events\\\":[");
    put_watched(&b, "online", online, n_online);
    put_watched(&b, "offline", offline, n_offline);
    buf_add_lit(&b, "]}\"}");
    f = frame_text(buf_slice(&b));
    buf_fini(&b);
    return f;
}

void encode_id_piece(struct buf *out, struct slice user_id)
{
    struct buf once = BUF_INIT;

    json_escape(&once, user_id);
    buf_add_lit(out, "\\\"");
    json_escape(out, buf_slice(&once));
    buf_add_lit(out, "\\\"");
    buf_fini(&once);
}

void encode_info_piece(struct buf *out, struct slice info_raw)
{
    if (info_raw.p)
        json_escape(out, info_raw);
    else
        buf_add_lit(out, "null");
}

/* How membership is told. */
struct words {
    const char *added;
    const char *removed;
    const char *id;
    const char *info;
};

static const struct words words_of_pusher = {"pusher_internal:member_added",
                                             "pusher_internal:member_removed", "user_id",
                                             "user_info"};
/* On private-presence- it goes by the user's document (PROTOCOL.md 3). */
static const struct words words_of_document = {"pusher:member_added",
                                               "pusher:member_removed", "id", "info"};

static const struct words *words_for(enum channel_kind kind)
{
    return kind == CHANNEL_PRIVATE_PRESENCE ? &words_of_document : &words_of_pusher;
}

struct frame *encode_member_added(enum channel_kind kind, struct slice channel,
                                  struct slice id_piece, struct slice info_piece)
{
    const struct words *w = words_for(kind);
    const struct part parts[] = {
        LIT("{\"event\":\""),
        RAW(slice_of(w->added)),
        LIT("\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":\"{\\\""),
        RAW(slice_of(w->id)),
        LIT("\\\":"),
        RAW(id_piece),
        LIT(",\\\""),
        RAW(slice_of(w->info)),
        LIT("\\\":"),
        RAW(info_piece),
        LIT("}\"}"),
    };

    return FRAME_OF(parts);
}

struct frame *encode_member_removed(enum channel_kind kind, struct slice channel,
                                    struct slice id_piece)
{
    const struct words *w = words_for(kind);
    const struct part parts[] = {
        LIT("{\"event\":\""),
        RAW(slice_of(w->removed)),
        LIT("\",\"channel\":\""),
        TEXT(channel),
        LIT("\",\"data\":\"{\\\""),
        RAW(slice_of(w->id)),
        LIT("\\\":"),
        RAW(id_piece),
        LIT("}\"}"),
    };

    return FRAME_OF(parts);
}

static void put_ids(struct buf *out, member_next_fn *next, void *iterator)
{
    struct member_piece m;
    bool more = next(iterator, &m);

    while (more) {
        buf_add_slice(out, m.id);
        more = next(iterator, &m);
        if (more)
            buf_add_char(out, ',');
    }
}

/* Returns how many members it put. */
static unsigned put_hash(struct buf *out, member_next_fn *next, void *iterator)
{
    struct member_piece m;
    unsigned n = 0;

    for (; next(iterator, &m); n++) {
        if (n)
            buf_add_char(out, ',');
        buf_add_slice(out, m.id);
        buf_add_char(out, ':');
        buf_add_slice(out, m.info);
    }
    return n;
}

struct frame *encode_snapshot(struct slice channel, unsigned count, void (*first)(void *),
                              member_next_fn *next, void *iterator)
{
    struct buf b = BUF_INIT;
    struct frame *f;
    unsigned walked;

    buf_add_lit(&b,
                "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"");
    json_escape(&b, channel);
    buf_add_lit(&b, "\",\"data\":\"{\\\"presence\\\":{\\\"ids\\\":[");
    first(iterator);
    put_ids(&b, next, iterator);
    buf_add_lit(&b, "],\\\"hash\\\":{");
    first(iterator);
    walked = put_hash(&b, next, iterator);
    assert(walked ==
           count); /* what is sent is what was walked, so the three agree anyhow */
    buf_addf(&b, "},\\\"count\\\":%u}}\"}", walked);
    f = frame_text(buf_slice(&b));
    buf_fini(&b);
    return f;
}
