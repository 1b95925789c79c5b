/* See fake_redis.h. Arrays that are searched from end to end: a simulated world has a
 * dozen channels and users. `x` isn't kept as a hash of channels; what a nid holds is
 * read from the channels, which is the same, since scripts are atomic. */
#include "test/sim/fake_redis.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"
#include "server/base/xalloc.h"

enum { FENCE_MS = 3600000, ANEW_MS = 9000 };

/* Keys */

static struct fake_channel *find(struct fake *f, const struct name *app,
                                 const struct name *name)
{
    for (unsigned i = 0; i < f->data.n_channels; i++)
        if (f->data.channels[i].name == name && f->data.channels[i].app == app)
            return &f->data.channels[i];
    return NULL;
}

struct fake_channel *fake_find(struct fake *f, struct slice app, struct slice channel)
{
    return find(f, name_of(f->names, app), name_of(f->names, channel));
}

static struct fake_channel *get(struct fake *f, unsigned partition, struct slice app,
                                struct slice channel)
{
    struct fake_data *d = &f->data;
    struct fake_channel *c = fake_find(f, app, channel);

    if (c)
        return c;
    d->channels =
        grown(d->channels, d->n_channels, &d->channels_room, sizeof *d->channels);
    c = &d->channels[d->n_channels++];
    memset(c, 0, sizeof *c);
    c->app = name_of(f->names, app);
    c->name = name_of(f->names, channel);
    c->partition = partition;
    return c;
}

static struct fake_holder *holder(struct fake *f, unsigned partition, uint64_t nid)
{
    struct fake_partition *p = &f->data.partitions[partition];
    struct fake_holder *h;

    for (unsigned i = 0; i < p->n_holders; i++)
        if (p->holders[i].nid == nid)
            return &p->holders[i];
    p->holders = grown(p->holders, p->n_holders, &p->room, sizeof *p->holders);
    h = &p->holders[p->n_holders++];
    memset(h, 0, sizeof *h);
    h->nid = nid;
    return h;
}

static bool fenced(const struct fake *f, const struct fake_holder *h, uint64_t now)
{
    return h->fenced_until > now && !(f->rules.broken & FAKE_NO_FENCE);
}

static struct version version_of(const struct fake *f, struct fake_channel *c,
                                 uint64_t now)
{
    if (c->empty_since && now >= c->empty_since + f->rules.kept_empty) {
        c->at = (struct version){0, 0};
        c->empty_since = 0;
    }
    return c->at;
}

static struct fake_member *member_of(const struct fake_channel *c,
                                     const struct name *user)
{
    for (unsigned i = 0; i < c->n_members; i++)
        if (c->members[i].user == user)
            return &c->members[i];
    return NULL;
}

const struct fake_member *fake_member_of(const struct fake_channel *c, struct slice user)
{
    for (unsigned i = 0; i < c->n_members; i++)
        if (slice_eq(c->members[i].user->text, user))
            return &c->members[i];
    return NULL;
}

bool fake_member_has(const struct fake_member *m, uint64_t nid)
{
    for (unsigned i = 0; i < m->n_refs; i++)
        if (m->refs[i].nid == nid)
            return true;
    return false;
}

static uint64_t channel_sum(const struct fake_channel *c, uint64_t nid)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < c->n_counts; i++)
        if (c->counts[i].nid == nid)
            sum += c->counts[i].count * c->counts[i].hash;
    for (unsigned i = 0; i < c->n_members; i++)
        for (unsigned j = 0; j < c->members[i].n_refs; j++)
            if (c->members[i].refs[j].nid == nid)
                sum += c->members[i].refs[j].hash;
    return sum;
}

uint64_t fake_sum(const struct fake *f, unsigned partition, uint64_t nid)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < f->data.n_channels; i++)
        if (f->data.channels[i].partition == partition)
            sum += channel_sum(&f->data.channels[i], nid);
    return sum;
}

static unsigned total_of(const struct fake_channel *c)
{
    unsigned total = 0;

    for (unsigned i = 0; i < c->n_counts; i++)
        total += c->counts[i].count;
    return total;
}

