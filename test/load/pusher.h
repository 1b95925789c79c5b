/* The Pusher protocol's client side: signed subscriptions and what comes back. */
#ifndef MUSTER_LOAD_PUSHER_H
#define MUSTER_LOAD_PUSHER_H

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "test/load/swarm.h"

enum { SIGNATURE_HEX = 64, CHANNEL_DATA_MAX = 512 };

/* hex HMAC-SHA256 of text, with a NUL behind it. */
static inline void pusher_sign(const char *secret, const char *text,
                               char out[SIGNATURE_HEX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text,
         strlen(text), digest, &n);
    for (unsigned i = 0; i < SIGNATURE_HEX / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* Backslashes before quotes; data holds nothing else that needs one. */
static inline void pusher_escape(const char *data, char out[2 * CHANNEL_DATA_MAX])
{
    while (*data) {
        if (*data == '"')
            *out++ = '\\';
        *out++ = *data++;
    }
    *out = 0;
}

/** Subscribes an open connection. channel_data: a JSON text below CHANNEL_DATA_MAX bytes
 * whose strings need no escapes; NULL on private channels. */
static inline void pusher_subscribe(struct swarm *s, unsigned index, const char *channel,
                                    const char *channel_data)
{
    char text[1024], escaped[2 * CHANNEL_DATA_MAX], sign[SIGNATURE_HEX + 1], out[2048];
    int n;

    n = snprintf(text, sizeof text, "%s:%s%s%s", s->clients[index].socket_id, channel,
                 channel_data ? ":" : "", channel_data ? channel_data : "");
    if (n < 0 || n >= (int)sizeof text)
        abort();
    pusher_sign(s->options->secret, text, sign);
    n = snprintf(out, sizeof out,
                 "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"%s\","
                 "\"auth\":\"%s:%s\"",
                 channel, s->options->key, sign);
    if (channel_data) {
        pusher_escape(channel_data, escaped);
        n += snprintf(out + n, sizeof out - (size_t)n, ",\"channel_data\":\"%s\"",
                      escaped);
    }
    n += snprintf(out + n, sizeof out - (size_t)n, "}}");
    swarm_send(s, index, (struct slice){out, (size_t)n});
}

static inline void pusher_unsubscribe(struct swarm *s, unsigned index,
                                      const char *channel)
{
    char out[256];
    int n = snprintf(out, sizeof out,
                     "{\"event\":\"pusher:unsubscribe\",\"data\":{\"channel\":\"%s\"}}",
                     channel);

    swarm_send(s, index, (struct slice){out, (size_t)n});
}

#endif
