/* One row a key. To add one: a field in conf.h, a row here, a line in muster.cfg.example
 * and one in the README (tests compare them). */
#include "conf/schema.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "conf/check.h"
#include "conf/conf.h"
#include "server/base/log.h"

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_forms[] = {"text", "json", NULL};

static const char *const adapters[] = {
    [CONF_ADAPTER_LOCAL] = "local", [CONF_ADAPTER_REDIS] = "redis", NULL};

static const char *const webhook_events[] = {
    [CONF_WEBHOOK_CHANNEL_OCCUPIED] = "channel_occupied",
    [CONF_WEBHOOK_CHANNEL_VACATED] = "channel_vacated",
    [CONF_WEBHOOK_MEMBER_ADDED] = "member_added",
    [CONF_WEBHOOK_MEMBER_REMOVED] = "member_removed",
    [CONF_WEBHOOK_CLIENT_EVENT] = "client_event",
    [CONF_WEBHOOK_CACHE_MISS] = "cache_miss",
    [CONF_WEBHOOK_SUBSCRIPTION_COUNT] = "subscription_count",
    [CONF_WEBHOOK_EVENTS] = NULL,
};

static_assert(LOG_LEVEL_DEBUG == 0 && LOG_LEVEL_ERROR == 3, "as log_levels");
static_assert(LOG_FORM_TEXT == 0 && LOG_FORM_JSON == 1, "as log_forms");
/* CONF_LIST, CONF_PAIRS and CONF_GROUPS set both. */
#define COUNT_FOLLOWS(type, list, count)                                          \
    static_assert(offsetof(type, count) == offsetof(type, list) + sizeof(void *), \
                  "the count stands right behind the list")
COUNT_FOLLOWS(struct conf_app, allowed_origins, n_allowed_origins);
COUNT_FOLLOWS(struct conf_app, webhooks, n_webhooks);
COUNT_FOLLOWS(struct conf_webhook, headers, n_headers);
COUNT_FOLLOWS(struct conf, cors_allowed_origins, n_cors_allowed_origins);
COUNT_FOLLOWS(struct conf, redis.sentinels, redis.n_sentinels);

#define NODE(field) .offset = offsetof(struct conf, field)
#define APP(field) .offset = offsetof(struct conf_app, field)
#define WEBHOOK(field) .offset = offsetof(struct conf_webhook, field)
#define BOOL .type = CONF_BOOL
#define UNSIGNED .type = CONF_UNSIGNED
#define STRING .type = CONF_STRING
#define ENUM .type = CONF_ENUM
#define LIST .type = CONF_LIST
#define PAIRS .type = CONF_PAIRS
#define FLAGS .type = CONF_FLAGS
#define GROUPS .type = CONF_GROUPS

