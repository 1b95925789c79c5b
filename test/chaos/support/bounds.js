'use strict';
// What PRESENCE.md promises, in ms, by what it is made of. Each counts from the end of the
// fault, so the time until a node has found its way back to Redis comes before a hold.
const FAULTLESS = 500; // I3
const RECONNECT = 2000; // attempts are at most so far apart, and joins follow at once
const NOTICE = 1000; // a heartbeat tells that the keys are gone
const HOLD = 6000; // rule 5: a removal that a resync found
const HOLD_LOSS = 9000; // and after an epoch change
const DEAD = 8000; // rule 8
const ROTATION = 30000; // rule 3

module.exports = {
  FAULTLESS,
  RECONNECT,
  LINK_BACK: RECONNECT + HOLD,
  KEYS_LOST: NOTICE + HOLD_LOSS,
  REDIS_EMPTY: RECONNECT + HOLD_LOSS,
  NODE_GONE: DEAD + 3000, // its last beat, the judge's next one, and reaping
  ROTATED: ROTATION + 1000, // two looks
  ROTATED_LEAVES: ROTATION + 1000 + HOLD,
};
