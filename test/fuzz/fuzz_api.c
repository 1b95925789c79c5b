/* What backends send to the HTTP API, query strings and bodies alike, and a sign-in's
 * watchlist: each input is taken as each of them. Besides memory safety: slices lie where
 * their owner says, a refusal has a text, what the signer signs verifies (and not with
 * another signature), what a body's event is encoded to is what it said. */
#include <assert.h>
#include <stdint.h>

#include "protocol/api_body.h"
#include "protocol/api_info.h"
#include "protocol/api_signer.h"
#include "protocol/channel_data.h"
#include "protocol/channel_name.h"
#include "protocol/command.h"
#include "protocol/encode.h"
#include "protocol/json_scan.h"

enum { NOW = 1353088179, MAX_DATA = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct api_credentials app = {{"key", 3}, {"secret", 6}};

static bool lies_in(struct slice inner, struct slice outer)
{
    return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

static void check_refusal(int status, struct buf *why)
{
    assert(status == 0 || status == 400 || status == 401 || status == 413);
    assert((status != 0) == (why->n > 0));
    buf_fini(why);
}

static bool is_ordered(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order < 0 || (order == 0 && a.n <= b.n);
}

static void check_params(const struct api_query *q)
{
    struct slice scratch = buf_slice(&q->scratch);

    assert(q->n <= API_PARAMS_MAX && q->scratch.n <= q->text.n);
    for (unsigned i = 0; i < q->n; i++) {
        const struct api_param *p = &q->params[i];

        assert(lies_in(p->key, q->text) || lies_in(p->key, scratch));
        assert(lies_in(p->value, q->text) || lies_in(p->value, scratch));
        assert(lies_in(p->raw_value, q->text));
        assert(p->value.n <= p->raw_value.n);
        assert(!i || is_ordered(q->params[i - 1].key, p->key));
    }
}

static void check_questions(const struct api_query *q)
{
    struct buf why = BUF_INIT;
    unsigned info;
    int status = api_channels_check(q, &info, &why);

    assert(status || !(info & API_INFO_CACHE));
    check_refusal(status, &why);
    status = api_channel_check(q, SLICE("presence-a"), &info, &why);
    assert(status || !(info & ~api_info_of(CHANNEL_PRESENCE)));
    check_refusal(status, &why);
}

static void check_query(const struct api_request *r, struct slice text)
{
    struct buf why = BUF_INIT;
    struct api_query q;
    int status = api_query_parse(&q, text, &why);

    check_refusal(status, &why);
    if (!status) {
        check_params(&q);
        check_questions(&q);
        status = api_sign_verify(r, &q, &app, NOW, &why);
        check_refusal(status, &why);
    }
    api_query_fini(&q);
}

static int verify(const struct api_request *r, struct slice text)
{
    struct buf why = BUF_INIT;
    struct api_query q;
    int status = api_query_parse(&q, text, &why);

    if (!status)
        status = api_sign_verify(r, &q, &app, NOW, &why);
    api_query_fini(&q);
    check_refusal(status, &why);
    return status;
}

static void check_signer(const struct api_request *r, struct slice params)
{
    struct buf out = BUF_INIT;
    int status;

    if (api_sign_query(&out, r, params, &app, NOW) == ERR_NONE) {
        status = verify(r, buf_slice(&out));
        assert(status == 0);
        out.p[out.n - 1] ^= 1; /* another hex digit, or none */
        status = verify(r, buf_slice(&out));
        assert(status != 0);
    }
    buf_fini(&out);
}

/* A published frame says what the event said. */
static void check_frame(const struct api_event *e, struct slice channel)
{
    struct frame *f = encode_published(e->name, channel, e->data_raw);
    struct json_want want[] = {{.name = "event"}, {.name = "channel"}, {.name = "data"}};
    struct buf name = BUF_INIT, to = BUF_INIT;
    const char *why;

    assert(utf8_valid(frame_payload(f)));
    assert(json_scan_object(frame_payload(f), want, 3, &why) == ERR_NONE);
    json_unescape(&name, want[0].value.raw);
    json_unescape(&to, want[1].value.raw);
    assert(slice_eq(buf_slice(&name), e->name) && slice_eq(buf_slice(&to), channel));
    assert(slice_eq(want[2].value.raw, e->data_raw));
    buf_fini(&name);
    buf_fini(&to);
    frame_release(f);
}

static void check_event(const struct api_body *b, const struct api_event *e,
                        struct slice body)
{
    struct slice scratch = buf_slice(&b->scratch);
    struct json_value v;
    const char *why;

    assert(lies_in(e->name, body) || lies_in(e->name, scratch));
    assert(e->name.n && e->name.n <= EVENT_NAME_MAX);
    assert(lies_in(e->data_raw, body));
    assert(json_scan_value(e->data_raw, &v, &why) == ERR_NONE && v.type == JSON_STRING);
    assert(slice_eq(v.raw, e->data_raw) && e->data_raw.n <= 2 + 6 * MAX_DATA);
    assert(e->info <= 7 && e->n_channels && e->first + e->n_channels <= b->n_channels);
    for (unsigned i = e->first; i < e->first + e->n_channels; i++) {
        struct slice channel = b->channels[i];

        assert(lies_in(channel, body) || lies_in(channel, scratch));
        assert(!channel_name_fault(channel));
        check_frame(e, channel);
    }
}

static void check_body(struct slice body, bool batch)
{
    struct buf why = BUF_INIT;
    struct api_body b;
    int status = batch ? api_batch_parse(&b, body, MAX_DATA, &why)
                       : api_events_parse(&b, body, MAX_DATA, &why);

    if (!status) {
        assert(batch ? b.n_events <= API_BATCH_MAX : b.n_events == 1);
        assert(b.n_channels <= API_CHANNELS_MAX);
        for (unsigned i = 0; i < b.n_events; i++)
            check_event(&b, &b.events[i], body);
    }
    check_refusal(status, &why);
    api_body_fini(&b);
}

static void check_watchlist(struct slice user_data)
{
    struct watchlist w;

    if (!signin_watchlist(user_data, &w)) {
        struct frame *f = encode_watchlist(w.ids, w.n, w.ids, w.n);
        struct json_value v;
        const char *why;

        assert(json_scan_value(frame_payload(f), &v, &why) == ERR_NONE);
        assert(w.n <= WATCHLIST_MAX);
        for (unsigned i = 0; i < w.n; i++)
            assert(w.ids[i].n && w.ids[i].n <= USER_ID_MAX);
        frame_release(f);
    }
    watchlist_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct api_request r = {
        .method = SLICE("POST"), .path = SLICE("/apps/1/e%20"), .body = text};

    check_query(&r, text);
    check_signer(&r, text);
    r.path = text;
    r.prefixed = text;
    check_signer(&r, SLICE("info=user_count"));
    check_body(text, false);
    check_body(text, true);
    check_watchlist(text);
    return 0;
}
