'use strict';
// PROTOCOL.md sections 3, 4 and 8: every kind of channel, every refusal with its type, status
// and text, names, sign-in and the user's own channel.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const sign = require('./support/sign');

const OK = 'pusher_internal:subscription_succeeded';
const SIGNED = [
  'private-a', 'private-cache-a', 'private-encrypted-a', 'private-encrypted-cache-a',
  'presence-a', 'presence-cache-a', 'private-presence-a',
];
const OPEN = ['a', 'cache-a', 'presence', 'room-presence', 'presence_room', 'private', 'Private-a', 'my-private-a', 'A_z-0=@,.;9'];
const isPresence = (name) => /presence-/.test(name);
const member = (name) => (isPresence(name) ? { user_id: 'me' } : undefined);

/** Asserts a pusher:subscription_error with channel; returns its text. */
function refusal(f, channel, type, status) {
  assert.strictEqual(f.event, 'pusher:subscription_error', f.raw);
  assert.strictEqual(f.channel, channel, f.raw);
  assert.strictEqual(f.data.type, type, f.raw);
  assert.strictEqual(f.data.status, status, f.raw);
  return f.data.error;
}

/** AuthError 401 whose text has the string to be signed, and neither secret nor digest. */
function authError(server, client, f, channel, channelData) {
  const text = refusal(f, channel, 'AuthError', 401);
  const wanted = sign.channelString(client.socketId, channel, channelData);
  assert.ok(text.includes(wanted), `"${text}" lacks "${wanted}"`);
  if (channelData === undefined) assert.ok(!text.includes(`${wanted}:`), text);
  assert.ok(!text.includes(client.app.secret), text);
  assert.ok(!text.includes(sign.digest(client.app.secret, wanted)), text);
}

test('the signatures of these tests are those of the protocol’s vectors', () => {
  const vectors = { key: '278d425bdf160c739803', secret: '7ad3773142a6692b25b8' };
  const at = (channel, data) => sign.channelAuth(vectors, '1234.1234', channel, data).split(':')[1];
  assert.strictEqual(at('private-foobar'), '58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4');
  assert.strictEqual(at('private-foobar', '{"user_id":"u1"}'), 'e307391c8e8e9253874a38e3a02b657cea6bc4be825f9da02357cffdfd618d6d');
  assert.strictEqual(at('presence-foobar'), '71506e66e7fdca106571b8999a849ad34245bc653772e51e0026c1a2475b92ba');
  assert.strictEqual(at('presence-foobar', '{"user_id":10,"user_info":{"name":"Mr. Channels"}}'), '31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80');
  assert.strictEqual(at('presence-foobar', '{"user_id":"ü€","user_info":{"n":"é"}}'), 'e0466a03c07ad939e0af8884952721da375f28aeb65aab7a1a9d56b1441ad8d9');
  const user = (data) => sign.userAuth(vectors, '1234.1234', data).split(':')[1];
  assert.strictEqual(user('{"id":"12345"}'), '4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba');
});

test('public channels: auth empty, null or absent, channel_data null or absent', withServer({}, async (server) => {
  const client = await server.client();
  const datas = [{}, { auth: '' }, { auth: null }, { auth: '', channel_data: null }];
  for (const [i, data] of datas.entries()) {
    const f = await client.subscribe(`room-${i}`, data);
    assert.strictEqual(f.raw, `{"event":"${OK}","channel":"room-${i}","data":"{}"}`);
  }
  for (const name of OPEN) assert.strictEqual((await client.subscribe(name)).event, OK, name);
}));

test('every kind is let in with its signature', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of SIGNED) {
    const f = await client.join(name, member(name));
    assert.strictEqual(f.event, OK, f.raw);
    if (isPresence(name))
      assert.strictEqual(f.data, '{"presence":{"ids":["me"],"hash":{"me":null},"count":1}}');
    else assert.strictEqual(f.data, '{}');
  }
}));

