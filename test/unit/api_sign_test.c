/* The vectors of PROTOCOL.md 6, every refusal's text, and what each official SDK signs
 * and sends. A signature here is made over a text written out, not by the code that
 * verifies it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/api_sign.h"
#include "protocol/auth.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEY "278d425bdf160c739803"
#define NOW 1353088179
#define AUTH "auth_key=" KEY "&auth_timestamp=1353088179&auth_version=1.0"
#define EVENT_BODY                                                             \
    "{\"name\":\"foo\",\"channels\":[\"project-3\"],\"data\":\"{\\\"some\\\":" \
    "\\\"data\\\"}\"}"
#define EVENT_MD5 "&body_md5=ec365a775a4cd0599faeb73354201b6f"
#define EVENT_SIGNATURE "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
#define EMPTY_MD5 "&body_md5=d41d8cd98f00b204e9800998ecf8427e"

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

static void assert_refused(const struct api_request *r, const char *query,
                           const char *expected)
{
    struct buf why = BUF_INIT;

    assert_int_equal(verify_at(r, query, NOW, &why), 401);
    assert_string_equal(buf_cstr(&why), expected);
    buf_fini(&why);
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

/* query with the signature of s behind it. */
static const char *signed_by(struct buf *out, const char *query, const char *s)
{
    char hex[AUTH_HEX_LEN + 1];

    out->n = 0;
    auth_sign(hex, app.secret, slice_of(s));
    buf_addf(out, "%s&auth_signature=%s", query, hex);
    return buf_cstr(out);
}

struct variant {
    const char *path;
    const char *sent;  /* without the signature */
    const char *signs; /* path and query */
};

static void assert_variants(const struct variant *v, size_t n)
{
    struct buf query = BUF_INIT, s = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        struct api_request r = get_of(v[i].path);

        s.n = 0;
        buf_addf(&s, "GET\n%s", v[i].signs);
        assert_accepted(&r, signed_by(&query, v[i].sent, buf_cstr(&s)));
    }
    buf_fini(&query);
    buf_fini(&s);
}

static void the_vector_of_a_published_event_verifies(void **state)
{
    struct api_request r = event_post();

    (void)state;
    assert_accepted(&r, AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE);
    assert_accepted(&r, "auth_signature=" EVENT_SIGNATURE EVENT_MD5
                        "&auth_version=1.0&auth_timestamp=1353088179&auth_key=" KEY);
}

static void the_vector_of_the_channel_list_verifies(void **state)
{
    struct api_request r = get_of("/apps/3/channels");

    (void)state;
    assert_accepted(&r, AUTH
                    "&filter_by_prefix=presence-&info=user_count&auth_signature="
                    "16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291");
}

static void the_vector_of_a_get_with_the_md5_of_no_body_verifies(void **state)
{
    struct api_request r = get_of("/apps/3/channels/presence-foobar/users");

    (void)state;
    assert_accepted(&r, AUTH EMPTY_MD5
                    "&auth_signature="
                    "3d68b512095fd42cb6741cc80616761b1c77d00fcc4d6d9740f09504a4b761b0");
}

static void the_string_to_sign_is_the_rules(void **state)
{
    struct api_query q;
    struct buf s = BUF_INIT, why = BUF_INIT;

    (void)state;
    assert_int_equal(
        api_query_parse(
            &q, SLICE("info=a%2Cb&B=2&auth_signature=x&k[]=2&k[]=1&Auth_Key=K"), &why),
        0);
    api_sign_string(&s, SLICE("GET"), SLICE("/apps/3/channels"), &q);
    assert_string_equal(buf_cstr(&s),
                        "GET\n/apps/3/channels\nauth_key=K&b=2&info=a,b&k[]=2&k[]=1");
    api_query_fini(&q);
    buf_fini(&s);
}

