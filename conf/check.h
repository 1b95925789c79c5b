/* Rules for strings of the configuration. Each returns what is wrong, as the end of a
 * sentence that begins with the key ("must …"), or NULL. Pure; any thread. */
#ifndef MUSTER_CONF_CHECK_H
#define MUSTER_CONF_CHECK_H

/** An app's id or key: they stand in URLs and before the colon of a signature. */
const char *check_token(const char *text);
/** A secret: anything without control bytes. */
const char *check_secret(const char *text);
/** An address or host name to listen on. */
const char *check_host(const char *text);
/** Nothing, or an absolute URL path without a slash at its end. */
const char *check_path_prefix(const char *text);
/** A host pattern of allowed_origins: example.com, *.example.com, localhost:3000,
 * https://example.com. */
const char *check_origin(const char *text);

#endif
