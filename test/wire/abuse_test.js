'use strict';
// Bad input and abuse. Whatever comes, the server serves others meanwhile and afterwards: each
// test ends with a look at that.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const { withServer, app } = require('./support/server');
const { Client } = require('./support/client');
const { Tcp, frame, TEXT, BINARY } = require('./support/tcp');
const { seeded } = require('./support/random');

const fast = (more) => ({ apps: [app({ max_client_events_per_second: 0, ...more })] });
const after = (ms) => new Promise((done) => setTimeout(done, ms));

/** Two newcomers meet in a room and talk, within a second or so. */
async function serves(server) {
  const before = Date.now();
  const [a, b] = await server.several(2);
  await a.enter('presence-serves', { user_id: 'a' });
  await b.enter('presence-serves', { user_id: 'b' });
  await a.until('pusher_internal:member_added');
  b.clientEvent('presence-serves', 'client-hello', 1);
  await a.until('client-hello');
  a.close();
  b.close();
  await Promise.all([a.gone(), b.gone()]);
  const took = Date.now() - before;
  assert.ok(took < 5000, `it took ${took} ms`);
}

/** A test that ends with serves(). */
const abused = (config, body) =>
  withServer(config, async (server, t) => {
    await body(server, t);
    await serves(server);
  });

const tcpTo = async (server) => {
  const tcp = new Tcp(server.port);
  await tcp.connected;
  return tcp;
};

/** Resolves with true if the peer ends the socket within the time. */
const ends = (tcp, ms) => Promise.race([tcp.ended.then(() => true), after(ms).then(() => false)]);

const descriptors = (server) => fs.readdirSync(`/proc/${server.pid}/fd`).length;
const residentKb = (server) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]);

/** The descriptors come back to what they were, soon. */
async function noLeak(server, before) {
  for (let i = 0; i < 100 && descriptors(server) > before; i++) await after(50);
  assert.ok(descriptors(server) <= before, `${descriptors(server)} descriptors, ${before} before`);
}

