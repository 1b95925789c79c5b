'use strict';
// What faults look like to clients (PRESENCE.md, its table): a node killed, all stopped in
// turn, Redis silent, empty, cut off, late. checker.js sees every doubled event; each test says
// which removals were true, and every other is false. Times stand in the diagnostics, beside
// their bounds. WIRE_LONG=1: Redis is silent for 40 s, not 5.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { Server, app, run, write } = require('./support/server');
const { Client } = require('./support/client');
const { call } = require('./support/api');
const { Redis, adapter } = require('./support/redis');
const { Application, connectAs, inside: entered, hangUp } = require('./support/official');
const { Cluster, withCluster, eventually, after } = require('./support/cluster');
const { Gate } = require('../chaos/support/gate');

const ROOM = 'presence-room';
const ADDED = 'pusher_internal:member_added';
const REMOVED = 'pusher_internal:member_removed';
const SILENT = process.env.WIRE_LONG ? 40 : 5; // s
const fast = () => ({ apps: [app({ max_client_events_per_second: 0 })] });

/** A user's client on node i, in the room; seen: when it was told of whom. */
async function member(cluster, i, id) {
  const c = i === undefined ? await Client.open(cluster.balancing) : await cluster.client(i);
  c.seen = [];
  c.on('frame', () => {
    const f = c.frames.at(-1);
    if (f.event === ADDED || f.event === REMOVED) c.seen.push([(f.event === ADDED ? '+' : '-') + JSON.parse(f.data).user_id, Date.now()]);
  });
  await c.enter(ROOM, { user_id: id });
  return c;
}

async function members(cluster, n, prefix, node) {
  const all = [];
  for (let i = 0; i < n; i++) all.push(await member(cluster, node === undefined ? i % cluster.nodes.length : node, `${prefix}${i}`));
  return all;
}

/** Everybody agrees, and from now on everything is news. */
async function settled(cluster) {
  await cluster.agree(ROOM);
  for (const c of cluster.clients()) c.seen = [];
}

/** The difference that each of these was told, all the same but for the order. */
function news(clients, wanted) {
  for (const c of clients) assert.deepStrictEqual(c.seen.map(([what]) => what).sort(), [...wanted].sort(), `what ${c.checker.own.get(ROOM)} was told`);
}

/** When the last of them heard of it, in ms from then. */
const heard = (clients, what, since) => Math.max(...clients.map((c) => c.seen.find(([w]) => w === what)[1])) - since;

/** What comes to each of the clients soon; the bound is PRESENCE.md's and a second for this machine. */
function within(t, what, ms, bound) {
  t.diagnostic(`${what}: ${(ms / 1000).toFixed(2)} s (bound ${bound} s)`);
  assert.ok(ms <= bound * 1000 + 1000, `${what}: ${ms} ms`);
}

