/* What a client is told when it is refused: one table of close codes and one of
 * subscription refusals (PROTOCOL.md 1 and 4). */
#ifndef MUSTER_PROTOCOL_REFUSAL_H
#define MUSTER_PROTOCOL_REFUSAL_H

enum close_code {
    CLOSE_GOING_AWAY = 1001,
    CLOSE_BINARY = 1003,
    CLOSE_BAD_UTF8 = 1007,
    CLOSE_TOO_BIG = 1009,
    CLOSE_TLS_ONLY = 4000,
    CLOSE_NO_APP = 4001,
    CLOSE_APP_DISABLED = 4003,
    CLOSE_APP_QUOTA = 4004,
    CLOSE_BAD_PATH = 4005,
    CLOSE_BAD_VERSION = 4006,
    CLOSE_UNSUPPORTED_PROTOCOL = 4007,
    CLOSE_NO_PROTOCOL = 4008,
    CLOSE_UNAUTHORIZED = 4009,
    CLOSE_OVER_CAPACITY = 4100,
    CLOSE_RECONNECT = 4200,
    CLOSE_NO_PONG = 4201,
    CLOSE_IDLE = 4202,
};

enum { CLOSE_CODES = 17 }; /* how many there are */

/* Codes that only ever stand in a pusher:error event; closing with them is wrong. */
enum error_code {
    ERROR_NULL = 0, /* "code":null */
    ERROR_CLIENT_EVENT = 4301,
    ERROR_WATCHLIST = 4302,
};

enum refusal {
    REFUSAL_NONE,
    REFUSAL_AUTH,              /* AuthError 401 */
    REFUSAL_AUTH_OFF,          /* AuthError 403 */
    REFUSAL_CHANNEL,           /* InvalidChannel 400 */
    REFUSAL_CHANNEL_DATA,      /* InvalidChannelData 400 */
    REFUSAL_ROOM_FULL,         /* PresenceLimitReached 4100 */
    REFUSAL_MEMBER_TOO_LARGE,  /* PresenceMemberTooLarge 4301 */
    REFUSAL_TOO_MANY_CHANNELS, /* LimitReached 4100: max_channels_per_connection */
    REFUSALS,                  /* how many there are, REFUSAL_NONE too */
};

/** The text that goes with a close code (static, fits a close frame's 123 bytes). */
const char *close_code_text(int code);
/** The place of a close code in their table, in which close_code_at finds it again; the
 * first for a code that isn't Muster's. */
unsigned close_code_place(int code);
int close_code_at(unsigned place);
const char *refusal_type(enum refusal r);
int refusal_status(enum refusal r);

#endif
