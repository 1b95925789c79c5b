'use strict';
// One order per channel, for the whole cluster: what every client is sent, published events,
// client events and members alike, is the same sequence wherever it is connected, or a piece
// of it for who came later. WIRE_DELIVERIES says how many there are to be (a million: some
// minutes).
const test = require('node:test');
const assert = require('node:assert');
const http = require('node:http');
const { app } = require('./support/server');
const { call } = require('./support/api');
const { seeded } = require('./support/random');
const { withCluster, eventually, after } = require('./support/cluster');

const ROOM = 'presence-room';
const DELIVERIES = Number(process.env.WIRE_DELIVERIES || 20000);
const LISTENERS = DELIVERIES > 100000 ? 48 : 21;
const EVENTS = Math.ceil(DELIVERIES / LISTENERS / 4); // of each publisher

/** What a frame says, short; events' data are unique. */
function said(f) {
  if (f.event === 'pusher_internal:member_added') return `+${JSON.parse(f.data).user_id}`;
  if (f.event === 'pusher_internal:member_removed') return `-${JSON.parse(f.data).user_id}`;
  return f.user_id === undefined ? f.data : `${f.user_id} ${f.data}`;
}

/** client.lives: for each time that it was in the room, what it was sent, in order. */
function record(client) {
  client.lives = [];
  client.on('frame', () => {
    const f = client.frames.at(-1);
    if (f.channel !== ROOM) return;
    if (f.event === 'pusher_internal:subscription_succeeded') client.lives.push([]);
    else client.lives.at(-1).push(said(f));
  });
  return client;
}

/** Keeps nothing but that: a million frames are too many. */
function forget(client) {
  client.frames.length = 0;
  client.cursor = 0;
}

async function apiPublisher(node, name) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < EVENTS; i++) {
    const { status, text } = await call(node, 'POST', '/events', { agent, body: { name: 'e', channel: ROOM, data: `${name}:${i}` } });
    assert.strictEqual(status, 200, text);
  }
  agent.destroy();
}

async function clientPublisher(client, name) {
  for (let i = 0; i < EVENTS; i++) {
    client.clientEvent(ROOM, 'client-e', `${name}:${i}`);
    if (i % 20 !== 19) continue;
    await client.barrier();
    forget(client);
  }
  await client.barrier();
}

/** Comes and goes, and says something each time, until it is over. */
async function comer(cluster, id, random, over) {
  const node = Math.floor(random() * 3);
  const client = record(await cluster.client(node));
  let times = 0;
  for (; !over(); times++) {
    await client.enter(ROOM, { user_id: id });
    client.clientEvent(ROOM, 'client-hello', `${id}:${times}`);
    await after(random() * 40);
    client.leave(ROOM);
    await client.barrier();
    forget(client);
    await after(random() * 20);
  }
  return { client, times };
}

/** Whoever speaks is there, and each comes and goes by turns. */
function checkStory(story) {
  const here = new Set();
  for (const s of story) {
    if (s[0] === '+') assert.ok(!here.has(s.slice(1)) && here.add(s.slice(1)), `${s} twice`);
    else if (s[0] === '-') assert.ok(here.delete(s.slice(1)), `${s} twice`);
    else if (s.startsWith('comer')) assert.ok(here.has(s.split(' ')[0]), `${s}, who isn't there`);
  }
}

/** Each stay is a piece of the whole, its own words aside, from its first event on. */
function checkPieces(client, whole) {
  const own = `${client.checker.own.get(ROOM)} `;
  const story = whole.filter((s) => !s.startsWith(own));
  const places = new Map(story.map((s, i) => [s, i]).filter(([s]) => !/^[+-]/.test(s)));
  let n = 0;
  for (const life of client.lives) {
    const first = life.findIndex((s) => places.has(s));
    if (first < 0) continue;
    const from = places.get(life[first]) - first;
    assert.deepStrictEqual(life, story.slice(from, from + life.length));
    n += life.length;
  }
  return n;
}

test(`4 publishers on 3 nodes, members come and go: one sequence (${DELIVERIES} deliveries)`, { timeout: 900000 }, withCluster(() => ({
  nodes: 3, config: { max_pending_messages: 100000, max_pending_kb: 100000, apps: [app({ max_client_events_per_second: 0 })] },
}), async (cluster, t) => {
  const random = seeded(t);
  const publishers = [await cluster.client(1), await cluster.client(2)];
  for (const [i, p] of publishers.entries()) await p.enter(ROOM, { user_id: `publisher-${i}` });
  const listeners = await cluster.several(LISTENERS);
  for (const [i, c] of listeners.entries()) await record(c).enter(ROOM, { user_id: `listener-${i}` });
  await cluster.agree(ROOM);
  for (const c of listeners) {
    c.lives = [[]];
    c.on('frame', () => forget(c));
  }
  const before = Date.now();
  let ended = false;
  const comers = Promise.all(Array.from({ length: 6 }, (_, i) => comer(cluster, `comer-${i}`, random, () => ended)));
  await Promise.all([
    apiPublisher(cluster.nodes[0], 'api-0'), apiPublisher(cluster.nodes[1], 'api-1'),
    clientPublisher(publishers[0], 'client-0'), clientPublisher(publishers[1], 'client-1'),
  ]);
  ended = true;
  const came = await comers;
  for (let i = 0; i < 6; i++) await cluster.held(ROOM, `comer-${i}`, 0);
  await call(cluster.nodes[2], 'POST', '/events', { body: { name: 'end', channel: ROOM, data: 'end' } });
  for (const c of listeners) await eventually(async () => assert.strictEqual(c.lives[0].at(-1), 'end'), 60000);
  const took = (Date.now() - before) / 1000;

  const story = listeners[0].lives[0];
  for (const c of listeners.slice(1)) {
    const at = c.lives[0].findIndex((s, i) => s !== story[i]);
    assert.strictEqual(at, -1, `at ${at}: ${c.lives[0].slice(at, at + 5)}, not ${story.slice(at, at + 5)}`);
    assert.strictEqual(c.lives[0].length, story.length);
  }
  for (const name of ['api-0', 'api-1', 'publisher-0 client-0', 'publisher-1 client-1'])
    assert.deepStrictEqual(story.filter((s) => s.startsWith(`${name}:`)), Array.from({ length: EVENTS }, (_, i) => `${name}:${i}`));
  checkStory(story);
  const pieces = came.reduce((n, { client }) => n + checkPieces(client, story), 0);
  const moves = story.filter((s) => /^[+-]/.test(s)).length;
  const all = story.length * LISTENERS + pieces;
  assert.ok(all >= DELIVERIES && moves > 20 && pieces > 100, `${all} deliveries, ${moves} moves, ${pieces} in pieces`);
  await cluster.agree(ROOM);
  t.diagnostic(`${all} deliveries in ${took.toFixed(1)} s: ${story.length} to each of ${LISTENERS} on 3 nodes, ${moves} of them members; ${pieces} to ${came.reduce((n, c) => n + c.times, 0)} who came and went`);
}));
