/* A connection's socket_id as two numbers, "first.second"; {0, 0} is nobody's. */
#ifndef MUSTER_PROTOCOL_SOCKET_ID_H
#define MUSTER_PROTOCOL_SOCKET_ID_H

#include <stdbool.h>
#include <stdint.h>

struct socket_id {
    uint64_t first, second;
};

static inline bool socket_id_eq(struct socket_id a, struct socket_id b)
{
    return a.first == b.first && a.second == b.second;
}

#endif
