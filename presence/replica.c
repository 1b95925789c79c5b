/* See replica.h. What moves it is judged by version alone: the seq says which push is
 * next, the nonce before it that both are of one history. */
#include "presence/replica.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

enum { EARLY_MAX = 65536 }; /* pushes; beyond it the snapshot is taken anew */

struct early {
    struct list node;
    struct push push;
    char bytes[];
};

void replica_init(struct replica *r)
{
    *r = (struct replica){.live = false};
    list_init(&r->early);
}

static void forget(struct replica *r, struct early *e)
{
    list_remove(&e->node);
    free(e);
    r->n_early--;
}

static struct early *first_early(struct replica *r)
{
    return CONTAINER_OF(r->early.next, struct early, node);
}

static void forget_all(struct replica *r)
{
    while (!list_empty(&r->early))
        forget(r, first_early(r));
}

void replica_fini(struct replica *r)
{
    forget_all(r);
}

static void keep(struct replica *r, const struct push *p)
{
    struct early *e = xmalloc(sizeof *e + p->user.n + p->info.n);

    e->push = *p;
    memcpy(e->bytes, p->user.p, p->user.n);
    e->push.user.p = e->bytes;
    if (p->info.p) {
        memcpy(e->bytes + p->user.n, p->info.p, p->info.n);
        e->push.info.p = e->bytes + p->user.n;
    }
    list_append(&r->early, &e->node);
    r->n_early++;
}

static bool follows(const struct replica *r, const struct push *p, bool seq_only)
{
    return p->at.seq == r->at.seq + 1 && (seq_only || p->prev_nonce == r->at.nonce);
}

/* After a snapshot at nonce N, pushes up to it may still be on their way: they are known.
 * With N itself, or with the one that follows it, the last of them has passed; from then
 * on a lower seq is another history (PRESENCE.md, rule 2). */
enum replica_verdict replica_judge(struct replica *r, const struct push *p, bool seq_only)
{
    if (!r->live) {
        if (r->n_early >= EARLY_MAX)
            return REPLICA_LOST;
        keep(r, p);
        return REPLICA_IGNORE;
    }
    if (follows(r, p, seq_only))
        return REPLICA_APPLY;
    if (p->at.seq <= r->at.seq && (r->catching || seq_only)) {
        if (version_eq(p->at, r->at))
            r->catching = false;
        return REPLICA_IGNORE;
    }
    return REPLICA_LOST;
}

bool replica_is_whole(const struct replica *r)
{
    return r->live && r->at.seq >= r->read;
}

void replica_set(struct replica *r, struct version at)
{
    r->at = at;
    r->read = 0;
    r->passed = (struct version){0, 0};
}

void replica_moved(struct replica *r, struct version at)
{
    r->at = at;
    r->catching = false;
}

void replica_restart(struct replica *r)
{
    r->live = false;
    r->before = r->passed;
    r->cursor = 0;
    r->restarts++;
    forget_all(r);
}

/* What had come before a snapshot was asked for is in it, or was another history's. */
static bool is_another(const struct replica *r, struct version at)
{
    return r->before.seq > at.seq ||
           (r->before.seq == at.seq && r->before.nonce != at.nonce);
}

void replica_page(struct replica *r, struct version at, bool first)
{
    if (first) {
        if (is_another(r, at) && list_empty(&r->early))
            r->passed = (struct version){0, 0};
        r->at = at;
        r->read = 0;
        r->mark++;
    }
    if (at.seq > r->read)
        r->read = at.seq;
}

/* Pages that came later than the first may show changes that the pushes bring again:
 * each sets what it says, so that the end is right (PRESENCE.md, the batch script). */
bool replica_finish(struct replica *r, void (*apply)(void *context, const struct push *p),
                    void *context)
{
    r->live = true;
    r->catching = true;
    while (!list_empty(&r->early)) {
        struct early *e = first_early(r);

        if (version_eq(e->push.at, r->at)) {
            r->catching = false;
        } else if (follows(r, &e->push, false)) {
            apply(context, &e->push);
            replica_moved(r, e->push.at);
        } else if (e->push.at.seq > r->at.seq) {
            r->live = false;
            return false;
        }
        forget(r, e);
    }
    return true;
}
