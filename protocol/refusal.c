#include "protocol/refusal.h"

#include <stddef.h>

struct close_text {
    int code;
    const char *text;
};

static const struct close_text close_texts[] = {
    {CLOSE_GOING_AWAY, "The server is shutting down"},
    {CLOSE_BINARY, "Binary messages are not supported, send text"},
    {CLOSE_BAD_UTF8, "The message is not valid UTF-8"},
    {CLOSE_TOO_BIG, "The message is larger than max_message_kb allows"},
    {CLOSE_TLS_ONLY, "Application only accepts TLS connections, reconnect using wss://"},
    {CLOSE_NO_APP, "Application does not exist"},
    {CLOSE_APP_DISABLED, "Application is disabled"},
    {CLOSE_APP_QUOTA, "Application is over its connection quota"},
    {CLOSE_BAD_PATH, "Path not found, connect to /app/{key}"},
    {CLOSE_BAD_VERSION, "Invalid version string format: protocol must be a number"},
    {CLOSE_UNSUPPORTED_PROTOCOL, "Unsupported protocol version, use 5, 6 or 7"},
    {CLOSE_NO_PROTOCOL, "No protocol version supplied"},
    {CLOSE_UNAUTHORIZED, "Connection not authorized"},
    {CLOSE_OVER_CAPACITY, "Server is over capacity, reconnect later"},
    {CLOSE_RECONNECT, "Server is restarting, reconnect immediately"},
    {CLOSE_NO_PONG, "Pong reply not received in time"},
    {CLOSE_IDLE, "Closed after inactivity"},
};

_Static_assert(sizeof close_texts / sizeof close_texts[0] == CLOSE_CODES,
               "every close code has a text");

struct refusal_row {
    const char *type;
    int status;
};

static const struct refusal_row refusals[] = {
    [REFUSAL_NONE] = {"", 200},
    [REFUSAL_AUTH] = {"AuthError", 401},
    [REFUSAL_AUTH_OFF] = {"AuthError", 403},
    [REFUSAL_CHANNEL] = {"InvalidChannel", 400},
    [REFUSAL_CHANNEL_DATA] = {"InvalidChannelData", 400},
    [REFUSAL_ROOM_FULL] = {"PresenceLimitReached", 4100},
    [REFUSAL_MEMBER_TOO_LARGE] = {"PresenceMemberTooLarge", 4301},
    [REFUSAL_TOO_MANY_CHANNELS] = {"LimitReached", 4100},
};

const char *close_code_text(int code)
{
    for (size_t i = 0; i < sizeof close_texts / sizeof close_texts[0]; i++) {
        if (close_texts[i].code == code)
            return close_texts[i].text;
    }
    return "Connection closed";
}

unsigned close_code_place(int code)
{
    for (unsigned i = 0; i < CLOSE_CODES; i++) {
        if (close_texts[i].code == code)
            return i;
    }
    return 0;
}

int close_code_at(unsigned place)
{
    return close_texts[place].code;
}

const char *refusal_type(enum refusal r)
{
    return refusals[r].type;
}

int refusal_status(enum refusal r)
{
    return refusals[r].status;
}
