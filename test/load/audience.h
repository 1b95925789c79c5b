/* The audience of a fan-out: who must hear which event, checked at every delivery.
 *
 * Each event carries a stamp of fixed width, "publisher:sequence:sent at". The first
 * frame of each publisher is taken apart as JSON; every later one must equal it byte for
 * byte but for the stamp, and its sequence number must be the listener's next one. So a
 * lost, doubled, swapped or damaged delivery can't pass, and the check stays cheap enough
 * not to be what is measured. A running hash per listener tells whether all heard one
 * order. */
#ifndef MUSTER_LOAD_AUDIENCE_H
#define MUSTER_LOAD_AUDIENCE_H

#include <inttypes.h>

#include "test/load/json.h"
#include "test/load/latency.h"
#include "test/load/swarm.h"

#define AUDIENCE_EVENT "client-load"

enum { STAMP_BYTES = 4 + 1 + 10 + 1 + 16, AUDIENCE_FAULTS_SHOWN = 3 };

/* A publisher's frame, the stamp in it to be skipped. */
struct sample {
    char *text;
    size_t n, stamp; /* bytes, and where the stamp begins */
};

struct audience {
    const char *channel;
    unsigned listeners, publishers;
    struct sample *samples; /* one a publisher */
    uint32_t *next;  /* [listener * publishers + publisher]: the sequence awaited */
    uint64_t *order; /* one a listener */
    uint64_t deliveries, lost, misordered, wrong;
    size_t pad;  /* bytes of filling in each event */
    bool posted; /* over HTTP: data is a string, the stamp and then the filling */
    struct latency latency;
};

static inline void audience_init(struct audience *a, const char *channel,
                                 unsigned listeners, unsigned publishers)
{
    *a = (struct audience){
        .channel = channel, .listeners = listeners, .publishers = publishers};
    a->samples = calloc(publishers, sizeof *a->samples);
    a->next = calloc((size_t)listeners * publishers, sizeof *a->next);
    a->order = calloc(listeners, sizeof *a->order);
    if (!a->samples || !a->next || !a->order)
        abort();
}

static inline void audience_fini(struct audience *a)
{
    for (unsigned i = 0; i < a->publishers; i++)
        free(a->samples[i].text);
    free(a->samples);
    free(a->next);
    free(a->order);
}

/** The event as its publisher sends it; out has room for 512 + a->pad. Returns its size.
 */
static inline size_t audience_event(const struct audience *a, char *out,
                                    unsigned publisher, uint32_t sequence)
{
    const char *end = a->posted ? "\"}" : "\"}}";
    int n = sprintf(out, "{\"%s\":\"" AUDIENCE_EVENT "\",\"channel\":\"%s\",\"data\":%s",
                    a->posted ? "name" : "event", a->channel,
                    a->posted ? "\"" : "{\"stamp\":\"");

    n += sprintf(out + n, "%04u:%010" PRIu32 ":%016" PRIu64 "%s", publisher, sequence,
                 now_ns(), a->posted ? "" : "\",\"pad\":\"");
    memset(out + n, 'x', a->pad);
    memcpy(out + n + a->pad, end, strlen(end));
    return (size_t)n + a->pad + strlen(end);
}

static inline uint64_t audience_digits(const char *p, size_t n)
{
    uint64_t x = 0;

    for (size_t i = 0; i < n; i++)
        x = x * 10 + (uint64_t)(p[i] - '0');
    return x;
}

static inline void audience_fault(struct audience *a, uint64_t *count, unsigned listener,
                                  const char *what, struct slice text)
{
    if (a->lost + a->misordered + a->wrong < AUDIENCE_FAULTS_SHOWN)
        fprintf(stderr, "muster-load: listener %u: %s: %.*s\n", listener, what,
                (int)(text.n > 300 ? 300 : text.n), text.p);
    ++*count;
}

/* Whether text is what a publisher's event must look like when it arrives. */
static inline bool audience_valid(const struct audience *a, struct slice text,
                                  struct slice *stamp)
{
    struct slice data = json_member(text, "data");
    bool whole;

    if (a->posted) {
        *stamp = data;
        whole = data.n == STAMP_BYTES + a->pad + 2;
    } else {
        *stamp = json_member(data, "stamp");
        whole = stamp->n == STAMP_BYTES + 2 && json_member(data, "pad").n == a->pad + 2;
    }
    return whole && json_is(json_member(text, "event"), AUDIENCE_EVENT) &&
           json_is(json_member(text, "channel"), a->channel) &&
           audience_digits(stamp->p + 1, 4) < a->publishers;
}

/* The publisher whose sample the text equals; learns it from a first valid one. */
static inline bool audience_match(struct audience *a, struct slice text,
                                  unsigned *publisher, const char **stamp)
{
    struct sample *m = &a->samples[0];
    struct slice found;
    size_t behind;

    if (!m->text && !audience_valid(a, text, &found))
        return false;
    *stamp = m->text ? text.p + m->stamp : found.p + 1;
    if (m->text && text.n < m->stamp + STAMP_BYTES)
        return false;
    *publisher = (unsigned)audience_digits(*stamp, 4);
    if (*publisher >= a->publishers)
        return false;
    m = &a->samples[*publisher];
    if (!m->text) {
        if (!audience_valid(a, text, &found))
            return false;
        *stamp = found.p + 1;
        m->text = malloc(text.n);
        if (!m->text)
            abort();
        memcpy(m->text, text.p, text.n);
        m->n = text.n;
        m->stamp = (size_t)(found.p + 1 - text.p);
        return true;
    }
    behind = m->stamp + STAMP_BYTES;
    return text.n == m->n && memcmp(text.p, m->text, m->stamp) == 0 &&
           memcmp(text.p + behind, m->text + behind, m->n - behind) == 0;
}

/** One delivery to a listener. */
static inline void audience_hear(struct audience *a, unsigned listener, struct slice text,
                                 uint64_t now)
{
    unsigned publisher;
    const char *stamp;
    uint32_t *next, sequence;

    a->deliveries++;
    if (!audience_match(a, text, &publisher, &stamp)) {
        audience_fault(a, &a->wrong, listener, "not what was sent", text);
        return;
    }
    sequence = (uint32_t)audience_digits(stamp + 5, 10);
    next = &a->next[(size_t)listener * a->publishers + publisher];
    if (sequence != *next)
        audience_fault(a, &a->misordered, listener,
                       sequence < *next ? "twice or late" : "a gap before this", text);
    *next = sequence + 1;
    a->order[listener] = a->order[listener] * 31 + publisher * 7919 + sequence;
    latency_add(&a->latency, now - audience_digits(stamp + 16, 16));
}

/** Starts over with sequence 0; forgets the samples where the events' size changes. */
static inline void audience_reset(struct audience *a, size_t pad)
{
    for (unsigned i = 0; i < a->publishers && pad != a->pad; i++) {
        free(a->samples[i].text);
        a->samples[i].text = NULL;
    }
    memset(a->next, 0, (size_t)a->listeners * a->publishers * sizeof *a->next);
    memset(a->order, 0, a->listeners * sizeof *a->order);
    memset(&a->latency, 0, sizeof a->latency);
    a->deliveries = 0;
    a->pad = pad;
}

/** Whether the first n listeners heard everything in one and the same order. */
static inline bool audience_one_order(const struct audience *a, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        if (a->order[i] != a->order[0])
            return false;
    return true;
}

static inline bool audience_ok(const struct audience *a)
{
    return a->lost + a->misordered + a->wrong == 0;
}

#endif
