'use strict';
// PROTOCOL.md sections 1 and 2: frames and messages, legal and not. What is wrong with the
// frame ends the connection with its code; what is wrong with the message is said, and the
// connection stays.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const { frame, TEXT, BINARY, PING, CLOSE } = require('./support/tcp');

const CONT = 0;

/** A well-formed message of exactly n bytes, which subscribes to `room`. */
function padded(n, channel = 'room') {
  const text = JSON.stringify({ event: 'pusher:subscribe', data: { channel } });
  return text + ' '.repeat(n - text.length);
}

const succeeded = { event: 'pusher_internal:subscription_succeeded', channel: 'room' };

test('a binary frame closes with 1003', withServer({}, async (server) => {
  for (const tcp of [false, true]) {
    const client = await server.client({ tcp });
    client.sendBinary(Buffer.from('{"event":"pusher:ping","data":{}}'));
    assert.strictEqual(await client.gone(), 1003);
    assert.strictEqual(client.frames.filter((f) => f.event === 'pusher:pong').length, 0);
  }
}));

test('bad UTF-8 closes with 1007, in one frame and over fragments', withServer({}, async (server) => {
  const bad = [
    [Buffer.from([0xff])],
    [Buffer.from('{"event":"x\xc3"}', 'latin1')],
    [Buffer.from([0xc0, 0x80])],
    [Buffer.from([0xed, 0xa0, 0x80])],
    [Buffer.from([0xf4, 0x90, 0x80, 0x80])],
    [Buffer.from('{"event":"'), Buffer.from([0xe2, 0x82]), Buffer.from('"}')],
    [Buffer.from('{"event":"x"}'), Buffer.from([0xe2])],
  ];
  for (const pieces of bad) {
    const client = await server.client({ tcp: true });
    pieces.forEach((piece, i) =>
      client.tcp.write(frame(i ? CONT : TEXT, piece, { fin: i === pieces.length - 1 })),
    );
    assert.strictEqual(await client.gone(), 1007, String(pieces.map((p) => p.toString('hex'))));
  }
}));

test('a character cut in two by a fragment is legal', withServer({}, async (server) => {
  const client = await server.client({ tcp: true });
  const text = Buffer.from(JSON.stringify({ event: 'pusher:ping', data: {}, note: '€ü𝄞' }));
  for (let at = 1; at < text.length; at++) {
    client.tcp.write(frame(TEXT, text.subarray(0, at), { fin: false }));
    client.tcp.write(frame(CONT, text.subarray(at)));
  }
  for (let at = 1; at < text.length; at++) assert.strictEqual((await client.next()).event, 'pusher:pong');
}));

test('fragments are put together, one byte each, empty ones and PINGs between them', withServer({}, async (server) => {
  const client = await server.client({ tcp: true });
  const text = Buffer.from(padded(120));
  client.tcp.write(frame(TEXT, '', { fin: false }));
  for (const byte of text) {
    client.tcp.write(frame(CONT, Buffer.from([byte]), { fin: false }));
    if (byte === 0x22) client.tcp.write(frame(PING, 'between'));
    if (byte === 0x3a) client.tcp.write(frame(CONT, '', { fin: false }));
  }
  client.tcp.write(frame(CONT, ''));
  assert.strictEqual((await client.next()).event, succeeded.event);
  // One PONG may answer several PINGs (RFC 6455, 5.5.3), and come behind the answer.
  for (let i = 0; i < 100 && !client.pongs.length; i++) await new Promise((done) => setTimeout(done, 20));
  assert.ok(client.pongs.length >= 1);
  assert.ok(client.pongs.every((p) => String(p) === 'between'));
}));

test('a frame that comes in pieces of a few bytes is one frame', withServer({}, async (server) => {
  const client = await server.client({ tcp: true });
  const bytes = Buffer.concat([frame(TEXT, padded(300)), frame(TEXT, '{"event":"pusher:ping"}')]);
  for (let i = 0; i < bytes.length; i += 7) {
    client.tcp.write(bytes.subarray(i, i + 7));
    await new Promise(setImmediate);
  }
  // The subscribe asks the channel's home: the pong may come first.
  const got = [await client.next(), await client.next()].map((f) => f.event);
  assert.deepStrictEqual(got.sort(), ['pusher:pong', succeeded.event]);
}));

