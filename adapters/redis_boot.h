/* What is said on a new connection before anything else, and what the answers must be.
 * Pure; any thread. */
#ifndef MUSTER_ADAPTERS_REDIS_BOOT_H
#define MUSTER_ADAPTERS_REDIS_BOOT_H

#include "adapters/redis_link.h"

enum boot_step {
    BOOT_AUTH,
    BOOT_SELECT,
    BOOT_INFO,
    BOOT_PARTITIONS_SET, /* unless somebody has */
    BOOT_PARTITIONS,
    BOOT_SCRIPT,
};

/** The command of a step (script: which one, for BOOT_SCRIPT). */
void redis_boot_command(const struct redis_link_conf *conf, const struct redis_keys *keys,
                        enum boot_step step, unsigned script, struct buf *to);

enum boot_verdict {
    BOOT_FINE,
    BOOT_REFUSED, /* it mustn't be used as it is; waiting won't help */
    BOOT_LATER,   /* it isn't ready yet */
};

/** Judges the answer to a step. *why: what is wrong, naming it. A replica is BOOT_LATER
 * where sentinels have named it: they will come to know better. */
enum boot_verdict redis_boot_judge(const struct redis_link_conf *conf,
                                   enum boot_step step, unsigned script,
                                   const redisReply *reply, struct buf *why);
/** Judges an error reply during the boot: those that pass by themselves are BOOT_LATER.
 */
enum boot_verdict redis_boot_judge_error(struct slice error);
/** What INFO says that is worth a warning (eviction of keys that expire), or NULL. */
const char *redis_boot_warning(const redisReply *info);

#endif
