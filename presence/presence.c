/* Who is shown, and who is let in. A member is due to be shown while an admitted socket
 * of this node holds it, or grace does, or some node's reference in the replica; whatever
 * changes one of these ends in `update`, which says the difference and nothing else. */
#include "presence/presence.h"

#include <assert.h>

#include "presence/shared_ablation.h"
#include "presence/shared_channel.h"

/* A push that is older than the time after which silent links are given up. */
enum { CAUGHT_MS = 10000 };

void presence_init(struct presence *p, struct presence_rules rules, struct hash_seed seed,
                   const struct presence_sink *sink, void *context)
{
    *p = (struct presence){
        .rules = rules, .sink = sink, .context = context, .direct = true, .known = true};
    roster_init(&p->view, seed);
    list_init(&p->grace);
    list_init(&p->going);
    replica_init(&p->replica);
}

void presence_fini(struct presence *p)
{
    roster_fini(&p->view);
    replica_fini(&p->replica);
}

static uint64_t own_nid(const struct presence *p)
{
    return p->shared ? p->shared->shared->nid : 0;
}

static bool ablated(const struct presence *p, enum shared_ablation what)
{
    return p->shared && p->shared->shared->ablation & what;
}

static bool in_grace(const struct member *m)
{
    return !m->sockets && m->keep_until;
}

/* Rule 4; and rule 11: while Redis is silent a reference of this node stands for nobody
 * but its sockets, and one that was shown as gone then stays so until Redis has forgotten
 * it, too. */
static bool due(const struct presence *p, const struct member *m)
{
    bool own = p->shared && member_has_nid(m, own_nid(p));

    if (m->sockets || in_grace(m) || m->n_nids > (own ? 1u : 0u))
        return true;
    return own && !m->left && !p->direct;
}

static void drop_if_nothing(struct presence *p, struct member *m)
{
    if (!member_shown(m) && !m->sockets && !m->n_nids && !in_grace(m))
        roster_drop(&p->view, m);
}

static void hide(struct presence *p, struct member *m)
{
    list_remove(&m->held);
    m->left = member_has_nid(m, own_nid(p));
    p->sink->removed(p->context, m);
    roster_hide(&p->view, m);
}

/* Says what has changed about the member, and frees it if nothing is left of it. */
static void update(struct presence *p, struct member *m, uint64_t now)
{
    bool shown = member_shown(m);

    if (due(p, m)) {
        if (!in_grace(m))
            list_remove(&m->held);
        if (!shown) {
            roster_show(&p->view, m);
            p->sink->added(p->context, m);
        }
    } else if (shown && now < p->hold_until && !ablated(p, ABLATE_HOLD)) {
        if (list_empty(&m->held))
            list_append(&p->going, &m->held);
        shared_hold(p->shared);
    } else if (shown) {
        hide(p, m);
    }
    drop_if_nothing(p, m);
}

/* Walks those that are shown, those that are due, all that there are. */
struct walk {
    struct presence *presence;
    uint64_t now;
};

static void update_node(struct hmap_node *node, void *context)
{
    const struct walk *w = context;

    update(w->presence, CONTAINER_OF(node, struct member, by_id), w->now);
}

static void update_all(struct presence *p, uint64_t now)
{
    struct walk w = {p, now};

    hmap_each(&p->view.by_id, update_node, &w);
}

/* A user who comes back is no longer waited for. */
static void end_grace(struct member *m)
{
    if (!m->keep_until)
        return;
    m->keep_until = 0;
    list_remove(&m->held);
}

static void admit(struct presence *p, struct presence_ref *ref, struct member *m)
{
    end_grace(m);
    m->sockets++;
    m->left = false;
    ref->member = m;
    ref->reference = NULL;
    update(p, m, 0);
    p->sink->admitted(p->context, ref);
}

