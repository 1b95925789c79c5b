/* For tests of what POST …/events and …/batch_events parse: PARSE, which a test defines
 * before it includes this, is the function under test. */
#ifndef API_PARSED_H
#define API_PARSED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/api_body.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_DATA 10240

static inline void assert_slice(struct slice s, const char *expected)
{
    if (!slice_is(s, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(s), expected);
}

static inline void parse_good(struct api_body *b, const char *text)
{
    struct buf why = BUF_INIT;

    if (PARSE(b, slice_of(text), MAX_DATA, &why))
        fail_msg("%s: %s", text, buf_cstr(&why));
    assert_int_equal(why.n, 0);
}

static inline void assert_status(struct slice text, int expected_status,
                                 const char *expected)
{
    struct api_body b;
    struct buf why = BUF_INIT;

    assert_int_equal(PARSE(&b, text, MAX_DATA, &why), expected_status);
    assert_string_equal(buf_cstr(&why), expected);
    api_body_fini(&b);
    buf_fini(&why);
}

struct bad {
    const char *text;
    const char *fault;
};

static inline void assert_bad(const struct bad *bad, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_status(slice_of(bad[i].text), 400, bad[i].fault);
}

#endif
