/* A member's life in states, and what of the frames belongs to the life at hand: what was
 * on its way when it left is nobody's fault. */
#include "test/chaos/watch.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "test/load/json.h"
#include "test/sim/memory.h"

enum { SEEN_MAX = 2048, SEEN_KEPT = 256 };

static void malformed(struct member *m, const char *what, struct slice text)
{
    m->crowd->tally.malformed++;
    text.n = text.n > 300 ? 300 : text.n;
    crowd_complain(m, "I1", what, text);
}

void watch_join(struct member *m)
{
    m->stale = m->state == MEMBER_LEAVING;
    m->state = MEMBER_JOINING;
    check_init(&m->check, &m->report, m->user->id);
}

static void out(struct member *m)
{
    if (m->state == MEMBER_IN) {
        m->user->in--;
        order_past(m);
    } else if (m->state == MEMBER_JOINING) {
        check_fini(&m->check);
    } else {
        return;
    }
    m->check = (struct check_client){0};
    m->n_heard = 0;
}

void watch_leave(struct member *m)
{
    out(m);
    if (m->user->in == 0)
        m->user->broken = 0;
    m->state = MEMBER_LEAVING;
}

void watch_close(struct member *m)
{
    watch_leave(m);
    m->state = MEMBER_OUT;
}

void watch_open(struct member *m, unsigned node)
{
    m->node = node;
    m->state = MEMBER_LEFT;
}

void watch_lost(struct member *m)
{
    bool was_in = m->state == MEMBER_IN;

    m->crowd->tally.lost++;
    out(m);
    if (was_in && m->user->in == 0) {
        m->user->broken = m->crowd->now;
        m->user->held = m->held;
    }
    m->state = MEMBER_OUT;
}

/* He is in: since when nobody may be told that he isn't. */
static void in(struct member *m)
{
    struct user *u = m->user;
    uint64_t now = m->crowd->now;

    m->state = MEMBER_IN;
    m->stale = false;
    m->in_at = m->held = now;
    m->young = m->crowd->fault;
    if (u->in++ == 0 && u->broken && now - u->broken <= WATCH_RETURN_S * WATCH_SECOND) {
        m->held = u->held;
        m->young = false;
    }
    u->broken = 0;
    if (m->publishes)
        crowd_publisher(m);
}

/* A string's text in the crowd's scratch, which grows; absent if it isn't one. */
static struct slice unescaped(struct crowd *c, struct slice string)
{
    long n;

    if (string.n > c->scratch_room) {
        c->scratch_room = 2 * string.n;
        c->scratch = xrealloc(c->scratch, c->scratch_room);
    }
    n = string.n ? json_string(string, c->scratch) : -1;
    return n < 0 ? SLICE_NONE : (struct slice){c->scratch, (size_t)n};
}

static struct user *named(struct member *m, struct slice string)
{
    struct slice name = {string.p + 1, string.n - 2};
    struct user *u = string.n < 2 ? NULL : crowd_user(m->room, name);

    if (!u)
        malformed(m, "a user that nobody is", string);
    return u;
}

static unsigned list_ids(struct member *m, struct slice ids)
{
    struct json_walk w = json_walk(ids);
    struct slice key, value;
    unsigned n = 0;

    while (json_next(&w, &key, &value)) {
        const struct user *u = named(m, value);

        if (u && n < m->crowd->users)
            m->crowd->ids[n++] = u->id;
        else if (u)
            malformed(m, "more ids than there are users", value);
    }
    return n;
}

static unsigned size_of(struct slice object)
{
    struct json_walk w = json_walk(object);
    struct slice key, value;
    unsigned n = 0;

    while (json_next(&w, &key, &value))
        n++;
    return n;
}

static void succeeded(struct member *m, struct slice data)
{
    struct slice presence = json_member(unescaped(m->crowd, data), "presence");
    struct slice count = json_member(presence, "count");
    unsigned n = 0, n_ids;

    m->crowd->tally.answers++;
    if (m->state != MEMBER_JOINING) {
        malformed(m, "subscription_succeeded, unasked", data);
        return;
    }
    for (size_t i = 0; i < count.n; i++)
        n = n * 10 + (unsigned)(count.p[i] - '0');
    n_ids = list_ids(m, json_member(presence, "ids"));
    if (size_of(json_member(presence, "hash")) != n_ids)
        malformed(m, "hash has another size than ids", presence);
    check_succeeded(&m->check, n, m->crowd->ids, n_ids);
    in(m);
}

