'use strict';
// The official pusher-js, unmodified, in headless Chromium: presence between two contexts.
// A small site of the test's own serves it and signs with the official server SDK, as the
// user's document does it; one test uses the demo's own endpoint instead.
const assert = require('node:assert');
const http = require('node:http');
const fs = require('node:fs');
const { after, afterEach, before, test } = require('node:test');
const PusherServer = require('pusher');
const { Browsers, demo, eventually } = require('./support');
const { start, app } = require('../wire/support/server');

const LIMIT = { timeout: 30000 };
const SCRIPT = require.resolve('pusher-js/dist/web/pusher.js');

let browsers;
let server;
let site;
const main = app();
const small = app({ presence: { max_members_per_channel: 2 } });

function answer(request, reply) {
  const { pathname, searchParams } = new URL(request.url, 'http://site');
  if (pathname === '/pusher.js') return fs.createReadStream(SCRIPT).pipe(reply);
  if (pathname !== '/pusher/auth') return reply.end('<!doctype html><link rel="icon" href="data:,"><script src="/pusher.js"></script>');
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    const form = new URLSearchParams(body);
    const { id: appId, key, secret } = [main, small].find((a) => a.key === searchParams.get('key'));
    const who = { user_id: searchParams.get('user'), user_info: { name: searchParams.get('name') } };
    reply.setHeader('content-type', 'application/json');
    reply.end(JSON.stringify(new PusherServer({ appId, key, secret, cluster: 'none' }).authorizeChannel(form.get('socket_id'), form.get('channel_name'), who)));
  });
}

/** Connects as a user. In the page: `pusher`, and `seen`, every presence event in order. */
function connect(page, { key, port, endpoint }) {
  return page.evaluate((o) => {
    window.seen = [];
    window.pusher = new Pusher(o.key, {
      cluster: 'mt1', wsHost: '127.0.0.1', wsPort: o.port, forceTLS: false, enabledTransports: ['ws'],
      ...(o.endpoint ? { authEndpoint: o.endpoint } : {}),
    });
    window.join = (name) => {
      const channel = window.pusher.subscribe(name);
      const keep = (event, data, metadata) => window.seen.push([event, JSON.parse(JSON.stringify(data ?? null)), metadata?.user_id ?? null]);
      channel.bind_global((event, data) => event.startsWith('client-') || keep(event, data));
      channel.bind('client-message', (data, metadata) => keep('client-message', data, metadata)); // only these are told whose it is
      return channel;
    };
    return new Promise((done, fail) => {
      window.pusher.connection.bind('connected', () => done(window.pusher.connection.socket_id));
      window.pusher.connection.bind('error', (e) => fail(new Error(JSON.stringify(e))));
    });
  }, { key, port, endpoint });
}

async function user(id, name, { key } = main, context = undefined) {
  const page = await (context ?? (await browsers.person())).newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  const socket = await connect(page, { key, port: server.port, endpoint: `/pusher/auth?${new URLSearchParams({ user: id, name, key })}` });
  assert.match(socket, /^\d+\.\d+$/);
  return page;
}

const seen = (page) => page.evaluate(() => window.seen);
const events = async (page) => (await seen(page)).map(([event]) => event);
const members = (page, name) =>
  page.evaluate((channel) => {
    const { members: m } = window.pusher.channel(channel);
    const all = [];
    m.each((one) => all.push([one.id, one.info]));
    return { all: all.sort(), count: m.count, me: m.me?.id };
  }, name);
const join = (page, name) => page.evaluate((channel) => void window.join(channel), name);
async function joined(page, name) {
  await join(page, name);
  await eventually(() => events(page).then((all) => all.includes('pusher:subscription_succeeded')), true, `${name} joined`);
}

before(async () => {
  browsers = new Browsers();
  server = await start({ apps: [main, small] });
  site = http.createServer(answer);
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
}, LIMIT);

afterEach(() => browsers.dismiss());

after(async () => {
  await browsers.close();
  site?.close();
  await server?.stop();
}, LIMIT);

