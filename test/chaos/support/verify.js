'use strict';
// I3 and I5 where clients don't see them: Redis's keys and each node's HTTP API against the
// truth, which the clients know.
const { ask } = require('../../wire/support/api');

const DUMP = `local out = {}
for _, k in ipairs(redis.call('KEYS', '*')) do
  local t = redis.call('TYPE', k).ok
  if t == 'hash' then out[k] = redis.call('HGETALL', k) elseif t == 'set' then out[k] = redis.call('SMEMBERS', k) end
end
return cjson.encode(out)`;

const ROOMS = 10; // asked of each node

const pairs = (list) => Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]));

/** What Redis holds: {live, holders, members: {ch: {user: [nid]}}, counts: {ch: {nid: n}}, held: {nid: {field: n}},
 * partitions: {nid: in how many it is a holder}}. */
async function contents(redis) {
  const all = JSON.parse(await redis.call('EVAL', DUMP, 0));
  const is = { live: [], holders: new Set(), members: {}, counts: {}, held: {}, partitions: {} };
  for (const [key, value] of Object.entries(all)) {
    const m = /\}(hb|[a-z])(?::(.*))?$/.exec(key);
    if (!m) continue;
    const [, letter, name] = m;
    if (letter === 'hb') is.live = Object.keys(pairs(value)).filter((nid) => nid !== '_e');
    if (letter === 'n') {
      for (const nid of value) {
        is.holders.add(nid);
        is.partitions[nid] = (is.partitions[nid] || 0) + 1;
      }
    }
    if (letter === 'm') is.members[name] = Object.fromEntries(Object.entries(pairs(value)).map(([user, v]) => [user, v.split(';')[0].split(',')]));
    if (letter === 's') is.counts[name] = pairs(value);
    if (letter === 'x') is.held[name] = { ...is.held[name], ...pairs(value) };
  }
  return is;
}

const missing = (a, b) => a.filter((x) => !b.includes(x));

function compare(what, is, should, faults) {
  const ghosts = missing(is, should);
  const lacking = missing(should, is);
  if (ghosts.length) faults.push(`${what} has ${ghosts.length} too many: ${ghosts.slice(0, 5)}`);
  if (lacking.length) faults.push(`${what} lacks ${lacking.length}: ${lacking.slice(0, 5)}`);
}

function checkNodes(is, nodes, faults) {
  if (is.live.length !== nodes) faults.push(`Redis knows ${is.live.length} live nodes, there are ${nodes}`);
  compare('n', [...is.holders].filter((nid) => !is.live.includes(nid)), [], faults);
  compare('x', Object.keys(is.held).filter((nid) => !is.live.includes(nid)), [], faults);
}

/** What a node is said to hold of a channel is what the channel says of the node. */
function checkHeld(is, ch, faults) {
  for (const nid of is.live) {
    const of = Object.values(is.members[ch] || {}).filter((nids) => nids.includes(nid)).length;
    const held = is.held[nid] || {};
    if (Number(held[`r${ch}`] || 0) !== of) faults.push(`x: of ${ch} ${nid} holds ${held[`r${ch}`] || 0}, m says ${of}`);
    if (Number(held[`s${ch}`] || 0) !== Number((is.counts[ch] || {})[nid] || 0)) faults.push(`x: subscriptions of ${ch} at ${nid}`);
  }
}

async function checkRedis(scene, truth, faults) {
  const is = await contents(scene.redis);
  const app = scene.app.id;
  checkNodes(is, scene.live().length, faults);
  for (const { room, users, subscriptions } of truth) {
    const ch = `${app}:${room}`;
    const members = is.members[ch] || {};
    compare(`m of ${room}`, Object.keys(members), users, faults);
    compare(`the nids in m of ${room}`, [...new Set(Object.values(members).flat())].filter((nid) => !is.live.includes(nid)), [], faults);
    const count = Object.values(is.counts[ch] || {}).reduce((sum, n) => sum + Number(n), 0);
    if (count !== subscriptions) faults.push(`s of ${room} is ${count}, not ${subscriptions}`);
    checkHeld(is, ch, faults);
  }
}

async function checkApi(scene, truth, faults) {
  await Promise.all(
    scene.live().map(async (node, i) => {
      for (let r = 0; r < Math.min(ROOMS, truth.length); r++) {
        const { room, users, subscriptions } = truth[(r * 7 + i) % truth.length];
        const answer = await ask(node, `/channels/${room}/users`);
        compare(`the API of node ${i} on ${room}`, answer.users.map((u) => u.id), users, faults);
        const { subscription_count: n = 0 } = await ask(node, `/channels/${room}`, { info: 'subscription_count' });
        if (n !== subscriptions) faults.push(`subscription_count of ${room} at node ${i}: ${n}, not ${subscriptions}`);
      }
    }),
  );
}

/** What is wrong, in words; tries again for so many ms while something is. */
async function verify(scene, patience) {
  for (const deadline = Date.now() + patience; ; ) {
    const faults = [];
    const truth = await scene.clients.say('truth');
    await checkRedis(scene, truth, faults).catch((e) => faults.push(`Redis: ${e.message}`));
    await checkApi(scene, truth, faults).catch((e) => faults.push(`API: ${e.message}`));
    if (!faults.length || Date.now() > deadline) return faults;
    await new Promise((done) => setTimeout(done, 250));
  }
}

const VERSIONS = `local out = {}
for _, k in ipairs(redis.call('KEYS', '*}v:*')) do out[k] = redis.call('GET', k) end
return cjson.encode(out)`;

/** The number of each channel's last change. */
async function versions(redis) {
  const all = JSON.parse(await redis.call('EVAL', VERSIONS, 0));
  return Object.fromEntries(Object.entries(all).map(([key, v]) => [key, parseInt(v, 10)]));
}

module.exports = { verify, contents, versions };
