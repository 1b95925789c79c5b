'use strict';
// Looks at every frame that a client receives, in every test, whatever the test is about:
// the shape that PROTOCOL.md section 2 gives each event, and invariants I1 and I2 of
// PRESENCE.md. What is wrong is kept, and fails the test when it ends.
const { rawPairs, cut } = require('./json');

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);
const STRINGS = new Set([
  'pusher:connection_established',
  'pusher:ping',
  'pusher:pong',
  'pusher:signin_success',
  'pusher:cache_miss',
  'pusher:member_added',
  'pusher:member_removed',
]);
const ABOUT_A_CHANNEL = new Set([
  'pusher:cache_miss',
  'pusher:subscription_error',
  'pusher:member_added',
  'pusher:member_removed',
  'pusher_internal:subscription_succeeded',
  'pusher_internal:subscription_count',
  'pusher_internal:member_added',
  'pusher_internal:member_removed',
]);

const isPresence = (channel) => /^(private-)?presence-/.test(channel);

class Checker {
  constructor() {
    this.faults = [];
    this.count = 0;
    this.views = new Map(); // channel → { members: Set, lives: successes so far }
    this.leaves = new Map(); // channel → unsubscribes sent
    this.own = new Map(); // channel → the user id that was sent
  }

  fault(text, raw) {
    this.faults.push(`${text}: ${raw.slice(0, 400)}`);
  }

  /** Notes what the client sends: each unsubscribe allows one more subscription_succeeded. */
  sent(message) {
    if (!isObject(message) || !isObject(message.data)) return;
    const channel = message.data.channel;
    if (message.event === 'pusher:unsubscribe')
      this.leaves.set(channel, (this.leaves.get(channel) || 0) + 1);
    if (message.event === 'pusher:subscribe' && typeof message.data.channel_data === 'string') {
      try {
        const id = cut(message.data.channel_data, 'user_id');
        this.own.set(channel, id[0] === '"' ? JSON.parse(id) : id);
      } catch {
        this.own.delete(channel);
      }
    }
  }

  /** Checks one text frame; returns it parsed. */
  received(raw) {
    let frame;
    try {
      frame = JSON.parse(raw);
    } catch {
      this.fault('not JSON', raw);
      return { event: '(not JSON)', raw };
    }
    this.count++;
    if (!isObject(frame)) {
      this.fault('not an object', raw);
      return { event: '(not an object)', raw };
    }
    const keys = rawPairs(raw).map(([k]) => k);
    if (new Set(keys).size !== keys.length) this.fault('a repeated key', raw);
    this.shape(frame, raw);
    this.presence(frame, raw);
    Object.defineProperty(frame, 'raw', { value: raw });
    return frame;
  }

  shape(frame, raw) {
    const { event, channel, data } = frame;
    if (typeof event !== 'string' || event === '') return this.fault('no event', raw);
    if (this.count === 1 && !['pusher:connection_established', 'pusher:error'].includes(event))
      this.fault('something before connection_established', raw);
    if (this.count > 1 && event === 'pusher:connection_established')
      this.fault('connection_established twice', raw);
    if ('channel' in frame && typeof channel !== 'string') this.fault('channel is no string', raw);
    if (ABOUT_A_CHANNEL.has(event) && channel === undefined) this.fault('no channel', raw);
    if (!('data' in frame)) this.fault('no data', raw);
    if (event === 'pusher:error') this.error(frame, raw);
    if (event === 'pusher:subscription_error') this.subscriptionError(frame, raw);
    if ((event.startsWith('pusher_internal:') || STRINGS.has(event)) && !this.stringOfJson(data))
      this.fault('data is no JSON in a string', raw);
    if (['pusher:ping', 'pusher:pong', 'pusher:cache_miss'].includes(event) && data !== '{}')
      this.fault('data is not exactly "{}"', raw);
    if (event === 'pusher_internal:subscription_succeeded' && !isPresence(channel || '') && data !== '{}')
      this.fault('data of subscription_succeeded is not exactly "{}"', raw);
    if ('user_id' in frame && (typeof frame.user_id !== 'string' || !isPresence(channel || '')))
      this.fault('user_id is for presence channels, as a string', raw);
  }

