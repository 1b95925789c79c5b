/* A list of attributes becomes a set of bits; what each request may ask for is a mask
 * over them, by the kind of its channel or of its prefix. */
#include "protocol/api_info.h"

#include "protocol/json_scan.h"

struct attribute {
    const char *name;
    enum api_info bit;
};

static const struct attribute attributes[] = {
    {"user_count", API_INFO_USER_COUNT},
    {"subscription_count", API_INFO_SUBSCRIPTION_COUNT},
    {"cache", API_INFO_CACHE},
};

unsigned api_info_of(enum channel_kind kind)
{
    unsigned info = API_INFO_SUBSCRIPTION_COUNT;

    if (channel_is_presence(kind))
        info |= API_INFO_USER_COUNT;
    if (channel_is_cache(kind))
        info |= API_INFO_CACHE;
    return info;
}

static int refuse(struct buf *why, const char *text)
{
    buf_add_slice(why, slice_of(text));
    return 400;
}

static struct slice trim(struct slice s)
{
    while (s.n && s.p[0] == ' ') {
        s.p++;
        s.n--;
    }
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* Cuts the next item off *list; false at the end. */
static bool next_item(struct slice *list, struct slice *item)
{
    const char *comma;

    if (!list->n)
        return false;
    comma = memchr(list->p, ',', list->n);
    *item = (struct slice){list->p, comma ? (size_t)(comma - list->p) : list->n};
    list->p += item->n + (comma ? 1 : 0);
    list->n -= item->n + (comma ? 1 : 0);
    *item = trim(*item);
    return true;
}

static unsigned bit_of(struct slice name)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (slice_is(name, attributes[i].name))
            return attributes[i].bit;
    }
    return 0;
}

int api_info_parse(unsigned *info, struct slice list, struct buf *why)
{
    struct slice item;

    while (next_item(&list, &item)) {
        unsigned bit = bit_of(item);

        *info |= bit;
        if (bit || !item.n)
            continue;
        buf_add_lit(why, "Unknown info attribute \"");
        json_escape(why, item);
        buf_add_lit(why, "\": expected user_count, subscription_count or cache");
        return 400;
    }
    return 0;
}

/* From `info`, and from each part of it where an SDK sends an array. */
static int query_info(const struct api_query *q, unsigned *info, struct buf *why)
{
    int status = 0;

    *info = 0;
    for (unsigned i = 0; i < q->n && !status; i++) {
        if (api_param_is(&q->params[i], "info"))
            status = api_info_parse(info, q->params[i].value, why);
    }
    return status;
}

int api_channels_check(const struct api_query *q, unsigned *info, struct buf *why)
{
    struct slice prefix = api_query_get(q, "filter_by_prefix");
    int status = query_info(q, info, why);

    if (status)
        return status;
    if (*info & API_INFO_CACHE)
        return refuse(why, "cache can only be requested for a single channel");
    if (*info & API_INFO_USER_COUNT && !channel_is_presence(channel_kind_of(prefix)))
        return refuse(why, "user_count can only be requested for presence channels: "
                           "please supply a filter_by_prefix that begins with presence-");
    return 0;
}

static int check_name(struct slice channel, struct buf *why)
{
    const char *fault = channel_name_fault(channel);

    if (!fault)
        return 0;
    buf_addf(why, "Invalid channel: %s", fault);
    return 400;
}

int api_channel_check(const struct api_query *q, struct slice channel, unsigned *info,
                      struct buf *why)
{
    int status = check_name(channel, why);
    unsigned lacks;

    if (status)
        return status;
    status = query_info(q, info, why);
    if (status)
        return status;
    lacks = *info & ~api_info_of(channel_kind_of(channel));
    if (lacks & API_INFO_USER_COUNT)
        return refuse(why, "user_count can only be requested for presence channels");
    if (lacks)
        return refuse(why, "cache can only be requested for cache channels");
    return 0;
}

int api_users_check(struct slice channel, struct buf *why)
{
    int status = check_name(channel, why);

    if (status)
        return status;
    if (!channel_is_presence(channel_kind_of(channel)))
        return refuse(why, "Users can only be retrieved for presence channels");
    return 0;
}
