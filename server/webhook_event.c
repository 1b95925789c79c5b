#include "server/webhook_event.h"

#include <stdlib.h>

#include "protocol/json_scan.h"
#include "server/base/xalloc.h"

static char *move_in(char *to, struct slice *s)
{
    if (!s->p)
        return to;
    if (s->n)
        memcpy(to, s->p, s->n);
    s->p = to;
    return to + s->n;
}

struct webhook_event *webhook_event_alloc(const struct webhook_event *from)
{
    size_t n = from->channel.n + from->user_id.n + from->event.n + from->data_raw.n +
               from->socket_id.n;
    struct webhook_event *e = xmalloc(sizeof *e + n);
    char *to = e->bytes;

    *e = *from;
    e->letter.next = NULL;
    to = move_in(to, &e->channel);
    to = move_in(to, &e->user_id);
    to = move_in(to, &e->event);
    to = move_in(to, &e->data_raw);
    move_in(to, &e->socket_id);
    return e;
}

void webhook_event_free(struct webhook_event *e)
{
    if (e->done)
        e->done(e->arg);
    free(e);
}

static void add_string(struct buf *out, const char *name, struct slice value)
{
    buf_addf(out, ",\"%s\":\"", name);
    json_escape(out, value);
    buf_add_char(out, '"');
}

static void add_client_event(struct buf *out, const struct webhook_event *e)
{
    struct slice data = e->data_raw.p ? e->data_raw : SLICE("null");

    add_string(out, "event", e->event);
    if (data.n && data.p[0] == '"') {
        buf_add_lit(out, ",\"data\":");
        buf_add_slice(out, data);
    } else {
        add_string(out, "data", data);
    }
    add_string(out, "socket_id", e->socket_id);
    if (e->user_id.p)
        add_string(out, "user_id", e->user_id);
}

void webhook_event_json(struct buf *out, const struct webhook_event *e)
{
    buf_addf(out, "{\"name\":\"%s\"", conf_webhook_event_name(e->type));
    add_string(out, "channel", e->channel);
    switch (e->type) {
    case CONF_WEBHOOK_MEMBER_ADDED:
    case CONF_WEBHOOK_MEMBER_REMOVED:
        add_string(out, "user_id", e->user_id);
        break;
    case CONF_WEBHOOK_CLIENT_EVENT:
        add_client_event(out, e);
        break;
    case CONF_WEBHOOK_SUBSCRIPTION_COUNT:
        buf_addf(out, ",\"subscription_count\":%u", e->count);
        break;
    case CONF_WEBHOOK_CHANNEL_OCCUPIED:
    case CONF_WEBHOOK_CHANNEL_VACATED:
    case CONF_WEBHOOK_CACHE_MISS:
    case CONF_WEBHOOK_EVENTS:
        break;
    }
    buf_add_char(out, '}');
}
