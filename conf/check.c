/* Rules for strings of the configuration: what stands in URLs and headers is held to the
 * characters that can be passed on as they are. No message repeats the value: it may be a
 * secret. */
#include "conf/check.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "server/base/hostport.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool only(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

const char *check_token(const char *text)
{
    return only(text, ALNUM "-_.~") ? NULL : "may hold only letters, digits and -_.~";
}

static bool has_controls(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

const char *check_secret(const char *text)
{
    return has_controls(text) ? "must not hold control bytes" : NULL;
}

const char *check_host(const char *text)
{
    return only(text, ALNUM "-_.:%") ? NULL : "must be an address or a host name";
}

const char *check_hostport(const char *text)
{
    struct hostport to;

    return hostport_read(text, &to) ? NULL : "must be host:port or [IPv6 address]:port";
}

const char *check_master_name(const char *text)
{
    return only(text, ALNUM "-_.") ? NULL : "may hold only letters, digits and -_.";
}

static bool has_dot_segment(const char *path)
{
    while ((path = strstr(path, "/."))) {
        size_t n = strcspn(path + 1, "/");

        if (n == 1 || (n == 2 && path[2] == '.'))
            return true;
        path++;
    }
    return false;
}

/* No percent sign: whether one compares the encoded or the decoded path stays no
 * question. */
const char *check_path_prefix(const char *text)
{
    size_t n = strlen(text);

    if (n == 0)
        return NULL;
    if (text[0] != '/')
        return "must begin with a slash";
    if (text[n - 1] == '/')
        return "must not end with a slash";
    if (strstr(text, "//") || has_dot_segment(text))
        return "must not hold an empty, '.' or '..' segment";
    return only(text, ALNUM "-._~!$&'()*+,;=:@/") ? NULL : "must be a plain URL path";
}

const char *check_origin(const char *text)
{
    return only(text, ALNUM "-_.:*/[]") ? NULL
                                        : "must be host patterns such as *.example.com";
}

const char *check_path(const char *text)
{
    return check_secret(text);
}

const char *check_key_prefix(const char *text)
{
    return only(text, ALNUM "-_.:/@") ? NULL : "may hold only letters, digits and -_.:/@";
}

const char *check_bearer(const char *text)
{
    return only(text, ALNUM "-._~+/=") ? NULL
                                       : "may hold only letters, digits and -._~+/=";
}

/* What stands behind http:// or https://, or NULL. */
static const char *behind_scheme(const char *text)
{
    if (strncasecmp(text, "https://", 8) == 0)
        return text + 8;
    if (strncasecmp(text, "http://", 7) == 0)
        return text + 7;
    return NULL;
}

const char *check_cors_origin(const char *text)
{
    const char *host = behind_scheme(text);

    if (strcmp(text, "*") == 0)
        return NULL;
    if (!host || !*host || !only(host, ALNUM "-_.:[]"))
        return "must be * or an origin such as https://example.com";
    return NULL;
}

const char *check_url(const char *text)
{
    const char *host = behind_scheme(text);
    size_t n;

    if (!host)
        return "must begin with http:// or https://";
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return "may hold only visible ASCII characters (encode others with %)";
    n = strcspn(host, "/?#");
    if (memchr(host, '@', n))
        return "must not hold a user or password (a header can)";
    if (strchr(host, '#'))
        return "must not hold a fragment (#)";
    if (n == 0 || strspn(host, ALNUM "-_.:[]%") < n || *host == ':')
        return "must name a host";
    return NULL;
}

/* What the sender says itself, or what frames the body. */
static bool is_reserved_header(const char *text, size_t n)
{
    static const char *const names[] = {
        "Content-Type", "Content-Length", "Transfer-Encoding",  "Connection",
        "Expect",       "X-Pusher-Key",   "X-Pusher-Signature", "Upgrade"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], text, n) == 0)
            return true;
    return false;
}

const char *check_header(const char *text)
{
    size_t n = strspn(text, ALNUM "!#$%&'*+-.^_`|~");
    const char *value = text + n + 1;

    if (n == 0 || text[n] != ':')
        return "must be \"Name: value\", the name of letters, digits and -";
    value += strspn(value, " ");
    if (!*value)
        return "must be \"Name: value\", the value not empty";
    if (has_controls(value))
        return "must not hold control bytes";
    return is_reserved_header(text, n) ? "must not be a header that is always sent"
                                       : NULL;
}