static void a_query_of_nothing_signs_as_an_empty_line(void **state)
{
    struct api_query q;
    struct buf s = BUF_INIT, why = BUF_INIT;

    (void)state;
    assert_int_equal(api_query_parse(&q, SLICE("auth_signature=x"), &why), 0);
    api_sign_string(&s, SLICE("GET"), SLICE("/"), &q);
    assert_string_equal(buf_cstr(&s), "GET\n/\n");
    api_query_fini(&q);
    buf_fini(&s);
}

static void values_may_be_sent_escaped_or_not(void **state)
{
    static const struct variant variants[] = {
        /* Node, Go: as it is */
        {"/apps/3/channels", AUTH "&info=user_count,subscription_count",
         "/apps/3/channels\n" AUTH "&info=user_count,subscription_count"},
        /* PHP, Java, Ruby: escaped */
        {"/apps/3/channels", AUTH "&info=user_count%2Csubscription_count",
         "/apps/3/channels\n" AUTH "&info=user_count,subscription_count"},
        {"/apps/3/channels", AUTH "&filter_by_prefix=a%3D%40%3B",
         "/apps/3/channels\n" AUTH "&filter_by_prefix=a=@;"},
        /* form encoding of a space; Node's plus sign, sent unescaped */
        {"/apps/3/channels", AUTH "&x=a+b", "/apps/3/channels\n" AUTH "&x=a b"},
        {"/apps/3/channels",
         AUTH "&x=a+b%2Cc&y=", "/apps/3/channels\n" AUTH "&x=a+b,c&y="},
        /* signed as sent */
        {"/apps/3/channels", AUTH "&x=a%2Cb", "/apps/3/channels\n" AUTH "&x=a%2Cb"},
    };

    (void)state;
    assert_variants(variants, COUNT(variants));
}

static void keys_may_be_sent_in_any_case_and_order(void **state)
{
    static const struct variant variants[] = {
        {"/apps/3/channels", "Info=cache&" AUTH, "/apps/3/channels\n" AUTH "&info=cache"},
        /* .NET signs them in the order in which it sends them */
        {"/apps/3/channels", "info=user_count&filter_by_prefix=presence-&" AUTH,
         "/apps/3/channels\ninfo=user_count&filter_by_prefix=presence-&" AUTH},
    };

    (void)state;
    assert_variants(variants, COUNT(variants));
}

static void arrays_may_be_signed_as_ruby_and_as_php_do(void **state)
{
    static const struct variant variants[] = {
        {"/apps/3/channels", AUTH "&info%5B%5D=user_count&info%5B%5D=cache",
         "/apps/3/channels\n" AUTH "&info[]=user_count&info[]=cache"},
        {"/apps/3/channels", AUTH "&info[0]=user_count&info[1]=cache&z=1",
         "/apps/3/channels\n" AUTH "&info=user_count,cache&z=1"},
        {"/apps/3/channels", AUTH "&info%5B0%5D=user_count",
         "/apps/3/channels\n" AUTH "&info=user_count"},
        {"/apps/3/channels", AUTH "&a=1&a=2", "/apps/3/channels\n" AUTH "&a=1&a=2"},
    };

    (void)state;
    assert_variants(variants, COUNT(variants));
}

static void the_path_may_be_signed_as_sent_or_decoded(void **state)
{
    static const struct variant variants[] = {
        {"/apps/3/users/%C3%BC/x", AUTH, "/apps/3/users/%C3%BC/x\n" AUTH},
        {"/apps/3/users/%C3%BC/x", AUTH, "/apps/3/users/\u00fc/x\n" AUTH},
        {"/apps/3/users/a+b%20c/x", AUTH, "/apps/3/users/a+b c/x\n" AUTH},
    };

    (void)state;
    assert_variants(variants, COUNT(variants));
}

