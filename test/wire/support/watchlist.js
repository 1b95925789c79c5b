'use strict';
// What watchlists have told a client.
const assert = require('node:assert');

const EVENT = 'pusher_internal:watchlist_events';
const after = (ms) => new Promise((done) => setTimeout(done, ms));

/** What a client has been told so far: {bob: 'online', …}, and how often each was said. */
function told(client) {
  const state = {};
  const times = {};
  for (const f of client.frames.filter((x) => x.event === EVENT)) {
    assert.ok(!('channel' in f));
    for (const { name, user_ids: ids } of JSON.parse(f.data).events) {
      assert.ok(ids.length > 0);
      for (const id of ids) {
        state[id] = name;
        times[id] = (times[id] || 0) + 1;
      }
    }
  }
  return { state, times };
}

async function until(client, state, patience = 5000) {
  const deadline = Date.now() + patience;
  while (Date.now() < deadline) {
    try {
      assert.deepStrictEqual(told(client).state, state);
      return;
    } catch {
      await after(20);
    }
  }
  assert.deepStrictEqual(told(client).state, state);
}

module.exports = { EVENT, told, until };
