'use strict';
// Cache channels whose Redis loses its data or its links: no later event is taken for one that
// was had, and none is told twice.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { start } = require('./support/server');
const { publish } = require('./support/api');
const { withCluster, eventually, after } = require('./support/cluster');
const { Gate } = require('../chaos/support/gate');

const heard = (c, event) => c.frames.filter((f) => f.event === event).map((f) => `${f.channel} ${f.data}`);
const numbered = (channel, n) => Array.from({ length: n }, (_, i) => `${channel} ${i}`);

async function inTurn(node, channel, name, n) {
  for (let i = 0; i < n; i++) await publish(node, { name, channel, data: String(i) });
}

const LOSSES = {
  FLUSHALL: (redis) => redis.call('FLUSHALL'),
  'a crash': async (redis) => (await redis.crash(), await redis.start()),
};

describe('cache channels', { concurrency: true }, () => {
  for (const [how, lose] of Object.entries(LOSSES))
    test(`after ${how} all of another node's events are heard`, withCluster({ nodes: 2 }, async (cluster) => {
      const clients = [await cluster.client(0), await cluster.client(1)];
      for (const c of clients) for (const channel of ['cache-x', 'plain-x']) await c.enter(channel);
      await inTurn(cluster.nodes[1], 'cache-x', 'before', 5);
      for (const c of clients) await eventually(async () => assert.strictEqual(heard(c, 'before').length, 5));
      await lose(cluster.redis);
      for (const c of clients)
        await eventually(async () => {
          await publish(cluster.nodes[1], { name: 'again', channel: 'plain-x', data: '' });
          assert.ok(heard(c, 'again').length);
        }, 10000);
      await inTurn(cluster.nodes[1], 'cache-x', 'after', 7);
      for (const c of clients) await eventually(async () => assert.deepStrictEqual(heard(c, 'after'), numbered('cache-x', 7)));
      const late = await cluster.client(0);
      await late.enter('cache-x');
      assert.deepStrictEqual(heard(late, 'after'), ['cache-x 6']);
    }));

  test('a node’s own event whose echo is lost with the links is told once', withCluster({ nodes: 1 }, async (cluster, t) => {
    const gate = await new Gate(cluster.redis.socket).open();
    const node = await start({ ...cluster.config, adapter: { driver: 'redis', redis: { host: '127.0.0.1', port: gate.port } } });
    t.after(() => (gate.close(), node.abandon()));
    const [c, other] = [await node.client(), await cluster.client(0)];
    for (const channel of ['cache-y', 'plain-y']) await c.enter(channel);
    await other.enter('cache-y');
    gate.silence('subscriber');
    for (const channel of ['cache-y', 'plain-y']) await publish(node, { name: 'e', channel, data: '0' });
    await other.until('e');
    gate.turn(cluster.redis.socket);
    gate.restore();
    await eventually(async () => assert.strictEqual(heard(c, 'e').length, 2));
    await eventually(async () => {
      await publish(cluster.nodes[0], { name: 'last', channel: 'cache-y', data: '' });
      assert.ok(heard(c, 'last').length);
    });
    assert.deepStrictEqual(heard(c, 'e').sort(), ['cache-y 0', 'plain-y 0']);
  }));

  test('what another node has kept while the links were away is heard once', withCluster({ nodes: 1 }, async (cluster, t) => {
    const gate = await new Gate(cluster.redis.socket).open();
    const node = await start({ ...cluster.config, adapter: { driver: 'redis', redis: { host: '127.0.0.1', port: gate.port } } });
    t.after(() => (gate.close(), node.abandon()));
    const c = await node.client();
    await c.enter('cache-z');
    gate.silence('subscriber');
    await inTurn(cluster.nodes[0], 'cache-z', 'e', 2);
    gate.turn(cluster.redis.socket);
    gate.restore();
    await eventually(async () => assert.deepStrictEqual(heard(c, 'e'), ['cache-z 1']));
    await after(500);
    assert.deepStrictEqual(heard(c, 'e'), ['cache-z 1']);
  }));
});
