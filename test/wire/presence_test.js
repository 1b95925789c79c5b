'use strict';
// Presence as the user's document and PROTOCOL.md sections 2 to 4 have it. checker.js looks
// at I1 and I2 of every frame in all of these tests.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const { cut } = require('./support/json');
const { ask } = require('./support/api');

const ROOM = 'presence-room';
const ADDED = 'pusher_internal:member_added';
const REMOVED = 'pusher_internal:member_removed';
const OK = 'pusher_internal:subscription_succeeded';

/** A client in the room whose frames from now on are the test's. */
async function watcher(server, room = ROOM, id = 'watcher') {
  const client = await server.client();
  await client.enter(room, { user_id: id });
  return client;
}

/** Nothing but the marker comes to the watcher: one order per channel makes it a fence. */
async function nothing(server, client, room = ROOM) {
  const marker = await server.client();
  await marker.enter(room, { user_id: 'watcher' });
  marker.clientEvent(room, 'client-mark', 1);
  assert.strictEqual((await client.next()).event, 'client-mark');
  marker.leave(room);
  await marker.barrier();
}

function refusal(f, type, status) {
  assert.strictEqual(f.event, 'pusher:subscription_error', f.raw);
  assert.strictEqual(f.data.type, type, f.raw);
  assert.strictEqual(f.data.status, status, f.raw);
  return f.data.error;
}

/** JSON of exactly n bytes. */
const sized = (n) => JSON.stringify('x'.repeat(n - 2));

test('the joiner gets the members in presence.ids, hash and count', withServer({}, async (server) => {
  const [alice, bob, carol] = await server.several(3);
  await alice.enter(ROOM, { user_id: 'user-1', user_info: { name: 'Alice', avatar: '...' } });
  await bob.enter(ROOM, { user_id: 'user-2', user_info: { name: 'Bob', avatar: '...' } });
  const f = await carol.join(ROOM, { user_id: 'user-3', user_info: { name: 'Charlie', avatar: '...' } });
  assert.deepStrictEqual(Object.keys(JSON.parse(f.data)), ['presence']);
  const { ids, hash, count } = JSON.parse(f.data).presence;
  assert.deepStrictEqual([...ids].sort(), ['user-1', 'user-2', 'user-3']);
  assert.deepStrictEqual(hash, {
    'user-1': { name: 'Alice', avatar: '...' },
    'user-2': { name: 'Bob', avatar: '...' },
    'user-3': { name: 'Charlie', avatar: '...' },
  });
  assert.strictEqual(count, 3);
}));

test('member_added goes to all but the joiner, member_removed to all that stay', withServer({}, async (server) => {
  const [a, b, c] = await server.several(3);
  await a.enter(ROOM, { user_id: 'a' });
  await b.enter(ROOM, { user_id: 'b' });
  await c.enter(ROOM, { user_id: 'c', user_info: { name: 'C' } });
  assert.strictEqual((await a.next()).data, '{"user_id":"b","user_info":null}');
  for (const x of [a, b]) {
    const f = await x.next();
    assert.deepStrictEqual([f.event, f.channel, f.data], [ADDED, ROOM, '{"user_id":"c","user_info":{"name":"C"}}']);
  }
  c.leave(ROOM);
  for (const x of [a, b]) {
    const f = await x.next();
    assert.deepStrictEqual([f.event, f.channel, f.data], [REMOVED, ROOM, '{"user_id":"c"}']);
  }
  assert.deepStrictEqual(await c.barrier(), []);
}));

test('several sockets of one user are one member: nothing is said of the second', withServer({ workers: 4 }, async (server) => {
  const w = await watcher(server);
  const tabs = await server.several(4);
  for (const [i, tab] of tabs.entries()) {
    const { ids, count } = await tab.enter(ROOM, { user_id: 'u' });
    assert.deepStrictEqual([ids.sort(), count], [['u', 'watcher'], 2]);
    if (i === 0) assert.strictEqual((await w.next()).event, ADDED);
  }
  await nothing(server, w);
  tabs[0].leave(ROOM);
  tabs[1].close();
  tabs[2].reset();
  await Promise.all([tabs[1].gone(), tabs[2].gone()]);
  await nothing(server, w);
  tabs[3].leave(ROOM);
  assert.strictEqual((await w.next()).data, '{"user_id":"u"}');
  await nothing(server, w);
}));

