/* A name is wanted or not, and was sent or not; where the two differ it is in `fresh`
 * (or, after a lost connection, in `backlog`) until redis_subs_next has said so to Redis.
 * It lives as long as it is wanted or Redis owes an acknowledgement. The names of one
 * subscription form a group, which is told once all of them are confirmed. */
#include "adapters/redis_subs.h"

#include <assert.h>
#include <stdlib.h>

#include "adapters/redis_link.h"
#include "adapters/redis_script.h"
#include "server/base/hash.h"
#include "server/base/hmap.h"
#include "server/base/list.h"
#include "server/base/xalloc.h"

enum { NAMES_A_COMMAND = 500, UNACKNOWLEDGED_MAX = 2000 };

struct sub {
    struct hmap_node by_name;
    struct list due;     /* in fresh or backlog, or alone */
    struct group *group; /* NULL: not wanted */
    bool sent;           /* SUBSCRIBE, and no UNSUBSCRIBE since */
    unsigned owed;       /* acknowledgements */
    size_t n;
    char name[];
};

struct group {
    void *owner;
    uint64_t id;
    unsigned n;
    struct sub *subs[REDIS_NAMES_MAX]; /* NULL: passed on, or given up */
    bool told;
};

struct redis_subs {
    const struct redis_subs_sink *sink;
    void *context;
    struct hmap names;
    struct hash_seed seed;
    struct list fresh, backlog;
    unsigned owed;
};

struct redis_subs *redis_subs_alloc(const struct redis_subs_sink *sink, void *context)
{
    struct redis_subs *s = xcalloc(1, sizeof *s);

    s->sink = sink;
    s->context = context;
    hmap_init(&s->names);
    s->seed = hash_seed_random();
    list_init(&s->fresh);
    list_init(&s->backlog);
    return s;
}

static struct sub *find(const struct redis_subs *s, struct slice name)
{
    uint64_t hash = hash_bytes(s->seed, name.p, name.n);
    struct hmap_node *n;

    for (n = hmap_first(&s->names, hash); n; n = hmap_next(n, hash)) {
        struct sub *sub = CONTAINER_OF(n, struct sub, by_name);

        if (slice_eq(name, (struct slice){sub->name, sub->n}))
            return sub;
    }
    return NULL;
}

static struct sub *find_or_add(struct redis_subs *s, struct slice name)
{
    struct sub *sub = find(s, name);

    if (sub)
        return sub;
    sub = xcalloc(1, sizeof *sub + name.n);
    memcpy(sub->name, name.p, name.n);
    sub->n = name.n;
    list_init(&sub->due);
    hmap_insert(&s->names, &sub->by_name, hash_bytes(s->seed, name.p, name.n));
    return sub;
}

static void settle(struct redis_subs *s, struct sub *sub)
{
    bool wanted = sub->group != NULL;

    list_remove(&sub->due);
    if (wanted != sub->sent) {
        list_append(&s->fresh, &sub->due);
    } else if (!wanted && !sub->owed) {
        hmap_remove(&s->names, &sub->by_name);
        free(sub);
    }
}

/* The sub is its group's no longer; the last one takes the group with it. */
static void leave_group(struct sub *sub)
{
    struct group *g = sub->group;
    bool empty = true;

    sub->group = NULL;
    if (!g)
        return;
    for (unsigned i = 0; i < REDIS_NAMES_MAX; i++) {
        if (g->subs[i] == sub)
            g->subs[i] = NULL;
        empty &= !g->subs[i];
    }
    if (empty)
        free(g);
}

static void tell_if_confirmed(struct redis_subs *s, struct group *g)
{
    if (g->told)
        return;
    for (unsigned i = 0; i < REDIS_NAMES_MAX; i++)
        if (g->subs[i] && (!g->subs[i]->sent || g->subs[i]->owed))
            return;
    g->told = true;
    s->sink->subscribed(s->context, g->owner, g->id, g->n);
}

