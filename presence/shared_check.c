/* Is a replica in step with Redis? Versions are compared in rotation, and at once on new
 * links and where a channel is to leave degraded mode (PRESENCE.md, rule 3). */
#include "presence/presence.h"
#include "presence/shared_channel.h"

enum {
    ROTATION_MS = SHARED_ROTATION_MS,
    SUSPICION_MS = 500,    /* what differs may be a push on its way: once more */
    ROTATION_BURST = 1000, /* channels a tick */
};

void shared_check(struct shared_channel *c, bool now)
{
    c->check_now |= now;
    c->checking = true;
    c->checked = c->presence->replica.at;
    c->shared->pipe->version(c->shared->context, c);
}

void shared_in_step(struct shared_channel *c)
{
    c->suspect = c->check_now = false;
    c->check_at = c->shared->now + ROTATION_MS;
    if (c->direct && !c->shared->degraded)
        shared_set_direct(c, false);
}

static void out_of_step(struct shared_channel *c)
{
    presence_hold(c->presence, c->shared->now + SHARED_HOLD_MS);
    presence_pushes_lost(c->presence);
    shared_want_snapshot(c);
}

/* A push that is on its way explains a difference; on new links nothing of before is. A
 * replica that isn't whole is ahead of the version that it names. */
void shared_version(struct shared_channel *c, struct version v, uint64_t now)
{
    struct replica *r = c->presence ? &c->presence->replica : NULL;
    bool moved = r && !version_eq(r->at, c->checked);

    c->shared->now = now;
    c->checking = false;
    if (!r || !r->live)
        return;
    if (!v.seq && !moved && presence_is_void(c->presence))
        replica_set(r, v); /* a version ends a minute after the last member */
    if (version_eq(v, r->at) && replica_is_whole(r)) {
        presence_version_confirmed(c->presence);
        shared_in_step(c);
    } else if (!moved &&
               (c->check_now || (c->suspect && version_eq(r->at, c->suspected)))) {
        out_of_step(c);
    } else {
        c->suspect = !moved; /* a replica that moves again wasn't stuck */
        c->suspected = r->at;
        c->check_at = now + SUSPICION_MS;
    }
}

void shared_rotate(struct shared *s)
{
    for (unsigned i = 0; i < ROTATION_BURST && !list_empty(&s->rotation); i++) {
        struct shared_channel *c =
            CONTAINER_OF(s->rotation.next, struct shared_channel, rotation);

        list_remove(&c->rotation);
        list_append(&s->rotation, &c->rotation);
        if (s->now >= c->check_at && !c->checking && c->subscribed &&
            c->presence->replica.live)
            shared_check(c, false);
    }
}