test('members, member_added and member_removed between two contexts', LIMIT, async () => {
  const room = 'presence-chat-room';
  const alice = await user('1', 'Alice');
  const bob = await user('2', 'Bob');
  const both = [['1', { name: 'Alice' }], ['2', { name: 'Bob' }]];
  await joined(alice, room);
  assert.deepStrictEqual(await members(alice, room), { all: [both[0]], count: 1, me: '1' });
  await joined(bob, room);
  assert.deepStrictEqual(await members(bob, room), { all: both, count: 2, me: '2' });
  await eventually(() => members(alice, room), { all: both, count: 2, me: '1' });
  assert.deepStrictEqual((await seen(alice)).at(-1), ['pusher:member_added', { id: '2', info: { name: 'Bob' } }, null]);

  // A second tab of Bob's is no second member, and its end is no end.
  const tab = await user('2', 'Bob', main, bob.context());
  await joined(tab, room);
  assert.deepStrictEqual(await members(tab, room), { all: both, count: 2, me: '2' });
  await tab.close();

  // The author of a client event is the one who was signed for.
  await bob.evaluate((name) => window.pusher.channel(name).trigger('client-message', { text: 'hello', user_id: '1' }), room);
  await eventually(() => seen(alice).then((all) => all.at(-1)), ['client-message', { text: 'hello', user_id: '1' }, '2']);

  await bob.context().close();
  await eventually(() => members(alice, room), { all: [both[0]], count: 1, me: '1' });
  assert.deepStrictEqual((await seen(alice)).at(-1), ['pusher:member_removed', { id: '2', info: { name: 'Bob' } }, null]);
  assert.deepStrictEqual(await events(alice), ['pusher:subscription_succeeded', 'pusher:member_added', 'client-message', 'pusher:member_removed']);
});

test('the document’s private-presence channel: payloads as it prints them', LIMIT, async () => {
  const room = 'private-presence-vip-room';
  const alice = await user('user-1', 'Alice');
  const bob = await user('user-123', 'John Doe');
  await joined(alice, room);
  assert.deepStrictEqual((await seen(alice))[0], ['pusher:subscription_succeeded', { presence: { ids: ['user-1'], hash: { 'user-1': { name: 'Alice' } }, count: 1 } }, null]);
  await joined(bob, room);
  await eventually(() => seen(alice).then((all) => all.at(-1)), ['pusher:member_added', { id: 'user-123', info: { name: 'John Doe' } }, null]);
  await bob.evaluate((name) => window.pusher.unsubscribe(name), room);
  await eventually(() => seen(alice).then((all) => all.at(-1)), ['pusher:member_removed', { id: 'user-123' }, null]);
});

test('a full room refuses, and channel.subscribe() retries', LIMIT, async () => {
  const room = 'presence-lobby-1';
  const [a, b, c] = [await user('a', 'A', small), await user('b', 'B', small), await user('c', 'C', small)];
  for (const page of [a, b]) await joined(page, room);
  await join(c, room);
  await eventually(() => events(c), ['pusher:subscription_error']);
  const [[, error]] = await seen(c);
  assert.strictEqual(error.type, 'PresenceLimitReached');
  assert.strictEqual(error.status, 4100);
  assert.ok(error.error);
  await b.evaluate(() => window.pusher.disconnect());
  await eventually(() => members(a, room).then((m) => m.count), 1);
  await c.evaluate((name) => window.pusher.channel(name).subscribe(), room);
  await eventually(() => events(c).then((all) => all.at(-1)), 'pusher:subscription_succeeded');
  assert.strictEqual((await members(c, room)).count, 2);
});

test('the demo’s /pusher/auth is pusher-js’s default endpoint', LIMIT, async () => {
  const own = await demo();
  try {
    const page = await (await browsers.person()).newPage();
    await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
    await page.goto(`${own.page}demo.json`); // any page of the same origin
    const { apps } = JSON.parse(await page.textContent('body'));
    await page.addScriptTag({ path: SCRIPT });
    const socket = await connect(page, { key: apps.main.key, port: own.port });
    await joined(page, 'presence-chat-room');
    const { all, count, me } = await members(page, 'presence-chat-room');
    assert.strictEqual(count, 1);
    assert.strictEqual(all[0][0], me);
    assert.ok(me.includes(socket), 'without a user_id one is made of the socket id');
  } finally {
    await browsers.dismiss();
    await own.stop();
  }
});

test('nothing in a page failed', LIMIT, () => {
  assert.deepStrictEqual(browsers.faults, []);
});
