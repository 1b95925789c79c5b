'use strict';
// PROTOCOL.md section 1: the URL, the first frame, and every refusal at connect.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app, start, oneNode } = require('./support/server');
const { Client } = require('./support/client');
const { Tcp } = require('./support/tcp');

/** A refusal at connect: pusher:error first, the same code on the close, a closed socket. */
async function refused(server, code, options) {
  for (const tcp of [false, true]) {
    const client = new Client(server, { tcp, ...options });
    const got = await client.gone();
    const what = JSON.stringify(options) + client.frames.map((f) => f.raw);
    assert.strictEqual(client.frames.length, 1, what);
    assert.strictEqual(client.frames[0].event, 'pusher:error', what);
    assert.strictEqual(client.frames[0].data.code, code, what);
    assert.strictEqual(got, code, what);
  }
}

test('the first frame is connection_established with socket_id and activity_timeout', withServer({}, async (server) => {
  for (const tcp of [false, true]) {
    const client = await server.client({ tcp });
    assert.match(
      client.frames[0].raw,
      /^\{"event":"pusher:connection_established","data":"\{\\"socket_id\\":\\"\d+\.\d+\\",\\"activity_timeout\\":120\}"\}$/,
    );
    assert.deepStrictEqual(await client.barrier(), []);
  }
}));

test('activity_timeout is announced as configured', withServer({ activity_timeout: 77 }, async (server) => {
  const client = await server.client();
  assert.strictEqual(client.greeting.activity_timeout, 77);
}));

test('socket ids are unique, well formed and not to be guessed from another', withServer({}, async (server) => {
  const ids = [];
  for (let i = 0; i < 10; i++) {
    const clients = await Promise.all(Array.from({ length: 40 }, () => server.client()));
    ids.push(...clients.map((c) => c.socketId));
    for (const c of clients) c.drop();
  }
  const other = await start();
  ids.push((await other.client()).socketId);
  await other.stop();
  assert.strictEqual(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^\d+\.\d+$/);

  // Both parts together must spread over at least 2^48 values, and no step from one id to the
  // next may come twice: counters, clocks and per-worker bases all fail here.
  const parts = ids.map((id) => id.split('.').map(BigInt));
  const bits = (n) => n.toString(2).length;
  const spread = (i) => {
    const all = parts.map((p) => p[i]).sort((a, b) => (a < b ? -1 : 1));
    return bits(all[all.length - 1] - all[0]);
  };
  assert.ok(spread(0) + spread(1) >= 48, `${spread(0)} + ${spread(1)} bits, as in ${ids.slice(0, 4)}`);
  const steps = parts.slice(1).map((p, i) => `${p[0] - parts[i][0]},${p[1] - parts[i][1]}`);
  assert.strictEqual(new Set(steps).size, steps.length);
}));

test('parameters come in any order and unknown ones are ignored', withServer({}, async (server) => {
  for (const query of [
    'protocol=7',
    'client=js&version=8.6.0&flash=false&protocol=7',
    'flash=false&protocol=7&version=8.6.0&client=js',
    'x=1&protocolx=9&protocol=7&y=%20%26protocol%3D1&&z',
    'client=java-client&protocol=5&version=2.4.4',
    'version=7.6.0&protocol=6&client=js',
  ]) {
    const client = await server.client({ query });
    assert.strictEqual(client.frames.length, 1, query);
  }
}));

test('protocols 5, 6 and 7 are spoken', withServer({}, async (server) => {
  for (const n of [5, 6, 7]) await server.client({ query: `protocol=${n}` });
}));

test('4008: no protocol', withServer({}, async (server) => {
  const { key } = server.apps[0];
  await refused(server, 4008, { query: 'client=js&version=8.6.0' });
  await refused(server, 4008, { path: `/app/${key}` });
}));

test('4007: a protocol that is not spoken', withServer({}, async (server) => {
  for (const n of ['4', '8', '1', '70', '4294967303', '0'])
    await refused(server, 4007, { query: `protocol=${n}` });
}));

