/* The vectors of PROTOCOL.md 6, and every refusal's text. A signature here is made over a
 * text written out, not by the code that verifies it. */
#include "protocol/auth.h"
#include "test/unit/api_signed.h"

#define EVENT_QUERY AUTH EVENT_MD5 "&auth_signature=" EVENT_SIGNATURE
#define EMPTY_MD5 "&body_md5=d41d8cd98f00b204e9800998ecf8427e"

static void assert_refused(const struct api_request *r, const char *query,
                           const char *expected)
{
    struct buf why = BUF_INIT;

    assert_int_equal(verify_at(r, query, NOW, &why), 401);
    assert_string_equal(buf_cstr(&why), expected);
    buf_fini(&why);
}

static int status_of(const struct api_request *r, const char *query)
{
    struct buf why = BUF_INIT;
    int status = verify_at(r, query, NOW, &why);

    buf_fini(&why);
    return status;
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

static void the_vector_of_a_published_event_verifies(void **state)
{
    struct api_request r = event_post();

    (void)state;
    assert_accepted(&r, EVENT_QUERY);
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
    struct buf why = BUF_INIT;

    (void)state;
    assert_int_equal(verify_at(&r, EVENT_QUERY, NOW + 600, &why), 0);
    assert_int_equal(verify_at(&r, EVENT_QUERY, NOW - 600, &why), 0);
    assert_int_equal(verify_at(&r, EVENT_QUERY, NOW + 601, &why), 401);
    assert_string_equal(buf_cstr(&why),
                        "Timestamp expired: Given timestamp (2012-11-16T17:49:39Z) not "
                        "within 600s of server time (2012-11-16T17:59:40Z)");
    why.n = 0;
    assert_int_equal(verify_at(&r, EVENT_QUERY, NOW - 601, &why), 401);
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
    assert_int_equal(status_of(&r, EVENT_QUERY), 401);
    r = event_post();
    r.path = SLICE("/apps/3/events/");
    assert_int_equal(status_of(&r, EVENT_QUERY), 401);
    buf_fini(&why);
}

static void another_body_is_refused_under_a_good_signature(void **state)
{
    struct api_request r = event_post();

    (void)state;
    r.body = SLICE("{}");
    assert_refused(&r, EVENT_QUERY,
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_a_published_event_verifies),
        cmocka_unit_test(the_vector_of_the_channel_list_verifies),
        cmocka_unit_test(the_vector_of_a_get_with_the_md5_of_no_body_verifies),
        cmocka_unit_test(the_string_to_sign_is_the_rules),
        cmocka_unit_test(a_query_of_nothing_signs_as_an_empty_line),
        cmocka_unit_test(a_missing_parameter_is_named_in_order),
        cmocka_unit_test(a_foreign_key_is_unknown_before_anything_else_is_missed),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(a_timestamp_is_good_for_600_seconds_both_ways),
        cmocka_unit_test(a_timestamp_that_is_no_number_of_seconds_is_refused),
        cmocka_unit_test(a_wrong_signature_is_told_what_to_sign),
        cmocka_unit_test(whatever_was_signed_can_not_be_changed),
        cmocka_unit_test(another_body_is_refused_under_a_good_signature),
        cmocka_unit_test(a_body_md5_is_checked_where_the_body_is_empty_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
