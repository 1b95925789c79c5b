/* Whether the checker can fail: short records, each with one thing wrong. */
#ifndef MUSTER_CHAOS_SELFTEST_H
#define MUSTER_CHAOS_SELFTEST_H

#include <stdbool.h>

/** Prints a line for each and `N passed, N failed`; true if none failed. */
bool selftest_run(void);

#endif