describe('abuse', { concurrency: 4 }, () => {
  test('garbage instead of HTTP is closed, and so is HTTP that is none', abused({ handshake_timeout: 2 }, async (server) => {
    const { key } = server.apps[0];
    const garbage = [
      Buffer.alloc(1000, 0), Buffer.alloc(1000, 0xff), Buffer.from('\r\n\r\n'), Buffer.from('hello\r\n\r\n'),
      Buffer.from('GET\r\n\r\n'), Buffer.from('GET / HTTP/9.9\r\n\r\n'),
      Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'), Buffer.from('POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n'),
      Buffer.from(`GET /app/${key}?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`),
      Buffer.from(Tcp.request(`/app/${key}?protocol=7`, server.port, { 'Sec-WebSocket-Version': '99' })),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(TEXT, '{"event":"pusher:ping"}'), Buffer.from(`GET /${'a'.repeat(8000)} HTTP/1.1\r\n`),
    ];
    const all = [];
    for (const bytes of garbage) {
      const tcp = await tcpTo(server);
      tcp.write(bytes);
      all.push(ends(tcp, 8000));
    }
    const ended = await Promise.all(all);
    // A well-formed request may be answered and kept alive for a while; garbage may not.
    ended.forEach((end, i) => assert.ok(end, `still open after ${JSON.stringify(garbage[i].toString('latin1').slice(0, 200))}`));
  }));

  test('a half-open or slow handshake is closed after handshake_timeout', abused({ handshake_timeout: 3 }, async (server) => {
    const [silent, half, dribble] = [await tcpTo(server), await tcpTo(server), await tcpTo(server)];
    const text = Tcp.request(`/app/${server.apps[0].key}?protocol=7`, server.port);
    half.write(text.slice(0, -2));
    let i = 0;
    const timer = setInterval(() => dribble.write(text[i++ % (text.length - 3)]), 100);
    const before = Date.now();
    const ended = await Promise.all([silent, half, dribble].map((tcp) => ends(tcp, 8000)));
    clearInterval(timer);
    assert.deepStrictEqual(ended, [true, true, true]);
    assert.ok(Date.now() - before < 7000);
  }));

  test('hundreds of half-open handshakes keep nobody out', abused({ handshake_timeout: 2, max_connections: 50 }, async (server) => {
    const all = [];
    for (let i = 0; i < 300; i++) all.push(new Tcp(server.port));
    await Promise.allSettled(all.map((tcp) => tcp.connected));
    await after(2500);
    await Promise.all(all.map((tcp) => ends(tcp, 8000))).then((e) => assert.ok(e.every(Boolean)));
  }));

  test('15 kB of cookies pass; headers over 16 kB are closed', abused({ handshake_timeout: 3 }, async (server) => {
    const cookies = (n) => ({ Cookie: `session=${'c'.repeat(n - 8)}` });
    await server.client({ headers: cookies(15000) });
    await server.client({ tcp: true, headers: cookies(15000) });
    for (const headers of [cookies(17000), cookies(200000), Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`X-Header-${i}`, 'x'.repeat(50)]))]) {
      const tcp = await tcpTo(server);
      tcp.write(Tcp.request(`/app/${server.apps[0].key}?protocol=7`, server.port, headers));
      assert.ok(await ends(tcp, 8000));
      assert.ok(!tcp.upgraded, 'let in');
    }
  }));

  test('a URL as long as it gets is refused or closed, not let in', abused({ handshake_timeout: 3 }, async (server) => {
    for (const path of [`/app/${'k'.repeat(5000)}?protocol=7`, `/app/${server.apps[0].key}?protocol=7${'&x=y'.repeat(5000)}`, `/app/${'%41'.repeat(300)}?protocol=7`, `/app/../app/${server.apps[0].key}?protocol=7`]) {
      const client = new Client(server, { tcp: true, path });
      const first = await Promise.race([client.next().catch(() => null), client.gone(9000).then(() => null)]);
      if (first && first.event === 'pusher:connection_established') client.close();
      await client.gone(9000);
    }
  }));

  test('a frame longer than the limit, announced or streamed, is 1009 at once, many times over', abused({ max_message_kb: 8 }, async (server) => {
    const before = residentKb(server);
    for (let i = 0; i < 30; i++) {
      const client = await server.client({ tcp: true });
      if (i % 2) client.tcp.write(frame(TEXT, 'x'.repeat(100), { length: 2 ** 31 + i }));
      else {
        client.tcp.write(frame(TEXT, 'x'.repeat(4096), { fin: false }));
        for (let n = 0; n < 50; n++) client.tcp.write(frame(0, 'x'.repeat(4096), { fin: false }));
      }
      assert.strictEqual(await client.gone(), 1009);
    }
    assert.ok(residentKb(server) - before < 100000);
  }));

  test('deep JSON as message, as data, as channel_data and as user_info', abused({ presence: { max_member_size_in_kb: 64 }, max_message_kb: 1024, ...fast() }, async (server) => {
    const client = await server.client();
    const deep = (n, open = '[', close = ']') => open.repeat(n) + close.repeat(n);
    for (const n of [100, 1000, 30000]) {
      for (const text of [deep(n), deep(n, '{"a":', '}').replace(':}', ':1}'), `{"event":"client-x","channel":"private-a","data":${deep(n)}}`, `{"event":${deep(n)}}`, `{"event":"pusher:subscribe","data":${deep(n)}}`, `{"event":"pusher:subscribe","data":{"channel":"presence-a","channel_data":${deep(n)}}}`, '['.repeat(n), '{"a":'.repeat(n / 2), `{"x":${deep(n)},"event":"pusher:ping"}`]) {
        client.sendText(text);
        await client.barrier();
      }
      const f = await client.join('presence-deep', `{"user_id":"u${n}","user_info":${deep(n)}}`);
      assert.ok(['pusher_internal:subscription_succeeded', 'pusher:subscription_error'].includes(f.event), f.raw);
      if (f.event !== 'pusher:subscription_error') client.leave('presence-deep');
      await client.signin(`{"id":"u","user_info":${deep(n)}}`);
    }
  }));

  test('huge JSON of many members, long strings and long numbers', abused(fast(), async (server) => {
    const client = await server.client();
    const many = `{${Array.from({ length: 6000 }, (_, i) => `"k${i}":${i}`).join(',')}`;
    for (const text of [`${many},"event":"pusher:ping"}`, `{"event":"${'e'.repeat(90000)}"}`, `{"event":"pusher:${'e'.repeat(90000)}"}`, `{"event":"pusher:subscribe","data":{"channel":"${'c'.repeat(90000)}"}}`, `{"event":"x","data":${'9'.repeat(90000)}}`, `{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"${'a'.repeat(90000)}"}}`, `{"event":"pusher:unsubscribe","data":{"channel":"${'c'.repeat(90000)}"}}`, `{"event":"client-x","channel":"${'c'.repeat(90000)}","data":1}`]) {
      client.sendText(text);
      for (const f of await client.barrier())
        assert.ok(f.raw.length < text.length * 2.5, `an answer of ${f.raw.length} bytes to ${text.length}`);
    }
    const f = await client.join('presence-a', `{"user_id":"${'u'.repeat(95000)}"}`);
    assert.strictEqual(f.event, 'pusher:subscription_error');
    await client.signin(`{"id":"${'u'.repeat(95000)}"}`);
  }));

  test('100,000 subscribes on one connection: each is answered, and memory stays bounded', abused({ max_pending_messages: 200000, max_pending_kb: 65536 }, async (server) => {
    const client = await server.client({ tcp: true });
    let answers = 0;
    client.tcp.on('text', (text) => (answers += /subscription_(succeeded|error)|pusher:error/.test(text)));
    const before = residentKb(server);
    for (let i = 0; i < 100000; i += 500) {
      const frames = [];
      for (let n = i; n < i + 500; n++) frames.push(frame(TEXT, `{"event":"pusher:subscribe","data":{"channel":"room-${n}"}}`));
      client.tcp.write(Buffer.concat(frames));
      if (i % 10000 === 0) await client.wait(['frame'], 'an answer', 15000);
    }
    for (let last = -1; answers < 100000 && last !== answers; last = answers) await client.wait(['frame'], `answer ${answers}`, 15000).then(() => after(20));
    for (let i = 0; i < 200 && answers < 100000; i++) await after(50);
    assert.strictEqual(answers, 100000);
    assert.ok(residentKb(server) - before < 200000, `${residentKb(server) - before} kB more`);
    assert.strictEqual(client.state, 'open');
  }));

  test('100,000 subscribes from one that never reads: closed, not hoarded', abused({ max_pending_kb: 256, max_pending_messages: 1000 }, async (server) => {
    const client = await server.client({ tcp: true });
    client.tcp.socket.pause();
    const before = residentKb(server);
    for (let i = 0; i < 100000 && !client.tcp.socket.destroyed; i += 1000) {
      const frames = [];
      for (let n = i; n < i + 1000; n++) frames.push(frame(TEXT, `{"event":"pusher:subscribe","data":{"channel":"room-${n}"}}`));
      client.tcp.write(Buffer.concat(frames));
      await after(5);
    }
    await server.logged(/ws\.slow/);
    assert.ok(residentKb(server) - before < 100000, `${residentKb(server) - before} kB more`);
  }));

  for (const bound of ['bytes', 'count'])
    test(`a client that never reads is closed with 4100 over the bound of ${bound}, and the others get everything`, abused(
      { send_buffer_kb: 16, max_pending_kb: bound === 'bytes' ? 64 : 1048576, max_pending_messages: bound === 'count' ? 200 : 1000000, ...fast() },
      async (server) => {
        const [talker, reader] = await server.several(2);
        const slow = await server.client({ tcp: true });
        for (const c of [talker, reader, slow]) await c.enter('private-a');
        slow.tcp.socket.pause();
        let sent = 0;
        const seen = [];
        const text = 'x'.repeat(bound === 'bytes' ? 8000 : 6000);
        const burst = bound === 'bytes' ? 5 : 10; // it may come as one from another node
        for (; !/ws\.slow/.test(server.log()); sent += burst) {
          assert.ok(sent < 20000, `no ws.slow after ${sent} events`);
          for (let n = 0; n < burst; n++) talker.clientEvent('private-a', 'client-x', [sent + n, text]);
          for (let n = 0; n < burst; n++) seen.push((await reader.next()).data[0]);
        }
        assert.deepStrictEqual(seen, Array.from({ length: sent }, (_, i) => i));
        const line = await server.logged(/ws\.slow/);
        assert.match(line, / warn ws\.slow /);
        assert.ok(line.includes(slow.socketId) && line.includes(server.apps[0].id), line);
        slow.tcp.socket.resume();
        assert.strictEqual(await slow.gone(), 4100);
        // It got the beginning without a gap.
        const got = slow.frames.filter((f) => f.event === 'client-x').map((f) => f.data[0]);
        assert.deepStrictEqual(got, Array.from({ length: got.length }, (_, i) => i));
        talker.clientEvent('private-a', 'client-x', ['last']);
        assert.strictEqual((await reader.next()).data[0], 'last');
      },
    ));

  test('while the server stands still nobody is slow', abused({ send_buffer_kb: 16, max_pending_kb: 256, ...fast() }, async (server) => {
    const events = 300;
    const talker = await server.client();
    const reader = await server.client({ tcp: true });
    for (const c of [talker, reader]) await c.enter('private-a');
    for (let round = 0; round < 5; round++) {
      reader.tcp.socket.pause();
      for (let n = 0; n < events; n++) talker.clientEvent('private-a', 'client-x', [n, 'x'.repeat(8000)]); // 2.4 MB
      await talker.barrier();
      server.kill('SIGSTOP');
      reader.tcp.socket.resume();
      await after(2200);
      server.kill('SIGCONT');
      for (let n = 0; n < events; n++) assert.strictEqual((await reader.next()).data[0], n);
    }
    assert.doesNotMatch(server.log(), /ws\.slow/);
  }));

  test('a slow client’s member is removed', abused({ send_buffer_kb: 16, max_pending_kb: 64, ...fast() }, async (server) => {
    const talker = await server.client();
    await talker.enter('presence-a', { user_id: 't' });
    const slow = await server.client({ tcp: true });
    await slow.enter('presence-a', { user_id: 'slow' });
    await talker.until('pusher_internal:member_added');
    slow.tcp.socket.pause();
    for (let i = 0; !/ws\.slow/.test(server.log()); i++) {
      assert.ok(i < 20000);
      talker.clientEvent('presence-a', 'client-x', 'x'.repeat(8000));
      if (i % 10 === 0) await talker.barrier();
    }
    const removed = talker.frames.some((f) => /member_removed/.test(f.event));
    if (!removed) await talker.until('pusher_internal:member_removed');
    slow.tcp.socket.resume();
  }));

  test('a flood of client events is dropped with 4301, and the connection and the others stay', abused({}, async (server) => {
    const [flood, other] = await server.several(2);
    await flood.enter('private-a');
    await other.enter('private-a');
    const from = flood.cursor;
    for (let i = 0; i < 20000; i++) {
      flood.clientEvent('private-a', 'client-x', i);
      if (i % 1000 === 999) await flood.barrier(); // it reads: the flood is all that is wrong
    }
    const got = flood.frames.slice(from).filter((f) => f.event !== 'pusher:pong');
    assert.ok(got.every((f) => f.event === 'pusher:error' && f.data.code === 4301));
    await other.barrier();
    const n = other.frames.filter((f) => f.event === 'client-x').length;
    assert.ok(n >= 10 && n < 200, `${n} got through`);
  }));

  test('every malformed pusher: event, thousands of times', abused({}, async (server, t) => {
    const random = seeded(t);
    const client = await server.client();
    const values = ['null', 'true', '0', '-1', '1e9', '""', '"x"', '"presence-a"', '"#server-to-user-"', '[]', '[1]', '{}', '{"channel":"a"}', '{"channel":null}', '"\\u0000"', '"\\ud800"', '{"auth":"a:b","user_data":"{}"}'];
    const names = ['event', 'data', 'channel', 'auth', 'channel_data', 'user_data', 'user_id', 'socket_id'];
    const events = ['"pusher:subscribe"', '"pusher:unsubscribe"', '"pusher:signin"', '"pusher:ping"', '"pusher:pong"', '"pusher:"', '"client-x"', '"pusher:subscription_error"'];
    const pick = (list) => list[Math.floor(random() * list.length)];
    const object = (depth) => `{${Array.from({ length: Math.floor(random() * 4) }, () => `"${pick(names)}":${depth && random() < 0.4 ? object(depth - 1) : pick(values)}`).join(',')}}`;
    for (let i = 0; i < 4000; i++) {
      client.sendText(`{"event":${pick(events)},"data":${random() < 0.7 ? object(2) : pick(values)}${random() < 0.3 ? `,"channel":${pick(values)}` : ''}}`);
      if (i % 200 === 0) await client.barrier();
    }
    await client.barrier();
    assert.strictEqual(client.state, 'open');
  }));

  test('random bytes over the socket for some seconds, framed and not', abused({ handshake_timeout: 2, max_message_kb: 4 }, async (server, t) => {
    const random = seeded(t);
    const bytes = (n) => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256)));
    const mutated = (text) => {
      const b = Buffer.from(text);
      for (let i = 0; i < 1 + random() * 4; i++) b[Math.floor(random() * b.length)] = Math.floor(random() * 256);
      return b;
    };
    const seeds = ['{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:s","channel_data":"{\\"user_id\\":\\"1\\"}"}}', '{"event":"client-x","channel":"private-a","data":{"a":[1,2,{"b":null}]}}', '{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{\\"id\\":\\"1\\"}"}}', '{"event":"pusher:ping","data":{}}'];
    const until = Date.now() + 5000;
    const one = async () => {
      while (Date.now() < until) {
        const tcp = await tcpTo(server);
        if (random() < 0.3) tcp.write(bytes(1 + Math.floor(random() * 3000)));
        else {
          tcp.write(Tcp.request(`/app/${server.apps[0].key}?protocol=7`, server.port));
          for (let i = 0; i < 20 && !tcp.socket.destroyed; i++) {
            const dice = random();
            if (dice < 0.2) tcp.write(bytes(1 + Math.floor(random() * 300)));
            else if (dice < 0.9) tcp.write(frame(TEXT, mutated(seeds[Math.floor(random() * seeds.length)])));
            else tcp.write(frame(Math.floor(random() * 16), bytes(Math.floor(random() * 200)), { fin: random() < 0.7 }));
            if (i % 5 === 0) await after(1);
          }
        }
        await after(2);
        if (random() < 0.5) tcp.reset();
        else tcp.destroy();
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
  }));

  test('thousands of connects and disconnects, clean and not, leave nothing behind', abused({ workers: 4 }, async (server, t) => {
    const random = seeded(t);
    await serves(server);
    const before = descriptors(server);
    const [watcher] = await server.several(1);
    await watcher.enter('presence-a', { user_id: 'w' });
    const one = async () => {
      for (let i = 0; i < 125; i++) {
        const client = new Client(server, { tcp: random() < 0.5 });
        const dice = random();
        if (dice < 0.7) {
          const first = await client.next();
          client.socketId = JSON.parse(first.data).socket_id;
          if (dice < 0.5) client.sendJoin('presence-a', { user_id: `u${Math.floor(random() * 50)}` });
          if (dice < 0.2) await client.answer('presence-a');
        } else await after(random() * 3);
        const way = random();
        if (client.state !== 'open') client.drop();
        else if (way < 0.4) client.reset();
        else if (way < 0.7) client.drop();
        else client.close();
        await client.gone();
        server.clients.delete(client);
        assert.deepStrictEqual(client.checker.faults, []);
      }
    };
    await Promise.all(Array.from({ length: 16 }, one));
    for (let i = 0; i < 200 && watcher.checker.view('presence-a').length > 1; i++) await after(25);
    assert.deepStrictEqual(watcher.checker.view('presence-a'), ['w']);
    watcher.close();
    await watcher.gone();
    await noLeak(server, before);
  }));

  test('who goes on sending behind an oversized message still gets 1009', abused({ max_message_kb: 8 }, async (server) => {
    const ways = {
      'another message': [frame(TEXT, 'x'.repeat(9000)), frame(TEXT, '{"event":"pusher:ping"}')],
      'more fragments': [frame(TEXT, 'x'.repeat(8000), { fin: false }), ...Array.from({ length: 20 }, () => frame(0, 'x'.repeat(4000), { fin: false }))],
      'megabytes': [frame(TEXT, 'x'.repeat(9000)), ...Array.from({ length: 40 }, () => frame(TEXT, 'x'.repeat(100000)))],
    };
    for (const [name, frames] of Object.entries(ways)) {
      const client = await server.client({ tcp: true });
      for (const f of frames) client.tcp.write(f);
      assert.strictEqual(await client.gone(), 1009, name);
    }
  }));

  test('unmasked and oversized binary frames, one after the other, are just closed', abused({}, async (server) => {
    for (const bytes of [frame(BINARY, Buffer.alloc(100000)), frame(BINARY, '', { length: 2 ** 33 }), Buffer.from([0x82, 0x05, 1, 2, 3, 4, 5])]) {
      const client = await server.client({ tcp: true });
      client.tcp.write(bytes);
      client.tcp.write(frame(BINARY, 'x'));
      await client.gone();
    }
  }));
});
