/* What Redis says of a channel's members, push by push or as a snapshot, and who is shown
 * and let in by it. Only the difference of the view comes out of it (presence.c). */
#include "presence/presence_parts.h"

/* A push that is older than the time after which silent links are given up. */
enum { CAUGHT_MS = 10000 };

/* Where a history goes back, the nodes have put it right one attempt to connect and a
 * round trip later. The version of a channel that nobody holds is forgotten after a
 * minute. */
enum { DOUBT_MS = 2500, FORGOTTEN_MS = 50000 };

static struct member *member_for(struct presence *p, struct slice user, struct slice info)
{
    struct member *m = roster_find(&p->view, user);

    return m ? m : roster_add(&p->view, user, info);
}

/* What one change says, whether or not it was known. Returns the member, which may have
 * nothing left to it, or NULL if there is none. */
static struct member *change(struct presence *p, const struct push *push)
{
    struct member *m;

    switch (push->kind) {
    case PUSH_ADDED:
    case PUSH_REF:
        m = member_for(p, push->user, push->info);
        if (push->kind == PUSH_ADDED)
            presence_renew(p, m, push->info);
        else if (push->nid == presence_own_nid(p))
            roster_as_redis(&p->view, m);
        member_add_nid(m, push->nid);
        m->doubted = m->removed = false;
        return m;
    case PUSH_UNREF:
    case PUSH_REMOVED:
        m = roster_find(&p->view, push->user);
        if (m && push->kind == PUSH_REMOVED) {
            m->n_nids = 0;
            m->removed = member_shown(m);
        } else if (m) {
            if (push->nid == presence_own_nid(p))
                roster_as_redis(&p->view, m);
            member_drop_nid(m, push->nid);
        }
        if (m && !member_has_nid(m, presence_own_nid(p)))
            m->left = false;
        return m;
    }
    return NULL;
}

/* Joins that were acknowledged wait for no push of theirs any more. */
static void expect_none(struct presence *p)
{
    struct list *all = &p->shared->references;

    for (struct list *at = all->next; at != all; at = at->next)
        presence_reference_at(at)->pushed = false;
}

void presence_pushes_lost(struct presence *p)
{
    p->replica.passed = (struct version){0, 0};
    expect_none(p);
}

static void resync(struct presence *p, uint64_t now)
{
    enum { HOLD_MS = 6000 };

    presence_hold(p, now + HOLD_MS);
    presence_pushes_lost(p);
    shared_want_snapshot(p->shared);
}

/* A push is waited for. If it doesn't come soon, the version tells. */
static void check_soon(struct presence *p, uint64_t now)
{
    enum { PUSH_MS = 2000 };

    if (p->shared->check_at > now + PUSH_MS)
        p->shared->check_at = now + PUSH_MS;
}

void presence_expect_push(struct presence *p, const struct reference *r, uint64_t now)
{
    if (!list_empty(&r->waiting))
        check_soon(p, now);
}

static void take_early(void *context, const struct push *push)
{
    change(context, push); /* all members are updated when the snapshot is complete */
}

/* A user whom another node holds needs no grace here (PRESENCE.md, leave_grace). */
static void came_elsewhere(struct presence *p, struct member *m, const struct push *push,
                           uint64_t now)
{
    if (presence_in_grace(m) && push->kind == PUSH_REF &&
        push->nid != presence_own_nid(p))
        presence_grace_over(p, m, now);
}

static void let_in_user(struct presence *p, struct slice user)
{
    struct reference *r = reference_find(p->shared, user);

    if (r)
        presence_let_in(p, r);
}

void presence_now_known(struct presence *p)
{
    if (p->known)
        return;
    p->known = true;
    if (p->sink->known)
        p->sink->known(p->context);
}

static void let_all_in(struct presence *p)
{
    struct list *all = &p->shared->references;

    for (struct list *at = all->next; at != all; at = at->next)
        presence_let_in(p, presence_reference_at(at));
}

/* It shows one moment: who waits may see it. */
static void now_whole(struct presence *p)
{
    let_all_in(p);
    presence_now_known(p);
}

/* What is published from now on does come as a push. */
void presence_version_confirmed(struct presence *p)
{
    struct replica *r = &p->replica;

    expect_none(p);
    r->read = 0;
    if (r->passed.seq < r->at.seq)
        r->passed = r->at;
    now_whole(p);
}

static void find_held(struct hmap_node *node, void *context)
{
    if (CONTAINER_OF(node, struct member, by_id)->n_nids)
        *(bool *)context = true;
}

bool presence_is_void(struct presence *p)
{
    bool held = false;

    hmap_each(&p->view.by_id, find_held, &held);
    return !held;
}

/* A channel that nobody has held for a minute has lost its version: the next join counts
 * from 1 again. To those who only watch it that is no gap. Soon after a snapshot it may
 * as well be older than that: another snapshot tells. */
static void begin_anew_if_forgotten(struct presence *p, const struct push *push)
{
    struct replica *r = &p->replica;

    if (!r->live || push->at.seq != 1 || push->prev_nonce || r->at.seq <= 1)
        return;
    if (!presence_is_void(p))
        return;
    if (r->catching)
        shared_want_snapshot(p->shared);
    else
        replica_set(r, (struct version){0, 0});
}

