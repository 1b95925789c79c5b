'use strict';
// Webhooks as a backend sees them: a receiver of our own, the official SDK's check of each
// request, and what is sent when members and subscribers come, go, and are lost.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const Pusher = require('pusher');
const { start, app, scratch } = require('./support/server');
const { request } = require('./support/api');
const { Receiver, names } = require('./support/receiver');

const after = (ms) => new Promise((done) => setTimeout(done, ms));

async function withReceiver(t, { config = {}, hook = {}, also = [], answer, more = {} }, body) {
  const receiver = await new Receiver(answer).open();
  t.after(() => receiver.close());
  const server = await start({
    webhooks: { batch_ms: 20, leave_delay_ms: 1500, ...config.webhooks },
    apps: [app({ webhooks: [{ url: receiver.url, ...hook }, ...also], ...more })],
    ...Object.fromEntries(Object.entries(config).filter(([k]) => k !== 'webhooks')),
  });
  try {
    await body(server, receiver);
  } catch (e) {
    e.message += `\n${JSON.stringify(names(receiver))}\n${server.tail()}`;
    await server.abandon();
    throw e;
  }
  if (!server.stopped) await server.stop();
}

test('each request passes the official SDK’s check, and says who came and went', (t) =>
  withReceiver(t, {}, async (server, receiver) => {
    const [a, b] = await server.several(2);
    await a.enter('presence-x', { user_id: 'ann', user_info: { n: 1 } });
    await b.enter('presence-x', { user_id: 'bob' });
    await receiver.until(3);
    b.leave('presence-x');
    await a.until('pusher_internal:member_removed');
    a.leave('presence-x');
    await receiver.until(6);
    assert.deepStrictEqual(names(receiver), [
      'channel_occupied presence-x', 'member_added presence-x ann', 'member_added presence-x bob',
      'member_removed presence-x bob', 'member_removed presence-x ann', 'channel_vacated presence-x',
    ]);
    const [{ id: appId, key, secret }] = server.apps;
    const sdk = new Pusher({ appId, key, secret, host: 'x' });
    for (const request of receiver.requests) {
      assert.strictEqual(request.headers['content-type'], 'application/json');
      const hook = sdk.webhook(request);
      assert.ok(hook.isValid());
      assert.ok(Math.abs(hook.getTime() - Date.now()) < 60000);
      assert.ok(hook.getEvents().length > 0);
    }
    const wrong = new Pusher({ appId, key, secret: 'another', host: 'x' });
    assert.ok(!wrong.webhook(receiver.requests[0]).isValid());
  }));

test('several sockets of one user are one member; channels are occupied and vacated once', (t) =>
  withReceiver(t, { config: { workers: 4 } }, async (server, receiver) => {
    const all = await server.several(6);
    for (const c of all) await c.enter('presence-x', { user_id: 'ann' });
    for (const c of all) await c.subscribe('public');
    for (const c of all) c.leave('presence-x');
    for (const c of all) c.leave('public');
    for (const c of all) await c.barrier();
    await receiver.until(6);
    await after(300);
    assert.deepStrictEqual([...names(receiver)].sort(), [
      'channel_occupied presence-x', 'channel_occupied public', 'channel_vacated presence-x',
      'channel_vacated public', 'member_added presence-x ann', 'member_removed presence-x ann',
    ]);
  }));

test('a lost connection is waited for: who is back in time was never away', (t) =>
  withReceiver(t, {}, async (server, receiver) => {
    const [watcher, ann] = await server.several(2, { tcp: true });
    await watcher.enter('presence-x', { user_id: 'w' });
    await ann.enter('presence-x', { user_id: 'ann' });
    await ann.subscribe('alone');
    await receiver.until(4);
    ann.drop();
    await watcher.until('pusher_internal:member_removed');
    const back = await server.client();
    await back.enter('presence-x', { user_id: 'ann' });
    await back.subscribe('alone');
    await after(3500);
    assert.strictEqual(receiver.events.length, 4, JSON.stringify(names(receiver)));
    back.close();
    await receiver.until(6);
    assert.deepStrictEqual(names(receiver).slice(4).sort(), ['channel_vacated alone', 'member_removed presence-x ann']);
  }));

test('who does not come back is removed after the delay, and not before', (t) =>
  withReceiver(t, {}, async (server, receiver) => {
    const [watcher, ann] = await server.several(2, { tcp: true });
    await watcher.enter('presence-x', { user_id: 'w' });
    await ann.enter('presence-x', { user_id: 'ann' });
    await receiver.until(3);
    const before = Date.now();
    ann.drop();
    await receiver.until(4);
    assert.ok(Date.now() - before > 1400, `after ${Date.now() - before} ms`);
    assert.strictEqual(names(receiver)[3], 'member_removed presence-x ann');
  }));

test('client events carry event, data as a string, socket_id and, on presence, user_id', (t) =>
  withReceiver(t, { hook: { event_types: ['client_event'] } }, async (server, receiver) => {
    const [a, b] = await server.several(2);
    for (const c of [a, b]) await c.enter('presence-x', { user_id: 'ann' });
    for (const c of [a, b]) await c.enter('private-y');
    a.clientEvent('presence-x', 'client-hi', { a: 1.10 });
    a.clientEvent('private-y', 'client-hi', 'text');
    await receiver.until(2);
    const [x, y] = receiver.events.sort((p, q) => (p.channel < q.channel ? -1 : 1));
    assert.deepStrictEqual(x, { name: 'client_event', channel: 'presence-x', event: 'client-hi', data: '{"a":1.1}', socket_id: a.socketId, user_id: 'ann' });
    assert.deepStrictEqual(y, { name: 'client_event', channel: 'private-y', event: 'client-hi', data: 'text', socket_id: a.socketId });
  }));

