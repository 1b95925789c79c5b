/* Who is shown, and who is let in. A member is due to be shown while an admitted socket
 * of this node holds it, or grace does, or some node's reference in the replica; whatever
 * changes one of these ends in `update`, which says the difference and nothing else. */
#include "presence/presence.h"

#include <assert.h>

#include "presence/shared_ablation.h"
#include "presence/presence_parts.h"
#include "presence/shared_channel.h"

void presence_init(struct presence *p, struct presence_rules rules, struct hash_seed seed,
                   const struct presence_sink *sink, void *context)
{
    *p = (struct presence){
        .rules = rules, .sink = sink, .context = context, .direct = true, .known = true};
    roster_init(&p->view, seed);
    list_init(&p->grace);
    list_init(&p->going);
    list_init(&p->coming);
    replica_init(&p->replica);
}

void presence_fini(struct presence *p)
{
    roster_fini(&p->view);
    replica_fini(&p->replica);
}

uint64_t presence_own_nid(const struct presence *p)
{
    return p->shared ? p->shared->shared->nid : 0;
}

bool presence_ablated(const struct presence *p, enum shared_ablation what)
{
    return p->shared && p->shared->shared->ablation & what;
}

bool presence_in_grace(const struct member *m)
{
    return !m->sockets && m->keep_until;
}

/* Rule 4; and rule 11: while Redis is silent a reference of this node stands for nobody
 * but its sockets, and one that was shown as gone then stays so until Redis has forgotten
 * it, too. */
static bool due(const struct presence *p, const struct member *m)
{
    bool own = p->shared && member_has_nid(m, presence_own_nid(p));

    if (m->sockets || presence_in_grace(m) || m->n_nids > (own ? 1u : 0u))
        return true;
    return own && !m->left && !p->direct;
}

/* Redis may have it from before the writes that a failover lost: then its node is about
 * to say that it has gone. */
static bool is_doubted(const struct presence *p, const struct member *m, uint64_t now)
{
    return m->doubted && now < p->doubt_until && !m->sockets && !presence_in_grace(m);
}

static void wait_in(struct presence *p, struct list *waiting, struct member *m)
{
    if (list_empty(&m->held))
        list_append(waiting, &m->held);
    shared_hold(p->shared);
}

static void drop_if_nothing(struct presence *p, struct member *m)
{
    if (!member_shown(m) && !m->sockets && !m->n_nids && !presence_in_grace(m))
        roster_drop(&p->view, m);
}

static void hide(struct presence *p, struct member *m)
{
    list_remove(&m->held);
    m->removed = false;
    m->left = member_has_nid(m, presence_own_nid(p));
    p->sink->removed(p->context, m);
    roster_hide(&p->view, m);
}

/* Says what has changed about the member, and frees it if nothing is left of it. */
void presence_update(struct presence *p, struct member *m, uint64_t now)
{
    bool shown = member_shown(m), is_due = due(p, m);

    if (is_due && !shown && is_doubted(p, m, now)) {
        wait_in(p, &p->coming, m);
    } else if (is_due) {
        m->doubted = false;
        if (!presence_in_grace(m))
            list_remove(&m->held);
        if (!shown) {
            roster_show(&p->view, m);
            p->sink->added(p->context, m);
        }
    } else if (shown && now < p->hold_until && !presence_ablated(p, ABLATE_HOLD)) {
        wait_in(p, &p->going, m);
    } else if (shown) {
        hide(p, m);
    } else {
        list_remove(&m->held); /* it was doubted, and has gone */
    }
    drop_if_nothing(p, m);
}

void presence_renew(struct presence *p, struct member *m, struct slice info)
{
    const struct reference *r;

    if (!m->redis_info && roster_has_info(&p->view, m, info))
        return;
    r = reference_find(p->shared, m->id);
    if (r && r->renew) { /* of the stay before: Redis is about to be told */
        member_redis_info(m, info);
        return;
    }
    if (m->removed && member_shown(m) && !m->sockets && !presence_in_grace(m))
        hide(p, m);
    roster_set_info(&p->view, m, info);
}

/* Walks those that are shown, those that are due, all that there are. */
struct walk {
    struct presence *presence;
    uint64_t now;
};

static void update_node(struct hmap_node *node, void *context)
{
    const struct walk *w = context;

    presence_update(w->presence, CONTAINER_OF(node, struct member, by_id), w->now);
}

void presence_update_all(struct presence *p, uint64_t now)
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
    presence_update(p, m, 0);
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
    if (m && !member_shown(m)) /* what it had was another stay's */
        roster_show_info(&p->view, m, info);
    admit(p, ref, m ? m : roster_add(&p->view, user_id, info));
}

/* Joining where nodes share the channel */

