/* Which names are legal and what kind each makes: PROTOCOL.md 3, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/channel_name.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void the_longest_prefix_makes_the_kind(void **state)
{
    static const struct {
        const char *name;
        enum channel_kind kind;
    } cases[] = {
        {"private-encrypted-cache-a", CHANNEL_PRIVATE_ENCRYPTED_CACHE},
        {"private-encrypted-a", CHANNEL_PRIVATE_ENCRYPTED},
        {"private-encrypted-cache", CHANNEL_PRIVATE_ENCRYPTED},
        {"private-presence-a", CHANNEL_PRIVATE_PRESENCE},
        {"private-cache-a", CHANNEL_PRIVATE_CACHE},
        {"private-a", CHANNEL_PRIVATE},
        {"private-encrypted", CHANNEL_PRIVATE},
        {"presence-cache-a", CHANNEL_PRESENCE_CACHE},
        {"presence-a", CHANNEL_PRESENCE},
        {"cache-a", CHANNEL_CACHE},
        {"#server-to-user-a", CHANNEL_USER},
        {"a", CHANNEL_PUBLIC},
        {"presence", CHANNEL_PUBLIC},
        {"room-presence", CHANNEL_PUBLIC},
        {"presence_room", CHANNEL_PUBLIC},
        {"Private-a", CHANNEL_PUBLIC},
        {"", CHANNEL_PUBLIC},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(channel_kind_of(slice_of(cases[i].name)), cases[i].kind);
}

static void every_private_and_presence_kind_needs_a_signature(void **state)
{
    (void)state;
    for (int k = 0; k <= CHANNEL_PUBLIC; k++) {
        bool open = k == CHANNEL_CACHE || k == CHANNEL_USER || k == CHANNEL_PUBLIC;

        assert_int_equal(channel_needs_signature((enum channel_kind)k), !open);
    }
    assert_true(channel_needs_signature(channel_kind_of(SLICE("private-cache-a"))));
}

static void traits_follow_the_name(void **state)
{
    static const struct {
        const char *name;
        bool presence, cache, encrypted, client_events;
    } cases[] = {
        {"private-encrypted-cache-a", false, true, true, false},
        {"private-encrypted-a", false, false, true, false},
        {"private-presence-a", true, false, false, true},
        {"private-cache-a", false, true, false, true},
        {"private-a", false, false, false, true},
        {"presence-cache-a", true, true, false, true},
        {"presence-a", true, false, false, true},
        {"cache-a", false, true, false, false},
        {"#server-to-user-a", false, false, false, false},
        {"a", false, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum channel_kind kind = channel_kind_of(slice_of(cases[i].name));

        assert_int_equal(channel_is_presence(kind), cases[i].presence);
        assert_int_equal(channel_is_cache(kind), cases[i].cache);
        assert_int_equal(channel_is_encrypted(kind), cases[i].encrypted);
        assert_int_equal(channel_takes_client_events(kind), cases[i].client_events);
    }
}

static void legal_names_pass(void **state)
{
    static const char *const names[] = {
        "a",
        "my-channel",
        "A0_-=@,.;",
        "private-x",
        "presence-room",
        "cache-",
        "presence",
        "room-presence",
        "presence_room",
        "#server-to-user-alice",
        "#server-to-user-a b/\xc3\xbc",
        "private-encrypted",
        "-",
        "private",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_null(channel_name_fault(slice_of(names[i])));
}

static void illegal_names_are_refused(void **state)
{
    static const struct slice names[] = {
        {"", 0},
        {"a b", 3},
        {"a/b", 3},
        {"a:b", 3},
        {"a!b", 3},
        {"a\0b", 3},
        {"\xc3\xbc", 2},
        {"a#b", 3},
        {"#", 1},
        {"#private", 8},
        {"#server-to-user-", 16},
        {"#server-to-user", 15},
        {"a*", 2},
        {"a\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_non_null(channel_name_fault(names[i]));
    assert_non_null(channel_name_fault(SLICE_NONE));
}

static void a_bare_private_or_presence_prefix_is_refused(void **state)
{
    static const char *const names[] = {
        "private-",
        "presence-",
        "private-cache-",
        "private-encrypted-",
        "private-encrypted-cache-",
        "private-presence-",
        "presence-cache-",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(channel_name_fault(slice_of(names[i])),
                            "channel name has nothing behind its prefix");
}

static void two_hundred_bytes_pass_and_one_more_does_not(void **state)
{
    char name[CHANNEL_NAME_MAX + 1];

    (void)state;
    memset(name, 'a', sizeof name);
    assert_null(channel_name_fault((struct slice){name, CHANNEL_NAME_MAX}));
    assert_string_equal(channel_name_fault((struct slice){name, sizeof name}),
                        "channel name is longer than 200 bytes");
}

static void the_user_of_a_user_channel_is_what_follows_the_prefix(void **state)
{
    (void)state;
    assert_true(slice_is(channel_user_id(SLICE("#server-to-user-alice")), "alice"));
    assert_true(slice_is(channel_user_id(SLICE("#server-to-user-a-#b")), "a-#b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_makes_the_kind),
        cmocka_unit_test(every_private_and_presence_kind_needs_a_signature),
        cmocka_unit_test(traits_follow_the_name),
        cmocka_unit_test(legal_names_pass),
        cmocka_unit_test(illegal_names_are_refused),
        cmocka_unit_test(a_bare_private_or_presence_prefix_is_refused),
        cmocka_unit_test(two_hundred_bytes_pass_and_one_more_does_not),
        cmocka_unit_test(the_user_of_a_user_channel_is_what_follows_the_prefix)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
