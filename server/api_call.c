/* Each question of a request is a call with a number; its answers come back as letters to
 * this worker, are kept in the order of asking, and when the last has come the request's
 * handler puts its reply together. A request that goes first takes its calls along. */
#include "server/api_call.h"

#include <stdlib.h>

#include "server/base/list.h"
#include "server/base/xalloc.h"
#include "server/node.h"
#include "server/worker.h"

enum { RECEIPT_MS = 1000 };

/* One open question of a request, or its events. */
struct call {
    struct hmap_node by_number;
    struct list of_request;
    struct list receipts; /* alone, if it's a question */
    uint64_t until;       /* ms: a receipt isn't waited for any longer */
    uint64_t number;
    unsigned place, awaited;
    struct http_request *request;
};

/* The request's state, with what only this file needs. */
struct waiting {
    struct api_state state; /* first: an api_state is its waiting */
    struct list calls;
};

void api_calls_init(struct api_calls *c)
{
    hmap_init(&c->by_number);
    list_init(&c->receipts);
    c->next = 0;
}

void api_calls_fini(struct api_calls *c)
{
    hmap_fini(&c->by_number);
}

static void end_call(struct api_calls *c, struct call *call)
{
    hmap_remove(&c->by_number, &call->by_number);
    list_remove(&call->of_request);
    list_remove(&call->receipts);
    free(call);
}

static void free_answers(struct api_answer *a)
{
    while (a) {
        struct api_answer *next = a->next;

        lookup_answer_free(a->answer);
        free(a);
        a = next;
    }
}

static void end_state(struct http_request *r)
{
    struct waiting *w = r->state;

    while (!list_empty(&w->calls))
        end_call(&r->worker->calls, CONTAINER_OF(w->calls.next, struct call, of_request));
    for (unsigned i = 0; i < w->state.asked; i++)
        free_answers(w->state.answers[i]);
    free(w->state.answers);
    buf_fini(&w->state.notes);
    free(w);
}

struct api_state *api_state_alloc(struct http_request *r, unsigned n, api_done_fn *done)
{
    struct waiting *w = xcalloc(1, sizeof *w);

    list_init(&w->calls);
    w->state.done = done;
    w->state.answers = xcalloc(n, sizeof(struct api_answer *));
    r->state = w;
    r->end_state = end_state;
    return &w->state;
}

/* Any thread: the answer goes to the worker that asked. */
static void reply(void *asker, uint64_t number, struct lookup_answer *answer)
{
    struct msg_answer *m = letter_alloc(LETTER_ANSWER, sizeof *m);

    m->call = number;
    m->answer = answer;
    worker_post(NULL, asker, &m->msg);
}

static struct call *call_alloc(struct http_request *r)
{
    struct api_calls *calls = &r->worker->calls;
    struct waiting *w = r->state;
    struct call *call = xcalloc(1, sizeof *call);

    call->number = ++calls->next;
    call->request = r;
    list_init(&call->receipts);
    list_append(&w->calls, &call->of_request);
    hmap_insert(&calls->by_number, &call->by_number, hash_u64(call->number));
    return call;
}

void api_ask(struct http_request *r, struct lookup_query *q)
{
    struct waiting *w = r->state;
    struct call *call = call_alloc(r);

    call->place = w->state.asked++;
    q->reply = reply;
    q->asker = r->worker;
    q->call = call->number;
    call->awaited = adapter_lookup(r->worker->node->adapter, q);
    w->state.awaited += call->awaited;
}

struct receipt {
    struct adapter_receipt events;
    struct worker *worker;
    uint64_t call;
};

/* Any thread. */
static void placed(struct adapter_receipt *events, bool alive)
{
    struct receipt *receipt = CONTAINER_OF(events, struct receipt, events);

    if (alive)
        reply(receipt->worker, receipt->call, NULL);
    free(receipt);
}

struct adapter_receipt *api_receipt(struct http_request *r, unsigned events)
{
    struct waiting *w = r->state;
    struct receipt *receipt;
    struct call *call;

    if (!r->worker->node->adapter->shared || !events)
        return NULL;
    call = call_alloc(r);
    call->awaited = 1;
    call->until = loop_now(r->worker->loop) + RECEIPT_MS;
    list_append(&r->worker->calls.receipts, &call->receipts);
    w->state.awaited++;
    receipt = xmalloc(sizeof *receipt);
    *receipt = (struct receipt){{events, placed}, r->worker, call->number};
    return &receipt->events;
}

void api_calls_tick(struct api_calls *c, uint64_t now)
{
    while (!list_empty(&c->receipts)) {
        const struct call *oldest = CONTAINER_OF(c->receipts.next, struct call, receipts);

        if (oldest->until > now)
            return;
        api_answered(c, oldest->number, NULL);
    }
}

static struct call *find(struct api_calls *c, uint64_t number)
{
    struct hmap_node *n = hmap_first(&c->by_number, hash_u64(number));

    for (; n; n = hmap_next(n, hash_u64(number))) {
        struct call *call = CONTAINER_OF(n, struct call, by_number);

        if (call->number == number)
            return call;
    }
    return NULL;
}

static void keep(struct api_answer **list, struct lookup_answer *answer)
{
    struct api_answer *a = xcalloc(1, sizeof *a);

    a->answer = answer;
    a->next = *list;
    *list = a;
}

void api_answered(struct api_calls *c, uint64_t number, struct lookup_answer *answer)
{
    struct call *call = find(c, number);
    struct http_request *r;
    struct api_state *s;

    if (!call) {
        if (answer)
            lookup_answer_free(answer);
        return;
    }
    r = call->request;
    s = r->state;
    if (answer) {
        keep(&s->answers[call->place], answer);
        s->unavailable |= answer->unavailable;
    }
    if (--call->awaited == 0)
        end_call(c, call);
    if (--s->awaited)
        return;
    if (s->unavailable)
        http_reply_later(r, 503, 1, "The cluster can't answer now");
    else
        s->done(r, s);
}