test('many messages in one write are answered one by one, in order', withServer({}, async (server) => {
  const client = await server.client({ tcp: true });
  const all = Array.from({ length: 90 }, (_, i) => frame(TEXT, JSON.stringify({ event: 'pusher:subscribe', data: { channel: `room-${i}` } })));
  client.tcp.write(Buffer.concat(all));
  const got = new Set();
  for (let i = 0; i < 90; i++) {
    const f = await client.next();
    assert.strictEqual(f.event, succeeded.event);
    got.add(f.channel);
  }
  assert.strictEqual(got.size, 90);
}));

test('a message of exactly max_message_kb passes, in one frame or in fragments', withServer({ max_message_kb: 2 }, async (server) => {
  const client = await server.client({ tcp: true });
  client.sendText(padded(2048));
  assert.strictEqual((await client.next()).event, succeeded.event);
  const text = padded(2048, 'another');
  client.tcp.write(frame(TEXT, text.slice(0, 2000), { fin: false }));
  client.tcp.write(frame(CONT, text.slice(2000)));
  assert.strictEqual((await client.next()).channel, 'another');
}));

test('1009: a message over max_message_kb, announced, sent or in fragments', withServer({ max_message_kb: 2 }, async (server) => {
  const ways = {
    'one byte over': (tcp) => tcp.write(frame(TEXT, padded(2049))),
    'announced, its first byte sent': (tcp) => tcp.write(frame(TEXT, '{', { length: 2049 })),
    'announced as 2^40 bytes': (tcp) => tcp.write(frame(TEXT, 'x', { length: 2 ** 40 })),
    'in two fragments': (tcp) => {
      tcp.write(frame(TEXT, padded(1100).slice(0, 1024), { fin: false }));
      tcp.write(frame(CONT, ' '.repeat(1025), { fin: false }));
    },
    'in endless fragments': (tcp) => {
      tcp.write(frame(TEXT, ' ', { fin: false }));
      for (let i = 0; i < 300; i++) tcp.write(frame(CONT, ' '.repeat(10), { fin: false }));
    },
    'a fragment announced': (tcp) => {
      tcp.write(frame(TEXT, ' '.repeat(1000), { fin: false }));
      tcp.write(frame(CONT, ' ', { length: 1049 }));
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    const client = await server.client({ tcp: true });
    way(client.tcp);
    const code = await client.gone(6000).catch((e) => assert.fail(`${name}: ${e.message}`));
    assert.strictEqual(code, 1009, name);
  }
  await (await server.client()).barrier();
}));

test('the default limit is 100 kB: 102,400 bytes pass, one more does not', withServer({}, async (server) => {
  const client = await server.client();
  client.sendText(padded(102400));
  assert.strictEqual((await client.next()).event, succeeded.event);
  client.sendText(padded(102401, 'another'));
  assert.strictEqual(await client.gone(), 1009);
}));

test('malformed JSON: pusher:error with code null says so, and the connection stays', withServer({}, async (server) => {
  const client = await server.client();
  const bad = [
    '', ' ', '{', '}', '[]', '[', 'null', 'true', '"pusher:ping"', '123', 'pusher:ping',
    '{"event":"pusher:ping"', '{"event":"pusher:ping",}', '{"event" "pusher:ping"}',
    "{'event':'pusher:ping'}", '{event:"pusher:ping"}', '{"event":"pusher:ping"}}',
    '{"event":"pusher:ping"} x', '{"event":"pusher:ping"}{"event":"pusher:ping"}',
    '{"event":"pusher:ping","data":{}', '{"event":"pusher:ping","data":nul}',
    '{"event":"pusher:ping","data":NaN}', '{"event":"pusher:ping","data":01}',
    '{"event":"pusher:ping","data":1.}', '{"event":"pusher:ping","data":+1}',
    '{"event":"pusher:ping","data":"\\x"}', '{"event":"pusher:ping","data":"\\u12"}',
    '{"event":"pusher:ping","data":"\n"}', '{"event":"pusher:ping","data":[1,]}',
    '{"event":"pusher:ping\u0000"', '\u0000', '[{"event":"pusher:ping"}]',
    '{"event":"pusher:ping"/* x */}', '\ufeff{"event":"pusher:ping"}',
  ];
  for (const text of bad) {
    client.sendText(text);
    const got = await client.barrier();
    assert.strictEqual(got.length, 1, `${JSON.stringify(text)}: ${got.map((f) => f.raw)}`);
    assert.strictEqual(got[0].event, 'pusher:error', text);
    assert.strictEqual(got[0].data.code, null, text);
    assert.ok(!('channel' in got[0]), text);
  }
}));

test('no event, or one that is no string: pusher:error with code null', withServer({}, async (server) => {
  const client = await server.client();
  for (const text of ['{}', '{"data":{}}', '{"event":null}', '{"event":1}', '{"event":{}}', '{"event":["pusher:ping"]}', '{"Event":"pusher:ping"}', '{"channel":"room","data":"x"}']) {
    client.sendText(text);
    const got = await client.barrier();
    assert.deepStrictEqual(got.map((f) => [f.event, f.data.code]), [['pusher:error', null]], text);
  }
}));

test('a pusher: event that is not known: pusher:error with code null', withServer({}, async (server) => {
  const client = await server.client();
  for (const event of ['pusher:', 'pusher:foo', 'pusher:Subscribe', 'pusher:subscribe ', 'pusher:connection_established', 'pusher:error', 'pusher:pingx', 'pusher:subscription_error']) {
    client.send(event, { channel: 'room' });
    const got = await client.barrier();
    assert.deepStrictEqual(got.map((f) => [f.event, f.data.code]), [['pusher:error', null]], event);
  }
}));

test('other names than pusher: and client- are ignored', withServer({}, async (server) => {
  const [client, other] = await server.several(2);
  await client.enter('private-room');
  await other.enter('private-room');
  for (const event of ['foo', 'message', 'Client-x', 'xclient-', 'server-event', 'PUSHER:ping'])
    client.send(event, { a: 1 }, { channel: 'private-room' });
  assert.deepStrictEqual(await client.barrier(), []);
  client.clientEvent('private-room', 'client-last', {});
  assert.strictEqual((await other.next()).event, 'client-last');
}));

test('a subscribe without a proper channel still gets an answer', withServer({}, async (server) => {
  const client = await server.client();
  const bad = [
    '{"event":"pusher:subscribe"}',
    '{"event":"pusher:subscribe","data":null}',
    '{"event":"pusher:subscribe","data":7}',
    '{"event":"pusher:subscribe","data":[]}',
    '{"event":"pusher:subscribe","data":["room"]}',
    '{"event":"pusher:subscribe","data":"room"}',
    '{"event":"pusher:subscribe","data":{}}',
    '{"event":"pusher:subscribe","data":{"channel":null}}',
    '{"event":"pusher:subscribe","data":{"channel":""}}',
    '{"event":"pusher:subscribe","data":{"channel":1}}',
    '{"event":"pusher:subscribe","data":{"channel":["room"]}}',
    '{"event":"pusher:subscribe","data":{"channel":{}}}',
    '{"event":"pusher:subscribe","channel":"room"}',
  ];
  for (const text of bad) {
    client.sendText(text);
    const got = await client.barrier();
    assert.strictEqual(got.length, 1, `${text}: ${got.map((f) => f.raw)}`);
    assert.ok(['pusher:error', 'pusher:subscription_error'].includes(got[0].event), got[0].raw);
  }
}));

test('auth, channel_data, unsubscribe and signin of wrong types get an answer each', withServer({}, async (server) => {
  const client = await server.client();
  const bad = [
    '{"event":"pusher:subscribe","data":{"channel":"private-a","auth":7}}',
    '{"event":"pusher:subscribe","data":{"channel":"private-a","auth":{}}}',
    '{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:s","channel_data":{"user_id":"1"}}}',
    '{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:s","channel_data":7}}',
    '{"event":"pusher:unsubscribe"}',
    '{"event":"pusher:unsubscribe","data":null}',
    '{"event":"pusher:unsubscribe","data":{}}',
    '{"event":"pusher:unsubscribe","data":{"channel":1}}',
    '{"event":"pusher:unsubscribe","data":"room"}',
    '{"event":"pusher:signin"}',
    '{"event":"pusher:signin","data":{}}',
    '{"event":"pusher:signin","data":"x"}',
    '{"event":"pusher:signin","data":{"auth":"k:s"}}',
    '{"event":"pusher:signin","data":{"user_data":"{\\"id\\":\\"a\\"}"}}',
    '{"event":"pusher:signin","data":{"auth":1,"user_data":{"id":"a"}}}',
  ];
  for (const text of bad) {
    client.sendText(text);
    const got = await client.barrier();
    assert.strictEqual(got.length, 1, `${text}: ${got.map((f) => f.raw)}`);
    assert.ok(['pusher:error', 'pusher:subscription_error'].includes(got[0].event), got[0].raw);
  }
}));

test('white space, escapes and unknown members in a message are nothing special', withServer({}, async (server) => {
  const client = await server.client();
  client.sendText(' \r\n\t{ "more":[1,{"event":"no"}] , "\\u0065vent" : "pusher\\u003asubscribe",\n"data":{"x":null,"channel":"\\u0072oom"} } \n');
  const f = await client.next();
  assert.strictEqual(f.event, succeeded.event);
  assert.strictEqual(f.channel, 'room');
}));

test('a frame against the WebSocket protocol ends the connection', withServer({ activity_timeout: 2, pong_timeout: 1 }, async (server) => {
  const bad = {
    'a reserved bit': Buffer.from([0xc1, 0x80, 0, 0, 0, 0]),
    'a reserved opcode': Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    'a continuation of nothing': frame(CONT, 'x'),
    'a text inside a text': Buffer.concat([frame(TEXT, 'x', { fin: false }), frame(TEXT, 'y')]),
    'a PING of 126 bytes': frame(PING, 'x'.repeat(126)),
    'a PING in fragments': frame(PING, 'x', { fin: false }),
    'a Close of one byte': frame(CLOSE, 'x'),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const client = await server.client({ tcp: true });
    client.tcp.write(bytes);
    await client.gone(10000).catch((e) => assert.fail(`${name}: ${e.message}`));
    assert.strictEqual(client.frames.filter((f) => f.event === 'pusher:error').length, 0, name);
  }
  await (await server.client()).barrier();
}));

test('a Close frame is answered with one, and the socket closes', withServer({}, async (server) => {
  for (const code of [1000, 1001, 3000, 4999]) {
    const client = await server.client({ tcp: true, answerClose: false });
    client.close(code);
    const got = await client.gone();
    assert.ok([code, 1000].includes(got), `sent ${code}, got ${got}`);
  }
  const empty = await server.client({ tcp: true, answerClose: false });
  empty.tcp.write(frame(CLOSE, ''));
  await empty.gone();
}));

test('what follows a Close frame is not looked at', withServer({}, async (server) => {
  const [client, watcher] = await server.several(2, { tcp: true });
  await client.enter('private-room');
  await watcher.enter('private-room');
  client.tcp.write(
    Buffer.concat([
      frame(CLOSE, Buffer.from([3, 232])),
      frame(TEXT, '{"event":"client-late","channel":"private-room","data":1}'),
    ]),
  );
  await client.gone();
  await watcher.barrier();
  const other = await server.client();
  await other.enter('private-room');
  other.clientEvent('private-room', 'client-mark', 1);
  await watcher.until('client-mark');
  assert.ok(!watcher.frames.some((f) => f.event === 'client-late'));
}));

test('a binary frame amid text fragments and a text app-wide are told apart', withServer({ apps: [app()] }, async (server) => {
  const client = await server.client({ tcp: true });
  client.tcp.write(frame(BINARY, 'x', { fin: false }));
  assert.strictEqual(await client.gone(), 1003);
}));

test('a close that the library begins (1002) leaves at once and cleanly, and nothing follows it', withServer({ presence: { leave_grace: 30 } }, async (server) => {
  const [client, watcher] = await server.several(2, { tcp: true });
  await watcher.enter('presence-room', { user_id: 'w' });
  await client.enter('presence-room', { user_id: 'c' });
  await watcher.until('pusher_internal:member_added');
  client.tcp.socket.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0])); // reserved bits
  await watcher.until('pusher_internal:member_removed', 3000);
  watcher.clientEvent('presence-room', 'client-z', 1);
  assert.strictEqual(await client.gone(9000), 1002);
  assert.ok(!client.frames.some((f) => f.event === 'client-z'));
}));
