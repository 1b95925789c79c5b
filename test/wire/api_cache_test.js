'use strict';
// Cache channels (PROTOCOL.md 3): the last event that a backend published is kept, handed
// to who comes later, bounded in time and memory; what clients say is never kept.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { local, withServer } = require('./support/server');
const { publish, ask, call } = require('./support/api');

const KINDS = ['cache-x', 'private-cache-x', 'private-encrypted-cache-x', 'presence-cache-x'];
let users = 0;

/** Joins, and returns the frame right behind subscription_succeeded. */
async function firstOf(server, channel) {
  const c = await server.client();
  await c.enter(channel, channel.startsWith('presence-') ? { user_id: `u${++users}` } : undefined);
  for (;;) {
    const f = await c.next();
    if (!/member_(added|removed)$/.test(f.event)) return [{ ...f }, c];
  }
}

const miss = (channel) => ({ event: 'pusher:cache_miss', channel, data: '{}' });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

for (const workers of [1, 4]) {
  describe(`cache channels with ${workers} workers`, () => {
    for (const channel of KINDS)
      test(`${channel}: a miss, then the last event for each who comes`, withServer({ workers }, async (server) => {
        const [first, a] = await firstOf(server, channel);
        assert.deepStrictEqual(first, miss(channel));
        const node = server.nodes.at(-1); // a backend's own order is kept by one node
        for (let i = 0; i < 5; i++) await publish(node, { name: 'now', channel, data: `{"n":${i}}` });
        for (let i = 0; i < 5; i++) assert.strictEqual((await a.until('now')).data, `{"n":${i}}`);
        const last = { event: 'now', channel, data: '{"n":4}' };
        const [kept, b] = await firstOf(server, channel);
        assert.deepStrictEqual(kept, last);
        const rest = (await b.barrier()).filter((f) => !/member_/.test(f.event));
        assert.deepStrictEqual(rest, [], 'once, and no miss');
        for (const c of [a, b]) {
          c.close();
          await c.gone();
        }
        await sleep(50);
        assert.deepStrictEqual((await firstOf(server, channel))[0], last, 'kept while nobody is there');
      }));

    test('an event published before anybody ever came is kept', withServer({ workers }, async (server) => {
      await publish(server, { name: 'now', channels: KINDS, data: 'early' });
      for (const channel of KINDS)
        assert.deepStrictEqual((await firstOf(server, channel))[0], { event: 'now', channel, data: 'early' });
    }));

    test('a batch keeps its last; an excluded socket’s event is kept too', withServer({ workers }, async (server) => {
      const [, a] = await firstOf(server, 'cache-x');
      const [, witness] = await firstOf(server, 'cache-x');
      const batch = [1, 2, 3].map((n) => ({ name: 'now', channel: 'cache-x', data: String(n), socket_id: a.socketId }));
      assert.strictEqual((await call(server, 'POST', '/batch_events', { body: { batch } })).status, 200);
      await witness.until((f) => f.data === '3');
      assert.strictEqual((await firstOf(server, 'cache-x'))[0].data, '3');
      assert.deepStrictEqual(await a.barrier(), []);
    }));

    test('client events are never kept', withServer({ workers }, async (server) => {
      for (const channel of ['private-cache-x', 'presence-cache-x']) {
        const [, a] = await firstOf(server, channel);
        const [, b] = await firstOf(server, channel);
        a.clientEvent(channel, 'client-x', 'said');
        await b.until('client-x');
        assert.deepStrictEqual((await firstOf(server, channel))[0], miss(channel));
        await publish(server, { name: 'now', channel, data: 'kept' });
        a.clientEvent(channel, 'client-x', 'said');
        await b.until('client-x');
        assert.strictEqual((await firstOf(server, channel))[0].data, 'kept');
      }
    }));

    test('info=cache: the data as POSTed and its ttl; nothing where nothing is kept', withServer({ workers, cache_ttl: 100 }, async (server) => {
      const of = (info = 'cache') => ask(server, '/channels/cache-x', { info });
      assert.deepStrictEqual(await of(), { occupied: false });
      await publish(server, { name: 'now', channel: 'cache-x', data: '{"é":"\\u0000"}' });
      const kept = await of();
      assert.ok(kept.cache.ttl > 90 && kept.cache.ttl <= 100, `${kept.cache.ttl}`);
      assert.deepStrictEqual(kept, { occupied: false, cache: { data: '{"é":"\\u0000"}', ttl: kept.cache.ttl } });
      await firstOf(server, 'cache-x');
      const both = await of('cache,subscription_count');
      assert.deepStrictEqual([both.occupied, both.subscription_count, both.cache.data], [true, 1, kept.cache.data]);
      const raw = (await call(server, 'GET', '/channels/cache-x', { params: { info: 'cache' } })).text;
      assert.ok(raw.includes('"data":"{\\"é\\":\\"\\\\u0000\\"}"'), raw);
    }));

    test('a question asked behind an answer finds the event kept', withServer({ workers }, async (server) => {
      const node = server.nodes.at(-1);
      for (let i = 0; i < 150; i++) {
        await publish(node, { name: 'now', channel: `cache-${i}`, data: 'x' });
        assert.strictEqual((await ask(node, `/channels/cache-${i}`, { info: 'cache' })).cache.data, 'x', `${i}`);
      }
    }));

    test('who joins between events sees the kept one and each after it, once and in order', withServer({ workers }, async (server) => {
      let published = 0;
      let end = false;
      const node = server.nodes.at(-1); // a backend's own order is kept by one node
      const publishing = (async () => {
        while (!end) await publish(node, { name: 'now', channel: 'cache-x', data: String(++published) });
      })();
      while (published < 3) await sleep(1);
      const clients = [];
      for (let i = 0; i < 20; i++) clients.push((await firstOf(server, 'cache-x'))[1]);
      await sleep(100);
      end = true;
      await publishing;
      for (const c of clients) {
        while (Number(c.frames.at(-1).data) !== published) await c.next();
        const seen = c.frames.filter((f) => f.event === 'now').map((f) => Number(f.data));
        assert.deepStrictEqual(seen, Array.from(seen, (_, i) => seen[0] + i));
        assert.ok(!c.frames.some((f) => f.event === 'pusher:cache_miss'));
      }
    }));
  });
}

