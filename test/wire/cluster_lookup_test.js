'use strict';
// What the HTTP API of a cluster's nodes answers where the keys alone don't say it: a member
// in his grace, and Redis silent.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { ask, call, publish } = require('./support/api');
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

  test('Redis silent: what a node has kept is said as it is to who joins; what it can’t know is 503', withCluster({ nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    const c = await cluster.client(0);
    const asked = (channel) => call(node, 'GET', `/channels/${channel}`, { params: { info: 'cache' } });
    for (const channel of ['cache-q', 'cache-none']) await c.enter(channel);
    await publish(node, { name: 'e', channel: 'cache-q', data: 'a "kept" one' });
    await publish(node, { name: 'e', channel: 'cache-elsewhere', data: 'kept, too' });
    await c.until('e');
    cluster.redis.kill('SIGSTOP');
    await eventually(async () => assert.strictEqual((await asked('cache-elsewhere')).status, 503));
    const { occupied, cache } = JSON.parse((await asked('cache-q')).text);
    assert.deepStrictEqual([occupied, cache?.data], [true, 'a "kept" one']);
    assert.ok(cache.ttl > 1780 && cache.ttl <= 1800, cache.ttl);
    for (const channel of ['cache-none', 'cache-elsewhere']) {
      const { status, headers } = await asked(channel);
      assert.strictEqual(status, 503, channel);
      assert.ok(Number(headers['retry-after']) > 0, channel);
    }
    assert.deepStrictEqual(await ask(node, '/channels/cache-none'), { occupied: true });
    cluster.redis.kill('SIGCONT');
    await eventually(async () => assert.strictEqual((await asked('cache-none')).status, 200), 12000);
  }));
});
