'use strict';
// Two and three nodes on one Redis: what a node by itself shows (presence_test.js, api_test.js),
// with the clients on different nodes. checker.js looks at I1 and I2 of every frame.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { app, start } = require('./support/server');
const { adapter } = require('./support/redis');
const { call, publish, ask } = require('./support/api');
const { Application, connectAs, connected, inside: entered, once, hangUp } = require('./support/official');
const { withCluster, eventually, after } = require('./support/cluster');

const ROOM = 'presence-room';
const ADDED = 'pusher_internal:member_added';
const REMOVED = 'pusher_internal:member_removed';
const isEvent = (f) => !/^pusher/.test(f.event);
const isMember = (f) => /^pusher_internal:member_/.test(f.event);

/** A watcher on each node, all in the room; what comes from now on is the test's. */
async function watchers(cluster, room = ROOM) {
  const all = await Promise.all(cluster.nodes.map((n) => n.client()));
  for (const [i, w] of all.entries()) await w.enter(room, { user_id: `w${i}` });
  await cluster.agree(room);
  for (const w of all) await w.barrier();
  return all;
}

/** The very next frame of each. */
const nextOf = (clients) => Promise.all(clients.map(async (c) => {
  const f = await c.next();
  return [f.event, f.data];
}));

/** Nothing but a client event of `from`'s comes to the others: a fence, by one order per channel. */
async function nothing(from, others, room = ROOM) {
  from.clientEvent(room, 'client-fence', 'x');
  for (const c of others) {
    const f = await c.next();
    assert.strictEqual(f.event, 'client-fence', f.raw);
  }
}

const same = (list, n) => Array.from({ length: n }, () => list);

const isClientEvent = (f) => f.event.startsWith('client-');

