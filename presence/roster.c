/* Members in a map by their id; those that are shown also in a list, in which new ones go
 * to the end, so that a snapshot lists them in the order of their coming. */
#include "presence/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json_scan.h"
#include "server/base/xalloc.h"

void roster_init(struct roster *r, struct hash_seed seed)
{
    hmap_init(&r->by_id);
    list_init(&r->members);
    r->seed = seed;
    r->n = 0;
    r->version = 0;
}

static void free_member(struct hmap_node *node, void *context)
{
    struct member *m = CONTAINER_OF(node, struct member, by_id);

    (void)context;
    free(m->new_info);
    free(m->redis_info);
    free(m->nids);
    free(m);
}

void roster_fini(struct roster *r)
{
    hmap_each(&r->by_id, free_member, NULL);
    hmap_fini(&r->by_id);
}

static uint64_t hash_of(const struct roster *r, struct slice user_id)
{
    return hash_bytes(r->seed, user_id.p, user_id.n);
}

struct member *roster_find(const struct roster *r, struct slice user_id)
{
    uint64_t hash = hash_of(r, user_id);

    for (struct hmap_node *n = hmap_first(&r->by_id, hash); n; n = hmap_next(n, hash)) {
        struct member *m = CONTAINER_OF(n, struct member, by_id);

        if (slice_eq(m->id, user_id))
            return m;
    }
    return NULL;
}

static struct slice keep(char **at, struct slice s)
{
    struct slice kept = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

static struct slice raw_of(struct slice info)
{
    return info.p ? info : SLICE("null");
}

static uint64_t info_hash(const struct roster *r, struct slice info)
{
    struct slice raw = raw_of(info);

    return hash_bytes(r->seed, raw.p, raw.n);
}

struct member *roster_add(struct roster *r, struct slice user_id, struct slice info)
{
    struct buf id_piece = BUF_INIT, info_piece = BUF_INIT;
    struct member *m;
    char *at;

    encode_id_piece(&id_piece, user_id);
    encode_info_piece(&info_piece, info);
    m = xmalloc(sizeof *m + user_id.n + id_piece.n + info_piece.n);
    at = m->bytes;
    m->id = keep(&at, user_id);
    m->piece.id = keep(&at, buf_slice(&id_piece));
    m->piece.info = keep(&at, buf_slice(&info_piece));
    buf_fini(&id_piece);
    buf_fini(&info_piece);
    m->info_hash = info_hash(r, info);
    m->new_info = m->redis_info = NULL;
    m->removed = false;
    m->sockets = 0;
    m->n_nids = 0;
    m->nids = NULL;
    m->mark = 0;
    m->doubted = false;
    m->left = false;
    m->keep_until = 0;
    list_init(&m->held);
    list_init(&m->order);
    hmap_insert(&r->by_id, &m->by_id, hash_of(r, m->id));
    return m;
}

bool roster_has_info(const struct roster *r, const struct member *m, struct slice info)
{
    return m->info_hash == info_hash(r, info);
}

bool roster_redis_has_info(const struct roster *r, const struct member *m,
                           struct slice info)
{
    return m->redis_info ? slice_eq(slice_of(m->redis_info), raw_of(info))
                         : roster_has_info(r, m, info);
}

static void replace_info(struct roster *r, struct member *m, struct slice info)
{
    struct buf piece = BUF_INIT;

    encode_info_piece(&piece, info);
    free(m->new_info);
    m->new_info = xmemdup0(piece.p, piece.n);
    m->piece.info = (struct slice){m->new_info, piece.n};
    m->info_hash = info_hash(r, info);
    if (member_shown(m))
        r->version++; /* a snapshot that was made isn't right any more */
    buf_fini(&piece);
}

void member_redis_info(struct member *m, struct slice info)
{
    struct slice raw = raw_of(info);

    free(m->redis_info);
    m->redis_info = xmemdup0(raw.p, raw.n);
}

void roster_set_info(struct roster *r, struct member *m, struct slice info)
{
    free(m->redis_info);
    m->redis_info = NULL;
    if (!roster_has_info(r, m, info))
        replace_info(r, m, info);
}

void roster_show_info(struct roster *r, struct member *m, struct slice info)
{
    struct buf before = BUF_INIT;

    if (roster_has_info(r, m, info))
        return;
    if (!m->redis_info) {
        member_info(m, &before);
        member_redis_info(m, buf_slice(&before));
        buf_fini(&before);
    }
    replace_info(r, m, info);
}

void roster_as_redis(struct roster *r, struct member *m)
{
    char *info = m->redis_info;

    m->redis_info = NULL;
    if (info)
        roster_set_info(r, m, slice_of(info));
    free(info);
}

void member_info(const struct member *m, struct buf *out)
{
    struct buf string = BUF_INIT;

    buf_add_char(&string, '"');
    buf_add(&string, m->piece.info.p, m->piece.info.n);
    buf_add_char(&string, '"');
    json_unescape(out, buf_slice(&string));
    buf_fini(&string);
}

bool member_shown(const struct member *m)
{
    return !list_empty(&m->order);
}

void roster_show(struct roster *r, struct member *m)
{
    assert(!member_shown(m));
    list_append(&r->members, &m->order);
    r->n++;
    r->version++;
}

void roster_hide(struct roster *r, struct member *m)
{
    assert(member_shown(m));
    list_remove(&m->order);
    r->n--;
    r->version++;
}

void roster_drop(struct roster *r, struct member *m)
{
    assert(!member_shown(m));
    hmap_remove(&r->by_id, &m->by_id);
    list_remove(&m->held);
    free(m->new_info);
    free(m->redis_info);
    free(m->nids);
    free(m);
}

bool member_has_nid(const struct member *m, uint64_t nid)
{
    for (unsigned i = 0; i < m->n_nids; i++) {
        if (m->nids[i] == nid)
            return true;
    }
    return false;
}

void member_add_nid(struct member *m, uint64_t nid)
{
    if (member_has_nid(m, nid))
        return;
    m->nids = xrealloc(m->nids, (m->n_nids + 1) * sizeof *m->nids);
    m->nids[m->n_nids++] = nid;
}

void member_drop_nid(struct member *m, uint64_t nid)
{
    for (unsigned i = 0; i < m->n_nids; i++) {
        if (m->nids[i] == nid)
            m->nids[i--] = m->nids[--m->n_nids];
    }
}

void roster_each(const struct roster *r, void (*f)(const struct member *m, void *context),
                 void *context)
{
    for (struct list *at = r->members.next; at != &r->members; at = at->next)
        f(CONTAINER_OF(at, struct member, order), context);
}

struct walk {
    struct roster *roster;
    struct list *at;
};

static void walk_first(void *iterator)
{
    struct walk *w = iterator;

    w->at = w->roster->members.next;
}

static bool walk_next(void *iterator, struct member_piece *out)
{
    struct walk *w = iterator;

    if (w->at == &w->roster->members)
        return false;
    *out = CONTAINER_OF(w->at, struct member, order)->piece;
    w->at = w->at->next;
    return true;
}

struct frame *roster_snapshot(struct roster *r, struct slice channel)
{
    struct walk w = {r, NULL};

    return encode_snapshot(channel, r->n, walk_first, walk_next, &w);
}
