'use strict';
// The official server SDK, unmodified, against the server, and what the official client
// hears of it; then requests as the other SDKs sign them.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const Sdk = require('pusher');
const { withServer } = require('./support/server');
const { Application, connectAs, connected, inside, once, hangUp } = require('./support/official');
const { request, md5, now } = require('./support/api');
const { digest } = require('./support/sign');

/** The SDK as a backend would set it up. */
function backend(server, more = {}) {
  const { id, key, secret } = server.apps[0];
  return new Sdk({
    appId: id, key, secret, host: '127.0.0.1', port: server.port, useTLS: false, timeout: 15000,
    encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString('base64'), ...more,
  });
}

/** A test with the SDK, an application's server for sign-in, and pusher-js. */
const withBackend = (config, body) =>
  withServer(config, async (server) => {
    const application = await Application.start(server.apps[0]);
    try {
      await body(server, backend(server), application);
    } finally {
      hangUp(server);
      await application.stop();
    }
  });

/** The error that the SDK rejects with. */
const refused = (promise) => promise.then((r) => assert.fail(`${r.status}`), (e) => e);

for (const workers of [1, 4]) {
  describe(`the official SDK with ${workers} workers`, () => {
    test('trigger: one channel, 100 channels; 101 the SDK refuses itself', withBackend({ workers }, async (server, sdk) => {
      const c = await server.client();
      const channels = Array.from({ length: 100 }, (_, i) => `room-${i}`);
      for (const name of channels) await c.enter(name);
      const one = await sdk.trigger('room-1', 'e', { a: 'é', n: 1.5 });
      assert.deepStrictEqual([one.status, await one.text()], [200, '{}']);
      assert.deepStrictEqual({ ...(await c.until('e')) }, { event: 'e', channel: 'room-1', data: '{"a":"é","n":1.5}' });
      assert.strictEqual((await sdk.trigger(channels, 'all', 'plain')).status, 200);
      const got = new Set();
      while (got.size < 100) got.add((await c.until('all')).channel);
      assert.throws(() => sdk.trigger([...channels, 'x'], 'e', 'x'), /100 channels/);
    }));

    test('pusher-js hears trigger, not its own with socket_id, and batches', withBackend({ workers }, async (server, sdk, application) => {
      const all = [1, 2, 3].map((n) => connectAs(server, application, { id: n, bare: true }));
      for (const p of all) await connected(p);
      const rooms = [];
      for (const p of all) rooms.push(await inside(p, 'private-room'));
      const heard = rooms.map((room) => {
        const list = [];
        room.bind_global((event, data) => event.startsWith('pusher') || list.push([event, data]));
        return list;
      });
      const done = () => Promise.all(rooms.map((room) => once(room, 'done')));
      let all3 = done();
      await sdk.trigger('private-room', 'a', { text: 'ü "quoted"' }, { socket_id: all[0].connection.socket_id });
      const batch = await sdk.triggerBatch([
        { channel: 'private-room', name: 'b', data: { n: 1 } },
        { channel: 'private-room', name: 'c', data: [1, 2] },
        { channel: 'elsewhere', name: 'd', data: 'x' },
      ]);
      assert.deepStrictEqual([batch.status, await batch.text()], [200, '{}']);
      await sdk.trigger('private-room', 'done', {});
      await all3;
      const common = [['b', { n: 1 }], ['c', [1, 2]], ['done', {}]];
      assert.deepStrictEqual(heard, [common, [['a', { text: 'ü "quoted"' }], ...common], [['a', { text: 'ü "quoted"' }], ...common]]);
      all3 = null;
    }));

    test('an encrypted trigger is decrypted by nobody in between', withBackend({ workers }, async (server, sdk) => {
      const c = await server.client();
      await c.enter('private-encrypted-x');
      await sdk.trigger('private-encrypted-x', 'e', { secret: 1 });
      assert.deepStrictEqual(Object.keys(JSON.parse((await c.until('e')).data)).sort(), ['ciphertext', 'nonce']);
    }));

    test('get: channels, a channel, its users, with params', withBackend({ workers }, async (server, sdk) => {
      const [a, b] = await server.several(2);
      await a.enter('presence-x', { user_id: 'ann' });
      await b.enter('presence-x', { user_id: 2 });
      await b.enter('room');
      const get = async (path, params) => (await sdk.get({ path, params })).json();
      assert.deepStrictEqual(await get('/channels'), { channels: { 'presence-x': {}, room: {} } });
      assert.deepStrictEqual(await get('/channels', { filter_by_prefix: 'presence-', info: 'user_count,subscription_count' }), {
        channels: { 'presence-x': { user_count: 2, subscription_count: 2 } },
      });
      assert.deepStrictEqual(await get('/channels', { filter_by_prefix: 'none' }), { channels: {} });
      assert.deepStrictEqual(await get('/channels/presence-x', { info: 'user_count' }), { occupied: true, user_count: 2 });
      assert.deepStrictEqual((await get('/channels/presence-x/users')).users.map((u) => u.id).sort(), ['2', 'ann']);
      assert.deepStrictEqual(await get('/channels/presence-none/users'), { users: [] });
      const e = await refused(sdk.get({ path: '/channels', params: { info: 'user_count' } }));
      assert.deepStrictEqual([e.status, /user_count/.test(e.body)], [400, true]);
      const info = await sdk.trigger(['presence-x', 'room'], 'e', {}, { info: 'user_count,subscription_count' });
      assert.deepStrictEqual(await info.json(), {
        channels: { 'presence-x': { user_count: 2, subscription_count: 2 }, room: { subscription_count: 1 } },
      });
    }));

    test('sendToUser and terminateUserConnections, with pusher-js signed in', withBackend({ workers }, async (server, sdk, application) => {
      const ann = [1, 2].map(() => connectAs(server, application, { id: 'ann', profile: { name: 'Ann' } }));
      const bob = connectAs(server, application, { id: 'bob', profile: {} });
      for (const p of [...ann, bob]) {
        const signed = new Promise((done) => p.bind_global((event) => event === 'pusher:signin_success' && done()));
        p.signin();
        await signed;
      }
      await bob.user.signinDonePromise;
      const toBob = [];
      bob.user.bind('note', (data) => toBob.push(data));
      const notes = ann.map((p) => once(p.user, 'note'));
      assert.strictEqual((await sdk.sendToUser('ann', 'note', { n: 1 })).status, 200);
      for (const note of notes) assert.deepStrictEqual((await note)[0], { n: 1 });
      const gone = ann.map((p) => once(p.connection, 'disconnected'));
      const answer = await sdk.terminateUserConnections('ann');
      assert.deepStrictEqual([answer.status, await answer.text()], [200, '{}']);
      await Promise.all(gone);
      for (const p of ann) assert.ok(p.problems.some((e) => e.data && e.data.code === 4009), 'the reason is told');
      const own = once(bob.user, 'note');
      await sdk.sendToUser('bob', 'note', 'still here');
      await own;
      assert.deepStrictEqual([bob.connection.state, toBob], ['connected', ['still here']]);
    }));
  });
}

