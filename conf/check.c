#include "conf/check.h"

#include <stdbool.h>
#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool only(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

const char *check_token(const char *text)
{
    return only(text, ALNUM "-_.~") ? NULL : "may hold only letters, digits and -_.~";
}

const char *check_secret(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return "must not hold control bytes";
    return NULL;
}

const char *check_host(const char *text)
{
    return only(text, ALNUM "-_.:%") ? NULL : "must be an address or a host name";
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
