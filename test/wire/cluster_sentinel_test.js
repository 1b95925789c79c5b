'use strict';
// Failovers by real sentinels, under load: the master killed or frozen, its replica complete or
// cut off before (so that writes are lost). Figures stand in the diagnostics.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { app, run, write } = require('./support/server');
const { call } = require('./support/api');
const { Watched } = require('./support/sentinel');
const { Cluster, eventually, after } = require('./support/cluster');

const ROOM = 'presence-room';
const ADDED = 'pusher_internal:member_added';
const REMOVED = 'pusher_internal:member_removed';
const DOWN_AFTER = 1000; // ms
const FOLLOWED = 1500; // ms in which the nodes must be where a sentinel says; they ask every 250 ms then
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** A test's body with two nodes that find their Redis by three sentinels. */
function withWatched(body) {
  return async (t) => {
    const watched = await Watched.start({ downAfter: DOWN_AFTER });
    const cluster = new Cluster(watched.master, watched.settings(), { apps: [app({ max_client_events_per_second: 0 })] });
    try {
      await Promise.all([0, 1].map((i) => cluster.restart(i)));
      await body(cluster, watched, t);
      await cluster.stop();
    } catch (e) {
      e.message += `\n${cluster.logs()}`;
      await cluster.abandon();
      throw e;
    } finally {
      await watched.stop();
    }
  };
}

/** A user's client on node i, in the room; it keeps what it is told of members. */
async function member(cluster, i, id) {
  const c = await cluster.client(i);
  c.seen = [];
  c.on('frame', () => {
    const f = c.frames.at(-1);
    if (f.event === ADDED || f.event === REMOVED) c.seen.push((f.event === ADDED ? '+' : '-') + JSON.parse(f.data).user_id);
  });
  await c.enter(ROOM, { user_id: id });
  return c;
}

/** Client events from one member, every 20 ms; each listener keeps [number, sent at, came at]. */
class Chat {
  constructor(speaker, listeners) {
    this.n = 0;
    this.heard = new Map(listeners.map((c) => [c, []]));
    for (const [c, heard] of this.heard)
      c.on('frame', () => {
        const { event, data } = c.frames.at(-1);
        if (event === 'client-chat') heard.push([data.n, data.at, Date.now()]);
      });
    this.timer = setInterval(() => speaker.clientEvent(ROOM, 'client-chat', { n: this.n++, at: Date.now() }), 20).unref();
  }

  numbers(c) {
    return this.heard.get(c).map(([n]) => n);
  }

  /** When the first of those that were sent behind `since` came to the client. */
  first(c, since) {
    const one = this.heard.get(c).find(([, sent]) => sent > since);
    assert.ok(one, 'nothing goes through any more');
    return one[2] - since;
  }

  stop() {
    clearInterval(this.timer);
  }
}

/** Users come on either node, whatever happens, and stay; at: when each was let in. */
function visitors(cluster, prefix) {
  const all = [];
  let over = false;
  const done = (async () => {
    for (let i = 0; !over; i++) {
      const began = Date.now();
      all.push(await member(cluster, i % 2, `${prefix}${i}`));
      all.at(-1).took = Date.now() - began;
      await after(150);
    }
  })();
  done.catch(() => {}); // a test that has failed has ended the nodes
  return { all, stop: async () => ((over = true), await done, all) };
}

const exactly = (n) => Array.from({ length: n }, (_, i) => i);

/** The failover, from the fault on, until an event of one node comes to the other again. */
async function throughFailover(t, cluster, watched, chat, listeners, act) {
  const began = Date.now();
  act();
  const promoted = await watched.promoted();
  cluster.redis = watched.replica;
  await eventually(async () => listeners.forEach((c) => chat.first(c, promoted)), 8000);
  const again = Math.max(...listeners.map((c) => chat.first(c, promoted))) + promoted - began;
  const up = Math.max(...cluster.nodes.map((n) => Date.parse(/^(\S+) info redis\.up generation=2/m.exec(n.log())[1])));
  t.diagnostic(`promoted after ${seconds(promoted - began)}, named by the first sentinel after ${seconds(watched.named() - began)}, both nodes there after ${seconds(up - began)}; the first message between nodes after ${seconds(again)}`);
  assert.ok(again < watched.named() - began + FOLLOWED, `${again} ms`); // how long the sentinels take is theirs
  return began;
}

