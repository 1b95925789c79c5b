#include "adapters/lookup.h"

#include <stdlib.h>

#include "server/base/xalloc.h"

static struct slice copy(char **at, struct slice s)
{
    struct slice copied = {s.p ? *at : NULL, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copied;
}

struct lookup_query *lookup_query_copy(const struct lookup_query *q)
{
    struct lookup_query *c = xmalloc(sizeof *c + q->app.n + q->channel.n + q->prefix.n);
    char *at = (char *)(c + 1);

    *c = *q;
    c->app = copy(&at, q->app);
    c->channel = copy(&at, q->channel);
    c->prefix = copy(&at, q->prefix);
    return c;
}

struct lookup_answer *lookup_answer_alloc(void)
{
    return xcalloc(1, sizeof(struct lookup_answer));
}

void lookup_answer_free(struct lookup_answer *a)
{
    free(a->facts);
    free(a->members);
    buf_fini(&a->bytes);
    free(a);
}

static struct span keep(struct lookup_answer *a, struct slice s)
{
    struct span kept = {a->bytes.n, s.n};

    buf_add_slice(&a->bytes, s);
    return kept;
}

struct slice lookup_bytes(const struct lookup_answer *a, struct span s)
{
    return (struct slice){s.n ? a->bytes.p + s.at : "", s.n};
}

struct channel_facts *lookup_add(struct lookup_answer *a, struct slice name)
{
    struct channel_facts *f;

    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 4;
        a->facts = xrealloc(a->facts, a->cap * sizeof *a->facts);
    }
    f = &a->facts[a->n++];
    *f = (struct channel_facts){.name = keep(a, name),
                                .first_member = (unsigned)a->n_members};
    return f;
}

void lookup_add_member(struct lookup_answer *a, struct slice user_id)
{
    if (a->n_members == a->members_cap) {
        a->members_cap = a->members_cap ? a->members_cap * 2 : 16;
        a->members = xrealloc(a->members, a->members_cap * sizeof *a->members);
    }
    a->members[a->n_members++] = keep(a, user_id);
    a->facts[a->n - 1].n_members++;
}

void lookup_set_cached(struct lookup_answer *a, struct slice data_raw, unsigned ttl)
{
    struct channel_facts *f = &a->facts[a->n - 1];

    f->cached = keep(a, data_raw);
    f->cached_ttl = ttl;
}
