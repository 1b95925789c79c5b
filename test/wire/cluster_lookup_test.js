'use strict';
// What the HTTP API of a cluster's nodes answers where the keys alone don't say it: a member
// in his grace.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { ask } = require('./support/api');
const { withCluster, eventually } = require('./support/cluster');

describe('what a cluster says of its channels', { concurrency: 4 }, () => {
  test('a member in grace occupies his channel for every question', withCluster({ config: { presence: { leave_grace: 3 } } }, async (cluster) => {
    const c = await cluster.client(0, { tcp: true });
    await c.enter('presence-g', { user_id: 'u' });
    c.reset();
    await eventually(async () => {
      const { subscription_count: n } = await ask(cluster.nodes[1], '/channels/presence-g', { info: 'subscription_count' });
      assert.strictEqual(n, 0);
    });
    for (const node of cluster.nodes) {
      assert.deepStrictEqual(await ask(node, '/channels'), { channels: { 'presence-g': {} } });
      const info = { info: 'user_count', filter_by_prefix: 'presence-' };
      assert.deepStrictEqual(await ask(node, '/channels', info), { channels: { 'presence-g': { user_count: 1 } } });
      assert.deepStrictEqual(await ask(node, '/channels/presence-g'), { occupied: true });
      assert.deepStrictEqual(await ask(node, '/channels/presence-g/users'), { users: [{ id: 'u' }] });
    }
    await eventually(async () => {
      for (const node of cluster.nodes) assert.deepStrictEqual(await ask(node, '/channels'), { channels: {} });
    });
    assert.deepStrictEqual(await ask(cluster.nodes[1], '/channels/presence-g'), { occupied: false });
  }));
});
