/* Each record is a few lines with one thing wrong; the checker that doesn't complain
 * about it fails. Records without a fault must pass, too. */
#include "test/chaos/selftest.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "test/chaos/record.h"

/* Four members in a room, u0.0 to u0.3; the first two publish (numbers 1 and 2). */
#define SUBSCRIBE "< {\"event\":\"pusher:subscribe\"}\n"
#define ROOM ",\"channel\":\"presence-test-0\",\"data\":"
#define MEMBER(event, k)                                     \
    "> {\"event\":\"pusher_internal:member_" event "\"" ROOM \
    "\"{\\\"user_id\\\":\\\"u0." k "\\\",\\\"user_info\\\":null}\"}\n"
#define ID(k) "\\\"u0." k "\\\""
#define INFO(k) ID(k) ":null"
#define SNAPSHOT(count, ids, hash)                                   \
    "> {\"event\":\"pusher_internal:subscription_succeeded\"" ROOM   \
    "\"{\\\"presence\\\":{\\\"count\\\":" count ",\\\"ids\\\":[" ids \
    "],\\\"hash\\\":{" hash "}}}\"}\n"
#define ONE SNAPSHOT("1", ID("0"), INFO("0"))
#define TWO SNAPSHOT("2", ID("0") "," ID("1"), INFO("0") "," INFO("1"))
#define THREE \
    SNAPSHOT("3", ID("0") "," ID("1") "," ID("2"), INFO("0") "," INFO("1") "," INFO("2"))
#define EVENT(p, n) "> {\"event\":\"client-chaos\"" ROOM "\"" p " " n "\"}\n"
#define SENT "< {\"event\":\"client-chaos\"}\n"

/* 0, 1 and 2 are in, at 1 s. */
#define IN                                                                             \
    "1000000000 0 = 0\n1000000000 0 " SUBSCRIBE "1000000000 0 " ONE                    \
    "1000000000 1 = 1\n1000000000 1 " SUBSCRIBE "1000000000 1 " TWO                    \
    "1000000000 0 " MEMBER("added", "1") "1000000000 2 = 0\n1000000000 2 " SUBSCRIBE   \
                                         "1000000000 2 " THREE "1000000000 0 " MEMBER( \
                                             "added",                                  \
                                             "2") "1000000000 1 " MEMBER("added", "2")
/* 2 leaves, and all are told. */
#define OUT                                                                    \
    "2000000000 2 < {\"event\":\"pusher:unsubscribe\"}\n2000000000 0 " MEMBER( \
        "removed", "2") "2000000000 1 " MEMBER("removed", "2")

#define AT(field) offsetof(struct tally, field)
enum { NOTHING = 100000, GHOST, LACKING };

struct sample {
    const char *name, *record;
    size_t wrong; /* the one counter that isn't 0 */
};

