/* What the kernel says of this process. Any thread. */
#ifndef MUSTER_BASE_PROCESS_H
#define MUSTER_BASE_PROCESS_H

#include <stdint.h>

/* 0 where the kernel doesn't say. */
struct process_figures {
    uint64_t resident_bytes;
    double cpu_seconds; /* user and system */
    uint64_t open_fds, max_fds;
};

void process_figures_read(struct process_figures *p);

#endif