test('every kind that starts with private- or presence- is refused without a signature', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of SIGNED) {
    const data = isPresence(name) ? { channel_data: '{"user_id":"me"}' } : {};
    for (const auth of [undefined, null, ''])
      authError(server, client, await client.subscribe(name, { ...data, auth }), name, data.channel_data);
  }
  assert.deepStrictEqual(await client.barrier(), []);
}));

test('bad and foreign signatures are refused on every kind', withServer({ apps: [app(), app()] }, async (server) => {
  const [client, other] = await server.several(2);
  const [own, foreign] = server.apps;
  for (const name of SIGNED) {
    const data = isPresence(name) ? '{"user_id":"me"}' : undefined;
    const string = sign.channelString(client.socketId, name, data);
    const good = sign.sign(own, string);
    const bad = {
      garbage: 'garbage',
      'the digest alone': good.split(':')[1],
      'the key alone': `${own.key}:`,
      'no key': `:${good.split(':')[1]}`,
      truncated: good.slice(0, -1),
      'one more': `${good}0`,
      'upper case': `${own.key}:${good.split(':')[1].toUpperCase()}`,
      'another app': sign.sign(foreign, string),
      'another app’s key': `${foreign.key}:${good.split(':')[1]}`,
      'another app’s secret': sign.sign({ key: own.key, secret: foreign.secret }, string),
      'another socket': sign.channelAuth(own, other.socketId, name, data),
      'another channel': sign.channelAuth(own, client.socketId, `${name}x`, data),
      'other channel_data': sign.channelAuth(own, client.socketId, name, '{"user_id":"you"}'),
      'a space': ` ${good}`,
      'a user': sign.userAuth(own, client.socketId, data || ''),
    };
    for (const [why, auth] of Object.entries(bad)) {
      const f = await client.subscribe(name, { auth, channel_data: data });
      try {
        authError(server, client, f, name, data);
      } catch (e) {
        e.message = `${name}, ${why}: ${e.message}`;
        throw e;
      }
    }
    assert.strictEqual((await client.subscribe(name, { auth: good, channel_data: data })).event, OK);
  }
}));

test('channel_data is signed on private channels too', withServer({}, async (server) => {
  const client = await server.client();
  const data = '{"user_id":"u1"}';
  const without = sign.channelAuth(client.app, client.socketId, 'private-a');
  authError(server, client, await client.subscribe('private-a', { auth: without, channel_data: data }), 'private-a', data);
  assert.strictEqual((await client.join('private-a', data)).data, '{}');
}));

test('presence needs enable_user_authentication: AuthError 403 that names the setting', withServer({ apps: [app({ enable_user_authentication: false }), app({ enable_user_authentication: undefined })] }, async (server) => {
  for (const one of server.apps) {
    const client = await server.client({ app: one });
    for (const name of SIGNED.filter(isPresence))
      assert.match(refusal(await client.join(name, { user_id: 'a' }), name, 'AuthError', 403), /enable_user_authentication/);
    for (const name of SIGNED.filter((n) => !isPresence(n)))
      assert.strictEqual((await client.join(name)).event, OK);
  }
}));

test('names: 200 bytes of A-Z a-z 0-9 _ - = @ , . ; and no others', withServer({ max_channels_per_connection: 1000 }, async (server) => {
  const client = await server.client();
  const long = 'n'.repeat(200);
  assert.strictEqual((await client.subscribe(long)).event, OK);
  assert.strictEqual((await client.join(`private-${'n'.repeat(192)}`)).event, OK);
  for (const name of ['a b', 'a/b', 'a:b', 'ü', 'a\u0000b', 'a\nb', 'a"b', 'a\\b', 'a#b', 'a+b', 'a!b', 'a*', 'a~b', 'a%20b', ' a', 'a ', `${long}n`, '€'.repeat(3), '#', '#a', '#server-to-user', '#private-a', '##a'])
    refusal(await client.subscribe(name), name, 'InvalidChannel', 400);
  const tooLong = `presence-${'n'.repeat(192)}`;
  refusal(await client.join(tooLong, { user_id: 'a' }), tooLong, 'InvalidChannel', 400);
  for (let c = 33; c < 127; c++) {
    const name = `x${String.fromCharCode(c)}y`;
    const f = await client.subscribe(name);
    if (/^[A-Za-z0-9_\-=@,.;]+$/.test(name)) assert.strictEqual(f.event, OK, name);
    else refusal(f, name, 'InvalidChannel', 400);
  }
}));

