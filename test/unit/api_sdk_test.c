/* What each official SDK signs and what it sends, where the two differ: all of it is
 * accepted. */
#include "protocol/auth.h"
#include "test/unit/api_signed.h"

static int status_of(const struct api_request *r, const char *query)
{
    struct buf why = BUF_INIT;
    int status = verify_at(r, query, NOW, &why);

    buf_fini(&why);
    return status;
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
    assert_int_equal(status_of(&r, buf_cstr(&query)), 401);
    buf_fini(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_may_be_sent_escaped_or_not),
        cmocka_unit_test(keys_may_be_sent_in_any_case_and_order),
        cmocka_unit_test(arrays_may_be_signed_as_ruby_and_as_php_do),
        cmocka_unit_test(the_path_may_be_signed_as_sent_or_decoded),
        cmocka_unit_test(the_path_may_be_signed_with_the_servers_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