test('the first socket’s user_info stands until the user has gone', withServer({}, async (server) => {
  const w = await watcher(server);
  const [first, second, third] = await server.several(3);
  await first.enter(ROOM, { user_id: 'u', user_info: 1 });
  const seen = await second.enter(ROOM, { user_id: 'u', user_info: 2 });
  assert.strictEqual(seen.hash.u, 1);
  first.leave(ROOM);
  await first.barrier();
  await w.until(ADDED);
  await nothing(server, w);
  assert.strictEqual((await third.enter(ROOM, { user_id: 'other' })).hash.u, 1);
  second.leave(ROOM);
  assert.strictEqual((await w.until(REMOVED)).data, '{"user_id":"u"}');
  await second.enter(ROOM, { user_id: 'u', user_info: 3 });
  assert.strictEqual((await w.until(ADDED)).data, '{"user_id":"u","user_info":3}');
  third.leave(ROOM);
  assert.strictEqual((await third.enter(ROOM, { user_id: 'other' })).hash.u, 3);
}));

test('10 and "10" are one user, and ids are strings whatever came in', withServer({}, async (server) => {
  const w = await watcher(server);
  const [a, b] = await server.several(2);
  await a.enter(ROOM, '{"user_id":10}');
  assert.strictEqual((await w.next()).data, '{"user_id":"10","user_info":null}');
  assert.deepStrictEqual((await b.enter(ROOM, '{"user_id":"10"}')).ids.sort(), ['10', 'watcher']);
  await nothing(server, w);
  a.leave(ROOM);
  await a.barrier();
  await nothing(server, w);
  b.leave(ROOM);
  assert.strictEqual((await w.next()).data, '{"user_id":"10"}');
}));

test('numeric ids are taken as their digits, beyond 64 bits too', withServer({}, async (server) => {
  const w = await watcher(server);
  const client = await server.client();
  for (const digits of ['0', '9007199254740993', '18446744073709551616', '12345678901234567890123456789']) {
    await client.enter(ROOM, `{"user_id":${digits}}`);
    assert.strictEqual((await w.next()).data, `{"user_id":"${digits}","user_info":null}`);
    client.leave(ROOM);
    assert.strictEqual((await w.next()).data, `{"user_id":"${digits}"}`);
  }
}));

test('ids of any characters: escapes are read, written again, and one spelling is another', withServer({}, async (server) => {
  const w = await watcher(server);
  const [a, b] = await server.several(2);
  const pairs = {
    'ü€𝄞': ['"ü€𝄞"', '"\\u00fc\\u20ac\\ud834\\udd1e"'],
    'a"b\\c/d': ['"a\\"b\\\\c/d"', '"a\\u0022b\\u005cc\\/d"'],
    __proto__: ['"__proto__"', '"\\u005f_proto__"'],
    constructor: ['"constructor"', '"constructor"'],
    ' ': ['" "', '"\\u0020"'],
  };
  for (const [id, [one, two]] of Object.entries(pairs)) {
    await a.enter(ROOM, `{"user_id":${one}}`);
    assert.strictEqual(JSON.parse((await w.next()).data).user_id, id);
    const snapshot = await b.enter(ROOM, `{"user_id":${two}}`);
    assert.deepStrictEqual(snapshot.ids.sort(), [id, 'watcher'].sort());
    a.leave(ROOM);
    await a.barrier();
    b.leave(ROOM);
    assert.strictEqual(JSON.parse((await w.next()).data).user_id, id);
  }
}));

test('ids with control characters are ids like others', withServer({}, async (server) => {
  const w = await watcher(server);
  const client = await server.client();
  await client.enter(ROOM, '{"user_id":"tab\\tnew\\u000aline"}');
  assert.strictEqual(JSON.parse((await w.next()).data).user_id, 'tab\tnew\nline');
}));

