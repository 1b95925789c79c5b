#include "protocol/channel_name.h"

struct prefix {
    const char *text;
    size_t n;
};

#define PREFIX(text)           \
    {                          \
        text, sizeof(text) - 1 \
    }

/* In the order of enum channel_kind, which is the order of trying: longest first wherever
 * one prefix starts another. CHANNEL_PUBLIC is what is left. */
static const struct prefix prefixes[] = {
    [CHANNEL_PRIVATE_ENCRYPTED_CACHE] = PREFIX("private-encrypted-cache-"),
    [CHANNEL_PRIVATE_ENCRYPTED] = PREFIX("private-encrypted-"),
    [CHANNEL_PRIVATE_PRESENCE] = PREFIX("private-presence-"),
    [CHANNEL_PRIVATE_CACHE] = PREFIX("private-cache-"),
    [CHANNEL_PRIVATE] = PREFIX("private-"),
    [CHANNEL_PRESENCE_CACHE] = PREFIX("presence-cache-"),
    [CHANNEL_PRESENCE] = PREFIX("presence-"),
    [CHANNEL_CACHE] = PREFIX("cache-"),
    [CHANNEL_USER] = PREFIX("#server-to-user-"),
};

struct kind_traits {
    bool signature;
    bool presence;
    bool cache;
    bool encrypted;
};

static const struct kind_traits traits[] = {
    [CHANNEL_PRIVATE_ENCRYPTED_CACHE] = {.signature = true,
                                         .cache = true,
                                         .encrypted = true},
    [CHANNEL_PRIVATE_ENCRYPTED] = {.signature = true, .encrypted = true},
    [CHANNEL_PRIVATE_PRESENCE] = {.signature = true, .presence = true},
    [CHANNEL_PRIVATE_CACHE] = {.signature = true, .cache = true},
    [CHANNEL_PRIVATE] = {.signature = true},
    [CHANNEL_PRESENCE_CACHE] = {.signature = true, .presence = true, .cache = true},
    [CHANNEL_PRESENCE] = {.signature = true, .presence = true},
    [CHANNEL_CACHE] = {.cache = true},
    [CHANNEL_USER] = {.signature = false},
    [CHANNEL_PUBLIC] = {.signature = false},
};

static bool has_prefix(struct slice name, enum channel_kind kind)
{
    struct slice text = {prefixes[kind].text, prefixes[kind].n};

    return slice_starts(name, text);
}

enum channel_kind channel_kind_of(struct slice name)
{
    for (int kind = 0; kind < CHANNEL_PUBLIC; kind++) {
        if (has_prefix(name, (enum channel_kind)kind))
            return (enum channel_kind)kind;
    }
    return CHANNEL_PUBLIC;
}

static bool legal_byte(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c && strchr("_-=@,.;", c);
}

const char *channel_name_fault(struct slice name)
{
    enum channel_kind kind = channel_kind_of(name);

    if (!name.n)
        return "channel name is empty";
    if (name.n > CHANNEL_NAME_MAX)
        return "channel name is longer than 200 bytes";
    if (kind == CHANNEL_USER) /* a user id may hold any byte */
        return channel_user_id(name).n
                   ? NULL
                   : "channel name has no user id behind #server-to-user-";
    if (name.p[0] == '#')
        return "channel name starts with # but is not #server-to-user-{id}";
    for (size_t i = 0; i < name.n; i++) {
        if (!legal_byte(name.p[i]))
            return "channel name may hold only A-Z a-z 0-9 and _ - = @ , . ;";
    }
    if (traits[kind].signature && name.n == prefixes[kind].n)
        return "channel name has nothing behind its prefix";
    return NULL;
}

bool channel_needs_signature(enum channel_kind kind)
{
    return traits[kind].signature;
}

bool channel_is_presence(enum channel_kind kind)
{
    return traits[kind].presence;
}

bool channel_is_cache(enum channel_kind kind)
{
    return traits[kind].cache;
}

bool channel_is_encrypted(enum channel_kind kind)
{
    return traits[kind].encrypted;
}

bool channel_takes_client_events(enum channel_kind kind)
{
    return traits[kind].signature && !traits[kind].encrypted;
}

struct slice channel_user_id(struct slice name)
{
    size_t n = prefixes[CHANNEL_USER].n;

    return (struct slice){name.p + n, name.n - n};
}
