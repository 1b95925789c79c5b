'use strict';
// subscription_count through faults of Redis: what clients are told of how many they are, and
// that the last of it is right.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { app, start } = require('./support/server');
const { ask } = require('./support/api');
const { withCluster, eventually, after } = require('./support/cluster');
const { Gate } = require('../chaos/support/gate');

const counts = (c) => c.frames.filter((f) => f.event === 'pusher_internal:subscription_count').map((f) => JSON.parse(f.data).subscription_count);
const config = () => ({ apps: [app({ enable_subscription_count: true })] });
const last = (c, n, patience) => eventually(async () => assert.strictEqual(counts(c).at(-1), n), patience);

describe('subscription_count', { concurrency: true }, () => {
  test('what was missed while the links were made anew is made good', withCluster(() => ({ nodes: 1, config: config() }), async (cluster, t) => {
    const gate = await new Gate(cluster.redis.socket).open();
    const node = await start({ ...cluster.config, adapter: { driver: 'redis', redis: { host: '127.0.0.1', port: gate.port } } });
    t.after(() => (gate.close(), node.abandon()));
    const a = await node.client();
    await a.enter('counted');
    const others = await cluster.several(3);
    await others[0].enter('counted');
    await last(a, 2);
    gate.silence('subscriber');
    for (const c of others.slice(1)) await c.enter('counted');
    await last(others[0], 4);
    gate.turn(cluster.redis.socket);
    gate.restore();
    await last(a, 4, 8000);
    await after(500);
    assert.deepStrictEqual(counts(a), [1, 2, 4]);
  }));

  const LOSSES = {
    FLUSHALL: (redis) => redis.call('FLUSHALL'),
    'a crash': async (redis) => (await redis.crash(), await redis.start()),
  };
  for (const [how, lose] of Object.entries(LOSSES))
    test(`after ${how} nobody is told of fewer than there are; who has left counts after that`, withCluster(() => ({ nodes: 3, config: config() }), async (cluster) => {
      const all = await cluster.several(9);
      for (const c of all) await c.enter('counted');
      for (const c of all) await last(c, 9);
      const before = all.map((c) => counts(c).length);
      await lose(cluster.redis);
      await eventually(async () => assert.strictEqual((await ask(cluster.nodes[0], '/channels/counted', { info: 'subscription_count' })).subscription_count, 9), 8000);
      const more = await cluster.client(1);
      await more.enter('counted');
      for (const c of all) await last(c, 10);
      all[8].leave('counted');
      for (const c of all.slice(0, 8)) await last(c, 9, 12000);
      for (const [i, c] of all.slice(0, 8).entries()) assert.deepStrictEqual(counts(c).slice(before[i]), [10, 9]);
    }));

  test('a degraded node goes on counting its own, until Redis does', withCluster(() => ({ nodes: 2, config: config() }), async (cluster) => {
    const [a, b] = [await cluster.client(0), await cluster.client(1)];
    for (const c of [a, b]) await c.enter('counted');
    for (const c of [a, b]) await last(c, 2);
    cluster.redis.kill('SIGSTOP');
    for (const node of cluster.nodes) await node.logged(/redis\.degraded/);
    const more = [await cluster.client(0), await cluster.client(0)];
    for (const [i, c] of more.entries()) {
      await c.enter('counted');
      for (const told of [a, c]) await last(told, 3 + i);
    }
    more[1].leave('counted');
    await last(a, 3);
    const alone = await cluster.client(0);
    await alone.enter('another');
    await last(alone, 1);
    assert.deepStrictEqual(counts(b).slice(-1), [2]);
    cluster.redis.kill('SIGCONT');
    for (const c of [a, b, more[0]]) await last(c, 3, 12000);
    await after(7000);
    for (const c of [a, b, more[0]]) assert.strictEqual(counts(c).at(-1), 3);
    assert.deepStrictEqual(counts(a), [1, 2, 3, 4, 3]);
    assert.strictEqual(counts(alone).at(-1), 1);
  }));
});