test('a prefix with nothing after it is refused', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of ['presence-', 'private-', 'private-presence-'])
    refusal(await client.join(name, { user_id: 'a' }), name, 'InvalidChannel', 400);
}));

test('a public name with channel_data is refused, and the text names presence-', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of ['presence', 'room-presence', 'presence_room', 'chat', 'cache-chat'])
    assert.match(refusal(await client.join(name, { user_id: 'a' }), name, 'InvalidChannel', 400), /presence-/);
  assert.strictEqual((await client.subscribe('chat', { channel_data: null })).event, OK);
}));

test('pusher:cache_miss follows on the cache kinds, and on no other', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of ['cache-a', 'private-cache-a', 'private-encrypted-cache-a', 'presence-cache-a']) {
    assert.strictEqual((await client.join(name, member(name))).event, OK);
    assert.strictEqual((await client.next()).raw, `{"event":"pusher:cache_miss","channel":"${name}","data":"{}"}`);
  }
  for (const name of ['a', 'private-a', 'presence-a', 'private-encrypted-a', 'private-presence-a', 'private-presence-cache-a', 'my-cache-a', 'privatecache-a'])
    await client.enter(name, member(name));
  assert.deepStrictEqual(await client.barrier(), []);
}));

test('a client event is never cached', withServer({}, async (server) => {
  const [a, b, c] = await server.several(3);
  await a.enter('private-cache-a');
  await b.enter('private-cache-a');
  a.clientEvent('private-cache-a', 'client-x', 1);
  await b.until('client-x');
  await new Promise((done) => setTimeout(done, 50)); // it may be on its way to another node yet
  await c.enter('private-cache-a');
  assert.strictEqual((await c.next()).event, 'pusher:cache_miss');
  assert.deepStrictEqual(await c.barrier(), []);
}));

test('a second subscribe: Existing subscription to channel X', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of ['a', 'private-a', 'presence-a', 'private-presence-a', 'cache-a']) {
    const data = isPresence(name) ? { user_id: 'me' } : undefined;
    const join = () => (/^pr/.test(name) ? client.join(name, data) : client.subscribe(name));
    assert.strictEqual((await join()).event, OK);
    const f = await join();
    assert.strictEqual(f.event, 'pusher:error', f.raw);
    assert.strictEqual(f.channel, name);
    assert.strictEqual(f.data.message, `Existing subscription to channel ${name}`);
  }
}));

test('an unsubscribe without a subscription: No current subscription to channel X', withServer({}, async (server) => {
  const client = await server.client();
  await client.enter('presence-a', { user_id: 'me' });
  client.leave('presence-a');
  for (const name of ['a', 'private-a', 'presence-a']) {
    client.leave(name);
    const f = await client.until('pusher:error');
    assert.strictEqual(f.channel, name);
    assert.strictEqual(f.data.message, `No current subscription to channel ${name}`);
  }
}));

test('after an unsubscribe nothing of the channel comes, and one can subscribe again', withServer({}, async (server) => {
  const [a, b, witness] = await server.several(3);
  for (const c of [b, witness]) await c.enter('private-a');
  for (let i = 0; i < 20; i++) {
    await a.enter('private-a');
    a.leave('private-a');
    assert.deepStrictEqual(await a.barrier(), []);
  }
  b.clientEvent('private-a', 'client-x', 1);
  await witness.until('client-x');
  await a.enter('private-a');
  assert.ok(!a.frames.some((f) => f.event === 'client-x'));
}));

