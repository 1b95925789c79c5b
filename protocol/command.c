/* A message is scanned once for its top-level keys; the verbs that carry an object in
 * `data` scan that again. What a field holds without escapes is borrowed from the
 * message; the rest is unescaped into scratch, which is reserved once, for all that the
 * message can unescape to, so that slices into it stay. A client event, the verb that
 * comes thousands of times a second, allocates nothing. */
#include "protocol/command.h"

#include <assert.h>

#include "protocol/json_scan.h"

/* A string inside `data`, or beside it: where it goes, and what to say if it isn't there.
 */
struct field {
    const char *name;
    size_t offset;       /* of a slice in struct command */
    const char *missing; /* NULL: may be absent or null */
    const char *wrong;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct command, member)

enum { FIELDS_MAX = 3 };

static const struct field subscribe_fields[] = {
    {FIELD(channel), .missing = "data.channel is missing",
     .wrong = "data.channel must be a string"},
    {FIELD(auth), .wrong = "data.auth must be a string"},
    {FIELD(channel_data), .wrong = "data.channel_data must be a string that holds JSON"},
};

static const struct field signin_fields[] = {
    {FIELD(auth), .missing = "data.auth is missing",
     .wrong = "data.auth must be a string"},
    {FIELD(user_data), .missing = "data.user_data is missing",
     .wrong = "data.user_data must be a string that holds JSON"},
};

static const struct field event_field = {FIELD(event), .missing = "event is missing",
                                         .wrong = "event must be a string"};
static const struct field channel_field = {
    FIELD(channel), .missing = "channel is missing", .wrong = "channel must be a string"};

struct verb {
    const char *event;
    enum command_verb verb;
    const struct field *fields; /* of `data` */
    size_t n_fields;
};

static const struct verb verbs[] = {
    {"pusher:ping", COMMAND_PING, NULL, 0},
    {"pusher:pong", COMMAND_PONG, NULL, 0},
    {"pusher:subscribe", COMMAND_SUBSCRIBE, subscribe_fields, 3},
    {"pusher:unsubscribe", COMMAND_UNSUBSCRIBE, subscribe_fields, 1},
    {"pusher:signin", COMMAND_SIGNIN, signin_fields, 2},
};

static void malformed(struct command *c, const char *fault)
{
    c->verb = COMMAND_MALFORMED;
    c->fault = fault;
}

/* The bytes of a raw string: borrowed where it holds no escape, else unescaped. */
static struct slice string_bytes(struct command *c, struct slice raw)
{
    size_t start = c->scratch.n;

    if (json_is_plain(raw))
        return (struct slice){raw.p + 1, raw.n - 2};
    assert(c->scratch.cap - start >= raw.n); /* it must not move */
    json_unescape(&c->scratch, raw);
    return (struct slice){c->scratch.p + start, c->scratch.n - start};
}

/* False if the value can't be the field's; then the command is malformed. */
static bool take_field(struct command *c, const struct field *f, struct json_value value)
{
    struct slice *into = (struct slice *)((char *)c + f->offset);

    if (value.type == JSON_STRING) {
        *into = string_bytes(c, value.raw);
        return true;
    }
    if (!f->missing && (value.type == JSON_ABSENT || value.type == JSON_NULL))
        return true;
    malformed(c, value.type == JSON_ABSENT ? f->missing : f->wrong);
    return false;
}

/* `data` of a verb as an object's text. Some clients send it encoded twice, as a string.
 */
static struct slice data_object(struct command *c, struct json_value data)
{
    return data.type == JSON_STRING ? string_bytes(c, data.raw) : data.raw;
}

static void take_data(struct command *c, const struct verb *v, struct json_value data)
{
    struct json_want want[FIELDS_MAX] = {{.name = NULL}};
    const char *why;

    if (data.type == JSON_ABSENT) {
        malformed(c, "data is missing");
        return;
    }
    for (size_t i = 0; i < v->n_fields; i++)
        want[i].name = v->fields[i].name;
    if (json_scan_object(data_object(c, data), want, v->n_fields, &why) != ERR_NONE) {
        malformed(c, "data must be a JSON object");
        return;
    }
    for (size_t i = 0; i < v->n_fields; i++) {
        if (!take_field(c, &v->fields[i], want[i].value))
            break;
    }
    if (!c->auth.n)
        c->auth = SLICE_NONE;
}

static const struct verb *find_verb(struct slice event)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (slice_is(event, verbs[i].event))
            return &verbs[i];
    }
    return NULL;
}

static void take_pusher_event(struct command *c, struct json_value data)
{
    const struct verb *v = find_verb(c->event);

    if (!v) {
        malformed(c, "unknown pusher: event");
        return;
    }
    c->verb = v->verb;
    if (v->n_fields)
        take_data(c, v, data);
}

static void take_event(struct command *c, struct json_value channel,
                       struct json_value data)
{
    if (c->event.n > EVENT_NAME_MAX) {
        malformed(c, "event is longer than 200 bytes");
    } else if (slice_starts(c->event, SLICE("client-"))) {
        c->verb = COMMAND_CLIENT_EVENT;
        take_field(c, &channel_field, channel);
    } else if (slice_starts(c->event, SLICE("pusher:")) ||
               slice_starts(c->event, SLICE("pusher_internal:"))) {
        take_pusher_event(c, data);
    }
}

/* Scratch for all of it: the message's own strings, and those of a `data` that is a
 * string itself, never unescape to more bytes than the message has. */
static void reserve_scratch(struct command *c, struct slice message)
{
    if (!json_is_plain(message))
        buf_reserve(&c->scratch, 2 * message.n);
}

void command_parse(struct command *c, struct slice message)
{
    struct json_want want[] = {{.name = "event"}, {.name = "channel"}, {.name = "data"}};
    const char *why;

    *c = (struct command){.verb = COMMAND_IGNORED};
    if (json_scan_object(message, want, 3, &why) != ERR_NONE) {
        malformed(c, why);
        return;
    }
    c->data = want[2].value.raw;
    reserve_scratch(c, message);
    if (take_field(c, &event_field, want[0].value))
        take_event(c, want[1].value, want[2].value);
}

void command_fini(struct command *c)
{
    buf_fini(&c->scratch);
}