test('user_info travels byte for byte: 1.10, 12345678901234567890, spaces, escapes, order', withServer({}, async (server) => {
  const infos = [
    '1.10', '12345678901234567890', '1e400', '-0', '0.1000', 'null', 'true', '""', '[]', '{}',
    '{"a":1.10,"b":12345678901234567890}', '{ "z" : 1 ,\n\t"a" : [ 1 , 2.50 ] }',
    '{"a":1,"a":2}', '"\\u00fc\\/\\u0041 ü"', '"\\ud800"', '{"":{"":[[[{}]]]}}', '"\\u0000\\u001f\\b\\f"',
    '[1.0,10000000000000000000000,1E+2]', '{"user_id":"not me","user_info":7}',
  ];
  const w = await watcher(server);
  const [a, b] = await server.several(2);
  for (const info of infos) {
    await a.enter(ROOM, `{"user_id":"a","user_info":${info}}`);
    assert.strictEqual(cut((await w.next()).data, 'user_info'), info);
    const f = await b.join(ROOM, `{ "x":{"user_info":0}, "user_info" : ${info} , "user_id" : "b" }`);
    assert.strictEqual(cut(f.data, 'presence', 'hash', 'a'), info);
    assert.strictEqual(cut(f.data, 'presence', 'hash', 'b'), info);
    assert.strictEqual(cut((await w.next()).data, 'user_info'), info);
    a.leave(ROOM);
    await w.next();
    b.leave(ROOM);
    await w.next();
  }
}));

test('no user_info is null in hash and in member_added', withServer({}, async (server) => {
  const w = await watcher(server);
  const a = await server.client();
  const f = await a.join(ROOM, { user_id: 'a' });
  assert.strictEqual(cut(f.data, 'presence', 'hash', 'a'), 'null');
  assert.strictEqual(cut(f.data, 'presence', 'hash', 'watcher'), 'null');
  assert.strictEqual((await w.next()).data, '{"user_id":"a","user_info":null}');
}));

test('the room’s limit counts users, not sockets: PresenceLimitReached 4100', withServer({ presence: { max_members_per_channel: 2 } }, async (server) => {
  const [a, a2, b, c] = await server.several(4);
  await a.enter(ROOM, { user_id: 'a' });
  await b.enter(ROOM, { user_id: 'b' });
  const f = await c.join(ROOM, { user_id: 'c' });
  refusal(f, 'PresenceLimitReached', 4100);
  assert.strictEqual(f.channel, ROOM);
  await a2.enter(ROOM, { user_id: 'a' });
  refusal(await c.join(ROOM, { user_id: 'c' }), 'PresenceLimitReached', 4100);
  a.leave(ROOM);
  await a.barrier();
  refusal(await c.join(ROOM, { user_id: 'c' }), 'PresenceLimitReached', 4100);
  a2.leave(ROOM);
  await b.until(REMOVED);
  assert.strictEqual((await c.enter(ROOM, { user_id: 'c' })).count, 2);
  await a.enter('presence-other', { user_id: 'a' });
}));

test('a refused user is not a member: nobody hears of it', withServer({ presence: { max_members_per_channel: 1 } }, async (server) => {
  const w = await watcher(server);
  const c = await server.client();
  for (let i = 0; i < 5; i++) refusal(await c.join(ROOM, { user_id: 'c' }), 'PresenceLimitReached', 4100);
  await nothing(server, w);
  c.leave(ROOM);
  assert.strictEqual((await c.until('pusher:error')).data.message, `No current subscription to channel ${ROOM}`);
}));

test('the default limit is 100 users; the 101st is refused, a member’s second tab is let in', withServer({}, async (server) => {
  const clients = await Promise.all(Array.from({ length: 101 }, () => server.client()));
  const answers = await Promise.all(clients.map((c, i) => c.join(ROOM, { user_id: `u${i}` })));
  const refused = answers.filter((f) => f.event === 'pusher:subscription_error');
  assert.strictEqual(refused.length, 1);
  refusal(refused[0], 'PresenceLimitReached', 4100);
  const member = answers.findIndex((f) => f.event === OK);
  const tab = await server.client();
  const { count, ids, hash } = await tab.enter(ROOM, { user_id: `u${member}` });
  assert.deepStrictEqual([count, ids.length, Object.keys(hash).length], [100, 100, 100]);
}));

