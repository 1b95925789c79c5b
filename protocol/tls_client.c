#include "protocol/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <string.h>

/* A tls_client is an SSL_CTX by another name. */

static SSL_CTX *ctx_of(struct tls_client *t)
{
    return (SSL_CTX *)(void *)t;
}

static bool is_given(const char *path)
{
    return path && *path;
}

/* The first error is the cause; those behind it say who was told. A file that can't be
 * opened comes with errno's number, for which OpenSSL has no words of its own. */
static bool fails(struct buf *why, const char *path)
{
    unsigned long e = ERR_get_error();
    const char *reason = ERR_reason_error_string(e);

    ERR_clear_error();
    if (e && ERR_SYSTEM_ERROR(e))
        reason = strerror(ERR_GET_REASON(e));
    buf_addf(why, "%s: %s", path, reason ? reason : "OpenSSL can't use it");
    return false;
}

static bool trust(SSL_CTX *ctx, const char *ca, struct buf *why)
{
    if (is_given(ca))
        return SSL_CTX_load_verify_locations(ctx, ca, NULL) == 1 || fails(why, ca);
    return SSL_CTX_set_default_verify_paths(ctx) == 1 ||
           fails(why, "the system's certificate authorities");
}

/* OpenSSL would ask for it on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return 0;
}

/* Called when the other side asks for one. The session's own pointer, of no use to
 * anybody else, says so. */
static int asked(SSL *ssl, void *context)
{
    (void)context;
    return SSL_set_app_data(ssl, ssl);
}

static bool show(SSL_CTX *ctx, const struct tls_client_files *files, struct buf *why)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_cert_cb(ctx, asked, NULL);
    if (is_given(files->cert) &&
        SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
        return fails(why, files->cert);
    if (is_given(files->key) &&
        SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
        return fails(why, files->key);
    return true;
}

struct tls_client *tls_client_alloc(const struct tls_client_files *files, struct buf *why)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    ERR_clear_error();
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        fails(why, "TLS");
    else if (trust(ctx, files->ca, why) && show(ctx, files, why)) {
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

void tls_client_clear_errors(void)
{
    ERR_clear_error();
}

const char *tls_client_failure(void)
{
    unsigned long e = ERR_peek_error();

    return e && !ERR_SYSTEM_ERROR(e) ? ERR_reason_error_string(e) : NULL;
}

bool tls_client_waits(const struct ssl_st *session)
{
    return SSL_want_read(session);
}

bool tls_client_was_asked(const struct ssl_st *session)
{
    return SSL_get_app_data(session) != NULL;
}