static void announce(struct fake *f, struct fake_channel *c, enum push_kind kind,
                     const struct fake_member *m, const struct fake_change *by)
{
    struct version was = version_of(f, c, by->now);
    struct push p = {.kind = kind,
                     .prev_nonce = was.nonce,
                     .nid = by->nid,
                     .user = m->user->text,
                     .info = SLICE_NONE};

    if (kind == PUSH_ADDED && m->info)
        p.info = m->info->text;
    c->at = (struct version){was.seq + 1, by->nonce};
    c->empty_since = 0;
    p.at = c->at;
    f->on_push(f->context, c->app->text, c->name->text, &p);
}

static struct fake_member *insert(struct fake_channel *c, const struct name *user,
                                  const struct name *info)
{
    unsigned i = c->n_members;

    c->members = grown(c->members, c->n_members, &c->members_room, sizeof *c->members);
    for (; i && c->members[i - 1].user->id > user->id; i--)
        c->members[i] = c->members[i - 1];
    c->n_members++;
    c->members[i] = (struct fake_member){.user = user, .info = info};
    return &c->members[i];
}

static void hold(struct fake_member *m, uint64_t nid, uint64_t hash)
{
    m->refs = grown(m->refs, m->n_refs, &m->room, sizeof *m->refs);
    m->refs[m->n_refs++] = (struct fake_reference){nid, hash};
}

static enum op_result join(struct fake *f, struct fake_channel *c, const struct op *op,
                           const struct fake_change *by)
{
    const struct name *user = name_of(f->names, op->user);
    struct fake_member *m = member_of(c, user);

    if (m && fake_member_has(m, by->nid))
        return RESULT_DUP;
    if (m) {
        hold(m, by->nid, op->hash);
        announce(f, c, PUSH_REF, m, by);
        return RESULT_REF;
    }
    if (op->max && c->n_members >= op->max && !(f->rules.broken & FAKE_NO_LIMIT))
        return RESULT_FULL;
    m = insert(c, user, name_of(f->names, op->info));
    hold(m, by->nid, op->hash);
    announce(f, c, PUSH_ADDED, m, by);
    if (c->webhooks & WANT_MEMBERS)
        fake_hook_came(f, HOOK_ADDED, c, user, by);
    return RESULT_ADDED;
}

static void drop_member(struct fake_channel *c, struct fake_member *m, uint64_t now)
{
    unsigned i = (unsigned)(m - c->members);

    free(m->refs);
    memmove(m, m + 1, (--c->n_members - i) * sizeof *m);
    if (!c->n_members)
        c->empty_since = now;
}

static enum op_result leave(struct fake *f, struct fake_channel *c, struct fake_member *m,
                            const struct fake_change *by)
{
    if (!m || !fake_member_has(m, by->nid))
        return RESULT_NONE;
    for (unsigned i = 0; i < m->n_refs; i++)
        if (m->refs[i].nid == by->nid)
            m->refs[i] = m->refs[--m->n_refs];
    announce(f, c, m->n_refs ? PUSH_UNREF : PUSH_REMOVED, m, by);
    if (m->n_refs)
        return RESULT_UNREF;
    if (c->webhooks & WANT_MEMBERS)
        fake_hook_gone(f, HOOK_REMOVED, c, m->user, by);
    drop_member(c, m, by->now);
    return RESULT_REMOVED;
}

static enum op_result leave_user(struct fake *f, struct fake_channel *c,
                                 const struct name *user, const struct fake_change *by)
{
    struct fake_member *m = member_of(c, user);

    if (!m && by->told && c->webhooks & WANT_MEMBERS)
        fake_hook_gone(f, HOOK_REMOVED, c, user, by);
    return leave(f, c, m, by);
}

