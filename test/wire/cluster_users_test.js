'use strict';
// Users, watchlists, webhooks and counts over several nodes: what watchlist_test.js and
// webhooks_test.js show of one, with every part on another node.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { app } = require('./support/server');
const { call, publish, ask } = require('./support/api');
const { Receiver, names } = require('./support/receiver');
const { EVENT, told, until } = require('./support/watchlist');
const { withCluster, eventually, after } = require('./support/cluster');

const isEvent = (f) => !/^pusher/.test(f.event);

/** Once `n` nodes hold the signed-in user. */
const online = (cluster, id, n) => cluster.held(`#server-to-user-${id}`, id, n);

describe('users', { concurrency: 4 }, () => {
  test('events to a user reach his connections on all nodes, and nobody else', withCluster({ nodes: 3 }, async (cluster) => {
    const tabs = await cluster.several(6);
    const others = await cluster.several(3);
    for (const c of tabs) await c.signin({ id: 'ann' });
    for (const [i, c] of others.entries()) await c.signin({ id: `bob-${i}`, watchlist: ['ann'] });
    for (const node of cluster.nodes) {
      await publish(node, { name: 'mail', channel: '#server-to-user-ann', data: 'x' });
      for (const c of tabs) assert.deepStrictEqual({ ...(await c.until(isEvent)) }, { event: 'mail', channel: '#server-to-user-ann', data: 'x' });
      await publish(node, { name: 'but', channel: '#server-to-user-ann', data: '', socket_id: tabs[4].socketId });
      for (const c of tabs) if (c !== tabs[4]) await c.until('but');
    }
    assert.deepStrictEqual((await tabs[4].barrier()).filter(isEvent), []);
    for (const c of others) assert.deepStrictEqual((await c.barrier()).filter(isEvent), []);
  }));

  test('what is sent to a user goes to the nodes where he is signed in, not to who watches him', withCluster({ nodes: 3 }, async (cluster) => {
    const name = `${cluster.apps[0].id}:#server-to-user-ann`;
    const listeners = async (letter) => {
      const [topic] = cluster.redis.list('PUBSUB', 'CHANNELS', `*}${letter}:${name}`);
      return topic ? Number(cluster.redis.list('PUBSUB', 'NUMSUB', topic)[1]) : 0;
    };
    const watchers = await cluster.several(3);
    for (const [i, w] of watchers.entries()) await w.signin({ id: `w${i}`, watchlist: ['ann'] });
    for (const w of watchers) await until(w, { ann: 'offline' });
    assert.deepStrictEqual([await listeners('c'), await listeners('t')], [3, 0]);
    const tabs = [];
    for (const i of [1, 2]) {
      const tab = await cluster.client(i);
      await tab.signin({ id: 'ann' });
      tabs.push(tab);
      assert.deepStrictEqual([await listeners('c'), await listeners('t')], [3, i]);
      for (const node of cluster.nodes) {
        await publish(node, { name: 'mail', channel: '#server-to-user-ann', data: 'x' });
        for (const t of tabs) await t.until('mail');
      }
    }
    for (const w of watchers) await until(w, { ann: 'online' });
    for (const t of tabs) t.close();
    for (const w of watchers) await until(w, { ann: 'offline' });
    for (const w of watchers) assert.deepStrictEqual(told(w).times, { ann: 3 });
  }));

  test('terminate_connections on any node ends them on all with 4009; later ones stay', withCluster({ nodes: 3 }, async (cluster) => {
    const bob = await cluster.client(1);
    await bob.signin({ id: 'bob', watchlist: ['ann'] });
    for (const node of cluster.nodes) {
      const tabs = await cluster.several(6);
      for (const c of tabs) await c.signin({ id: 'ann' });
      const { status, text } = await call(node, 'POST', '/users/ann/terminate_connections', { body: '{}' });
      assert.deepStrictEqual([status, text], [200, '{}']);
      for (const c of tabs) {
        assert.strictEqual((await c.until('pusher:error')).data.code, 4009);
        assert.strictEqual(await c.gone(), 4009);
      }
      const again = await cluster.next().client();
      assert.strictEqual((await again.signin({ id: 'ann' })).event, 'pusher:signin_success');
      await after(50);
      await again.barrier();
      again.close();
      await again.gone();
      await until(bob, { ann: 'offline' });
    }
    await bob.barrier();
  }));

  test('a user with connections on several nodes is online until the last has gone', withCluster({ nodes: 3 }, async (cluster) => {
    const watchers = await cluster.several(3);
    for (const [i, w] of watchers.entries()) await w.signin({ id: `w${i}`, watchlist: ['ann', 'bob'] });
    for (const w of watchers) await until(w, { ann: 'offline', bob: 'offline' });
    const tabs = await cluster.several(4, { tcp: true });
    for (const c of tabs) await c.signin({ id: 'bob' });
    for (const w of watchers) await until(w, { ann: 'offline', bob: 'online' });
    await online(cluster, 'bob', 3);
    for (const [i, way] of [(c) => c.close(), (c) => c.drop(), (c) => c.reset()].entries()) {
      way(tabs[i]);
      await tabs[i].gone();
    }
    await online(cluster, 'bob', 1);
    await after(100);
    for (const w of watchers) assert.deepStrictEqual(told(w).times, { ann: 1, bob: 2 });
    const late = await cluster.client(2);
    await late.signin({ id: 'late', watchlist: ['bob'] });
    await until(late, { bob: 'online' });
    tabs[3].close();
    for (const w of watchers) await until(w, { ann: 'offline', bob: 'offline' });
    await until(late, { bob: 'offline' });
    for (const w of watchers) assert.deepStrictEqual(told(w).times, { ann: 1, bob: 3 });
  }));

  test('online and offline alternate through sign-ins and closes on two nodes', withCluster({ nodes: 3 }, async (cluster, t) => {
    const watchers = await cluster.several(3);
    for (const [i, w] of watchers.entries()) await w.signin({ id: `w${i}`, watchlist: ['bob'] });
    let turns = 0;
    const loop = async (node) => {
      for (let i = 0; i < 60; i++, turns++) {
        const c = await cluster.client(node, { tcp: true });
        await c.signin({ id: 'bob' });
        if (i % 3) c.drop();
        else c.close();
        await c.gone();
        if (i % 4) await after(Math.random() * 5);
      }
    };
    await Promise.all([loop(0), loop(1)]);
    await online(cluster, 'bob', 0);
    for (const w of watchers) await until(w, { bob: 'offline' });
    for (const w of watchers) {
      const states = w.frames.filter((f) => f.event === EVENT).map((f) => JSON.parse(f.data).events[0].name);
      states.forEach((s, i) => assert.ok(i === 0 || s !== states[i - 1], states.join(' ')));
    }
    t.diagnostic(`${turns} sign-ins, told ${watchers.map((w) => told(w).times.bob).join(', ')} times`);
  }));
});

