/* The configuration: one immutable value, built once before any thread starts, read by
 * every thread, freed after the last one has ended. Three ways in, later ones win: a file
 * (libconfig or JSON), MUSTER_… environment variables. The schema (key, type, unit,
 * default, range, help) is the table in conf/schema.c; nothing else knows the keys. No
 * string is NULL, unless its comment says so. */
#ifndef MUSTER_CONF_CONF_H
#define MUSTER_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "server/base/buf.h"
#include "server/base/err.h"

/* Limits of presence channels: node-wide defaults, and each app's own. */
struct conf_presence {
    unsigned max_members_per_channel; /* users */
    unsigned max_member_size_in_kb;   /* KiB of user_info JSON */
    unsigned leave_grace;             /* s that an unclean disconnect keeps the member */
};

/* What a webhook may be sent for (PROTOCOL.md 7); names in conf/schema.c. */
enum conf_webhook_event {
    CONF_WEBHOOK_CHANNEL_OCCUPIED,
    CONF_WEBHOOK_CHANNEL_VACATED,
    CONF_WEBHOOK_MEMBER_ADDED,
    CONF_WEBHOOK_MEMBER_REMOVED,
    CONF_WEBHOOK_CLIENT_EVENT,
    CONF_WEBHOOK_CACHE_MISS,
    CONF_WEBHOOK_SUBSCRIPTION_COUNT,
    CONF_WEBHOOK_EVENTS, /* how many there are */
};

struct conf_webhook {
    char *url;
    unsigned event_types; /* bits: 1u << enum conf_webhook_event */
    char **headers;       /* "Name: value"; values may be secrets */
    size_t n_headers;
    char *channel_prefix, *channel_suffix; /* of channels it hears of; "" any */
};

/* How webhooks are sent, those of all apps. */
struct conf_webhooks {
    unsigned batch_ms;
    unsigned batch_size;     /* events */
    unsigned retry_seconds;  /* after an event's first failure, 0: one attempt */
    unsigned timeout;        /* s of one request */
    unsigned concurrency;    /* requests in flight to one URL */
    unsigned max_queue;      /* events that wait, of all apps */
    unsigned leave_delay_ms; /* that channel_vacated and member_removed wait after a lost
                                connection */
    char *dead_letter_file;  /* "": none */
};

enum conf_adapter { CONF_ADAPTER_LOCAL, CONF_ADAPTER_REDIS }; /* names in conf/schema.c */

/* The Redis that all nodes share; used where the driver says so. */
struct conf_redis {
    char *host;
    unsigned port;
    char *unix_socket; /* "": host and port */
    char *username;    /* "": Redis's default user */
    char *password;    /* a secret; "": none */
    unsigned db;
    char *prefix;
    char **sentinels; /* "host:port" each; none: host and port, or the socket */
    size_t n_sentinels;
    char *master_name; /* as the sentinels call it; "" only where there are none */
    char *sentinel_username, *sentinel_password; /* as those above, of the sentinels */
    bool tls;                                    /* to the sentinels, too */
    char *tls_ca;                                /* "": the system's */
    char *tls_cert;                              /* "": none, as its key */
    char *tls_key;
    bool required; /* to start */
};

struct conf_metrics {
    char *host;
    unsigned port; /* 0: no listener of its own */
    char *token;   /* a secret; "": not on the main port */
};

struct conf_app {
    char *id; /* "" only where conf->missing says so; as key and secret */
    char *key;
    char *secret;
    bool enabled;
    bool enable_client_messages;
    bool enable_user_authentication;
    bool enable_subscription_count;
    bool require_tls;                      /* refuse what X-Forwarded-Proto calls plain */
    unsigned user_authentication_timeout;  /* s, 0 never */
    unsigned max_connections;              /* 0 no limit of its own */
    unsigned max_client_events_per_second; /* a connection, 0 no limit */
    unsigned max_backend_events_per_second; /* of the HTTP API, 0 no limit */
    unsigned max_read_requests_per_second;  /* of the HTTP API, 0 no limit */
    char **allowed_origins;                 /* host patterns; none: any origin */
    size_t n_allowed_origins;
    struct conf_webhook *webhooks;
    size_t n_webhooks;
    struct conf_presence presence;
};

struct conf {
    char *source;  /* the file that was read; NULL without one */
    char *missing; /* what must be added before it can serve, one a line; NULL nothing */
    char *host;
    unsigned port; /* 0: any free port, which the log names */
    char *path_prefix;
    unsigned workers; /* 0: as many as affinity and the cgroup allow */
    unsigned max_connections;
    unsigned activity_timeout;  /* s */
    unsigned pong_timeout;      /* s */
    unsigned idle_timeout;      /* s without any subscription or command, 0 never */
    unsigned handshake_timeout; /* s */
    unsigned max_message_kb;
    unsigned max_event_kb; /* data of one event */
    unsigned max_http_body_kb;
    unsigned send_buffer_kb; /* SO_SNDBUF */
    unsigned max_pending_kb;
    unsigned max_pending_messages;
    unsigned max_channels_per_connection;
    unsigned cache_ttl;    /* s that a cache channel keeps its last event */
    unsigned cache_max_kb; /* of all kept events */
    char *
        *cors_allowed_origins; /* "*", or origins as browsers send them; none: no CORS */
    size_t n_cors_allowed_origins;
    unsigned shutdown_grace; /* s */
    bool demo;
    int log_level; /* enum log_level */
    int log_form;  /* enum log_form */
    struct conf_presence presence;
    int adapter_driver; /* enum conf_adapter */
    struct conf_redis redis;
    struct conf_metrics metrics;
    struct conf_webhooks webhooks;
    struct conf_app *apps;
    size_t n_apps;
};

/** Builds the configuration. path: the file of --config, or NULL: then the first of
 * ./muster.cfg, ./config/config.json, /etc/muster/muster.cfg that exists. Where there is
 * neither a file nor a MUSTER_APP_… variable: one built-in demo app, host 127.0.0.1, and
 * a warning that says so. environment: NULL-terminated "NAME=value" list, as environ. On
 * ERR_INVALID every problem stands in *problems, one a line, with the file and line (or
 * the variable), the key and, for an unknown key, the nearest known one; *out is NULL.
 * Otherwise returns the configuration (caller frees with conf_free). Either way *problems
 * may also hold warnings, whose lines have "warning: " before the message. A fragment (no
 * apps, an app without key) is valid: (*out)->missing names what it lacks, which --check
 * says and which refuses to start. No line holds a secret. */
enum err conf_load(struct conf **out, const char *path, char **environment,
                   struct buf *problems) MUST_CHECK;
/** Frees the configuration; NULL is fine. */
void conf_free(struct conf *conf);

/** "channel_occupied", …: the event's name in the configuration and on the wire. */
const char *conf_webhook_event_name(enum conf_webhook_event type);

/** Prints the keys with type, default, range, unit, variable and help, for --help. */
void conf_print_keys(FILE *to);
/** Prints the same as the README's Markdown table (a test compares the two). */
void conf_print_markdown(FILE *to);

#endif
