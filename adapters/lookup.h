/* Questions about channels, for the HTTP API: what the cluster knows, not the node. A
 * query is one channel, or all occupied ones of a prefix; an answer is a list of facts.
 * An answer is made on one thread, handed over, and read on another; nothing in it is
 * shared. */
#ifndef MUSTER_ADAPTERS_LOOKUP_H
#define MUSTER_ADAPTERS_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/slice.h"

enum lookup_attribute {
    LOOKUP_USERS = 1,   /* how many users (presence channels) */
    LOOKUP_MEMBERS = 2, /* who they are */
    LOOKUP_CACHE = 4,   /* the kept event (cache channels) */
};

/* Bytes inside the answer, by their place: they may move while it is being built. */
struct span {
    size_t at, n;
};

struct channel_facts {
    struct span name;
    unsigned subscriptions; /* occupied: more than 0 */
    unsigned users;
    unsigned first_member, n_members; /* in the answer's members */
    struct span cached;               /* the kept event's raw JSON `data`; n 0: none */
    unsigned cached_ttl;              /* s that it is still kept */
};

struct lookup_answer {
    bool unavailable; /* nobody can say now: 503 */
    struct channel_facts *facts;
    size_t n, cap;
    struct span *members;
    size_t n_members, members_cap;
    struct buf bytes;
};

struct lookup_query {
    struct slice app;     /* the app's id */
    struct slice channel; /* one channel, or absent: then all that start with prefix */
    struct slice prefix;
    unsigned home; /* the channel's; unused for a prefix */
    unsigned attributes;
    /* Takes the answer; called on any thread, once for each answer that adapter_lookup
     * announced. call is the asker's own number for its question. */
    void (*reply)(void *asker, uint64_t call, struct lookup_answer *answer);
    void *asker;
    uint64_t call;
};

/** A copy with its own strings (caller frees with free). */
struct lookup_query *lookup_query_copy(const struct lookup_query *q);

struct lookup_answer *lookup_answer_alloc(void);
void lookup_answer_free(struct lookup_answer *a);
/** Adds facts of a channel (copies name); borrowed until the next add. */
struct channel_facts *lookup_add(struct lookup_answer *a, struct slice name);
/** Adds a member to the channel that was added last (copies). */
void lookup_add_member(struct lookup_answer *a, struct slice user_id);
/** Sets what the channel that was added last keeps (copies). */
void lookup_set_cached(struct lookup_answer *a, struct slice data_raw, unsigned ttl);
/** The bytes of a span, borrowed until the next add. */
struct slice lookup_bytes(const struct lookup_answer *a, struct span s);

#endif
