/* TLS to Redis, where hiredis brings it (from 1.0 on; MUSTER_REDIS_TLS, which the
 * Makefile defines where pkg-config finds hiredis_ssl). The server's certificate must be
 * signed by an authority of the file that is given for it, or else of the system's, and
 * bear the host's name. The link's thread only. */
#ifndef MUSTER_ADAPTERS_REDIS_TLS_H
#define MUSTER_ADAPTERS_REDIS_TLS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "protocol/tls_client.h"
#include "server/base/buf.h"
#include "server/base/err.h"

struct redis_tls;

/** Reads the files. ERR_LIBRARY: this build can't, or OpenSSL won't; why gets which. */
enum err redis_tls_alloc(struct redis_tls **out, const struct tls_client_files *files,
                         struct buf *why) MUST_CHECK;
/** NULL is fine. */
void redis_tls_free(struct redis_tls *t);
/** On a connected socket, before anything is sent. *session is c's. */
enum err redis_tls_begin(struct redis_tls *t, redisContext *c, const char *host,
                         struct ssl_st **session, const char **why) MUST_CHECK;
/** Before each read or write; session may be NULL. */
void redis_tls_prepare(const struct ssl_st *session);
/** Whether what is to be written waits for something to read: a handshake that isn't
 * over. session may be NULL. */
bool redis_tls_waits(const struct ssl_st *session);
/** What is wrong with the server's certificate, or NULL; session may be NULL. */
const char *redis_tls_distrust(const struct ssl_st *session);
/** What a read or write that failed just now lacked, or NULL; session may be NULL. */
const char *redis_tls_failure(const struct ssl_st *session);
/** Why the server may have ended it before its first reply, or NULL: its alert is mostly
 * lost with the connection, and "reset" says nothing. session may be NULL. */
const char *redis_tls_dismissal(const struct ssl_st *session);

#endif
