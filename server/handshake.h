/* What a client says as it connects, and whether it may (PROTOCOL.md 1). Pure; any
 * thread. */
#ifndef MUSTER_SERVER_HANDSHAKE_H
#define MUSTER_SERVER_HANDSHAKE_H

#include "server/apps.h"
#include "server/base/slice.h"

struct handshake {
    struct slice path;            /* as sent, without the query */
    struct slice protocol;        /* the parameter; absent without one */
    struct slice origin;          /* the header; absent without one */
    struct slice forwarded_proto; /* X-Forwarded-Proto */
};

/** 0 and *app, or the close code of the refusal (then *app may be NULL). prefix:
 * path_prefix. */
int handshake_check(const struct handshake *h, const struct apps *apps,
                    struct slice prefix, struct app **app);

#endif