/* Returns what the sum grows by. */
static uint64_t set_count(struct fake *f, struct fake_channel *c, unsigned count,
                          uint64_t hash, const struct fake_change *by)
{
    unsigned at = 0, before = c->n_counts, old = 0;
    uint64_t grows = count * hash;

    while (at < c->n_counts && c->counts[at].nid != by->nid)
        at++;
    if (at < c->n_counts) {
        old = c->counts[at].count;
        grows -= c->counts[at].count * c->counts[at].hash;
        c->counts[at] = c->counts[--c->n_counts];
    }
    if (count) {
        c->counts = grown(c->counts, c->n_counts, &c->counts_room, sizeof *c->counts);
        c->counts[c->n_counts++] = (struct fake_count){by->nid, hash, count};
    }
    if (c->webhooks & WANT_OCCUPIED && !before && c->n_counts)
        fake_hook_came(f, HOOK_OCCUPIED, c, NULL, by);
    if (c->webhooks & WANT_COUNT &&
        (count != old || (by->told && !count && !c->n_counts)))
        f->on_total(f->context, c->app->text, c->name->text, total_of(c),
                    f->data.partitions[c->partition].epoch);
    if (c->webhooks & WANT_TOTALS &&
        (count != old || (by->told && !count && !c->n_counts)))
        fake_hook_count(f, c, total_of(c), by->now);
    if (c->webhooks & WANT_OCCUPIED && !c->n_counts && (before || (by->told && !count)))
        fake_hook_gone(f, HOOK_VACATED, c, NULL, by);
    return grows;
}

/* Commands */

static void snapshot(struct fake *f, const struct fake_channel *c, uint64_t cursor,
                     struct op_reply *r, struct arena *a)
{
    struct replica_member *out = arena_alloc(a, (c->n_members + 1) * sizeof *out);

    r->members = out;
    for (unsigned i = 0; i < c->n_members; i++) {
        const struct fake_member *m = &c->members[i];
        uint64_t *nids;

        if (m->user->id < cursor)
            continue;
        if (r->n_members == f->rules.snapshot_page) {
            r->cursor = m->user->id;
            return;
        }
        nids = arena_alloc(a, m->n_refs * sizeof *nids);
        for (unsigned j = 0; j < m->n_refs; j++)
            nids[j] = m->refs[j].nid;
        out[r->n_members++] = (struct replica_member){
            m->user->text, m->info ? m->info->text : SLICE_NONE, nids, m->n_refs};
    }
}

static void operate(struct fake *f, const struct batch *b, const struct op *op,
                    const struct fake_change *by, struct op_reply *r, struct arena *a)
{
    struct fake_channel *c = get(f, b->partition, op->app, op->channel);
    struct fake_holder *h = holder(f, b->partition, b->nid);

    if (op->webhooks & ~(unsigned)TOLD_BEFORE)
        c->webhooks = op->webhooks & ~(unsigned)TOLD_BEFORE;
    if (by->told && f->data.partitions[b->partition].anew_until <= by->now)
        f->data.partitions[b->partition].anew_until = by->now + ANEW_MS;
    switch (op->kind) {
    case OP_JOIN:
        r->result = join(f, c, op, by);
        if (r->result == RESULT_ADDED || r->result == RESULT_REF)
            h->sum += op->hash;
        break;
    case OP_LEAVE:
        r->result = leave_user(f, c, name_of(f->names, op->user), by);
        if (r->result != RESULT_NONE)
            h->sum -= op->hash;
        break;
    case OP_COUNT:
        h->sum += set_count(f, c, op->count, op->hash, by);
        break;
    case OP_SNAPSHOT:
        snapshot(f, c, op->cursor, r, a);
        break;
    }
    r->at = version_of(f, c, by->now);
}

/* The fence and the number; both for a batch and for a verify. */
static enum reply_status enter(struct fake *f, unsigned partition, uint64_t nid,
                               uint64_t number, uint64_t now)
{
    struct fake_holder *h = holder(f, partition, nid);

    if (fenced(f, h, now))
        return REPLY_FENCED;
    if (number <= h->number && !(f->rules.broken & FAKE_NO_STALE))
        return REPLY_STALE;
    h->number = number;
    h->in_n = true;
    return REPLY_OK;
}

