/* What a client sends: one text message parsed into a command (PROTOCOL.md 2). Any
 * thread; the command's slices borrow from the message and from the command's own
 * scratch, and live until command_fini or the message's end, whichever is first. */
#ifndef MUSTER_PROTOCOL_COMMAND_H
#define MUSTER_PROTOCOL_COMMAND_H

#include "protocol/json_scan.h"
#include "server/base/buf.h"
#include "server/base/slice.h"

enum { EVENT_NAME_MAX = 200 }; /* bytes */

enum command_verb {
    COMMAND_SUBSCRIBE,
    COMMAND_UNSUBSCRIBE,
    COMMAND_PING,
    COMMAND_PONG,
    COMMAND_SIGNIN,
    COMMAND_CLIENT_EVENT, /* any event that starts with client- */
    COMMAND_IGNORED,      /* other names that no rule knows: ignored without an answer */
    COMMAND_MALFORMED,    /* answered with pusher:error; fault says why */
};

struct command {
    enum command_verb verb;
    const char *fault;         /* static; set for COMMAND_MALFORMED */
    struct slice event;        /* unescaped name; absent where it could not be read */
    struct slice channel;      /* unescaped; absent if the message has none */
    struct slice auth;         /* unescaped; absent for "" and null too */
    struct slice channel_data; /* unescaped, the bytes that were signed; absent if null */
    struct slice user_data;    /* unescaped, the bytes that were signed */
    struct slice data;         /* raw JSON of `data`, as received; absent if none */
    struct buf scratch;
};

/** Parses one message; never fails, a bad one is COMMAND_MALFORMED. Its event stays set
 * where it could be read, so that the answer can name it (and a client- name over 200
 * bytes can get PROTOCOL.md 5's 4301). The caller ends it with command_fini. */
void command_parse(struct command *c, struct slice message);
void command_fini(struct command *c);

#endif
