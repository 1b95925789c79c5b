'use strict';
// PROTOCOL.md section 5: who may send a client event, what the others get, and what is said
// to those who may not.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const { cut, rawPairs } = require('./support/json');

const fast = (more) => ({ apps: [app({ max_client_events_per_second: 0, ...more })] });
const KINDS = ['private-a', 'private-cache-a', 'presence-a', 'presence-cache-a', 'private-presence-a'];
const isPresence = (name) => /presence-/.test(name);

/** Two in the channel, with what came before read away. */
async function pair(server, channel = 'private-a', options) {
  const [a, b] = await server.several(2, options);
  await a.enter(channel, isPresence(channel) ? { user_id: 'a' } : undefined);
  await b.enter(channel, isPresence(channel) ? { user_id: 'b' } : undefined);
  if (isPresence(channel)) await a.until((f) => /member_added/.test(f.event));
  await b.barrier();
  return [a, b];
}

/** The sender's own way to know that all before it was dealt with: the channel's order. */
async function fence(a, b, channel) {
  b.clientEvent(channel, 'client-fence', 1);
  const from = a.cursor;
  await a.until('client-fence');
  return a.frames.slice(from, a.cursor - 1);
}

/** pusher:error 4301 with a reason, and the event went nowhere. */
async function dropped(a, b, channel, why) {
  const f = await a.until('pusher:error');
  assert.strictEqual(f.data.code, 4301, `${why}: ${f.raw}`);
  assert.deepStrictEqual(await a.barrier(), [], why);
  assert.ok(!b.frames.some((x) => x.event.startsWith('client-no')), why);
  return f;
}

for (const channel of KINDS)
  test(`on ${channel.slice(0, -1)} the event goes to all but the sender`, withServer({}, async (server) => {
    const [a, b] = await pair(server, channel);
    const [tab, outside] = await server.several(2);
    await tab.enter(channel, isPresence(channel) ? { user_id: 'a' } : undefined);
    a.clientEvent(channel, 'client-hello', { text: 'hi' });
    for (const other of [b, tab]) {
      const f = await other.until('client-hello');
      assert.deepStrictEqual(Object.keys(f), isPresence(channel) ? ['event', 'channel', 'data', 'user_id'] : ['event', 'channel', 'data']);
      assert.strictEqual(f.channel, channel);
      assert.deepStrictEqual(f.data, { text: 'hi' });
      assert.strictEqual(f.user_id, isPresence(channel) ? 'a' : undefined);
    }
    const sent = await fence(a, b, channel);
    assert.ok(!sent.some((f) => f.event === 'client-hello'));
    assert.deepStrictEqual(await outside.barrier(), []);
  }));

test('data arrives byte for byte, whatever JSON it is', withServer(fast(), async (server) => {
  const [a, b] = await pair(server);
  const datas = [
    '1.10', '12345678901234567890', '-0', '1E+2', 'null', 'true', '""', '"{\\"a\\":1}"', '[]', '{}',
    '{ "b" : [ 1.0 ,\t2 ] ,\n"a":{"a":1,"a":2} }', '"\\u00fc\\/ü\\ud83d\\ude00"', '"\\ud800"', '[[[[[[[[[[1]]]]]]]]]]',
    '{"event":"client-x","channel":"presence-z","user_id":"b"}', `"${'x'.repeat(5000)}"`, '"\\u2028\u2028"',
  ];
  for (const data of datas) {
    a.sendText(`{"event":"client-x","data":${data},"channel":"private-a"}`);
    const f = await b.next();
    assert.strictEqual(cut(f.raw, 'data'), data);
    assert.strictEqual(f.event, 'client-x');
  }
}));

test('an event without data still has data when it arrives', withServer({}, async (server) => {
  const [a, b] = await pair(server);
  a.sendText('{"event":"client-x","channel":"private-a"}');
  const got = await fence(a, b, 'private-a');
  if (got.length === 0) assert.ok('data' in (await b.until('client-x')));
  else assert.strictEqual(got[0].event, 'pusher:error');
}));

test('event names with escapes and other characters arrive as they are', withServer(fast(), async (server) => {
  const [a, b] = await pair(server);
  for (const name of ['client-ü€𝄞', 'client-a"b\\c', 'client-tab\t', 'client- ', 'client-client-', `client-${'n'.repeat(193)}`]) {
    a.clientEvent('private-a', name, 1);
    assert.strictEqual((await b.next()).event, name);
  }
}));

