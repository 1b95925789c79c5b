'use strict';
// The HTTP API (PROTOCOL.md 6): every endpoint, what it answers and what the sockets get,
// with one worker and with four.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { withServer, app } = require('./support/server');
const { cut } = require('./support/json');
const { call, publish, ask } = require('./support/api');

const isEvent = (f) => !/^pusher/.test(f.event);

/** What a client has been sent by now, published events only. */
async function events(client) {
  return (await client.barrier()).filter(isEvent);
}

/** A body with exactly this data, as raw JSON. */
const bodyOf = (name, channel, raw) => `{"name":${JSON.stringify(name)},"channel":${JSON.stringify(channel)},"data":${raw}}`;

for (const workers of [1, 4]) {
  const config = { workers };

  describe(`the HTTP API with ${workers} workers`, { concurrency: 3 }, () => {
    test('an event reaches every subscriber, and nobody else', withServer(config, async (server) => {
      const inside = await server.several(6);
      const outside = await server.client();
      for (const c of inside) await c.enter('room');
      await outside.enter('rooms');
      const { status, text, headers } = await call(server, 'POST', '/events', { body: { name: 'greet', channel: 'room', data: 'hi' } });
      assert.deepStrictEqual([status, text, headers['content-type']], [200, '{}', 'application/json']);
      for (const c of inside) {
        const f = await c.until('greet');
        assert.deepStrictEqual({ ...f }, { event: 'greet', channel: 'room', data: 'hi' });
      }
      assert.deepStrictEqual(await events(outside), []);
    }));

    test('data is delivered byte for byte', withServer(config, async (server) => {
      const c = await server.client();
      await c.enter('room');
      const odd = [
        '""', '"{}"', '"é€😀"', String.raw`"\u00e9\u20ac\ud83d\ude00"`, String.raw`"\/ \" \\ \b\f\n\r\t \u0000 \u001f"`,
        String.raw`"{\"n\":1.10,\"big\":12345678901234567890,\"n\":2}"`, '"\u2028\u2029<>&\u007f"', '"  spaces  "',
      ];
      for (const raw of odd) {
        const { status, text } = await call(server, 'POST', '/events', { body: bodyOf('e', 'room', raw) });
        assert.strictEqual(status, 200, text);
        assert.strictEqual(cut((await c.until('e')).raw, 'data'), raw);
      }
      const spaced = ` {\n "data" : "x",\t"extra":{"a":[1]}, "channels" : [ "room" ] ,"name":"e"} `;
      assert.strictEqual((await call(server, 'POST', '/events', { body: spaced })).text, '{}');
      assert.strictEqual((await c.until('e')).data, 'x');
    }));

    test('100 channels at once, of every kind, each event with its channel', withServer(config, async (server) => {
      const c = await server.client();
      const channels = Array.from({ length: 94 }, (_, i) => `room-${i}`);
      channels.push('private-a', 'presence-a', 'cache-a', 'private-encrypted-a', 'private-cache-a', 'presence-cache-a');
      for (const name of channels) await c.enter(name, name.startsWith('presence-') ? { user_id: 'u' } : undefined);
      assert.deepStrictEqual(await publish(server, { name: 'all', channels, data: 'x' }), {});
      const got = [];
      while (got.length < channels.length) got.push((await c.until('all')).channel);
      assert.deepStrictEqual(got.sort(), [...channels].sort());
      assert.deepStrictEqual(await events(c), []);
      const tooMany = await call(server, 'POST', '/events', { body: { name: 'all', channels: [...channels, 'room-x'], data: 'x' } });
      assert.deepStrictEqual([tooMany.status, tooMany.text], [400, 'channels has more than 100 names\n']);
      assert.deepStrictEqual(await events(c), []);
    }));

    test('a channel that stands twice in channels gets the event once, and info once', withServer(config, async (server) => {
      const c = await server.client();
      for (const name of ['one', 'two']) await c.enter(name);
      const body = String.raw`{"name":"e","channels":["one","two","one","\u006fne"],"data":"x","info":"subscription_count"}`;
      const { status, text } = await call(server, 'POST', '/events', { body });
      assert.deepStrictEqual([status, text], [200, '{"channels":{"one":{"subscription_count":1},"two":{"subscription_count":1}}}']);
      assert.deepStrictEqual([await c.until('e'), await c.until('e')].map((f) => f.channel).sort(), ['one', 'two']);
      assert.deepStrictEqual(await events(c), []);
      const tooMany = await call(server, 'POST', '/events', { body: { name: 'e', channels: Array(101).fill('one'), data: 'x' } });
      assert.deepStrictEqual([tooMany.status, tooMany.text], [400, 'channels has more than 100 names\n']);
    }));

    test('socket_id excludes that connection on all channels, and only it', withServer(config, async (server) => {
      const [a, b] = await server.several(2);
      for (const c of [a, b]) for (const name of ['one', 'two']) await c.enter(name);
      await publish(server, { name: 'e', channels: ['one', 'two'], data: 'x', socket_id: a.socketId });
      assert.deepStrictEqual([(await b.until('e')).event, (await b.until('e')).event], ['e', 'e']);
      assert.deepStrictEqual(await events(a), []);
      for (const socket_id of ['1.1', '99999999999999999999999.1', null]) {
        await publish(server, { name: 'e', channel: 'one', data: 'x', socket_id });
        await a.until('e');
      }
    }));

    test('a batch: in order, each to its channel, each with its exclusion', withServer(config, async (server) => {
      const [a, b] = await server.several(2);
      for (const c of [a, b]) for (const name of ['one', 'two']) await c.enter(name);
      const batch = Array.from({ length: 10 }, (_, i) => ({
        name: `e${i}`, channel: i % 2 ? 'one' : 'two', data: String(i), ...(i === 4 ? { socket_id: a.socketId } : {}),
      }));
      const { status, text } = await call(server, 'POST', '/batch_events', { body: { batch } });
      assert.deepStrictEqual([status, text], [200, '{}']);
      for (const [c, want] of [[b, 10], [a, 9]]) {
        const got = [];
        while (got.length < want) got.push(await c.until(isEvent));
        for (const name of ['one', 'two'])
          assert.deepStrictEqual(
            got.filter((f) => f.channel === name).map((f) => f.event),
            batch.filter((e) => e.channel === name && !(c === a && e.socket_id)).map((e) => e.name),
          );
      }
      assert.strictEqual((await call(server, 'POST', '/batch_events', { body: '{"batch":[]}' })).text, '{}');
    }));

    test('info of events and batches: what the kinds have, the rest left out', withServer(config, async (server) => {
      const [a, b] = await server.several(2);
      for (const [c, user_id] of [[a, 'ann'], [b, 'ann']]) await c.enter('presence-x', { user_id });
      await a.enter('room');
      const info = 'user_count,subscription_count';
      assert.deepStrictEqual(await publish(server, { name: 'e', channels: ['room', 'presence-x', 'empty'], data: 'x', info }), {
        channels: { room: { subscription_count: 1 }, 'presence-x': { user_count: 1, subscription_count: 2 }, empty: { subscription_count: 0 } },
      });
      assert.deepStrictEqual(await publish(server, { name: 'e', channel: 'presence-x', data: 'x', info: 'user_count' }), {
        channels: { 'presence-x': { user_count: 1 } },
      });
      assert.deepStrictEqual(await publish(server, { name: 'e', channel: 'room', data: 'x', info: 'user_count' }), { channels: { room: {} } });
      const batch = [
        { name: 'e', channel: 'presence-x', data: 'x', info },
        { name: 'e', channel: 'room', data: 'x' },
        { name: 'e', channel: 'room', data: 'x', info: 'subscription_count' },
      ];
      const answer = await call(server, 'POST', '/batch_events', { body: { batch } });
      assert.deepStrictEqual(JSON.parse(answer.text), { batch: [{ user_count: 1, subscription_count: 2 }, {}, { subscription_count: 1 }] });
      const plain = batch.map(({ info: _, ...e }) => e);
      assert.strictEqual((await call(server, 'POST', '/batch_events', { body: { batch: plain } })).text, '{}');
    }));

    test('GET channels: the occupied ones, by prefix, with attributes where asked', withServer(config, async (server) => {
      const text = async (params) => (await call(server, 'GET', '/channels', { params })).text;
      assert.strictEqual(await text(), '{"channels":{}}');
      const [a, b, c] = await server.several(3);
      for (const [client, user_id] of [[a, 'ann'], [b, 'ann'], [c, 'bob']]) await client.enter('presence-x', { user_id });
      await a.enter('presence-y', { user_id: 'ann' });
      for (const name of ['room', 'private-x', 'a,b;c@d=e.f']) await b.enter(name);
      await c.signin({ id: 'carol' });
      await c.barrier();
      const { channels } = await ask(server, '/channels');
      assert.deepStrictEqual(channels, { 'presence-x': {}, 'presence-y': {}, room: {}, 'private-x': {}, 'a,b;c@d=e.f': {} });
      assert.deepStrictEqual(await ask(server, '/channels', { filter_by_prefix: 'presence-', info: 'user_count' }), {
        channels: { 'presence-x': { user_count: 2 }, 'presence-y': { user_count: 1 } },
      });
      assert.deepStrictEqual(await ask(server, '/channels', { filter_by_prefix: 'presence-x', info: 'subscription_count,user_count' }), {
        channels: { 'presence-x': { user_count: 2, subscription_count: 3 } },
      });
      assert.deepStrictEqual(await ask(server, '/channels', { filter_by_prefix: 'p', info: 'subscription_count' }), {
        channels: { 'presence-x': { subscription_count: 3 }, 'presence-y': { subscription_count: 1 }, 'private-x': { subscription_count: 1 } },
      });
      assert.strictEqual(await text({ filter_by_prefix: 'none' }), '{"channels":{}}');
      for (const client of [a, b, c]) client.close();
      for (const client of [a, b, c]) await client.gone();
      for (const deadline = Date.now() + 5000; (await text()) !== '{"channels":{}}'; ) assert.ok(Date.now() < deadline, 'vacated');
    }));

    test('GET a channel: occupied or not, and its counts', withServer(config, async (server) => {
      const [a, b] = await server.several(2);
      for (const c of [a, b]) await c.enter('presence-x', { user_id: 'ann', user_info: { n: 1 } });
      await a.enter('room');
      const of = (name, info) => ask(server, `/channels/${name}`, info && { info });
      assert.deepStrictEqual(await of('room'), { occupied: true });
      assert.deepStrictEqual(await of('room', 'subscription_count'), { occupied: true, subscription_count: 1 });
      assert.deepStrictEqual(await of('presence-x', 'user_count'), { occupied: true, user_count: 1 });
      assert.deepStrictEqual(await of('presence-x', 'user_count,subscription_count'), { occupied: true, user_count: 1, subscription_count: 2 });
      assert.deepStrictEqual(await of('empty'), { occupied: false });
      assert.deepStrictEqual(await of('presence-none', 'user_count,subscription_count'), { occupied: false, user_count: 0, subscription_count: 0 });
      a.leave('room');
      await a.barrier();
      for (const deadline = Date.now() + 5000; (await of('room')).occupied; ) assert.ok(Date.now() < deadline, 'vacated');
    }));

    test('GET users: ids as strings, each user once', withServer(config, async (server) => {
      const [a, b, c] = await server.several(3);
      const users = async (name) => (await call(server, 'GET', `/channels/${name}/users`)).text;
      assert.strictEqual(await users('presence-x'), '{"users":[]}');
      await a.enter('presence-x', '{"user_id":10}');
      await b.enter('presence-x', '{"user_id":"10"}');
      await c.enter('presence-x', { user_id: 'ü"\\€' });
      assert.deepStrictEqual(JSON.parse(await users('presence-x')).users.map((u) => u.id).sort(), ['10', 'ü"\\€']);
      await a.enter('private-presence-x', { user_id: 'own kind' });
      assert.strictEqual(await users('private-presence-x'), '{"users":[{"id":"own kind"}]}');
      await a.enter('presence-cache-x', { user_id: 'ann' });
      assert.strictEqual(await users('presence-cache-x'), '{"users":[{"id":"ann"}]}');
    }));

    test('an event to a user reaches its signed-in connections on all workers, and nobody else', withServer(config, async (server) => {
      const tabs = await server.several(5);
      const others = await server.several(3);
      for (const c of tabs) await c.signin({ id: 'ann' });
      await others[0].signin({ id: 'bob' });
      await others[1].enter('presence-x', { user_id: 'ann' }); // a member, not a sign-in
      await tabs[0].enter('#server-to-user-ann'); // as pusher-js does; the rest never ask
      await tabs[0].barrier();
      assert.deepStrictEqual(await publish(server, { name: 'to-you', channel: '#server-to-user-ann', data: '1' }), {});
      for (const c of tabs) {
        assert.deepStrictEqual({ ...(await c.until('to-you')) }, { event: 'to-you', channel: '#server-to-user-ann', data: '1' });
        assert.deepStrictEqual(await events(c), [], 'once');
      }
      for (const c of others) assert.deepStrictEqual(await events(c), []);
      await publish(server, { name: 'to-you', channel: '#server-to-user-ann', data: '2', socket_id: tabs[1].socketId });
      await tabs[2].until('to-you');
      assert.deepStrictEqual(await events(tabs[1]), []);
    }));

    test('terminate_connections closes the user’s with 4009; others and later ones stay', withServer(config, async (server) => {
      for (const id of ['ann', 'ann@example.com', 'a/b c', 'ü€ 100%', 'x'.repeat(128), '"q"\\']) {
        const tabs = await server.several(4);
        const [bob, nobody] = await server.several(2);
        for (const c of tabs) await c.signin({ id });
        await bob.signin({ id: 'bob' });
        await bob.enter('room');
        await nobody.enter('presence-x', { user_id: id });
        const { status, text } = await call(server, 'POST', `/users/${encodeURIComponent(id)}/terminate_connections`, { body: '{}' });
        assert.deepStrictEqual([id, status, text], [id, 200, '{}']);
        for (const c of tabs) {
          const f = await c.until('pusher:error');
          assert.strictEqual(f.data.code, 4009);
          assert.strictEqual(await c.gone(), 4009);
        }
        await bob.barrier();
        await nobody.barrier();
        const again = await server.client();
        assert.strictEqual((await again.signin({ id })).event, 'pusher:signin_success');
        await again.barrier();
      }
      const none = await call(server, 'POST', '/users/nobody/terminate_connections');
      assert.deepStrictEqual([none.status, none.text], [200, '{}'], 'without a body, and without such a user');
    }));

    test('encrypted channels are opaque: the data passes as it is, without user_id', withServer(config, async (server) => {
      const c = await server.client();
      const box = '{"nonce":"abc","ciphertext":"\\u003d=="}';
      for (const name of ['private-encrypted-x', 'private-encrypted-cache-x']) {
        await c.enter(name);
        await publish(server, { name: 'e', channel: name, data: box });
        assert.deepStrictEqual({ ...(await c.until('e')) }, { event: 'e', channel: name, data: box });
      }
    }));

    test('apps are apart: names, users and events', withServer(() => ({ workers, apps: [app(), app()] }), async (server) => {
      const [one, two] = server.apps;
      const a = await server.client({ app: one });
      const b = await server.client({ app: two });
      for (const c of [a, b]) {
        await c.signin({ id: 'ann' });
        await c.enter('room');
      }
      await publish(server, { name: 'e', channels: ['room', '#server-to-user-ann'], data: '1' }, { app: one });
      await a.until('e');
      await a.until('e');
      assert.deepStrictEqual(await events(b), []);
      await call(server, 'POST', '/users/ann/terminate_connections', { app: one, body: '{}' });
      assert.strictEqual(await a.gone(), 4009);
      await b.barrier();
      assert.deepStrictEqual(await ask(server, '/channels', {}, { app: two }), { channels: { room: {} } });
    }));
  });
}