static void the_path_may_be_signed_with_the_servers_prefix(void **state)
{
    struct api_request r = get_of("/apps/3/users/%41");
    struct buf query = BUF_INIT;

    (void)state;
    r.prefixed = SLICE("/ws/apps/3/users/%41");
    assert_accepted(&r, signed_by(&query, AUTH, "GET\n/apps/3/users/A\n" AUTH));
    assert_accepted(&r, signed_by(&query, AUTH, "GET\n/ws/apps/3/users/%41\n" AUTH));
    assert_accepted(&r, signed_by(&query, AUTH, "GET\n/ws/apps/3/users/A\n" AUTH));
    r.prefixed = SLICE_NONE;
    signed_by(&query, AUTH, "GET\n/ws/apps/3/users/A\n" AUTH);
    {
        struct buf why = BUF_INIT;

        assert_int_equal(verify_at(&r, buf_cstr(&query), NOW, &why), 401);
        buf_fini(&why);
    }
    buf_fini(&query);
}

static void a_missing_parameter_is_named_in_order(void **state)
{
    struct api_request r = event_post();

    (void)state;
    assert_refused(&r, NULL, "Missing parameter: auth_key");
    assert_refused(&r, "auth_signature=x", "Missing parameter: auth_key");
    assert_refused(&r, "auth_key=" KEY, "Missing parameter: auth_timestamp");
    assert_refused(&r, "auth_key=" KEY "&auth_timestamp=1",
                   "Missing parameter: auth_version");
    assert_refused(&r, AUTH, "Missing parameter: auth_signature");
    assert_refused(&r, AUTH "&auth_signature=x", "Missing parameter: body_md5");
}

static void a_foreign_key_is_unknown_before_anything_else_is_missed(void **state)
{
    struct api_request r = event_post();

    (void)state;
    assert_refused(&r, "auth_key=x", "Unknown auth_key");
    assert_refused(&r, "auth_key=", "Unknown auth_key");
    assert_refused(&r, "auth_key=" KEY "0&auth_timestamp=1", "Unknown auth_key");
}

static void another_version_is_refused(void **state)
{
    struct api_request r = get_of("/apps/3/channels");

    (void)state;
    assert_refused(&r,
                   "auth_key=" KEY
                   "&auth_timestamp=1353088179&auth_version=2.0&auth_signature=x",
                   "auth_version must be 1.0");
}

static void a_timestamp_is_good_for_600_seconds_both_ways(void **state)
{
    struct api_request r = event_post();
    const char *query = AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE;
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(verify_at(&r, query, NOW + 600, &why), 0);
    assert_int_equal(verify_at(&r, query, NOW - 600, &why), 0);
    assert_int_equal(verify_at(&r, query, NOW + 601, &why), 401);
    assert_string_equal(buf_cstr(&why),
                        "Timestamp expired: Given timestamp (2012-11-16T17:49:39Z) not "
                        "within 600s of server time (2012-11-16T17:59:40Z)");
    why.n = 0;
    assert_int_equal(verify_at(&r, query, NOW - 601, &why), 401);
    buf_fini(&why);
}

static void a_timestamp_that_is_no_number_of_seconds_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "now",
                                      "-1",
                                      "1353088179.5",
                                      "0x1",
                                      "1353088179000000",
                                      "99999999999999999999"};
    struct api_request r = get_of("/apps/3/channels");
    struct buf query = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        query.n = 0;
        buf_addf(&query,
                 "auth_key=" KEY "&auth_timestamp=%s&auth_version=1.0&auth_signature=x",
                 bad[i]);
        assert_refused(&r, buf_cstr(&query),
                       "auth_timestamp must be a number of seconds since 1970");
    }
    buf_fini(&query);
}

static void a_wrong_signature_is_told_what_to_sign(void **state)
{
    struct api_request r = event_post();

    (void)state;
    assert_refused(&r, AUTH EVENT_MD5 "&x=%22&auth_signature=a%22b",
                   "Invalid signature: you should have sent "
                   "HmacSHA256Hex(\"POST\\n/apps/3/events\\n" AUTH EVENT_MD5
                   "&x=\\\"\", your_secret_key), but you sent \"a\\\"b\"");
}

