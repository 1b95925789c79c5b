/* The body is scanned once, which validates all of it; a batch's items, and the names of
 * `channels`, are then cut out of what was validated. What holds no escape is borrowed
 * from the body; the rest is unescaped into scratch, which is reserved once, for all that
 * the body can unescape to, so that slices into it stay. `data` is never unescaped, but
 * for measuring one that might be too long. */
#include "protocol/api_body.h"

#include <assert.h>

#include "protocol/api_info.h"
#include "protocol/channel_name.h"
#include "protocol/command.h"
#include "protocol/json_scan.h"

/* The keys of an event, in the order of event_want. */
enum key { KEY_NAME, KEY_DATA, KEY_CHANNEL, KEY_CHANNELS, KEY_SOCKET_ID, KEY_INFO, KEYS };

struct parse {
    struct api_body *b;
    struct slice body;
    size_t max_data;
    struct buf *why;
    int item; /* of a batch, for its texts; -1 where there is none */
};

static int refuse(struct parse *p, int status, const char *text)
{
    if (p->item >= 0)
        buf_addf(p->why, "batch[%d]: ", p->item);
    buf_add_slice(p->why, slice_of(text));
    return status;
}

static bool is_given(struct json_value v)
{
    return v.type != JSON_ABSENT && v.type != JSON_NULL;
}

/* The bytes of a raw string. */
static struct slice string_bytes(struct parse *p, struct slice raw)
{
    struct buf *scratch = &p->b->scratch;
    size_t start;

    if (json_is_plain(raw))
        return (struct slice){raw.p + 1, raw.n - 2};
    if (!scratch->p)
        buf_reserve(scratch, p->body.n); /* for all: it never moves */
    start = scratch->n;
    assert(scratch->cap - start >= raw.n);
    json_unescape(scratch, raw);
    return (struct slice){scratch->p + start, scratch->n - start};
}

static int take_name(struct parse *p, struct json_value v, struct api_event *e)
{
    if (!is_given(v))
        return refuse(p, 400, "name is missing");
    if (v.type != JSON_STRING)
        return refuse(p, 400, "name must be a string");
    e->name = string_bytes(p, v.raw);
    if (!e->name.n)
        return refuse(p, 400, "name is empty");
    if (e->name.n > EVENT_NAME_MAX)
        return refuse(p, 400, "name is longer than 200 bytes");
    return 0;
}

static bool is_too_long(struct slice raw_string, size_t max)
{
    struct buf text = BUF_INIT;
    bool over = raw_string.n - 2 > max;

    if (over && !json_is_plain(raw_string)) {
        json_unescape(&text, raw_string);
        over = text.n > max;
    }
    buf_fini(&text);
    return over;
}

static int take_data(struct parse *p, struct json_value v, struct api_event *e)
{
    int status;

    if (v.type == JSON_ABSENT)
        return refuse(p, 400, "data is missing");
    if (v.type != JSON_STRING)
        return refuse(p, 400, "data must be a string: encode other values as JSON first");
    e->data_raw = v.raw;
    if (!is_too_long(v.raw, p->max_data))
        return 0;
    status =
        refuse(p, 413, "The data content of this event exceeds the allowed maximum ");
    buf_addf(p->why, "(%zu bytes)", p->max_data);
    return status;
}

static bool is_taken(const struct api_body *b, const struct api_event *e,
                     struct slice name)
{
    for (unsigned i = 0; i < e->n_channels; i++) {
        if (slice_eq(b->channels[e->first + i], name))
            return true;
    }
    return false;
}

/* Once where it stands several times: clients count on one delivery. */
static int take_channel(struct parse *p, struct json_value v, struct api_event *e)
{
    struct api_body *b = p->b;
    const char *fault;
    struct slice name;

    if (v.type != JSON_STRING)
        return refuse(p, 400, "a channel must be a string");
    name = string_bytes(p, v.raw);
    fault = channel_name_fault(name);
    if (fault) {
        int status = refuse(p, 400, "Invalid channel: ");

        buf_add_slice(p->why, slice_of(fault));
        return status;
    }
    if (is_taken(b, e, name))
        return 0;
    b->channels[b->n_channels++] = name;
    e->n_channels++;
    return 0;
}

static int take_channels(struct parse *p, struct json_value v, struct api_event *e)
{
    struct json_items items;
    struct json_value item;
    unsigned n = 0;
    int status = 0;

    if (v.type != JSON_ARRAY)
        return refuse(p, 400, "channels must be an array of strings");
    items = json_items_of(v.raw);
    while (!status && json_items_next(&items, &item, NULL, 0)) {
        if (n++ == API_CHANNELS_MAX)
            return refuse(p, 400, "channels has more than 100 names");
        status = take_channel(p, item, e);
    }
    if (!status && !e->n_channels)
        status = refuse(p, 400, "channels is empty");
    return status;
}

static int take_target(struct parse *p, const struct json_want *want, struct api_event *e)
{
    struct json_value one = want[KEY_CHANNEL].value, many = want[KEY_CHANNELS].value;

    e->first = p->b->n_channels;
    e->n_channels = 0;
    if (p->item >= 0)
        return is_given(one) ? take_channel(p, one, e)
                             : refuse(p, 400, "channel is missing");
    if (is_given(one) && is_given(many))
        return refuse(p, 400, "channel and channels can't both be given");
    if (is_given(many))
        return take_channels(p, many, e);
    return is_given(one) ? take_channel(p, one, e)
                         : refuse(p, 400, "channel or channels is missing");
}