static const struct sample samples[] = {
    {"a record with nothing wrong",
     "1 0 ! order strict\n" IN "1500000000 0 " SENT "1500000000 1 " EVENT(
         "1", "1") "1500000000 2 " EVENT("1", "1") OUT "9000000000 0 ! order end\n"
                                                       "9000000000 0 ! tails\n",
     NOTHING},
    {"a doubled member_added", IN "2000000000 0 " MEMBER("added", "2"), AT(doubled)},
    {"a doubled member_removed", IN OUT "2000000000 0 " MEMBER("removed", "2"),
     AT(doubled)},
    {"an event twice", IN "2000000000 0 " EVENT("2", "1") "2000000000 0 " EVENT("2", "1"),
     AT(doubled)},
    {"a removal of one who is in", IN "9000000000 0 " MEMBER("removed", "1"),
     AT(false_removals)},
    {"a removal of one who came back in time",
     IN "5000000000 1 x\n8000000000 1 = 0\n8000000000 1 " SUBSCRIBE "8000000000 1 " THREE
        "9000000000 0 " MEMBER("removed", "1"),
     AT(false_removals)},
    {"a member missing from a view",
     IN OUT "3000000000 2 < {\"event\":\"pusher:subscribe\"}\n3000000000 2 " THREE,
     LACKING},
    {"a ghost", IN "2000000000 2 < {\"event\":\"pusher:unsubscribe\"}\n", GHOST},
    {"members in another order",
     "1 0 ! order strict\n" IN "2000000000 0 " MEMBER("added", "3") "2000000000 0 " EVENT(
         "2",
         "1") "2000000000 2 " EVENT("2",
                                    "1") "2000000000 2 " MEMBER("added",
                                                                "3") "2000000000 1 " SENT
                                                                     "2000000000 "
                                                                     "1 " MEMBER(
                                                                         "added",
                                                                         "3") "9000000000"
                                                                              " 0 ! "
                                                                              "order "
                                                                              "end\n",
     AT(order)},
    {"two events in another order, with faults",
     "1 0 ! order common\n" IN "2000000000 2 " EVENT("1", "1") "2000000000 2 " EVENT(
         "9", "1") "2000000000 1 " EVENT("9",
                                         "1") "2000000000 1 " EVENT("1",
                                                                    "1") "9000000000 0 ! "
                                                                         "order end\n",
     AT(order)},
    {"an event behind a later one of its publisher",
     IN "2000000000 0 " EVENT("2", "3") "2000000000 0 " EVENT(
         "2", "4") "2000000000 0 " EVENT("2", "2"),
     AT(order)},
    {"a gap in a publisher's events",
     IN "2000000000 0 " EVENT("2", "1") "2000000000 0 " EVENT("2", "3"), AT(missing)},
    {"a last event that one didn't get",
     IN "3000000000 0 " SENT "3000000000 2 " EVENT("1", "1") "9000000000 0 ! tails\n",
     AT(missing)},
    {"a snapshot without the joiner",
     "1 0 = 0\n2 0 " SUBSCRIBE "3 0 " SNAPSHOT("0", "", ""), AT(malformed)},
    {"a count that isn't the number of ids",
     "1 0 = 0\n2 0 " SUBSCRIBE "3 0 " SNAPSHOT("2", ID("0"), INFO("0")), AT(malformed)},
    {"a hash without one of the ids",
     "1 0 = 0\n2 0 " SUBSCRIBE "3 0 " SNAPSHOT("1", ID("0"), ""), AT(malformed)},
    {"a second subscription_succeeded", IN "2000000000 2 " THREE, AT(malformed)},
    {"a member event before the snapshot",
     "1 0 = 0\n2 0 " SUBSCRIBE "3 0 " MEMBER("added", "2"), AT(malformed)},
    {"a member event after leaving",
     IN OUT
     "3000000000 2 > {\"event\":\"pusher:pong\"}\n3000000000 2 " MEMBER("added", "3"),
     AT(malformed)},
};

/* A removal that the scenario excuses. */
static const struct sample excused[] = {
    {"a node that was taken away",
     IN "2 0 ! away 1 1\n9000000000 0 " MEMBER("removed", "1"), AT(told_away)},
};

static unsigned long field(const struct crowd *c, size_t at)
{
    unsigned long value;

    memcpy(&value, (const char *)&c->tally + at, sizeof value);
    return value;
}

static void play_all(struct crowd *c, const char *record)
{
    char *text = strdup(record), *rest = text, *line;

    while ((line = strsep(&rest, "\n")) && *line)
        if (!record_play(c, line))
            abort();
    free(text);
}

static bool found_exactly(const struct crowd *c, size_t wrong)
{
    static const size_t judged[] = {AT(false_removals), AT(told_away), AT(doubled),
                                    AT(malformed),      AT(order),     AT(missing)};
    struct difference d = truth_difference(c);

    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++)
        if ((field(c, judged[i]) > 0) != (judged[i] == wrong))
            return false;
    if (wrong == NOTHING || wrong == GHOST || wrong == LACKING)
        return (d.ghosts > 0) == (wrong == GHOST) &&
               (d.lacking > 0) == (wrong == LACKING);
    return true;
}

static bool check(const struct sample *s)
{
    static const struct geometry g = {4, 4, 0, 0, 50, "presence-test-"};
    struct crowd c;
    bool ok;

    crowd_init(&c, &g);
    c.mute = true;
    c.members[0].publishes = c.members[1].publishes = true;
    c.members[2].publishes = c.members[3].publishes = false;
    play_all(&c, s->record);
    ok = found_exactly(&c, s->wrong);
    printf("%s: %s\n", ok ? "caught" : "NOT CAUGHT", s->name);
    if (!ok)
        record_report(&c, stdout);
    crowd_fini(&c);
    return ok;
}

bool selftest_run(void)
{
    unsigned n = sizeof samples / sizeof *samples, failed = 0;

    for (unsigned i = 0; i < n; i++)
        failed += !check(&samples[i]);
    for (unsigned i = 0; i < sizeof excused / sizeof *excused; i++, n++)
        failed += !check(&excused[i]);
    printf("%u passed, %u failed\n", n - failed, failed);
    return failed == 0;
}
