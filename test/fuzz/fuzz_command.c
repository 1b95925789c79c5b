/* The parser of what clients send. Besides memory safety: slices lie in the message or in
 * scratch, the scanner accepts what jansson accepts, and what was parsed and encoded
 * again parses to the same. */
#include <assert.h>
#include <stdint.h>

/* jansson's types bear the same names as the scanner's: here they get others. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

#include "protocol/command.h"
#include "protocol/encode.h"
#include "protocol/json_scan.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same seed of libFuzzer tries the same inputs: jansson's hashes mustn't differ. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    json_object_seed(1);
    return 0;
}

static bool lies_in(struct slice inner, struct slice outer)
{
    return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

static void check_slices(const struct command *c, struct slice message)
{
    const struct slice all[] = {c->event,        c->channel,   c->auth,
                                c->channel_data, c->user_data, c->data};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert(!all[i].p || lies_in(all[i], message) ||
               lies_in(all[i], buf_slice(&c->scratch)));
    assert(c->scratch.n <= 2 * message.n);
}

static void check_verb(const struct command *c)
{
    bool channel = c->verb == COMMAND_SUBSCRIBE || c->verb == COMMAND_UNSUBSCRIBE ||
                   c->verb == COMMAND_CLIENT_EVENT;

    assert((c->verb == COMMAND_MALFORMED) == (c->fault != NULL));
    assert(c->verb == COMMAND_MALFORMED || c->event.p);
    assert(c->verb == COMMAND_MALFORMED || c->event.n <= EVENT_NAME_MAX);
    assert(!channel || c->channel.p);
    assert(c->verb != COMMAND_SIGNIN || c->user_data.p);
    assert(!c->auth.p || c->auth.n);
}

static void check_data_is_json(struct slice raw)
{
    struct json_value v;
    const char *why;

    if (!raw.p)
        return;
    assert(json_scan_value(raw, &v, &why) == ERR_NONE);
    assert(slice_eq(v.raw, raw));
}

static void check_echo(const struct command *c)
{
    struct frame *f;
    struct command again;

    if (c->verb != COMMAND_CLIENT_EVENT)
        return;
    f = encode_client_event(c->event, c->channel, c->data, SLICE("forged\"\n"));
    command_parse(&again, frame_payload(f));
    assert(again.verb == COMMAND_CLIENT_EVENT);
    assert(slice_eq(again.event, c->event) && slice_eq(again.channel, c->channel));
    assert(c->data.p ? slice_eq(again.data, c->data) : slice_is(again.data, "null"));
    command_fini(&again);
    frame_release(f);
}

static void check_escape(struct slice bytes)
{
    struct buf quoted = BUF_INIT, back = BUF_INIT;
    struct json_value v;
    const char *why;

    buf_add_char(&quoted, '"');
    json_escape(&quoted, bytes);
    buf_add_char(&quoted, '"');
    assert(json_scan_value(buf_slice(&quoted), &v, &why) == ERR_NONE);
    json_unescape(&back, v.raw);
    assert(slice_eq(buf_slice(&back), bytes));
    buf_fini(&quoted);
    buf_fini(&back);
}

/* What jansson can't represent, though it is JSON. */
static bool beyond_jansson(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);

    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode");
}

static void check_against_jansson(struct slice message)
{
    struct json_value v;
    const char *why;
    json_error_t error;
    enum err err = json_scan_value(message, &v, &why);
    json_t *j =
        json_loadb(message.p, message.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    /* jansson takes a NUL byte for the end of the text */
    if (utf8_valid(message) && !memchr(message.p, '\0', message.n))
        assert(j ? err != ERR_INVALID : err != ERR_NONE || beyond_jansson(&error));
    json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice message = {(const char *)data, size};
    struct command c;

    command_parse(&c, message);
    check_slices(&c, message);
    check_verb(&c);
    check_data_is_json(c.data);
    check_echo(&c);
    command_fini(&c);
    check_escape(message);
    check_against_jansson(message);
    return 0;
}