struct batch_reply fake_batch(struct fake *f, const struct batch *b, struct arena *a,
                              uint64_t now)
{
    uint64_t *epoch = &f->data.partitions[b->partition].epoch;
    struct op_reply *ops = arena_alloc(a, b->n * sizeof *ops);
    struct batch_reply r = {.ops = ops, .n = b->n};
    uint64_t made = 0; /* changes */

    if (!*epoch)
        *epoch = b->epoch_if_new;
    r.epoch = *epoch;
    r.status = enter(f, b->partition, b->nid, b->number, now);
    if (r.status == REPLY_OK && b->epoch && b->epoch != *epoch)
        r.status = REPLY_ANEW;
    for (unsigned i = 0; r.status == REPLY_OK && i < b->n; i++) {
        const struct op *op = &b->ops[i];
        struct fake_change by = {.nid = b->nid,
                                 .nonce = b->nonce + made + 1,
                                 .now = now,
                                 .unclean = op->unclean,
                                 .told = op->webhooks & TOLD_BEFORE};

        operate(f, b, op, &by, &ops[i], a);
        made += ops[i].result == RESULT_ADDED || ops[i].result == RESULT_REF ||
                ops[i].result == RESULT_REMOVED || ops[i].result == RESULT_UNREF;
    }
    return r;
}

struct verify_reply fake_verify(struct fake *f, const struct verify *v, uint64_t now)
{
    struct verify_reply r = {.epoch = f->data.partitions[v->partition].epoch};

    r.status = enter(f, v->partition, v->nid, v->number, now);
    r.sum = holder(f, v->partition, v->nid)->sum;
    return r;
}

static unsigned count_of(const struct fake_channel *c, uint64_t nid)
{
    for (unsigned i = 0; i < c->n_counts; i++)
        if (c->counts[i].nid == nid)
            return c->counts[i].count;
    return 0;
}

/* A place in the list: a channel, and in it its count (0) or a user's id. */
static uint64_t place(unsigned channel, unsigned id)
{
    return ((uint64_t)(channel + 1) << 32) + id;
}

struct list_reply fake_list(struct fake *f, unsigned partition, uint64_t nid,
                            uint64_t cursor, struct arena *a)
{
    struct list_entry *out = arena_alloc(a, (f->rules.list_page + 1) * sizeof *out);
    struct list_reply r = {.entries = out};

    for (unsigned i = 0; i < f->data.n_channels; i++) {
        const struct fake_channel *c = &f->data.channels[i];
        struct list_entry e = {c->app->text, c->name->text, SLICE_NONE, 0};

        if (c->partition != partition)
            continue;
        e.count = count_of(c, nid);
        for (unsigned j = 0; j <= c->n_members; j++) {
            const struct fake_member *m = j ? &c->members[j - 1] : NULL;
            uint64_t here = place(i, m ? m->user->id : 0);

            if (here < cursor || (m ? !fake_member_has(m, nid) : !e.count))
                continue;
            if (r.n == f->rules.list_page) {
                r.cursor = here;
                return r;
            }
            e.user = m ? m->user->text : SLICE_NONE;
            if (m)
                e.count = 0;
            out[r.n++] = e;
        }
    }
    return r;
}

struct version fake_version(struct fake *f, struct slice app, struct slice channel,
                            uint64_t now)
{
    struct fake_channel *c = fake_find(f, app, channel);

    return c ? version_of(f, c, now) : (struct version){0, 0};
}

unsigned fake_total(struct fake *f, struct slice app, struct slice channel)
{
    const struct fake_channel *c = fake_find(f, app, channel);

    return c ? total_of(c) : 0;
}

/* Up to a page of the nid's references in c; true if the page is full. */
static bool reap_channel(struct fake *f, struct fake_channel *c, struct fake_change *by,
                         unsigned *n)
{
    for (unsigned j = c->n_members; j-- > 0;) {
        if (!fake_member_has(&c->members[j], by->nid))
            continue;
        if (*n == f->rules.reap_page)
            return true;
        ++*n;
        by->nonce++;
        leave(f, c, &c->members[j], by);
    }
    return false;
}

