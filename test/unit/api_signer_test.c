/* The signer makes the vectors of PROTOCOL.md 6, and whatever it makes verifies. */
#include "protocol/api_signer.h"
#include "test/unit/api_signed.h"

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
