/* muster-load fanout: publishers' client events to many subscribers of one channel.
 *
 * Places 0 … clients-1 of the swarm only listen, the publishers follow. A publisher hears
 * the others, not itself. One event of each publisher goes out first, unmeasured: it
 * shows how large a delivered frame is, so that the filling can be made to fit --size. */
#ifndef MUSTER_LOAD_FANOUT_H
#define MUSTER_LOAD_FANOUT_H

#include "test/load/audience.h"
#include "test/load/pusher.h"

struct fanout {
    const struct options *o;
    struct swarm swarm;
    struct audience audience;
    bool listening; /* all are subscribed: from now on only events come */
    unsigned subscribed;
    uint64_t expected;  /* deliveries of what has been published */
    uint32_t *sequence; /* one a publisher */
    uint64_t published, to_publish;
    unsigned turn; /* the publisher of the next burst */
    char *out;
};

static inline bool fanout_presence(const struct fanout *f)
{
    return strncmp(f->o->channel, "presence-", 9) == 0;
}

static inline void fanout_text(void *context, unsigned index, struct slice text,
                               uint64_t read_at)
{
    struct fanout *f = context;
    struct slice event;

    if (f->listening) {
        audience_hear(&f->audience, index, text, read_at);
        return;
    }
    event = json_member(text, "event");
    if (json_is(event, "pusher_internal:subscription_succeeded"))
        f->subscribed++;
    else if (!json_is(event, "pusher_internal:member_added"))
        swarm_fail(&f->swarm, "subscribing: %.*s", SLICE_ARG(text));
}

/* One burst of one publisher, in one write. */
static inline void fanout_publish(struct fanout *f, unsigned burst)
{
    unsigned publisher = f->turn++ % f->o->publishers;
    char text[512 + 65536];
    size_t n = 0;

    for (unsigned i = 0; i < burst; i++) {
        size_t size =
            audience_event(&f->audience, text, publisher, f->sequence[publisher]++);

        n += swarm_frame(&f->swarm, f->out + n, FRAME_TEXT, (struct slice){text, size});
    }
    swarm_send_raw(&f->swarm, f->o->clients + publisher, f->out, n);
    f->published += burst;
    f->expected += (uint64_t)burst * (f->o->clients + f->o->publishers - 1);
}

static inline void fanout_timer(void *context, uint64_t times)
{
    struct fanout *f = context;

    if (f->o->one_by_one) {
        if (f->audience.deliveries < f->expected)
            return;
        times = 1;
    }
    for (; times > 0 && f->published < f->to_publish; times--)
        fanout_publish(f, f->o->burst);
    if (f->published >= f->to_publish)
        swarm_timer(&f->swarm, 0);
}

static inline bool fanout_all_subscribed(void *context)
{
    const struct fanout *f = context;

    return f->subscribed == f->swarm.n;
}

static inline bool fanout_all_heard(void *context)
{
    const struct fanout *f = context;

    return f->published >= f->to_publish && f->audience.deliveries >= f->expected;
}

static inline bool fanout_subscribe(struct fanout *f)
{
    for (unsigned i = 0; i < f->swarm.n; i++) {
        char data[64];

        snprintf(data, sizeof data, "{\"user_id\":\"u%06u\"}", i);
        pusher_subscribe(&f->swarm, i, f->o->channel, fanout_presence(f) ? data : NULL);
    }
    if (!swarm_until(&f->swarm, fanout_all_subscribed, f->o->timeout, "subscribing"))
        return false;
    /* The last joiners' member_added may still be under way. */
    if (fanout_presence(f) && !swarm_for(&f->swarm, 500))
        return false;
    f->listening = true;
    return true;
}

/* One event of each publisher, with so much filling; every publisher's next one is 0
 * again. */
static inline bool fanout_round(struct fanout *f, size_t pad)
{
    audience_reset(&f->audience, pad);
    memset(f->sequence, 0, f->o->publishers * sizeof *f->sequence);
    f->published = f->expected = 0;
    f->to_publish = f->o->publishers;
    for (unsigned i = 0; i < f->o->publishers; i++)
        fanout_publish(f, 1);
    if (!swarm_until(&f->swarm, fanout_all_heard, 10,
                     "the first event hasn't reached all"))
        return false;
    if (!audience_ok(&f->audience))
        swarm_fail(&f->swarm, "the first event arrived changed");
    return !f->swarm.failure[0];
}

/* Fits the filling to --size, and leaves everything ready to count from nothing. */
static inline bool fanout_calibrate(struct fanout *f)
{
    size_t head = f->o->size < 128 ? 2 : f->o->size < 65540 ? 4 : 10, bare;

    if (!fanout_round(f, 0))
        return false;
    bare = f->audience.samples[0].n + head;
    if (bare > f->o->size) {
        swarm_fail(&f->swarm, "a delivered frame has at least %zu bytes", bare);
        return false;
    }
    if (!fanout_round(f, f->o->size - bare))
        return false;
    audience_reset(&f->audience, f->audience.pad);
    memset(f->sequence, 0, f->o->publishers * sizeof *f->sequence);
    f->published = f->expected = 0;
    return true;
}

