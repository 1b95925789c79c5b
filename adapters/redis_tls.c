#include "adapters/redis_tls.h"

#include <stddef.h>

#ifdef MUSTER_REDIS_TLS
#include <hiredis/hiredis_ssl.h>

enum err redis_tls_alloc(struct redis_tls **out, const struct tls_client_files *files,
                         struct buf *why)
{
    *out = (struct redis_tls *)(void *)tls_client_alloc(files, why);
    return *out ? ERR_NONE : ERR_LIBRARY;
}

void redis_tls_free(struct redis_tls *t)
{
    tls_client_free((struct tls_client *)(void *)t);
}

void redis_tls_prepare(const struct ssl_st *session)
{
    if (session)
        tls_client_clear_errors();
}

bool redis_tls_waits(const struct ssl_st *session)
{
    return session && tls_client_waits(session);
}

const char *redis_tls_distrust(const struct ssl_st *session)
{
    return session ? tls_client_distrust(session) : NULL;
}

const char *redis_tls_failure(const struct ssl_st *session)
{
    return session ? tls_client_failure() : NULL;
}

const char *redis_tls_dismissal(const struct ssl_st *session)
{
    if (!session || !tls_client_was_asked(session))
        return NULL;
    return "Redis asked for a certificate (tls_cert) that it trusts, and closed the "
           "connection";
}

enum err redis_tls_begin(struct redis_tls *t, redisContext *c, const char *host,
                         struct ssl_st **session, const char **why)
{
    struct ssl_st *ssl = tls_client_session((struct tls_client *)(void *)t, host);

    redis_tls_prepare(ssl);
    if (ssl && redisInitiateSSL(c, ssl) == REDIS_OK) {
        *session = ssl;
        return ERR_NONE;
    }
    *why = redis_tls_distrust(ssl);
    if (!*why)
        *why = c->errstr[0] ? c->errstr : "TLS can't begin";
    tls_client_end(ssl);
    return ERR_LIBRARY;
}

#else

enum err redis_tls_alloc(struct redis_tls **out, const struct tls_client_files *files,
                         struct buf *why)
{
    (void)files;
    *out = NULL;
    buf_add_lit(why,
                "this build can't speak TLS to Redis: it needs hiredis 1.0 or later, "
                "with its SSL part (Debian 13 has it)");
    return ERR_LIBRARY;
}

void redis_tls_free(struct redis_tls *t)
{
    (void)t;
}

enum err redis_tls_begin(struct redis_tls *t, redisContext *c, const char *host,
                         struct ssl_st **session, const char **why)
{
    (void)t, (void)c, (void)host, (void)session;
    *why = "no TLS";
    return ERR_LIBRARY;
}

void redis_tls_prepare(const struct ssl_st *session)
{
    (void)session;
}

bool redis_tls_waits(const struct ssl_st *session)
{
    (void)session;
    return false;
}

const char *redis_tls_distrust(const struct ssl_st *session)
{
    (void)session;
    return NULL;
}

const char *redis_tls_failure(const struct ssl_st *session)
{
    (void)session;
    return NULL;
}

const char *redis_tls_dismissal(const struct ssl_st *session)
{
    (void)session;
    return NULL;
}

#endif
