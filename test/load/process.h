/* What a process has used: CPU time to the nanosecond, resident memory; and the monotonic
 * clock. Linux only. Any process of the same user may be asked about. */
#ifndef MUSTER_LOAD_PROCESS_H
#define MUSTER_LOAD_PROCESS_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL

static inline uint64_t ns_of(struct timespec t)
{
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return ns_of(t);
}

/** CPU time of all threads of pid, user and system, in ns; 0 where pid is 0 or has gone.
 */
static inline uint64_t process_cpu_ns(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &t) != 0)
        return 0;
    return ns_of(t);
}

/** CPU time of the thread of pid that is called so, in ns; 0 where there is none. */
static inline uint64_t thread_cpu_ns(pid_t pid, const char *name)
{
    char path[300];
    unsigned long long ns = 0;
    struct dirent *task;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    tasks = opendir(path);
    while (tasks && ns == 0 && (task = readdir(tasks))) {
        char comm[32] = "";
        FILE *f;

        snprintf(path, sizeof path, "/proc/%ld/task/%.20s/comm", (long)pid, task->d_name);
        f = fopen(path, "re");
        if (!f)
            continue;
        if (fscanf(f, "%31s", comm) == 1 && strcmp(comm, name) == 0) {
            snprintf(path, sizeof path, "/proc/%ld/task/%.20s/schedstat", (long)pid,
                     task->d_name);
            f = freopen(path, "re", f);
            if (f && fscanf(f, "%llu", &ns) != 1)
                ns = 0;
        }
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return ns;
}

static inline uint64_t own_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return ns_of(t);
}

/* The "Key:  123 kB" line of /proc/PID/file, in bytes; 0 where it can't be read. */
static inline uint64_t process_field(pid_t pid, const char *file, const char *key)
{
    char path[64], line[256];
    unsigned long long kb = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
    f = pid ? fopen(path, "re") : NULL;
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0 &&
            sscanf(line + strlen(key), ": %llu kB", &kb) == 1)
            break;
    fclose(f);
    return kb * 1024;
}

/** CPU time of everything on this machine since it started, stolen time included, in ns
 * (to 10 ms or so); 0 where it can't be read. */
static inline uint64_t machine_cpu_ns(void)
{
    unsigned long long user = 0, nice = 0, system = 0, irq = 0, soft = 0, steal = 0;
    FILE *f = fopen("/proc/stat", "re");
    int got = f ? fscanf(f, "cpu %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice,
                         &system, &irq, &soft, &steal)
                : 0;

    if (f)
        fclose(f);
    return got < 6 ? 0
                   : (user + nice + system + irq + soft + steal) *
                         (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

enum { PROCESSES_MAX = 3 };

/* The other side: servers (the third is one that no client is on), and the Redis between
 * them; 0 where there is none, or where it isn't known. */
struct processes {
    pid_t servers[PROCESSES_MAX], redis;
};

/* What a stretch of time took, in ns. */
struct usage {
    struct processes peers;
    uint64_t wall, cpu, peer_cpu, redis_cpu, machine_cpu;
    uint64_t third_cpu; /* the third server's, no part of peer_cpu */
};

static inline struct usage usage_start(struct processes peers)
{
    return (struct usage){
        .peers = peers,
        .wall = now_ns(),
        .cpu = own_cpu_ns(),
        .peer_cpu = process_cpu_ns(peers.servers[0]) + process_cpu_ns(peers.servers[1]),
        .redis_cpu = process_cpu_ns(peers.redis),
        .machine_cpu = machine_cpu_ns(),
        .third_cpu = process_cpu_ns(peers.servers[2]),
    };
}

/** What has been taken since u was started. */
static inline struct usage usage_since(const struct usage *u)
{
    struct usage now = usage_start(u->peers);

    now.wall -= u->wall;
    now.cpu -= u->cpu;
    now.peer_cpu -= u->peer_cpu;
    now.redis_cpu -= u->redis_cpu;
    now.machine_cpu -= u->machine_cpu;
    now.third_cpu -= u->third_cpu;
    return now;
}

/** The share of this machine's CPUs that went to none of them: the noise. */
static inline double usage_others_percent(const struct usage *u)
{
    double sides = (double)u->cpu + (double)(u->peer_cpu + u->third_cpu + u->redis_cpu);
    double others = (double)u->machine_cpu - sides;
    double all = (double)u->wall * (double)sysconf(_SC_NPROCESSORS_ONLN);

    return others > 0 && all > 0 ? 100 * others / all : 0;
}

/** Resident bytes. */
static inline uint64_t process_rss(pid_t pid)
{
    return process_field(pid, "status", "VmRSS");
}

/** Resident bytes with each shared page divided among its sharers. */
static inline uint64_t process_pss(pid_t pid)
{
    return process_field(pid, "smaps_rollup", "Pss");
}

#endif
