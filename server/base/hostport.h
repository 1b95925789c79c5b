/* "host:port" taken apart. Pure; any thread. */
#ifndef MUSTER_BASE_HOSTPORT_H
#define MUSTER_BASE_HOSTPORT_H

#include <stdbool.h>

enum { HOST_SIZE = 256 };

struct hostport {
    char host[HOST_SIZE]; /* a name or an address, without brackets */
    unsigned port;        /* 1 to 65535 */
};

/** Reads "name:port", "address:port" or "[IPv6 address]:port"; false where it is none of
 * these: an IPv6 address without brackets, above all. */
bool hostport_read(const char *text, struct hostport *to);

#endif