/** A cluster with one receiver of webhooks; its log is the answer to what was sent. */
const withHooks = (nodes, hook, more, body) => async (t) => {
  const receiver = await new Receiver().open();
  t.after(() => receiver.close());
  const config = { webhooks: { batch_ms: 20 }, apps: [app({ webhooks: [{ url: receiver.url, ...hook }], ...more })] };
  await withCluster({ nodes, config }, async (cluster) => {
    try {
      await body(cluster, receiver);
    } catch (e) {
      e.message += `\n${JSON.stringify(names(receiver))}`;
      throw e;
    }
  })(t);
};

describe('webhooks', { concurrency: 4 }, () => {
  test('three nodes have part, each transition is sent once', withHooks(3, {}, {}, async (cluster, receiver) => {
    const all = await cluster.several(6);
    for (const [i, c] of all.entries()) await c.enter('presence-x', { user_id: i < 4 ? 'ann' : `u${i}` });
    for (const c of all) await c.subscribe('room');
    await receiver.until(5);
    for (const c of all) {
      c.leave('room');
      c.leave('presence-x');
    }
    await receiver.until(10);
    await after(300);
    assert.deepStrictEqual(names(receiver).sort(), [
      'channel_occupied presence-x', 'channel_occupied room', 'channel_vacated presence-x', 'channel_vacated room',
      'member_added presence-x ann', 'member_added presence-x u4', 'member_added presence-x u5',
      'member_removed presence-x ann', 'member_removed presence-x u4', 'member_removed presence-x u5',
    ]);
  }));

  /** Everyone who comes makes the channel's state, and whoever goes ends it: four events a round, each node's in turn. */
  const toggle = async (cluster, channel, rounds, pause = 0) => {
    const all = await cluster.several(cluster.nodes.length);
    for (let round = 0; round < rounds; round++) {
      const c = all[round % all.length];
      await c.enter(channel, { user_id: `u${round}` });
      c.leave(channel);
      await eventually(async () => assert.deepStrictEqual(cluster.keys('m', channel).concat(cluster.keys('s', channel)), []));
      await after(pause);
    }
  };
  const inOrder = (n) => Array.from({ length: n }, (_, i) => ['channel_occupied', `member_added u${i}`, `member_removed u${i}`, 'channel_vacated']).flat();
  const of = (receiver, channel) => receiver.events.filter((e) => e.channel === channel).map((e) => [e.name, e.user_id].join(' ').trim());

  test('a channel’s are sent in their order through whichever nodes, though the receiver fails, stalls and is slow', withHooks(3, {}, {}, async (cluster, receiver) => {
    receiver.answer = (n, res) => {
      if (n % 4 === 1) return 500;
      if (n % 4 === 2) return res.destroy();
      return 200;
    };
    receiver.delay = (n) => (n % 3) * 60;
    await Promise.all(['presence-x', 'presence-y'].map((channel) => toggle(cluster, channel, 12)));
    await receiver.until(96, 20000);
    await after(300);
    for (const channel of ['presence-x', 'presence-y']) assert.deepStrictEqual(of(receiver, channel), inOrder(12), channel);
  }));

  test('a receiver that is dead holds up no other app, nor the same channel’s other receiver, on any node', async (t) => {
    const [dead, live, other] = await Promise.all([new Receiver(() => 500).open(), new Receiver().open(), new Receiver().open()]);
    t.after(() => [dead, live, other].forEach((r) => r.close()));
    const apps = [app({ webhooks: [{ url: dead.url }, { url: live.url }] }), app({ webhooks: [{ url: other.url }] })];
    await withCluster({ nodes: 3, config: { webhooks: { batch_ms: 20 }, apps } }, async (cluster) => {
      const before = Date.now();
      const strangers = await cluster.several(3, { app: apps[1] });
      await Promise.all([
        toggle(cluster, 'presence-x', 9, 400), // while the first is being tried again
        ...strangers.map((c, i) => c.subscribe(`room-${i}`)),
      ]);
      await live.until(36);
      await other.until(3);
      assert.ok(Date.now() - before < 8000, `after ${Date.now() - before} ms`);
      assert.deepStrictEqual(of(live, 'presence-x'), inOrder(9));
      await eventually(async () => assert.ok(dead.requests.length > 2));
      dead.answer = () => 200;
      await dead.until(36, 60000);
      assert.deepStrictEqual(of(dead, 'presence-x'), inOrder(9));
      assert.strictEqual(live.events.length, 36);
    })(t);
  });

  test('what a node was sending when it exits goes on from another at once, and nothing twice', withHooks(2, {}, {}, async (cluster, receiver) => {
    receiver.answer = () => 500;
    const c = await cluster.client(0);
    await c.enter('presence-x', { user_id: 'ann' });
    await eventually(async () => assert.ok(receiver.requests.length > 0));
    receiver.answer = () => 200;
    await cluster.stopNode(0);
    await receiver.until(2);
    await eventually(async () => assert.deepStrictEqual(['*}w', '*}wc', '*}wh:*'].flatMap((key) => cluster.redis.list('KEYS', key)), [])); // all is said to be done
    const again = await cluster.client(1);
    await again.enter('presence-x', { user_id: 'bob' });
    await receiver.until(3);
    await after(1500);
    assert.deepStrictEqual(names(receiver).slice(0, 3), ['channel_occupied presence-x', 'member_added presence-x ann', 'member_added presence-x bob']);
    assert.strictEqual(receiver.events.filter((e) => e.name === 'member_added').length, 2, JSON.stringify(names(receiver)));
  }));

  test('a lost connection is waited for, 3 s: who returns on another node was never away', withHooks(3, {}, {}, async (cluster, receiver) => {
    const watcher = await cluster.client(2);
    await watcher.enter('presence-x', { user_id: 'w' });
    const [ann, bob] = [await cluster.client(0, { tcp: true }), await cluster.client(0, { tcp: true })];
    await ann.enter('presence-x', { user_id: 'ann' });
    await ann.subscribe('alone');
    await bob.enter('presence-x', { user_id: 'bob' });
    await receiver.until(5);
    const before = Date.now();
    ann.drop();
    bob.drop();
    for (let i = 0; i < 2; i++) await watcher.until('pusher_internal:member_removed');
    await after(1500);
    const back = await cluster.client(1);
    await back.enter('presence-x', { user_id: 'ann' });
    await back.subscribe('alone');
    await receiver.until(6);
    assert.ok(Date.now() - before > 2900, `after ${Date.now() - before} ms`);
    await after(1500);
    assert.deepStrictEqual(names(receiver).slice(5), ['member_removed presence-x bob']);
    back.close();
    await receiver.until(8);
    assert.deepStrictEqual(names(receiver).slice(6).sort(), ['channel_vacated alone', 'member_removed presence-x ann']);
  }));

  const counts = (receiver) => receiver.events.filter((e) => e.name === 'subscription_count').map((e) => e.subscription_count);

  test('subscription_count: each, whoever’s last subscriber leaves, between occupied and vacated', withHooks(2, {}, { enable_subscription_count: true }, async (cluster, receiver) => {
    const [a, b] = await cluster.several(2);
    await a.subscribe('room');
    await receiver.until(2);
    await b.subscribe('room');
    await receiver.until(3);
    b.leave('room');
    await receiver.until(4);
    a.leave('room');
    await receiver.until(6);
    await after(300);
    assert.deepStrictEqual(receiver.events.map((e) => [e.name, e.subscription_count].join(' ').trim()), [
      'channel_occupied', 'subscription_count 1', 'subscription_count 2', 'subscription_count 1', 'subscription_count 0', 'channel_vacated',
    ]);
  }));

  test('subscription_count: without those of a node that was killed', withHooks(2, { event_types: ['subscription_count'] }, { enable_subscription_count: true }, async (cluster, receiver) => {
    const all = await cluster.several(4);
    for (const [i, c] of all.entries()) {
      await c.subscribe('room');
      await receiver.until(i + 1);
    }
    await cluster.kill(1);
    await receiver.until(5, 13000);
    await after(300);
    assert.deepStrictEqual(counts(receiver), [1, 2, 3, 4, 2]);
  }));

  test('client events are sent by the sender’s node alone; a miss and a count by one', withHooks(3, { event_types: ['client_event', 'cache_miss', 'subscription_count'] }, { enable_subscription_count: true }, async (cluster, receiver) => {
    const all = await cluster.several(3);
    for (const [i, c] of all.entries()) await c.enter('presence-x', { user_id: `u${i}` });
    all[1].clientEvent('presence-x', 'client-hi', 'text');
    await receiver.until(1);
    assert.deepStrictEqual(receiver.events[0], { name: 'client_event', channel: 'presence-x', event: 'client-hi', data: 'text', socket_id: all[1].socketId, user_id: 'u1' });
    await all[0].subscribe('cache-x');
    await receiver.until(3);
    await all[2].subscribe('cache-x');
    await receiver.until(5);
    await after(200);
    assert.deepStrictEqual(receiver.events.slice(1).map((e) => [e.name, e.subscription_count].join(' ').trim()).sort(), [
      'cache_miss', 'cache_miss', 'subscription_count 1', 'subscription_count 2',
    ]);
  }));
});

test('subscription_count is all nodes’, and the last that is told is right everywhere', withCluster(() => ({ nodes: 3, config: { apps: [app({ enable_subscription_count: true })] } }), async (cluster) => {
  const all = await cluster.several(9);
  const last = (c) => c.frames.filter((f) => f.event === 'pusher_internal:subscription_count').map((f) => JSON.parse(f.data).subscription_count).at(-1);
  await Promise.all(all.map((c) => c.subscribe('room')));
  await eventually(async () => assert.deepStrictEqual(all.map(last), all.map(() => 9)));
  for (const c of all.slice(5)) c.leave('room');
  await eventually(async () => assert.deepStrictEqual(all.slice(0, 5).map(last), all.slice(0, 5).map(() => 5)));
  for (const c of all.slice(3, 5)) c.drop();
  await eventually(async () => assert.deepStrictEqual(all.slice(0, 3).map(last), [3, 3, 3]));
  for (const node of cluster.nodes) assert.strictEqual((await ask(node, '/channels/room', { info: 'subscription_count' })).subscription_count, 3);
}));
