/* A round: each sentinel is sent the same two questions, on the connection that it has or
 * on a new one. It ends when each has answered or failed, or a moment after the first
 * answer, or when its time is up; so a sentinel that is dead with its machine, as the
 * master's neighbour may well be, costs that moment and no more.
 *
 * The two questions are SENTINEL MASTER, for the epoch, and then GET-MASTER-ADDR-BY-NAME,
 * for the address: during a failover the sentinel that leads it says the new address by
 * the latter only, at a time when its epoch is the new one already. In this order the
 * pair can at worst be an old epoch with a new address. A sentinel that forbids the
 * first, by its ACL, counts as of epoch 0.
 *
 * Nothing is freed from within a connection's callback: what is of no use any more is so
 * marked, and freed when the next round begins. */
#include "adapters/redis_sentinel.h"

#include <stdlib.h>

#include "adapters/redis_boot.h"
#include "adapters/redis_conn.h"
#include "adapters/redis_reply.h"
#include "adapters/redis_resolve.h"
#include "adapters/redis_script.h"
#include "server/base/log.h"
#include "server/base/xalloc.h"

enum {
    PERIOD_MS = 1000,   /* from one round's end to the next's beginning */
    ROUND_MS = 1000,    /* at most, while nobody has answered */
    MORE_MS = 300,      /* for the others, behind the first answer */
    PATIENCE_MS = 3000, /* with one that connects, or doesn't answer */
};

enum sentinel_state {
    SENTINEL_IDLE, /* no connection, or one that owes nothing */
    SENTINEL_RESOLVING,
    SENTINEL_ASKED,
};

struct sentinel {
    struct sentinels *all;
    const char *text; /* as it is configured */
    struct hostport at;
    struct resolver *resolver;
    struct redis_conn *conn; /* NULL: none */
    bool is_lost;            /* conn is of no use */
    enum sentinel_state state;
    uint64_t since;    /* ms: of this state */
    unsigned owed;     /* answers that are missing */
    unsigned attempts; /* to connect, since it has answered: its addresses in turn */
    bool settled;      /* in this round */
    bool has_answered; /* in this round */
    bool has_refused;  /* in this round */
    bool is_ill;    /* it didn't answer with an address the last time; that is logged */
    struct buf why; /* what it lacked the last time */
    struct redis_master master; /* its answer, as it comes in */
};

struct sentinels {
    struct loop *loop;
    const struct redis_link_conf *conf;
    struct redis_tls *tls;
    void (*found)(void *context, const struct sentinels_found *f);
    void *context;
    struct loop_timer timer; /* the round's end, or the next one's beginning */
    bool asking;
    bool any; /* answered in this round */
    struct buf why;
    uint64_t newest; /* the epoch of the last master that was found */
    unsigned n;
    struct sentinel v[];
};

bool redis_master_is_at(const struct redis_master *a, const struct redis_master *b)
{
    return a->at.port == b->at.port && strcmp(a->at.host, b->at.host) == 0;
}

/* The end of a round */

static unsigned votes(const struct sentinels *s, const struct redis_master *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->n; i++)
        n += s->v[i].has_answered && redis_master_is_at(&s->v[i].master, m);
    return n;
}

/* The answer of the highest epoch; among several of those, what most say. */
static const struct redis_master *best(const struct sentinels *s)
{
    const struct redis_master *best = NULL;

    for (unsigned i = 0; i < s->n; i++) {
        const struct redis_master *m = &s->v[i].master;

        if (!s->v[i].has_answered)
            continue;
        if (!best || m->epoch > best->epoch ||
            (m->epoch == best->epoch && votes(s, m) > votes(s, best)))
            best = m;
    }
    return best;
}

/* What nobody's answer has left to say: each sentinel's own reason. */
static void explain(struct sentinels *s, struct sentinels_found *f)
{
    unsigned refused = 0;

    s->why.n = 0;
    buf_add_lit(&s->why, "adapter.redis.sentinels: ");
    for (unsigned i = 0; i < s->n; i++) {
        const struct sentinel *one = &s->v[i];

        refused += one->has_refused;
        if (one->settled)
            buf_addf(&s->why, "%s%.*s", i ? "; " : "", SLICE_ARG(buf_slice(&one->why)));
        else
            buf_addf(&s->why, "%s%s: no answer in 1 s", i ? "; " : "", one->text);
    }
    f->refused = refused > s->n / 2;
    f->why = buf_cstr(&s->why);
}

static void ask_again(void *context)
{
    sentinels_ask(context);
}