bool fake_reap(struct fake *f, unsigned partition, uint64_t nid, uint64_t nonce,
               uint64_t now)
{
    struct fake_change by = {.nid = nid, .nonce = nonce, .now = now, .unclean = true};
    struct fake_holder *h = holder(f, partition, nid);
    unsigned n = 0;

    h->fenced_until = now + FENCE_MS;
    for (unsigned i = 0; i < f->data.n_channels; i++)
        if (f->data.channels[i].partition == partition &&
            reap_channel(f, &f->data.channels[i], &by, &n))
            return true;
    for (unsigned i = 0; i < f->data.n_channels; i++)
        if (f->data.channels[i].partition == partition)
            set_count(f, &f->data.channels[i], 0, 0, &by);
    h->number = h->sum = 0;
    h->in_n = f->rules.broken & FAKE_KEEPS_NID;
    return false;
}

unsigned fake_holders(struct fake *f, unsigned partition, struct arena *a,
                      const uint64_t **nids)
{
    struct fake_partition *p = &f->data.partitions[partition];
    uint64_t *out = arena_alloc(a, (p->n_holders + 1) * sizeof *out);
    unsigned n = 0;

    for (unsigned i = 0; i < p->n_holders; i++)
        if (p->holders[i].in_n)
            out[n++] = p->holders[i].nid;
    *nids = out;
    return n;
}

static struct beat_entry *beat_of(struct fake *f, uint64_t nid)
{
    for (unsigned i = 0; i < f->data.n_beats; i++)
        if (f->data.beats[i].nid == nid)
            return &f->data.beats[i];
    return NULL;
}

struct beat_reply fake_beat(struct fake *f, const struct beat *b, struct arena *a)
{
    struct fake_data *d = &f->data;
    struct beat_entry *e = beat_of(f, b->nid);
    struct beat_reply r = {.ok = false};
    struct beat_entry *entries;

    if (!d->beat_epoch)
        d->beat_epoch = b->epoch_if_new;
    if (e)
        r.current = e->value;
    r.ok = beat_value_eq(r.current, b->expected);
    if (r.ok && e) {
        e->value = b->value;
    } else if (r.ok) {
        d->beats = grown(d->beats, d->n_beats, &d->beats_room, sizeof *d->beats);
        d->beats[d->n_beats++] = (struct beat_entry){b->nid, b->value};
    }
    r.epoch = d->beat_epoch;
    r.n = d->n_beats;
    entries = arena_alloc(a, (r.n + 1) * sizeof *entries);
    for (unsigned i = 0; i < r.n; i++)
        entries[i] = d->beats[i];
    r.entries = entries;
    return r;
}

bool fake_kill(struct fake *f, uint64_t nid, struct beat_value seen)
{
    struct beat_entry *e = beat_of(f, nid);

    if (!e || !beat_value_eq(e->value, seen))
        return false;
    *e = f->data.beats[--f->data.n_beats];
    return true;
}

/* Cached events */

static unsigned partition_of(struct slice app, struct slice channel)
{
    uint16_t crc = crc16(":", 1, crc16(app.p, app.n, 0));

    return crc16(channel.p, channel.n, crc) % PARTITIONS;
}

uint64_t fake_cache(struct fake *f, struct slice app, struct slice channel, uint64_t ttl,
                    uint64_t now)
{
    struct fake_channel *c = get(f, partition_of(app, channel), app, channel);

    c->cached_until = now + ttl;
    return ++c->cached;
}

uint64_t fake_cached(struct fake *f, struct slice app, struct slice channel, uint64_t now)
{
    struct fake_channel *c = fake_find(f, app, channel);

    return c && c->cached_until > now ? c->cached : 0;
}

void fake_raise(struct fake *f, uint64_t nid, unsigned by)
{
    for (unsigned i = 0; i < PARTITIONS; i++)
        for (unsigned j = 0; j < f->data.partitions[i].n_holders; j++)
            if (f->data.partitions[i].holders[j].nid == nid)
                f->data.partitions[i].holders[j].number += by;
}
