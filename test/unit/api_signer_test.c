/* The signer makes the vectors of PROTOCOL.md 6, and whatever it makes verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/api_signer.h"

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

static int verify_at(const struct api_request *r, const char *query, int64_t now,
                     struct buf *why)
{
    struct api_query q;
    int status = api_query_parse(&q, slice_of(query), why);

    if (!status)
        status = api_sign_verify(r, &q, &app, now, why);
    api_query_fini(&q);
    return status;
}

static void assert_accepted(const struct api_request *r, const char *query)
{
    struct buf why = BUF_INIT;

    if (verify_at(r, query, NOW, &why))
        fail_msg("%s: %s", query, buf_cstr(&why));
    assert_int_equal(why.n, 0);
}

static struct api_request get_of(const char *path)
{
    return (struct api_request){.method = SLICE("GET"), .path = slice_of(path)};
}

static struct api_request event_post(void)
{
    return (struct api_request){.method = SLICE("POST"),
                                .path = SLICE("/apps/3/events"),
                                .body = SLICE(EVENT_BODY)};
}

static void the_signer_makes_the_vectors(void **state)
{
    struct api_request r = event_post();
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(api_sign_query(&out, &r, SLICE_NONE, &app, NOW), ERR_NONE);
    assert_string_equal(buf_cstr(&out),
                        AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE);
    out.n = 0;
    r = get_of("/apps/3/channels");
    assert_int_equal(api_sign_query(&out, &r,
                                    SLICE("info=user_count&filter_by_prefix=presence-"),
                                    &app, NOW),
                     ERR_NONE);
    assert_string_equal(buf_cstr(&out),
                        AUTH "&filter_by_prefix=presence-&info=user_count&auth_signature="
                             "16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb650"
                             "10291");
    buf_fini(&out);
}

static void what_the_signer_makes_verifies(void **state)
{
    static const char *const params[] = {
        "",
        "info=a,b&info=c",
        "x=a+b&y=%26%3d%25&Z=\u00fc",
        "k[]=2&k[]=1&%5b=&=",
        "info[1]=a&info[0]=b",
    };
    struct api_request r = event_post();
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(params); i++) {
        out.n = 0;
        assert_int_equal(api_sign_query(&out, &r, slice_of(params[i]), &app, NOW),
                         ERR_NONE);
        assert_accepted(&r, buf_cstr(&out));
    }
    buf_fini(&out);
}

static void the_signer_refuses_parameters_that_it_sets_itself(void **state)
{
    static const char *const params[] = {"auth_key=x", "AUTH_signature=x", "body_md5=x",
                                         "a=1&auth%5fversion=1.0", "auth_timestamp="};
    struct api_request r = event_post();
    struct buf out = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(params); i++)
        assert_int_equal(api_sign_query(&out, &r, slice_of(params[i]), &app, NOW),
                         ERR_INVALID);
    assert_int_equal(out.n, 0);
}

static enum err sign_padded(unsigned n, size_t padding, struct buf *out)
{
    struct api_request r = get_of("/apps/3/channels");
    struct buf params = BUF_INIT;
    enum err err;

    for (unsigned i = 0; i < n; i++)
        buf_addf(&params, "k%u=&", i);
    buf_add_lit(&params, "z=");
    while (padding--)
        buf_add_char(&params, '\t'); /* %09 */
    err = api_sign_query(out, &r, buf_slice(&params), &app, NOW);
    if (err == ERR_NONE)
        assert_accepted(&r, buf_cstr(out));
    buf_fini(&params);
    return err;
}

static void the_signer_makes_nothing_that_the_server_would_refuse(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(sign_padded(59, 0, &out), ERR_NONE); /* 64 with the signature */
    out.n = 0;
    assert_int_equal(sign_padded(60, 0, &out), ERR_INVALID);
    assert_int_equal(sign_padded(0, 4000, &out), ERR_INVALID);
    assert_int_equal(out.n, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signer_makes_the_vectors),
        cmocka_unit_test(what_the_signer_makes_verifies),
        cmocka_unit_test(the_signer_refuses_parameters_that_it_sets_itself),
        cmocka_unit_test(the_signer_makes_nothing_that_the_server_would_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
