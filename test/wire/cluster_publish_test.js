'use strict';
// What a backend that publishes through several nodes may rely on: after the answer to one
// event the next one comes behind it, and is there for who asks, whichever nodes take them.
const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { app, start } = require('./support/server');
const { call, ask, request } = require('./support/api');
const { withCluster, eventually, after } = require('./support/cluster');
const { adapter } = require('./support/redis');
const { Gate } = require('../chaos/support/gate');

const EVENTS = 600;
const TOKEN = 'token-of-the-metrics';

/** One after another, each to the next node, on connections that stay open. */
async function inTurn(cluster, agent, channel, n) {
  for (let i = 0; i < n; i++) {
    const body = { name: 'e', channel, data: String(i) };
    const { status } = await call(cluster.nodes[i % cluster.nodes.length], 'POST', '/events', { body, agent });
    assert.strictEqual(status, 200);
  }
}

const withAgent = (body) => async (cluster, t) => {
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await body(cluster, agent);
};

test('POSTs in turn to three nodes arrive in their order', withCluster({ nodes: 3 }, withAgent(async (cluster, agent) => {
  const listeners = await cluster.several(3);
  for (const c of listeners) await c.subscribe('room');
  // To a channel that all nodes have, and to one that one of them has.
  await listeners[0].subscribe('corner');
  await Promise.all(['room', 'corner'].map((channel) => inTurn(cluster, agent, channel, EVENTS)));
  const sent = Array.from({ length: EVENTS }, (_, i) => String(i));
  const had = (c, channel) => c.frames.filter((f) => f.event === 'e' && f.channel === channel).map((f) => f.data);
  for (const c of listeners) await eventually(async () => assert.strictEqual(had(c, 'room').length, EVENTS));
  for (const c of listeners) assert.deepStrictEqual(had(c, 'room'), sent);
  await eventually(async () => assert.strictEqual(had(listeners[0], 'corner').length, EVENTS));
  assert.deepStrictEqual(had(listeners[0], 'corner'), sent);
})));

test('what a cache channel keeps is there for any node once its POST is answered', withCluster({ nodes: 2 }, withAgent(async (cluster, agent) => {
  for (let i = 0; i < 200; i++) {
    const body = { name: 'e', channel: 'cache-x', data: String(i) };
    assert.strictEqual((await call(cluster.nodes[i % 2], 'POST', '/events', { body, agent })).status, 200);
    const { cache } = await ask(cluster.nodes[(i + 1) % 2], '/channels/cache-x', { info: 'cache' });
    assert.strictEqual(JSON.parse(cache.data), i);
  }
})));

test('a batch, a list of channels, one with counts and a terminate are answered, too', withCluster({ nodes: 2, config: { apps: [app()] } }, async (cluster) => {
  const c = await cluster.client(0);
  await c.subscribe('a');
  const [one, other] = cluster.nodes;
  const batch = [1, 2, 3].map((n) => ({ name: 'e', channel: n < 3 ? 'a' : 'b', data: String(n) }));
  assert.deepStrictEqual(await call(one, 'POST', '/batch_events', { body: { batch } }).then((r) => [r.status, r.text]), [200, '{}']);
  const channels = Array.from({ length: 100 }, (_, i) => (i ? `c-${i}` : 'a'));
  assert.strictEqual((await call(other, 'POST', '/events', { body: { name: 'e', channels, data: '4' } })).status, 200);
  const counted = await call(other, 'POST', '/events', { body: { name: 'e', channels: ['a', 'b'], data: '5', info: 'subscription_count' } });
  assert.deepStrictEqual(JSON.parse(counted.text).channels.a, { subscription_count: 1 });
  assert.strictEqual((await call(one, 'POST', '/users/ann/terminate_connections', { body: '{}' })).status, 200);
  for (const n of [1, 2, 4, 5]) assert.strictEqual((await c.until('e')).data, String(n));
}));

test('while Redis is silent a POST is answered within 2 s, and told to this node’s clients', withCluster({ nodes: 2 }, async (cluster) => {
  const c = await cluster.client(0);
  await c.subscribe('room');
  cluster.redis.kill('SIGSTOP');
  try {
    const before = Date.now();
    const { status } = await call(cluster.nodes[0], 'POST', '/events', { body: { name: 'e', channel: 'room', data: '1' } });
    const took = Date.now() - before;
    assert.strictEqual(status, 200);
    assert.ok(took > 700 && took < 2000, `${took} ms`);
    assert.strictEqual((await c.until('e')).data, '1');
    await eventually(async () => assert.strictEqual((await call(cluster.nodes[0], 'POST', '/events', { body: { name: 'e', channel: 'room', data: '2' } })).status, 503));
  } finally {
    cluster.redis.kill('SIGCONT');
  }
  await eventually(async () => assert.strictEqual((await call(cluster.nodes[0], 'POST', '/events', { body: { name: 'e', channel: 'room', data: '3' } })).status, 200));
  assert.strictEqual((await c.until('e')).data, '3');
}));

/** A node whose way to Redis goes through a gate, and what it counts as lost. */
async function gated(cluster, t) {
  const gate = await new Gate(cluster.redis.socket).open();
  const node = await start({ ...cluster.config, ...adapter({}, { unix_socket: '', host: '127.0.0.1', port: gate.port }) });
  t.after(() => (gate.close(), node.abandon()));
  const lost = async () => Number(/^muster_unconfirmed_events_total (\d+)$/m.exec((await request(node, { path: '/metrics', headers: { Authorization: `Bearer ${TOKEN}` } })).text)[1]);
  return { gate, node, lost };
}

const to = (node, channel) => call(node, 'POST', '/events', { body: { name: 'e', channel, data: '1' } });

test('a POST that may be lost with the links is counted, also where nobody here hears the channel', withCluster({ nodes: 1, config: { metrics: { token: TOKEN } } }, async (cluster, t) => {
  const { gate, node, lost } = await gated(cluster, t);
  const far = await cluster.client(0);
  await far.subscribe('far');
  gate.silence();
  const answer = to(node, 'far');
  await after(100);
  gate.turn(cluster.redis.socket);
  gate.restore();
  assert.strictEqual((await answer).status, 200);
  await eventually(async () => assert.strictEqual((await to(node, 'far')).status, 200));
  assert.strictEqual(await lost(), 1);
  await far.until('e');
  assert.strictEqual(far.frames.filter((f) => f.event === 'e').length, 1);
}));

test('a joiner of an open channel waits while the links are away: he misses nothing from his answer on', withCluster({ nodes: 1 }, async (cluster, t) => {
  const { gate, node } = await gated(cluster, t);
  const [early, late] = [await node.client(), await node.client()];
  for (const channel of ['room', 'cache-room']) await early.subscribe(channel);
  gate.silence();
  gate.turn(cluster.redis.socket);
  await eventually(async () => assert.match(node.log(), /redis\.down/));
  const joined = ['room', 'cache-room'].map((channel) => late.subscribe(channel));
  await to(cluster.nodes[0], 'cache-room');
  await after(300);
  assert.ok(!late.frames.some((f) => /subscription_succeeded/.test(f.event)), 'answered without links');
  gate.restore();
  await Promise.all(joined);
  assert.ok(!/redis\.degraded/.test(node.log()), 'too late to tell');
  assert.strictEqual((await late.until('e')).channel, 'cache-room');
  await to(cluster.nodes[0], 'room');
  assert.strictEqual((await late.until('e')).channel, 'room');
  for (const c of [early, late]) await eventually(async () => assert.deepStrictEqual(c.frames.filter((f) => f.event === 'e').map((f) => f.channel), ['cache-room', 'room']));
}));
