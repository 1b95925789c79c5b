'use strict';
// The HTTP API under load: kept connections, requests sent ahead, askers who leave, thousands
// of POSTs at once, and a flood of bad signatures, while the sockets must not notice.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { once } = require('node:events');
const { execFileSync, spawn } = require('node:child_process');
const { withServer } = require('./support/server');
const { call, publish, ask, bytes, Wire } = require('./support/api');

// LOSES: lws 4.3 loses what it reads together with a body; then the body's answer is the last
// on its connection, and says so (repliesOrEnd).

const SLOW = /sanitized|asan|tsan/.test(process.env.MUSTER_BIN || '') || Boolean(process.env.TSAN_OPTIONS);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const cpu = (server) => { // in ms; a tick of the kernel's is 10
  const [user, system] = fs.readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
  return (Number(user) + Number(system)) * 10;
};
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

for (const workers of [1, 4]) {
  describe(`the HTTP API under load with ${workers} workers`, () => {
    test('requests sent ahead are answered in order, those that must be looked up too', withServer({ workers }, async (server) => {
      const c = await server.client();
      for (let i = 0; i < 20; i++) await c.enter(`presence-${i}`, { user_id: `user-${i}` });
      const first = bytes(server, 'POST', '/events', { body: JSON.stringify({ name: 'n', channel: 'presence-0', data: 'x', info: 'user_count' }) });
      for (const start of [first, '']) {
        const sent = [];
        const want = [];
        if (start) want.push([200, '{"channels":{"presence-0":{"user_count":1}}}']);
        for (let i = 0; i < 20; i++) {
          sent.push(bytes(server, 'GET', `/channels/presence-${i}/users`));
          want.push([200, `{"users":[{"id":"user-${i}"}]}`]);
          sent.push(bytes(server, 'GET', '/channels', { app: { id: `none-${i}`, key: 'k', secret: 's' } }));
          want.push([404, `Unknown app none-${i}\n`]);
        }
        const texts = want.slice(start ? 1 : 0).map((w) => w[1]);
        const wire = new Wire(server);
        wire.write(start + sent.join(''));
        const all = await wire.repliesOrEnd(want.length);
        if (start && all.length === 1) want.length = 1; // LOSES
        assert.deepStrictEqual(all.map((r) => [r.status, r.text]), want);
        wire.end();
        assert.strictEqual((await c.barrier()).filter((f) => f.event === 'n').length, start ? 1 : 0, 'published once');
        const slow = new Wire(server);
        for (const piece of sent.slice(0, 6).join('').match(/[^]{1,97}/g)) {
          slow.write(piece);
          await sleep(1);
        }
        assert.deepStrictEqual((await slow.replies(6)).map((r) => r.text), texts.slice(0, 6));
        slow.end();
      }
    }));

    // lws goes astray when it finds one of these among bytes that it has read; 4.1 goes round for ever.
    test('a body sent ahead is refused with 503 and the end of the connection, and holds up nobody', withServer({ workers }, async (server) => {
      const c = await server.client();
      await c.enter('presence-x', { user_id: 'u' });
      const post = bytes(server, 'POST', '/events', { body: JSON.stringify({ name: 'e', channel: 'x', data: 'd' }) });
      const get = bytes(server, 'GET', '/channels');
      const none = 'GET /none HTTP/1.1\r\nHost: x\r\n\r\n';
      for (const [before, statuses] of [[none, [404]], [get, [200]], [post, [200]], [get + none, [200, 404]], [none.repeat(5), [404, 404, 404, 404, 404]]]) {
        const wire = new Wire(server);
        wire.write(before + post + get);
        const all = await wire.repliesOrEnd(99);
        if (before !== post || all.length > 1) statuses.push(503); // LOSES
        assert.deepStrictEqual(all.map((r) => r.status), statuses);
        await c.barrier();
      }
      for (let i = 0; i < 60; i++) { // the second one comes while the first is being looked up
        const wire = new Wire(server);
        wire.write(get);
        if (i % 3) await sleep(i % 3 === 1 ? 0 : 1);
        wire.write(post);
        const [, second] = await wire.replies(2);
        assert.ok([200, 503].includes(second.status), second.text);
        wire.end();
      }
      await c.barrier();
    }));

    test('a request that comes while the one before is being looked up waits for its turn', withServer({ workers }, async (server) => {
      const c = await server.client();
      await c.enter('presence-x', { user_id: 'u' });
      const get = bytes(server, 'GET', '/channels/presence-x/users');
      const post = bytes(server, 'POST', '/events', { body: JSON.stringify({ name: 'e', channel: 'presence-x', data: 'd', info: 'user_count' }) });
      const users = '{"users":[{"id":"u"}]}';
      for (let i = 0; i < 60; i++) {
        const wire = new Wire(server);
        const first = i % 2 ? post : get;
        wire.write(first);
        if (i % 3) await sleep(i % 3 === 1 ? 0 : 1);
        wire.write(get);
        const all = await wire.repliesOrEnd(2);
        assert.deepStrictEqual(all.map((r) => r.text), [i % 2 ? '{"channels":{"presence-x":{"user_count":1}}}' : users, users].slice(0, all.length));
        assert.ok(all.length === 2 || first === post); // LOSES
        wire.end();
      }
    }));

    // The kernel counts the end of what a client sends as a byte that has come.
    test('a body sent ahead is found out too if its sender ends right then', withServer({ workers }, async (server) => {
      const c = await server.client();
      const post = bytes(server, 'POST', '/events', { body: JSON.stringify({ name: 'e', channel: 'x', data: 'd' }) });
      for (let i = 0; i < (SLOW ? 200 : 1000); i++) {
        const wire = new Wire(server);
        await once(wire.socket, 'connect');
        wire.write('GET /none HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1 + (i % 5)) + post);
        for (const end = performance.now() + (i % 50) / 200; performance.now() < end; );
        wire.socket.end();
        await wire.ended;
        assert.ok(wire.parse().every((r) => [404, 503].includes(r.status)), wire.text);
      }
      await c.barrier();
    }));

    test('a large answer that its client is slow to take costs nothing, and what was sent behind it is answered', withServer({ workers, send_buffer_kb: 16 }, async (server) => {
      const c = await server.client();
      for (let i = 0; i < 90; i++) await c.enter(`${'x'.repeat(150)}-${i}`);
      const list = bytes(server, 'GET', '/channels');
      const post = bytes(server, 'POST', '/events', { body: JSON.stringify({ name: 'e', channel: 'x', data: 'd' }) });
      for (const [behind, status] of [['', 0], [list, 200], [post, 503], ['GET /none HTTP/1.1\r\nHost: x\r\n\r\n', 404]]) {
        const wire = new Wire(server);
        wire.socket.pause();
        wire.write(list.repeat(400) + behind);
        await sleep(100);
        const before = cpu(server);
        await sleep(400);
        assert.ok(cpu(server) - before < 200, `${cpu(server) - before} ms of CPU`);
        wire.socket.resume();
        const all = await wire.replies(status ? 401 : 400);
        assert.ok(all.slice(0, 400).every((r) => r.status === 200 && Object.keys(JSON.parse(r.text).channels).length === 90));
        assert.ok(!status || all[400].status === status);
        wire.end();
      }
    }));

    test('POSTs on a kept connection, each behind the answer to the one before', withServer({ workers }, async (server) => {
      const wire = new Wire(server);
      for (let i = 1; i <= 300; i++) {
        wire.write(bytes(server, 'POST', '/events', { body: JSON.stringify({ name: 'e', channel: 'x', data: 'd'.repeat(i % 7 ? 10 : 10000) }) }));
        const all = await wire.replies(i);
        assert.deepStrictEqual([all[i - 1].status, all[i - 1].text], [200, '{}']);
      }
      wire.end();
    }));

    test('an asker who is gone before the answer troubles nobody', withServer({ workers }, async (server) => {
      const c = await server.client();
      await c.enter('presence-x', { user_id: 'u' });
      for (let round = 0; round < 10; round++) {
        const wires = Array.from({ length: 20 }, () => new Wire(server));
        await sleep(20);
        for (const [i, wire] of wires.entries()) {
          const body = JSON.stringify({ name: 'e', channel: 'presence-x', data: 'x', info: 'user_count' });
          wire.write(i % 2 ? bytes(server, 'GET', '/channels/presence-x/users').repeat(3) : bytes(server, 'POST', '/events', { body }).repeat(3));
          if (i % 4 < 2) wire.socket.resetAndDestroy();
          else wire.socket.destroySoon();
        }
        await Promise.all(wires.map((w) => w.ended));
      }
      assert.deepStrictEqual(await ask(server, '/channels/presence-x/users'), { users: [{ id: 'u' }] });
      await publish(server, { name: 'last', channel: 'presence-x', data: 'x' });
      await c.until('last');
    }));

    test('thousands of POSTs at once: every socket hears all of them, in one order', withServer({ workers }, async (server, t) => {
      const listeners = await server.several(8);
      for (const c of listeners) await c.enter('room');
      const posters = 30;
      const node = server.nodes.at(-1); // a backend's own order is kept by one node
      const each = SLOW ? 30 : 100;
      const agent = new http.Agent({ keepAlive: true, maxSockets: posters });
      const began = Date.now();
      await Promise.all(
        Array.from({ length: posters }, async (_, p) => {
          for (let i = 0; i < each; i++)
            assert.strictEqual((await call(node, 'POST', '/events', { agent, body: { name: 'e', channel: 'room', data: `${p}:${i}` } })).text, '{}');
        }),
      );
      t.diagnostic(`${posters * each} POSTs in ${Date.now() - began} ms`);
      agent.destroy();
      const orders = [];
      for (const c of listeners) {
        const order = [];
        while (order.length < posters * each) order.push((await c.until('e')).data);
        const next = new Array(posters).fill(0);
        for (const text of order) {
          const [p, i] = text.split(':').map(Number);
          assert.strictEqual(i, next[p]++, `poster ${p}`);
        }
        orders.push(order.join());
      }
      assert.strictEqual(new Set(orders).size, 1, 'one order for all');
    }));

    test('a flood of bad signatures doesn’t slow the sockets', withServer({ workers }, async (server, t) => {
      const [a, b] = await server.several(2);
      for (const c of [a, b]) await c.enter('private-x');
      const round = async () => {
        const before = performance.now();
        a.clientEvent('private-x', 'client-x', 1);
        await b.until('client-x');
        return performance.now() - before;
      };
      const measure = async (ms) => {
        const times = [];
        for (const end = Date.now() + ms; Date.now() < end; await sleep(110)) times.push(await round());
        return times;
      };
      const calm = await measure(500);
      const bad = `/apps/${server.apps[0].id}/channels?auth_key=${server.apps[0].key}&auth_timestamp=${Math.floor(Date.now() / 1000)}&auth_version=1.0&info[]=a&x=+&auth_signature=${'0'.repeat(64)}`;
      const flood = spawn(process.execPath, [path.join(__dirname, 'support/flood.js'), server.port, 20, 2500, bad]);
      let out = '';
      flood.stdout.on('data', (part) => (out += part));
      const ended = new Promise((done) => flood.on('close', done));
      await sleep(400);
      const stormy = await measure(1600);
      await ended;
      const counts = JSON.parse(out);
      t.diagnostic(`${counts['401']} refused; there and back: ${median(calm).toFixed(1)} ms calm, ${median(stormy).toFixed(1)} ms in the flood, ${Math.max(...stormy).toFixed(1)} ms at worst`);
      assert.deepStrictEqual(Object.keys(counts), ['401']);
      assert.ok(counts['401'] > 500, out);
      assert.ok(median(stormy) < (SLOW ? 500 : 60), `${median(stormy)} ms`);
    }));
  });
}

test('a connection serves a thousand requests, one after another', withServer({}, async (server) => {
  const wire = new Wire(server);
  for (let i = 1; i <= 1000; i += 50) {
    const one = bytes(server, 'GET', '/channels');
    for (let k = 0; k < 50; k++) {
      wire.write(one);
      if (k % 10 === 9) await wire.replies(i + k);
    }
  }
  const all = await wire.replies(1000);
  assert.ok(all.every((r) => r.status === 200 && r.text === '{"channels":{}}'));
  wire.end();
}));

// lws waits for a body behind PUT and PATCH, whatever their heads say.
test('a method that is not served doesn’t hold up the next request', withServer({}, async (server) => {
  for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    for (const length of ['', 'Content-Length: 0\r\n']) {
      const wire = new Wire(server);
      const request = `${method} /none HTTP/1.1\r\nHost: x\r\n${length}\r\n`;
      wire.write(request);
      await sleep(20);
      wire.write(bytes(server, 'GET', '/channels'));
      await wire.repliesOrEnd(2);
      wire.end();
    }
  }
}));

// Bytes that are counted must be bytes that are read (http.c).
test('a byte that is marked urgent is read in its place', withServer({}, async (server) => {
  const send = 'socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in($ARGV[0], inet_aton("127.0.0.1"))) or die;' +
    ' send(S, "GET /u", 0); send(S, "p", MSG_OOB); send(S, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 0); print while <S>;';
  assert.match(execFileSync('perl', ['-MSocket', '-e', send, String(server.port)]).toString(), /^HTTP\/1.1 200 /);
}));

test('HTTP/1.0 and Connection: close end the connection, behind the answer', withServer({}, async (server) => {
  for (const change of [(t) => t.replace('HTTP/1.1', 'HTTP/1.0'), (t) => t.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')]) {
    const wire = new Wire(server);
    wire.write(change(bytes(server, 'GET', '/channels')));
    await wire.ended;
    assert.deepStrictEqual(wire.parse().map((r) => [r.status, r.text]), [[200, '{"channels":{}}']]);
  }
}));
