/* The command line: one set of options for all subcommands; each reads what it needs. */
#ifndef MUSTER_LOAD_OPTIONS_H
#define MUSTER_LOAD_OPTIONS_H

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "test/load/process.h"

enum { TARGETS_MAX = 2 };

/* Where a server listens. */
struct target {
    char host[128], port[16], prefix[128];
    struct sockaddr_in to;
};

struct options {
    struct target targets[TARGETS_MAX]; /* nodes of one cluster, where there are two */
    unsigned n_targets;
    const char *key, *secret;
    const char *app;     /* http: the app's id */
    const char *channel; /* of fanout */
    const char *redis;   /* resubscribe: Redis's Unix socket; NULL */
    struct processes
        pids; /* of the targets; CPU and memory are reported of those known */
    unsigned n_pids;
    unsigned clients; /* subscribers, connections, users */
    unsigned publishers;
    unsigned rate;    /* events or connections a second; 0: no pause */
    unsigned burst;   /* events at once */
    unsigned seconds; /* of sending, or of holding */
    unsigned size;    /* bytes of a delivered frame, WebSocket head included */
    unsigned room;    /* users of a room */
    unsigned rounds;  /* of churn */
    unsigned channels;
    unsigned window;  /* handshakes in flight */
    unsigned sources; /* loopback addresses to connect from */
    unsigned sndbuf;  /* rawlimit: SO_SNDBUF in KiB, 0: the kernel's */
    unsigned timeout; /* s, for the whole run */
    bool one_by_one;  /* fanout: no event before the last one is everywhere */
    bool kill;        /* join: the second target, instead of leaving */
};

static inline void options_help(FILE *to)
{
    fputs(
        "usage: muster-load COMMAND [options]\n"
        "commands:\n"
        "  fanout    publishers' client events to many subscribers of one channel\n"
        "  rawlimit  the same bytes to the same number of sockets by plain send()\n"
        "  idle      opens and holds connections\n"
        "  rawaccept what accepting and answering so many asks of the kernel alone\n"
        "  join      users joining, churning and leaving presence channels\n"
        "  http      events POSTed to the HTTP API on kept connections, all of them\n"
        "            heard by the subscribers\n"
        "  resubscribe  cuts a node's links to Redis while its clients hold many "
        "channels\n"
        "options:\n"
        "  --url URL        ws://host:port[/prefix] (ws://127.0.0.1:6001); given twice:\n"
        "                   fanout and join spread over two nodes of one cluster\n"
        "  --key K          the app's key\n"
        "  --secret S       the app's secret\n"
        "  --app ID         http: the app's id (bench)\n"
        "  --pid PID        the server's process, to report its CPU time and memory;\n"
        "                   of two nodes, twice, in the order of the URLs; fanout: "
        "the third\n"
        "                   one's, a node without clients, is reported by itself\n"
        "  --redis-pid PID  of the Redis between them, to report its CPU time\n"
        "  --redis PATH     resubscribe: that Redis's Unix socket\n"
        "  --kill           join: kill -9 the second node once all have joined, instead "
        "of\n"
        "                   leaving, and time the removals\n"
        "  --channel NAME   fanout: private-… or presence-… (private-load)\n"
        "  --clients N      subscribers, connections or users (1000)\n"
        "  --publishers N   fanout; http: connections that POST (1)\n"
        "  --rate N         events (fanout, rawlimit: 25; http: 0, no pause),\n"
        "                   connections (idle: 0) or joins (join: 0, all at once) a\n"
        "                   second\n"
        "  --burst N        fanout: events in one write; rawlimit: frames in one send "
        "(1)\n"
        "  --one-by-one     fanout, http: hold each event back until all have heard "
        "the last "
        "one\n"
        "  --seconds N      fanout, rawlimit, http: of sending; idle: of holding (5)\n"
        "  --size N         bytes of a delivered frame with its WebSocket head (200)\n"
        "  --room N         join: users of a room (50)\n"
        "  --rounds N       join: rounds of churn (10)\n"
        "  --channels N     resubscribe: of all clients together (100000)\n"
        "  --window N       handshakes in flight (64)\n"
        "  --sources N      connect from so many 127.0.0.x addresses (8)\n"
        "  --sndbuf KIB     rawlimit: SO_SNDBUF of the sender (0: the kernel's own)\n"
        "  --timeout S      end with an error after so long (120)\n"
        "Prints one line of key=value pairs. Exits 0 where everything arrived, once "
        "and in\n"
        "order; 1 where something was lost or wrong, or the run failed; 2 on bad "
        "usage.\n",
        to);
}

static inline bool options_number(const char *text, unsigned *out)
{
    char *end;
    unsigned long x;

    errno = 0;
    x = strtoul(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || x > 100000000)
        return false;
    *out = (unsigned)x;
    return true;
}

