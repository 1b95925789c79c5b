/* Which request may ask for which attributes (the table of PROTOCOL.md 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/api_info.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
    USERS = API_INFO_USER_COUNT,
    SUBSCRIPTIONS = API_INFO_SUBSCRIPTION_COUNT,
    CACHE = API_INFO_CACHE,
};

struct ask {
    const char *channel; /* NULL: the list */
    const char *query;
    unsigned info;
    const char *fault; /* NULL: granted */
};

static void check(const struct ask *a)
{
    struct api_query q;
    struct buf why = BUF_INIT;
    unsigned info = 77;
    int status = api_query_parse(&q, slice_of(a->query), &why);

    assert_int_equal(status, 0);
    status = a->channel ? api_channel_check(&q, slice_of(a->channel), &info, &why)
                        : api_channels_check(&q, &info, &why);
    assert_string_equal(buf_cstr(&why), a->fault ? a->fault : "");
    assert_int_equal(status, a->fault ? 400 : 0);
    if (!a->fault)
        assert_int_equal(info, a->info);
    buf_fini(&why);
    api_query_fini(&q);
}

static void check_all(const struct ask *asks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&asks[i]);
}

#define ONLY_PRESENCE "user_count can only be requested for presence channels"
#define NEEDS_PREFIX \
    ONLY_PRESENCE ": please supply a filter_by_prefix that begins with presence-"

static void the_list_counts_users_only_under_a_presence_prefix(void **state)
{
    static const struct ask asks[] = {
        {NULL, "", 0, NULL},
        {NULL, "filter_by_prefix=a", 0, NULL},
        {NULL, "info=subscription_count", SUBSCRIPTIONS, NULL},
        {NULL, "info=user_count&filter_by_prefix=presence-", USERS, NULL},
        {NULL, "info=user_count&filter_by_prefix=presence-cache-", USERS, NULL},
        {NULL, "info=user_count&filter_by_prefix=private-presence-a", USERS, NULL},
        {NULL, "info=user_count,subscription_count&filter_by_prefix=presence-a",
         USERS | SUBSCRIPTIONS, NULL},
        {NULL, "info=user_count", 0, NEEDS_PREFIX},
        {NULL, "info=user_count&filter_by_prefix=", 0, NEEDS_PREFIX},
        {NULL, "info=user_count&filter_by_prefix=presence", 0, NEEDS_PREFIX},
        {NULL, "info=subscription_count,user_count&filter_by_prefix=private-", 0,
         NEEDS_PREFIX},
        {NULL, "info=cache", 0, "cache can only be requested for a single channel"},
    };

    (void)state;
    check_all(asks, COUNT(asks));
}

static void a_channel_is_asked_only_for_what_its_kind_has(void **state)
{
    static const char no_cache[] = "cache can only be requested for cache channels";
    static const struct ask asks[] = {
        {"a", "", 0, NULL},
        {"a", "info=subscription_count", SUBSCRIPTIONS, NULL},
        {"presence-a", "info=user_count,subscription_count", USERS | SUBSCRIPTIONS, NULL},
        {"private-presence-a", "info=user_count", USERS, NULL},
        {"cache-a", "info=cache", CACHE, NULL},
        {"presence-cache-a", "info=cache,user_count,subscription_count",
         USERS | SUBSCRIPTIONS | CACHE, NULL},
        {"#server-to-user-1", "info=subscription_count", SUBSCRIPTIONS, NULL},
        {"a", "info=user_count", 0, ONLY_PRESENCE},
        {"private-encrypted-a", "info=subscription_count,user_count", 0, ONLY_PRESENCE},
        {"presence-a", "info=cache", 0, no_cache},
        {"private-a", "info=cache", 0, no_cache},
    };

    (void)state;
    check_all(asks, COUNT(asks));
}

static void a_list_may_be_spaced_repeated_or_an_array(void **state)
{
    static const struct ask asks[] = {
        {"presence-a", "info=user_count%2C+subscription_count", USERS | SUBSCRIPTIONS,
         NULL},
        {"presence-a", "info=,user_count,,user_count,", USERS, NULL},
        {"presence-a", "info[]=user_count&info[]=subscription_count",
         USERS | SUBSCRIPTIONS, NULL},
        {"presence-a", "info%5B0%5D=user_count&info%5B1%5D=subscription_count",
         USERS | SUBSCRIPTIONS, NULL},
        {"presence-a", "information=x", 0, NULL},
    };

    (void)state;
    check_all(asks, COUNT(asks));
}

static void an_unknown_attribute_is_named(void **state)
{
    static const struct ask asks[] = {
        {"a", "info=subscription_count,connection\"count", 0,
         "Unknown info attribute \"connection\\\"count\": expected user_count, "
         "subscription_count or cache"},
        {NULL, "info=USER_COUNT", 0,
         "Unknown info attribute \"USER_COUNT\": expected user_count, "
         "subscription_count or cache"},
    };

    (void)state;
    check_all(asks, COUNT(asks));
}

static void a_bad_channel_name_is_refused_first(void **state)
{
    static const struct ask asks[] = {
        {"a b", "info=user_count", 0,
         "Invalid channel: channel name may hold only A-Z a-z 0-9 and _ - = @ , . ;"},
        {"", "", 0, "Invalid channel: channel name is empty"},
    };

    (void)state;
    check_all(asks, COUNT(asks));
}

static void users_are_listed_on_presence_channels_alone(void **state)
{
    static const char *const good[] = {"presence-a", "presence-cache-a",
                                       "private-presence-a"};
    static const char *const bad[] = {"a", "private-a", "#server-to-user-1", "presence"};
    struct buf why = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(api_users_check(slice_of(good[i]), &why), 0);
    for (size_t i = 0; i < COUNT(bad); i++) {
        why.n = 0;
        assert_int_equal(api_users_check(slice_of(bad[i]), &why), 400);
        assert_string_equal(buf_cstr(&why),
                            "Users can only be retrieved for presence channels");
    }
    why.n = 0;
    assert_int_equal(api_users_check(SLICE("presence-"), &why), 400);
    assert_string_equal(buf_cstr(&why),
                        "Invalid channel: channel name has nothing behind its prefix");
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_counts_users_only_under_a_presence_prefix),
        cmocka_unit_test(a_channel_is_asked_only_for_what_its_kind_has),
        cmocka_unit_test(a_list_may_be_spaced_repeated_or_an_array),
        cmocka_unit_test(an_unknown_attribute_is_named),
        cmocka_unit_test(a_bad_channel_name_is_refused_first),
        cmocka_unit_test(users_are_listed_on_presence_channels_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
