'use strict';
// Events that come all at once, since this node or Redis stood still meanwhile: who reads gets
// them all, however many they are; who doesn't is closed as ever.
const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { call } = require('./support/api');
const { withCluster, eventually, after } = require('./support/cluster');

const TEXT = 'x'.repeat(9000);
const EVENTS = 900; // about 8 MB, where 1 MB may be pending

async function publishAll(node, channel) {
  const agent = new http.Agent({ keepAlive: true });
  for (let i = 0; i < EVENTS; i += 10) {
    const batch = Array.from({ length: 10 }, (_, k) => ({ name: 'e', channel, data: `${i + k} ${TEXT}` }));
    const { status, text } = await call(node, 'POST', '/batch_events', { body: { batch }, agent });
    assert.strictEqual(status, 200, text);
  }
  agent.destroy();
}

const numbers = (c) => c.frames.filter((f) => f.event === 'e').map((f) => parseInt(f.data, 10));
const all = Array.from({ length: EVENTS }, (_, i) => i);

test('a node that stood still delivers 8 MB at once: its readers get everything, who does not read is closed', withCluster({ nodes: 2 }, async (cluster) => {
  const [node, other] = cluster.nodes;
  const readers = [await cluster.client(0), await cluster.client(0)];
  const deaf = await cluster.client(0, { tcp: true });
  for (const c of [...readers, deaf]) await c.subscribe('room');
  deaf.tcp.socket.pause();
  node.kill('SIGSTOP');
  try {
    await publishAll(other, 'room');
  } finally {
    node.kill('SIGCONT');
  }
  for (const c of readers) await eventually(async () => assert.strictEqual(numbers(c).length, EVENTS, node.log().match(/ws.slow.*/g)?.join('\n')), 10000);
  for (const c of readers) assert.deepStrictEqual(numbers(c), all);
  await eventually(async () => assert.match(node.log(), /ws\.slow/), 5000); // though nothing more is sent to it
  assert.ok(node.log().includes(`socket=${deaf.socketId} `));
  assert.strictEqual(node.log().match(/ws\.slow/g).length, 1);
  deaf.tcp.socket.resume();
  assert.strictEqual(await deaf.gone(), 4100);
}));

test('what waits for one connection is bounded, however fast it comes', withCluster({ nodes: 2, config: { max_pending_kb: 64 } }, async (cluster) => {
  const [node, other] = cluster.nodes;
  const deaf = await cluster.client(0, { tcp: true });
  await deaf.subscribe('room');
  deaf.tcp.socket.pause();
  node.kill('SIGSTOP');
  try {
    await publishAll(other, 'room');
  } finally {
    node.kill('SIGCONT');
  }
  const [, bytes] = await eventually(async () => {
    const line = node.log().match(/ws\.slow.*pending_bytes=(\d+)/);
    assert.ok(line);
    return line;
  });
  assert.ok(Number(bytes) <= 16 * 64 * 1024, `${bytes}`);
  await after(50);
  deaf.tcp.socket.resume();
  assert.strictEqual(await deaf.gone(), 4100);
}));