test('cache_miss and subscription_count', (t) =>
  withReceiver(t, { hook: { event_types: ['cache_miss', 'subscription_count'] }, more: { enable_subscription_count: true } }, async (server, receiver) => {
    const [a, b] = await server.several(2);
    await a.subscribe('cache-x');
    await b.subscribe('cache-x');
    await receiver.until(4);
    const seen = receiver.events.map((e) => JSON.stringify(e)).sort();
    assert.deepStrictEqual(seen, [
      '{"name":"cache_miss","channel":"cache-x"}', '{"name":"cache_miss","channel":"cache-x"}',
      '{"name":"subscription_count","channel":"cache-x","subscription_count":1}',
      '{"name":"subscription_count","channel":"cache-x","subscription_count":2}',
    ]);
  }));

test('filters by event type, prefix and suffix; configured headers; several webhooks', async (t) => {
  const other = await new Receiver().open();
  t.after(() => other.close());
  await withReceiver(t, {
    hook: { event_types: ['channel_occupied'], filter: { channel_prefix: 'room-', channel_suffix: '-1' }, headers: ['X-Mine: yes'] },
    also: [{ url: other.url, event_types: ['channel_occupied'] }],
  }, async (server, receiver) => {
    const c = await server.client();
    for (const name of ['room-1', 'room-2', 'hall-1', 'room-a-1']) await c.subscribe(name);
    await receiver.until(2);
    await after(300);
    assert.deepStrictEqual(names(receiver), ['channel_occupied room-1', 'channel_occupied room-a-1']);
    assert.strictEqual(receiver.requests[0].headers['x-mine'], 'yes');
    assert.strictEqual(other.requests[0].headers['x-mine'], undefined);
    assert.deepStrictEqual(names(other), ['room-1', 'room-2', 'hall-1', 'room-a-1'].map((n) => `channel_occupied ${n}`));
  });
});

test('a receiver that fails, stalls, closes and comes back gets everything once, in order', { timeout: 60000 }, (t) => {
  let down = true;
  const answer = (n, res) => {
    if (!down) return 200;
    if (n % 3 === 0) return 500;
    if (n % 3 === 1) return res.destroy(), 0;
    return 0; // stalls
  };
  return withReceiver(t, { answer, config: { webhooks: { batch_ms: 10, batch_size: 5, timeout: 1, retry_seconds: 30 } } }, async (server, receiver) => {
    const c = await server.client();
    await c.enter('presence-x', { user_id: 'w' });
    for (let i = 0; i < 40; i++) {
      const one = await server.client();
      await one.enter('presence-x', { user_id: `u${i}` });
      one.leave('presence-x');
      await c.until((f) => f.event === 'pusher_internal:member_removed' && f.data.includes(`"u${i}"`));
      one.close();
    }
    await after(1500);
    down = false;
    await receiver.until(82, 40000);
    await after(500);
    const expected = ['channel_occupied presence-x', 'member_added presence-x w'];
    for (let i = 0; i < 40; i++) expected.push(`member_added presence-x u${i}`, `member_removed presence-x u${i}`);
    assert.deepStrictEqual(names(receiver), expected);
  });
});

test('webhooks.max_queue: what finds no room is dropped, counted, and said when it begins and ends', { timeout: 40000 }, (t) => {
  let down = true;
  const config = { metrics: { token: 'token' }, webhooks: { batch_ms: 0, batch_size: 1, concurrency: 1, max_queue: 5, timeout: 60 } };
  return withReceiver(t, { answer: () => (down ? 503 : 200), config, hook: { event_types: ['channel_occupied'] } }, async (server, receiver) => {
    const c = await server.client();
    for (let i = 0; i < 20; i++) await c.enter(`room-${i}`);
    await server.logged(/webhook\.dropping .*max_queue=5/);
    let [dropped, queued] = [0, 0];
    for (let tries = 0; dropped + queued < 20 && tries < 100; tries++) {
      await after(20);
      const { text } = await request(server, { path: '/metrics', headers: { Authorization: 'Bearer token' } });
      const of = (name) => Number(new RegExp(`^muster_webhook_${name} (\\d+)$`, 'm').exec(text)[1]);
      [dropped, queued] = [of('events_dropped_total'), of('queued_events')];
    }
    assert.ok(dropped > 0 && queued <= 6 && dropped + queued === 20, `${dropped} dropped, ${queued} queued`);
    down = false;
    await receiver.until(queued, 20000);
    assert.match(await server.logged(/webhook\.dropped /), new RegExp(`events=${dropped}\\b`));
    const rooms = names(receiver).map((name) => Number(/^channel_occupied room-(\d+)$/.exec(name)[1]));
    assert.deepStrictEqual(rooms.slice(0, 5), [0, 1, 2, 3, 4]);
    assert.deepStrictEqual(rooms, [...new Set(rooms)].sort((a, b) => a - b)); // one more fits once the first is being sent
  });
});

test('what is given up is logged with an id, counted, and kept as a line; a stop loses nothing', { timeout: 40000 }, (t) => {
  const file = path.join(scratch(), 'dead.jsonl');
  return withReceiver(t, { answer: () => 500, config: { webhooks: { retry_seconds: 1, dead_letter_file: file } } }, async (server) => {
    const c = await server.client();
    await c.subscribe('lost');
    await server.logged(/webhook\.gave_up/);
    await c.subscribe('at-the-end');
    await c.barrier();
    await after(200);
    await server.stop();
    const lines = fs.readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
    const channels = lines.flatMap((l) => JSON.parse(l.body).events).map((e) => e.channel);
    assert.deepStrictEqual(channels.sort(), ['at-the-end', 'lost']);
  });
});
