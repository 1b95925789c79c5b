/* muster-chaos: clients that keep an account of everything they are told, and say what
 * was wrong with it. test/chaos/run drives it through faults; by itself it runs a churn
 * against any server that speaks the protocol, or plays a record again. */
#include <getopt.h>
#include <signal.h>

#include "test/chaos/control.h"
#include "test/chaos/selftest.h"

struct run {
    struct drive_options drive;
    struct target urls[NODES_MAX];
    unsigned n_urls, seconds, churn, events, tight;
    const char *replay;
};

static void usage(FILE *to)
{
    fputs(
        "usage: muster-chaos --url ws://HOST:PORT --key K --secret S [options]\n"
        "       muster-chaos --replay FILE | --self-test\n"
        "Clients join, leave and talk in presence channels for a while; every frame "
        "that\n"
        "they are sent is held against what they did. Exits 1 where anything was wrong.\n"
        "  --url URL      given up to 8 times: nodes of one cluster\n"
        "  --clients N    (200)\n"
        "  --room N       clients of a room (20)\n"
        "  --twins N      of them second connections of the same users (2)\n"
        "  --churning N   percent of the users who come and go (20)\n"
        "  --talking N    percent who publish client events (10)\n"
        "  --rate N       leaves and joins a second (20)\n"
        "  --events N     client events a second (20)\n"
        "  --tight        who churns joins and leaves without a pause\n"
        "  --seconds N    of churn (10)\n"
        "  --prefix NAME  of the channels (presence-chaos-)\n"
        "  --seed N       of what happens when (1)\n"
        "  --record FILE  keeps every frame\n"
        "  --replay FILE  checks such a file again\n"
        "  --control      does what standard input says (control.h)\n",
        to);
}

static void run_init(struct run *r)
{
    *r = (struct run){.drive = {.key = "", .secret = "", .seed = 1},
                      .seconds = 10,
                      .churn = 20,
                      .events = 20};
    r->drive.geometry = (struct geometry){200, 20, 2, 20, 10, "presence-chaos-"};
}

static unsigned *number_of(struct run *r, int letter)
{
    struct geometry *g = &r->drive.geometry;

    switch (letter) {
    case 'n':
        return &g->clients;
    case 'r':
        return &g->per_room;
    case 't':
        return &g->twins;
    case 'c':
        return &g->churn;
    case 'p':
        return &g->publish;
    case 'C':
        return &r->churn;
    case 'E':
        return &r->events;
    case 's':
        return &r->seconds;
    default:
        return NULL;
    }
}

static bool take(struct run *r, int letter, char *value)
{
    unsigned *number = number_of(r, letter);

    if (number)
        return options_number(value, number);
    switch (letter) {
    case 'u':
        return r->n_urls < NODES_MAX && options_url(&r->urls[r->n_urls++], value);
    case 'k':
        r->drive.key = value;
        return true;
    case 'K':
        r->drive.secret = value;
        return true;
    case 'R':
        r->drive.record = value;
        return true;
    case 'Y':
        r->replay = value;
        return true;
    case 'S':
        r->drive.seed = strtoull(value, NULL, 10);
        return true;
    case 'x':
        return snprintf(r->drive.geometry.prefix, sizeof r->drive.geometry.prefix, "%s",
                        value) < (int)sizeof r->drive.geometry.prefix;
    default:
        r->tight = letter == 'T';
        return true;
    }
}

static bool sensible(const struct run *r)
{
    const struct geometry *g = &r->drive.geometry;

    return g->clients > 0 && g->clients <= 60000 && g->per_room > 0 &&
           g->per_room <= 10000 && g->twins * 2 <= g->per_room && g->churn <= 100 &&
           g->publish <= 100;
}

static bool good(const struct crowd *c, const struct difference *rest)
{
    const struct tally *t = &c->tally;

    return !(t->false_removals + t->doubled + t->malformed + t->order + t->missing +
             t->lost + rest->ghosts + rest->lacking + rest->waiting);
}

static void turn_for(struct drive *d, unsigned ms)
{
    for (uint64_t end = now_ns() + ms * NS_PER_MS; now_ns() < end;)
        drive_turn(d);
}

