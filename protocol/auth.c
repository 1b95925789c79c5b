#include "protocol/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { DIGEST_LEN = AUTH_HEX_LEN / 2, MD5_LEN = AUTH_MD5_HEX_LEN / 2 };

void auth_channel_string(struct buf *out, struct slice socket_id, struct slice channel,
                         struct slice channel_data)
{
    buf_add_slice(out, socket_id);
    buf_add_char(out, ':');
    buf_add_slice(out, channel);
    if (channel_data.p) {
        buf_add_char(out, ':');
        buf_add_slice(out, channel_data);
    }
}

void auth_signin_string(struct buf *out, struct slice socket_id, struct slice user_data)
{
    buf_add_slice(out, socket_id);
    buf_add_lit(out, "::user::");
    buf_add_slice(out, user_data);
}

/* Writes 2 * n digits and a NUL. */
static void to_hex(char *hex, const unsigned char *digest, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 0xf];
    }
    hex[2 * n] = '\0';
}

/* False where OpenSSL refuses: a policy may forbid a key that short. */
static bool sign(char hex[AUTH_HEX_LEN + 1], struct slice secret, struct slice s)
{
    unsigned char digest[DIGEST_LEN];
    unsigned n = sizeof digest;
    const char *key = secret.p ? secret.p : "";
    const unsigned char *text = (const unsigned char *)(s.p ? s.p : "");

    if (!HMAC(EVP_sha256(), key, (int)secret.n, text, s.n, digest, &n))
        return false;
    to_hex(hex, digest, DIGEST_LEN);
    return true;
}

bool auth_verify(struct slice auth, struct slice key, struct slice secret, struct slice s)
{
    char hex[AUTH_HEX_LEN + 1];

    if (!auth.p || auth.n != key.n + 1 + AUTH_HEX_LEN)
        return false;
    if (!slice_starts(auth, key) || auth.p[key.n] != ':')
        return false;
    if (!sign(hex, secret, s))
        return false;
    return CRYPTO_memcmp(hex, auth.p + key.n + 1, AUTH_HEX_LEN) == 0;
}

void auth_sign(char hex[AUTH_HEX_LEN + 1], struct slice secret, struct slice s)
{
    if (sign(hex, secret, s))
        return;
    memset(hex, '0', AUTH_HEX_LEN); /* a signature that nobody accepts */
    hex[AUTH_HEX_LEN] = '\0';
}

bool auth_signature_is(struct slice given, struct slice secret, struct slice s)
{
    char hex[AUTH_HEX_LEN + 1];

    return given.n == AUTH_HEX_LEN && sign(hex, secret, s) &&
           CRYPTO_memcmp(hex, given.p, AUTH_HEX_LEN) == 0;
}

bool auth_secret_is(struct slice given, struct slice secret)
{
    return given.n == secret.n && CRYPTO_memcmp(given.p, secret.p, secret.n) == 0;
}

void auth_md5(char hex[AUTH_MD5_HEX_LEN + 1], struct slice s)
{
    unsigned char digest[MD5_LEN] = {0}; /* stays where a policy forbids MD5 */
    unsigned n = sizeof digest;

    EVP_Digest(s.p ? s.p : "", s.n, digest, &n, EVP_md5(), NULL);
    to_hex(hex, digest, MD5_LEN);
}
