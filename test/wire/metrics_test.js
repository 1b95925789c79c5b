'use strict';
// What those who run a node see of it: /metrics, /usage, /up and /ready. Gauges come from the
// live tables, so after whatever storm they are exactly what is left.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { local, start, withServer, run, write, app, freePort, oneNode } = require('./support/server');
const { Client, PATIENCE } = require('./support/client');
const { hang, within } = require('./support/hang');
const { Tcp } = require('./support/tcp');
const { Metrics } = require('./support/prometheus');
const { request, publish } = require('./support/api');
const { seeded } = require('./support/random');

const TOKEN = 'a-token.of~16+/=';
const bearer = (token = TOKEN) => ({ Authorization: `Bearer ${token}` });

const get = (server, target, headers, port = server.port) => request(server, { path: target, headers, port });

/** Of all nodes, where there are several. */
async function metrics(server) {
  const all = [];
  for (const node of server.nodes) {
    const { status, headers, text } = await get(server, '/metrics', bearer(), node.bound);
    assert.strictEqual(status, 200, text);
    assert.strictEqual(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    all.push(new Metrics(text));
  }
  return all.reduce((sum, one) => sum.add(one));
}

/** The metrics once they pass; the server does what clients ask for a moment later. */
async function settled(server, passes) {
  for (const deadline = Date.now() + PATIENCE; ; ) {
    const m = await metrics(server);
    try {
      passes(m);
      return m;
    } catch (e) {
      if (Date.now() > deadline) throw e;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** A server whose main port has /metrics. */
const watched = (more, body) =>
  withServer(() => ({ workers: 3, metrics: { token: TOKEN }, apps: [app(), app()], ...(typeof more === 'function' ? more() : more) }), body);

const GAUGES = ['muster_connections', 'muster_subscriptions', 'muster_channels', 'muster_presence_members', 'muster_pending_messages', 'muster_pending_bytes', 'muster_paused_connections'];

const gauges = (m) => Object.fromEntries(GAUGES.map((name) => [name, m.sum(name)]));
const nothing = Object.fromEntries(GAUGES.map((name) => [name, 0]));

test('every line parses, and docs/metrics.md lists exactly what there is', watched({}, async (server) => {
  await server.several(3);
  await get(server, '/none');
  const m = await metrics(server);
  const text = fs.readFileSync(path.join(__dirname, '../../docs/metrics.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `((?:muster|process)_[a-z0-9_]+)` \| (\w+) \|/gm)].map((r) => `${r[1]} ${r[2]}`);
  assert.deepStrictEqual(rows.sort(), [...m.families.values()].map((f) => `${f.name} ${f.type}`).sort());
  const named = new Set([...text.matchAll(/\b(muster_[a-z0-9_]+)\b/g)].map((r) => r[1].replace(/_(bucket|sum|count)$/, '')));
  for (const name of named) assert.ok(m.families.has(name), `docs/metrics.md speaks of ${name}`);
  const labels = [...m.families.values()].flatMap((f) => f.samples.map((s) => [f.name, Object.keys(s.labels).join()]));
  for (const [name, of] of labels) assert.ok(!of.includes('app') || GAUGES.includes(name), `${name} has a label for the app`);
}));

test('what is written of the process is what the kernel says', oneNode('a process’s'), watched({ max_connections: 1234 }, async (server) => {
  const m = await metrics(server);
  const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const rss = 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
  assert.ok(Math.abs(m.sum('process_resident_memory_bytes') - rss) < rss / 2, `${m.sum('process_resident_memory_bytes')} ${rss}`);
  const fds = fs.readdirSync(`/proc/${server.pid}/fd`).length;
  assert.ok(Math.abs(m.sum('process_open_fds') - fds) <= 3, `${m.sum('process_open_fds')} ${fds}`);
  const limit = /Max open files\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/limits`, 'utf8'))[1];
  assert.strictEqual(m.sum('process_max_fds'), Number(limit));
  assert.ok(m.sum('process_cpu_seconds_total') > 0);
  assert.ok(Math.abs(Date.now() / 1000 - m.sum('process_start_time_seconds')) < 60);
  assert.strictEqual(m.sum('muster_max_connections'), 1234);
  assert.strictEqual(m.sum('muster_workers'), 3);
  assert.strictEqual(m.families.get('muster_worker_backlog_letters').samples.length, 3);
  assert.strictEqual(m.sum('muster_adapter_up', { adapter: process.env.MUSTER_TEST_ADAPTER || 'local' }), 1);
  const version = (await run(['--version'])).out.trim().replace('muster ', '');
  assert.strictEqual(m.sum('muster_build_info', { version }), 1);
}));

test('connections, subscriptions, channels of each kind and members, by app', oneNode('each counts a channel and its members'), watched({}, async (server) => {
  const [one, two] = server.apps;
  const ones = await server.several(5);
  const twos = await server.several(3, { app: two });
  for (const c of ones) await c.subscribe('news');
  await ones[0].subscribe('cache-news');
  for (const name of ['private-a', 'private-cache-a', 'private-encrypted-a', 'private-encrypted-cache-a']) await ones[1].enter(name);
  for (const c of ones) await c.enter('presence-room', { user_id: c === ones[4] ? '3' : String(ones.indexOf(c)) });
  for (const name of ['presence-cache-room', 'private-presence-room', 'presence-two']) await ones[2].enter(name, { user_id: 'x' });
  await twos[0].signin({ id: 'ann' });
  await twos[0].subscribe('#server-to-user-ann');
  await twos[1].subscribe('news');
  const m = await metrics(server);
  assert.deepStrictEqual(m.by('muster_connections', 'app'), { [one.id]: 5, [two.id]: 3 });
  assert.deepStrictEqual(m.by('muster_channels', 'kind', { app: one.id }), {
    public: 1, cache: 1, private: 1, 'private-cache': 1, 'private-encrypted': 1, 'private-encrypted-cache': 1,
    presence: 2, 'presence-cache': 1, 'private-presence': 1,
  });
  assert.deepStrictEqual(m.by('muster_channels', 'kind', { app: two.id }), { public: 1, user: 1 });
  assert.deepStrictEqual(m.by('muster_subscriptions', 'app'), { [one.id]: 5 + 1 + 4 + 5 + 3, [two.id]: 2 });
  assert.deepStrictEqual(m.by('muster_presence_members', 'app'), { [one.id]: 4 + 3 });
  assert.strictEqual(m.sum('muster_presence_members_added_total'), 7);
  assert.strictEqual(m.sum('muster_connections_opened_total'), 8);
  for (const c of [...ones, ...twos]) c.close();
  const end = await settled(server, (now) => assert.deepStrictEqual(gauges(now), nothing));
  assert.strictEqual(end.sum('muster_connections_closed_total'), 8);
  assert.strictEqual(end.sum('muster_presence_members_removed_total'), 7);
}));

test('a member in grace and a full room: what the roster holds is what is counted', oneNode('each counts a channel and its members'), watched(
  { presence: { leave_grace: 2, max_members_per_channel: 2 }, apps: [app()] },
  async (server) => {
    const [a, b, c] = await server.several(3);
    await a.enter('presence-x', { user_id: 'a' });
    await b.enter('presence-x', { user_id: 'b' });
    assert.strictEqual((await c.join('presence-x', { user_id: 'c' })).event, 'pusher:subscription_error');
    a.reset();
    b.close();
    const m = await settled(server, (now) => {
      assert.strictEqual(now.sum('muster_connections'), 1);
      assert.strictEqual(now.sum('muster_presence_members'), 1);
    });
    assert.deepStrictEqual([m.sum('muster_channels'), m.sum('muster_subscriptions')], [1, 0]);
    await settled(server, (now) => assert.strictEqual(now.sum('muster_channels') + now.sum('muster_presence_members'), 0));
  },
));

/** One client of the storm: it does something, then goes in some way, or stays. */
async function gust(server, random, left) {
  const of = server.apps[random() < 0.5 ? 0 : 1];
  const client = new Client(server, { app: of, tcp: random() < 0.5, path: random() < 0.1 ? '/app/none?protocol=7' : undefined });
  if (random() < 0.1) {
    client.once('open', () => client.drop()); // before it is greeted, perhaps
    return;
  }
  const first = await client.next();
  if (first.event !== 'pusher:connection_established') return;
  client.socketId = JSON.parse(first.data).socket_id;
  const user_id = String(Math.floor(random() * 9));
  for (let i = Math.floor(random() * 5); i > 0; i--) {
    const room = `${['presence-', 'private-', '', 'cache-'][Math.floor(random() * 4)]}${Math.floor(random() * 5)}`;
    const member = room.startsWith('presence-') ? { user_id } : undefined;
    if (random() < 0.5) client.sendJoin(room, member);
    else if (random() < 0.5) await client.join(room, member);
    if (random() < 0.4) client.leave(room);
  }
  const how = random();
  if (how < 0.08) {
    await client.barrier();
    left.push(client);
  } else if (how < 0.35) client.close();
  else if (how < 0.65) client.reset();
  else client.drop();
}

test('after a storm of joins, closes and resets the gauges are exactly what is left', oneNode('each counts a channel and its members'), watched(
  { workers: 4, presence: { leave_grace: 0, max_members_per_channel: 6 } },
  async (server, t) => {
    const random = seeded(t);
    const left = [];
    for (let wave = 0; wave < 12; wave++)
      await Promise.all(Array.from({ length: 40 }, () => gust(server, random, left)));
    await settled(server, (m) => assert.strictEqual(m.sum('muster_connections'), left.length));
    for (const app of server.apps) {
      const here = left.filter((c) => c.app === app);
      // Each of them says by its own answers where it is: it asks to join everything again.
      let subscriptions = 0;
      const occupied = new Set();
      for (const c of here)
        for (const kind of ['presence-', 'private-', '', 'cache-'])
          for (let i = 0; i < 5; i++) {
            c.leave(kind + i);
            await c.barrier();
            if (kind === 'presence-' || (i + here.indexOf(c)) % 2) continue;
            await c.enter(kind + i);
            subscriptions++;
            occupied.add(kind + i);
          }
      const m = await settled(server, (now) => assert.strictEqual(now.sum('muster_presence_members', { app: app.id }), 0));
      assert.strictEqual(m.sum('muster_connections', { app: app.id }), here.length);
      assert.strictEqual(m.sum('muster_subscriptions', { app: app.id }), subscriptions);
      assert.strictEqual(m.sum('muster_channels', { app: app.id }), occupied.size);
    }
    for (const c of left) c.reset();
    const m = await settled(server, (now) => assert.deepStrictEqual(gauges(now), nothing));
    assert.strictEqual(m.sum('muster_connections_opened_total'), m.sum('muster_connections_closed_total'));
    assert.strictEqual(m.sum('muster_presence_members_added_total'), m.sum('muster_presence_members_removed_total'));
    // Far fewer where a member may be gone before its join is answered.
    assert.ok(m.sum('muster_presence_members_added_total') > 20, String(m.sum('muster_presence_members_added_total')));
  },
));

test('refused subscriptions are counted by type', watched(
  () => ({
    max_channels_per_connection: 2,
    presence: { max_members_per_channel: 1, max_member_size_in_kb: 1 },
    apps: [app(), app({ enable_user_authentication: false })],
  }),
  async (server) => {
    const c = await server.client();
    const off = await server.client({ app: server.apps[1] });
    const other = await server.client();
    const type = async (answer) => (await answer).data.type;
    assert.strictEqual(await type(c.subscribe('private-x', { auth: 'nobody:00' })), 'AuthError');
    assert.strictEqual(await type(c.subscribe('private-x', { auth: 'nobody:00' })), 'AuthError');
    assert.strictEqual(await type(off.join('presence-x', { user_id: '1' })), 'AuthError');
    assert.strictEqual(await type(c.subscribe('no spaces')), 'InvalidChannel');
    assert.strictEqual(await type(c.join('presence-x', '[]')), 'InvalidChannelData');
    await other.enter('presence-x', { user_id: '1' });
    assert.strictEqual(await type(c.join('presence-x', { user_id: '2' })), 'PresenceLimitReached');
    assert.strictEqual(await type(c.join('presence-y', { user_id: '2', user_info: 'x'.repeat(2000) })), 'PresenceMemberTooLarge');
    await c.subscribe('a');
    await c.subscribe('b');
    for (const name of ['c', 'd', 'e']) assert.strictEqual(await type(c.subscribe(name)), 'LimitReached');
    const m = await metrics(server);
    const refused = {};
    for (const { labels, value } of m.families.get('muster_subscriptions_refused_total').samples) {
      const what = `${labels.type} ${labels.status}`;
      refused[what] = (refused[what] || 0) + value;
    }
    assert.deepStrictEqual(refused, {
      'AuthError 401': 2, 'AuthError 403': 1, 'InvalidChannel 400': 1, 'InvalidChannelData 400': 1,
      'PresenceLimitReached 4100': 1, 'PresenceMemberTooLarge 4301': 1, 'LimitReached 4100': 3,
    });
    assert.strictEqual(m.sum('muster_subscriptions_accepted_total'), 3);
  },
));

test('refused connections and those that Muster ends are counted by their close code', oneNode('each has its own quota'), watched(
  () => ({
    apps: [app(), app({ enabled: false }), app({ max_connections: 1 }), app({ require_tls: true }), app({ allowed_origins: ['good.example'] })],
  }),
  async (server) => {
    const [one, disabled, small, tls, picky] = server.apps;
    await server.client({ app: small });
    const codes = {};
    for (const [code, options] of [
      [4000, { app: tls, headers: { 'X-Forwarded-Proto': 'http' } }],
      [4001, { path: '/app/none?protocol=7' }],
      [4001, { path: '/app/none?protocol=7' }],
      [4003, { app: disabled }],
      [4004, { app: small }],
      [4005, { path: '/elsewhere?protocol=7' }],
      [4006, { app: one, query: 'protocol=x' }],
      [4007, { app: one, query: 'protocol=4' }],
      [4008, { app: one, query: 'client=js' }],
      [4009, { app: picky, origin: 'http://bad.example' }],
    ]) {
      assert.strictEqual(await new Client(server, options).gone(), code);
      codes[code] = (codes[code] || 0) + 1;
    }
    const [binary, bad, user] = await server.several(3, { tcp: true });
    binary.sendBinary(Buffer.from([1]));
    assert.strictEqual(await binary.gone(), 1003);
    bad.sendText(Buffer.from([0x22, 0xff, 0x22]));
    assert.strictEqual(await bad.gone(), 1007);
    await user.signin({ id: 'ann' });
    const m = await metrics(server);
    assert.deepStrictEqual(m.by('muster_connections_refused_total', 'code'), codes);
    assert.deepStrictEqual(m.by('muster_connections_ended_total', 'code'), { 1003: 1, 1007: 1 });
    assert.strictEqual(m.sum('muster_connections'), 2);
  },
));

test('messages, bytes, deliveries, writes and client events are counted to the byte', watched(
  { apps: [app({ max_client_events_per_second: 5 }), app()] },
  async (server) => {
    const [talker, ...others] = await server.several(4, { tcp: true });
    for (const c of [talker, ...others]) await c.enter('private-room');
    const before = await metrics(server);
    const text = (n) => JSON.stringify({ event: 'client-x', data: n, channel: 'private-room' });
    const wrong = JSON.stringify({ event: 'client-x', data: 0, channel: 'private-elsewhere' });
    for (let i = 0; i < 9; i++) talker.sendText(text(i));
    talker.sendText(wrong);
    await talker.barrier();
    for (const c of others) await c.barrier();
    const grownIn = (now, name) => now.sum(name) - before.sum(name);
    // Events, two kinds of errors, pongs. Events may come through Redis, which no pong waits for.
    const framesIn = (passed) => 3 * passed + (9 - passed) + 1 + 4;
    const after = await settled(server, (now) =>
      assert.strictEqual(grownIn(now, 'muster_deliveries_total'), framesIn(grownIn(now, 'muster_client_events_total'))));
    const grown = (name) => grownIn(after, name);
    const pings = 4 * Buffer.byteLength(JSON.stringify({ event: 'pusher:ping', data: {} }));
    assert.strictEqual(grown('muster_messages_received_total'), 10 + 4);
    assert.strictEqual(grown('muster_received_bytes_total'), 9 * text(0).length + wrong.length + pings);
    const passed = grown('muster_client_events_total');
    assert.ok(passed >= 5 && passed < 9, String(passed));
    assert.strictEqual(grown('muster_client_events_dropped_total'), 9 - passed);
    assert.strictEqual(grown('muster_client_events_refused_total'), 1);
    const frames = framesIn(passed);
    assert.strictEqual(grown('muster_messages_sent_total'), frames);
    assert.ok(grown('muster_writes_total') <= frames, 'a write without a message');
    assert.ok(grown('muster_sent_bytes_total') > 40 * frames);
  },
));

test('a client that reads nothing is seen in what is pending, then counted once as slow', watched(
  { max_pending_kb: 64, send_buffer_kb: 16, apps: [app({ max_client_events_per_second: 0 })] },
  async (server) => {
    const deaf = await server.client({ tcp: true });
    const talker = await server.client();
    await deaf.enter('private-x');
    await talker.enter('private-x');
    deaf.tcp.socket.pause();
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      talker.clientEvent('private-x', 'client-x', 'x'.repeat(9000));
      await talker.barrier();
      const m = await metrics(server);
      most = Math.max(most, m.sum('muster_pending_bytes'));
      if (m.sum('muster_slow_client_closes_total')) break;
    }
    assert.ok(most > 9000 && most <= 16 * 64 * 1024, `${most} bytes pending at the most`);
    const m = await settled(server, (now) => assert.deepStrictEqual([now.sum('muster_pending_bytes'), now.sum('muster_pending_messages')], [0, 0]));
    assert.strictEqual(m.sum('muster_slow_client_closes_total'), 1);
    assert.deepStrictEqual(m.by('muster_connections_ended_total', 'code'), { 4100: 1 });
    deaf.drop();
    await deaf.gone();
  },
));

test('published and cached events', watched({ ...local, apps: [app()] }, async (server) => {
  await publish(server, { name: 'e', channels: ['a', 'cache-a', 'private-cache-b'], data: 'x' });
  await publish(server, { name: 'e', channel: 'cache-a', data: 'y' });
  const m = await metrics(server);
  assert.strictEqual(m.sum('muster_published_events_total'), 4);
  assert.strictEqual(m.sum('muster_cached_events'), 2);
  assert.ok(m.sum('muster_cached_bytes') > 20);
}));

test('a cached event that has expired is none', watched({ ...local, apps: [app()], cache_ttl: 1 }, async (server) => {
  await publish(server, { name: 'e', channel: 'cache-x', data: 'x' });
  assert.strictEqual((await metrics(server)).sum('muster_cached_events'), 1);
  await new Promise((done) => setTimeout(done, 1200));
  const m = await metrics(server);
  assert.deepStrictEqual([m.sum('muster_cached_events'), m.sum('muster_cached_bytes')], [0, 0]);
}));

test('HTTP requests are counted by route and status, with a histogram of each route', oneNode('requests for the figures are counted, too'), watched({ apps: [app()] }, async (server) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });
  const id = server.apps[0].id;
  for (let i = 0; i < 10; i++) await publish(server, { name: 'e', channel: 'a', data: 'x' }, { agent });
  await request(server, { path: `/apps/${id}/channels`, agent });
  await request(server, { path: `/apps/${id}/events`, agent });
  await request(server, { path: '/none', agent });
  await request(server, { path: '/none', agent, method: 'HEAD' });
  await request(server, { path: '/up', agent });
  await request(server, { path: '/usage', agent });
  await request(server, { path: `/apps/${id}/events`, method: 'POST', agent, headers: { 'Transfer-Encoding': 'chunked' } }, 'x');
  agent.destroy();
  const count = (m) => Object.fromEntries(m.families.get('muster_http_requests_total').samples.map((s) => [`${s.labels.route} ${s.labels.status}`, s.value]));
  const wanted = {
    '/apps/*/events 200': 10, '/apps/*/events 411': 1, '/apps/*/channels 401': 1,
    '/up 200': 1, '/usage 401': 1, 'other 404': 2, 'other 405': 1,
  };
  assert.deepStrictEqual(count(await metrics(server)), wanted);
  const m = await metrics(server);
  assert.deepStrictEqual(count(m), { ...wanted, '/metrics 200': 1 });
  const name = 'muster_http_request_duration_seconds';
  for (const route of ['/apps/*/events', '/metrics', 'other'])
    assert.strictEqual(m.sum(`${name}_count`, { route }), m.sum('muster_http_requests_total', { route }), route);
  assert.strictEqual(m.sum(`${name}_count`), 18);
  assert.ok(m.sum(`${name}_sum`) > 0 && m.sum(`${name}_sum`) < 18);
}));

test('webhooks: what waits, what is tried again, and what arrived how late', oneNode('each sends what it claims'), async (t) => {
  const held = [];
  const receiver = http.createServer((req, res) => held.push(res) && req.resume());
  await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
  t.after(() => receiver.closeAllConnections() || receiver.close());
  const url = `http://127.0.0.1:${receiver.address().port}/`;
  const answer = async (status) => {
    for (const deadline = Date.now() + PATIENCE; !held.length && Date.now() < deadline; ) await new Promise((done) => setTimeout(done, 20));
    held.shift().writeHead(status).end();
  };
  const hooks = (m) => ['attempts_total', 'retries_total', 'events_delivered_total', 'events_given_up_total', 'queued_events', 'requests_in_flight'].map((name) => m.sum(`muster_webhook_${name}`));
  await watched(() => ({ webhooks: { batch_ms: 200 }, apps: [app({ webhooks: [{ url, event_types: ['member_added'] }] })] }), async (server) => {
    const client = await server.client();
    assert.deepStrictEqual(hooks(await metrics(server)), [0, 0, 0, 0, 0, 0]);
    for (const room of ['presence-a', 'presence-b', 'presence-c']) await client.enter(room, { user_id: 'ann' });
    await settled(server, (m) => assert.deepStrictEqual(hooks(m), [1, 0, 0, 0, 3, 1]));
    await answer(500);
    await settled(server, (m) => assert.deepStrictEqual(hooks(m), [2, 1, 0, 0, 3, 1]));
    await answer(200);
    const m = await settled(server, (now) => assert.deepStrictEqual(hooks(now), [2, 1, 3, 0, 0, 0]));
    const delay = m.sum('muster_webhook_delay_seconds_total') / 3;
    assert.ok(delay > 0.2 && delay < 15, `${delay} s`);
  })();
});

test('many scrapes at once, some given up at once, are each answered for themselves', oneNode('each counts its own scrapes'), watched({ workers: 4 }, async (server) => {
  await server.several(5);
  const scrape = async (i) => {
    if (i % 3) return assert.strictEqual((await metrics(server)).sum('muster_connections'), 5);
    const tcp = new Tcp(server.port);
    await tcp.connected;
    tcp.write(`GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    return tcp.reset();
  };
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 20 }, (_, k) => scrape(k)));
  assert.strictEqual((await metrics(server)).sum('muster_connections'), 5);
}));

test('on the main port the figures want the token, and are not there without one', watched({}, async (server) => {
  for (const target of ['/metrics', '/usage']) {
    for (const headers of [{}, bearer(`${TOKEN}x`), bearer(TOKEN.slice(1)), bearer(''), { Authorization: TOKEN }, { Authorization: `Basic ${TOKEN}` }]) {
      const reply = await get(server, target, headers);
      assert.deepStrictEqual([reply.status, reply.headers['www-authenticate']], [401, 'Bearer realm="muster"'], JSON.stringify(headers));
      assert.ok(!reply.text.includes(TOKEN) && !reply.text.includes('connections'));
    }
    assert.strictEqual((await get(server, target, bearer())).status, 200);
    assert.strictEqual((await get(server, target, { Authorization: `bearer ${TOKEN}` })).status, 200);
    const wrong = await request(server, { path: target, method: 'POST', headers: { 'Content-Length': 0 } });
    assert.deepStrictEqual([wrong.status, wrong.headers.allow], [405, 'GET']);
  }
  assert.ok(!server.log().includes(TOKEN));
}));

test('without a token the main port has no figures, but says that it is up and ready', withServer({}, async (server) => {
  for (const target of ['/metrics', '/usage'])
    for (const headers of [{}, bearer(''), bearer('x')]) assert.strictEqual((await get(server, target, headers)).status, 404);
  for (const [target, status] of [['/up', 'up'], ['/ready', 'ready']]) {
    const reply = await get(server, target);
    assert.deepStrictEqual([reply.status, JSON.parse(reply.text), reply.headers['content-type']], [200, { status }, 'application/json']);
    assert.strictEqual((await request(server, { path: target, method: 'HEAD' })).status, 200);
  }
}));

test('behind a path_prefix the paths have it too, but not on a port of their own', oneNode('one port'), async () => {
  const port = await freePort();
  await withServer({ path_prefix: '/rt', metrics: { port, token: TOKEN } }, async (server) => {
    const statuses = [];
    for (const [target, at] of [['/rt/up', server.port], ['/up', server.port], ['/rt/metrics', server.port], ['/up', port], ['/metrics', port], ['/rt/up', port]])
      statuses.push((await get(server, target, bearer(), at)).status);
    assert.deepStrictEqual(statuses, [200, 404, 200, 200, 200, 404]);
  })();
});

test('a port of its own has the figures, the two answers, and nothing else', oneNode('one port'), async () => {
  const port = await freePort();
  await withServer({ demo: true, metrics: { port } }, async (server) => {
    await server.logged(new RegExp(` info metrics\\.listening host=127\\.0\\.0\\.1 port=${port}$`));
    await server.client();
    for (const target of ['/metrics', '/usage', '/up', '/ready'])
      assert.strictEqual((await get(server, target, {}, port)).status, 200, target);
    assert.strictEqual(new Metrics((await get(server, '/metrics', {}, port)).text).sum('muster_connections'), 1);
    for (const target of ['/', '/demo.json', `/apps/${server.apps[0].id}/channels`, `/app/${server.apps[0].key}`])
      assert.strictEqual((await get(server, target, {}, port)).status, 404, target);
    // Neither the Host header nor a kept connection makes the main port into this one.
    for (const Host of ['metrics', 'muster', `127.0.0.1:${port}`, ''])
      assert.strictEqual((await get(server, '/metrics', { Host })).status, 404, Host);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i++) {
      assert.strictEqual((await request(server, { path: '/metrics', port, agent })).status, 200);
      assert.strictEqual((await request(server, { path: '/demo.json', port, agent })).status, 404);
    }
    agent.destroy();
    const upgrade = await request(server, { port, path: `/app/${server.apps[0].key}?protocol=7`, headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' } });
    assert.deepStrictEqual([upgrade.status, upgrade.text], [400, 'No WebSocket is spoken on metrics.port\n']);
  })();
});

test('a metrics.port in use is said, and nothing starts', oneNode('one port'), async () => {
  const port = await freePort();
  await withServer({ metrics: { port } }, async () => {
    const config = { host: '127.0.0.1', port: 0, metrics: { port }, apps: [app()] };
    const second = await run(['--config', write(config)]);
    assert.strictEqual(second.code, 1, second.err);
    assert.match(second.err, new RegExp(` error metrics\\.listen_failed host=127\\.0\\.0\\.1 port=${port} error=.*in use`));
    assert.ok(!/node\.listening/.test(second.err));
  })();
});

test('while it drains it is up but not ready: on its own port, and on connections that are there', oneNode('one port'), async () => {
  const port = await freePort();
  const server = await start({ shutdown_grace: 20, metrics: { port }, workers: 3 });
  const mute = await server.client({ tcp: true, answerClose: false });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const kept = (target) => request(server, { path: target, agent });
  assert.strictEqual((await kept('/ready')).status, 200);
  server.kill('SIGTERM');
  await server.logged(/node\.stopping/);
  for (let status = 200; status !== 503; ) ({ status } = await get(server, '/ready', {}, port));
  for (let i = 0; i < 6; i++) { // each worker answers, those too that have nobody left
    const reply = await get(server, '/ready', {}, port);
    assert.deepStrictEqual([reply.status, JSON.parse(reply.text)], [503, { status: 'draining' }]);
    assert.strictEqual((await get(server, '/up', {}, port)).status, 200);
    const m = new Metrics((await get(server, '/metrics', {}, port)).text);
    assert.deepStrictEqual([m.sum('muster_draining'), m.sum('muster_connections')], [1, 0]);
  }
  assert.strictEqual((await kept('/ready')).status, 503);
  await assert.rejects(get(server, '/ready'), /ECONNREFUSED/);
  const before = Date.now();
  mute.drop();
  agent.destroy();
  const how = await server.ended(20000);
  assert.deepStrictEqual(how, { code: 0, signal: null }, server.tail());
  assert.ok(Date.now() - before < 6000, `${Date.now() - before} ms after the last client`);
  server.sane();
});

test('/up is 503 while a worker hangs, its log line having nowhere to go, and 200 once it turns again', { timeout: 60000 }, withServer({ workers: 2, log: { level: 'debug' } }, async (server, t) => {
  const up = () => within(1000, get(server, '/up').then(({ status }) => status));
  const ups = async () => [...new Set(await Promise.all([up(), up(), up(), up()]))].sort();
  assert.deepStrictEqual(await ups(), [200]);
  await hang(server, t);
  await within(6500, new Promise(() => {}));
  assert.deepStrictEqual(await ups(), [503, 'late'], 'the other worker says so');
  server.child.stderr.resume();
  await within(1500, new Promise(() => {}));
  assert.deepStrictEqual(await ups(), [200]);
}));

test('/usage sums it up in JSON', oneNode('a process’s'), watched({}, async (server) => {
  const [a, b] = await server.several(2);
  await a.enter('presence-x', { user_id: 'a' });
  await b.enter('presence-x', { user_id: 'b' });
  await b.subscribe('x');
  const reply = await get(server, '/usage', bearer());
  assert.strictEqual(reply.headers['content-type'], 'application/json');
  const usage = JSON.parse(reply.text);
  const { memory, cpu_seconds: cpu, open_fds: fds, max_fds: most, uptime_seconds: up, ...counts } = usage;
  assert.deepStrictEqual(counts, { workers: 3, connections: 2, max_connections: 10000, subscriptions: 3, channels: 2, presence_members: 2, pending_bytes: 0 });
  assert.ok(memory.rss_bytes > 1 << 20 && cpu >= 0 && fds > 5 && most > fds && up >= 0 && up < 60, reply.text);
}));
