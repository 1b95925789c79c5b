/* A Redis that evicts keys, is one of a cluster, or isn't the master, is refused by name:
 * it would work for a while, and lose presence without a word. Where waiting may help the
 * link tries again by itself. */
#include "adapters/redis_boot.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/redis_reply.h"
#include "adapters/redis_script.h"

enum { OLDEST_MAJOR = 6, OLDEST_MINOR = 2 };

static void encode_auth(const struct redis_link_conf *conf, struct buf *to)
{
    const struct slice words[] = {SLICE("AUTH"), slice_of(conf->username),
                                  slice_of(conf->password)};
    const struct slice short_words[] = {SLICE("AUTH"), slice_of(conf->password)};

    if (*conf->username)
        redis_command_encode(to, words, 3);
    else
        redis_command_encode(to, short_words, 2);
}

static void encode_partitions(const struct redis_keys *keys, bool set, struct buf *to)
{
    struct buf key = BUF_INIT, count = BUF_INIT;

    redis_key_of_all(keys, "partitions", &key);
    buf_addf(&count, "%d", PARTITIONS);
    redis_command_encode(to,
                         (const struct slice[]){set ? SLICE("SETNX") : SLICE("GET"),
                                                buf_slice(&key), buf_slice(&count)},
                         set ? 3 : 2);
    buf_fini(&key);
    buf_fini(&count);
}

void redis_boot_command(const struct redis_link_conf *conf, const struct redis_keys *keys,
                        enum boot_step step, unsigned script, struct buf *to)
{
    char db[16];

    switch (step) {
    case BOOT_AUTH:
        encode_auth(conf, to);
        return;
    case BOOT_SELECT:
        snprintf(db, sizeof db, "%u", conf->db);
        redis_command_encode(to, (const struct slice[]){SLICE("SELECT"), slice_of(db)},
                             2);
        return;
    case BOOT_INFO:
        redis_command_encode(to, (const struct slice[]){SLICE("INFO")}, 1);
        return;
    case BOOT_PARTITIONS_SET:
    case BOOT_PARTITIONS:
        encode_partitions(keys, step == BOOT_PARTITIONS_SET, to);
        return;
    case BOOT_SCRIPT:
        redis_command_encode(to,
                             (const struct slice[]){SLICE("SCRIPT"), SLICE("LOAD"),
                                                    redis_script_sources[script].text},
                             3);
        return;
    }
}

/* The value of a line `name:value\r\n`; absent where there is none. */
static struct slice info_value(struct slice info, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = info.p, *end = info.p + info.n; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t line = (size_t)((eol ? eol : end) - p);

        if (line > n && memcmp(p, name, n) == 0 && p[n] == ':') {
            struct slice value = {p + n + 1, line - n - 1};

            if (value.n && value.p[value.n - 1] == '\r')
                value.n--;
            return value;
        }
        p += line + (eol != NULL);
    }
    return SLICE_NONE;
}

static bool is_too_old(struct slice version)
{
    char text[32];
    unsigned major = 0, minor = 0;

    snprintf(text, sizeof text, "%.*s", SLICE_ARG(version));
    return sscanf(text, "%u.%u", &major, &minor) == 2 &&
           (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR));
}

static enum boot_verdict judge_info(const redisReply *reply, bool by_sentinels,
                                    struct buf *why)
{
    struct slice info, version, policy, role;

    if (!reply_text(reply, &info)) {
        buf_add_lit(why, "INFO doesn't answer with text");
        return BOOT_REFUSED;
    }
    version = info_value(info, "redis_version");
    policy = info_value(info, "maxmemory_policy");
    role = info_value(info, "role");
    if (is_too_old(version))
        buf_addf(why, "redis_version is %.*s: 6.2 or later is needed",
                 SLICE_ARG(version));
    else if (slice_is(info_value(info, "cluster_enabled"), "1"))
        buf_add_lit(why, "cluster_enabled is 1: a Redis Cluster isn't supported yet");
    else if (slice_starts(policy, SLICE("allkeys-")))
        buf_addf(why,
                 "maxmemory-policy is %.*s: presence would vanish under memory pressure "
                 "(set it to noeviction)",
                 SLICE_ARG(policy));
    else if (!role.p || slice_is(role, "master"))
        return BOOT_FINE;
    if (why->n)
        return BOOT_REFUSED;
    buf_addf(why, "role is %.*s: it must be the master%s", SLICE_ARG(role),
             by_sentinels ? ", as adapter.redis.sentinels say it is" : "");
    return by_sentinels ? BOOT_LATER : BOOT_REFUSED;
}

static enum boot_verdict judge_partitions(const redisReply *reply, struct buf *why)
{
    uint64_t n;

    if (reply_number(reply, &n) && n == PARTITIONS)
        return BOOT_FINE;
    if (reply_number(reply, &n))
        buf_addf(why,
                 "the nodes that share this prefix use %llu partitions, this one %d: "
                 "choose another adapter.redis.prefix, or stop them and delete its keys",
                 (unsigned long long)n, PARTITIONS);
    else
        buf_add_lit(why, "the key {pxhb}partitions holds no number");
    return BOOT_REFUSED;
}

enum boot_verdict redis_boot_judge(const struct redis_link_conf *conf,
                                   enum boot_step step, unsigned script,
                                   const redisReply *reply, struct buf *why)
{
    struct slice text;

    switch (step) {
    case BOOT_INFO:
        return judge_info(reply, conf->n_sentinels > 0, why);
    case BOOT_PARTITIONS:
        return judge_partitions(reply, why);
    case BOOT_SCRIPT:
        if (reply_text(reply, &text) && slice_is(text, redis_script_sources[script].sha1))
            return BOOT_FINE;
        buf_addf(why, "script %s has another SHA-1 there",
                 redis_script_sources[script].name);
        return BOOT_REFUSED;
    case BOOT_AUTH:
    case BOOT_SELECT:
    case BOOT_PARTITIONS_SET:
        return BOOT_FINE;
    }
    return BOOT_FINE;
}

enum boot_verdict redis_boot_judge_error(struct slice error)
{
    static const char *const passing[] = {
        "LOADING ",    "BUSY ",     "MASTERDOWN ",
        "OOM ",        "TRYAGAIN ", "READONLY ",
        "NOREPLICAS ", "MISCONF ",  "ERR max number of clients"};

    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (slice_starts(error, slice_of(passing[i])))
            return BOOT_LATER;
    return BOOT_REFUSED;
}

const char *redis_boot_warning(const redisReply *info)
{
    struct slice text;

    if (reply_text(info, &text) &&
        slice_starts(info_value(text, "maxmemory_policy"), SLICE("volatile-")))
        return "maxmemory-policy evicts keys that expire: fences of dead nodes may "
               "vanish "
               "early (set it to noeviction)";
    return NULL;
}
