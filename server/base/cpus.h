/* How many CPUs this process may use. */
#ifndef MUSTER_BASE_CPUS_H
#define MUSTER_BASE_CPUS_H

/** What affinity and the cgroups' cpu.max (v2, this one and its parents) or
 * cpu.cfs_quota_us (v1) allow, rounded up; at least 1. Any thread. */
unsigned cpus_allowed(void);

#endif