test('an unsubscribe during a pending join cancels it silently', withServer({ workers: 4 }, async (server) => {
  const [client, watcher] = await server.several(2);
  await watcher.enter('presence-a', { user_id: 'w' });
  for (let i = 0; i < 50; i++) {
    client.sendJoin('presence-a', { user_id: 'c' });
    client.leave('presence-a');
    client.sendJoin('presence-a', { user_id: 'c' });
    const got = [(await client.answer('presence-a')).event];
    got.push(...(await client.barrier()).map((f) => f.event));
    // The first join may have been answered before the unsubscribe came: both are right.
    assert.ok(got.every((e) => e === OK), `round ${i}: ${got}`);
    client.leave('presence-a');
  }
  await client.enter('presence-b', { user_id: 'c' });
  await watcher.barrier();
}));

test('subscription_count is off unless the app asks for it', withServer({}, async (server) => {
  const [a, b] = await server.several(2);
  await a.enter('room');
  await b.enter('room');
  b.leave('room');
  await b.barrier();
  await b.enter('room');
  assert.ok(![...a.frames, ...b.frames].some((f) => /subscription_count/.test(f.event)));
}));

test('subscription_count: each change to all subscribers, not on presence or encrypted channels', withServer({ apps: [app({ enable_subscription_count: true })] }, async (server) => {
  const [a, b] = await server.several(2);
  const count = 'pusher_internal:subscription_count';
  const number = async (c, channel) => JSON.parse((await c.until({ event: count, channel })).data).subscription_count;
  for (const name of ['room', 'private-room', 'cache-room', 'private-cache-room']) {
    await a.enter(name);
    assert.strictEqual(await number(a, name), 1);
    await b.enter(name);
    assert.strictEqual(await number(a, name), 2);
    assert.strictEqual(await number(b, name), 2);
    b.leave(name);
    assert.strictEqual(await number(a, name), 1);
    await b.enter(name);
    assert.strictEqual(await number(a, name), 2);
  }
  const [before, c] = [a.frames.length, await server.client()];
  for (const name of SIGNED.filter((n) => /presence|encrypted/.test(n))) {
    await a.enter(name, member(name));
    await c.enter(name, member(name));
  }
  await a.barrier();
  assert.ok(!a.frames.slice(before).some((f) => f.event === count));
  b.reset();
  const told = [await a.until({ event: count }), await a.until({ event: count }), await a.until({ event: count }), await a.until({ event: count })];
  assert.ok(told.every((f) => f.data === '{"subscription_count":1}'));
  assert.strictEqual(new Set(told.map((f) => f.channel)).size, 4);
}));

test('over max_channels_per_connection a subscribe is refused with an answer, until one leaves', withServer({ max_channels_per_connection: 3 }, async (server) => {
  const client = await server.client();
  for (const name of ['a', 'b', 'c']) await client.enter(name);
  const f = await client.subscribe('d');
  assert.ok(['pusher:error', 'pusher:subscription_error'].includes(f.event), f.raw);
  assert.strictEqual(f.channel, 'd');
  client.leave('b');
  await client.enter('d');
  const other = await server.client();
  await other.enter('e');
}));

test('channel_data that is no JSON object, or without a proper user_id: InvalidChannelData 400', withServer({}, async (server) => {
  const client = await server.client();
  const bad = [
    '', 'x', '{', '[]', 'null', '"1"', '1', '{}', '{"user_id":null}', '{"user_id":true}',
    '{"user_id":{}}', '{"user_id":["1"]}', '{"user_id":""}', '{"id":"1"}', '{"user_id":1.5}',
    '{"user_id":1.0}', '{"user_id":1e3}', '{"user_id":1E3}', '{"user_id":01}',
    '{"user_id":"1"', '{"user_id":"1"}}', '{"user_id":"1",}', "{'user_id':'1'}",
    '{"user_info":{"user_id":"1"}}', `{"user_id":"${'u'.repeat(129)}"}`, `{"user_id":${'1'.repeat(129)}}`,
    `{"user_id":"${'ü'.repeat(65)}"}`, '{"user_id":"1","user_info":}', '{"user_id":"1","user_info":{]}',
  ];
  for (const name of ['presence-a', 'private-presence-a'])
    for (const data of bad) {
      const f = await client.join(name, data);
      assert.ok(f.event === 'pusher:subscription_error', `${data}: ${f.raw}`);
      refusal(f, name, 'InvalidChannelData', 400);
    }
}));