test('4006: a protocol that is no number', withServer({}, async (server) => {
  for (const n of ['abc', '7x', 'x7', '%207', '7%20'])
    await refused(server, 4006, { query: `protocol=${n}` });
}));

test('4001: no such app', withServer({}, async (server) => {
  const { key } = server.apps[0];
  for (const wrong of ['nope', `${key}x`, key.slice(0, -1), key.toUpperCase(), server.apps[0].id])
    await refused(server, 4001, { path: `/app/${wrong}?protocol=7` });
}));

test('4003: the app is disabled', withServer({ apps: [app(), app({ enabled: false })] }, async (server) => {
  await refused(server, 4003, { app: server.apps[1] });
  await server.client();
}));

test('4005: an unknown path', withServer({}, async (server) => {
  const { key } = server.apps[0];
  for (const path of ['/?protocol=7', '/nowhere?protocol=7', `/apps/${key}?protocol=7`, `/app/${key}/more?protocol=7`, `/x/app/${key}?protocol=7`])
    await refused(server, 4005, { path });
}));

test('4004: over the app’s own connection quota, and another app is let in', oneNode('each counts for itself'), withServer({ apps: [app({ max_connections: 3 }), app()] }, async (server) => {
  const all = await server.several(3);
  await refused(server, 4004);
  await server.client({ app: server.apps[1] });
  all[0].close();
  await all[0].gone();
  await eventually(() => server.client());
  await refused(server, 4004);
}));

test('4100: over the node’s max_connections, until one has left', oneNode('each counts for itself'), withServer({ max_connections: 4 }, async (server) => {
  const all = await server.several(4);
  await refused(server, 4100);
  all[1].drop();
  await eventually(() => server.client());
  await refused(server, 4100);
}));

test('4000: the app wants TLS and the proxy says that there was none', withServer({ apps: [app({ require_tls: true })] }, async (server) => {
  await refused(server, 4000, { headers: { 'X-Forwarded-Proto': 'http' } });
  await server.client({ headers: { 'X-Forwarded-Proto': 'https' } });
}));

test('4009: an origin that the app does not allow', withServer({ apps: [app({ allowed_origins: ['example.com', '*.example.org'] }), app()] }, async (server) => {
  for (const origin of ['https://example.com', 'http://example.com:8080', 'https://a.example.org'])
    await server.client({ origin });
  for (const origin of ['https://example.net', 'https://a.example.com', 'https://example.com.evil.net', 'https://evilexample.org', 'https://notexample.com', 'null'])
    await refused(server, 4009, { headers: { Origin: origin } });
  await server.client({ app: server.apps[1], origin: 'https://anywhere.net' });
}));

test('path_prefix stands before /app, and only there', withServer({ path_prefix: '/realtime' }, async (server) => {
  const { key } = server.apps[0];
  await server.client({ path: `/realtime/app/${key}?protocol=7` });
  await refused(server, 4005, { path: `/app/${key}?protocol=7` });
  await refused(server, 4005, { path: `/realtimeapp/${key}?protocol=7` });
}));

test('a refused client’s socket closes even if the client never answers the Close frame', withServer({}, async (server) => {
  const client = new Client(server, { tcp: true, answerClose: false, path: '/app/nope?protocol=7' });
  await client.tcp.connected;
  assert.strictEqual(await client.gone(10000), 4001);
}));