test('a raised limit lets in as many as it says, and no more', withServer({ presence: { max_members_per_channel: 130 } }, async (server) => {
  const clients = await Promise.all(Array.from({ length: 131 }, () => server.client()));
  const answers = [];
  for (const [i, c] of clients.entries()) answers.push(await c.join(ROOM, { user_id: i }));
  assert.deepStrictEqual(answers.map((f) => f.event === OK).lastIndexOf(true), 129);
  assert.strictEqual(answers.filter((f) => f.event === OK).length, 130);
  refusal(answers[130], 'PresenceLimitReached', 4100);
}));

test('user_info of 2,048 bytes passes, 2,049 does not: PresenceMemberTooLarge 4301', withServer({}, async (server) => {
  const client = await server.client();
  const join = (info) => client.join(ROOM, `{"user_id":"${'u'.repeat(100)}","user_info":${info}}`);
  assert.strictEqual((await join(sized(2048))).event, OK);
  client.leave(ROOM);
  refusal(await join(sized(2049)), 'PresenceMemberTooLarge', 4301);
  refusal(await join(sized(20000)), 'PresenceMemberTooLarge', 4301);
  // Bytes as sent, not characters and not what a parser makes of them.
  const wide = JSON.stringify('ü'.repeat(1023));
  assert.strictEqual(Buffer.byteLength(wide), 2048);
  assert.strictEqual((await join(wide)).event, OK);
  client.leave(ROOM);
  refusal(await join(JSON.stringify('ü'.repeat(1023) + 'x')), 'PresenceMemberTooLarge', 4301);
  refusal(await join(`[${' '.repeat(2047)}]`), 'PresenceMemberTooLarge', 4301);
  refusal(await join(`"${'\\u0041'.repeat(342)}"`), 'PresenceMemberTooLarge', 4301);
  assert.strictEqual((await client.join(ROOM, { user_id: 'small' })).event, OK);
}));

test('an app’s own presence limits stand in for the node’s', withServer(
  {
    presence: { max_members_per_channel: 1, max_member_size_in_kb: 1 },
    apps: [app(), app({ presence: { max_members_per_channel: 2, max_member_size_in_kb: 3 } }), app({ presence: { max_members_per_channel: 2 } })],
  },
  async (server) => {
    const wanted = [[1, 1], [2, 3], [2, 1]];
    for (const [i, [users, kb]] of wanted.entries()) {
      const clients = await server.several(users + 1, { app: server.apps[i] });
      for (const [n, c] of clients.entries()) {
        const f = await c.join(ROOM, { user_id: `u${n}` });
        if (n < users) assert.strictEqual(f.event, OK);
        else refusal(f, 'PresenceLimitReached', 4100);
      }
      const last = clients[users];
      const join = (n) => last.join('presence-size', `{"user_id":"1","user_info":${sized(n)}}`);
      refusal(await join(kb * 1024 + 1), 'PresenceMemberTooLarge', 4301);
      assert.strictEqual((await join(kb * 1024)).event, OK);
    }
  },
));

test('every way to leave removes the member at once: unsubscribe, Close, FIN, reset, a final close', withServer({}, async (server) => {
  const w = await watcher(server);
  const ways = {
    unsubscribe: (c) => c.leave(ROOM),
    'a Close frame': (c) => c.close(),
    'a Close frame of 1001': (c) => c.close(1001),
    'a lost connection': (c) => c.drop(),
    'a reset': (c) => c.reset(),
    'closed by the server': (c) => c.sendBinary(Buffer.from('x')),
  };
  for (const [name, way] of Object.entries(ways)) {
    const c = await server.client({ tcp: name.includes('reset') });
    await c.enter(ROOM, { user_id: name });
    assert.strictEqual((await w.next()).event, ADDED);
    const before = Date.now();
    way(c);
    const f = await w.next();
    assert.deepStrictEqual([f.event, f.data], [REMOVED, `{"user_id":"${name}"}`]);
    assert.ok(Date.now() - before < 1000, `${name}: ${Date.now() - before} ms`);
    if (name !== 'unsubscribe') await c.gone();
  }
}));

