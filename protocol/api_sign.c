/* The string to sign is built in one buffer and compared; when that fails, the few other
 * forms that official SDKs sign are tried, each only where it differs: a request that the
 * rule covers costs one HMAC, and the worst that anybody can send costs seven.
 *
 * - Node and Java sign the path before it is escaped, an old PHP with the path that the
 *   server has as its prefix.
 * - Node signs values unescaped and sends `+` as it is, which reads as a space.
 * - .NET signs its parameters in the order in which it sends them.
 * - PHP signs an array as k=a,b and sends it as k[0]=a&k[1]=b. */
#include "protocol/api_sign.h"

#include <time.h>

#include "protocol/auth.h"
#include "protocol/json_scan.h"

enum form {
    FORM_RULE,
    FORM_PLUS_KEPT,
    FORM_ARRAYS_JOINED,
    FORM_AS_SENT,
};

enum { SECONDS_DIGITS_MAX = 12 };

static bool is_signature(struct slice key)
{
    return slice_is(key, "auth_signature");
}

static void put_pair(struct buf *out, struct slice key, struct slice value)
{
    buf_add_slice(out, key);
    buf_add_char(out, '=');
    buf_add_slice(out, value);
    buf_add_char(out, '&');
}

static void put_value(struct buf *out, const struct api_param *p, enum form form)
{
    struct slice value = p->value;

    if (form == FORM_PLUS_KEPT)
        value = api_decode(out, p->raw_value, API_PLUS_KEPT);
    if (form == FORM_RULE || value.p == p->raw_value.p) /* else it is in out already */
        buf_add_slice(out, value);
}

static void put_sorted(struct buf *out, const struct api_query *q, enum form form)
{
    for (unsigned i = 0; i < q->n; i++) {
        if (is_signature(q->params[i].key))
            continue;
        buf_add_slice(out, q->params[i].key);
        buf_add_char(out, '=');
        put_value(out, &q->params[i], form);
        buf_add_char(out, '&');
    }
}

/* Up to the bracket of key[0]. */
static struct slice array_name(struct slice key)
{
    const char *bracket = key.n ? memchr(key.p, '[', key.n) : NULL;

    return (struct slice){key.p, bracket ? (size_t)(bracket - key.p) : key.n};
}

static void put_joined(struct buf *out, const struct api_query *q)
{
    struct slice last = SLICE_NONE;

    for (unsigned i = 0; i < q->n; i++) {
        struct slice name = array_name(q->params[i].key);

        if (is_signature(q->params[i].key))
            continue;
        if (name.n < q->params[i].key.n && last.p && slice_eq(name, last)) {
            out->p[out->n - 1] = ','; /* in the place of the & */
            buf_add_slice(out, q->params[i].value);
            buf_add_char(out, '&');
        } else {
            put_pair(out, name, q->params[i].value);
        }
        last = name;
    }
}

static void put_as_sent(struct buf *out, const struct api_query *q)
{
    struct slice rest = q->text, key, value;

    while (api_query_next(&rest, &key, &value)) {
        if (!is_signature(key))
            put_pair(out, key, value);
    }
}

static bool has_array(const struct api_query *q)
{
    for (unsigned i = 0; i < q->n; i++) {
        if (array_name(q->params[i].key).n < q->params[i].key.n)
            return true;
    }
    return false;
}

/* Whether the query reads otherwise in this form. */
static bool form_differs(const struct api_query *q, enum form form)
{
    switch (form) {
    case FORM_RULE:
        return true;
    case FORM_PLUS_KEPT:
        return q->text.n && memchr(q->text.p, '+', q->text.n);
    case FORM_ARRAYS_JOINED:
        return has_array(q);
    case FORM_AS_SENT:
        return !q->sorted || q->scratch.n;
    }
    return false;
}

static void put_query(struct buf *out, const struct api_query *q, enum form form)
{
    size_t start = out->n;

    if (form == FORM_AS_SENT)
        put_as_sent(out, q);
    else if (form == FORM_ARRAYS_JOINED)
        put_joined(out, q);
    else
        put_sorted(out, q, form);
    if (out->n > start)
        out->n--; /* the last & */
}

static void put_string(struct buf *out, struct slice method, struct slice path,
                       const struct api_query *q, enum form form)
{
    buf_reserve(out, method.n + path.n + q->text.n + API_PARAMS_MAX + 2);
    buf_add_slice(out, method);
    buf_add_char(out, '\n');
    buf_add_slice(out, path);
    buf_add_char(out, '\n');
    put_query(out, q, form);
}

void api_sign_string(struct buf *out, struct slice method, struct slice path,
                     const struct api_query *q)
{
    put_string(out, method, path, q, FORM_RULE);
}

/* What the signature is held against. */
struct check {
    const struct api_request *r;
    const struct api_query *q;
    struct slice given;
    struct slice secret;
    struct buf text; /* the string to sign, one after another */
};

