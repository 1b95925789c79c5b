/* The unsigned query string is put together as text and parsed by the server's own
 * parser, so that what is signed is what the server will read. */
#include "protocol/api_signer.h"

#include "protocol/auth.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.~,", c));
}

static void put_escaped(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_unreserved(s.p[i]))
            buf_add_char(out, s.p[i]);
        else
            buf_addf(out, "%%%02X", (unsigned char)s.p[i]);
    }
}

/* The unsigned query: what every request has, then the caller's parameters. */
static void put_unsigned(struct buf *out, const struct api_request *r,
                         struct slice params, struct slice key, int64_t now)
{
    char hex[AUTH_MD5_HEX_LEN + 1];

    buf_add_lit(out, "auth_key=");
    put_escaped(out, key);
    buf_addf(out, "&auth_timestamp=%lld&auth_version=1.0", (long long)now);
    if (r->body.n) {
        auth_md5(hex, r->body);
        buf_addf(out, "&body_md5=%s", hex);
    }
    buf_add_char(out, '&');
    buf_add_slice(out, params);
}

/* True if no name stands twice that the signer sets itself. */
static bool reserved_once(const struct api_query *q)
{
    static const char *const names[] = {"auth_key", "auth_timestamp", "auth_version",
                                        "body_md5", "auth_signature"};
    unsigned n = 0;

    for (unsigned i = 0; i < q->n; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            n += slice_is(q->params[i].key, names[k]);
    }
    return n == 3u + (api_query_get(q, "body_md5").p != NULL) &&
           !api_query_get(q, "auth_signature").p;
}

static void put_signed(struct buf *out, const struct api_request *r,
                       const struct api_query *q, struct slice secret)
{
    char hex[AUTH_HEX_LEN + 1];
    struct buf s = BUF_INIT;

    api_sign_string(&s, r->method, r->path, q);
    auth_sign(hex, secret, buf_slice(&s));
    buf_fini(&s);
    for (unsigned i = 0; i < q->n; i++) {
        put_escaped(out, q->params[i].key);
        buf_add_char(out, '=');
        put_escaped(out, q->params[i].value);
        buf_add_char(out, '&');
    }
    buf_addf(out, "auth_signature=%s", hex);
}

enum err api_sign_query(struct buf *out, const struct api_request *r, struct slice params,
                        const struct api_credentials *app, int64_t now)
{
    struct buf text = BUF_INIT, why = BUF_INIT;
    struct api_query q;
    size_t start = out->n;
    enum err err = ERR_INVALID;

    put_unsigned(&text, r, params, app->key, now);
    if (api_query_parse(&q, buf_slice(&text), &why) == 0 && reserved_once(&q)) {
        put_signed(out, r, &q, app->secret);
        /* with auth_signature it must still be what api_query_parse takes */
        if (q.n < API_PARAMS_MAX && out->n - start <= API_QUERY_MAX)
            err = ERR_NONE;
        else
            out->n = start;
    }
    api_query_fini(&q);
    buf_fini(&text);
    buf_fini(&why);
    return err;
}