test('a user_id of 128 bytes passes, counted after its conversion to a string', withServer({}, async (server) => {
  const client = await server.client();
  const ids = { [`"${'u'.repeat(128)}"`]: 'u'.repeat(128), [`"${'ü'.repeat(64)}"`]: 'ü'.repeat(64), [`"${'\\u00fc'.repeat(64)}"`]: 'ü'.repeat(64), ['1'.repeat(128)]: '1'.repeat(128) };
  for (const [json, id] of Object.entries(ids)) {
    const snapshot = await client.enter('presence-a', `{"user_id":${json}}`);
    assert.deepStrictEqual(snapshot.ids, [id]);
    client.leave('presence-a');
  }
}));

test('presence without channel_data and without a sign-in: InvalidChannelData 400', withServer({}, async (server) => {
  const client = await server.client();
  for (const name of SIGNED.filter(isPresence)) {
    refusal(await client.join(name), name, 'InvalidChannelData', 400);
    const auth = sign.channelAuth(client.app, client.socketId, name);
    refusal(await client.subscribe(name, { auth, channel_data: null }), name, 'InvalidChannelData', 400);
  }
}));

test('a sign-in succeeds with its signature; user_data comes back byte for byte', withServer({}, async (server) => {
  for (const data of ['{"id":"alice"}', '{ "user_info" : {"n":1.10,"s":"\\u00fc\\/"}, "id":"ü€" }', '{"id":"a","watchlist":["b"]}']) {
    const client = await server.client();
    const f = await client.signin(data);
    assert.strictEqual(f.event, 'pusher:signin_success', f.raw);
    assert.strictEqual(JSON.parse(f.data).user_data, data);
    assert.deepStrictEqual(Object.keys(JSON.parse(f.data)), ['user_data']);
  }
}));

test('a bad sign-in is a pusher:error, and the connection stays', withServer({ apps: [app(), app()] }, async (server) => {
  const [client, other] = await server.several(2);
  const data = '{"id":"alice"}';
  const good = sign.userAuth(client.app, client.socketId, data);
  const bad = ['', 'x', good.slice(0, -1), good.toUpperCase(), sign.userAuth(server.apps[1], client.socketId, data), sign.userAuth(client.app, other.socketId, data), sign.channelAuth(client.app, client.socketId, 'user', data), null, undefined];
  for (const auth of bad) {
    client.send('pusher:signin', { auth, user_data: data });
    const [f, ...more] = await client.barrier();
    assert.strictEqual(f.event, 'pusher:error', String(auth));
    assert.deepStrictEqual(more, []);
    assert.ok(!f.raw.includes(client.app.secret) && !f.raw.includes(good.split(':')[1]), f.raw);
  }
  for (const wrong of ['', 'x', '[]', '{}', '{"id":""}', '{"id":7}', '{"id":null}', '{"user_id":"a"}'])
    assert.strictEqual((await client.signin(wrong)).event, 'pusher:error', wrong);
  assert.strictEqual((await client.signin(data)).event, 'pusher:signin_success');
}));

test('a second sign-in as another user fails, and the first one stands', withServer({}, async (server) => {
  const client = await server.client();
  assert.strictEqual((await client.signin({ id: 'alice' })).event, 'pusher:signin_success');
  assert.strictEqual((await client.signin({ id: 'bob' })).event, 'pusher:error');
  assert.strictEqual((await client.subscribe('#server-to-user-alice', { auth: '' })).event, OK);
  assert.strictEqual((await client.subscribe('#server-to-user-bob', { auth: '' })).event, 'pusher:subscription_error');
}));