test('a connection that goes leaves all its rooms', withServer({ workers: 4 }, async (server) => {
  const rooms = Array.from({ length: 20 }, (_, i) => `presence-room-${i}`);
  const [w, c] = await server.several(2);
  for (const room of rooms) await w.enter(room, { user_id: 'w' });
  for (const room of rooms) await c.enter(room, { user_id: 'c' });
  for (let i = 0; i < rooms.length; i++) await w.until(ADDED);
  c.reset();
  const left = new Set();
  for (let i = 0; i < rooms.length; i++) left.add((await w.until(REMOVED)).channel);
  assert.deepStrictEqual([...left].sort(), [...rooms].sort());
}));

describe('leave_grace', { concurrency: 8 }, () => {
  const graceful = { presence: { leave_grace: 2 }, activity_timeout: 60 };

  for (const how of ['reset', 'drop'])
    test(`${how}: after an unclean disconnect the member stays for leave_grace seconds`, withServer(graceful, async (server) => {
      const w = await watcher(server);
      const c = await server.client({ tcp: how === 'reset' });
      await c.enter(ROOM, { user_id: 'c', user_info: 1 });
      await w.until(ADDED);
      const start = Date.now();
      c[how]();
      const later = await server.client();
      assert.strictEqual((await later.enter(ROOM, { user_id: 'watcher' })).hash.c, 1);
      const f = await w.next();
      const took = Date.now() - start;
      assert.strictEqual(f.data, '{"user_id":"c"}');
      assert.ok(took > 1900 && took < 4500, `removed after ${took} ms`);
    }));

  test('who comes back within the grace was never away, and its first user_info stands', withServer(graceful, async (server) => {
    const w = await watcher(server);
    for (let i = 0; i < 3; i++) {
      const c = await server.client();
      const { hash } = await c.enter(ROOM, { user_id: 'c', user_info: i });
      assert.strictEqual(hash.c, 0);
      c.reset();
      await c.gone();
      await new Promise((done) => setTimeout(done, 1200));
    }
    const last = await server.client();
    await last.enter(ROOM, { user_id: 'c' });
    assert.strictEqual((await w.next()).event, ADDED);
    await new Promise((done) => setTimeout(done, 2500));
    await nothing(server, w);
  }));

  test('a clean leave ends at once, grace or not', withServer({ presence: { leave_grace: 30 } }, async (server) => {
    const w = await watcher(server);
    const ways = {
      unsubscribe: (c) => c.leave(ROOM),
      close: (c) => c.close(),
      going: (c) => c.close(1001),
      final: (c) => c.sendBinary(Buffer.from('x')),
      utf8: (c) => c.tcp.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff])),
    };
    for (const [id, way] of Object.entries(ways)) {
      const c = await server.client({ tcp: id === 'utf8' });
      await c.enter(ROOM, { user_id: id });
      await w.until(ADDED);
      way(c);
      assert.strictEqual((await w.next()).data, `{"user_id":"${id}"}`);
      if (id !== 'unsubscribe') await c.gone();
    }
  }));

  test('a time-out (4201) is unclean', withServer({ presence: { leave_grace: 2 }, activity_timeout: 1, pong_timeout: 1 }, async (server) => {
    const [w, c] = await server.several(2);
    w.on('frame', () => w.frames[w.frames.length - 1].event === 'pusher:ping' && w.send('pusher:pong', {}));
    await w.enter(ROOM, { user_id: 'w' });
    await c.enter(ROOM, { user_id: 'c' });
    assert.strictEqual(await c.gone(), 4201);
    const start = Date.now();
    await w.until(REMOVED);
    assert.ok(Date.now() - start > 1500, `${Date.now() - start} ms after the close`);
  }));

  test('a member in grace takes a place in a full room', withServer({ presence: { leave_grace: 2, max_members_per_channel: 2 } }, async (server) => {
    const w = await watcher(server);
    const [c, d] = await server.several(2);
    await c.enter(ROOM, { user_id: 'c' });
    c.reset();
    await c.gone();
    await w.until(ADDED);
    refusal(await d.join(ROOM, { user_id: 'd' }), 'PresenceLimitReached', 4100);
    await w.until(REMOVED);
    await d.enter(ROOM, { user_id: 'd' });
  }));

  test('a room whose only member is in grace still knows it', withServer(graceful, async (server) => {
    const [c, d] = await server.several(2);
    await c.enter(ROOM, { user_id: 'c', user_info: 'first' });
    c.reset();
    await c.gone();
    assert.strictEqual((await d.enter(ROOM, { user_id: 'd' })).hash.c, 'first');
    assert.strictEqual((await d.until(REMOVED)).data, '{"user_id":"c"}');
  }));
});