static struct presence_ref *first_waiting(struct reference *r)
{
    return CONTAINER_OF(r->waiting.next, struct presence_ref, waiting);
}

/* Those up to seq have passed. Where nothing has come since the links are there, or
 * pushes were lost, none may be on its way; but after any, all do come. */
static bool has_passed(const struct presence *p, uint64_t seq, bool comes)
{
    uint64_t passed = p->replica.passed.seq;

    return passed >= seq || !(comes || passed);
}

/* The join is acknowledged, and the replica has reached it (rule 2), and whatever its
 * snapshot's last page had in it. The snapshot may be ahead of the pushes: what was
 * published before must not come after the answer. */
static bool is_through(const struct presence *p, const struct reference *r,
                       const struct member *m)
{
    const struct replica *replica = &p->replica;

    if (r->state != KNOWN_HELD || r->renew || !r->wanted || !replica->live)
        return false;
    if (presence_ablated(p, ABLATE_JOIN_SEQ))
        return true;
    if (r->pushed && replica->passed.seq < r->join_seq)
        return false;
    return has_passed(p, replica->read, r->pushed) && replica_is_whole(replica) && m &&
           member_has_nid(m, presence_own_nid(p)) && replica->at.seq >= r->join_seq;
}

void presence_let_in(struct presence *p, struct reference *r)
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
    ref->asked = false;
    if (p->direct) {
        join_here(p, ref, user_id, info);
        return;
    }
    r = reference_want(p->shared, user_id, info);
    list_append(&r->waiting, &ref->waiting);
    ref->reference = r;
    presence_let_in(p, r);
    if (r->state == KNOWN_HELD)
        presence_expect_push(p, r, p->shared->shared->now);
}

void presence_held(struct presence *p, struct reference *r, uint64_t now)
{
    presence_let_in(p, r);
    presence_expect_push(p, r, now);
}

void presence_asks(struct reference *r)
{
    for (struct list *at = r->waiting.next; at != &r->waiting; at = at->next)
        CONTAINER_OF(at, struct presence_ref, waiting)->asked = true;
}

void presence_full(struct presence *p, struct reference *r)
{
    struct list *next;

    for (struct list *at = r->waiting.next; at != &r->waiting; at = next) {
        struct presence_ref *ref = CONTAINER_OF(at, struct presence_ref, waiting);

        next = at->next;
        if (!ref->asked)
            continue;
        list_remove(&ref->waiting);
        ref->reference = NULL;
        p->sink->refused(p->context, ref);
    }
    if (list_empty(&r->waiting))
        reference_unwant(r, false);
}

bool presence_has_live(const struct presence *p, struct slice user_id)
{
    const struct member *m = roster_find(&p->view, user_id);

    return m && (m->sockets || presence_in_grace(m));
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
    presence_update(p, m, now);
}

void presence_grace_over(struct presence *p, struct member *m, uint64_t now)
{
    end_grace(m);
    give_up(p, m->id, true);
    presence_update(p, m, now);
}

void presence_tick(struct presence *p, uint64_t now)
{
    struct list *next;

    for (struct list *at = p->grace.next; at != &p->grace; at = next) {
        struct member *m = CONTAINER_OF(at, struct member, held);

        next = at->next;
        if (m->keep_until <= now)
            presence_grace_over(p, m, now);
    }
    while (now >= p->hold_until && !list_empty(&p->going))
        presence_update(p, CONTAINER_OF(p->going.next, struct member, held), now);
    while (now >= p->doubt_until && !list_empty(&p->coming))
        presence_update(p, CONTAINER_OF(p->coming.next, struct member, held), now);
}

bool presence_empty(const struct presence *p)
{
    return p->view.n == 0;
}

bool presence_waits(const struct presence *p)
{
    return !list_empty(&p->grace) || !list_empty(&p->going) || !list_empty(&p->coming);
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
        join_waiting_here(p, presence_reference_at(at));
    }
}

void presence_set_direct(struct presence *p, bool direct, uint64_t now)
{
    if (p->direct == direct)
        return;
    p->direct = direct;
    if (direct)
        join_all_here(p);
    presence_update_all(p, now);
    presence_now_known(p);
}

void presence_hold(struct presence *p, uint64_t until)
{
    if (until > p->hold_until)
        p->hold_until = until;
}

static void forget_left(struct hmap_node *node, void *context)
{
    struct member *m = CONTAINER_OF(node, struct member, by_id);
    const struct presence *p = context;

    if (!m->left || presence_ablated(p, ABLATE_LEFT))
        return;
    member_drop_nid(m, presence_own_nid(p));
    m->left = false;
}

void presence_give_name_up(struct presence *p)
{
    hmap_each(&p->view.by_id, forget_left, p);
}

void presence_renamed(struct presence *p, uint64_t now)
{
    presence_update_all(p, now);
}