/* On this node's own authority. */
static void join_here(struct presence *p, struct presence_ref *ref, struct slice user_id,
                      struct slice info)
{
    struct member *m = roster_find(&p->view, user_id);

    if (!(m && member_shown(m)) && p->view.n >= p->rules.max_members) {
        p->sink->refused(p->context, ref);
        return;
    }
    if (p->shared)
        reference_want(p->shared, user_id, info);
    admit(p, ref, m ? m : roster_add(&p->view, user_id, info));
}

/* Joining where nodes share the channel */

static struct presence_ref *first_waiting(struct reference *r)
{
    return CONTAINER_OF(r->waiting.next, struct presence_ref, waiting);
}

/* The join is acknowledged, and the replica has reached it (rule 2). */
static bool is_through(const struct presence *p, const struct reference *r,
                       const struct member *m)
{
    if (r->state != KNOWN_HELD || !r->wanted || !p->replica.live)
        return false;
    if (ablated(p, ABLATE_JOIN_SEQ))
        return true;
    /* A snapshot may be ahead of the pushes: what was published before the join must not
     * come after its answer. */
    if (r->pushed && p->replica.passed < r->join_seq)
        return false;
    return m && member_has_nid(m, own_nid(p)) && p->replica.at.seq >= r->join_seq;
}

static void let_in(struct presence *p, struct reference *r)
{
    struct member *m = roster_find(&p->view, r->user);

    if (list_empty(&r->waiting) || !is_through(p, r, m))
        return;
    if (!m)
        m = roster_add(&p->view, r->user, r->info);
    while (!list_empty(&r->waiting)) {
        struct presence_ref *ref = first_waiting(r);

        list_remove(&ref->waiting);
        admit(p, ref, m);
    }
}

void presence_join(struct presence *p, struct presence_ref *ref, struct slice user_id,
                   struct slice info)
{
    struct reference *r;

    assert(!ref->member && !ref->reference);
    list_init(&ref->waiting);
    if (p->direct) {
        join_here(p, ref, user_id, info);
        return;
    }
    r = reference_want(p->shared, user_id, info);
    list_append(&r->waiting, &ref->waiting);
    ref->reference = r;
    let_in(p, r);
}

/* Whoever still waits waits for a push. If it doesn't come soon, the version tells. */
static void expect_push(struct presence *p, const struct reference *r, uint64_t now)
{
    enum { PUSH_MS = 2000 };

    if (!list_empty(&r->waiting) && p->shared->check_at > now + PUSH_MS)
        p->shared->check_at = now + PUSH_MS;
}

void presence_held(struct presence *p, struct reference *r, uint64_t now)
{
    let_in(p, r);
    expect_push(p, r, now);
}

void presence_full(struct presence *p, struct reference *r)
{
    while (!list_empty(&r->waiting)) {
        struct presence_ref *ref = first_waiting(r);

        list_remove(&ref->waiting);
        ref->reference = NULL;
        p->sink->refused(p->context, ref);
    }
    reference_unwant(r, false);
}

bool presence_has_live(const struct presence *p, struct slice user_id)
{
    const struct member *m = roster_find(&p->view, user_id);

    return m && (m->sockets || in_grace(m));
}

/* Leaving */

/* No socket of the user is here, and none waits: Redis is to know. */
static void give_up(struct presence *p, struct slice user_id, bool unclean)
{
    struct reference *r = p->shared ? reference_find(p->shared, user_id) : NULL;

    if (r && r->wanted && list_empty(&r->waiting))
        reference_unwant(r, unclean);
}

static void leave_waiting(struct presence *p, struct presence_ref *ref,
                          enum presence_exit how)
{
    struct reference *r = ref->reference;

    list_remove(&ref->waiting);
    ref->reference = NULL;
    if (list_empty(&r->waiting) && !presence_has_live(p, r->user))
        reference_unwant(r, how == EXIT_UNCLEAN);
}

