/* channel_data and user_data: an accepted member, encoded into a frame, decodes to the
 * same id and to the same bytes of user_info. */
#include <assert.h>
#include <stdint.h>

#include "protocol/channel_data.h"
#include "protocol/encode.h"
#include "protocol/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct slice inner, struct slice outer)
{
    return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

static void check_id(const struct user_data *d, struct slice text)
{
    assert(d->id.n > 0 && d->id.n <= USER_ID_MAX);
    assert(lies_in(d->id, text) || lies_in(d->id, buf_slice(&d->scratch)) ||
           slice_is(d->id, "0"));
    assert(!utf8_valid(text) || utf8_valid(d->id));
}

static void check_info(const struct user_data *d, struct slice text)
{
    struct json_value v;
    const char *why;

    if (!d->info.p)
        return;
    assert(lies_in(d->info, text));
    assert(json_scan_value(d->info, &v, &why) == ERR_NONE);
    assert(v.type != JSON_NULL && slice_eq(v.raw, d->info));
}

/* Cuts keys out of a frame's `data`, which is unescaped into inner. */
static void open_frame(struct frame *f, struct buf *inner, struct json_want want[2])
{
    struct json_want data[] = {{.name = "data"}};
    const char *why;

    assert(json_scan_object(frame_payload(f), data, 1, &why) == ERR_NONE);
    assert(data[0].value.type == JSON_STRING);
    json_unescape(inner, data[0].value.raw);
    assert(json_scan_object(buf_slice(inner), want, 2, &why) == ERR_NONE);
}

static void check_member_added(const struct user_data *d)
{
    struct json_want want[] = {{.name = "user_id"}, {.name = "user_info"}};
    struct buf id_piece = BUF_INIT, info_piece = BUF_INIT, inner = BUF_INIT,
               id = BUF_INIT;
    struct frame *f;

    encode_id_piece(&id_piece, d->id);
    encode_info_piece(&info_piece, d->info);
    f = encode_member_added(CHANNEL_PRESENCE, SLICE("presence-a"), buf_slice(&id_piece),
                            buf_slice(&info_piece));
    open_frame(f, &inner, want);
    json_unescape(&id, want[0].value.raw);
    assert(slice_eq(buf_slice(&id), d->id));
    assert(d->info.p ? slice_eq(want[1].value.raw, d->info)
                     : want[1].value.type == JSON_NULL);
    frame_release(f);
    buf_fini(&id_piece);
    buf_fini(&info_piece);
    buf_fini(&inner);
    buf_fini(&id);
}

static void check(const char *fault, struct user_data *d, struct slice text)
{
    if (!fault) {
        check_id(d, text);
        check_info(d, text);
        check_member_added(d);
    }
    user_data_fini(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct user_data d;
    const char *fault = channel_data_parse(text, &d);

    check(fault, &d, text);
    fault = signin_data_parse(text, &d);
    check(fault, &d, text);
    return 0;
}
