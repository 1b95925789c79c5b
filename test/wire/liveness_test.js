'use strict';
// PROTOCOL.md section 1: pings both ways, and what becomes of those that stay silent. Most of
// these tests wait for a time-out, so they run side by side.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const { PING } = require('./support/tcp');

const quick = { activity_timeout: 1, pong_timeout: 1 };
const TICK = 2500; // ms of lateness that a server which looks once a second may have
const EARLY = 50; // ms that a timer of this process may be wrong; no time-out may come early

const every = (ms, fn) => {
  const timer = setInterval(fn, ms);
  return () => clearInterval(timer);
};
const after = (ms) => new Promise((done) => setTimeout(done, ms));

/** An app that asks for sign-in within a second. */
const strict = (more) => ({ apps: [app({ user_authentication_timeout: 1, ...more })] });

describe('liveness', { concurrency: 12 }, () => {
  test('pusher:ping is answered with pusher:pong, data "{}" in a string', withServer({}, async (server) => {
    const client = await server.client();
    for (const text of ['{"event":"pusher:ping","data":{}}', '{"event":"pusher:ping"}', '{"event":"pusher:ping","data":"{}"}', '{"data":null,"event":"pusher:ping"}']) {
      client.sendText(text);
      assert.strictEqual((await client.next()).raw, '{"event":"pusher:pong","data":"{}"}', text);
    }
  }));

  test('a pusher:pong that nobody asked for is taken without a word', withServer({}, async (server) => {
    const client = await server.client();
    client.send('pusher:pong', {});
    client.send('pusher:pong');
    assert.deepStrictEqual(await client.barrier(), []);
  }));

  test('a WebSocket PING is answered with its own payload', withServer({}, async (server) => {
    for (const tcp of [true, false]) {
      const client = await server.client({ tcp });
      for (const payload of ['', 'x', 'p'.repeat(125)]) {
        const pong = new Promise((done) => client.once('pong', done));
        client.ping(payload);
        assert.strictEqual(String(await pong), payload);
      }
      assert.strictEqual((await client.barrier()).length, 0);
    }
  }));

  test('a silent connection is pinged after activity_timeout and closed with 4201 after pong_timeout', withServer({ activity_timeout: 2, pong_timeout: 1 }, async (server) => {
    const start = Date.now();
    const client = await server.client();
    const ping = await client.next();
    const pinged = Date.now();
    assert.strictEqual(ping.raw, '{"event":"pusher:ping","data":"{}"}');
    assert.ok(pinged - start > 2000 - EARLY && pinged - start < 2000 + TICK, `pinged after ${pinged - start} ms`);
    assert.strictEqual(await client.gone(), 4201);
    const gone = Date.now() - pinged;
    assert.ok(gone > 1000 - EARLY && gone < 1000 + TICK, `closed ${gone} ms after the ping`);
    assert.strictEqual(client.frames.filter((f) => f.event === 'pusher:ping').length, 1);
  }));

  test('a connection that answers each ping stays', withServer(quick, async (server) => {
    const client = await server.client();
    for (let i = 0; i < 3; i++) {
      await client.until('pusher:ping');
      client.send('pusher:pong', {});
    }
    assert.deepStrictEqual(await client.barrier(), []);
  }));

  test('any frame after the ping keeps the connection, not just a pong', withServer(quick, async (server) => {
    const client = await server.client();
    await client.until('pusher:ping');
    assert.strictEqual((await client.subscribe('room')).event, 'pusher_internal:subscription_succeeded');
    await client.until('pusher:ping');
    client.sendText('not even JSON');
    await client.until('pusher:error');
    await client.until('pusher:ping');
    client.ping();
    await client.until('pusher:ping');
  }));

  test('a connection that sends anything at all is not pinged', withServer({ activity_timeout: 2, pong_timeout: 1 }, async (server) => {
    const ways = {
      events: (c) => c.send('pusher:ping', {}),
      ignored: (c) => c.sendText('{"event":"nothing"}'),
      frames: (c) => c.ping('x'),
      pongs: (c) => c.ws.pong(),
    };
    for (const tcp of [false]) {
      const clients = await Promise.all(Object.values(ways).map(() => server.client({ tcp })));
      const stop = every(500, () => Object.values(ways).forEach((way, i) => way(clients[i])));
      await after(5000);
      stop();
      Object.keys(ways).forEach((name, i) => {
        assert.deepStrictEqual(clients[i].frames.filter((f) => f.event === 'pusher:ping'), [], name);
        assert.strictEqual(clients[i].state, 'open', name);
      });
    }
  }));

  test('one PING frame a second for some seconds is activity (.NET)', withServer(quick, async (server) => {
    const client = await server.client({ tcp: true });
    const stop = every(600, () => client.ping());
    await after(4000);
    stop();
    assert.ok(client.pongs.length >= 5);
    assert.strictEqual(client.state, 'open');
    assert.strictEqual(PING, 9);
  }));

  test('what is sent to a connection is no sign of its life: a listener is pinged too', withServer({ ...quick, apps: [app({ max_client_events_per_second: 0 })] }, async (server) => {
    const [listener, talker] = await server.several(2);
    await listener.enter('private-room');
    await talker.enter('private-room');
    const stop = every(200, () => talker.clientEvent('private-room', 'client-tick', 1));
    try {
      await listener.until('pusher:ping');
      assert.strictEqual(await listener.gone(), 4201);
      assert.strictEqual(talker.state, 'open');
    } finally {
      stop();
    }
  }));

  test('4202: a connection without subscription or command is closed after idle_timeout, pongs or not', withServer({ ...quick, idle_timeout: 3 }, async (server) => {
    const start = Date.now();
    const [idle, busy] = await server.several(2);
    await busy.enter('room');
    for (const c of [idle, busy])
      c.on('frame', () => c.frames[c.frames.length - 1].event === 'pusher:ping' && c.send('pusher:pong', {}));
    assert.strictEqual(await idle.gone(), 4202);
    const took = Date.now() - start;
    assert.ok(took > 3000 - EARLY && took < 3000 + TICK, `after ${took} ms`);
    await after(1500);
    assert.strictEqual(busy.state, 'open');
  }));

  test('4009: neither a sign-in nor a private or presence subscription within user_authentication_timeout', withServer(strict(), async (server) => {
    const start = Date.now();
    const [silent, open, wrong] = await server.several(3);
    await open.enter('public-room');
    assert.strictEqual((await wrong.subscribe('private-room', { auth: 'x:y' })).event, 'pusher:subscription_error');
    for (const c of [silent, open, wrong]) assert.strictEqual(await c.gone(), 4009);
    const took = Date.now() - start;
    assert.ok(took > 1000 - EARLY && took < 1000 + TICK, `after ${took} ms`);
  }));

  test('who was authorized once stays, even after unsubscribing', withServer(strict(), async (server) => {
    const clients = await server.several(5);
    const [priv, pres, user, left, secret] = clients;
    await priv.enter('private-room');
    await pres.enter('presence-room', { user_id: 'a' });
    await user.signin({ id: 'u' });
    await left.enter('private-room');
    left.leave('private-room');
    await secret.enter('private-encrypted-room');
    await after(1000 + TICK);
    for (const c of clients) assert.strictEqual(c.state, 'open');
    for (const c of clients) await c.barrier();
  }));

  test('user_authentication_timeout 0 is never, and so is authentication that is off', withServer(
    { apps: [app({ user_authentication_timeout: 0 }), app({ user_authentication_timeout: 1, enable_user_authentication: false })] },
    async (server) => {
      const a = await server.client();
      const b = await server.client({ app: server.apps[1] });
      await after(1000 + TICK);
      await a.barrier();
      await b.barrier();
    },
  ));

  test('a time-out with 4201 removes the member from its rooms', withServer(quick, async (server) => {
    const [silent, watcher] = await server.several(2);
    watcher.on('frame', () => watcher.frames[watcher.frames.length - 1].event === 'pusher:ping' && watcher.send('pusher:pong', {}));
    await watcher.enter('presence-room', { user_id: 'w' });
    await silent.enter('presence-room', { user_id: 's' });
    await watcher.until('pusher_internal:member_added');
    assert.strictEqual((await watcher.until('pusher_internal:member_removed')).data, '{"user_id":"s"}');
    assert.strictEqual(await silent.gone(), 4201);
  }));
});