/** What a member that was there before was told: this, and each once. */
function onlyTold(c, wanted, seen = c.seen) {
  assert.deepStrictEqual([...seen].sort(), [...wanted].sort(), `what ${c.checker.own.get(ROOM)} was told`);
}

async function failover(cluster, watched, t, signal) {
  const here = [];
  const there = [];
  for (let i = 0; i < 3; i++) here.push(await member(cluster, 0, `here${i}`));
  for (let i = 0; i < 3; i++) there.push(await member(cluster, 1, `there${i}`));
  await cluster.agree(ROOM);
  for (const c of [...here, ...there]) c.seen = [];
  const chat = new Chat(here[0], [...here.slice(1), ...there]);
  const visit = visitors(cluster, 'v');
  await after(1000);
  const began = await throughFailover(t, cluster, watched, chat, there, () => watched.master.kill(signal));
  await after(1000);
  const came = await visit.stop();
  t.diagnostic(`views, Redis and the API agree ${seconds((await cluster.agree(ROOM, 8000), Date.now() - began))} after the fault`);
  chat.stop();
  here[0].clientEvent(ROOM, 'client-end', {});
  for (const c of [...here.slice(1), ...there]) await c.until('client-end');
  for (const c of here.slice(1)) assert.deepStrictEqual(chat.numbers(c), exactly(chat.n), 'on its node each once, in order');
  for (const c of there) assert.deepStrictEqual(chat.numbers(c), [...new Set(chat.numbers(c))].sort((a, b) => a - b), 'none twice, in order');
  t.diagnostic(`${chat.n} client events, ${Math.min(...there.map((c) => chat.numbers(c).length))} of them on the other node; ${came.length} joined meanwhile, the slowest in ${Math.max(...came.map((c) => c.took))} ms`);
  for (const c of [...here, ...there]) onlyTold(c, came.map((_, i) => `+v${i}`));
  await apiWorks(cluster, [...here, ...there]);
  return watched.named() - began;
}

async function apiWorks(cluster, clients) {
  for (const i of [0, 1]) {
    const { status } = await call(cluster.nodes[i], 'POST', '/events', { body: { name: `e${i}`, channel: ROOM, data: '' } });
    assert.strictEqual(status, 200);
    for (const c of clients) await c.until(`e${i}`);
  }
}

const generations = (cluster) => cluster.nodes.map((n) => [...n.log().matchAll(/redis\.up generation=(\d+)/g)].at(-1)[1]);

