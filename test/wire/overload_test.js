'use strict';
// One client that does what costs a server most: it joins and leaves a full room in a loop, as
// fast as it can write. Everyone else goes on, and the server still stops in time.
const test = require('node:test');
const assert = require('node:assert');
const net = require('node:net');
const { start, app } = require('./support/server');
const { Tcp } = require('./support/tcp');

const ROOM = 'presence-room';
const after = (ms) => new Promise((done) => setTimeout(done, ms));

async function crowded(t) {
  const server = await start({ workers: 2, shutdown_grace: 5, apps: [app()] });
  t.after(() => (server.how ? null : server.abandon()));
  const members = [];
  for (let i = 0; i < 90; i++) {
    const m = await server.client({ tcp: true });
    await m.enter(ROOM, JSON.stringify({ user_id: `m${i}`, user_info: { x: 'y'.repeat(1900) } }));
    members.push(m);
  }
  return { server, members };
}

/** A hundred pairs of join and leave, ready made. */
function pairs(client) {
  const one = [];
  const write = client.tcp.write.bind(client.tcp);
  client.tcp.write = (bytes) => one.push(bytes);
  client.sendJoin(ROOM, { user_id: 'loop' });
  client.leave(ROOM);
  client.tcp.write = write;
  return Buffer.concat(Array(100).fill(Buffer.concat(one)));
}

/** Writes them as fast as the socket takes them, until told to stop; reads nothing of worth. */
async function loop(client, state) {
  const blob = pairs(client);
  while (!state.over && client.state === 'open') {
    const taken = new Promise((done) => client.tcp.socket.write(blob, done));
    await Promise.race([taken, client.closed]);
    state.pairs += 100;
    client.frames.length = client.cursor = 0;
    await new Promise(setImmediate);
  }
}

async function latency(client) {
  const before = Date.now();
  await client.barrier();
  return Date.now() - before;
}

test('a client that joins and leaves in a loop slows nobody else down, and nobody is closed', async (t) => {
  const { server, members } = await crowded(t);
  const [probe, other, ...attackers] = await server.several(4, { tcp: true }); // on both workers
  const state = { over: false, pairs: 0 };
  const done = Promise.all(attackers.map((a) => loop(a, state)));
  let worst = 0;
  for (let i = 0; i < 8; i++) {
    await after(500);
    worst = Math.max(worst, await latency(probe), await latency(other));
    await probe.enter(`private-${i}`);
  }
  assert.ok(state.pairs > 500, `only ${state.pairs} pairs were sent`);
  assert.ok(worst < 1500, `a ping took ${worst} ms`);
  assert.deepStrictEqual(members.filter((m) => m.state !== 'open'), []);
  state.over = true;
  for (const a of attackers) a.drop();
  await done;
  server.clients.clear(); // megabytes of frames: they were checked as they came
  await server.stop();
});

test('SIGTERM ends a server in time while a client floods it so', async (t) => {
  const { server } = await crowded(t);
  const attackers = await server.several(2, { tcp: true });
  const state = { over: false, pairs: 0 };
  const done = Promise.all(attackers.map((a) => loop(a, state)));
  await after(1500);
  const before = Date.now();
  server.kill('SIGTERM');
  const how = await server.ended(15000);
  state.over = true;
  for (const a of attackers) a.drop();
  await done;
  assert.deepStrictEqual(how, { code: 0, signal: null }, server.tail());
  assert.ok(Date.now() - before < 6000, `took ${Date.now() - before} ms`);
  server.sane();
});

test('a worker that is handed many connections at once serves each of them', { timeout: 60000 }, async (t) => {
  const server = await start({ workers: 1, shutdown_grace: 3, apps: [app()] });
  t.after(() => (server.how ? null : server.abandon()));
  const request = Tcp.request(`/app/${server.apps[0].key}?protocol=7`, server.port);
  for (let round = 0; round < 40; round++) {
    const all = Array.from({ length: 250 }, () => new Promise((done, fail) => {
      const socket = net.connect(server.port, '127.0.0.1', () => socket.write(request));
      let seen = '';
      const timer = setTimeout(() => fail(new Error(`round ${round}: no greeting in 10 s`)), 10000);
      socket.on('error', fail);
      socket.on('data', (part) => {
        seen += part.toString('latin1');
        if (!seen.includes('connection_established')) return;
        clearTimeout(timer);
        socket.destroy();
        done();
      });
    }));
    await Promise.all(all);
  }
  await server.stop();
});
