'use strict';
// A churn storm on several workers: hundreds of joins and leaves of a few users with a few
// sockets each, in a few rooms, by every way to leave. checker.js watches I1 and I2 at every
// client; here the order at all watchers (I4) and the view at the end (I3) are compared.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const { seeded } = require('./support/random');

const ROOMS = ['presence-one', 'presence-two', 'private-presence-three', 'presence-cache-four'];
const USERS = 8;
const TABS = 3;
const WATCHERS = 6;

/** What a watcher saw of a room after it was let in, in order; its own events left out. */
const history = (client, room) =>
  client.frames
    .filter((f) => f.channel === room && f.event !== 'pusher:cache_miss')
    .map((f) => (f.event.startsWith('client-') ? `${f.event} ${f.raw}` : `${f.event} ${f.data}`))
    .slice(1);

/** One tab of one user: comes, goes and talks for some rounds. */
async function tab(server, user, rounds, random, inside) {
  let client = await server.client({ tcp: random() < 0.3 });
  let joined = new Set();
  for (let i = 0; i < rounds; i++) {
    const room = ROOMS[Math.floor(random() * ROOMS.length)];
    const dice = random();
    if (dice < 0.18) {
      if (dice < 0.06) client.close();
      else if (dice < 0.12) client.reset();
      else client.drop();
      await client.gone();
      joined = new Set();
      client = await server.client({ tcp: random() < 0.3 });
    } else if (dice < 0.25) {
      // Pending joins are cancelled, and cancelled ones come again.
      if (joined.has(room)) continue;
      client.sendJoin(room, { user_id: user, user_info: i });
      client.leave(room);
      await client.barrier();
    } else if (!joined.has(room)) {
      await client.enter(room, { user_id: user, user_info: i });
      joined.add(room);
    } else if (random() < 0.4) {
      client.clientEvent(room, 'client-say', `${user} ${i}`);
    } else {
      client.leave(room);
      joined.delete(room);
    }
  }
  await client.barrier();
  for (const room of joined) inside.get(room).add(user);
  return client;
}

for (const workers of [1, 4])
  test(`${workers} workers: every view is right at every moment, and all watchers see one order`, withServer(
    { workers, presence: { leave_grace: 0 }, apps: [app({ max_client_events_per_second: 0 })] },
    async (server, t) => {
      const random = seeded(t);
      const watchers = await server.several(WATCHERS);
      for (const room of ROOMS)
        for (const [i, w] of watchers.entries()) await w.enter(room, { user_id: `watcher-${i}` });
      const inside = new Map(ROOMS.map((room) => [room, new Set()]));
      const tabs = [];
      for (let u = 0; u < USERS; u++)
        for (let n = 0; n < TABS; n++) tabs.push(tab(server, `user-${u}`, 40, random, inside));
      await Promise.all(tabs);

      const last = await server.client();
      for (const room of ROOMS) {
        const everybody = [...inside.get(room), ...watchers.map((_, i) => `watcher-${i}`)];
        await settled(watchers, room, everybody);
        const { ids } = await last.enter(room, { user_id: 'last' });
        assert.deepStrictEqual([...ids].sort(), [...everybody, 'last'].sort(), room);
        await settled(watchers, room, [...everybody, 'last']);
        // The watchers joined one after the other: what the last of them saw is the end of
        // what each other saw.
        const newest = history(watchers[WATCHERS - 1], room);
        assert.ok(newest.length > 50, `${newest.length} events`);
        for (const w of watchers) {
          const seen = history(w, room);
          assert.deepStrictEqual(seen.slice(seen.length - newest.length), newest, room);
        }
      }
      server.verify();
    },
  ));

/** Waits until all watchers were told the same members. */
async function settled(watchers, room, users) {
  const wanted = [...users].sort();
  const same = (w) => JSON.stringify(w.checker.view(room)) === JSON.stringify(wanted);
  for (let i = 0; i < 200 && !watchers.every(same); i++)
    await new Promise((done) => setTimeout(done, 25));
  for (const w of watchers) assert.deepStrictEqual(w.checker.view(room), wanted, room);
}

test('500 joins at once into a room of 100: exactly 100 are let in', withServer(
  { workers: 4, max_connections: 2000 },
  async (server) => {
    const clients = [];
    for (let i = 0; i < 10; i++)
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => server.client()))));
    const answers = await Promise.all(
      clients.map((c, i) => c.join('presence-full', { user_id: `user-${i % 250}`, user_info: i })),
    );
    const users = new Set();
    answers.forEach((f, i) => {
      if (f.event !== 'pusher:subscription_error') users.add(`user-${i % 250}`);
      else assert.strictEqual(f.data.type, 'PresenceLimitReached');
    });
    assert.strictEqual(users.size, 100);
    await settled(clients.filter((_, i) => answers[i].event !== 'pusher:subscription_error'), 'presence-full', users);
  },
));

test('one user joins and leaves on two sockets in a tight loop: added and removed alternate', withServer({ workers: 4 }, async (server) => {
  const watchers = await server.several(4);
  for (const w of watchers) await w.enter('presence-loop', { user_id: 'w' });
  const loop = async (client) => {
    for (let i = 0; i < 150; i++) {
      client.sendJoin('presence-loop', { user_id: 'u' });
      if (i % 3) await client.answer('presence-loop');
      client.leave('presence-loop');
    }
    await client.barrier();
    assert.ok(!client.frames.some((f) => f.event === 'pusher:error'));
  };
  await Promise.all((await server.several(3)).map(loop));
  await settled(watchers, 'presence-loop', ['w']);
  const seen = watchers.map((w) => history(w, 'presence-loop').join('\n'));
  for (const s of seen) assert.strictEqual(s, seen[0]);
}));