describe('sentinel', { concurrency: 2 }, () => {
  test('the master is killed: nobody is removed, nothing comes twice, and the other one is followed', withWatched(async (cluster, watched, t) => {
    await failover(cluster, watched, t, 'SIGKILL');
    const before = generations(cluster);
    await watched.master.start(); // empty, and a master until the sentinels see to it
    await eventually(async () => assert.match(await watched.master.call('INFO', 'replication'), /role:slave/), 20000);
    await after(1500);
    await cluster.agree(ROOM);
    assert.deepStrictEqual(generations(cluster), before, 'the old master led somebody back');
  }));

  test('the master is frozen, and wakes up as one: the links are at the other one before silence shows', withWatched(async (cluster, watched, t) => {
    const named = await failover(cluster, watched, t, 'SIGSTOP');
    if (named < 4500) // else silence shows first
      for (const n of cluster.nodes) assert.match(n.log(), /redis\.down .*the sentinels name another master/);
    watched.master.kill('SIGCONT');
    await after(2000);
    await cluster.agree(ROOM);
    const before = generations(cluster);
    await eventually(async () => assert.match(await watched.master.call('INFO', 'replication'), /role:slave/), 20000);
    assert.deepStrictEqual(generations(cluster), before, 'the old master led somebody back');
  }));

  test('replication was cut before: writes are lost, nobody who stays is removed, who has left stays away, and all agree again', withWatched(async (cluster, watched, t) => {
    const stay = [];
    for (let i = 0; i < 6; i++) stay.push(await member(cluster, i % 2, `stay${i}`));
    const gone = [await member(cluster, 0, 'gone0'), await member(cluster, 1, 'gone1')];
    await cluster.agree(ROOM);
    await eventually(async () => assert.strictEqual((await watched.replica.call('DBSIZE')), await watched.master.call('DBSIZE')));
    await watched.cutReplication();
    for (const c of stay) c.seen = [];
    const chat = new Chat(stay[0], stay.slice(1));
    for (const c of gone) c.leave(ROOM);
    const came = [await member(cluster, 0, 'came0'), await member(cluster, 1, 'came1')];
    await eventually(async () => stay.forEach((c) => onlyTold(c, ['+came0', '+came1', '-gone0', '-gone1'])), 3000);
    const lost = Object.keys(cluster.holders(ROOM)).sort();
    const began = await throughFailover(t, cluster, watched, chat, stay.filter((_, i) => i % 2), () => watched.master.kill('SIGKILL'));
    assert.deepStrictEqual(lost, ['came0', 'came1', ...stay.map((_, i) => `stay${i}`)]);
    await cluster.agree(ROOM, 10000);
    t.diagnostic(`views, Redis and the API agree ${seconds(Date.now() - began)} after the fault`);
    const news = [];
    for (let i = 0; i < 12; i++) { // past the old numbers: the same ones name another history
      const c = await member(cluster, i % 2, `later${i}`);
      news.push(`+later${i}`);
      if (i % 3) continue;
      c.leave(ROOM);
      news.push(`-later${i}`);
    }
    await cluster.agree(ROOM, 8000);
    chat.stop();
    for (const c of stay) onlyTold(c, ['+came0', '+came1', '-gone0', '-gone1', ...news]);
    for (const c of came) assert.strictEqual(c.state, 'open');
    for (const c of stay.slice(1)) {
      const numbers = chat.numbers(c);
      assert.deepStrictEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), 'none twice, in order');
    }
    await apiWorks(cluster, stay);
  }));

  test('required: what is wrong with the sentinels ends the start, and is named', async () => {
    const watched = await Watched.start({ n: 1 });
    const refused = async (more, pattern, patience, exit = 1) => {
      const began = Date.now();
      const { code, err } = await run(['--config', write({ host: '127.0.0.1', port: 0, apps: [app()], ...watched.adapter(more) })]);
      assert.strictEqual(code, exit, err);
      assert.match(err, pattern);
      assert.ok(Date.now() - began < patience, `${Date.now() - began} ms`);
    };
    const [one] = watched.settings().sentinels;
    try {
      await refused({ master_name: 'mian' }, new RegExp(`redis\\.required error="adapter\\.redis\\.sentinels: no master named .*mian.* at ${one} \\(adapter\\.redis\\.master_name\\)`), 3000);
      await refused({ sentinel_password: 'x' }, /redis\.required error=.*AUTH.*\(adapter\.redis\.sentinel_username, sentinel_password\)/, 3000);
      await refused({ sentinels: ['127.0.0.1:1', '[::1]:1'] }, /redis\.required error="adapter\.redis\.sentinels: 127\.0\.0\.1:1: Connection refused; \[::1\]:1: /, 13000);
      await refused({ host: 'redis.example' }, /adapter\.redis\.sentinels: doesn't go together with adapter\.redis\.host/, 3000, 2);
    } finally {
      await watched.stop();
    }
  });
});