static bool signs(struct check *c, struct slice path, enum form form)
{
    c->text.n = 0;
    put_string(&c->text, c->r->method, path, c->q, form);
    return auth_signature_is(c->given, c->secret, buf_slice(&c->text));
}

/* The path as sent, or decoded if that is another. */
static bool signs_path(struct check *c, struct slice path)
{
    struct buf decoded = BUF_INIT;
    struct slice other = api_decode(&decoded, path, API_PLUS_KEPT);
    bool ok =
        signs(c, path, FORM_RULE) || (other.p != path.p && signs(c, other, FORM_RULE));

    buf_fini(&decoded);
    return ok;
}

static bool signs_in_any_form(struct check *c)
{
    if (signs_path(c, c->r->path))
        return true;
    if (c->r->prefixed.p && signs_path(c, c->r->prefixed))
        return true;
    for (int form = FORM_PLUS_KEPT; form <= FORM_AS_SENT; form++) {
        if (form_differs(c->q, (enum form)form) && signs(c, c->r->path, (enum form)form))
            return true;
    }
    return false;
}

static int refuse(struct buf *why, const char *text)
{
    buf_add_slice(why, slice_of(text));
    return 401;
}

static int refuse_signature(const struct check *c, struct buf *why)
{
    struct buf rule = BUF_INIT;

    api_sign_string(&rule, c->r->method, c->r->path, c->q);
    buf_add_lit(why, "Invalid signature: you should have sent HmacSHA256Hex(\"");
    json_escape(why, buf_slice(&rule));
    buf_add_lit(why, "\", your_secret_key), but you sent \"");
    json_escape(why, c->given);
    buf_add_char(why, '"');
    buf_fini(&rule);
    return 401;
}

static int check_signature(const struct api_request *r, const struct api_query *q,
                           struct slice secret, struct buf *why)
{
    struct check c = {.r = r, .q = q, .secret = secret, .text = BUF_INIT};
    int status = 0;

    c.given = api_query_get(q, "auth_signature");
    if (!signs_in_any_form(&c))
        status = refuse_signature(&c, why);
    buf_fini(&c.text);
    return status;
}

static int check_present(const struct api_query *q, const char *name, struct buf *why)
{
    if (api_query_get(q, name).p)
        return 0;
    buf_addf(why, "Missing parameter: %s", name);
    return 401;
}

static int check_parameters(const struct api_request *r, const struct api_query *q,
                            struct slice key, struct buf *why)
{
    static const char *const names[] = {"auth_timestamp", "auth_version",
                                        "auth_signature"};
    int status = check_present(q, "auth_key", why);

    if (status)
        return status;
    if (!slice_eq(api_query_get(q, "auth_key"), key))
        return refuse(why, "Unknown auth_key");
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !status; i++)
        status = check_present(q, names[i], why);
    if (!status && r->body.n)
        status = check_present(q, "body_md5", why);
    if (!status && !slice_is(api_query_get(q, "auth_version"), "1.0"))
        status = refuse(why, "auth_version must be 1.0");
    return status;
}

/* False where s isn't a number of seconds that anybody could mean. */
static bool read_seconds(struct slice s, int64_t *out)
{
    *out = 0;
    if (!s.n || s.n > SECONDS_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        *out = *out * 10 + (s.p[i] - '0');
    }
    return true;
}

static void put_time(struct buf *out, int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (!gmtime_r(&t, &tm))
        return;
    buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int check_timestamp(const struct api_query *q, int64_t now, struct buf *why)
{
    int64_t given;

    if (!read_seconds(api_query_get(q, "auth_timestamp"), &given))
        return refuse(why, "auth_timestamp must be a number of seconds since 1970");
    if (given >= now - API_WINDOW_S && given <= now + API_WINDOW_S)
        return 0;
    buf_add_lit(why, "Timestamp expired: Given timestamp (");
    put_time(why, given);
    buf_addf(why, ") not within %ds of server time (", API_WINDOW_S);
    put_time(why, now);
    buf_add_char(why, ')');
    return 401;
}

static int check_body(const struct api_request *r, const struct api_query *q,
                      struct buf *why)
{
    struct slice given = api_query_get(q, "body_md5");
    char hex[AUTH_MD5_HEX_LEN + 1];

    if (!given.p)
        return 0;
    auth_md5(hex, r->body);
    if (slice_is(given, hex))
        return 0;
    buf_addf(why, "Invalid body_md5: the body's MD5 is \"%s\", but you sent \"", hex);
    json_escape(why, given);
    buf_add_char(why, '"');
    return 401;
}

int api_sign_verify(const struct api_request *r, const struct api_query *q,
                    const struct api_credentials *app, int64_t now, struct buf *why)
{
    int status = check_parameters(r, q, app->key, why);

    if (!status)
        status = check_timestamp(q, now, why);
    if (!status)
        status = check_signature(r, q, app->secret, why);
    if (!status)
        status = check_body(r, q, why);
    return status;
}
