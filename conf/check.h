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
/** "host:port", "[IPv6 address]:port". */
const char *check_hostport(const char *text);
/** A master's name as Sentinel takes it. */
const char *check_master_name(const char *text);
/** Nothing, or an absolute URL path without a slash at its end. */
const char *check_path_prefix(const char *text);
/** A host pattern of allowed_origins: example.com, *.example.com, localhost:3000,
 * https://example.com. */
const char *check_origin(const char *text);
/** "*", or an origin as browsers send it: https://example.com, http://localhost:3000. */
const char *check_cors_origin(const char *text);
/** Nothing, or a token as the header Authorization: Bearer carries it. */
const char *check_bearer(const char *text);
/** What keys in Redis begin with: no braces, they choose a cluster's slot. */
const char *check_key_prefix(const char *text);
/** Nothing, or a file's path: anything without control bytes. */
const char *check_path(const char *text);
/** An http or https URL without user and password (a log line may name it). */
const char *check_url(const char *text);
/** "Name: value" of a request's header; not one that the sender itself sets. */
const char *check_header(const char *text);

#endif