test('user_id is the authenticated one, never what the client says', withServer(fast(), async (server) => {
  const [a, b] = await pair(server, 'presence-a');
  a.clientEvent('presence-a', 'client-x', { user_id: 'b' }, { user_id: 'b', socket_id: '1.1', data2: 1 });
  const f = await b.next();
  assert.deepStrictEqual(rawPairs(f.raw).map(([k]) => k), ['event', 'channel', 'data', 'user_id']);
  assert.strictEqual(f.user_id, 'a');
  const ids = { '{"user_id":10}': '10', '{"user_id":"ü\\u20ac\\"\\\\"}': 'ü€"\\', '{"user_id":12345678901234567890}': '12345678901234567890' };
  for (const [data, id] of Object.entries(ids)) {
    const c = await server.client();
    await c.enter('presence-a', data);
    c.clientEvent('presence-a', 'client-y', 1);
    assert.strictEqual((await b.until('client-y')).user_id, id);
  }
  const d = await server.client();
  await d.signin({ id: 'signed-in' });
  await d.enter('presence-a');
  d.clientEvent('presence-a', 'client-z', 1);
  assert.strictEqual((await b.until('client-z')).user_id, 'signed-in');
}));

test('on a private channel there is no user_id, even with channel_data and a sign-in', withServer({}, async (server) => {
  const [, b] = await pair(server);
  const c = await server.client();
  await c.signin({ id: 'signed-in' });
  await c.enter('private-a', { user_id: 'c' });
  c.clientEvent('private-a', 'client-x', 1, { user_id: 'c' });
  assert.strictEqual((await b.until('client-x')).user_id, undefined);
}));

test('events of one sender keep their order, and all see one order of two senders', withServer({ workers: 4, ...fast() }, async (server) => {
  const [a, b] = await pair(server);
  const [c, d] = await server.several(2);
  await c.enter('private-a');
  await d.enter('private-a');
  for (let i = 0; i < 400; i++) {
    a.clientEvent('private-a', 'client-a', i);
    b.clientEvent('private-a', 'client-b', i);
  }
  const see = async (who, n) => {
    const got = [];
    while (got.length < n) got.push((await who.next()).raw);
    return got;
  };
  const [seen, same, byA] = [await see(c, 800), await see(d, 800), await see(a, 400)];
  assert.deepStrictEqual(seen, same);
  const numbers = (list, name) => list.filter((r) => r.includes(name)).map((r) => JSON.parse(r).data);
  const upTo = Array.from({ length: 400 }, (_, i) => i);
  assert.deepStrictEqual(numbers(seen, 'client-a"'), upTo);
  assert.deepStrictEqual(numbers(seen, 'client-b"'), upTo);
  assert.deepStrictEqual(byA, seen.filter((r) => r.includes('client-b"')));
}));

test('4301: the app does not allow client events, which is the default', withServer({ apps: [app({ enable_client_messages: false }), app({ enable_client_messages: undefined })] }, async (server) => {
  for (const one of server.apps) {
    const [a, b] = await pair(server, 'private-a', { app: one });
    a.clientEvent('private-a', 'client-no', 1);
    await dropped(a, b, 'private-a', one.id);
  }
}));

test('4301: not subscribed, or not any more', withServer({}, async (server) => {
  const [a, b] = await pair(server);
  const c = await server.client();
  c.clientEvent('private-a', 'client-no', 1);
  await dropped(c, b, 'private-a', 'never was');
  a.leave('private-a');
  a.clientEvent('private-a', 'client-no', 1);
  await dropped(a, b, 'private-a', 'left');
}));

test('4301: public and encrypted channels', withServer({}, async (server) => {
  for (const channel of ['a', 'cache-a', 'private-encrypted-a', 'private-encrypted-cache-a']) {
    const [a, b] = await server.several(2);
    await a.enter(channel);
    await b.enter(channel);
    await a.barrier();
    a.clientEvent(channel, 'client-no', 1);
    await dropped(a, b, channel, channel);
  }
}));

test('4301: a name over 200 bytes; exactly 200 pass', withServer(fast(), async (server) => {
  const [a, b] = await pair(server);
  a.clientEvent('private-a', `client-${'n'.repeat(193)}`, 1);
  assert.strictEqual(Buffer.byteLength((await b.next()).event), 200);
  for (const name of [`client-no${'n'.repeat(192)}`, `client-no${'ü'.repeat(96)}`]) {
    a.clientEvent('private-a', name, 1);
    await dropped(a, b, 'private-a', name);
  }
}));

