/* The attributes that HTTP API requests ask for with `info`, and which requests may ask
 * for which (PROTOCOL.md 6). Pure functions, any thread; each returns 0, or an HTTP
 * status with the answer's text added to why. */
#ifndef MUSTER_PROTOCOL_API_INFO_H
#define MUSTER_PROTOCOL_API_INFO_H

#include "protocol/api_query.h"
#include "protocol/channel_name.h"
#include "server/base/err.h"

/* Bits of a set. */
enum api_info {
    API_INFO_USER_COUNT = 1,
    API_INFO_SUBSCRIPTION_COUNT = 2,
    API_INFO_CACHE = 4,
};

/** The attributes that a kind has: an answer to a POST gives those of the asked for. */
unsigned api_info_of(enum channel_kind kind);
/** Adds the attributes of a comma-separated list to *info. */
int api_info_parse(unsigned *info, struct slice list, struct buf *why) MUST_CHECK;

/** GET …/channels: sets *info. user_count needs a filter_by_prefix that only presence
 * channels have; the list gives no cache. */
int api_channels_check(const struct api_query *q, unsigned *info,
                       struct buf *why) MUST_CHECK;
/** GET …/channels/{channel} (decoded): sets *info. The name must be legal, and its kind
 * have what is asked for. */
int api_channel_check(const struct api_query *q, struct slice channel, unsigned *info,
                      struct buf *why) MUST_CHECK;
/** GET …/channels/{channel}/users: a presence channel with a legal name. */
int api_users_check(struct slice channel, struct buf *why) MUST_CHECK;

#endif