/* It is the next change. */
static void apply(struct presence *p, const struct push *push, uint64_t now)
{
    struct member *m = change(p, push);

    replica_moved(&p->replica, push->at);
    p->moved = now;
    if (!m)
        return;
    if (push->nid == presence_own_nid(p))
        let_in_user(p, push->user); /* before it is known whether anybody else is left */
    else
        came_elsewhere(p, m, push, now);
    m = roster_find(&p->view, push->user);
    if (m)
        presence_update(p, m, now);
}

/* Another node holds him, too, whom nobody held: so this one had taken back too much (its
 * name was given up), and doesn't know his info. */
static bool is_unfounded(const struct presence *p, const struct push *push)
{
    const struct member *m;

    if (push->kind != PUSH_REF)
        return false;
    m = roster_find(&p->view, push->user);
    return !m || !m->n_nids;
}

void presence_push(struct presence *p, const struct push *push, uint64_t now)
{
    struct replica *r = &p->replica;
    uint64_t passed = r->passed.seq;

    if (now >= r->caught)
        r->catching = false;
    begin_anew_if_forgotten(p, push);
    r->passed = push->at;
    switch (replica_judge(r, push, presence_ablated(p, ABLATE_CHAIN))) {
    case REPLICA_IGNORE:
        if (push->nid == presence_own_nid(p))
            let_in_user(p, push->user);
        break;
    case REPLICA_LOST:
        resync(p, now);
        return;
    case REPLICA_APPLY:
        if (is_unfounded(p, push)) {
            resync(p, now);
            return;
        }
        apply(p, push, now);
        break;
    }
    if (r->live && passed < r->read && push->at.seq >= r->read)
        now_whole(p);
}

/* Redis has of this node what it has given up meanwhile, and is about to say so. Without
 * an interruption it shows the moment of the snapshot all the same: the leave, which is
 * on its way, has its place in the channel's one order. */
static bool is_given_up(struct presence *p, const struct member *m, uint64_t now)
{
    const struct reference *r;

    if (now >= p->hold_until || presence_ablated(p, ABLATE_LEFT))
        return false;
    if (m->sockets || presence_in_grace(m) || !member_has_nid(m, presence_own_nid(p)))
        return false;
    r = reference_find(p->shared, m->id);
    return !r || !r->wanted;
}

static void take(struct presence *p, const struct replica_member *from, uint64_t now)
{
    struct member *m = member_for(p, from->user, from->info);

    presence_renew(p, m, from->info);
    if (m->mark != p->replica.mark)
        m->n_nids = 0;
    m->mark = p->replica.mark;
    m->removed &= from->n_nids == 0;
    m->doubted = p->doubting && !member_shown(m);
    for (unsigned i = 0; i < from->n_nids; i++)
        member_add_nid(m, from->nids[i]);
    if (!member_shown(m) && is_given_up(p, m, now))
        m->left = true;
}

static void forget_unmarked(struct hmap_node *node, void *context)
{
    struct member *m = CONTAINER_OF(node, struct member, by_id);
    const struct presence *p = context;

    if (m->mark != p->replica.mark)
        m->n_nids = 0;
    if (!member_has_nid(m, presence_own_nid(p)))
        m->left = false;
}

/* A failover has lost writes: who left by one of them is back in Redis until his node has
 * looked. Additions of this snapshot wait for that, or a client would see him come and
 * go. */
static void doubt_what_goes_back(struct presence *p, struct version at, uint64_t now)
{
    bool forgotten = presence_is_void(p) && now - p->moved >= FORGOTTEN_MS;

    p->doubting = at.seq < p->replica.at.seq && !forgotten;
    if (p->doubting)
        p->doubt_until = now + DOUBT_MS;
}

void presence_history_ended(struct presence *p)
{
    presence_pushes_lost(p); /* one of the new history may have been among those */
    replica_set(&p->replica, (struct version){0, 0});
}

void presence_page(struct presence *p, const struct op_reply *page, uint64_t now)
{
    struct replica *r = &p->replica;

    if (!r->cursor)
        doubt_what_goes_back(p, page->at, now);
    replica_page(r, page->at, !r->cursor);
    if (presence_ablated(p, ABLATE_READ))
        r->read = 0;
    for (unsigned i = 0; i < page->n_members; i++)
        take(p, &page->members[i], now);
    r->cursor = page->cursor;
    if (page->cursor) {
        shared_next_page(p->shared);
        return;
    }
    hmap_each(&p->view.by_id, forget_unmarked, p);
    r->caught = now + CAUGHT_MS;
    if (!presence_is_void(p))
        p->moved = now;
    if (!replica_finish(r, take_early, p)) {
        resync(p, now);
        return;
    }
    presence_update_all(p, now);
    shared_in_step(p->shared);
    if (replica_is_whole(r))
        now_whole(p);
    else
        check_soon(p, now);
    for (struct list *at = p->shared->references.next; at != &p->shared->references;
         at = at->next)
        presence_expect_push(p, presence_reference_at(at), now);
}