const struct conf_key conf_keys[] = {
    {"host", STRING, NULL, "0.0.0.0", 1, 255, NODE(host), .check = check_host,
     .help = "Address to listen on; 127.0.0.1 where nothing names an app."},
    {"port", UNSIGNED, NULL, "6001", 0, 65535, NODE(port),
     .help = "TCP port; 0: any free one, which the log names."},
    {"path_prefix", STRING, NULL, "", 0, 128, NODE(path_prefix),
     .check = check_path_prefix,
     .help = "What stands before /app/KEY in the URL, such as /realtime."},
    {"workers", UNSIGNED, NULL, "0", 0, 64, NODE(workers),
     .help = "Worker threads; 0: as many as CPUs may be used."},
    {"max_connections", UNSIGNED, NULL, "10000", 1, 1000000, NODE(max_connections),
     .help = "Connections at one time, all apps together."},
    {"activity_timeout", UNSIGNED, "s", "120", 1, 86400, NODE(activity_timeout),
     .help = "Silence after which a connection is pinged; clients are told."},
    {"pong_timeout", UNSIGNED, "s", "30", 1, 3600, NODE(pong_timeout),
     .help = "Wait for the answer to that ping before the connection is closed."},
    {"idle_timeout", UNSIGNED, "s", "86400", 0, 2592000, NODE(idle_timeout),
     .help = "Time without a subscription or command before closing; 0: never."},
    {"handshake_timeout", UNSIGNED, "s", "10", 1, 300, NODE(handshake_timeout),
     .help = "Time to complete the WebSocket handshake."},
    {"max_message_kb", UNSIGNED, "KiB", "100", 1, 10240, NODE(max_message_kb),
     .help = "Largest message a client may send."},
    {"max_event_kb", UNSIGNED, "KiB", "10", 1, 10240, NODE(max_event_kb),
     .help = "Largest data of one event."},
    {"max_http_body_kb", UNSIGNED, "KiB", "512", 1, 65536, NODE(max_http_body_kb),
     .help = "Largest body of a request to the HTTP API."},
    {"cache_ttl", UNSIGNED, "s", "1800", 1, 31536000, NODE(cache_ttl),
     .help = "How long a cache channel keeps its last event."},
    {"cache_max_kb", UNSIGNED, "KiB", "65536", 1, 16777216, NODE(cache_max_kb),
     .help =
         "Memory for those kept events, all apps together; not where Redis keeps them."},
    {"cors_allowed_origins", LIST, NULL, "", 1, 255, NODE(cors_allowed_origins),
     .check = check_cors_origin,
     .help = "Origins that may call the HTTP API from a page; * any, none: no CORS."},
    {"send_buffer_kb", UNSIGNED, "KiB", "128", 4, 16384, NODE(send_buffer_kb),
     .help = "The kernel's send buffer of a connection."},
    {"max_pending_kb", UNSIGNED, "KiB", "1024", 16, 1048576, NODE(max_pending_kb),
     .help =
         "Unsent bytes a connection may owe for over a second; at once, 16 times that."},
    {"max_pending_messages", UNSIGNED, NULL, "4096", 16, 1000000,
     NODE(max_pending_messages),
     .help = "Unsent messages a connection may owe for over a second; at once, 16 times "
             "that."},
    {"max_channels_per_connection", UNSIGNED, NULL, "1000", 1, 100000,
     NODE(max_channels_per_connection),
     .help = "Channels a connection may be subscribed to at one time."},
    {"shutdown_grace", UNSIGNED, "s", "10", 0, 3600, NODE(shutdown_grace),
     .help = "Time to tell clients and flush on SIGTERM."},
    {"demo", BOOL, NULL, "false", 0, 0, NODE(demo),
     .help = "Serve the demo page and an open /pusher/auth: not for production."},

    {"presence.max_members_per_channel", UNSIGNED, "users", "100", 1, 1000000,
     NODE(presence.max_members_per_channel), .help = "Members of a presence channel."},
    {"presence.max_member_size_in_kb", UNSIGNED, "KiB", "2", 1, 1024,
     NODE(presence.max_member_size_in_kb), .help = "Largest user_info of a member."},
    {"presence.leave_grace", UNSIGNED, "s", "0", 0, 3600, NODE(presence.leave_grace),
     .help = "How long a member stays after an unclean disconnect."},

    {"log.level", ENUM, NULL, "info", 0, 0, NODE(log_level), .choices = log_levels,
     .help = "The least important lines to write."},
    {"log.format", ENUM, NULL, "text", 0, 0, NODE(log_form), .choices = log_forms,
     .help = "How a line is written."},

    {"adapter.driver", ENUM, NULL, "local", 0, 0, NODE(adapter_driver),
     .choices = adapters, .help = "What connects nodes; local: this one by itself."},
    {"adapter.redis.host", STRING, NULL, "127.0.0.1", 1, 255, NODE(redis.host),
     .check = check_host, .help = "Address or name of the Redis that all nodes share."},
    {"adapter.redis.port", UNSIGNED, NULL, "6379", 1, 65535, NODE(redis.port),
     .help = "Its TCP port."},
    {"adapter.redis.unix_socket", STRING, NULL, "", 0, 107, NODE(redis.unix_socket),
     .check = check_path, .help = "Path of its socket, instead of host and port."},
    {"adapter.redis.username", STRING, NULL, "", 0, 256, NODE(redis.username),
     .check = check_secret, .help = "ACL user; none: Redis's default user."},
    {"adapter.redis.password", STRING, NULL, "", 0, 512, NODE(redis.password),
     .check = check_secret, .help = "Its password; none: no AUTH."},
    {"adapter.redis.db", UNSIGNED, NULL, "0", 0, 65535, NODE(redis.db),
     .help = "Number of the database."},
    {"adapter.redis.prefix", STRING, NULL, "muster:", 0, 64, NODE(redis.prefix),
     .check = check_key_prefix,
     .help = "What keys and pub/sub channels begin with; one of its own per cluster."},
    {"adapter.redis.sentinels", LIST, NULL, "", 1, 270, NODE(redis.sentinels),
     .check = check_hostport,
     .help = "host:port of each Sentinel, instead of host, port and unix_socket."},
    {"adapter.redis.master_name", STRING, NULL, "", 0, 128, NODE(redis.master_name),
     .check = check_master_name, .help = "What the Sentinels call the master."},
    {"adapter.redis.sentinel_username", STRING, NULL, "", 0, 256,
     NODE(redis.sentinel_username), .check = check_secret,
     .help = "ACL user at the Sentinels; none: their default user."},
    {"adapter.redis.sentinel_password", STRING, NULL, "", 0, 512,
     NODE(redis.sentinel_password), .check = check_secret,
     .help = "The password there; none: no AUTH."},
    {"adapter.redis.tls", BOOL, NULL, "false", 0, 0, NODE(redis.tls),
     .help = "Encrypt it, to Sentinels too; needs a build with hiredis 1.0 or later."},
    {"adapter.redis.tls_ca", STRING, NULL, "", 0, 1024, NODE(redis.tls_ca),
     .check = check_path,
     .help = "File of the authorities that sign for Redis; none: the system's."},
    {"adapter.redis.tls_cert", STRING, NULL, "", 0, 1024, NODE(redis.tls_cert),
     .check = check_path,
     .help = "File of the certificate to show to Redis, with tls_key; none: none."},
    {"adapter.redis.tls_key", STRING, NULL, "", 0, 1024, NODE(redis.tls_key),
     .check = check_path, .help = "File of its key, without a passphrase."},
    {"adapter.redis.required", BOOL, NULL, "true", 0, 0, NODE(redis.required),
     .help = "Refuse to start without Redis; false: start degraded and go on trying."},

    {"metrics.host", STRING, NULL, "127.0.0.1", 1, 255, NODE(metrics.host),
     .check = check_host, .help = "Address that metrics.port listens on."},
    {"metrics.port", UNSIGNED, NULL, "0", 0, 65535, NODE(metrics.port),
     .help = "Port of its own for /metrics and /usage; 0: none."},
    {"metrics.token", STRING, NULL, "", 0, 256, NODE(metrics.token),
     .check = check_bearer,
     .help = "Bearer token for /metrics and /usage on the main port; none: not there."},

    {"webhooks.batch_ms", UNSIGNED, "ms", "50", 0, 60000, NODE(webhooks.batch_ms),
     .help = "How long an event waits for others to share its request."},
    {"webhooks.batch_size", UNSIGNED, "events", "50", 1, 1000, NODE(webhooks.batch_size),
     .help = "Most events in one request."},
    {"webhooks.retry_seconds", UNSIGNED, "s", "300", 0, 86400,
     NODE(webhooks.retry_seconds),
     .help = "How long a failed delivery is tried again; 0: never."},
    {"webhooks.timeout", UNSIGNED, "s", "10", 1, 300, NODE(webhooks.timeout),
     .help = "Time for one request, connecting included."},
    {"webhooks.concurrency", UNSIGNED, NULL, "4", 1, 64, NODE(webhooks.concurrency),
     .help = "Requests in flight to one URL at one time."},
    {"webhooks.max_queue", UNSIGNED, "events", "10000", 1, 1000000,
     NODE(webhooks.max_queue),
     .help = "Events that may wait, all apps together; further ones are dropped."},
    {"webhooks.leave_delay_ms", UNSIGNED, "ms", "3000", 0, 60000,
     NODE(webhooks.leave_delay_ms),
     .help = "Wait after a lost connection before vacated and removed are sent."},
    {"webhooks.dead_letter_file", STRING, NULL, "", 0, 1024,
     NODE(webhooks.dead_letter_file), .check = check_path,
     .help = "File that gets what couldn't be delivered, one JSON line each."},

    {"apps[].id", STRING, NULL, NULL, 1, 64, APP(id), .check = check_token,
     .help = "The app's id (required; MUSTER_APP_ID adds or picks the app to set)."},
    {"apps[].key", STRING, NULL, NULL, 1, 64, APP(key), .check = check_token,
     .help = "The key that clients connect with (required)."},
    {"apps[].secret", STRING, NULL, NULL, 1, 256, APP(secret), .check = check_secret,
     .help = "The secret that signs (required)."},
    {"apps[].enabled", BOOL, NULL, "true", 0, 0, APP(enabled),
     .help = "Whether the app may be connected to."},
    {"apps[].enable_client_messages", BOOL, NULL, "false", 0, 0,
     APP(enable_client_messages),
     .help = "Allow client-… events on private and presence channels."},
    {"apps[].enable_user_authentication", BOOL, NULL, "false", 0, 0,
     APP(enable_user_authentication), .help = "Allow presence channels and sign-in."},
    {"apps[].enable_subscription_count", BOOL, NULL, "false", 0, 0,
     APP(enable_subscription_count), .help = "Send subscription_count events."},
    {"apps[].require_tls", BOOL, NULL, "false", 0, 0, APP(require_tls),
     .help = "Refuse connections that a proxy calls plain (X-Forwarded-Proto)."},
    {"apps[].user_authentication_timeout", UNSIGNED, "s", "3600", 0, 2592000,
     APP(user_authentication_timeout),
     .help = "Time to sign in or join a private channel before closing; 0: never."},
    {"apps[].max_connections", UNSIGNED, NULL, "0", 0, 1000000, APP(max_connections),
     .help = "Connections of this app at one time; 0: no limit of its own."},
    {"apps[].max_client_events_per_second", UNSIGNED, NULL, "10", 0, 1000000,
     APP(max_client_events_per_second),
     .help = "Client events of one connection; 0: no limit."},
    {"apps[].max_backend_events_per_second", UNSIGNED, NULL, "0", 0, 1000000,
     APP(max_backend_events_per_second),
     .help = "Events published through the HTTP API; 0: no limit."},
    {"apps[].max_read_requests_per_second", UNSIGNED, NULL, "0", 0, 1000000,
     APP(max_read_requests_per_second),
     .help = "GET requests to the HTTP API; 0: no limit."},
    {"apps[].allowed_origins", LIST, NULL, "", 1, 255, APP(allowed_origins),
     .check = check_origin,
     .help = "Host patterns of pages that may connect; none: any."},

    {"apps[].presence.max_members_per_channel", UNSIGNED, "users", NULL, 1, 1000000,
     APP(presence.max_members_per_channel),
     .help = "The app's own; without it presence.max_members_per_channel holds."},
    {"apps[].presence.max_member_size_in_kb", UNSIGNED, "KiB", NULL, 1, 1024,
     APP(presence.max_member_size_in_kb),
     .help = "The app's own; without it presence.max_member_size_in_kb holds."},
    {"apps[].presence.leave_grace", UNSIGNED, "s", NULL, 0, 3600,
     APP(presence.leave_grace),
     .help = "The app's own; without it presence.leave_grace holds."},

    {"apps[].webhooks", GROUPS, NULL, "", 0, 0, APP(webhooks),
     .item_size = sizeof(struct conf_webhook),
     .help = "URLs that are told of the app's events, one group each."},
    {"apps[].webhooks[].url", STRING, NULL, NULL, 1, 2048, WEBHOOK(url),
     .check = check_url, .help = "The http or https URL to POST to (required)."},
    {"apps[].webhooks[].event_types", FLAGS, NULL, "", 0, 0, WEBHOOK(event_types),
     .choices = webhook_events, .help = "What it is told of; none: everything."},
    {"apps[].webhooks[].headers", PAIRS, NULL, "", 1, 4096, WEBHOOK(headers),
     .check = check_header,
     .help = "Further headers: \"Name: value\" strings, or a group of them."},
    {"apps[].webhooks[].filter.channel_prefix", STRING, NULL, "", 0, 200,
     WEBHOOK(channel_prefix), .check = check_secret,
     .help = "Only of channels whose names begin so."},
    {"apps[].webhooks[].filter.channel_suffix", STRING, NULL, "", 0, 200,
     WEBHOOK(channel_suffix), .check = check_secret,
     .help = "Only of channels whose names end so."},
    {.path = NULL},
};