static void whatever_was_signed_can_not_be_changed(void **state)
{
    static const char *const queries[] = {
        AUTH EVENT_MD5 "&x=1&auth_signature=" EVENT_SIGNATURE,
        AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE "0",
        AUTH EVENT_MD5 "&auth_signature="
                       "DA454824C97BA181A32CCC17A72625BA02771F50B50E1E7430E47A1F3F457E6C",
        AUTH EVENT_MD5 "&auth_signature=&auth_signature=" EVENT_SIGNATURE,
        AUTH "&body_md5=ec365a775a4cd0599faeb73354201b60&auth_signature=" EVENT_SIGNATURE,
    };
    struct api_request r = event_post();
    struct buf why = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(queries); i++) {
        assert_int_equal(verify_at(&r, queries[i], NOW, &why), 401);
        assert_true(slice_starts(buf_slice(&why), SLICE("Invalid signature: ")));
        why.n = 0;
    }
    r.method = SLICE("PUT");
    assert_int_equal(
        verify_at(&r, AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE, NOW, &why), 401);
    r = event_post();
    r.path = SLICE("/apps/3/events/");
    assert_int_equal(
        verify_at(&r, AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE, NOW, &why), 401);
    buf_fini(&why);
}

static void another_body_is_refused_under_a_good_signature(void **state)
{
    struct api_request r = event_post();

    (void)state;
    r.body = SLICE("{}");
    assert_refused(&r, AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE,
                   "Invalid body_md5: the body's MD5 is "
                   "\"99914b932bd37a50b983c5e7c90ae93b\", but you sent "
                   "\"ec365a775a4cd0599faeb73354201b6f\"");
}

static void a_body_md5_is_checked_where_the_body_is_empty_too(void **state)
{
    struct api_request r = get_of("/apps/3/channels");
    struct buf query = BUF_INIT;

    (void)state;
    signed_by(&query, AUTH EVENT_MD5, "GET\n/apps/3/channels\n" AUTH EVENT_MD5);
    assert_refused(&r, buf_cstr(&query),
                   "Invalid body_md5: the body's MD5 is "
                   "\"d41d8cd98f00b204e9800998ecf8427e\", but you sent "
                   "\"ec365a775a4cd0599faeb73354201b6f\"");
    buf_fini(&query);
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
        cmocka_unit_test(the_vector_of_a_published_event_verifies),
        cmocka_unit_test(the_vector_of_the_channel_list_verifies),
        cmocka_unit_test(the_vector_of_a_get_with_the_md5_of_no_body_verifies),
        cmocka_unit_test(the_string_to_sign_is_the_rules),
        cmocka_unit_test(a_query_of_nothing_signs_as_an_empty_line),
        cmocka_unit_test(values_may_be_sent_escaped_or_not),
        cmocka_unit_test(keys_may_be_sent_in_any_case_and_order),
        cmocka_unit_test(arrays_may_be_signed_as_ruby_and_as_php_do),
        cmocka_unit_test(the_path_may_be_signed_as_sent_or_decoded),
        cmocka_unit_test(the_path_may_be_signed_with_the_servers_prefix),
        cmocka_unit_test(a_missing_parameter_is_named_in_order),
        cmocka_unit_test(a_foreign_key_is_unknown_before_anything_else_is_missed),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(a_timestamp_is_good_for_600_seconds_both_ways),
        cmocka_unit_test(a_timestamp_that_is_no_number_of_seconds_is_refused),
        cmocka_unit_test(a_wrong_signature_is_told_what_to_sign),
        cmocka_unit_test(whatever_was_signed_can_not_be_changed),
        cmocka_unit_test(another_body_is_refused_under_a_good_signature),
        cmocka_unit_test(a_body_md5_is_checked_where_the_body_is_empty_too),
        cmocka_unit_test(the_signer_makes_the_vectors),
        cmocka_unit_test(what_the_signer_makes_verifies),
        cmocka_unit_test(the_signer_refuses_parameters_that_it_sets_itself),
        cmocka_unit_test(the_signer_makes_nothing_that_the_server_would_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