  error({ data }, raw) {
    if (!isObject(data)) return this.fault("pusher:error's data is no object", raw);
    if (!('code' in data) || (data.code !== null && !Number.isInteger(data.code)))
      this.fault("pusher:error's code is neither a number nor null", raw);
    if (this.count === 1 && data.code === null) this.fault('a null code in the handshake', raw);
    if (typeof data.message !== 'string' || data.message === '') this.fault('no message', raw);
  }

  subscriptionError({ data }, raw) {
    if (!isObject(data)) return this.fault("subscription_error's data is no object", raw);
    if (typeof data.type !== 'string' || typeof data.error !== 'string' || data.error === '')
      this.fault('subscription_error without type or error', raw);
    if (!Number.isInteger(data.status)) this.fault('subscription_error without status', raw);
  }

  stringOfJson(data) {
    if (typeof data !== 'string') return false;
    try {
      return isObject(JSON.parse(data));
    } catch {
      return false;
    }
  }

  presence(frame, raw) {
    const { event, channel } = frame;
    if (!channel || !isPresence(channel) || typeof frame.data !== 'string') return;
    const own = channel.startsWith('private-');
    const data = frame.data;
    if (event === 'pusher_internal:subscription_succeeded') this.snapshot(channel, data, raw);
    else if (event === (own ? 'pusher:member_added' : 'pusher_internal:member_added'))
      this.member(channel, data, own ? ['id', 'info'] : ['user_id', 'user_info'], true, raw);
    else if (event === (own ? 'pusher:member_removed' : 'pusher_internal:member_removed'))
      this.member(channel, data, own ? ['id'] : ['user_id'], false, raw);
    else if (/:member_(added|removed)$/.test(event) && !event.startsWith('client-'))
      this.fault('the other kind’s member event', raw);
  }

  /** I1: once, before any member event, contains the joiner, the three sizes equal. */
  snapshot(channel, data, raw) {
    const lives = (this.views.has(channel) ? this.views.get(channel).lives : 0) + 1;
    let presence, hash;
    if (lives > 1 + (this.leaves.get(channel) || 0))
      this.fault('I1: subscription_succeeded twice', raw);
    try {
      presence = JSON.parse(data).presence;
      hash = rawPairs(rawPairs(rawPairs(data)[0][1]).find(([k]) => k === 'hash')[1]);
    } catch {
      this.views.set(channel, { members: new Set(), lives });
      return this.fault('I1: no presence.ids, hash and count', raw);
    }
    const ids = Array.isArray(presence.ids) ? presence.ids : [];
    const members = new Set(ids);
    if (!ids.every((id) => typeof id === 'string')) this.fault('ids that are no strings', raw);
    if (members.size !== ids.length) this.fault('I1: an id twice', raw);
    if (presence.count !== ids.length) this.fault('I1: count differs from ids', raw);
    if (hash.length !== ids.length || !hash.every(([id]) => members.has(id)))
      this.fault('I1: hash differs from ids', raw);
    if (this.own.has(channel) && !members.has(this.own.get(channel)))
      this.fault('I1: the joiner is missing', raw);
    this.views.set(channel, { members, lives });
  }

  /** I2: added and removed strictly alternate for each user, starting from the snapshot. */
  member(channel, data, keys, added, raw) {
    const view = this.views.get(channel);
    let pairs;
    try {
      pairs = rawPairs(data);
    } catch {
      return;
    }
    if (pairs.map(([k]) => k).join() !== keys.join()) this.fault(`not exactly ${keys}`, raw);
    const id = JSON.parse(data)[keys[0]];
    if (typeof id !== 'string') this.fault('a member id that is no string', raw);
    if (!view) return this.fault('I1: a member event before the snapshot', raw);
    if (view.members.has(id) === added)
      this.fault(`I2: ${id} ${added ? 'added' : 'removed'} twice`, raw);
    if (added) view.members.add(id);
    else view.members.delete(id);
  }

  /** The members of the channel as this client was told, sorted. */
  view(channel) {
    const view = this.views.get(channel);
    return view ? [...view.members].sort() : [];
  }
}

module.exports = { Checker, isPresence };
