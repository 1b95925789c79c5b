#include "protocol/tls_client.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>

/* A tls_client is an SSL_CTX by another name. */

static SSL_CTX *ctx_of(struct tls_client *t)
{
    return (SSL_CTX *)(void *)t;
}

struct tls_client *tls_client_alloc(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx && SSL_CTX_set_default_verify_paths(ctx) == 1 &&
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        return (struct tls_client *)(void *)ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

void tls_client_free(struct tls_client *t)
{
    SSL_CTX_free(ctx_of(t));
}

/* SSL_set_tlsext_host_name without its cast, which takes const away. */
static long send_name(SSL *ssl, const char *host)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host);
}

/* An address is no name: it isn't sent as one, and stands elsewhere in a certificate. */
static int expect(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return 1;
    return SSL_set1_host(ssl, host) == 1 && send_name(ssl, host) == 1;
}

struct ssl_st *tls_client_session(struct tls_client *t, const char *host)
{
    SSL *ssl = SSL_new(ctx_of(t));

    if (ssl && expect(ssl, host))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

void tls_client_end(struct ssl_st *session)
{
    SSL_free(session);
}

const char *tls_client_distrust(const struct ssl_st *session)
{
    long result = SSL_get_verify_result(session);

    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}
