/* The demo's three answers. The page is compiled in (scripts/embed); what it needs to
 * know of the configuration it asks for as /demo.json; and /pusher/auth plays the backend
 * that a real site has: it believes whoever asks, names and colours them as they wish,
 * and signs. In a cluster connection_established names the node too: no request could ask
 * for that, as each may be answered by another node than the socket's. */
#include "server/demo.h"

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "protocol/auth.h"
#include "protocol/channel_name.h"
#include "protocol/json_scan.h"
#include "server/base/xalloc.h"
#include "server/node.h"
#include "server/worker.h"

extern const unsigned char demo_page[];
extern const size_t demo_page_size;

void demo_get_page(struct http_request *r)
{
    buf_add(&r->reply.body, demo_page, demo_page_size);
    http_finish(r, "text/html; charset=utf-8");
}

static void add_string(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    json_escape(out, s);
    buf_add_char(out, '"');
}

void demo_get_settings(struct http_request *r)
{
    const struct node *n = r->worker->node;
    struct buf *out = &r->reply.body;
    const char *separator = "";

    buf_add_lit(out, "{\"apps\":{");
    for (size_t i = 0; i < n->apps.n; i++) {
        const struct app *app = &n->apps.apps[i];

        if (i && !slice_is(app->id, "lobby"))
            continue;
        buf_addf(out, "%s\"%s\":{\"key\":", separator, i ? "lobby" : "main");
        add_string(out, app->key);
        buf_add_char(out, '}');
        separator = ",";
    }
    buf_add_lit(out, "},\"path_prefix\":");
    add_string(out, slice_of(n->conf->path_prefix));
    buf_add_char(out, '}');
    http_finish(r, "application/json");
}

/* Forms: name=value&…, with + and %XX */

static int hex(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static void url_decode(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 &&
            hex(s.p[i + 2]) >= 0) {
            buf_add_char(out, (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])));
            i += 2;
        } else {
            buf_add_char(out, s.p[i] == '+' ? ' ' : s.p[i]);
        }
    }
}

/* Decodes the field into out; absent: out stays empty. */
static void form_field(struct slice form, const char *name, struct buf *out)
{
    struct slice wanted = slice_of(name);

    while (form.n) {
        const char *amp = memchr(form.p, '&', form.n);
        struct slice pair = {form.p, amp ? (size_t)(amp - form.p) : form.n};

        if (slice_starts(pair, wanted) && pair.n > wanted.n && pair.p[wanted.n] == '=') {
            url_decode(out, (struct slice){pair.p + wanted.n + 1, pair.n - wanted.n - 1});
            return;
        }
        form.p += pair.n + (amp ? 1 : 0);
        form.n -= pair.n + (amp ? 1 : 0);
    }
}

struct auth_form {
    struct buf socket_id, channel, app_key, user_id, name, color;
};

static void read_form(struct auth_form *f, struct slice body)
{
    form_field(body, "socket_id", &f->socket_id);
    form_field(body, "channel_name", &f->channel);
    form_field(body, "app_key", &f->app_key);
    form_field(body, "user_id", &f->user_id);
    form_field(body, "user_name", &f->name);
    form_field(body, "user_color", &f->color);
    if (!f->user_id.n)
        buf_addf(&f->user_id, "guest-%.*s", SLICE_ARG(buf_slice(&f->socket_id)));
    if (!f->name.n)
        buf_add_lit(&f->name, "Guest");
    if (!f->color.n)
        buf_add_lit(&f->color, "#6b7280");
}

static void free_form(struct auth_form *f)
{
    buf_fini(&f->socket_id);
    buf_fini(&f->channel);
    buf_fini(&f->app_key);
    buf_fini(&f->user_id);
    buf_fini(&f->name);
    buf_fini(&f->color);
}

static void make_channel_data(struct buf *out, const struct auth_form *f)
{
    buf_add_lit(out, "{\"user_id\":");
    add_string(out, buf_slice(&f->user_id));
    buf_add_lit(out, ",\"user_info\":{\"name\":");
    add_string(out, buf_slice(&f->name));
    buf_add_lit(out, ",\"color\":");
    add_string(out, buf_slice(&f->color));
    buf_add_lit(out, "}}");
}

static void sign(struct buf *out, const struct app *app, const struct auth_form *f)
{
    struct slice channel = buf_slice(&f->channel), data = SLICE_NONE;
    struct buf channel_data = BUF_INIT, s = BUF_INIT;
    char hex_digest[AUTH_HEX_LEN + 1];

    if (channel_is_presence(channel_kind_of(channel))) {
        make_channel_data(&channel_data, f);
        data = buf_slice(&channel_data);
    }
    auth_channel_string(&s, buf_slice(&f->socket_id), channel, data);
    auth_sign(hex_digest, app->secret, buf_slice(&s));
    buf_addf(out, "{\"auth\":\"%.*s:%s\"", SLICE_ARG(app->key), hex_digest);
    if (data.p) {
        buf_add_lit(out, ",\"channel_data\":");
        add_string(out, data);
    }
    buf_add_char(out, '}');
    buf_fini(&channel_data);
    buf_fini(&s);
}

static bool form_is_text(const struct auth_form *f)
{
    return utf8_valid(buf_slice(&f->socket_id)) && utf8_valid(buf_slice(&f->channel)) &&
           utf8_valid(buf_slice(&f->user_id)) && utf8_valid(buf_slice(&f->name)) &&
           utf8_valid(buf_slice(&f->color));
}

void demo_post_auth(struct http_request *r)
{
    const struct node *n = r->worker->node;
    struct auth_form f = {0};
    const struct app *app = n->apps.n ? &n->apps.apps[0] : NULL;

    read_form(&f, buf_slice(&r->body));
    if (f.app_key.n)
        app = apps_find(&n->apps, buf_slice(&f.app_key));
    if (!app || (app->index && !slice_is(app->id, "lobby"))) {
        http_reply_text(r, 404, "Unknown app_key");
    } else if (!f.socket_id.n || !f.channel.n || !form_is_text(&f)) {
        http_reply_text(r, 400, "socket_id and channel_name are required, in UTF-8");
    } else {
        sign(&r->reply.body, app, &f);
        http_finish(r, "application/json");
    }
    free_form(&f);
}

char *demo_node_name(const struct conf *conf)
{
    char host[65] = "", name[80];

    if (!conf->demo || conf->adapter_driver == CONF_ADAPTER_LOCAL)
        return NULL;
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    for (char *c = host; *c; c++) { /* it stands in JSON in JSON */
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.')
            *c = '_';
    }
    snprintf(name, sizeof name, "%s:%u", host, conf->port);
    return xstrdup(name);
}