test('many requests of the SDK on one kept connection', withBackend({}, async (server) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sdk = backend(server, { agent });
  const c = await server.client();
  await c.enter('room');
  for (let i = 0; i < 50; i++) await (await sdk.trigger('room', 'e', { i })).text();
  for (let i = 0; i < 50; i++) assert.strictEqual((await c.until('e')).data, `{"i":${i}}`);
  assert.strictEqual(Object.values(agent.freeSockets).flat().length, 1);
  agent.destroy();
}));

test('wrong credentials: the SDK is told what was wrong', withBackend({}, async (server) => {
  const wrong = await refused(backend(server, { secret: 'no' }).trigger('room', 'e', {}));
  assert.deepStrictEqual([wrong.status, /^Invalid signature: you should have sent HmacSHA256Hex\("POST\\n\/apps\//.test(wrong.body)], [401, true]);
  assert.strictEqual((await refused(backend(server, { key: 'no' }).trigger('room', 'e', {}))).body, 'Unknown auth_key\n');
  assert.strictEqual((await refused(backend(server, { appId: 'no' }).trigger('room', 'e', {}))).status, 404);
}));

describe('as the other SDKs sign', () => {
  /** A request whose signed text and sent query are given apart. */
  async function signed(server, method, path, text, sent, body) {
    const signature = digest(server.apps[0].secret, `${method}\n${path}\n${text}`);
    const { status, text: answer } = await request(
      server,
      { method, path: `${path}?${sent}&auth_signature=${signature}`, headers: method === 'POST' ? { 'Content-Length': Buffer.byteLength(body || '') } : {} },
      body,
    );
    return [status, answer];
  }

  const at = now(); // the same in what is signed and what is sent, when a second has gone by between
  const auth = (server) => `auth_key=${server.apps[0].key}&auth_timestamp=${at}&auth_version=1.0`;

  test('Ruby: arrays as k[]=', withServer({}, async (server) => {
    const path = `/apps/${server.apps[0].id}/channels`;
    const c = await server.client();
    await c.enter('presence-x', { user_id: 'u' });
    const query = `${auth(server)}&filter_by_prefix=presence-&info[]=user_count&info[]=subscription_count`;
    const want = [200, '{"channels":{"presence-x":{"user_count":1,"subscription_count":1}}}'];
    assert.deepStrictEqual(await signed(server, 'GET', path, query, query), want);
    const escaped = query.replaceAll('[]', '%5B%5D');
    assert.deepStrictEqual(await signed(server, 'GET', path, query, escaped), want);
  }));

  test('PHP: arrays comma-joined in the signature, k[0]= on the wire; values escaped', withServer({}, async (server) => {
    const path = `/apps/${server.apps[0].id}/channels`;
    const c = await server.client();
    await c.enter('presence-x', { user_id: 'u' });
    const text = `${auth(server)}&filter_by_prefix=presence-&info=user_count,subscription_count`;
    const sent = `${auth(server)}&filter_by_prefix=presence-&info%5B0%5D=user_count&info%5B1%5D=subscription_count`;
    const want = [200, '{"channels":{"presence-x":{"user_count":1,"subscription_count":1}}}'];
    assert.deepStrictEqual(await signed(server, 'GET', path, text, sent), want);
    assert.deepStrictEqual(await signed(server, 'GET', path, text, text.replace(',', '%2C')), want);
  }));

  test('Python: body_md5 on a GET, signed and checked', withServer({}, async (server) => {
    const path = `/apps/${server.apps[0].id}/channels/presence-x/users`;
    const query = `${auth(server)}&body_md5=${md5('')}`;
    assert.deepStrictEqual(await signed(server, 'GET', path, query, query), [200, '{"users":[]}']);
    const wrong = `${auth(server)}&body_md5=${md5('x')}`;
    const [status, text] = await signed(server, 'GET', path, wrong, wrong);
    assert.deepStrictEqual([status, /body_md5/.test(text)], [401, true]);
  }));

  test('Go and Node: values unescaped; .NET: unsorted as sent; capitals in keys', withServer({}, async (server) => {
    const path = `/apps/${server.apps[0].id}/channels`;
    const c = await server.client();
    await c.enter('a,b;c');
    const want = [200, '{"channels":{"a,b;c":{"subscription_count":1}}}'];
    const open = `${auth(server)}&filter_by_prefix=a,b;c&info=subscription_count`;
    assert.deepStrictEqual(await signed(server, 'GET', path, open, open), want);
    const unsorted = `info=subscription_count&${auth(server)}&filter_by_prefix=a,b;c`;
    assert.deepStrictEqual(await signed(server, 'GET', path, unsorted, unsorted), want);
    const lists = `${auth(server)}&info=user_count,subscription_count&filter_by_prefix=presence-`;
    assert.deepStrictEqual(await signed(server, 'GET', path, lists, lists), [200, '{"channels":{}}']);
    assert.deepStrictEqual(await signed(server, 'GET', path, open, unsorted), want, 'sent unsorted, signed sorted');
    assert.deepStrictEqual(await signed(server, 'GET', path, open, open.replace('info=', 'INFO=')), want);
  }));

  test('user ids with + ; @ and blanks, escaped by the SDK or not', withServer({}, async (server) => {
    const { id } = server.apps[0];
    for (const [user, paths] of [
      ['ann+home@x.org', ['ann+home@x.org', 'ann%2Bhome%40x.org']],
      ['a b', ['a%20b']],
      ['a;b', ['a;b', 'a%3Bb']],
      ['a&b', ['a%26b']],
      ['a/b', ['a%2Fb', 'a/b']],
    ])
      for (const path of paths) {
        const c = await server.client();
        await c.signin({ id: user });
        await c.barrier();
        const q = auth(server);
        const answer = await signed(server, 'POST', `/apps/${id}/users/${path}/terminate_connections`, q, q);
        assert.deepStrictEqual([path, ...answer], [path, 200, '{}']);
        assert.strictEqual(await c.gone(), 4009);
      }
  }));

  test('a POST, and a channel in the path, escaped or not', withServer({}, async (server) => {
    const { id } = server.apps[0];
    const body = '{"name":"e","channel":"x","data":"d"}';
    const query = `${auth(server)}&body_md5=${md5(body)}`;
    assert.deepStrictEqual(await signed(server, 'POST', `/apps/${id}/events`, query, query, body), [200, '{}']);
    for (const path of [`/apps/${id}/channels/a%2Cb%3Bc%40d`, `/apps/${id}/channels/a,b;c@d`]) {
      const q = auth(server);
      assert.deepStrictEqual(await signed(server, 'GET', path, q, q), [200, '{"occupied":false}']);
    }
  }));
});
