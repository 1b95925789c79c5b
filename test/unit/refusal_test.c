#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/refusal.h"

enum { CLOSE_REASON_MAX = 123 }; /* RFC 6455: 125 bytes of control frame, less the code */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const enum close_code codes[] = {
    CLOSE_GOING_AWAY,
    CLOSE_BINARY,
    CLOSE_BAD_UTF8,
    CLOSE_TOO_BIG,
    CLOSE_TLS_ONLY,
    CLOSE_NO_APP,
    CLOSE_APP_DISABLED,
    CLOSE_APP_QUOTA,
    CLOSE_BAD_PATH,
    CLOSE_BAD_VERSION,
    CLOSE_UNSUPPORTED_PROTOCOL,
    CLOSE_NO_PROTOCOL,
    CLOSE_UNAUTHORIZED,
    CLOSE_OVER_CAPACITY,
    CLOSE_RECONNECT,
    CLOSE_NO_PONG,
    CLOSE_IDLE,
};

static void every_close_code_has_a_text_of_its_own_that_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        const char *text = close_code_text(codes[i]);

        assert_in_range(strlen(text), 10, CLOSE_REASON_MAX);
        assert_string_not_equal(text, close_code_text(0));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(text, close_code_text(codes[j]));
    }
}

static void an_unknown_code_still_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(close_code_text(4999), "Connection closed");
    assert_string_equal(close_code_text(-1), "Connection closed");
}

static void no_close_code_is_43xx(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++)
        assert_true(codes[i] < 4300);
}

static void each_close_code_has_a_place_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(COUNT(codes), CLOSE_CODES);
    for (size_t i = 0; i < COUNT(codes); i++)
        assert_int_equal(close_code_at(close_code_place(codes[i])), codes[i]);
}

static void refusals_carry_the_protocol_s_type_and_status(void **state)
{
    static const struct {
        enum refusal why;
        const char *type;
        int status;
    } rows[] = {
        {REFUSAL_AUTH, "AuthError", 401},
        {REFUSAL_AUTH_OFF, "AuthError", 403},
        {REFUSAL_CHANNEL, "InvalidChannel", 400},
        {REFUSAL_CHANNEL_DATA, "InvalidChannelData", 400},
        {REFUSAL_ROOM_FULL, "PresenceLimitReached", 4100},
        {REFUSAL_MEMBER_TOO_LARGE, "PresenceMemberTooLarge", 4301},
        {REFUSAL_TOO_MANY_CHANNELS, "LimitReached", 4100},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(refusal_type(rows[i].why), rows[i].type);
        assert_int_equal(refusal_status(rows[i].why), rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_close_code_has_a_text_of_its_own_that_fits),
        cmocka_unit_test(an_unknown_code_still_has_a_text),
        cmocka_unit_test(no_close_code_is_43xx),
        cmocka_unit_test(each_close_code_has_a_place_of_its_own),
        cmocka_unit_test(refusals_carry_the_protocol_s_type_and_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