void presence_leave(struct presence *p, struct presence_ref *ref, enum presence_exit how,
                    uint64_t now)
{
    struct member *m = ref->member;

    if (ref->reference)
        leave_waiting(p, ref, how);
    if (!m)
        return;
    ref->member = NULL;
    m->sockets--;
    if (how == EXIT_UNCLEAN && p->rules.leave_grace_ms)
        m->keep_until = now + p->rules.leave_grace_ms;
    if (m->sockets)
        return;
    if (m->keep_until > now) {
        list_append(&p->grace, &m->held);
        return;
    }
    m->keep_until = 0;
    give_up(p, m->id, how == EXIT_UNCLEAN);
    update(p, m, now);
}

static void grace_over(struct presence *p, struct member *m, uint64_t now)
{
    end_grace(m);
    give_up(p, m->id, true);
    update(p, m, now);
}

void presence_tick(struct presence *p, uint64_t now)
{
    struct list *next;

    for (struct list *at = p->grace.next; at != &p->grace; at = next) {
        struct member *m = CONTAINER_OF(at, struct member, held);

        next = at->next;
        if (m->keep_until <= now)
            grace_over(p, m, now);
    }
    while (now >= p->hold_until && !list_empty(&p->going))
        update(p, CONTAINER_OF(p->going.next, struct member, held), now);
}

bool presence_empty(const struct presence *p)
{
    return p->view.n == 0;
}

bool presence_waits(const struct presence *p)
{
    return !list_empty(&p->grace) || !list_empty(&p->going);
}

/* The replica */

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
        member_add_nid(m, push->nid);
        return m;
    case PUSH_UNREF:
    case PUSH_REMOVED:
        m = roster_find(&p->view, push->user);
        if (m && push->kind == PUSH_REMOVED)
            m->n_nids = 0;
        else if (m)
            member_drop_nid(m, push->nid);
        if (m && !member_has_nid(m, own_nid(p)))
            m->left = false;
        return m;
    }
    return NULL;
}

static void resync(struct presence *p, uint64_t now)
{
    enum { HOLD_MS = 6000 };

    presence_hold(p, now + HOLD_MS);
    p->replica.passed = UINT64_MAX;
    shared_want_snapshot(p->shared);
}

static void apply_early(void *context, const struct push *push)
{
    change(context, push); /* all members are updated when the snapshot is complete */
}

/* A user whom another node holds needs no grace here (PRESENCE.md, leave_grace). */
static void came_elsewhere(struct presence *p, struct member *m, const struct push *push,
                           uint64_t now)
{
    if (in_grace(m) && push->kind == PUSH_REF && push->nid != own_nid(p))
        grace_over(p, m, now);
}