test('cache_ttl: what is older is gone, with and without subscribers', withServer({ cache_ttl: 1 }, async (server) => {
  const [, a] = await firstOf(server, 'cache-x');
  for (const channel of ['cache-x', 'cache-y']) await publish(server, { name: 'now', channel, data: '1' });
  await a.until('now');
  assert.strictEqual((await firstOf(server, 'cache-x'))[0].event, 'now');
  assert.strictEqual((await ask(server, '/channels/cache-y', { info: 'cache' })).cache.ttl, 1);
  await sleep(1300);
  for (const channel of ['cache-x', 'cache-y']) {
    assert.strictEqual((await ask(server, `/channels/${channel}`, { info: 'cache' })).cache, undefined);
    assert.deepStrictEqual((await firstOf(server, channel))[0], miss(channel));
  }
  await publish(server, { name: 'now', channel: 'cache-x', data: '2' });
  await a.until((f) => f.data === '2');
  assert.strictEqual((await firstOf(server, 'cache-x'))[0].data, '2');
}));

test('cache_max_kb: the oldest go, the newest stay', withServer({ ...local, workers: 1, cache_max_kb: 64 }, async (server) => {
  const data = 'd'.repeat(5000);
  for (let i = 0; i < 40; i++) await publish(server, { name: 'now', channel: `cache-${i}`, data });
  const kept = [];
  for (let i = 0; i < 40; i++)
    if ((await ask(server, `/channels/cache-${i}`, { info: 'cache' })).cache) kept.push(i);
  assert.ok(kept.length >= 3 && kept.length * 5000 <= 65536, `${kept}`);
  assert.strictEqual(kept.at(-1), 39);
  assert.deepStrictEqual(kept, Array.from(kept, (_, i) => 40 - kept.length + i));
  assert.strictEqual((await firstOf(server, 'cache-39'))[0].data, data);
  assert.deepStrictEqual((await firstOf(server, 'cache-0'))[0], miss('cache-0'));
}));

test('an event too large to be kept leaves no older one behind', withServer({ ...local, workers: 1, cache_max_kb: 1 }, async (server) => {
  await publish(server, { name: 'now', channel: 'cache-x', data: 'old' });
  assert.strictEqual((await firstOf(server, 'cache-x'))[0].data, 'old');
  await publish(server, { name: 'now', channel: 'cache-x', data: 'd'.repeat(5000) });
  const { cache } = await ask(server, '/channels/cache-x', { info: 'cache' });
  const [first] = await firstOf(server, 'cache-x');
  assert.notStrictEqual(first.data, 'old');
  assert.strictEqual(first.event === 'now', cache !== undefined, 'the socket and info=cache agree');
}));

test('cache_max_kb bounds what occupied channels keep, and sockets and info=cache agree', withServer({ ...local, workers: 2, cache_max_kb: 64 }, async (server) => {
  const data = 'd'.repeat(5000);
  const inside = await server.client();
  for (let i = 0; i < 30; i++) await inside.enter(`cache-${i}`);
  for (let i = 0; i < 30; i++) await publish(server, { name: 'now', channel: `cache-${i}`, data });
  let kept = 0;
  for (let i = 0; i < 30; i++) {
    const { cache } = await ask(server, `/channels/cache-${i}`, { info: 'cache' });
    assert.strictEqual((await firstOf(server, `cache-${i}`))[0].event, cache ? 'now' : 'pusher:cache_miss', `cache-${i}`);
    kept += cache ? 1 : 0;
  }
  assert.ok(kept >= 2 && kept * 5000 <= 65536, `${kept}`);
}));

test('a cache_ttl of months is none of milliseconds', withServer({ workers: 1, cache_ttl: 4294968 }, async (server) => {
  await publish(server, { name: 'now', channel: 'cache-x', data: '1' }); // 2^32 ms and 704 from now
  const first = await firstOf(server, 'cache-x');
  await sleep(900);
  assert.deepStrictEqual([first[0].event, (await firstOf(server, 'cache-x'))[0].event], ['now', 'now']);
}));