#define APP_PREFIX "apps[]."

const char *conf_webhook_event_name(enum conf_webhook_event type)
{
    return webhook_events[type];
}

bool conf_key_is_of(const struct conf_key *key, const char *list)
{
    size_t n = strlen(list);

    return strncmp(key->path, list, n) == 0 && (n == 0 || key->path[n] == '.') &&
           !strchr(key->path + n, '[');
}

bool conf_key_is_of_app(const struct conf_key *key)
{
    return conf_key_is_of(key, "apps[]");
}

bool conf_key_has_env(const struct conf_key *key)
{
    return key->type != CONF_GROUPS &&
           (conf_key_is_of(key, "") || conf_key_is_of_app(key));
}

const struct conf_key *conf_key_find(const char *path)
{
    for (const struct conf_key *key = conf_keys; key->path; key++)
        if (strcmp(key->path, path) == 0)
            return key;
    return NULL;
}

const struct conf_key *conf_key_find_env(const char *name)
{
    char own[CONF_ENV_NAME_MAX];

    for (const struct conf_key *key = conf_keys; key->path; key++) {
        conf_key_env_name(key, own);
        if (*own && strcmp(own, name) == 0)
            return key;
    }
    return NULL;
}

bool conf_path_is_group(const char *path)
{
    size_t n = strlen(path);

    for (const struct conf_key *key = conf_keys; key->path; key++)
        if (strncmp(key->path, path, n) == 0 && key->path[n] == '.')
            return true;
    return false;
}

void conf_key_env_name(const struct conf_key *key, char name[CONF_ENV_NAME_MAX])
{
    bool of_app = conf_key_is_of_app(key);
    const char *p = key->path + (of_app ? sizeof APP_PREFIX - 1 : 0);
    char *to = name;

    *to = '\0';
    if (!conf_key_has_env(key))
        return;
    to = stpcpy(name, of_app ? "MUSTER_APP_" : "MUSTER_");
    assert(strlen(name) + strlen(p) < CONF_ENV_NAME_MAX);
    for (; *p; p++)
        *to++ = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
    *to = '\0';
}
