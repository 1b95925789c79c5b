'use strict';
// Watchlists: who of a user's list is online, at sign-in and from then on, whatever workers the
// connections are on and however many a user has.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app } = require('./support/server');
const Pusher = require('pusher-js');
const sign = require('./support/sign');
const { EVENT, told, until } = require('./support/watchlist');

const after = (ms) => new Promise((done) => setTimeout(done, ms));

const config = (more) => () => ({ workers: 4, apps: [app()], ...more });

test('at sign-in each listed user’s state, then every change', withServer(config(), async (server) => {
  const [ann, bob, carol] = await server.several(3);
  await bob.signin({ id: 'bob' });
  await ann.signin({ id: 'ann', watchlist: ['bob', 'carol', 'bob'] });
  await until(ann, { bob: 'online', carol: 'offline' });
  await carol.signin({ id: 'carol' });
  await until(ann, { bob: 'online', carol: 'online' });
  bob.close();
  await until(ann, { bob: 'offline', carol: 'online' });
  assert.deepStrictEqual(told(ann).times, { bob: 2, carol: 2 });
  assert.ok(!bob.frames.some((f) => f.event === EVENT));
}));

test('a user with several connections is online until the last has gone', withServer(config(), async (server) => {
  const ann = await server.client();
  await ann.signin({ id: 'ann', watchlist: ['bob'] });
  await until(ann, { bob: 'offline' });
  const bobs = await server.several(6);
  for (const b of bobs) await b.signin({ id: 'bob' });
  await until(ann, { bob: 'online' });
  for (const b of bobs.slice(1)) b.close();
  await Promise.all(bobs.slice(1).map((b) => b.gone()));
  await ann.barrier();
  await after(200);
  assert.deepStrictEqual(told(ann).times, { bob: 2 });
  bobs[0].close();
  await until(ann, { bob: 'offline' });
}));

test('online and offline alternate through a storm of sign-ins and closes', withServer(config(), async (server) => {
  const watchers = await server.several(4);
  for (const [i, w] of watchers.entries()) await w.signin({ id: `w${i}`, watchlist: ['bob'] });
  for (let i = 0; i < 40; i++) {
    const [a, b] = await server.several(2, { tcp: true });
    await Promise.all([a.signin({ id: 'bob' }), b.signin({ id: 'bob' })]);
    if (i % 2) a.drop();
    else a.close();
    b.close();
    await b.gone();
  }
  for (const w of watchers) {
    await until(w, { bob: 'offline' });
    const states = w.frames.filter((f) => f.event === EVENT).map((f) => JSON.parse(f.data).events[0].name);
    states.forEach((s, i) => assert.ok(i === 0 || s !== states[i - 1], states.join(' ')));
  }
}));

test('more than 100 ids: the first 100, a success, and a 4302 that is no close', withServer(config(), async (server) => {
  const ids = Array.from({ length: 150 }, (_, i) => `u${i}`);
  const [late, ann] = await server.several(2);
  const success = await ann.signin({ id: 'ann', watchlist: ids });
  assert.strictEqual(success.event, 'pusher:signin_success');
  const error = await ann.until('pusher:error');
  assert.strictEqual(error.data.code, 4302);
  await until(ann, Object.fromEntries(ids.slice(0, 100).map((id) => [id, 'offline'])));
  await late.signin({ id: 'u120' });
  await ann.barrier();
  assert.strictEqual(told(ann).state.u120, undefined);
  assert.strictEqual(ann.state, 'open');
}));

test('a watchlist that is none is an error, and the sign-in stands', withServer(config(), async (server) => {
  const ann = await server.client();
  assert.strictEqual((await ann.signin({ id: 'ann', watchlist: 'bob' })).event, 'pusher:signin_success');
  assert.strictEqual((await ann.until('pusher:error')).data.code, null);
}));

test('users of two apps are not each other’s', withServer(() => ({ workers: 2, apps: [app(), app()] }), async (server) => {
  const ann = await server.client();
  await ann.signin({ id: 'ann', watchlist: ['bob'] });
  const other = await server.client({ app: server.apps[1] });
  await other.signin({ id: 'bob' });
  await ann.barrier();
  await after(100);
  await until(ann, { bob: 'offline' });
}));

test('leave_grace holds a user who is lost, and nobody hears of a quick return', withServer(config({ presence: { leave_grace: 3 } }), async (server) => {
  const [ann, bob] = await server.several(2, { tcp: true });
  await bob.signin({ id: 'bob' });
  await ann.signin({ id: 'ann', watchlist: ['bob'] });
  await until(ann, { bob: 'online' });
  bob.drop();
  await after(500);
  const again = await server.client();
  await again.signin({ id: 'bob' });
  await after(4500);
  assert.deepStrictEqual(told(ann).times, { bob: 1 });
}));

test('pusher-js: user.watchlist is told', withServer(config(), async (server) => {
  const [{ key, secret }] = server.apps;
  const bob = await server.client();
  const pusher = new Pusher(key, {
    wsHost: '127.0.0.1', wsPort: server.port, forceTLS: false, cluster: 'x', enabledTransports: ['ws'],
    userAuthentication: {
      customHandler: ({ socketId }, done) => {
        const user_data = JSON.stringify({ id: 'ann', watchlist: ['bob'] });
        done(null, { auth: sign.userAuth({ key, secret }, socketId, user_data), user_data });
      },
    },
  });
  try {
    const seen = [];
    pusher.user.watchlist.bind('online', (e) => seen.push(['online', e.user_ids]));
    pusher.user.watchlist.bind('offline', (e) => seen.push(['offline', e.user_ids]));
    pusher.signin();
    for (let i = 0; i < 250 && seen.length < 1; i++) await after(20);
    await bob.signin({ id: 'bob' });
    for (let i = 0; i < 250 && seen.length < 2; i++) await after(20);
    assert.deepStrictEqual(seen, [['offline', ['bob']], ['online', ['bob']]]);
  } finally {
    pusher.disconnect();
  }
}));
