'use strict';
// Webhooks when Redis has lost all that it had: nothing is told twice, and what has changed
// meanwhile is told once (PRESENCE.md, rule 12 and I8).
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { app } = require('./support/server');
const { Receiver, names } = require('./support/receiver');
const { withCluster, eventually, after } = require('./support/cluster');

/** A cluster whose app tells a receiver everything: body(cluster, receiver). */
function withReceiver(nodes, body) {
  return async (t) => {
    const r = await new Receiver().open();
    t.after(() => r.close());
    await withCluster({ nodes, config: { apps: [app({ webhooks: [{ url: r.url }] })] } }, (cluster) => body(cluster, r))(t);
  };
}

/** Both nodes have a member each, ann is on both, and a channel without presence is on both. */
async function settle(cluster, r) {
  const [a, b, ann, ann2] = [await cluster.client(0), await cluster.client(1), await cluster.client(0), await cluster.client(1)];
  await a.enter('presence-w', { user_id: 'a' });
  await b.enter('presence-w', { user_id: 'b' });
  for (const c of [ann, ann2]) await c.enter('presence-w', { user_id: 'ann' });
  for (const c of [a, b]) await c.enter('plain');
  await cluster.held('presence-w', 'ann', 2);
  await r.until(5);
  assert.deepStrictEqual(names(r).sort(), ['channel_occupied plain', 'channel_occupied presence-w', 'member_added presence-w a', 'member_added presence-w ann', 'member_added presence-w b']);
  r.events.length = 0;
  await after(3500); // what is younger than 3 s is told again
  return { a, b, ann, ann2 };
}

const flush = (cluster) => cluster.redis.call('FLUSHALL');

async function lose(cluster) {
  await cluster.redis.crash();
  await cluster.redis.start();
}

describe('webhooks, and Redis without its data', { concurrency: 5 }, () => {
  for (const [how, empty] of [['FLUSHALL', flush], ['killed and started empty', lose]]) {
    test(`${how}: who stays is not told of again, who comes and who goes is`, withReceiver(2, async (cluster, r) => {
      const { a, b, ann, ann2 } = await settle(cluster, r);
      await empty(cluster);
      await cluster.held('presence-w', 'ann', 2).catch(() => {});
      await cluster.agree('presence-w', 8000);
      const c = await cluster.client(1);
      await c.enter('presence-w', { user_id: 'c' });
      await r.until(1);
      ann.leave('presence-w'); // still on the other node
      a.leave('presence-w');
      await r.until(2);
      for (const one of [b, ann2, c]) one.leave('presence-w');
      for (const one of [a, b]) one.leave('plain');
      await r.until(7);
      await after(500);
      const told = names(r);
      assert.deepStrictEqual(told.slice(0, 2), ['member_added presence-w c', 'member_removed presence-w a']);
      assert.deepStrictEqual(told.slice(2).sort(), ['channel_vacated plain', 'channel_vacated presence-w', 'member_removed presence-w ann', 'member_removed presence-w b', 'member_removed presence-w c']);
    }));
  }

  test('FLUSHALL: of subscription_count only the total is told, when all have said what they hold', async (t) => {
    const r = await new Receiver().open();
    t.after(() => r.close());
    const one = app({ enable_subscription_count: true, webhooks: [{ url: r.url, event_types: ['subscription_count'] }] });
    await withCluster({ nodes: 3, config: { apps: [one] } }, async (cluster) => {
      const totals = () => r.events.map((e) => e.subscription_count);
      for (const c of await cluster.several(6)) await c.enter('plain');
      await r.until(6);
      assert.strictEqual(totals().at(-1), 6);
      r.events.length = 0;
      await after(3500);
      await flush(cluster);
      await r.until(1, 14000);
      await after(1000);
      assert.deepStrictEqual(totals(), [6]);
    })(t);
  });

  test('who leaves while Redis is away is told of once; who goes to another node isn’t', withReceiver(2, async (cluster, r) => {
    const { a, b, ann, ann2 } = await settle(cluster, r);
    await cluster.redis.crash();
    await eventually(async () => cluster.nodes.forEach((n) => assert.match(n.log(), /redis\.degraded/)));
    for (const one of [ann, ann2]) one.leave('presence-w');
    for (const one of [a, b]) one.leave('plain');
    a.close();
    const moved = await cluster.client(1);
    await moved.enter('presence-w', { user_id: 'a' });
    const fresh = await cluster.client(0);
    await fresh.enter('presence-w', { user_id: 'new' });
    await cluster.redis.start();
    await r.until(3, 20000);
    await after(3000);
    assert.deepStrictEqual(names(r).sort(), ['channel_vacated plain', 'member_added presence-w new', 'member_removed presence-w ann']);
    assert.deepStrictEqual(Object.keys(cluster.holders('presence-w')).sort(), ['a', 'b', 'new']);
  }));

  test('who goes by a node that doesn’t know yet that Redis has lost him is told of', withReceiver(2, async (cluster, r) => {
    const c = await cluster.client(0);
    await c.enter('plain');
    await r.until(1);
    await after(3500);
    await flush(cluster);
    c.leave('plain');
    await r.until(2, 14000);
    await after(500);
    assert.deepStrictEqual(names(r), ['channel_occupied plain', 'channel_vacated plain']);
  }));
});