test('header names and Connection tokens in the spelling of any browser or proxy', withServer({}, async (server) => {
  for (const headers of [
    { Connection: 'keep-alive, Upgrade' },
    { Connection: 'upgrade', Upgrade: 'WebSocket' },
    { 'X-Forwarded-For': '10.0.0.1, 10.0.0.2', Cookie: 'a=b; c=d', 'Accept-Language': 'de' },
    { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' },
  ])
    await server.client({ tcp: true, headers });
}));

test('a subprotocol that nobody speaks leaves no client without an answer', withServer({ handshake_timeout: 2 }, async (server) => {
  const tcp = new Tcp(server.port);
  await tcp.connected;
  tcp.write(Tcp.request(`/app/${server.apps[0].key}?protocol=7`, server.port, { 'Sec-WebSocket-Protocol': 'foo, bar' }));
  const first = await Promise.race([
    new Promise((done) => tcp.once('text', done)),
    tcp.ended.then(() => 'closed'),
    new Promise((done) => setTimeout(done, 10000, 'nothing').unref()),
  ]);
  assert.notStrictEqual(first, 'nothing');
  tcp.destroy();
}));

test('connections of two apps and of all protocols live side by side', withServer({ apps: [app(), app()] }, async (server) => {
  const a = await server.client({ query: 'protocol=5' });
  const b = await server.client({ app: server.apps[1], query: 'protocol=7' });
  await a.enter('private-x');
  await b.enter('private-x');
  a.clientEvent('private-x', 'client-e', {});
  await a.barrier();
  await b.enter('private-y');
  assert.deepStrictEqual(b.frames.filter((f) => f.event === 'client-e'), []);
}));

/** A place becomes free a moment after the socket has gone: try until it is. */
async function eventually(attempt) {
  for (let i = 0; ; i++) {
    try {
      return await attempt();
    } catch (e) {
      if (i === 100) throw e;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

test('an Origin too long to be read is not taken for none', withServer(() => ({ apps: [app({ allowed_origins: ['good.example'] })] }), async (server) => {
  for (const n of [250, 600]) {
    const client = new Client(server, { origin: `https://${'a'.repeat(n)}.evil.example` });
    assert.strictEqual(await client.gone(), 4009);
  }
}));

test('require_tls believes the first of several proxies, in any case', withServer(() => ({ apps: [app({ require_tls: true })] }), async (server) => {
  for (const proto of ['https', 'HTTPS', 'https, http', 'wss']) await server.client({ headers: { 'X-Forwarded-Proto': proto } });
  for (const proto of ['http', 'http, https', 'x'.repeat(100)]) {
    const client = new Client(server, { headers: { 'X-Forwarded-Proto': proto } });
    assert.strictEqual(await client.gone(), 4000, proto);
  }
  await server.client();
}));

test('who is in mid-handshake when the node stops is told 4200; who says nothing holds it up for 2 s at most', async () => {
  for (const rest of [1, 20, 300]) {
    const server = await start({ workers: 2, shutdown_grace: 10 });
    const tcp = new Tcp(server.port);
    const request = Tcp.request(`/app/${server.apps[0].key}?protocol=7`, server.port);
    tcp.write(request.slice(0, -2));
    await new Promise((done) => setTimeout(done, 50));
    server.kill('SIGTERM');
    await new Promise((done) => setTimeout(done, rest));
    tcp.write(request.slice(-2));
    await tcp.ended;
    assert.strictEqual(tcp.closed.code, 4200, `after ${rest} ms`);
    assert.deepStrictEqual(await server.ended(5000), { code: 0, signal: null });
  }
  const server = await start({ workers: 2, shutdown_grace: 10 });
  const [half, gone] = [new Tcp(server.port), new Tcp(server.port)];
  for (const tcp of [half, gone]) tcp.write('GET /app/');
  await new Promise((done) => setTimeout(done, 50));
  gone.reset();
  const before = Date.now();
  await server.stop();
  assert.ok(Date.now() - before < 2500, `${Date.now() - before} ms`);
});

test('a half-open connection that has gone holds nothing up', async () => {
  const server = await start({ workers: 1, shutdown_grace: 10 });
  for (let i = 0; i < 20; i++) {
    const tcp = new Tcp(server.port);
    tcp.write(i % 2 ? 'GET /app/' : '\x00garbage\r\n\r\n');
    await new Promise((done) => setTimeout(done, 5));
    tcp.reset();
    await tcp.ended;
  }
  await new Promise((done) => setTimeout(done, 50));
  const before = Date.now();
  await server.stop();
  assert.ok(Date.now() - before < 700, `${Date.now() - before} ms`);
});