test('4301: data over 10 kB; exactly 10,240 bytes pass', withServer(fast(), async (server) => {
  const [a, b] = await pair(server);
  const data = (n) => JSON.stringify({ x: 'd'.repeat(n - 8) });
  a.sendText(`{"event":"client-x","channel":"private-a","data":${data(10240)}}`);
  assert.strictEqual(cut((await b.next()).raw, 'data').length, 10240);
  for (const n of [10241, 50000]) {
    a.sendText(`{"event":"client-no","channel":"private-a","data":${data(n)}}`);
    await dropped(a, b, 'private-a', n);
  }
}));

test('max_event_kb is the app’s operator’s choice', withServer({ max_event_kb: 2, ...fast() }, async (server) => {
  const [a, b] = await pair(server);
  const data = (n) => JSON.stringify('d'.repeat(n - 2));
  a.sendText(`{"event":"client-x","channel":"private-a","data":${data(2048)}}`);
  assert.strictEqual(cut((await b.next()).raw, 'data').length, 2048);
  a.sendText(`{"event":"client-no","channel":"private-a","data":${data(2051)}}`);
  await dropped(a, b, 'private-a', 'over');
}));

test('no channel, or one that is no string, is an error', withServer({}, async (server) => {
  const client = await server.client();
  for (const text of ['{"event":"client-x","data":1}', '{"event":"client-x","channel":null,"data":1}', '{"event":"client-x","channel":7,"data":1}', '{"event":"client-x","channel":["private-a"],"data":1}', '{"event":"client-x","channel":"","data":1}']) {
    client.sendText(text);
    const got = await client.barrier();
    assert.deepStrictEqual(got.map((f) => f.event), ['pusher:error'], text);
  }
}));

test('10 a second by default: what is above is dropped with 4301, and the connection stays', withServer({}, async (server) => {
  const [a, b] = await pair(server);
  const burst = async (name) => {
    for (let i = 0; i < 40; i++) a.clientEvent('private-a', name, i);
    const errors = (await a.barrier()).filter((f) => f.event === 'pusher:error');
    assert.ok(errors.length > 0);
    for (const f of errors) assert.strictEqual(f.data.code, 4301);
    const got = (await fenced(a, b)).filter((f) => f.event === name).map((f) => f.data);
    assert.ok(got.length >= 10 && got.length <= 13, `${got.length} of 40 delivered`);
    assert.deepStrictEqual(got.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  };
  await burst('client-one');
  await new Promise((done) => setTimeout(done, 1300));
  await burst('client-two');
}));

test('the limit is the connection’s, not the app’s, and configurable', withServer({ apps: [app({ max_client_events_per_second: 3 })] }, async (server) => {
  const [a, b] = await pair(server);
  const c = await server.client();
  await c.enter('private-a');
  for (const x of [a, c]) for (let i = 0; i < 8; i++) x.clientEvent('private-a', `client-${x.socketId}`, i);
  await a.barrier();
  await c.barrier();
  const got = await fenced(a, b);
  for (const x of [a, c]) {
    const n = got.filter((f) => f.event === `client-${x.socketId}`).length;
    assert.ok(n >= 3 && n <= 5, `${n} of 8 delivered`);
  }
}));

test('0 is no limit', withServer(fast(), async (server) => {
  const [a, b] = await pair(server);
  for (let i = 0; i < 1000; i++) a.clientEvent('private-a', 'client-x', i);
  for (let i = 0; i < 1000; i++) assert.strictEqual((await b.next()).data, i);
}));

test('a refused event does not count against what is allowed elsewhere: other commands go on', withServer({}, async (server) => {
  const [a, b] = await pair(server);
  for (let i = 0; i < 30; i++) a.clientEvent('private-a', 'client-x', i);
  await a.enter('private-b');
  a.leave('private-b');
  await a.enter('presence-c', { user_id: 'a' });
  b.clientEvent('private-a', 'client-from-b', 1);
  await a.until('client-from-b');
}));

/** All that b got until a newcomer's event, which the channel's order puts last. */
async function fenced(a, b) {
  const c = await a.server.client({ app: a.app });
  await c.enter('private-a');
  c.clientEvent('private-a', 'client-fence', 1);
  const from = b.cursor;
  await b.until('client-fence');
  return b.frames.slice(from, b.cursor - 1);
}