/* Reads digits off *s. False if there are none; a number beyond 64 bits, which no socket
 * has, sets *beyond. */
static bool read_number(struct slice *s, uint64_t *out, bool *beyond)
{
    size_t n = 0;

    for (*out = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
        *beyond |= __builtin_mul_overflow(*out, 10, out);
        *beyond |= __builtin_add_overflow(*out, (uint64_t)(s->p[n] - '0'), out);
    }
    *s = (struct slice){s->p + n, s->n - n};
    return n > 0;
}

static bool read_socket_id(struct slice s, uint64_t out[2])
{
    bool beyond = false;

    if (!read_number(&s, &out[0], &beyond) || !s.n || *s.p != '.')
        return false;
    s = (struct slice){s.p + 1, s.n - 1};
    if (!read_number(&s, &out[1], &beyond) || s.n)
        return false;
    if (beyond)
        out[0] = out[1] = 0;
    return true;
}

static int take_socket_id(struct parse *p, struct json_value v, struct api_event *e)
{
    e->except[0] = e->except[1] = 0;
    if (!is_given(v))
        return 0;
    if (v.type == JSON_STRING && read_socket_id(string_bytes(p, v.raw), e->except))
        return 0;
    return refuse(p, 400, "Invalid socket_id: expected two numbers with a dot between");
}

static int take_info(struct parse *p, struct json_value v, struct api_event *e)
{
    struct buf text = BUF_INIT;
    int status;

    e->info = 0;
    if (!is_given(v))
        return 0;
    if (v.type != JSON_STRING)
        return refuse(p, 400, "info must be a string of attributes with commas between");
    status = api_info_parse(&e->info, string_bytes(p, v.raw), &text);
    if (status)
        refuse(p, status, buf_cstr(&text));
    buf_fini(&text);
    return status;
}

/* An event's keys, to be cut. */
static void init_want(struct json_want want[KEYS])
{
    want[KEY_NAME].name = "name";
    want[KEY_DATA].name = "data";
    want[KEY_CHANNEL].name = "channel";
    want[KEY_CHANNELS].name = "channels";
    want[KEY_SOCKET_ID].name = "socket_id";
    want[KEY_INFO].name = "info";
}

static int take_event(struct parse *p, const struct json_want *want)
{
    struct api_event *e = &p->b->events[p->b->n_events];
    int status = take_name(p, want[KEY_NAME].value, e);

    if (!status)
        status = take_target(p, want, e);
    if (!status)
        status = take_data(p, want[KEY_DATA].value, e);
    if (!status)
        status = take_socket_id(p, want[KEY_SOCKET_ID].value, e);
    if (!status)
        status = take_info(p, want[KEY_INFO].value, e);
    if (!status)
        p->b->n_events++;
    return status;
}

static struct parse start(struct api_body *b, struct slice body, size_t max_data,
                          struct buf *why)
{
    b->n_events = b->n_channels = 0;
    b->scratch = BUF_INIT;
    return (struct parse){b, body, max_data, why, -1};
}

/* Cuts the wanted keys of the body, an object. */
static int open_body(struct parse *p, struct json_want *want, size_t n)
{
    const char *why;

    if (!utf8_valid(p->body))
        return refuse(p, 400, "The body is not valid UTF-8");
    if (json_scan_object(p->body, want, n, &why) == ERR_NONE)
        return 0;
    buf_add_lit(p->why, "The body is ");
    return refuse(p, 400, why);
}

int api_events_parse(struct api_body *b, struct slice body, size_t max_data,
                     struct buf *why)
{
    struct parse p = start(b, body, max_data, why);
    struct json_want want[KEYS];
    int status;

    init_want(want);
    status = open_body(&p, want, KEYS);
    return status ? status : take_event(&p, want);
}

static int take_batch(struct parse *p, struct slice raw_array)
{
    struct json_items items = json_items_of(raw_array);
    struct json_value item;
    struct json_want want[KEYS];
    int status = 0;

    init_want(want);
    for (p->item = 0; !status && json_items_next(&items, &item, want, KEYS); p->item++) {
        if (p->item == API_BATCH_MAX) {
            p->item = -1;
            return refuse(p, 400, "Batch too large");
        }
        if (item.type != JSON_OBJECT)
            return refuse(p, 400, "an event must be an object");
        status = take_event(p, want);
    }
    return status;
}

int api_batch_parse(struct api_body *b, struct slice body, size_t max_data,
                    struct buf *why)
{
    struct parse p = start(b, body, max_data, why);
    struct json_want want[] = {{.name = "batch"}};
    int status = open_body(&p, want, 1);

    if (status)
        return status;
    if (want[0].value.type == JSON_ABSENT)
        return refuse(&p, 400, "batch is missing");
    if (want[0].value.type != JSON_ARRAY)
        return refuse(&p, 400, "batch must be an array of events");
    return take_batch(&p, want[0].value.raw);
}

void api_body_fini(struct api_body *b)
{
    buf_fini(&b->scratch);
}
