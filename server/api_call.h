/* Questions to the adapter on behalf of HTTP requests: each has a number, unique on its
 * worker for ever, so that an answer to a request that has gone finds nothing. The
 * worker's thread only. */
#ifndef MUSTER_SERVER_API_CALL_H
#define MUSTER_SERVER_API_CALL_H

#include "adapters/adapter.h"
#include "adapters/lookup.h"
#include "server/base/hmap.h"
#include "server/http.h"

/* A worker's open questions. */
struct api_calls {
    struct hmap by_number;
    struct list receipts; /* of events, oldest first */
    uint64_t next;
};

struct api_state;
/* Puts the reply together when every answer has come; must http_finish. */
typedef void api_done_fn(struct http_request *r, struct api_state *s);

/* What a request waits for: its questions' answers, in the order of asking. */
struct api_state {
    api_done_fn *done;
    unsigned asked;              /* questions */
    unsigned awaited;            /* answers */
    bool unavailable;            /* some answer was */
    unsigned info;               /* the handler's own */
    struct api_answer **answers; /* by question: a list, several homes may answer one */
    struct buf notes;            /* the handler's own, as many as notes_n */
    unsigned notes_n;
};

struct api_answer {
    struct api_answer *next;
    struct lookup_answer *answer;
};

void api_calls_init(struct api_calls *c);
/** All requests must have gone. */
void api_calls_fini(struct api_calls *c);
/** Prepares the request to wait for up to n questions. */
struct api_state *api_state_alloc(struct http_request *r, unsigned n, api_done_fn *done);
/** Puts the next question; q's reply, asker and call are filled in here. */
void api_ask(struct http_request *r, struct lookup_query *q);
/** The request waits for the places of so many events (adapter_receipt), too; for 1 s at
 * the most: Redis may be silent, and what is on its way is told here then (PRESENCE.md,
 * "Degraded"). NULL: no need to. */
struct adapter_receipt *api_receipt(struct http_request *r, unsigned events);
/** Some times a second, where an adapter is shared. now: ms, loop_now. */
void api_calls_tick(struct api_calls *c, uint64_t now);
/** An answer has come (takes it); NULL: of a receipt. */
void api_answered(struct api_calls *c, uint64_t number, struct lookup_answer *answer);

#endif