static void end_round(void *context)
{
    struct sentinels *s = context;
    const struct redis_master *m = best(s);
    struct sentinels_found f = {.why = ""};

    if (!m) {
        explain(s, &f);
    } else {
        f.by_most = votes(s, m) > s->n / 2;
        if (m->epoch >= s->newest || f.by_most) {
            f.master = *m;
            s->newest = m->epoch;
        } else {
            f.why = "adapter.redis.sentinels: those that answer have missed a failover";
        }
    }
    s->asking = false;
    loop_after(s->loop, &s->timer, PERIOD_MS, ask_again, s);
    s->found(s->context, &f);
}

/* This sentinel has said what it will say in this round. The round never ends from within
 * what one of them does, but in a turn of its own. */
static void settle(struct sentinel *one)
{
    struct sentinels *s = one->all;
    bool first = one->has_answered && !s->any;
    unsigned left = 0;

    if (one->settled || !s->asking)
        return;
    one->settled = true;
    s->any = s->any || one->has_answered;
    for (unsigned i = 0; i < s->n; i++)
        left += !s->v[i].settled;
    if (left == 0)
        loop_after(s->loop, &s->timer, 0, end_round, s);
    else if (first)
        loop_after(s->loop, &s->timer, MORE_MS, end_round, s);
}

/* Its connection is of no use any more; one->why says why. */
static void drop(struct sentinel *one)
{
    one->is_lost = true;
    one->state = SENTINEL_IDLE;
    one->attempts++;
    if (!one->is_ill)
        log_warn("redis.sentinel_lost", "error=%s", buf_cstr(&one->why));
    one->is_ill = true;
}

static void give_up(struct sentinel *one, bool refused)
{
    drop(one);
    one->has_refused = refused;
    settle(one);
}

static void give_up_by_answer(struct sentinel *one, const redisReply *error)
{
    bool login = strstr(error->str, "AUTH") || strncmp(error->str, "WRONGPASS", 9) == 0 ||
                 strncmp(error->str, "NOPERM", 6) == 0;

    one->why.n = 0;
    buf_addf(&one->why, "%s says: %s%s", one->text, error->str,
             login ? " (adapter.redis.sentinel_username, sentinel_password)" : "");
    give_up(one, true);
}

/* What it answers */

/* SENTINEL MASTER: names and values in turn. */
static uint64_t epoch_of(const redisReply *r)
{
    struct slice name;
    uint64_t epoch;

    if (r->type != REDIS_REPLY_ARRAY)
        return 0;
    for (size_t i = 0; i + 1 < r->elements; i += 2)
        if (reply_text(r->element[i], &name) && slice_is(name, "config-epoch") &&
            reply_number(r->element[i + 1], &epoch))
            return epoch;
    return 0;
}

static bool read_address(const redisReply *r, struct hostport *at)
{
    struct slice host;
    uint64_t port;

    if (!reply_array(r, 2) || !reply_text(r->element[0], &host) ||
        !reply_number(r->element[1], &port) || host.n == 0 || host.n >= HOST_SIZE ||
        port < 1 || port > 65535)
        return false;
    memcpy(at->host, host.p, host.n);
    at->host[host.n] = '\0';
    at->port = (unsigned)port;
    return true;
}

static void answered(struct sentinel *one)
{
    if (one->is_ill)
        log_info("redis.sentinel_back", "sentinel=%s", one->text);
    one->is_ill = false;
    one->attempts = 0;
    one->has_answered = one->all->asking && !one->settled;
    settle(one);
}

static void take_address(struct sentinel *one, const redisReply *reply)
{
    one->state = SENTINEL_IDLE;
    if (reply->type == REDIS_REPLY_ERROR) {
        give_up_by_answer(one, reply);
    } else if (read_address(reply, &one->master.at)) {
        answered(one);
    } else {
        one->why.n = 0;
        if (reply->type == REDIS_REPLY_NIL || reply_array(reply, 0))
            buf_addf(&one->why,
                     "no master named \"%s\" at %s (adapter.redis.master_name)",
                     one->all->conf->master_name, one->text);
        else
            buf_addf(&one->why, "%s: an answer that is no address", one->text);
        give_up(one, true);
    }
}

static void replied(void *context, redisReply *reply)
{
    struct sentinel *one = context;

    if (!one->is_lost && one->owed) {
        one->owed--;
        if (one->owed >= 2 && reply->type == REDIS_REPLY_ERROR)
            give_up_by_answer(one, reply); /* of AUTH */
        else if (one->owed == 1)
            one->master.epoch = epoch_of(reply);
        else if (one->owed == 0)
            take_address(one, reply);
    }
    freeReplyObject(reply);
}