static void keep_short(struct member *m)
{
    struct check_client *k = &m->check;

    if (m->crowd->order != ORDER_NONE || k->n_seen < SEEN_MAX)
        return;
    memmove(k->seen, k->seen + k->n_seen - SEEN_KEPT, SEEN_KEPT * sizeof *k->seen);
    k->n_seen = SEEN_KEPT;
}

/* True where a frame of the room is for the life at hand. */
static bool is_current(struct member *m, struct slice text)
{
    if (m->state == MEMBER_IN)
        return true;
    if (m->state == MEMBER_JOINING)
        return !m->stale; /* the checker complains */
    if (m->state != MEMBER_LEAVING)
        malformed(m, "of a room that it isn't in", text);
    return false;
}

static void membership(struct member *m, bool comes, struct slice text)
{
    struct slice data = json_member(text, "data");
    struct user *u;

    if (!is_current(m, text))
        return;
    u = named(m, json_member(unescaped(m->crowd, data), "user_id"));
    if (!u)
        return;
    if (comes) {
        m->crowd->tally.added++;
        check_added(&m->check, u->id);
    } else {
        m->crowd->tally.removed++;
        check_removed(&m->check, u->id);
        truth_removed(m, u);
    }
    keep_short(m);
}

static struct heard *heard_of(struct member *m, uint32_t publisher)
{
    for (unsigned i = 0; i < m->n_heard; i++)
        if (m->heard[i].publisher == publisher)
            return &m->heard[i];
    return NULL;
}

/* Of one publisher the numbers only rise, and none is left out. */
static void number(struct member *m, uint32_t publisher, uint32_t n, struct slice data)
{
    struct heard *h = heard_of(m, publisher);

    if (!h) {
        m->heard = grown(m->heard, m->n_heard, &m->heard_room, sizeof *m->heard);
        m->heard[m->n_heard++] = (struct heard){publisher, n};
        return;
    }
    if (n > h->last + 1) {
        m->crowd->tally.missing += n - h->last - 1;
        if (m->crowd->order == ORDER_STRICT)
            crowd_complain(m, "I4", "a gap in a publisher's events before", data);
    }
    h->last = n > h->last ? n : h->last;
}

static void event(struct member *m, struct slice text)
{
    struct slice data = json_member(text, "data");
    struct tally *t = &m->crowd->tally;
    unsigned long doubled = t->doubled;
    unsigned publisher, n;
    const struct heard *h;
    uint32_t last;

    if (!is_current(m, text))
        return;
    if (data.n < 5 || data.n > 24 || sscanf(data.p, "\"%u %u\"", &publisher, &n) != 2) {
        malformed(m, "an event that nobody sent", text);
        return;
    }
    t->events++;
    h = heard_of(m, publisher);
    last = h ? h->last : 0;
    number(m, publisher, n, data);
    check_event(&m->check, (uint64_t)publisher << 32 | n);
    if (n <= last && t->doubled == doubled) {
        t->order++;
        crowd_complain(m, "I4", "an event behind a later one of its publisher", data);
    }
    keep_short(m);
}

static void of_room(struct member *m, struct slice name, struct slice text)
{
    if (json_is(name, "pusher_internal:subscription_succeeded"))
        succeeded(m, json_member(text, "data"));
    else if (json_is(name, "pusher_internal:member_added"))
        membership(m, true, text);
    else if (json_is(name, "pusher_internal:member_removed"))
        membership(m, false, text);
    else if (json_is(name, "client-chaos") || json_is(name, "chaos"))
        event(m, text);
    else
        malformed(m, "unexpected", text);
}

static void refused(struct member *m)
{
    if (m->state != MEMBER_JOINING)
        return;
    m->crowd->tally.refusals++;
    out(m);
    m->state = MEMBER_REFUSED;
}

void watch_text(struct member *m, struct slice text)
{
    struct slice name = json_member(text, "event"), room = json_member(text, "channel");

    m->crowd->tally.frames++;
    if (json_is(name, "pusher:pong")) {
        if (m->state == MEMBER_LEAVING)
            m->state = MEMBER_LEFT;
    } else if (json_is(name, "pusher:subscription_error")) {
        refused(m);
    } else if (json_is(room, m->room->text)) {
        of_room(m, name, text);
    } else {
        malformed(m, "unexpected", text);
    }
}

void watch_sent(struct member *m)
{
    m->crowd->tally.sent++;
    m->sent++;
    m->sent_at = m->crowd->now;
}
