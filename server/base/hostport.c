#include "server/base/hostport.h"

#include <stdlib.h>
#include <string.h>

#define HEX_DIGITS "0123456789ABCDEFabcdef"
#define ALNUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool read_port(const char *digits, unsigned *port)
{
    size_t n = strspn(digits, "0123456789");

    if (n == 0 || n > 5 || digits[n])
        return false;
    *port = (unsigned)strtoul(digits, NULL, 10);
    return *port >= 1 && *port <= 65535;
}

bool hostport_read(const char *text, struct hostport *to)
{
    bool bracketed = *text == '[';
    const char *host = text + bracketed;
    size_t n = strspn(host, bracketed ? HEX_DIGITS ":." : ALNUM "-_.");
    const char *rest = host + n;

    if (bracketed && (!memchr(host, ':', n) || *rest++ != ']'))
        return false;
    if (n == 0 || n >= HOST_SIZE || *rest != ':')
        return false;
    memcpy(to->host, host, n);
    to->host[n] = '\0';
    return read_port(rest + 1, &to->port);
}