/* ws://host:port[/prefix], resolved to an IPv4 address. */
static inline bool options_url(struct target *t, const char *url)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;

    t->prefix[0] = 0;
    if (sscanf(url, "ws://%127[^:/]:%15[0-9]%127s", t->host, t->port, t->prefix) < 2)
        return false;
    if (t->prefix[0] && t->prefix[strlen(t->prefix) - 1] == '/')
        t->prefix[strlen(t->prefix) - 1] = 0;
    if (getaddrinfo(t->host, t->port, &hints, &found) != 0)
        return false;
    memcpy(&t->to, found->ai_addr, sizeof t->to);
    freeaddrinfo(found);
    return true;
}

/* The place of a numeric option, by its letter. */
static inline unsigned *options_place(struct options *o, int letter)
{
    switch (letter) {
    case 'n':
        return &o->clients;
    case 'P':
        return &o->publishers;
    case 'r':
        return &o->rate;
    case 'b':
        return &o->burst;
    case 's':
        return &o->seconds;
    case 'z':
        return &o->size;
    case 'R':
        return &o->room;
    case 'x':
        return &o->rounds;
    case 'C':
        return &o->channels;
    case 'w':
        return &o->window;
    case 'a':
        return &o->sources;
    case 'B':
        return &o->sndbuf;
    case 't':
        return &o->timeout;
    default:
        return NULL;
    }
}

static inline bool options_pid(pid_t *pid, const char *value)
{
    unsigned number;

    if (!options_number(value, &number))
        return false;
    *pid = (pid_t)number;
    return true;
}

static inline bool options_take(struct options *o, int letter, const char *value)
{
    unsigned *place = options_place(o, letter);

    switch (letter) {
    case 'u':
        return o->n_targets < TARGETS_MAX &&
               options_url(&o->targets[o->n_targets++], value);
    case 'k':
        o->key = value;
        return true;
    case 'K':
        o->secret = value;
        return true;
    case 'A':
        o->app = value;
        return true;
    case 'c':
        o->channel = value;
        return true;
    case 'S':
        o->redis = value;
        return true;
    case 'o':
        o->one_by_one = true;
        return true;
    case 'X':
        o->kill = true;
        return true;
    case 'p':
        return o->n_pids < PROCESSES_MAX &&
               options_pid(&o->pids.servers[o->n_pids++], value);
    case 'd':
        return options_pid(&o->pids.redis, value);
    default:
        return place && options_number(value, place);
    }
}

/* What the subcommands rely on. */
static inline const char *options_check(const struct options *o)
{
    if (o->clients == 0 || o->clients > 60000)
        return "--clients must be 1 to 60000";
    if (o->publishers == 0 || o->publishers > 1000)
        return "--publishers must be 1 to 1000";
    if (o->burst == 0 || o->burst > 256)
        return "--burst must be 1 to 256";
    if (o->size < 160 || o->size > 60000)
        return "--size must be 160 to 60000";
    if (o->room == 0 || o->room > 10000)
        return "--room must be 1 to 10000";
    if (o->window == 0 || o->sources == 0 || o->sources > 200 || o->timeout == 0)
        return "--window, --sources (to 200) and --timeout must be at least 1";
    if (strncmp(o->channel, "private-", 8) != 0 &&
        strncmp(o->channel, "presence-", 9) != 0)
        return "--channel must start with private- or presence-";
    if (strlen(o->channel) > 40)
        return "--channel is too long";
    if (o->kill && (o->n_targets < 2 || o->n_pids < 2 || !o->pids.servers[1]))
        return "--kill needs two nodes and their processes";
    return NULL;
}

/** Fills o from the arguments behind the subcommand; false (and says why) on bad ones. */
static inline bool options_parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"url", 1, 0, 'u'},        {"key", 1, 0, 'k'},        {"secret", 1, 0, 'K'},
        {"pid", 1, 0, 'p'},        {"app", 1, 0, 'A'},        {"channel", 1, 0, 'c'},
        {"clients", 1, 0, 'n'},    {"publishers", 1, 0, 'P'}, {"rate", 1, 0, 'r'},
        {"burst", 1, 0, 'b'},      {"seconds", 1, 0, 's'},    {"size", 1, 0, 'z'},
        {"room", 1, 0, 'R'},       {"rounds", 1, 0, 'x'},     {"window", 1, 0, 'w'},
        {"sources", 1, 0, 'a'},    {"sndbuf", 1, 0, 'B'},     {"timeout", 1, 0, 't'},
        {"one-by-one", 0, 0, 'o'}, {"redis-pid", 1, 0, 'd'},  {"kill", 0, 0, 'X'},
        {"redis", 1, 0, 'S'},      {"channels", 1, 0, 'C'},   {0, 0, 0, 0},
    };
    const char *wrong;
    int letter, which;

    while ((letter = getopt_long(argc, argv, "", known, &which)) != -1) {
        if (letter == '?')
            return false;
        if (!options_take(o, letter, optarg)) {
            fprintf(stderr, "muster-load: bad value '%s' of --%s\n", optarg,
                    known[which].name);
            return false;
        }
    }
    if (o->n_targets == 0)
        o->n_targets = options_url(&o->targets[0], "ws://127.0.0.1:6001");
    wrong = optind < argc ? "unexpected argument" : options_check(o);
    if (wrong)
        fprintf(stderr, "muster-load: %s\n", wrong);
    return !wrong;
}

#endif
