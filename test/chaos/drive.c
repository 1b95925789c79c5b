/* A member acts when it is due: connects, or says what it has to. Nobody is due twice. A
 * handshake has five seconds, as the server may be stopped or gone; then another node is
 * tried. Whoever churns goes in one of four ways: by unsubscribing, by closing with or
 * without a Close frame, or by closing and coming back on another node. */
#include "test/chaos/drive.h"

#include "test/chaos/watch.h"
#include "test/load/pusher.h"

enum { WINDOW = 64, TURN_MS = 5, HANDSHAKE_S = 5, RETRY_MS = 300, RETURN_MS = 1500 };

static unsigned draw(struct drive *d, unsigned n)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return n ? (unsigned)(d->random >> 20) % n : 0;
}

static void after(struct drive *d, struct member *m, unsigned ms)
{
    m->due = d->crowd.now + ms * NS_PER_MS + 1;
}

static void say(struct drive *d, struct member *m, struct slice text)
{
    record_line(&d->record, d->crowd.now, m->index, '<', text);
    conn_send(&d->conns, m->index, text);
}

static void sayf(struct drive *d, struct member *m, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void sayf(struct drive *d, struct member *m, const char *format, ...)
{
    char text[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof text)
        abort();
    say(d, m, (struct slice){text, (size_t)n});
}

static void join(struct drive *d, struct member *m)
{
    char data[128], escaped[2 * CHANNEL_DATA_MAX], text[512], sign[SIGNATURE_HEX + 1];

    snprintf(data, sizeof data, "{\"user_id\":\"%s\",\"user_info\":{\"n\":%u}}",
             m->user->text, m->index);
    snprintf(text, sizeof text, "%s:%s:%s", d->conns.all[m->index].socket_id,
             m->room->text, data);
    pusher_sign(d->secret, text, sign);
    pusher_escape(data, escaped);
    watch_join(m);
    sayf(d, m,
         "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"%s\","
         "\"auth\":\"%s:%s\",\"channel_data\":\"%s\"}}",
         m->room->text, d->key, sign, escaped);
}

static void leave_and_go_on(struct drive *d, struct member *m)
{
    watch_leave(m);
    sayf(d, m, "{\"event\":\"pusher:unsubscribe\",\"data\":{\"channel\":\"%s\"}}",
         m->room->text);
}

/* A ping's answer says that what was sent before has come. */
static void leave(struct drive *d, struct member *m)
{
    leave_and_go_on(d, m);
    say(d, m, SLICE("{\"event\":\"pusher:ping\",\"data\":{}}"));
}

static void hang_up(struct drive *d, struct member *m, bool clean)
{
    if (m->state == MEMBER_CONNECTING) {
        d->opening--;
        m->state = MEMBER_OUT;
        conn_close(&d->conns, m->index, false);
        return;
    }
    record_line(&d->record, d->crowd.now, m->index, '/', SLICE_NONE);
    watch_close(m);
    conn_close(&d->conns, m->index, clean);
}

static bool find_node(struct drive *d, unsigned *node)
{
    unsigned n = 0, which;

    for (unsigned i = 0; i < NODES_MAX; i++)
        n += d->nodes[i].open;
    which = draw(d, n);
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (d->nodes[i].open && which-- == 0) {
            *node = i;
            return true;
        }
    return false;
}

static void reach(struct drive *d, struct member *m)
{
    if (d->opening >= WINDOW) {
        after(d, m, 2);
        return;
    }
    if ((m->deadline || !d->nodes[m->node].open) && !find_node(d, &m->node)) {
        after(d, m, RETRY_MS);
        return;
    }
    d->opening++;
    m->state = MEMBER_CONNECTING;
    m->deadline = d->crowd.now + HANDSHAKE_S * NS_PER_S;
    m->due = m->deadline;
    conn_open(&d->conns, m->index, &d->nodes[m->node].at);
}

static void act(struct drive *d, struct member *m)
{
    m->due = 0;
    if (m->state == MEMBER_OUT) {
        reach(d, m);
    } else if (m->state == MEMBER_LEFT || m->state == MEMBER_REFUSED) {
        join(d, m);
    } else if (m->state == MEMBER_CONNECTING) {
        hang_up(d, m, false);
        after(d, m, RETRY_MS);
    } else if (m->state == MEMBER_IN && d->tight && m->churns) {
        leave_and_go_on(d, m);
        join(d, m);
    }
}

static void on_open(void *context, unsigned index)
{
    struct drive *d = context;
    struct member *m = &d->crowd.members[index];
    char node[4] = {(char)('0' + m->node)};

    d->crowd.now = now_ns();
    d->opening--;
    record_line(&d->record, d->crowd.now, index, '=', slice_of(node));
    watch_open(m, m->node);
    m->due = 0;
    join(d, m);
}

static void on_text(void *context, unsigned index, struct slice text, uint64_t at)
{
    struct drive *d = context;
    struct member *m = &d->crowd.members[index];

    d->crowd.now = at;
    record_line(&d->record, at, index, '>', text);
    watch_text(m, text);
    if (d->tight && m->churns && m->state == MEMBER_IN && !d->nodes[m->node].frozen)
        after(d, m, 0);
}

static void on_lost(void *context, unsigned index, int code)
{
    struct drive *d = context;
    struct member *m = &d->crowd.members[index];
    bool returns = m->state == MEMBER_CONNECTING || draw(d, 100) < d->returns;

    d->crowd.now = now_ns();
    if (m->state == MEMBER_CONNECTING) {
        d->opening--;
        m->state = MEMBER_OUT;
    } else {
        record_line(&d->record, d->crowd.now, index, 'x', SLICE_NONE);
        watch_lost(m);
        if (code == CONN_NONSENSE || (code > 0 && code != 4200))
            fprintf(stderr, "muster-chaos: client %u on node %u: closed with %d\n", index,
                    m->node, code);
    }
    if (returns)
        after(d, m, 100 + draw(d, RETURN_MS));
    else
        m->state = MEMBER_GONE;
}

static void on_input(void *context)
{
    struct drive *d = context;

    d->crowd.now = now_ns();
    d->input(d);
}

static void churn_one(struct drive *d, struct member *m)
{
    if (!m->churns || d->nodes[m->node].frozen || m->due)
        return;
    if (m->state == MEMBER_OUT || m->state == MEMBER_LEFT) {
        m->deadline = 1; /* another node than before may do */
        act(d, m);
    } else if (m->state == MEMBER_IN) {
        unsigned how = draw(d, 4);

        if (how == 0)
            leave(d, m);
        else
            hang_up(d, m, how == 1);
        if (how == 3)
            after(d, m, draw(d, 50));
    }
}

static void publish_one(struct drive *d, struct member *m)
{
    if (!m->publishes || m->state != MEMBER_IN || d->nodes[m->node].frozen)
        return;
    watch_sent(m);
    sayf(d, m, "{\"event\":\"client-chaos\",\"channel\":\"%s\",\"data\":\"%u %u\"}",
         m->room->text, m->publisher, m->sent);
}

static void keep_pace(struct drive *d, struct pace *p,
                      bool (*fits)(const struct member *),
                      void (*act_on)(struct drive *d, struct member *m))
{
    double passed = (double)(d->crowd.now - d->ticked) / 1e9;

    p->owed += p->rate * passed;
    for (unsigned tries = 0; p->owed >= 1 && tries < 10000; tries++) {
        struct member *m = &d->crowd.members[draw(d, d->crowd.n)];

        if (!fits(m))
            continue;
        act_on(d, m);
        p->owed -= 1;
    }
    p->owed = p->rate > 0 ? p->owed : 0;
}

static bool churns(const struct member *m)
{
    return m->churns && m->state != MEMBER_GONE;
}

static bool publishes(const struct member *m)
{
    return m->publishes && m->state == MEMBER_IN;
}

void drive_turn(struct drive *d)
{
    conns_turn(&d->conns, TURN_MS);
    d->crowd.now = now_ns();
    for (unsigned i = 0; i < d->crowd.n; i++)
        if (d->crowd.members[i].due && d->crowd.members[i].due <= d->crowd.now)
            act(d, &d->crowd.members[i]);
    keep_pace(d, &d->churn, churns, churn_one);
    keep_pace(d, &d->events, publishes, publish_one);
    d->ticked = d->crowd.now;
}

bool drive_init(struct drive *d, const struct drive_options *o)
{
    static const struct conns_owner owner = {on_open, on_text, on_lost, on_input};

    *d = (struct drive){.key = o->key,
                        .secret = o->secret,
                        .returns = 100,
                        .random = o->seed * 0x9e3779b97f4a7c15ULL + 1,
                        .ticked = now_ns()};
    crowd_init(&d->crowd, &o->geometry);
    d->crowd.now = d->ticked;
    conns_init(&d->conns, d->crowd.n, d->key, &owner, d);
    return record_open(&d->record, o->record, &o->geometry);
}

void drive_fini(struct drive *d)
{
    conns_fini(&d->conns);
    record_close(&d->record);
    crowd_fini(&d->crowd);
}

void drive_enter(struct drive *d, unsigned n)
{
    unsigned nodes = 0, open[NODES_MAX];

    for (unsigned i = 0; i < NODES_MAX; i++)
        if (d->nodes[i].open)
            open[nodes++] = i;
    for (unsigned i = 0; i < n && i < d->crowd.n && nodes; i++) {
        struct member *m = &d->crowd.members[i];

        if (m->state != MEMBER_OUT)
            continue;
        m->node = open[i % nodes];
        after(d, m, 0);
    }
}

void drive_leave(struct drive *d, unsigned room, unsigned n)
{
    struct crowd *c = &d->crowd;

    for (unsigned k = 0; room < c->n_rooms && k < c->per_room && n > 0; k++) {
        struct member *m = &c->members[c->rooms[room].first + k];

        if (m->state != MEMBER_IN)
            continue;
        leave(d, m);
        n--;
    }
}

void drive_insist(struct drive *d)
{
    for (unsigned i = 0; i < d->crowd.n; i++)
        if (d->crowd.members[i].state == MEMBER_REFUSED)
            after(d, &d->crowd.members[i], 0);
}

bool drive_tell(struct drive *d, const char *words)
{
    if (!record_told(&d->crowd, words))
        return false;
    record_line(&d->record, d->crowd.now, 0, '!', slice_of(words));
    return true;
}
