/* muster-sim FROM-TO [--ablate NAME] [--faults A,B] [--jobs N] [--enough N] [--verbose]:
 * runs the worlds of these seeds; with --enough each job ends at its Nth failure. 0: no
 * invariant broken; 1: one was; 2: wrong usage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "presence/liveness_ablation.h"
#include "presence/shared_ablation.h"
#include "server/base/xalloc.h"
#include "test/sim/world.h"

struct ablation {
    const char *name;
    unsigned fake, shared, liveness, sabotage;
};

static const struct ablation ablations[] = {
    {"nofence", FAKE_NO_FENCE, 0, 0, 0},
    {"nostale", FAKE_NO_STALE, 0, 0, BREAK_LATE},
    {"nohold", 0, ABLATE_HOLD, 0, 0},
    {"seqonly", 0, ABLATE_CHAIN, 0, 0},
    {"seqonly_norotation", 0, ABLATE_CHAIN | ABLATE_ROTATION, 0, 0},
    {"noverify", 0, ABLATE_VERIFY, 0, 0},
    {"norotation", 0, ABLATE_ROTATION, 0, 0},
    {"nojoinseq", 0, ABLATE_JOIN_SEQ, 0, 0},
    {"noread", 0, ABLATE_READ, 0, BREAK_LAG},
    {"noleft", 0, ABLATE_LEFT, 0, 0},
    {"norenew", 0, ABLATE_RENEW, 0, 0},
    {"lag", 0, 0, 0, BREAK_LAG},
    {"nototal", 0, ABLATE_TOTAL, 0, 0},
    {"nofewer", 0, ABLATE_FEWER, 0, 0},
    {"noecho", 0, ABLATE_ECHO, 0, 0},
    {"nojudgereset", 0, 0, ABLATE_JUDGE_RESET, 0},
    {"nosweep", 0, 0, ABLATE_SWEEP, 0},
    {"nofence_nosweep", FAKE_NO_FENCE, 0, ABLATE_SWEEP, 0},
    {"notableloss", 0, 0, ABLATE_TABLE_LOSS, 0},
    {"nolostreply", 0, 0, ABLATE_LOST_REPLY, 0},
    {"noclone", 0, 0, ABLATE_CLONE, 0},
    {"nofound", 0, 0, ABLATE_FOUND, 0},
    {"nobye", 0, 0, 0, BREAK_BYE},
    {"noready", 0, 0, 0, BREAK_EARLY},
    {"break-i1", 0, 0, 0, BREAK_SNAPSHOT},
    {"break-i2", 0, 0, 0, BREAK_TWICE},
    {"break-i4", 0, 0, 0, BREAK_ORDER},
    {"break-i5", FAKE_KEEPS_NID, 0, 0, 0},
    {"break-i6", FAKE_NO_LIMIT, 0, 0, 0},
    {"break-i8", FAKE_TWO_HOOKS, 0, 0, 0},
    {"anyhook", FAKE_ANY_HOOK, 0, 0, 0},
    {"losthook", FAKE_LOST_HOOKS, 0, 0, 0},
};

enum { ABLATIONS = sizeof ablations / sizeof *ablations };

struct totals {
    unsigned long runs, failures, shown;
    unsigned long joins, admissions, refusals, added, removed, events, resets;
};

struct job {
    unsigned long from, to, step, enough; /* failures; 0: no number of them is */
    struct options options;
};

static void usage(void)
{
    fputs("usage: muster-sim FROM-TO [--ablate NAME] [--faults A,B] [--jobs N] "
          "[--enough N] [--verbose]\nablations:",
          stderr);
    for (unsigned i = 0; i < ABLATIONS; i++)
        fprintf(stderr, " %s", ablations[i].name);
    fputs("\nfaults:", stderr);
    for (unsigned i = 0; i < FAULTS; i++)
        fprintf(stderr, " %s", fault_names[i]);
    fputc('\n', stderr);
    exit(2);
}

