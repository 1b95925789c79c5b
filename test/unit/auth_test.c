/* The vectors of PROTOCOL.md 4 and 7, and signatures that are almost right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/auth.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEY "278d425bdf160c739803"

static const char secret_text[] = "7ad3773142a6692b25b8";

struct vector {
    const char *channel; /* NULL: a sign-in, with user_data */
    const char *data;
    const char *s;
    const char *hex;
};

/* PROTOCOL.md 4 and 7. */
static const struct vector vectors[] = {
    {"private-foobar", NULL, "1234.1234:private-foobar",
     "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"},
    {"private-foobar", "{\"user_id\":\"u1\"}",
     "1234.1234:private-foobar:{\"user_id\":\"u1\"}",
     "e307391c8e8e9253874a38e3a02b657cea6bc4be825f9da02357cffdfd618d6d"},
    {"presence-foobar", NULL, "1234.1234:presence-foobar",
     "71506e66e7fdca106571b8999a849ad34245bc653772e51e0026c1a2475b92ba"},
    {"presence-foobar", "{\"user_id\":10,\"user_info\":{\"name\":\"Mr. Channels\"}}",
     "1234.1234:presence-foobar:{\"user_id\":10,\"user_info\":{\"name\":\"Mr. "
     "Channels\"}}",
     "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"},
    {"presence-foobar", "{\"user_id\":\"\u00fc\u20ac\",\"user_info\":{\"n\":\"\u00e9\"}}",
     "1234.1234:presence-foobar:{\"user_id\":\"\u00fc\u20ac\",\"user_info\":{\"n\":"
     "\"\u00e9\"}}",
     "e0466a03c07ad939e0af8884952721da375f28aeb65aab7a1a9d56b1441ad8d9"},
    {NULL, "{\"id\":\"12345\"}", "1234.1234::user::{\"id\":\"12345\"}",
     "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"},
    {NULL,
     "{\"id\":\"alice\",\"user_info\":{\"name\":\"Alice\"},\"watchlist\":[\"bob\","
     "\"carol\"]}",
     "1234.1234::user::{\"id\":\"alice\",\"user_info\":{\"name\":\"Alice\"},"
     "\"watchlist\":[\"bob\",\"carol\"]}",
     "60fcf497a9317e3ff0a94852b6fedf61cca3bdf5d52d7e518a24e864b2ce2a7d"},
};

static bool verify(const char *auth, const char *s)
{
    return auth_verify(slice_of(auth), SLICE(KEY), slice_of(secret_text), slice_of(s));
}

static void the_string_to_sign_is_put_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct buf b = BUF_INIT;

        if (v->channel)
            auth_channel_string(&b, SLICE("1234.1234"), slice_of(v->channel),
                                slice_of(v->data));
        else
            auth_signin_string(&b, SLICE("1234.1234"), slice_of(v->data));
        assert_string_equal(buf_cstr(&b), v->s);
        buf_fini(&b);
    }
}

static void every_vector_of_the_protocol_signs_and_verifies(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        char hex[AUTH_HEX_LEN + 1];
        char auth[sizeof KEY + 1 + AUTH_HEX_LEN];

        auth_sign(hex, slice_of(secret_text), slice_of(vectors[i].s));
        assert_string_equal(hex, vectors[i].hex);
        strcpy(auth, KEY ":");
        strcat(auth, vectors[i].hex);
        assert_true(verify(auth, vectors[i].s));
    }
}

static void the_webhook_vector_signs(void **state)
{
    char hex[AUTH_HEX_LEN + 1];

    (void)state;
    auth_sign(
        hex, slice_of(secret_text),
        SLICE("{\"time_ms\":1327078148132,\"events\":[{\"name\":\"channel_occupied\","
              "\"channel\":\"my-channel\"}]}"));
    assert_string_equal(
        hex, "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf");
}

static void an_empty_channel_data_is_signed_as_present(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    auth_channel_string(&b, SLICE("1.2"), SLICE("a"), SLICE(""));
    assert_string_equal(buf_cstr(&b), "1.2:a:");
    buf_fini(&b);
}

static void anything_but_the_exact_signature_is_refused(void **state)
{
    static const char *const bad[] = {
        NULL,
        "",
        ":",
        KEY,
        KEY ":",
        KEY ":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a5",
        KEY ":58DF8B0C36D6982B82C3ECF6B4662E34FE8C25BBA48F5369F135BF843651C3A4",
        KEY ":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a",
        KEY ":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a44",
        KEY "x58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
        "278d425bdf160c739804:"
        "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
        "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
        KEY ":0000000000000000000000000000000000000000000000000000000000000000",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(verify(bad[i], vectors[0].s));
}

static void another_secret_makes_another_signature(void **state)
{
    struct slice auth =
        SLICE(KEY ":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4");

    (void)state;
    assert_false(auth_verify(auth, SLICE(KEY), SLICE("other"), slice_of(vectors[0].s)));
    assert_false(auth_verify(auth, SLICE(KEY), SLICE_NONE, slice_of(vectors[0].s)));
}

static void an_empty_text_and_an_empty_secret_can_be_signed(void **state)
{
    char hex[AUTH_HEX_LEN + 1];

    (void)state;
    auth_sign(hex, SLICE_NONE, SLICE_NONE);
    assert_string_equal(
        hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void a_secret_is_only_itself(void **state)
{
    (void)state;
    assert_true(auth_secret_is(SLICE("token"), SLICE("token")));
    assert_false(auth_secret_is(SLICE("tokem"), SLICE("token")));
    assert_false(auth_secret_is(SLICE("toke"), SLICE("token")));
    assert_false(auth_secret_is(SLICE("tokens"), SLICE("token")));
    assert_false(auth_secret_is(SLICE(""), SLICE("token")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_string_to_sign_is_put_together),
        cmocka_unit_test(every_vector_of_the_protocol_signs_and_verifies),
        cmocka_unit_test(the_webhook_vector_signs),
        cmocka_unit_test(an_empty_channel_data_is_signed_as_present),
        cmocka_unit_test(anything_but_the_exact_signature_is_refused),
        cmocka_unit_test(another_secret_makes_another_signature),
        cmocka_unit_test(an_empty_text_and_an_empty_secret_can_be_signed),
        cmocka_unit_test(a_secret_is_only_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
