/* The HTTP API's questions (PROTOCOL.md 6): a list of occupied channels, one channel, its
 * users. */
#include "protocol/api_info.h"
#include "protocol/json_scan.h"
#include "server/api.h"
#include "server/api_app.h"
#include "server/api_call.h"
#include "server/node.h"
#include "server/worker.h"

static const char json[] = "application/json";

static void add_string(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    json_escape(out, s);
    buf_add_char(out, '"');
}

/* `,"name":number` for each attribute asked for; *first drops the comma. */
static void add_attributes(struct buf *out, const struct channel_facts *f, unsigned info,
                           bool *first)
{
    if (info & API_INFO_USER_COUNT) {
        buf_addf(out, "%s\"user_count\":%u", *first ? "" : ",", f->users);
        *first = false;
    }
    if (info & API_INFO_SUBSCRIPTION_COUNT) {
        buf_addf(out, "%s\"subscription_count\":%u", *first ? "" : ",", f->subscriptions);
        *first = false;
    }
}

/* The request is signed and within its allowance; or NULL, and it was answered. */
static struct app *enter(struct http_request *r, struct api_query *q)
{
    struct app *app = api_enter(r, q);

    return app && api_allowed(r, app, API_READS, 1) ? app : NULL;
}

/* True, or the answer with the text in why is on its way. */
static bool checked(struct http_request *r, int status, struct buf *why)
{
    if (status)
        http_reply_text(r, (unsigned)status, buf_cstr(why));
    buf_fini(why);
    return !status;
}

static void list_channels(struct http_request *r, struct api_state *s)
{
    struct buf *out = &r->reply.body;
    const char *comma = "";

    buf_add_lit(out, "{\"channels\":{");
    for (const struct api_answer *a = s->answers[0]; a; a = a->next) {
        for (size_t i = 0; i < a->answer->n; i++) {
            const struct channel_facts *f = &a->answer->facts[i];
            bool first = true;

            buf_addf(out, "%s", comma);
            comma = ",";
            add_string(out, lookup_bytes(a->answer, f->name));
            buf_add_lit(out, ":{");
            add_attributes(out, f, s->info, &first);
            buf_add_char(out, '}');
        }
    }
    buf_add_lit(out, "}}");
    http_finish(r, json);
}

static unsigned attributes_of(unsigned info)
{
    return (info & API_INFO_USER_COUNT ? LOOKUP_USERS : 0u) |
           (info & API_INFO_CACHE ? LOOKUP_CACHE : 0u);
}

void api_get_channels(struct http_request *r)
{
    struct api_query q;
    struct app *app = enter(r, &q);
    struct buf why = BUF_INIT;
    unsigned info = 0;

    if (app && checked(r, api_channels_check(&q, &info, &why), &why)) {
        struct slice prefix = api_query_get(&q, "filter_by_prefix");

        api_state_alloc(r, 1, list_channels)->info = info;
        api_ask(r, &(struct lookup_query){.app = app->id,
                                          .prefix = prefix,
                                          .attributes = attributes_of(info)});
    }
    api_query_fini(&q);
}

static const struct channel_facts *only_fact(const struct api_state *s)
{
    static const struct channel_facts none = {.users = 0};
    const struct lookup_answer *a = s->answers[0]->answer;

    return a->n ? &a->facts[0] : &none;
}

static void show_channel(struct http_request *r, struct api_state *s)
{
    const struct channel_facts *f = only_fact(s);
    struct buf *out = &r->reply.body;
    bool first = false;

    buf_addf(out, "{\"occupied\":%s", f->subscriptions || f->users ? "true" : "false");
    add_attributes(out, f, s->info, &first);
    if ((s->info & API_INFO_CACHE) && f->cached.n) {
        buf_add_lit(out, ",\"cache\":{\"data\":");
        buf_add_slice(out, lookup_bytes(s->answers[0]->answer, f->cached));
        buf_addf(out, ",\"ttl\":%u}", f->cached_ttl);
    }
    buf_add_char(out, '}');
    http_finish(r, json);
}

static void ask_channel(struct http_request *r, const struct app *app,
                        unsigned attributes)
{
    struct slice channel = r->args[1];

    api_ask(r, &(struct lookup_query){
                   .app = app->id,
                   .channel = channel,
                   .home = home_of(app->id, channel, r->worker->node->n_workers),
                   .attributes = attributes,
               });
}

void api_get_channel(struct http_request *r)
{
    struct api_query q;
    struct app *app = enter(r, &q);
    struct buf why = BUF_INIT;
    unsigned info = 0;

    if (app && checked(r, api_channel_check(&q, r->args[1], &info, &why), &why)) {
        api_state_alloc(r, 1, show_channel)->info = info;
        ask_channel(r, app, attributes_of(info));
    }
    api_query_fini(&q);
}

static void list_users(struct http_request *r, struct api_state *s)
{
    const struct lookup_answer *a = s->answers[0]->answer;
    struct buf *out = &r->reply.body;

    buf_add_lit(out, "{\"users\":[");
    for (size_t i = 0; i < a->n_members; i++) {
        buf_addf(out, "%s{\"id\":", i ? "," : "");
        add_string(out, lookup_bytes(a, a->members[i]));
        buf_add_char(out, '}');
    }
    buf_add_lit(out, "]}");
    http_finish(r, json);
}

void api_get_users(struct http_request *r)
{
    struct api_query q;
    struct app *app = enter(r, &q);
    struct buf why = BUF_INIT;

    if (app && checked(r, api_users_check(r->args[1], &why), &why)) {
        api_state_alloc(r, 1, list_users);
        ask_channel(r, app, LOOKUP_MEMBERS);
    }
    api_query_fini(&q);
}
