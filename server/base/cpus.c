#include "server/base/cpus.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned affinity(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* quota / period rounded up, or no limit where the file is missing or says "max". */
static unsigned quota_of(const char *quota_file, const char *period_file, unsigned limit)
{
    long long quota = -1, period = 100000;
    FILE *f = fopen(quota_file, "re");
    int n;

    if (!f)
        return limit;
    n = fscanf(f, "%lld %lld", &quota, &period); /* "max 100000" reads nothing */
    fclose(f);
    if (period_file && (f = fopen(period_file, "re"))) {
        if (fscanf(f, "%lld", &period) != 1)
            period = 0;
        fclose(f);
    }
    if (n < 1 || quota <= 0 || period <= 0)
        return limit;
    quota = (quota + period - 1) / period;
    return quota < (long long)limit ? (unsigned)quota : limit;
}

/* The path of this process in the unified hierarchy, from its "0::/path" line. */
static bool own_cgroup(char *path, size_t size)
{
    char line[1024];
    bool found = false;
    FILE *f = fopen("/proc/self/cgroup", "re");

    while (f && !found && fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            found = strlen(line + 3) < size;
            if (found)
                strcpy(path, line + 3);
        }
    }
    if (f)
        fclose(f);
    return found;
}

static unsigned cgroup_v2(unsigned limit)
{
    char path[900], file[1024];

    if (!own_cgroup(path, sizeof path))
        strcpy(path, "/");
    for (;;) {
        char *slash = strrchr(path, '/');

        snprintf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", path);
        limit = quota_of(file, NULL, limit);
        if (!slash)
            return limit;
        *slash = '\0';
    }
}

unsigned cpus_allowed(void)
{
    unsigned n = cgroup_v2(affinity());

    n = quota_of("/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
                 "/sys/fs/cgroup/cpu/cpu.cfs_period_us", n);
    return n ? n : 1;
}
