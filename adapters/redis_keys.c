#include "adapters/redis_keys.h"

#include <assert.h>
#include <stdio.h>

#include "server/base/hash.h"

enum { SLOTS = 16384, SLOTS_A_PARTITION = SLOTS / PARTITIONS };

/* The smallest k whose slot lies among the partition's: k up to about a thousand. */
static void find_tags(struct redis_keys *k)
{
    bool found[PARTITIONS] = {false};
    unsigned missing = PARTITIONS;

    for (unsigned n = 0; missing; n++) {
        char tag[16];
        int length = snprintf(tag, sizeof tag, "px%u", n);
        unsigned p =
            (crc16(tag, (size_t)length, 0) & (SLOTS - 1)) / (unsigned)SLOTS_A_PARTITION;

        if (found[p])
            continue;
        found[p] = true;
        k->tags[p] = n;
        missing--;
    }
}

void redis_keys_init(struct redis_keys *k, const char *prefix, unsigned db)
{
    assert(strlen(prefix) <= REDIS_PREFIX_MAX);
    if (db)
        snprintf(k->prefix, sizeof k->prefix, "%s1:db%u:", prefix, db);
    else
        snprintf(k->prefix, sizeof k->prefix, "%s1:", prefix);
    find_tags(k);
}

unsigned redis_partition(struct slice app, struct slice channel)
{
    uint16_t crc = crc16(app.p, app.n, 0);

    crc = crc16(":", 1, crc);
    return crc16(channel.p, channel.n, crc) % PARTITIONS;
}

void redis_key_base(const struct redis_keys *k, unsigned partition, struct buf *to)
{
    char digits[10], *p = digits + sizeof digits;
    unsigned n = k->tags[partition];

    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    buf_add(to, k->prefix, strlen(k->prefix));
    buf_add_lit(to, "{px");
    buf_add(to, p, (size_t)(digits + sizeof digits - p));
    buf_add_char(to, '}');
}

void redis_key_of_channel(const struct redis_keys *k, enum redis_key_letter letter,
                          struct slice app, struct slice channel, struct buf *to)
{
    redis_key_base(k, redis_partition(app, channel), to);
    buf_add_char(to, (char)letter);
    buf_add_char(to, ':');
    buf_add_slice(to, app);
    buf_add_char(to, ':');
    buf_add_slice(to, channel);
}

void redis_key_of_partition(const struct redis_keys *k, unsigned partition,
                            enum redis_key_letter letter, struct buf *to)
{
    redis_key_base(k, partition, to);
    buf_add_char(to, (char)letter);
}

void redis_key_of_all(const struct redis_keys *k, const char *name, struct buf *to)
{
    buf_addf(to, "%s{pxhb}%s", k->prefix, name);
}

bool redis_topic_parse(const struct redis_keys *k, struct slice name,
                       struct redis_topic *t)
{
    struct slice prefix = slice_of(k->prefix), rest;
    const char *brace, *colon;

    if (!slice_starts(name, prefix))
        return false;
    rest = (struct slice){name.p + prefix.n, name.n - prefix.n};
    brace = memchr(rest.p, '}', rest.n);
    if (!slice_starts(rest, SLICE("{px")) || !brace)
        return false;
    rest.n -= (size_t)(brace + 1 - rest.p);
    rest.p = brace + 1;
    if (rest.n < 2 || (rest.p[0] != TOPIC_CHANNEL && rest.p[0] != TOPIC_USER) ||
        rest.p[1] != ':')
        return false;
    t->letter = (unsigned char)rest.p[0];
    rest = (struct slice){rest.p + 2, rest.n - 2};
    colon = memchr(rest.p, ':', rest.n);
    if (!colon)
        return false;
    t->app = (struct slice){rest.p, (size_t)(colon - rest.p)};
    t->channel = (struct slice){colon + 1, rest.n - t->app.n - 1};
    return true;
}
