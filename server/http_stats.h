/* How the requests of one HTTP route went: counted by status, and by how long they took.
 * Written by one worker's thread, summed on read by any thread, as all of stats.h. */
#ifndef MUSTER_SERVER_HTTP_STATS_H
#define MUSTER_SERVER_HTTP_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    HTTP_STATUSES = 12, /* those that Muster answers with; the last: any other */
    HTTP_TIMES = 13,    /* buckets of the histogram; the last: whatever took longer */
};

struct http_stats {
    _Atomic uint64_t by_status[HTTP_STATUSES];
    _Atomic uint64_t by_time[HTTP_TIMES]; /* each without those before it */
    _Atomic uint64_t us;                  /* summed */
};

/** One request was answered, after us µs. */
void http_stats_count(struct http_stats *s, unsigned status, uint64_t us);
/** The status that is counted there, as a label: "200", …, "other". */
const char *http_status_label(unsigned place);
/** The bucket's upper bound in seconds, as a label: "0.0005", …, "+Inf". */
const char *http_time_label(unsigned place);

#endif
