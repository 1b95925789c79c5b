/* TLS as a client: sessions that trust the system's authorities (or SSL_CERT_FILE's), or
 * those of a file alone, and insist on the host's name. For a library that wants
 * OpenSSL's own type. One thread. */
#ifndef MUSTER_PROTOCOL_TLS_CLIENT_H
#define MUSTER_PROTOCOL_TLS_CLIENT_H

#include <stdbool.h>

#include "server/base/buf.h"

struct ssl_st; /* OpenSSL's SSL */
struct tls_client;

/* Paths of PEM files; NULL or "": none. */
struct tls_client_files {
    const char *ca;   /* the authorities to trust; none: the system's */
    const char *cert; /* what to show of oneself, its chain behind it; with key */
    const char *key;  /* its key, without a passphrase */
};

/** Reads the files, this once (caller frees). NULL: one of them won't do, or OpenSSL has
 * no authorities; why gets the file and its fault. */
struct tls_client *tls_client_alloc(const struct tls_client_files *files,
                                    struct buf *why);
/** NULL is fine. Sessions may outlive it. */
void tls_client_free(struct tls_client *t);
/** A session that isn't connected yet (caller frees with tls_client_end); host: a name or
 * an address, which the certificate must bear. NULL: OpenSSL won't. */
struct ssl_st *tls_client_session(struct tls_client *t, const char *host);
/** NULL is fine. */
void tls_client_end(struct ssl_st *session);
/** What is wrong with the other side's certificate (static text); NULL: nothing, as far
 * as it has been seen. */
const char *tls_client_distrust(const struct ssl_st *session);
/** To be called before each read or write by a library that doesn't do so itself: OpenSSL
 * keeps a thread's errors until they are cleared, and what another session left would be
 * taken for this one's. */
void tls_client_clear_errors(void);
/** What the thread's last read or write failed for, in OpenSSL's words (static text);
 * NULL: OpenSSL has nothing to say. */
const char *tls_client_failure(void);
/** Whether its last read or write waits for the other side to say something: until there
 * is something to read, trying again is of no use. */
bool tls_client_waits(const struct ssl_st *session);
/** Whether the other side has asked for a certificate. */
bool tls_client_was_asked(const struct ssl_st *session);

#endif
