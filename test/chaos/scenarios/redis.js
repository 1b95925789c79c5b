'use strict';
// Redis that stops, dies, forgets, or cuts its clients off.
const { call } = require('../../wire/support/api');
const { Client } = require('../../wire/support/client');
const { Redis } = require('../../wire/support/redis');
const { freePort } = require('../../wire/support/server');
const { KEYS_LOST, LINK_BACK, REDIS_EMPTY } = require('../support/bounds');
const { after } = require('../support/scene');
const { versions } = require('../support/verify');

const EVERY = [0, 1, 2, 3];

const stopped = (seconds) => ({
  name: `redis-stop-${seconds}`,
  about: `SIGSTOP of Redis for ${seconds} s: nobody is removed`,
  settings: { keepsClients: true },
  async run(scene) {
    await scene.during(async () => {
      scene.redis.kill('SIGSTOP');
      await after(seconds * 1000);
      scene.redis.kill('SIGCONT');
    }, { redis: true });
    await scene.logged(EVERY, /redis\.degraded/);
    await scene.heal(LINK_BACK);
  },
});

/** Events of node 2 to a channel that only a stopped node hears: more than the kernel's
 * buffers hold, whatever the pace of this machine. */
async function flood(scene, channel, bytes) {
  const event = { name: 'flood', channel, data: 'x'.repeat(10000) };
  const body = { batch: Array(10).fill(event) };
  for (let sent = 0; sent < bytes; sent += 100000) await call(scene.places[2], 'POST', '/batch_events', { body });
}

module.exports = [
  stopped(5),
  stopped(40),
  {
    name: 'redis-kill',
    about: 'Redis killed without persistence, and started empty',
    settings: { keepsClients: true },
    async run(scene) {
      await scene.during(async () => {
        await scene.redis.crash();
        await after(3000);
        await scene.redis.start();
      }, { redis: true });
      await scene.logged(EVERY, /redis\.down/);
      await scene.heal(REDIS_EMPTY);
    },
  },
  {
    name: 'flush',
    about: 'FLUSHALL under load, twice',
    settings: { keepsClients: true },
    async run(scene) {
      let since;
      await scene.during(async () => {
        await scene.redis.call('FLUSHALL');
        await after(scene.short ? 1000 : 4000);
        await scene.redis.call('FLUSHALL');
        since = Date.now();
        await after(500); // so many leaves fall into it
      }, { redis: true });
      await scene.heal(KEYS_LOST, { since });
    },
  },
  {
    name: 'failover',
    about: 'failover to a replica that was cut off before, then churn past the old numbers',
    settings: { gated: true, keepsClients: true },
    async prepare(scene) {
      const port = await freePort();
      scene.redisArgs = ['--port', String(port)];
      scene.masterPort = port;
    },
    async run(scene) {
      scene.replica = await new Redis({ args: ['--replicaof', '127.0.0.1', String(scene.masterPort)] }).start();
      for (let i = 0; !/master_link_status:up/.test(await scene.replica.call('INFO', 'replication')); i++) {
        if (i > 200) throw new Error('no replication');
        await after(50);
      }
      let lost, before;
      await scene.during(async () => {
        await scene.replica.call('REPLICAOF', '127.0.0.1', 1); // cut: it keeps what it has
        await after(4000);
        lost = await versions(scene.redis);
        before = await versions(scene.replica);
        await scene.replica.call('REPLICAOF', 'NO', 'ONE');
        scene.gates.forEach((g) => g.turn(scene.replica.socket));
        const old = scene.redis;
        scene.redis = scene.replica;
        scene.replica = old;
        await after(8000);
      }, { redis: true, churn: 3 * scene.rate });
      const now = await versions(scene.redis);
      const rooms = Object.keys(lost).filter((ch) => lost[ch] > (before[ch] || 0));
      const passed = rooms.filter((ch) => now[ch] > lost[ch]);
      scene.note(`${rooms.length} rooms lost changes, ${passed.length} went past the old number`);
      if (!passed.length) scene.fail("the fault didn't act: no number passed an old one");
      await scene.heal(LINK_BACK);
    },
  },
  {
    name: 'script-flush',
    about: 'SCRIPT FLUSH, again and again',
    settings: { hooked: true, keepsClients: true },
    async run(scene) {
      await scene.during(async () => {
        for (let i = 0; i < 30; i++) {
          await scene.redis.call('SCRIPT', 'FLUSH');
          await after(100);
        }
      });
      await scene.logged(EVERY, /redis\.scripts_lost/);
      await scene.heal(1000);
    },
  },
  {
    name: 'pubsub-kill',
    about: 'CLIENT KILL TYPE pubsub, five times',
    settings: { keepsClients: true },
    async run(scene) {
      let since;
      await scene.during(async () => {
        for (let i = 0; i < 5; i++) {
          await scene.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
          since = Date.now();
          await after(1000);
        }
      }, { redis: true });
      await scene.logged(EVERY, /redis\.down/);
      await scene.heal(LINK_BACK, { since });
    },
  },
  {
    name: 'pubsub-buffer',
    about: 'a pub/sub buffer of 16 KB while a node is stopped and events go on',
    settings: { keepsClients: true },
    async run(scene) {
      await scene.redis.call('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 16kb 16kb 1');
      await scene.during(async () => {
        for (const i of [0, 1]) {
          const listener = await Client.open(scene.places[i]);
          await listener.subscribe(`flood-${i}`);
          await scene.clients.say('frozen', i, 1);
          scene.places[i].kill('SIGSTOP');
          await Promise.all([after(5500), flood(scene, `flood-${i}`, 10e6)]);
          scene.places[i].kill('SIGCONT');
          await scene.clients.say('frozen', i, 0);
          listener.close();
        }
      }, { redis: true });
      await scene.logged([0, 1], /redis\.down/);
      await scene.heal(LINK_BACK);
    },
  },
];
