/* Both kinds of signed data are one parser with two sets of texts. A user's id and the
 * ids of a watchlist are borrowed where they hold no escape, else unescaped into scratch,
 * which doesn't move once a slice points into it; user_info is cut verbatim. */
#include "protocol/channel_data.h"

#include "protocol/json_scan.h"

/* What to say about a name, for channel_data and user_data; the rules are one. */
struct texts {
    const char *not_object;
    const char *missing;
    const char *wrong_type;
    const char *fraction;
    const char *empty;
    const char *too_long;
};

static const struct texts channel_texts = {
    .not_object = "channel_data is not a valid JSON object",
    .missing = "channel_data has no user_id",
    .wrong_type = "user_id in channel_data must be a string or an integer",
    .fraction = "user_id in channel_data must be an integer where it is a number",
    .empty = "user_id in channel_data is empty",
    .too_long = "user_id in channel_data is longer than 128 bytes",
};

static const struct texts signin_texts = {
    .not_object = "user_data is not a valid JSON object",
    .missing = "user_data has no id",
    .wrong_type = "id in user_data must be a string",
    .empty = "id in user_data is empty",
    .too_long = "id in user_data is longer than 128 bytes",
};

/* A string's bytes: borrowed as they are, or unescaped into scratch, which is used once.
 */
static struct slice string_bytes(struct user_data *d, struct slice raw)
{
    if (json_is_plain(raw))
        return (struct slice){raw.p + 1, raw.n - 2};
    json_unescape(&d->scratch, raw);
    return buf_slice(&d->scratch);
}

/* NULL if raw, a JSON number, is an integer; then its digits are in *id, "-0" being "0".
 */
static const char *integer_id(struct slice raw, struct slice *id, const struct texts *t)
{
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '-' && (raw.p[i] < '0' || raw.p[i] > '9'))
            return t->fraction;
    }
    *id = slice_is(raw, "-0") ? SLICE("0") : raw;
    return NULL;
}

static const char *id_fault(struct slice id, const struct texts *t)
{
    if (!id.n)
        return t->empty;
    if (id.n > USER_ID_MAX)
        return t->too_long;
    return NULL;
}

static const char *take_id(struct user_data *d, struct json_value id, bool numbers,
                           const struct texts *t)
{
    const char *fault = NULL;

    if (id.type == JSON_ABSENT)
        return t->missing;
    if (id.type == JSON_STRING)
        d->id = string_bytes(d, id.raw);
    else if (id.type == JSON_NUMBER && numbers)
        fault = integer_id(id.raw, &d->id, t);
    else
        fault = t->wrong_type;
    return fault ? fault : id_fault(d->id, t);
}

static const char *parse(struct slice text, struct user_data *out, const char *id_key,
                         const struct texts *t)
{
    struct json_want want[] = {{.name = id_key}, {.name = "user_info"}};
    const char *why;

    *out = (struct user_data){.id = SLICE_NONE, .info = SLICE_NONE, .scratch = BUF_INIT};
    if (json_scan_object(text, want, 2, &why) != ERR_NONE)
        return t->not_object;
    if (want[1].value.type != JSON_ABSENT && want[1].value.type != JSON_NULL)
        out->info = want[1].value.raw;
    return take_id(out, want[0].value, t->fraction != NULL, t);
}

const char *channel_data_parse(struct slice channel_data, struct user_data *out)
{
    return parse(channel_data, out, "user_id", &channel_texts);
}

const char *signin_data_parse(struct slice user_data, struct user_data *out)
{
    return parse(user_data, out, "id", &signin_texts);
}

void user_data_fini(struct user_data *d)
{
    buf_fini(&d->scratch);
}

static bool is_listed(const struct watchlist *w, struct slice id)
{
    for (unsigned i = 0; i < w->n; i++) {
        if (slice_eq(w->ids[i], id))
            return true;
    }
    return false;
}

/* scratch has room for all that the watchlist can unescape to: it never moves. */
static void add_listed(struct watchlist *w, struct slice raw)
{
    struct slice id = {raw.p + 1, raw.n - 2};
    size_t start = w->scratch.n;

    if (!json_is_plain(raw)) {
        json_unescape(&w->scratch, raw);
        id = (struct slice){w->scratch.p + start, w->scratch.n - start};
    }
    if (id.n && id.n <= USER_ID_MAX && !is_listed(w, id))
        w->ids[w->n++] = id;
}

const char *signin_watchlist(struct slice user_data, struct watchlist *out)
{
    struct json_want want[] = {{.name = "watchlist"}};
    struct json_value item, *list = &want[0].value;
    struct json_items items;
    const char *why;

    out->n = 0;
    out->longer = false;
    out->scratch = BUF_INIT;
    if (json_scan_object(user_data, want, 1, &why) != ERR_NONE)
        return signin_texts.not_object;
    if (list->type == JSON_ABSENT || list->type == JSON_NULL)
        return NULL;
    if (list->type != JSON_ARRAY)
        return "watchlist in user_data must be an array of strings";
    if (!json_is_plain(list->raw))
        buf_reserve(&out->scratch, list->raw.n);
    items = json_items_of(list->raw);
    for (unsigned seen = 0; json_items_next(&items, &item, NULL, 0); seen++) {
        if (item.type != JSON_STRING)
            return "watchlist in user_data must be an array of strings";
        if (seen < WATCHLIST_MAX)
            add_listed(out, item.raw);
        out->longer = seen >= WATCHLIST_MAX;
    }
    return NULL;
}

void watchlist_fini(struct watchlist *w)
{
    buf_fini(&w->scratch);
}