test('who has been told of the sign-in is the user, however busy the user’s home is', withServer({ workers: 2, max_channels_per_connection: 20000, max_pending_messages: 30000, max_pending_kb: 10000 }, async (server) => {
  const crowd = await server.client();
  for (let i = 0; i < 20000; i++) crowd.sendSubscribe(`room-${i}`);
  await crowd.until((f) => f.channel === 'room-19999');
  const agents = Array.from({ length: 2 }, () => new http.Agent({ keepAlive: true, maxSockets: 1 }));
  let over = false;
  const busy = agents.map(async (agent) => {
    while (!over) await call(server, 'GET', '/channels', { agent, params: { filter_by_prefix: 'none' } });
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const late = [];
  const one = server.nodes.at(-1); // a backend's own order is kept by one node
  for (let i = 0; i < 60; i++) {
    const c = await server.client();
    await c.signin({ id: `u${i}` });
    await call(one, 'POST', '/events', { agent, body: { name: 'mail', channel: `#server-to-user-u${i}`, data: 'x' } });
    await call(one, 'POST', `/users/u${i}/terminate_connections`, { agent, body: '{}' });
    const code = await c.gone(1000).catch(() => 'still there');
    if (code !== 4009 || !c.frames.some((f) => f.event === 'mail')) late.push(`u${i} ${code}`);
  }
  over = true;
  await Promise.all(busy);
  for (const a of [agent, ...agents]) a.destroy();
  assert.deepStrictEqual(late, []);
}));