for (const nodes of [2, 3]) {
  describe(`a cluster of ${nodes}`, { concurrency: 4 }, () => {
    test('a member who comes or goes is said once to everybody, and the snapshot has all', withCluster({ nodes }, async (cluster) => {
      const all = await watchers(cluster);
      const users = all.map((_, i) => `w${i}`);
      for (const [i] of cluster.nodes.entries()) {
        const c = await cluster.client(i);
        const { ids, hash, count } = await c.enter(ROOM, { user_id: 'u', user_info: { from: i } });
        assert.deepStrictEqual([[...ids].sort(), count, hash.u], [['u', ...users], nodes + 1, { from: i }]);
        assert.deepStrictEqual(await nextOf(all), same([ADDED, `{"user_id":"u","user_info":{"from":${i}}}`], nodes));
        c.leave(ROOM);
        assert.deepStrictEqual(await nextOf(all), same([REMOVED, '{"user_id":"u"}'], nodes));
        assert.deepStrictEqual(await c.barrier(), []);
      }
      await nothing(all[0], all.slice(1));
      await cluster.agree(ROOM);
    }));

    test('a user on several nodes is one member: nobody hears of the second, nor of the first’s end', withCluster({ nodes }, async (cluster) => {
      const all = await watchers(cluster);
      const tabs = [];
      for (const [i] of cluster.nodes.entries()) {
        tabs.push(await cluster.client(i, { tcp: i === 1 }));
        const { count, hash } = await tabs[i].enter(ROOM, { user_id: 'u', user_info: `tab ${i}` });
        assert.deepStrictEqual([count, hash.u], [nodes + 1, 'tab 0'], 'the first’s user_info');
        if (i === 0) assert.deepStrictEqual(await nextOf(all), same([ADDED, '{"user_id":"u","user_info":"tab 0"}'], nodes));
      }
      await cluster.held(ROOM, 'u', nodes);
      await nothing(all[1], all.filter((w) => w !== all[1]));
      await cluster.agree(ROOM);
      const ways = [(c) => c.leave(ROOM), (c) => c.reset(), (c) => c.close()];
      for (let i = 0; i < nodes - 1; i++) {
        ways[i](tabs[i]);
        await cluster.held(ROOM, 'u', nodes - 1 - i);
        await nothing(all[0], all.slice(1));
      }
      const late = await cluster.client(0);
      assert.strictEqual((await late.enter(ROOM, { user_id: 'late' })).hash.u, 'tab 0');
      await nextOf(all);
      tabs[nodes - 1].leave(ROOM);
      assert.deepStrictEqual(await nextOf(all), same([REMOVED, '{"user_id":"u"}'], nodes));
      await cluster.agree(ROOM);
    }));

    test('client events reach everybody on every node but the sender, with the sender’s user_id', withCluster({ nodes }, async (cluster) => {
      const all = await watchers(cluster);
      for (const c of all) await c.enter('private-x');
      for (const [i, from] of all.entries()) {
        from.clientEvent(ROOM, 'client-hi', { n: 1.5 });
        from.clientEvent('private-x', 'client-ho', 'text');
        for (const c of all.filter((w) => w !== from)) {
          const both = [await c.until(isClientEvent), await c.until(isClientEvent)]; // channels have no order among them
          const [hi, ho] = both.sort((a, b) => (a.event < b.event ? -1 : 1));
          assert.deepStrictEqual({ ...hi, data: JSON.parse(JSON.stringify(hi.data)) }, { event: 'client-hi', channel: ROOM, data: { n: 1.5 }, user_id: `w${i}` });
          assert.deepStrictEqual({ ...ho }, { event: 'client-ho', channel: 'private-x', data: 'text' });
        }
        assert.deepStrictEqual((await from.barrier()).filter((f) => f.user_id === `w${i}`), []);
      }
    }));

    test('events published on any node reach all; socket_id excludes a socket of another', withCluster({ nodes }, async (cluster) => {
      const all = await cluster.several(2 * nodes);
      for (const c of all) for (const room of ['one', 'two']) await c.enter(room);
      for (const node of cluster.nodes) {
        await publish(node, { name: 'e', channels: ['one', 'two', 'nobody'], data: '1' });
        for (const c of all) assert.deepStrictEqual([(await c.until('e')).data, (await c.until('e')).data], ['1', '1']);
        for (const [i, x] of all.entries()) {
          await publish(node, { name: 'but', channel: 'one', data: String(i), socket_id: x.socketId });
          for (const c of all) if (c !== x) assert.strictEqual((await c.until(isEvent)).data, String(i));
        }
        const batch = Array.from({ length: 10 }, (_, i) => ({ name: `b${i}`, channel: i % 2 ? 'one' : 'two', data: '', ...(i === 4 ? { socket_id: all[1].socketId } : {}) }));
        assert.strictEqual((await call(node, 'POST', '/batch_events', { body: { batch } })).text, '{}');
        for (const c of all) {
          const got = [];
          while (got.length < (c === all[1] ? 9 : 10)) got.push(await c.until(isEvent));
          for (const room of ['one', 'two'])
            assert.deepStrictEqual(
              got.filter((f) => f.channel === room).map((f) => f.event),
              batch.filter((e) => e.channel === room && !(c === all[1] && e.socket_id)).map((e) => e.name),
            );
        }
      }
      for (const c of all) assert.deepStrictEqual((await c.barrier()).filter(isEvent), []);
    }));

    test('GET channels, channel and users: every node answers for all, with or without a connection', withCluster({ nodes }, async (cluster) => {
      const on = async (i, room, id) => {
        const c = await cluster.client(i);
        await c.enter(room, id && { user_id: id });
        return c;
      };
      await on(0, ROOM, 'a');
      await on(nodes - 2, ROOM, 'a');
      const b = await on(nodes - 2, ROOM, 'b');
      await on(0, 'room');
      await on(nodes - 2, 'room-2');
      const info = 'user_count,subscription_count';
      for (const node of cluster.nodes) {
        assert.deepStrictEqual(await ask(node, '/channels'), { channels: { [ROOM]: {}, room: {}, 'room-2': {} } });
        assert.deepStrictEqual(await ask(node, '/channels', { filter_by_prefix: 'presence-', info: 'user_count' }), { channels: { [ROOM]: { user_count: 2 } } });
        assert.deepStrictEqual(await ask(node, `/channels/${ROOM}`, { info }), { occupied: true, user_count: 2, subscription_count: 3 });
        assert.deepStrictEqual(await ask(node, '/channels/nobody', { info: 'subscription_count' }), { occupied: false, subscription_count: 0 });
        assert.deepStrictEqual((await ask(node, `/channels/${ROOM}/users`)).users.map((u) => u.id).sort(), ['a', 'b']);
        assert.deepStrictEqual(await publish(node, { name: 'e', channels: [ROOM, 'room', 'nobody'], data: '', info }), {
          channels: { [ROOM]: { user_count: 2, subscription_count: 3 }, room: { subscription_count: 1 }, nobody: { subscription_count: 0 } },
        });
      }
      b.drop();
      await eventually(async () => {
        for (const node of cluster.nodes)
          assert.deepStrictEqual(await ask(node, `/channels/${ROOM}`, { info }), { occupied: true, user_count: 1, subscription_count: 2 });
      }, 2000);
    }));

    test('cache channels: what is kept is kept for who joins elsewhere; a miss where nothing is', withCluster({ nodes }, async (cluster) => {
      const first = async (i, room) => {
        const c = await cluster.client(i);
        await c.enter(room, room.startsWith('presence-') ? { user_id: `u${cluster.clients().length}` } : undefined);
        return [{ ...(await c.until((f) => !isMember(f))) }, c];
      };
      for (const channel of ['cache-x', 'private-cache-x', 'presence-cache-x']) {
        const members = [];
        for (const i of [...cluster.nodes.keys(), 0]) { // node 0's second hears what its first is spared
          const [f, c] = await first(i, channel);
          assert.deepStrictEqual(f, { event: 'pusher:cache_miss', channel, data: '{}' });
          members.push(c);
        }
        for (const [i, node] of cluster.nodes.entries()) {
          await publish(node, { name: 'now', channel, data: `${i}`, socket_id: members[0].socketId });
          for (const c of members.slice(1)) assert.strictEqual((await c.until('now')).data, `${i}`);
          const kept = { event: 'now', channel, data: `${i}` };
          for (const [j] of cluster.nodes.entries()) {
            const [f, c] = await first(j, channel);
            assert.deepStrictEqual(f, kept);
            assert.deepStrictEqual((await c.barrier()).filter((x) => !isMember(x)), [], 'once');
            c.close();
          }
        }
        assert.strictEqual((await ask(cluster.nodes[0], `/channels/${channel}`, { info: 'cache' })).cache.data, `${nodes - 1}`);
      }
    }));

    test('pusher-js on every node: members, dedup, client events, user_info', withCluster({ nodes }, async (cluster) => {
      const application = await Application.start(cluster.apps[0]);
      try {
        const rooms = [];
        for (const [i, node] of cluster.nodes.entries()) {
          const pusher = await connected(connectAs(node, application, { id: `user-${i}`, info: { name: `Name ${i}` } }));
          rooms.push(await entered(pusher, ROOM));
        }
        await eventually(async () => assert.deepStrictEqual(rooms.map((r) => r.members.count), rooms.map(() => nodes)));
        assert.deepStrictEqual(rooms[0].members.get('user-1'), { id: 'user-1', info: { name: 'Name 1' } });
        const log = rooms.map((r) => {
          const seen = [];
          r.bind('pusher:member_added', (m) => seen.push(`+${m.id} ${m.info.name}`));
          r.bind('pusher:member_removed', (m) => seen.push(`-${m.id}`));
          r.bind('client-said', (data, meta) => seen.push(`${meta.user_id}: ${data.text}`));
          return seen;
        });
        const guests = [];
        for (const node of cluster.nodes) {
          guests.push(await connected(connectAs(node, application, { id: 'guest', info: { name: `of ${guests.length}` } })));
          await entered(guests.at(-1), ROOM);
        }
        guests[0].disconnect();
        await cluster.held(ROOM, 'guest', nodes - 1);
        assert.ok(guests[1].channel(ROOM).trigger('client-said', { text: 'hello' }));
        await Promise.all(log.map((seen) => eventually(async () => assert.strictEqual(seen.length, 2))));
        for (const g of guests.slice(1)) g.disconnect();
        const wanted = ['+guest of 0', 'guest: hello', '-guest'];
        await Promise.all(log.map((seen) => eventually(async () => assert.deepStrictEqual(seen, wanted))));
      } finally {
        for (const node of cluster.nodes) hangUp(node);
        await application.stop();
      }
    }));
  });
}