test('private-presence-: member_added {id, info} and member_removed {id}, as the document prints', withServer({}, async (server) => {
  const room = 'private-presence-vip-room';
  const w = await watcher(server, room);
  const [c, tab, bare] = await server.several(3);
  const info = '{"name":"John Doe","avatar":"https://example.com/avatar.jpg"}';
  const f = await c.join(room, `{"user_id":"user-123","user_info":${info}}`);
  assert.strictEqual(f.event, OK);
  assert.deepStrictEqual(JSON.parse(f.data).presence.ids.sort(), ['user-123', 'watcher']);
  assert.strictEqual(cut(f.data, 'presence', 'hash', 'user-123'), info);
  const added = await w.next();
  assert.deepStrictEqual([added.event, added.channel, added.data], ['pusher:member_added', room, `{"id":"user-123","info":${info}}`]);
  await tab.enter(room, { user_id: 'user-123', user_info: 'second' });
  await nothing(server, w, room);
  c.reset();
  await c.gone();
  tab.leave(room);
  const removed = await w.next();
  assert.deepStrictEqual([removed.event, removed.channel, removed.data], ['pusher:member_removed', room, '{"id":"user-123"}']);
  await bare.enter(room, { user_id: 5 });
  assert.strictEqual((await w.next()).data, '{"id":"5","info":null}');
}));

test('private-presence- has presence’s limits', withServer({ presence: { max_members_per_channel: 1, max_member_size_in_kb: 1 } }, async (server) => {
  const room = 'private-presence-vip-room';
  const [a, b] = await server.several(2);
  refusal(await a.join(room, `{"user_id":"a","user_info":${sized(1025)}}`), 'PresenceMemberTooLarge', 4301);
  await a.enter(room, { user_id: 'a' });
  refusal(await b.join(room, { user_id: 'b' }), 'PresenceLimitReached', 4100);
}));

test('rooms and apps are apart, even with one name', withServer({ apps: [app(), app()] }, async (server) => {
  const a = await watcher(server);
  const b = await server.client({ app: server.apps[1] });
  const c = await server.client();
  assert.deepStrictEqual((await b.enter(ROOM, { user_id: 'b' })).ids, ['b']);
  assert.deepStrictEqual((await c.enter('presence-room2', { user_id: 'c' })).ids, ['c']);
  assert.deepStrictEqual((await c.enter('private-presence-room', { user_id: 'd' })).ids, ['d']);
  await nothing(server, a);
}));

test('a room that emptied starts anew', withServer({}, async (server) => {
  const [a, b] = await server.several(2);
  for (let i = 0; i < 10; i++) {
    assert.deepStrictEqual((await a.enter(ROOM, { user_id: 'a', user_info: i })).hash, { a: i });
    a.leave(ROOM);
    await a.barrier();
  }
  // Another node's barrier says nothing of this one's leave.
  while (server.nodes.length > 1 && (await ask(server.nodes.at(-1), `/channels/${ROOM}`)).occupied);
  assert.deepStrictEqual((await b.enter(ROOM, { user_id: 'b' })).ids, ['b']);
}));

test('member_added comes before that member’s first event, member_removed after the last', withServer({ workers: 4, apps: [app({ max_client_events_per_second: 0 })] }, async (server) => {
  const watchers = [];
  for (let i = 0; i < 4; i++) watchers.push(await watcher(server));
  for (let i = 0; i < 25; i++) {
    const c = await server.client();
    c.sendJoin(ROOM, { user_id: `c${i}` });
    await c.answer(ROOM);
    c.clientEvent(ROOM, 'client-first', i);
    c.clientEvent(ROOM, 'client-last', i);
    c.leave(ROOM);
    for (const w of watchers) {
      const got = [];
      for (let n = 0; n < 4; n++) got.push(await w.next());
      assert.deepStrictEqual(got.map((f) => f.event), [ADDED, 'client-first', 'client-last', REMOVED]);
      assert.deepStrictEqual(got.slice(1, 3).map((f) => f.user_id), [`c${i}`, `c${i}`]);
    }
    c.close();
  }
}));
