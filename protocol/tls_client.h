/* TLS as a client: sessions that trust the system's authorities (or SSL_CERT_FILE's) and
 * insist on the host's name. For a library that wants OpenSSL's own type. One thread. */
#ifndef MUSTER_PROTOCOL_TLS_CLIENT_H
#define MUSTER_PROTOCOL_TLS_CLIENT_H

struct ssl_st; /* OpenSSL's SSL */
struct tls_client;

/** NULL: OpenSSL has no such authorities; the caller frees it. */
struct tls_client *tls_client_alloc(void);
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

#endif
