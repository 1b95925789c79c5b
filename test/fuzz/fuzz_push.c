/* What arrives on pub/sub channels: slices lie in the message, an event that was read and
 * written again is the same bytes (but for the number that the script sets), and a
 * topic's parts put together again are the name. */
#include <assert.h>
#include <stdint.h>

#include "adapters/redis_keys.h"
#include "adapters/redis_push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct slice inner, struct slice outer)
{
    return !inner.p || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

static void check_event(const struct redis_event *e, struct slice message)
{
    struct buf again = BUF_INIT;
    const size_t behind = 18; /* the number */

    assert(lies_in(e->data, message) && lies_in(e->text, message));
    assert(e->terminate == !e->text.p);
    redis_event_encode(e, &again);
    assert(again.n == message.n);
    assert(memcmp(again.p, message.p, 2) == 0);
    assert(memcmp(again.p + behind, message.p + behind, again.n - behind) == 0);
    buf_fini(&again);
}

static void check_push(const struct push *p, struct slice message)
{
    assert(p->kind == PUSH_ADDED || p->kind == PUSH_REF || p->kind == PUSH_UNREF ||
           p->kind == PUSH_REMOVED);
    assert(p->user.p && lies_in(p->user, message) && lies_in(p->info, message));
    assert(!p->info.p || (p->info.n && p->kind == PUSH_ADDED));
}

static void check_topic(struct slice name)
{
    struct redis_keys keys;
    struct redis_topic t;

    redis_keys_init(&keys, "m:", 0);
    if (!redis_topic_parse(&keys, name, &t))
        return;
    assert(t.letter == TOPIC_CHANNEL || t.letter == TOPIC_USER);
    assert(lies_in(t.app, name) && lies_in(t.channel, name));
    assert(!memchr(t.app.p, ':', t.app.n));
    assert(t.app.p + t.app.n + 1 == t.channel.p);
    assert(t.channel.p + t.channel.n == name.p + name.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice message = {(const char *)data, size};
    struct redis_message m;

    if (redis_message_decode(message, &m) == NULL) {
        if (m.kind == MESSAGE_EVENT)
            check_event(&m.event, message);
        else if (m.kind == MESSAGE_PUSH)
            check_push(&m.push, message);
        else
            assert(m.kind == MESSAGE_COUNT && message.p[0] == 'C');
    }
    check_topic(message);
    return 0;
}
