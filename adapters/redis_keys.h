/* The names of what Muster keeps and says in Redis (PRESENCE.md, "Redis keys"):
 * `<prefix>1:{px<k>}<letter>:<app>:<channel>`, where 1 is the format's version. In
 * another database than 0 `db<n>:` stands behind that, since pub/sub knows no databases.
 * An app's id has no colon (conf/check.c), so the first one behind the letter ends it,
 * whatever the channel's name holds. All of a partition lies in one slot of a Redis
 * Cluster. Immutable once made; any thread. */
#ifndef MUSTER_ADAPTERS_REDIS_KEYS_H
#define MUSTER_ADAPTERS_REDIS_KEYS_H

#include <stdint.h>

#include "presence/exchange.h"
#include "server/base/buf.h"

enum { REDIS_PREFIX_MAX = 64 }; /* bytes */

/* What stands behind the tag. */
enum redis_key_letter {
    KEY_EPOCH = 'e',
    KEY_HOLDERS = 'n',
    KEY_HELD = 'x',
    KEY_FENCE = 'f',
    KEY_WEBHOOKS = 'w',
    KEY_MEMBERS = 'm',
    KEY_VERSION = 'v',
    KEY_SUBSCRIPTIONS = 's',
    KEY_OCCUPIED = 'l',
    KEY_KEPT = 'k',        /* a cache channel's event */
    KEY_KEPT_NUMBER = 'i', /* and how many it has had */
    TOPIC_CHANNEL = 'c',   /* pub/sub: events and membership */
    TOPIC_USER = 't',      /* pub/sub: to a user's own connections */
};

struct redis_keys {
    char prefix[REDIS_PREFIX_MAX + 16]; /* with version and database: "muster:1:db7:" */
    unsigned tags[PARTITIONS];          /* k of each partition's "px<k>" */
};

/** prefix: at most REDIS_PREFIX_MAX bytes, copied. */
void redis_keys_init(struct redis_keys *k, const char *prefix, unsigned db);

/** The partition of a channel: crc16(app:channel) mod PARTITIONS. */
unsigned redis_partition(struct slice app, struct slice channel);

/** Adds "<prefix>1:{px<k>}", what all keys of the partition begin with. */
void redis_key_base(const struct redis_keys *k, unsigned partition, struct buf *to);
/** Adds the key of a channel, or its pub/sub channel. */
void redis_key_of_channel(const struct redis_keys *k, enum redis_key_letter letter,
                          struct slice app, struct slice channel, struct buf *to);
/** Adds the partition's own key: KEY_EPOCH, KEY_HOLDERS, KEY_WEBHOOKS. */
void redis_key_of_partition(const struct redis_keys *k, unsigned partition,
                            enum redis_key_letter letter, struct buf *to);
/** Adds "<prefix>1:{pxhb}" and name: hb, the table of heartbeats, and partitions, how
 * many there are. */
void redis_key_of_all(const struct redis_keys *k, const char *name, struct buf *to);

struct redis_topic {
    enum redis_key_letter letter; /* TOPIC_CHANNEL or TOPIC_USER */
    struct slice app, channel;
};

/** Takes a pub/sub channel's name apart (borrowed from it); false: it isn't one of
 * these. */
bool redis_topic_parse(const struct redis_keys *k, struct slice name,
                       struct redis_topic *t);

#endif