describe('faults', { concurrency: 6 }, () => {
  test('kill -9 of a node: its users are removed within 11 s, those who return within 7 s never', withCluster({ nodes: 3 }, async (cluster, t) => {
    const stay = [...(await members(cluster, 2, 'one', 1)), ...(await members(cluster, 2, 'two', 2))];
    await members(cluster, 20, 'u', 0);
    await settled(cluster);
    assert.deepStrictEqual([cluster.hearts(), cluster.references()], [cluster.numbers(), cluster.numbers()]);
    const began = Date.now();
    await cluster.kill(0);
    const back = [];
    for (let i = 0; i < 10; i++) {
      await after(began + 500 + i * 700 - Date.now());
      back.push(await member(cluster, 1 + (i % 2), `u${i}`));
    }
    within(t, 'the last of ten returned', Date.now() - began, 7);
    const lost = Array.from({ length: 10 }, (_, i) => `-u${i + 10}`);
    await eventually(async () => news(stay, lost), began + 12500 - Date.now());
    within(t, 'the ten others were removed', Math.max(...lost.map((l) => heard(stay, l, began))), 11);
    await cluster.agree(ROOM);
    news(stay, lost);
    news(back, lost);
    await cluster.forgotten();
  }));

  test('all nodes stopped in turn by SIGTERM: who returns elsewhere within 9 s was never away', withCluster({ nodes: 3 }, async (cluster, t) => {
    const application = await Application.start(cluster.apps[0]);
    const balancing = await cluster.balancer();
    let over = false;
    const codes = [];
    const visit = async (id) => {
      while (!over) {
        const c = await member(cluster, undefined, id).catch((e) => e); // it may meet a node that stops
        if (c instanceof Error) assert.match(c.message, /closed with (4200|1006)/); // 1006: it was never let in
        else codes.push(await c.gone(60000));
      }
    };
    const visits = Array.from({ length: 9 }, (_, i) => visit(`u${i}`));
    const ids = Array.from({ length: 9 }, (_, i) => `u${i}`);
    try {
      const rooms = [];
      for (let i = 0; i < 3; i++) rooms.push(await entered(connectAs(balancing, application, { id: `pusher-${i}`, info: i }), ROOM));
      await member(cluster, 2, 'slow');
      const everybody = [...ids, 'pusher-0', 'pusher-1', 'pusher-2', 'slow'].sort();
      const complete = () => eventually(async () => assert.deepStrictEqual(Object.keys(cluster.holders(ROOM)).sort(), everybody));
      await complete();
      await after(100);
      for (const c of cluster.clients()) c.seen = [];
      const told = [];
      for (const r of rooms) for (const e of ['pusher:member_added', 'pusher:member_removed']) r.bind(e, (m) => told.push(`${e} ${m.id}`));
      for (let i = 0; i < 3; i++) {
        await cluster.stopNode(i);
        await cluster.restart(i);
        await complete();
      }
      const last = Date.now();
      await eventually(async () => rooms.forEach((r) => assert.strictEqual(r.members.count, 13)));
      await after(last + 9000 - Date.now());
      await member(cluster, 0, 'slow');
      await cluster.forgotten(16000);
      within(t, 'the last that stopped is forgotten', Date.now() - last, 11);
      assert.doesNotMatch(cluster.all.map((n) => n.log()).join(''), /cluster\.dead/); // who said bye has left
      await complete();
      news(cluster.clients().filter((c) => c.seen), []);
      assert.deepStrictEqual(told, []);
      assert.ok(codes.length >= 9 && codes.every((c) => c === 4200), codes.join());
      t.diagnostic(`${codes.length} closes with 4200, no member event`);
    } finally {
      over = true;
      hangUp(balancing);
      for (const c of cluster.clients()) c.close();
      await Promise.all(visits);
      await application.stop();
    }
  }));

  test(`Redis stopped for ${SILENT} s: nobody is removed; what is said on a node is heard there`, withCluster(() => ({ nodes: 2, config: fast() }), async (cluster, t) => {
    const here = await members(cluster, 3, 'here', 0);
    const there = await members(cluster, 3, 'there', 1);
    const leaver = await member(cluster, 0, 'leaver');
    await settled(cluster);
    const began = Date.now();
    cluster.redis.kill('SIGSTOP');
    let over = false;
    const talk = (async () => {
      let n = 0;
      for (; !over; await after(50)) here[0].clientEvent(ROOM, 'client-n', { n: n++, at: Date.now() });
      return n;
    })();
    const delays = [];
    here[1].on('frame', () => {
      const f = here[1].frames.at(-1);
      if (f.event === 'client-n') delays.push(Date.now() - f.data.at);
    });
    await after(began + 2700 - Date.now());
    const refused = await call(cluster.nodes[0], 'POST', '/events', { body: { name: 'e', channel: ROOM, data: '' } });
    assert.deepStrictEqual([refused.status, /^\d+$/.test(refused.headers['retry-after'])], [503, true], refused.text);
    const late = await member(cluster, 0, 'late');
    leaver.leave(ROOM);
    await eventually(async () => news(here, ['+late', '-leaver']), 1000);
    await after(began + SILENT * 1000 - Date.now());
    const cont = Date.now();
    cluster.redis.kill('SIGCONT');
    await eventually(async () => news(there, ['+late', '-leaver']), 8000);
    within(t, 'a real join is seen elsewhere after', heard(there, '+late', cont), 3);
    within(t, 'a real leave is seen elsewhere after', heard(there, '-leaver', cont), 7);
    await cluster.agree(ROOM, 8000);
    t.diagnostic(`views, Redis and the API agree ${Date.now() - cont} ms after SIGCONT`);
    over = true;
    const n = await talk;
    here[0].clientEvent(ROOM, 'client-end', {});
    for (const c of [...here.slice(1), ...there]) await c.until('client-end');
    const numbers = (c) => c.frames.filter((f) => f.event === 'client-n').map((f) => f.data.n);
    for (const c of here.slice(1)) assert.deepStrictEqual(numbers(c), Array.from({ length: n }, (_, i) => i), 'each once, in order');
    for (const c of there) assert.deepStrictEqual(numbers(c), [...new Set(numbers(c))].sort((a, b) => a - b), 'none twice, in order');
    within(t, 'the longest wait of a client event on its node', Math.max(...delays), 2.5);
    t.diagnostic(`${n} client events, ${numbers(there[0]).length} of them on the other node`);
    const { status } = await call(cluster.nodes[1], 'POST', '/events', { body: { name: 'e', channel: ROOM, data: '' } });
    assert.strictEqual(status, 200);
    for (const c of [...here, ...there, late]) await c.until('e');
    news([...here, ...there], ['+late', '-leaver']);
    for (const c of [...here, ...there, late]) assert.strictEqual(c.state, 'open');
  }));

  test('Redis killed and started empty: nothing false, real leaves within 9 s', withCluster({ nodes: 3 }, async (cluster, t) => {
    const stay = await members(cluster, 6, 'u');
    const [down, early] = [await member(cluster, 0, 'down'), await member(cluster, 1, 'early')];
    await settled(cluster);
    await cluster.redis.crash();
    down.drop();
    await after(300);
    await cluster.redis.start();
    const began = Date.now();
    early.leave(ROOM);
    const came = await member(cluster, 2, 'new');
    within(t, 'a join is answered', Date.now() - began, 2);
    await eventually(async () => news(stay, ['+new', '-down', '-early']), 11000);
    for (const who of ['+new', '-down', '-early']) within(t, `${who} is seen by all`, heard(stay, who, began), who === '+new' ? 2 : 10);
    await cluster.agree(ROOM);
    t.diagnostic(`views, Redis and the API agree ${Date.now() - began} ms after Redis was there`);
    news(stay, ['+new', '-down', '-early']);
    assert.strictEqual(came.state, 'open');
  }));

  test('one node cut off until it is taken for dead: who left it meanwhile isn’t shown there again', withCluster({ nodes: 1 }, async (cluster, t) => {
    const gate = await new Gate(cluster.redis.socket).open();
    t.after(() => gate.close());
    const node = await cluster.restart(1, adapter({}, { unix_socket: '', host: '127.0.0.1', port: gate.port }));
    const [away, leaver, seer] = [await member(cluster, 0, 'away'), await member(cluster, 1, 'leaver'), await member(cluster, 1, 'seer')];
    await settled(cluster);
    gate.silence();
    await eventually(() => assert.match(node.log(), /redis\.degraded/));
    leaver.leave(ROOM);
    await eventually(() => news([seer], ['-leaver']));
    await eventually(() => news([away], ['-leaver', '-seer']), 15000);
    gate.restore();
    const since = Date.now();
    await eventually(() => assert.match(node.log(), /cluster\.nid [^]*cluster\.nid /), 10000);
    await cluster.agree(ROOM);
    t.diagnostic(`it has another name, and all agree, after ${Date.now() - since} ms`);
    await after(8000); // removals wait 6 s
    news([seer], ['-leaver']);
    news([away], ['-leaver', '-seer', '+seer']);
  }));

  test('CLIENT KILL TYPE pubsub under churn: nothing false, and right again soon', withCluster({ nodes: 2 }, async (cluster, t) => {
    const stay = await members(cluster, 4, 'stay');
    await settled(cluster);
    const killed = [];
    for (let i = 0; i < 3; i++) {
      await cluster.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      const comer = await member(cluster, i % 2, `comer${i}`);
      const began = Date.now();
      const name = `after-${i}`;
      await eventually(async () => {
        const { status } = await call(cluster.nodes[i % 2], 'POST', '/events', { body: { name, channel: ROOM, data: '' } });
        assert.ok(status === 200 || status === 503, `${status}`);
        assert.ok(stay.every((c) => c.frames.some((f) => f.event === name)));
      });
      killed.push(Date.now() - began);
      if (i) comer.leave(ROOM);
    }
    within(t, 'an event crosses again', Math.max(...killed), 2);
    within(t, 'views, Redis and the API agree', await cluster.agree(ROOM, 8000), 6);
    const wanted = ['+comer0', '+comer1', '-comer1', '+comer2', '-comer2'];
    for (const c of stay) {
      const told = c.seen.map(([what]) => what);
      assert.deepStrictEqual(told.filter((w) => !wanted.includes(w)), [], 'nothing false');
      assert.ok(told.includes('+comer0'));
    }
  }));

  test('FLUSHALL under churn: who stays is never removed, and all is right again', withCluster({ nodes: 3 }, async (cluster, t) => {
    const stay = await members(cluster, 6, 'stay');
    await settled(cluster);
    let over = false;
    let turns = 0;
    const churn = Promise.all(Array.from({ length: 6 }, async (_, i) => {
      const c = await cluster.client(i % 3);
      for (; !over; turns++) {
        await c.enter(ROOM, { user_id: `comer${i >> 1}` });
        await after(Math.random() * 30);
        c.leave(ROOM);
        await c.barrier();
      }
      await c.enter(ROOM, { user_id: `comer${i >> 1}` });
      if (i < 2) c.leave(ROOM);
    }));
    for (let i = 0; i < 4; i++) {
      await after(600);
      await cluster.redis.call('FLUSHALL');
    }
    await after(600);
    over = true;
    await churn;
    within(t, 'views, Redis and the API agree', await cluster.agree(ROOM, 12000), 10);
    for (const c of stay) assert.deepStrictEqual(c.seen.map(([what]) => what).filter((w) => !/^.comer/.test(w)), [], 'nobody who stays');
    t.diagnostic(`${turns} joins and leaves through 4 FLUSHALLs`);
  }));

  test('SCRIPT FLUSH: the next command brings its script along', withCluster({ nodes: 2 }, async (cluster) => {
    const stay = await members(cluster, 2, 'stay');
    await settled(cluster);
    for (let i = 0; i < 3; i++) {
      await cluster.redis.call('SCRIPT', 'FLUSH');
      const c = await member(cluster, i % 2, `u${i}`);
      c.leave(ROOM);
      await eventually(async () => assert.strictEqual(stay.filter((s) => s.seen.some(([w]) => w === `-u${i}`)).length, 2), 2000);
    }
    await cluster.agree(ROOM);
    news(stay, ['+u0', '-u0', '+u1', '-u1', '+u2', '-u2']);
    for (const n of cluster.nodes) assert.doesNotMatch(n.log(), /redis\.(down|refused|bad_reply)/);
  }));

  test('one of Muster’s keys set by somebody else: all keys deleted, as docs/redis.md says, all is right', withCluster({ nodes: 2 }, async (cluster) => {
    const clients = await members(cluster, 6, 'u');
    await settled(cluster);
    const [key] = cluster.keys('m', ROOM);
    await cluster.redis.call('SET', key, 'x');
    clients[0].leave(ROOM);
    await cluster.nodes[0].logged(/redis\.down .*WRONGTYPE/);
    await cluster.redis.call('DEL', key);
    clients[1].leave(ROOM);
    await after(3000);
    await cluster.redis.call('DEL', ...cluster.redis.list('KEYS', 'muster:*'));
    await cluster.agree(ROOM, 15000);
    news(clients.slice(2), ['-u0', '-u1']);
    await cluster.forgotten(15000);
  }));

  // As a process does that was copied with its number, before it took another.
  test('what another process left under a node’s number, where that node has done nothing, is taken back', withCluster({ nodes: 2, config: { workers: 3 } }, async (cluster, t) => {
    const rooms = Array.from({ length: 9 }, (_, i) => `presence-${i}`);
    for (const room of rooms) await (await cluster.client(0)).enter(room, { user_id: 'real' });
    const [nid] = cluster.nodes[1].log().match(/(?<=cluster\.nid nid=)[0-9a-f]+/);
    const { redis } = cluster;
    for (const room of rooms) {
      const [members] = cluster.keys('m', room);
      const [base, name] = members.split(/(?<=\})m:/);
      await redis.call('HSET', members, 'ghost', `${nid};{}`);
      await redis.call('HSET', `${base}s:${name}`, nid, 2);
      await redis.call('HSET', `${base}x:${nid}`, '@', 12, '#', 1234567, `r${name}`, 1, `s${name}`, 2);
      await redis.call('SADD', `${base}n`, nid);
    }
    assert.deepStrictEqual(cluster.holders(rooms[3]), { real: 1, ghost: 1 });
    const began = Date.now();
    for (const room of rooms) {
      // Asked sparingly: agree() holds up the tests beside this one.
      for (const [members] = cluster.keys('m', room); (await redis.call('HEXISTS', members, 'ghost')) === '1' && Date.now() < began + 20000; ) await after(200);
      await cluster.agree(room);
    }
    t.diagnostic(`views, Redis and the API agree after ${Date.now() - began} ms`);
  }));

  test('what others publish on Muster’s channels changes nothing, and doesn’t fill the log', withCluster({ nodes: 2 }, async (cluster) => {
    const [a, b] = await members(cluster, 2, 'u');
    await settled(cluster);
    const [topic] = cluster.redis.list('PUBSUB', 'CHANNELS', `*:${ROOM}`);
    const header = (kind, data) => `\x01${kind}${'0'.repeat(16)}${'\0'.repeat(36)}${data}`;
    const rubbish = [
      '', 'A', 'A 1', 'C', `C ${'9'.repeat(30)} 0123456789abcdef`, 'x'.repeat(1e6), '\x02'.repeat(58), header('E', '\x7f\x7f\x7f\x7f{}'), header('X', '\0\0\0\0{}'),
      header('T', '\0\0\0\0'), // to a user's channel alone this is the end of his connections
      `R ${2n ** 64n - 1n} ${'0'.repeat(16)} ${'1'.repeat(16)} ${'2'.repeat(16)} 2 u0`,
    ];
    for (const r of rubbish) await cluster.redis.call('PUBLISH', topic, r);
    for (let i = 0; i < 500; i++) await cluster.redis.call('PUBLISH', topic, `rubbish ${i}`);
    await member(cluster, 0, 'new');
    await cluster.agree(ROOM);
    news([a, b], ['+new']);
    await after(1000);
    await cluster.redis.call('PUBLISH', topic, 'once more');
    for (const node of cluster.nodes) {
      await node.logged(/redis\.bad_message channel=presence-room error=".*" more=\d{3}$/);
      assert.ok(node.text.split('redis.bad_message').length < 10, node.tail());
    }
  }));

  test('adapter.redis.required: false: nodes start without Redis, and find each other when it comes', async (t) => {
    const cluster = new Cluster(new Redis(), { required: false }, fast());
    try {
      for (const i of [0, 1]) await cluster.restart(i);
      const all = await members(cluster, 4, 'u');
      await eventually(async () => assert.deepStrictEqual(all.map((c) => c.checker.view(ROOM)), [['u0', 'u2'], ['u1', 'u3'], ['u0', 'u2'], ['u1', 'u3']]));
      const { status } = await call(cluster.nodes[0], 'POST', '/events', { body: { name: 'e', channel: ROOM, data: '' } });
      assert.strictEqual(status, 503);
      all[0].clientEvent(ROOM, 'client-x', {});
      await all[2].until('client-x');
      for (const c of all) c.seen = [];
      await cluster.redis.start();
      const began = Date.now();
      await cluster.agree(ROOM);
      within(t, 'views, Redis and the API agree', Date.now() - began, 3);
      news([all[0], all[2]], ['+u1', '+u3']);
      news([all[1], all[3]], ['+u0', '+u2']);
      cluster.verify();
    } catch (e) {
      e.message += `\n${cluster.logs()}`;
      await cluster.abandon();
      throw e;
    }
    await cluster.stop();
  });

  test('required, and no Redis: the start fails after 10 s and names the cause', async () => {
    const config = { host: '127.0.0.1', port: 0, apps: [app()], ...adapter({ socket: '/nowhere/redis.sock' }) };
    const before = Date.now();
    const { code, err } = await run(['--config', write(config)]);
    assert.strictEqual(code, 1, err);
    assert.match(err, /redis\.required .*error=.*No such file.* hint=.*adapter\.redis\.required/, err);
    assert.ok(Date.now() - before < 13000);
  });

  test('required, and no Redis: SIGTERM ends the wait at once', async () => {
    const config = { host: '127.0.0.1', port: 0, apps: [app()], ...adapter({ socket: '/nowhere/redis.sock' }) };
    const server = new Server(['--config', write(config)]);
    await server.logged(/redis\.connect_failed/);
    const before = Date.now();
    server.kill('SIGTERM');
    const { code } = await server.ended(12000);
    server.sane();
    assert.strictEqual(code, 0, server.log());
    assert.ok(Date.now() - before < 2000, server.log());
    assert.doesNotMatch(server.log(), /redis\.required/);
  });

  test('maxmemory-policy allkeys-lru is refused by name', async () => {
    const redis = await new Redis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] }).start();
    try {
      const { code, err } = await run(['--config', write({ host: '127.0.0.1', port: 0, apps: [app()], ...adapter(redis) })]);
      assert.strictEqual(code, 1, err);
      assert.match(err, /redis\.required .*maxmemory-policy is allkeys-lru/);
    } finally {
      await redis.stop();
    }
  });
});
