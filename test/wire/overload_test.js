'use strict';
// One client that does what costs a server most: it joins and leaves a full room in a loop, as
// fast as it can write. Everyone else goes on, and the server still stops in time.
const test = require('node:test');
const assert = require('node:assert');
const net = require('node:net');
const { start, app, local, withServer } = require('./support/server');
const { Tcp } = require('./support/tcp');
const { hang } = require('./support/hang');
const { bytes, call, Wire } = require('./support/api');

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

/** A connection that a worker serves which doesn't hang. */
async function served(server) {
  for (;;) {
    const wire = new Wire(server);
    wire.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
    if (await wire.replies(1, 300).catch(() => null)) return wire;
    wire.end();
  }
}

test('while a worker hangs what would pile up before it is refused with 503, the rest goes on, and all that got 200 arrives', { timeout: 60000 }, withServer({ ...local, workers: 2, log: { level: 'debug' } }, async (server, t) => { // with Redis an answer waits for a home
  const rooms = Array.from({ length: 100 }, (_, i) => `room-${i}`);
  const watched = rooms.slice(0, 8); // some of them live at the worker that hangs
  const reader = await server.client();
  for (const room of watched) await reader.enter(room);
  await hang(server, t);
  const wire = await served(server);
  t.after(() => wire.end());
  let n = 1;
  let taken = 0;
  const post = async (path, body) => {
    wire.write(bytes(server, 'POST', path, { body: JSON.stringify(body) }));
    return (await wire.replies(++n))[n - 1];
  };
  const publish = async (channels) => {
    const reply = await post('/events', { name: 'e', channels, data: 'x' });
    if (reply.status === 200) taken += channels.filter((c) => watched.includes(c)).length;
    return reply;
  };
  let refused;
  for (let i = 0; i < 2000 && !refused; i++) {
    const reply = await publish(rooms);
    if (reply.status !== 200) refused = reply;
  }
  assert.deepStrictEqual([refused?.status, refused?.text], [503, 'The node is overloaded\n']);
  assert.match(refused.head, /^retry-after: 1\r?$/im);
  const alone = new Set();
  for (const room of rooms) alone.add((await publish([room])).status);
  assert.deepStrictEqual([...alone].sort(), [200, 503], 'the other worker takes what is its');
  const ends = new Set();
  for (let i = 0; i < 20; i++) ends.add((await post(`/users/u${i}/terminate_connections`, {})).status);
  assert.deepStrictEqual([...ends].sort(), [200, 503], 'so with users');
  server.child.stderr.resume();
  for (const deadline = Date.now() + 10000; ; await after(100)) {
    const { status } = await call(server, 'POST', '/events', { body: { name: 'last', channels: watched, data: 'x' } });
    if (status === 200) break;
    assert.ok(Date.now() < deadline, 'it stays refused');
  }
  const came = { e: 0, last: 0 };
  while (came.last < watched.length) came[(await reader.until((f) => f.event === 'e' || f.event === 'last')).event]++;
  assert.strictEqual(came.e, taken, 'what got 200 arrives, what got 503 does not');
}));
