'use strict';
// user_info in a cluster: the first connection's stands until the user has gone, and then the next
// one's does, the same on every node, also where Redis hears of both late, or has lost them.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { start } = require('./support/server');
const { withCluster, eventually, after } = require('./support/cluster');
const { Gate } = require('../chaos/support/gate');

const ROOM = 'presence-info';

/** What the client was told of a user, as '+info' and '-'. */
const told = (c, user) =>
  c.frames
    .filter((f) => /member_/.test(f.event) && JSON.parse(f.data).user_id === user)
    .map((f) => (/added/.test(f.event) ? `+${JSON.parse(f.data).user_info}` : '-'));

/** What those who join now are shown of u, by node. */
async function shown(cluster, nodes) {
  const all = [];
  for (const [i, node] of nodes.entries()) {
    const late = await node.client();
    all.push((await late.enter(ROOM, { user_id: `late${i}` })).hash.u);
    late.leave(ROOM);
    await late.barrier();
  }
  return all;
}

const held = (cluster) => cluster.redis.list('HGET', cluster.keys('m', ROOM)[0], 'u')[0];

describe('user_info', { concurrency: 2 }, () => {
  test('leaving and joining again at once shows the new one', withCluster({ nodes: 2 }, async (cluster) => {
    const [w, u] = [await cluster.client(1), await cluster.client(0)];
    await w.enter(ROOM, { user_id: 'w' });
    await u.enter(ROOM, { user_id: 'u', user_info: 0 });
    for (let i = 1; i <= 20; i++) {
      u.leave(ROOM);
      const answer = await u.join(ROOM, { user_id: 'u', user_info: i });
      assert.strictEqual(JSON.parse(answer.data).presence.hash.u, i);
    }
    await eventually(async () => assert.strictEqual(told(w, 'u').at(-1), '+20'));
    for (const [i, what] of told(w, 'u').entries()) assert.strictEqual(what === '-', i % 2 === 1);
  }));

  test('a node that held his removal back says that he went and came', withCluster({ nodes: 1 }, async (cluster, t) => {
    const gate = await new Gate(cluster.redis.socket).open();
    const node = await start({ ...cluster.config, adapter: { driver: 'redis', redis: { host: '127.0.0.1', port: gate.port } } });
    t.after(() => (gate.close(), node.abandon()));
    const [a, b, u] = [await cluster.client(0), await node.client(), await cluster.client(0)];
    await a.enter(ROOM, { user_id: 'a' });
    await b.enter(ROOM, { user_id: 'b' });
    await u.enter(ROOM, { user_id: 'u', user_info: 'Old' });
    await eventually(async () => assert.deepStrictEqual(told(b, 'u'), ['+Old']));
    gate.turn(cluster.redis.socket); // its removals wait for 6 s now
    await after(1000);
    u.leave(ROOM);
    await eventually(async () => assert.deepStrictEqual(told(a, 'u'), ['+Old', '-']));
    await (await cluster.client(0)).enter(ROOM, { user_id: 'u', user_info: 'New' });
    for (const c of [a, b]) await eventually(async () => assert.deepStrictEqual(told(c, 'u'), ['+Old', '-', '+New']));
    assert.deepStrictEqual(await shown(cluster, [cluster.nodes[0], node]), ['New', 'New']);
  }));

  test('who leaves and returns while Redis is silent is shown as he returned, everywhere', withCluster({ nodes: 2 }, async (cluster) => {
    const [w, far, u] = [await cluster.client(0), await cluster.client(1), await cluster.client(0)];
    await w.enter(ROOM, { user_id: 'w' });
    await far.enter(ROOM, { user_id: 'far' });
    await u.enter(ROOM, { user_id: 'u', user_info: 'Old' });
    await eventually(async () => assert.deepStrictEqual(told(far, 'u'), ['+Old']));
    cluster.redis.kill('SIGSTOP');
    try {
      await eventually(async () => assert.match(cluster.nodes[0].log(), /redis\.degraded/));
      u.leave(ROOM);
      await eventually(async () => assert.deepStrictEqual(told(w, 'u'), ['+Old', '-']));
      const back = await cluster.client(0);
      assert.strictEqual((await back.enter(ROOM, { user_id: 'u', user_info: 'New' })).hash.u, 'New');
    } finally {
      cluster.redis.kill('SIGCONT');
    }
    await eventually(async () => assert.match(held(cluster), /New/), 10000);
    for (const c of [w, far]) await eventually(async () => assert.deepStrictEqual(told(c, 'u'), ['+Old', '-', '+New']));
    assert.deepStrictEqual(await shown(cluster, cluster.nodes), ['New', 'New']);
  }));

  test('what Redis has lost is asserted as it is shown, whichever node is first', withCluster({ nodes: 2 }, async (cluster) => {
    const [w, a, b] = [await cluster.client(0), await cluster.client(0), await cluster.client(1)];
    await w.enter(ROOM, { user_id: 'w' });
    await a.enter(ROOM, { user_id: 'u', user_info: 'first' });
    await b.enter(ROOM, { user_id: 'u', user_info: 'second' });
    for (let i = 0; i < 5; i++) {
      await cluster.redis.call('FLUSHALL');
      await eventually(async () => assert.match(held(cluster), /,.*;"first"$/));
    }
    await cluster.restart(2);
    assert.deepStrictEqual(await shown(cluster, cluster.nodes), ['first', 'first', 'first']);
    assert.deepStrictEqual(told(w, 'u'), ['+first']);
  }));
});
