#include "presence/presence.h"

#include <assert.h>

void presence_init(struct presence *p, struct presence_rules rules, struct hash_seed seed,
                   const struct presence_sink *sink, void *context)
{
    roster_init(&p->view, seed);
    list_init(&p->grace);
    p->rules = rules;
    p->sink = sink;
    p->context = context;
}

void presence_fini(struct presence *p)
{
    roster_fini(&p->view);
}

/* A user who comes back is no longer waited for. */
static void end_grace(struct member *m)
{
    m->keep_until = 0;
    list_remove(&m->held);
}

void presence_join(struct presence *p, struct presence_ref *ref, struct slice user_id,
                   struct slice info)
{
    struct member *m = roster_find(&p->view, user_id);

    assert(!ref->member);
    if (!m && p->view.n >= p->rules.max_members) {
        p->sink->refused(p->context, ref);
        return;
    }
    if (!m) {
        m = roster_add(&p->view, user_id, info);
        p->sink->added(p->context, m);
    }
    end_grace(m);
    m->sockets++;
    ref->member = m;
    p->sink->admitted(p->context, ref);
}

static void remove_member(struct presence *p, struct member *m)
{
    p->sink->removed(p->context, m);
    roster_drop(&p->view, m);
}

void presence_leave(struct presence *p, struct presence_ref *ref, enum presence_exit how,
                    uint64_t now)
{
    struct member *m = ref->member;

    if (!m)
        return;
    ref->member = NULL;
    m->sockets--;
    if (how == EXIT_UNCLEAN && p->rules.leave_grace_ms)
        m->keep_until = now + p->rules.leave_grace_ms;
    if (m->sockets)
        return;
    if (m->keep_until > now)
        list_append(&p->grace, &m->held);
    else
        remove_member(p, m);
}

void presence_tick(struct presence *p, uint64_t now)
{
    struct list *next;

    for (struct list *at = p->grace.next; at != &p->grace; at = next) {
        struct member *m = CONTAINER_OF(at, struct member, held);

        next = at->next;
        if (m->keep_until <= now)
            remove_member(p, m);
    }
}

bool presence_empty(const struct presence *p)
{
    return p->view.n == 0;
}

bool presence_waits(const struct presence *p)
{
    return !list_empty(&p->grace);
}