/* A server that lets nobody in, or not everybody, hasn't been checked. */
static bool all_in(struct drive *d)
{
    struct settled s = control_settle(d, true, 10000);
    unsigned long refused = d->crowd.tally.refusals;

    if (s.rest.waiting && d->crowd.tally.answers)
        s = control_settle(d, true, 50000);
    if (!s.rest.waiting && !s.rest.ghosts && !s.rest.lacking && !refused) {
        printf("%u clients in %u rooms are in after %u ms\n", d->crowd.n,
               d->crowd.n_rooms, s.ms);
        return true;
    }
    printf("FAILED: of %u clients %lu are refused and %u without an answer; the others "
           "see %u ghosts, and lack %u members\n",
           d->crowd.n, refused, s.rest.waiting, s.rest.ghosts, s.rest.lacking);
    return false;
}

/* The scenario without faults. */
static bool churn(const struct run *r)
{
    struct drive d;
    struct settled s;
    bool ok = drive_init(&d, &r->drive);

    for (unsigned i = 0; i < r->n_urls; i++)
        d.nodes[i] = (struct drive_node){r->urls[i], true, false};
    drive_enter(&d, d.crowd.n);
    if (!ok || !all_in(&d)) {
        drive_fini(&d);
        return false;
    }
    drive_tell(&d, "order strict");
    d.churn.rate = r->churn;
    d.events.rate = r->events;
    d.tight = r->tight;
    turn_for(&d, r->seconds * 1000);
    d.churn.rate = d.events.rate = 0;
    d.tight = false;
    s = control_settle(&d, true, 15000);
    turn_for(&d, 500);
    drive_tell(&d, "order end");
    drive_tell(&d, "tails");
    record_report(&d.crowd, stdout);
    ok = good(&d.crowd, &s.rest);
    printf("%s: after %u ms of quiet %u ghosts, %u missing members, %u clients not "
           "answered\n",
           ok ? "passed" : "FAILED", s.ms, s.rest.ghosts, s.rest.lacking, s.rest.waiting);
    drive_fini(&d);
    return ok;
}

static bool replay(const struct run *r)
{
    struct crowd c = {0};
    struct difference rest = {0};
    bool ok = record_play_file(&c, r->replay);

    if (ok) {
        record_report(&c, stdout);
        c.tally.lost = c.tally.missing = 0; /* the scenario's to judge */
        ok = good(&c, &rest);
    }
    crowd_fini(&c);
    return ok;
}

static bool controlled(const struct run *r)
{
    struct drive d;
    bool ok = drive_init(&d, &r->drive);

    if (ok)
        control_run(&d);
    drive_fini(&d);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"url", 1, 0, 'u'},       {"key", 1, 0, 'k'},     {"secret", 1, 0, 'K'},
        {"clients", 1, 0, 'n'},   {"room", 1, 0, 'r'},    {"twins", 1, 0, 't'},
        {"churning", 1, 0, 'c'},  {"talking", 1, 0, 'p'}, {"rate", 1, 0, 'C'},
        {"events", 1, 0, 'E'},    {"seconds", 1, 0, 's'}, {"prefix", 1, 0, 'x'},
        {"seed", 1, 0, 'S'},      {"record", 1, 0, 'R'},  {"replay", 1, 0, 'Y'},
        {"self-test", 0, 0, 'Z'}, {"control", 0, 0, 'O'}, {"tight", 0, 0, 'T'},
        {"help", 0, 0, 'h'},      {0, 0, 0, 0},
    };
    struct run r;
    int letter, mode = 0;

    run_init(&r);
    signal(SIGPIPE, SIG_IGN);
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == 'Z' || letter == 'O' || letter == 'h')
            mode = letter;
        else if (letter == '?' || !take(&r, letter, optarg))
            mode = '?';
        if (mode == '?')
            break;
    }
    if (mode == 'h')
        usage(stdout);
    else if (mode == 'Z')
        return selftest_run() ? 0 : 1;
    else if (r.replay && !mode)
        return replay(&r) ? 0 : 1;
    else if (mode == 'O' && sensible(&r))
        return controlled(&r) ? 0 : 1;
    else if (!mode && r.n_urls && sensible(&r) && optind == argc)
        return churn(&r) ? 0 : 1;
    else
        usage(stderr);
    return mode == 'h' ? 0 : 2;
}