void redis_subs_add(struct redis_subs *s, void *owner, uint64_t id,
                    const struct slice *names, unsigned n)
{
    struct group *g = xcalloc(1, sizeof *g);

    assert(n && n <= REDIS_NAMES_MAX && (n == 1 || !slice_eq(names[0], names[1])));
    *g = (struct group){.owner = owner, .id = id, .n = n};
    for (unsigned i = 0; i < n; i++) {
        struct sub *sub = find_or_add(s, names[i]);

        leave_group(sub);
        sub->group = g;
        g->subs[i] = sub;
        settle(s, sub);
    }
    tell_if_confirmed(s, g);
}

void redis_subs_remove(struct redis_subs *s, void *owner, uint64_t id,
                       const struct slice *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct sub *sub = find(s, names[i]);

        if (!sub || !sub->group || sub->group->owner != owner || sub->group->id != id)
            continue;
        leave_group(sub);
        settle(s, sub);
    }
}

/* One command: the first names of the list that are to be told the same. */
static unsigned take(struct redis_subs *s, struct list *from, struct buf *to)
{
    struct slice words[1 + NAMES_A_COMMAND];
    bool subscribe = !CONTAINER_OF(from->next, struct sub, due)->sent;
    unsigned n = 0;

    words[n++] = subscribe ? SLICE("SUBSCRIBE") : SLICE("UNSUBSCRIBE");
    while (!list_empty(from) && n <= NAMES_A_COMMAND) {
        struct sub *sub = CONTAINER_OF(from->next, struct sub, due);

        if (sub->sent == subscribe)
            break;
        list_remove(&sub->due);
        sub->sent = subscribe;
        sub->owed++;
        words[n++] = (struct slice){sub->name, sub->n};
    }
    redis_command_encode(to, words, n);
    s->owed += n - 1;
    return n - 1;
}

bool redis_subs_next(struct redis_subs *s, struct buf *to)
{
    struct list *from = list_empty(&s->fresh) ? &s->backlog : &s->fresh;

    if (list_empty(from) || s->owed > UNACKNOWLEDGED_MAX)
        return false;
    return take(s, from, to) > 0;
}

bool redis_subs_acknowledged(struct redis_subs *s, struct slice name)
{
    struct sub *sub = find(s, name);

    if (!sub || !sub->owed)
        return false;
    sub->owed--;
    s->owed--;
    if (sub->group)
        tell_if_confirmed(s, sub->group);
    else
        settle(s, sub);
    return true;
}

bool redis_subs_find(const struct redis_subs *s, struct slice name, void **owner,
                     uint64_t *id)
{
    const struct sub *sub = find(s, name);

    if (!sub || !sub->group || !sub->group->told)
        return false;
    *owner = sub->group->owner;
    *id = sub->group->id;
    return true;
}

static void reset(struct hmap_node *node, void *context)
{
    struct sub *sub = CONTAINER_OF(node, struct sub, by_name);
    struct redis_subs *s = context;

    list_remove(&sub->due);
    sub->sent = false;
    sub->owed = 0;
    if (sub->group)
        sub->group->told = false;
    list_append(&s->backlog, &sub->due);
}

void redis_subs_reset(struct redis_subs *s)
{
    hmap_each(&s->names, reset, s);
    s->owed = 0;
    for (struct list *l = s->backlog.next, *next; l != &s->backlog; l = next) {
        struct sub *sub = CONTAINER_OF(l, struct sub, due);

        next = l->next;
        if (!sub->group)
            settle(s, sub); /* frees it */
    }
}

static void free_sub(struct hmap_node *node, void *context)
{
    struct sub *sub = CONTAINER_OF(node, struct sub, by_name);

    (void)context;
    leave_group(sub);
    free(sub);
}

void redis_subs_free(struct redis_subs *s)
{
    hmap_each(&s->names, free_sub, NULL);
    hmap_fini(&s->names);
    free(s);
}
