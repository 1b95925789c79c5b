'use strict';
// Plain HTTP beside the sockets: what is served, what is refused, and that a connection is
// kept alive and its requests are pipelined.
const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { withServer, app, oneNode } = require('./support/server');
const { Tcp } = require('./support/tcp');

function request(server, options, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port: server.port, ...options }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (part) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

const demo = () => ({ demo: true, apps: [app()] });
const form = 'socket_id=1.2&channel_name=presence-x&user_id=ann&user_name=Ann+%C3%BC&user_color=%23fff';

test('many POSTs on one kept connection are each answered', oneNode('a connection is to one'), withServer(demo, async (server) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  for (let i = 0; i < 20; i++) {
    const reply = await new Promise((resolve, reject) => {
      const req = http.request({ agent, host: '127.0.0.1', port: server.port, method: 'POST', path: '/pusher/auth', headers: { 'Content-Length': form.length } }, (res) => {
        let text = '';
        res.on('data', (part) => (text += part));
        res.on('end', () => resolve({ status: res.statusCode, text }));
      });
      req.on('socket', (s) => sockets.add(s));
      req.on('error', reject);
      req.end(form);
    });
    assert.strictEqual(reply.status, 200);
    const { auth, channel_data: data } = JSON.parse(reply.text);
    assert.ok(auth.startsWith(`${server.apps[0].key}:`));
    assert.deepStrictEqual(JSON.parse(data), { user_id: 'ann', user_info: { name: 'Ann ü', color: '#fff' } });
  }
  assert.strictEqual(sockets.size, 1);
  agent.destroy();
}));

test('a body in two pieces, and two requests in one write', withServer(demo, async (server) => {
  const tcp = new Tcp(server.port);
  await tcp.connected;
  let seen = '';
  tcp.socket.on('data', (part) => (seen += part.toString('latin1')));
  const head = `POST /pusher/auth HTTP/1.1\r\nHost: x\r\nContent-Length: ${form.length}\r\n\r\n`;
  tcp.socket.write(head + form.slice(0, 10));
  await new Promise((done) => setTimeout(done, 100));
  tcp.socket.write(form.slice(10));
  const before = Date.now();
  while (!seen.includes('channel_data') && Date.now() < before + 5000) await new Promise((done) => setTimeout(done, 20));
  tcp.socket.write(`GET /demo.json HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n`);
  const deadline = Date.now() + 5000;
  while (!seen.includes('Not found') && Date.now() < deadline) await new Promise((done) => setTimeout(done, 20));
  assert.deepStrictEqual(seen.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404']);
  tcp.socket.destroy();
}));

test('without demo there is no page and nothing that signs', withServer({}, async (server) => {
  for (const path of ['/', '/demo.json'])
    assert.strictEqual((await request(server, { path })).status, 404);
  assert.strictEqual((await request(server, { method: 'POST', path: '/pusher/auth' }, form)).status, 404);
}));

test('with demo the log warns of it', withServer(demo, async (server) => {
  await server.logged(/ warn demo\.on /);
}));

test('405 names what is allowed; 411 without a length; 413 over the limit', withServer(demo, async (server) => {
  const wrong = await request(server, { method: 'GET', path: '/pusher/auth' });
  assert.deepStrictEqual([wrong.status, wrong.headers.allow], [405, 'POST']);
  const chunked = await request(server, { method: 'POST', path: '/pusher/auth', headers: { 'Transfer-Encoding': 'chunked' } }, form);
  assert.strictEqual(chunked.status, 411);
  const large = await request(server, { method: 'POST', path: '/pusher/auth', headers: { 'Content-Length': 1 << 30 } }).catch((e) => e);
  assert.strictEqual(large.status, 413, String(large.stack));
}));

test('a form that lacks what is needed is refused by name', withServer(demo, async (server) => {
  const post = (body) => request(server, { method: 'POST', path: '/pusher/auth' }, body);
  assert.deepStrictEqual([(await post('channel_name=presence-x')).status, (await post('socket_id=1.2')).status], [400, 400]);
  assert.strictEqual((await post(`${form}&app_key=none`)).status, 404);
  assert.strictEqual((await post('socket_id=1.2&channel_name=%ff')).status, 400);
}));

test('an upgrade that is no WebSocket of version 13 is refused with a reason', withServer({}, async (server) => {
  const upgrade = (headers) => request(server, { path: `/app/${server.apps[0].key}?protocol=7`, headers: { Connection: 'Upgrade', ...headers } });
  assert.match((await upgrade({ Upgrade: 'h2c' })).text, /only upgrade is websocket/);
  const key = { Upgrade: 'websocket', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  assert.match((await upgrade({ ...key, 'Sec-WebSocket-Version': '8' })).text, /Version must be 13/);
  assert.match((await upgrade({ ...key, 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Protocol': 'x' })).text, /No Sec-WebSocket-Protocol/);
}));

const raw = async (server, text, enough, patience = 5000) => {
  const tcp = new Tcp(server.port);
  await tcp.connected;
  let seen = '';
  let ended = false;
  tcp.socket.on('data', (part) => (seen += part.toString('latin1')));
  tcp.socket.on('close', () => (ended = true));
  tcp.socket.write(text);
  const deadline = Date.now() + patience;
  while (!ended && !enough(seen) && Date.now() < deadline) await new Promise((done) => setTimeout(done, 20));
  tcp.socket.destroy();
  return { seen, ended };
};

test('HEAD is GET without a body, and the connection stays in step', withServer(demo, async (server) => {
  const { seen } = await raw(server, 'HEAD /demo.json HTTP/1.1\r\nHost: x\r\n\r\nHEAD /none HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n', (s) => s.includes('Not found'));
  assert.deepStrictEqual(seen.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 404']);
  assert.ok(!seen.includes('{"apps"'));
  assert.strictEqual(seen.match(/Not found/g).length, 1);
}));

test('a length that is no number, two lengths, or a chunked body on any method: refused, and nothing behind is served', withServer(demo, async (server) => {
  const smuggled = 'GET /demo.json HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const [head, status] of [
    ['POST /pusher/auth HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n', 400],
    ['POST /pusher/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 45\r\n\r\n', 400],
    ['POST /pusher/auth HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n', 400],
    ['POST /pusher/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n', 413],
    ['PUT /pusher/auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n', 411],
    ['GET /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n', 411],
  ]) {
    const { seen, ended } = await raw(server, head + smuggled, (s) => s.includes('"apps"'));
    assert.deepStrictEqual(seen.match(/HTTP\/1\.1 \d+/g), [`HTTP/1.1 ${status}`], head);
    assert.ok(ended, head);
  }
}));

test('a body that trickles in is given up after handshake_timeout', withServer({ demo: true, handshake_timeout: 2, apps: [app()] }, async (server) => {
  const tcp = new Tcp(server.port);
  await tcp.connected;
  const before = Date.now();
  const gone = new Promise((done) => tcp.socket.on('close', done));
  tcp.socket.on('error', () => {});
  tcp.socket.write('POST /pusher/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
  const timer = setInterval(() => tcp.socket.write('x'), 300);
  await gone;
  clearInterval(timer);
  assert.ok(Date.now() - before < 6000, `after ${Date.now() - before} ms`);
}));