static void run_one(unsigned long seed, const struct job *job, struct totals *t)
{
    struct world *w = xcalloc(1, sizeof *w);

    t->runs++;
    if (world_run(w, seed, &job->options)) {
        t->failures++;
        for (unsigned i = 0; t->shown < 5 && i < w->violations && i < 3; i++)
            printf("seed %lu: %s (%u in all)\n", seed, w->first[i], w->violations);
        t->shown++;
    }
    t->joins += w->joins;
    t->admissions += w->admissions;
    t->refusals += w->refusals;
    t->added += w->added;
    t->removed += w->removed;
    t->events += w->events_seen;
    t->resets += w->resets;
    world_fini(w);
    free(w);
}

static void run_job(const struct job *job, int fd)
{
    struct totals t = {0};

    for (unsigned long seed = job->from; seed <= job->to; seed += job->step) {
        if (job->enough && t.failures >= job->enough)
            break;
        run_one(seed, job, &t);
    }
    fflush(stdout);
    if (write(fd, &t, sizeof t) != sizeof t)
        abort();
}

static void add(struct totals *to, const struct totals *t)
{
    to->runs += t->runs;
    to->failures += t->failures;
    to->joins += t->joins;
    to->admissions += t->admissions;
    to->refusals += t->refusals;
    to->added += t->added;
    to->removed += t->removed;
    to->events += t->events;
    to->resets += t->resets;
}

/* A process for each core; one that dies counts as a failure. */
static struct totals run_all(const struct job *whole, unsigned jobs)
{
    struct totals all = {0}, t;
    int fds[2], status;

    if (pipe(fds))
        abort();
    for (unsigned i = 0; i < jobs; i++) {
        struct job job = *whole;

        job.from += i;
        job.step = jobs;
        fflush(stdout);
        if (fork())
            continue;
        run_job(&job, fds[1]);
        exit(0); /* not _exit: leaks are looked for */
    }
    close(fds[1]);
    while (read(fds[0], &t, sizeof t) == sizeof t)
        add(&all, &t);
    while (wait(&status) > 0)
        if (status) {
            printf("a process died (status %d)\n", status);
            all.failures++;
        }
    return all;
}

static void ablate(struct options *o, const char *name)
{
    for (unsigned i = 0; i < ABLATIONS; i++) {
        if (strcmp(ablations[i].name, name))
            continue;
        o->fake |= ablations[i].fake;
        o->shared |= ablations[i].shared;
        o->liveness |= ablations[i].liveness;
        o->sabotage |= ablations[i].sabotage;
        return;
    }
    usage();
}

static void only_faults(struct options *o, char *names)
{
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        unsigned i = 0;

        while (i < FAULTS && strcmp(fault_names[i], name))
            i++;
        if (i == FAULTS)
            usage();
        o->faults |= 1u << i;
    }
}

static void parse(int argc, char **argv, struct job *job, unsigned *jobs)
{
    if (argc < 2 || sscanf(argv[1], "%lu-%lu", &job->from, &job->to) != 2)
        usage();
    for (int i = 2; i < argc; i++) {
        bool more = i + 1 < argc;

        if (!strcmp(argv[i], "--verbose"))
            job->options.verbose = true;
        else if (!strcmp(argv[i], "--ablate") && more)
            ablate(&job->options, argv[++i]);
        else if (!strcmp(argv[i], "--faults") && more)
            only_faults(&job->options, argv[++i]);
        else if (!strcmp(argv[i], "--jobs") && more)
            *jobs = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--enough") && more)
            job->enough = (unsigned long)atol(argv[++i]);
        else
            usage();
    }
}

int main(int argc, char **argv)
{
    struct job job = {.step = 1};
    unsigned jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    struct timespec begin, end;
    struct totals t;
    double seconds;

    parse(argc, argv, &job, &jobs);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    t = run_all(&job, jobs ? jobs : 1);
    clock_gettime(CLOCK_MONOTONIC, &end);
    seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%lu joins, %lu answered, %lu refused, %lu added, %lu removed, %lu events, "
           "%lu times links lost\n",
           t.joins, t.admissions, t.refusals, t.added, t.removed, t.events, t.resets);
    printf("seeds %lu-%lu: %lu runs, %lu failures, %.0f seeds/minute\n", job.from, job.to,
           t.runs, t.failures, (double)t.runs / seconds * 60);
    return t.failures != 0;
}
