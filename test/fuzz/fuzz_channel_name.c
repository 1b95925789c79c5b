/* Channel names: what passes has the shape that PROTOCOL.md 3 gives it. */
#include <assert.h>
#include <stdint.h>

#include "protocol/channel_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool only(struct slice s, const char *bytes)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!memchr(bytes, s.p[i], strlen(bytes)))
            return false;
    }
    return true;
}

static void check_legal(struct slice name, enum channel_kind kind)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_-=@,.;";

    assert(name.n > 0 && name.n <= CHANNEL_NAME_MAX);
    assert((name.p[0] == '#') == (kind == CHANNEL_USER));
    if (kind == CHANNEL_USER)
        assert(channel_user_id(name).n > 0);
    else
        assert(only(name, alphabet));
    assert(!channel_needs_signature(kind) || name.p[name.n - 1] != '-' || name.n > 8);
}

static void check_kind(struct slice name, enum channel_kind kind)
{
    bool restricted =
        slice_starts(name, SLICE("private-")) || slice_starts(name, SLICE("presence-"));
    bool presence = slice_starts(name, SLICE("presence-")) ||
                    slice_starts(name, SLICE("private-presence-"));

    assert(channel_needs_signature(kind) == restricted);
    assert(channel_is_presence(kind) == presence);
    assert(channel_takes_client_events(kind) ==
           (restricted && !channel_is_encrypted(kind)));
    assert(channel_is_encrypted(kind) == slice_starts(name, SLICE("private-encrypted-")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice name = {(const char *)data, size};
    enum channel_kind kind = channel_kind_of(name);

    check_kind(name, kind);
    if (!channel_name_fault(name))
        check_legal(name, kind);
    return 0;
}