/* Waits for all deliveries for as long as they keep coming: a server that lags behind is
 * slow, one that delivers nothing for five seconds has lost something. */
static inline bool fanout_wait(struct fanout *f)
{
    uint64_t patience = 5 * NS_PER_S + NS_PER_S * f->o->burst / f->o->rate;
    uint64_t heard = 0, since = now_ns();

    while (!fanout_all_heard(f) && swarm_turn(&f->swarm, 20)) {
        uint64_t now = now_ns();

        if (f->audience.deliveries != heard) {
            heard = f->audience.deliveries;
            since = now;
        }
        if (now > f->swarm.deadline)
            swarm_fail(&f->swarm, "out of time, still delivering");
        if (now - since > patience)
            swarm_fail(&f->swarm, "deliveries are missing");
    }
    return !f->swarm.failure[0];
}

static inline void fanout_count_lost(struct fanout *f)
{
    struct audience *a = &f->audience;

    if (a->deliveries < f->expected)
        a->lost = f->expected - a->deliveries;
}

static inline void fanout_report(struct fanout *f, const struct usage *u,
                                 uint64_t segments)
{
    const struct audience *a = &f->audience;
    double each = a->deliveries ? (double)a->deliveries : 1;

    printf("fanout subscribers=%u publishers=%u frame_bytes=%u events=%" PRIu64
           " deliveries=%" PRIu64 " lost=%" PRIu64 " misordered=%" PRIu64
           " wrong=%" PRIu64 " one_order=%s seconds=%.3f server_cpu_ns_per_delivery=%.1f"
           " deliveries_per_second=%.0f redis_cpu_us_per_event=%.2f "
           "third_server_cpu_us_per_s=%.1f"
           " client_cpu_ns_per_delivery=%.1f segments_per_delivery=%.4f p50_us=%.0f"
           " p99_us=%.0f others_percent=%.0f\n",
           f->o->clients, f->o->publishers, f->o->size, f->published, a->deliveries,
           a->lost, a->misordered, a->wrong,
           audience_one_order(a, f->o->clients) ? "yes" : "no", (double)u->wall / 1e9,
           (double)u->peer_cpu / each,
           (double)a->deliveries * 1e9 / (double)(u->wall ? u->wall : 1),
           (double)u->redis_cpu / 1e3 / (double)(f->published ? f->published : 1),
           (double)u->third_cpu * 1e6 / (double)(u->wall ? u->wall : 1),
           (double)u->cpu / each, (double)segments / each, latency_us(&a->latency, 50),
           latency_us(&a->latency, 99), usage_others_percent(u));
}

static inline bool fanout_measure(struct fanout *f)
{
    const struct options *o = f->o;
    uint64_t segments = swarm_segments(&f->swarm, 0, o->clients);
    struct usage usage = usage_start(o->pids);
    bool all;

    f->to_publish = (uint64_t)o->rate * o->seconds;
    swarm_timer(&f->swarm, NS_PER_S * o->burst / o->rate);
    all = fanout_wait(f);
    usage = usage_since(&usage);
    segments = swarm_segments(&f->swarm, 0, o->clients) - segments;
    if (all) /* whatever still comes is too much, and counted as such */
        swarm_for(&f->swarm, 200);
    fanout_count_lost(f);
    fanout_report(f, &usage, segments);
    return audience_ok(&f->audience) && !f->swarm.failure[0];
}

static inline bool fanout_run(const struct options *o)
{
    static const struct swarm_owner owner = {fanout_text, fanout_timer};
    struct fanout f = {.o = o};
    unsigned n = o->clients + o->publishers;
    bool ok;

    if (o->rate == 0 || o->rate > 100000) {
        fprintf(stderr, "muster-load: fanout needs a --rate of 1 to 100000\n");
        return false;
    }
    f.sequence = calloc(o->publishers, sizeof *f.sequence);
    f.out = malloc((size_t)o->burst * (o->size + 512));
    swarm_init(&f.swarm, o, n, &owner, &f);
    audience_init(&f.audience, o->channel, n, o->publishers);
    ok = f.sequence && f.out && !f.swarm.failure[0] && swarm_open(&f.swarm, 0, n, 0) &&
         fanout_subscribe(&f) && fanout_calibrate(&f) && fanout_measure(&f);
    if (f.swarm.failure[0])
        fprintf(stderr, "muster-load: fanout: %s\n", f.swarm.failure);
    audience_fini(&f.audience);
    swarm_fini(&f.swarm);
    free(f.sequence);
    free(f.out);
    return ok;
}

#endif