static void let_in_user(struct presence *p, struct slice user)
{
    struct reference *r = reference_find(p->shared, user);

    if (r)
        let_in(p, r);
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
 * as well be older than that: another snapshot tells. False: the push is done with. */
static bool begins_anew(struct presence *p, const struct push *push, uint64_t now)
{
    struct replica *r = &p->replica;

    if (now >= r->caught)
        r->catching = false;
    if (!r->live || push->at.seq != 1 || push->prev_nonce || r->at.seq <= 1)
        return true;
    if (!presence_is_void(p))
        return true;
    if (r->catching) {
        shared_want_snapshot(p->shared);
        return false;
    }
    r->at = (struct version){0, 0};
    return true;
}

void presence_push(struct presence *p, const struct push *push, uint64_t now)
{
    struct member *m;

    if (push->at.seq > p->replica.passed)
        p->replica.passed = push->at.seq;
    if (!begins_anew(p, push, now))
        return;
    switch (replica_judge(&p->replica, push, ablated(p, ABLATE_CHAIN))) {
    case REPLICA_IGNORE:
        if (push->nid == own_nid(p))
            let_in_user(p, push->user);
        return;
    case REPLICA_LOST:
        resync(p, now);
        return;
    case REPLICA_APPLY:
        break;
    }
    m = change(p, push);
    replica_moved(&p->replica, push->at);
    if (!m)
        return;
    if (push->nid == own_nid(p))
        let_in_user(p, push->user); /* before it is known whether anybody else is left */
    else
        came_elsewhere(p, m, push, now);
    m = roster_find(&p->view, push->user);
    if (m)
        update(p, m, now);
}

static void take(struct presence *p, const struct replica_member *from)
{
    struct member *m = member_for(p, from->user, from->info);

    if (m->mark != p->replica.mark)
        m->n_nids = 0;
    m->mark = p->replica.mark;
    for (unsigned i = 0; i < from->n_nids; i++)
        member_add_nid(m, from->nids[i]);
}

static void forget_unmarked(struct hmap_node *node, void *context)
{
    struct member *m = CONTAINER_OF(node, struct member, by_id);
    const struct presence *p = context;

    if (m->mark != p->replica.mark)
        m->n_nids = 0;
    if (!member_has_nid(m, own_nid(p)))
        m->left = false;
}

static struct reference *reference_at(struct list *node)
{
    return CONTAINER_OF(node, struct reference, of_channel);
}

static void let_all_in(struct presence *p)
{
    struct list *all = &p->shared->references;

    for (struct list *at = all->next; at != all; at = at->next)
        let_in(p, reference_at(at));
}

void presence_in_step(struct presence *p)
{
    p->replica.passed = UINT64_MAX;
    let_all_in(p);
}

static void now_known(struct presence *p)
{
    if (p->known)
        return;
    p->known = true;
    if (p->sink->known)
        p->sink->known(p->context);
}

void presence_page(struct presence *p, const struct op_reply *page, uint64_t now)
{
    struct replica *r = &p->replica;

    if (!r->cursor)
        replica_begin(r, page->at);
    for (unsigned i = 0; i < page->n_members; i++)
        take(p, &page->members[i]);
    r->cursor = page->cursor;
    if (page->cursor) {
        shared_next_page(p->shared);
        return;
    }
    hmap_each(&p->view.by_id, forget_unmarked, p);
    r->caught = now + CAUGHT_MS;
    if (!replica_finish(r, apply_early, p)) {
        resync(p, now);
        return;
    }
    update_all(p, now);
    let_all_in(p);
    now_known(p);
    shared_in_step(p->shared);
    for (struct list *at = p->shared->references.next; at != &p->shared->references;
         at = at->next)
        expect_push(p, reference_at(at), now);
}

/* Redis is silent, or speaks again */

void presence_share(struct presence *p, struct shared_channel *c, bool direct)
{
    p->shared = c;
    p->direct = direct;
    p->known = direct;
}

bool presence_idle(const struct presence *p)
{
    return list_empty(&p->grace) && (p->shared || p->view.n == 0);
}

static void join_waiting_here(struct presence *p, struct reference *r)
{
    bool refused = false;

    while (!list_empty(&r->waiting)) {
        struct presence_ref *ref = first_waiting(r);

        list_remove(&ref->waiting);
        ref->reference = NULL;
        join_here(p, ref, r->user, r->info);
        refused = !ref->member;
    }
    if (refused)
        reference_unwant(r, false); /* may free it */
}

static void join_all_here(struct presence *p)
{
    struct list *all = &p->shared->references, *next;

    for (struct list *at = all->next; at != all; at = next) {
        next = at->next;
        join_waiting_here(p, reference_at(at));
    }
}

void presence_set_direct(struct presence *p, bool direct, uint64_t now)
{
    if (p->direct == direct)
        return;
    p->direct = direct;
    if (direct)
        join_all_here(p);
    update_all(p, now);
    now_known(p);
}

void presence_hold(struct presence *p, uint64_t until)
{
    if (until > p->hold_until)
        p->hold_until = until;
}

void presence_renamed(struct presence *p, uint64_t now)
{
    update_all(p, now);
}