test('#server-to-user-ID: only on a connection signed in as that user', withServer({}, async (server) => {
  const [alice, bob, nobody] = await server.several(3);
  await alice.signin({ id: 'alice' });
  await bob.signin({ id: 'bob' });
  const name = '#server-to-user-alice';
  const f = await alice.subscribe(name, { auth: '' });
  assert.strictEqual(f.raw, `{"event":"${OK}","channel":"${name}","data":"{}"}`);
  for (const client of [bob, nobody]) {
    for (const data of [{ auth: '' }, {}, { auth: sign.channelAuth(client.app, client.socketId, name) }]) {
      const f = await client.subscribe(name, data);
      assert.strictEqual(f.event, 'pusher:subscription_error', f.raw);
      assert.strictEqual(f.channel, name);
    }
  }
  assert.strictEqual((await bob.subscribe('#server-to-user-', { auth: '' })).event, 'pusher:subscription_error');
  assert.strictEqual((await bob.subscribe('#server-to-user-bob', { auth: '' })).event, OK);
  const second = await server.client();
  await second.signin({ id: 'alice' });
  assert.strictEqual((await second.subscribe(name, { auth: '' })).event, OK);
  alice.leave(name);
  assert.deepStrictEqual(await alice.barrier(), []);
}));

test('presence without channel_data on a signed-in connection: the member is the user', withServer({}, async (server) => {
  const [alice, plain, watcher] = await server.several(3);
  await watcher.enter('presence-a', { user_id: 'w' });
  await alice.signin('{"id":"alice","user_info":{"n":1.10},"watchlist":[]}');
  await plain.signin('{"id":"plain"}');
  const f = await alice.join('presence-a');
  assert.strictEqual(f.event, OK, f.raw);
  assert.ok(f.raw.includes('\\"alice\\":{\\"n\\":1.10}'), f.raw);
  assert.strictEqual((await watcher.until('pusher_internal:member_added')).data, '{"user_id":"alice","user_info":{"n":1.10}}');
  assert.strictEqual((await plain.join('presence-a')).event, OK);
  assert.strictEqual((await watcher.until('pusher_internal:member_added')).data, '{"user_id":"plain","user_info":null}');
  const unsigned = await plain.subscribe('presence-b', { auth: '' });
  assert.strictEqual(unsigned.data.type, 'AuthError');
  assert.strictEqual(unsigned.data.status, 401);
}));

test('channel_data wins over the signed-in user', withServer({}, async (server) => {
  const client = await server.client();
  await client.signin({ id: 'alice' });
  assert.deepStrictEqual((await client.enter('presence-a', { user_id: 'other' })).ids, ['other']);
}));

test('a refusal leaves the connection and its other channels alone', withServer({}, async (server) => {
  const [client, other] = await server.several(2);
  await client.enter('private-a');
  await other.enter('private-a');
  await client.subscribe('private-b', { auth: 'x' });
  await client.subscribe('not a name');
  await client.join('presence-b', '{}');
  other.clientEvent('private-a', 'client-x', 1);
  assert.strictEqual((await client.until('client-x')).channel, 'private-a');
  await client.enter('private-b');
}));

test('subscription_count is said once where the count comes down to 100', withServer(() => ({ apps: [app({ enable_subscription_count: true })] }), async (server) => {
  const all = await server.several(102);
  for (const c of all) await c.subscribe('counted');
  await all[0].until((f) => f.event === 'pusher_internal:subscription_count' && f.data.includes('102'), 8000);
  for (const c of all.splice(99)) c.leave('counted');
  await all[0].until((f) => f.event === 'pusher_internal:subscription_count' && f.data.includes('99'), 8000);
  await new Promise((done) => setTimeout(done, 5500)); // the five seconds of the put-off ones
  await all[0].barrier();
  const counts = all[0].frames.filter((f) => f.event === 'pusher_internal:subscription_count').map((f) => JSON.parse(f.data).subscription_count);
  const down = counts.slice(counts.indexOf(102));
  assert.strictEqual(down.filter((n) => n === 99).length, 1, `${down}`);
}));