static bool drained(void *context)
{
    (void)context;
    return false;
}

static void write_why(struct sentinel *one, const char *why)
{
    one->why.n = 0;
    buf_addf(&one->why, "%s: %s", one->text, why);
}

static void lost(void *context, const char *why)
{
    struct sentinel *one = context;

    if (one->is_lost)
        return; /* what came first is the cause */
    if (one->conn && one->state == SENTINEL_IDLE) {
        one->is_lost = true; /* it owes nothing: the next round tells */
        return;
    }
    write_why(one, why);
    give_up(one, false);
}

/* Asking */

static void add_question(struct sentinel *one, struct slice which, struct buf *to)
{
    const struct slice words[] = {SLICE("SENTINEL"), which,
                                  slice_of(one->all->conf->master_name)};

    redis_command_encode(to, words, 3);
    one->owed++;
}

static void ask(struct sentinel *one, bool is_new)
{
    const struct redis_link_conf *conf = one->all->conf;
    const struct redis_link_conf login = {.username = conf->sentinel_username,
                                          .password = conf->sentinel_password};
    struct buf bytes = BUF_INIT;

    one->state = SENTINEL_ASKED;
    one->since = loop_now(one->all->loop);
    one->owed = 0;
    if (is_new && (*login.username || *login.password)) {
        redis_boot_command(&login, NULL, BOOT_AUTH, 0, &bytes);
        one->owed++;
    }
    add_question(one, SLICE("MASTER"), &bytes);
    add_question(one, SLICE("GET-MASTER-ADDR-BY-NAME"), &bytes);
    redis_conn_write(one->conn, buf_slice(&bytes));
    redis_conn_flush(one->conn);
    buf_fini(&bytes);
}

static void resolved(void *context, const struct addresses *a)
{
    static const struct redis_conn_events events = {replied, drained, lost};
    struct sentinel *one = context;
    struct redis_target to = {"", NULL, one->at.port, one->all->tls, one->at.host};

    if (one->state != SENTINEL_RESOLVING)
        return;
    one->is_lost = false;
    if (!a->n) {
        lost(one, a->error);
        return;
    }
    to.address = a->text[one->attempts % a->n];
    one->state = SENTINEL_ASKED;
    one->conn = redis_conn_alloc(one->all->loop, &to, &events, one);
    if (!one->is_lost)
        ask(one, true);
}

static void begin(struct sentinel *one)
{
    uint64_t now = loop_now(one->all->loop);

    if (one->state == SENTINEL_ASKED) {
        if (now < one->since + PATIENCE_MS)
            return; /* its answer may still come */
        write_why(one, "no answer in 3 s");
        drop(one);
    }
    if (one->is_lost) {
        redis_conn_free(one->conn);
        one->conn = NULL;
        one->is_lost = false;
    }
    if (one->conn) {
        ask(one, false);
    } else {
        one->state = SENTINEL_RESOLVING;
        resolver_start(one->resolver, one->at.host);
    }
}

void sentinels_ask(struct sentinels *s)
{
    if (s->asking)
        return;
    s->asking = true;
    s->any = false;
    loop_after(s->loop, &s->timer, ROUND_MS, end_round, s);
    for (unsigned i = 0; i < s->n; i++)
        s->v[i].settled = s->v[i].has_answered = s->v[i].has_refused = false;
    for (unsigned i = 0; i < s->n; i++)
        begin(&s->v[i]);
}

struct sentinels *sentinels_alloc(
    struct loop *loop, const struct redis_link_conf *conf, struct redis_tls *tls,
    void (*found)(void *context, const struct sentinels_found *f), void *context)
{
    struct sentinels *s = xcalloc(1, sizeof *s + conf->n_sentinels * sizeof s->v[0]);

    s->loop = loop;
    s->conf = conf;
    s->tls = tls;
    s->found = found;
    s->context = context;
    s->n = (unsigned)conf->n_sentinels;
    for (unsigned i = 0; i < s->n; i++) {
        struct sentinel *one = &s->v[i];

        one->all = s;
        one->text = conf->sentinels[i];
        if (!hostport_read(one->text, &one->at))
            abort(); /* the configuration was checked */
        one->resolver = resolver_alloc(loop, resolved, one);
    }
    return s;
}

void sentinels_free(struct sentinels *s)
{
    if (!s)
        return;
    loop_cancel(s->loop, &s->timer);
    for (unsigned i = 0; i < s->n; i++) {
        redis_conn_free(s->v[i].conn);
        resolver_free(s->v[i].resolver);
        buf_fini(&s->v[i].why);
    }
    buf_fini(&s->why);
    free(s);
}
