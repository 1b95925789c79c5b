#include "server/letters.h"

#include <stdlib.h>
#include <unistd.h>

#include "server/base/xalloc.h"
#include "server/webhook_event.h"

void *letter_alloc(enum letter_kind kind, size_t size)
{
    struct msg *m = xcalloc(1, size);

    m->kind = kind;
    return m;
}

struct msg *letter_plain(enum letter_kind kind)
{
    return letter_alloc(kind, sizeof(struct msg));
}

static void release(struct frame *f)
{
    if (f)
        frame_release(f);
}

void letter_free(struct msg *m)
{
    switch (m->kind) {
    case LETTER_ADOPT:
        if (((struct msg_adopt *)m)->fd >= 0)
            close(((struct msg_adopt *)m)->fd);
        break;
    case LETTER_SUBSCRIBED:
        release(((struct msg_subscribed *)m)->frame);
        release(((struct msg_subscribed *)m)->after);
        break;
    case LETTER_DELIVER:
        release(((struct msg_deliver *)m)->frame);
        break;
    case LETTER_PUBLISH:
        release(((struct msg_publish *)m)->frame);
        if (((struct msg_publish *)m)->webhook)
            webhook_event_free(((struct msg_publish *)m)->webhook);
        break;
    case LETTER_EMIT:
        release(((struct msg_emit *)m)->frame);
        adapter_receipt_end(((struct msg_emit *)m)->receipt, false);
        break;
    case LETTER_ANSWER:
        if (((struct msg_answer *)m)->answer)
            lookup_answer_free(((struct msg_answer *)m)->answer);
        break;
    case LETTER_GAUGES:
        free(((struct msg_gauges *)m)->gauges);
        break;
    case LETTER_RUN:
        if (((struct msg_run *)m)->fn)
            ((struct msg_run *)m)->fn(((struct msg_run *)m)->arg, false);
        break;
    case LETTER_WATCH:
    case LETTER_UNWATCH:
    case LETTER_ONLINE:
    case LETTER_TERMINATE:
    case LETTER_REFUSED:
    case LETTER_DRAIN:
    case LETTER_SUBSCRIBE:
    case LETTER_UNSUBSCRIBE:
    case LETTER_STOP:
        break;
    }
    free(m);
}