describe('exactness', { concurrency: 2 }, () => {
  test('limit 100, 500 join at once over 4 nodes: 100 are let in, 400 refused', withCluster({ nodes: 4 }, async (cluster, t) => {
    const clients = await Promise.all(Array.from({ length: 500 }, (_, i) => cluster.client(i % 4)));
    const before = Date.now();
    const answers = await Promise.all(clients.map((c, i) => c.join(ROOM, { user_id: `u${i}` })));
    t.diagnostic(`500 answers after ${Date.now() - before} ms`);
    const refused = answers.filter((f) => f.event === 'pusher:subscription_error');
    for (const f of refused) assert.deepStrictEqual([f.channel, f.data.type, f.data.status], [ROOM, 'PresenceLimitReached', 4100]);
    const admitted = clients.filter((_, i) => answers[i].event === 'pusher_internal:subscription_succeeded');
    assert.deepStrictEqual([admitted.length, refused.length], [100, 400]);
    t.diagnostic(`views, Redis and 4 APIs agree after ${await cluster.agree(ROOM)} ms more`);
    assert.strictEqual(Object.keys(cluster.holders(ROOM)).length, 100);
    assert.deepStrictEqual(cluster.nodes.map((n) => admitted.filter((c) => c.server === n).length).reduce((a, b) => a + b), 100);
    // A place that is left is filled once, whoever asks for it; a member's second tab always fits.
    const [tab] = await Promise.all([cluster.client(3)]);
    await tab.enter(ROOM, { user_id: admitted[0].checker.own.get(ROOM) });
    tab.leave(ROOM);
    admitted[1].leave(ROOM);
    await admitted[0].until(REMOVED);
    await cluster.held(ROOM, admitted[1].checker.own.get(ROOM), 0);
    const rest = clients.filter((c) => !admitted.includes(c)).slice(0, 40);
    const again = await Promise.all(rest.map((c) => c.join(ROOM, { user_id: c.checker.own.get(ROOM) })));
    assert.strictEqual(again.filter((f) => f.event === 'pusher_internal:subscription_succeeded').length, 1);
    await cluster.agree(ROOM);
  }));

  test('a user who joins and leaves on two nodes in a tight loop: all see the same, strictly alternating', withCluster({ nodes: 3 }, async (cluster, t) => {
    const all = await watchers(cluster);
    const until = Date.now() + 2500;
    let turns = 0;
    const loop = async (i) => {
      const c = await cluster.client(i);
      for (; Date.now() < until; turns++) {
        await c.enter(ROOM, { user_id: 'u' });
        if (turns % 3 === 0) await after(Math.random() * 4);
        c.leave(ROOM);
        if (turns % 5 < 3) await after(Math.random() * 4);
      }
      await c.barrier();
      await cluster.held(ROOM, 'u', 0);
    };
    await Promise.all([loop(0), loop(1)]);
    await cluster.agree(ROOM);
    await publish(cluster.nodes[2], { name: 'end', channel: ROOM, data: '' });
    const seen = [];
    for (const w of all) {
      await w.until('end');
      seen.push(w.frames.filter((f) => isMember(f) && JSON.parse(f.data).user_id === 'u').map((f) => f.raw));
    }
    assert.ok(seen[0].length > 10 && seen[0].length % 2 === 0, `${seen[0].length} events`);
    for (const s of seen.slice(1)) assert.deepStrictEqual(s, seen[0], 'one order');
    t.diagnostic(`${turns} joins and leaves, ${seen[0].length} events on each of 3 nodes`);
  }));

  test('one Redis, another database or another prefix: another cluster', withCluster(() => ({ config: { apps: [app()] } }), async (cluster) => {
    const a = await cluster.client(0);
    await a.enter(ROOM, { user_id: 'a' });
    for (const redis of [{ db: 3 }, { prefix: 'other:' }]) {
      const node = await start({ ...cluster.config, ...adapter(cluster.redis, redis) });
      const b = await node.client();
      assert.deepStrictEqual((await b.enter(ROOM, { user_id: 'b' })).ids, ['b']);
      await publish(node, { name: 'theirs', channel: ROOM, data: '' });
      await b.until('theirs');
      assert.deepStrictEqual(await a.barrier(), []);
      await publish(cluster.nodes[0], { name: 'ours', channel: ROOM, data: '' });
      await a.until('ours');
      assert.deepStrictEqual(await b.barrier(), []);
      await node.stop();
    }
  }));

  test('apps are apart', withCluster(() => ({ config: { apps: [app(), app()] } }), async (cluster) => {
    const [one, two] = cluster.apps;
    const a = await cluster.client(0, { app: one });
    const b = await cluster.client(1, { app: two });
    for (const c of [a, b]) await c.enter(ROOM, { user_id: 'same' });
    await publish(cluster.nodes[1], { name: 'e', channel: ROOM, data: '' }, { app: one });
    await a.until('e');
    a.leave(ROOM);
    await a.barrier();
    await eventually(async () => assert.deepStrictEqual(cluster.holders(ROOM, one), {}));
    assert.deepStrictEqual(await b.barrier(), []);
    assert.deepStrictEqual(await ask(cluster.nodes[0], '/channels', {}, { app: two }), { channels: { [ROOM]: {} } });
  }));
});
