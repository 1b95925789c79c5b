/* muster-load: a load generator for Pusher Channels servers, and the raw limit to hold
 * them against. scripts/bench runs it; docs/benchmark.md says what its figures mean. It
 * measures CPU time, not the clock on the wall, and checks every delivery: a run in which
 * anything was lost, doubled or out of order has failed, whatever it cost.
 *
 * The subcommands share one thread's epoll (swarm.h) and the check of deliveries
 * (audience.h), which the raw limit uses as well, so that both are received alike. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/load/fanout.h"
#include "test/load/http.h"
#include "test/load/idle.h"
#include "test/load/join.h"
#include "test/load/options.h"
#include "test/load/rawaccept.h"
#include "test/load/rawlimit.h"
#include "test/load/resubscribe.h"

struct command {
    const char *name;
    bool (*run)(const struct options *o);
};

static const struct command commands[] = {
    {"fanout", fanout_run},           {"rawlimit", raw_run}, {"idle", idle_run},
    {"rawaccept", acceptor_run},      {"join", join_run},    {"http", http_run},
    {"resubscribe", resubscribe_run},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void out_of_time(int signal)
{
    static const char text[] = "muster-load: hangs beyond --timeout\n";
    ssize_t wrote = write(STDERR_FILENO, text, sizeof text - 1);

    (void)signal;
    (void)wrote;
    _exit(1);
}

int main(int argc, char **argv)
{
    struct options o = {
        .key = "",
        .secret = "",
        .app = "bench",
        .channel = "private-load",
        .clients = 1000,
        .publishers = 1,
        .burst = 1,
        .seconds = 5,
        .size = 200,
        .room = 50,
        .rounds = 10,
        .channels = 100000,
        .window = 64,
        .sources = 8,
        .timeout = 120,
    };
    const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        options_help(stdout);
        return 0;
    }
    if (!command) {
        options_help(stderr);
        return 2;
    }
    o.rate = command->run == fanout_run || command->run == raw_run ? 25 : 0;
    if (!options_parse(&o, argc - 1, argv + 1))
        return 2;
    signal(SIGALRM, out_of_time);
    signal(SIGPIPE, SIG_IGN);
    alarm(o.timeout + 5); /* the subcommands end before, and say more */
    return command->run(&o) ? 0 : 1;
}
