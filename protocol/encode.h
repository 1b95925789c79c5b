/* What the server sends: each function makes one ready frame (the caller holds one
 * reference) for one event of PROTOCOL.md 2. Any thread. Strings that go in are escaped
 * here; slices named raw or piece are JSON already and travel verbatim. */
#ifndef MUSTER_PROTOCOL_ENCODE_H
#define MUSTER_PROTOCOL_ENCODE_H

#include "protocol/channel_name.h"
#include "protocol/frame.h"
#include "protocol/refusal.h"
#include "server/base/buf.h"
#include "server/base/slice.h"

/** node: no part of the protocol, for the demo's page, in characters that JSON doesn't
 * escape; absent: no such key. */
struct frame *encode_established(struct slice socket_id, unsigned activity_timeout,
                                 struct slice node);
/** code ERROR_NULL prints null; channel absent: no "channel" key. data is an object. */
struct frame *encode_error(int code, struct slice message, struct slice channel);
struct frame *encode_ping(void);
struct frame *encode_pong(void);
/** user_data: the bytes that were signed. */
struct frame *encode_signin_success(struct slice user_data);
/** subscription_succeeded with data exactly "{}". */
struct frame *encode_subscribed(struct slice channel);
/** pusher:subscription_error; error: the human text. */
struct frame *encode_refused(struct slice channel, enum refusal why, struct slice error);
struct frame *encode_cache_miss(struct slice channel);
struct frame *encode_subscription_count(struct slice channel, unsigned count);
/** A client event: data_raw as received; user_id absent: no "user_id" key. */
struct frame *encode_client_event(struct slice event, struct slice channel,
                                  struct slice data_raw, struct slice user_id);
/** An event that a backend published: data_raw is the JSON string as POSTed. */
struct frame *encode_published(struct slice event, struct slice channel,
                               struct slice data_raw);
/** watchlist_events: who of a user's watchlist came online, and who went offline; a list
 * with nobody in it is left out. */
struct frame *encode_watchlist(const struct slice *online, size_t n_online,
                               const struct slice *offline, size_t n_offline);

/* Presence. A member's id and info are encoded once, into two pieces that are already
 * escaped for the inside of `data`'s string; frames are put together from them. */

/** Appends the id as an escaped JSON string, e.g. \"1\". */
void encode_id_piece(struct buf *out, struct slice user_id);
/** Appends user_info escaped; absent: null. */
void encode_info_piece(struct buf *out, struct slice info_raw);
/** member_added: pusher_internal: with user_id and user_info, or, on
 * CHANNEL_PRIVATE_PRESENCE, pusher: with id and info. */
struct frame *encode_member_added(enum channel_kind kind, struct slice channel,
                                  struct slice id_piece, struct slice info_piece);
struct frame *encode_member_removed(enum channel_kind kind, struct slice channel,
                                    struct slice id_piece);

struct member_piece {
    struct slice id;
    struct slice info;
};
/** Yields the members of a snapshot one after another, twice (ids, then hash); false at
 * the end. */
typedef bool member_next_fn(void *iterator, struct member_piece *out);

/** subscription_succeeded of a presence channel, from pieces; ids, hash and count agree.
 * It calls first() before each of its two walks. */
struct frame *encode_snapshot(struct slice channel, unsigned count, void (*first)(void *),
                              member_next_fn *next, void *iterator);

#endif
