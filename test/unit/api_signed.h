/* For tests of signed requests: the app of PROTOCOL.md 6's vectors, at their time, and
 * whether a query is accepted. */
#ifndef API_SIGNED_H
#define API_SIGNED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/api_sign.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEY "278d425bdf160c739803"
#define NOW 1353088179
#define AUTH "auth_key=" KEY "&auth_timestamp=1353088179&auth_version=1.0"
#define EVENT_BODY                                                             \
    "{\"name\":\"foo\",\"channels\":[\"project-3\"],\"data\":\"{\\\"some\\\":" \
    "\\\"data\\\"}\"}"
#define EVENT_MD5 "&body_md5=ec365a775a4cd0599faeb73354201b6f"
#define EVENT_SIGNATURE "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"

static const struct api_credentials app = {{KEY, sizeof KEY - 1},
                                           {"7ad3773142a6692b25b8", 20}};

static inline int verify_at(const struct api_request *r, const char *query, int64_t now,
                            struct buf *why)
{
    struct api_query q;
    int status = api_query_parse(&q, slice_of(query), why);

    if (!status)
        status = api_sign_verify(r, &q, &app, now, why);
    api_query_fini(&q);
    return status;
}

static inline void assert_accepted(const struct api_request *r, const char *query)
{
    struct buf why = BUF_INIT;

    if (verify_at(r, query, NOW, &why))
        fail_msg("%s: %s", query, buf_cstr(&why));
    assert_int_equal(why.n, 0);
}

static inline struct api_request get_of(const char *path)
{
    return (struct api_request){.method = SLICE("GET"), .path = slice_of(path)};
}

#endif
