'use strict';
// Nodes that die, stop, or are replaced.
const { FAULTLESS, LINK_BACK, NODE_GONE } = require('../support/bounds');
const { after } = require('../support/scene');
const { Clock, named } = require('../support/shim');
const { contents } = require('../support/verify');
const { ask } = require('../../wire/support/api');

/** The names that a node has had, the first one first. */
const names = (node) => [...node.log().matchAll(/(?<=cluster\.nid nid=)[0-9a-f]{16}/g)].map(([nid]) => nid);

const stopped = (seconds) => ({
  name: `node-stop-${seconds}`,
  about: `SIGSTOP of one of four nodes for ${seconds} s`,
  settings: { keepsClients: seconds < 30, hooked: seconds < 30 },
  async run(scene) {
    await scene.during(async () => {
      await scene.takeAway(0, true);
      scene.places[0].kill('SIGSTOP');
      await after(seconds * 1000);
      scene.places[0].kill('SIGCONT');
      await scene.isBack(0);
    });
    await scene.heal(LINK_BACK);
    const { told_away: told } = await scene.clients.say('report');
    scene.note(`${told} told of removals of its users`);
    if (seconds > 8) await scene.logged([1, 2, 3], /cluster\.dead/, 'any');
    if (seconds < 7 && told) scene.fail('its users were removed before 8 s');
  },
});

module.exports = [
  {
    name: 'node-kill',
    about: 'kill -9 of one of four nodes; half of its clients come back elsewhere',
    settings: { many: true, returns: 50, lossless: true },
    async run(scene) {
      let since;
      await scene.during(async () => {
        since = Date.now();
        await scene.kill(0);
        await after(3000);
      });
      await scene.heal(NODE_GONE, { since });
      const { lost } = await scene.clients.say('report');
      scene.note(`${lost} clients lost it`);
    },
  },
  stopped(3),
  stopped(9),
  stopped(60),
  {
    name: 'rolling-restart',
    about: 'all nodes replaced in turn by SIGTERM; their clients come back',
    settings: { hooked: true, lossless: true },
    async run(scene) {
      await scene.during(async () => {
        for (let i = 0; i < scene.nodes; i++) {
          await scene.stopNode(i);
          await scene.restartNode(i);
          await after(2000);
        }
      });
      await scene.heal(NODE_GONE);
    },
  },
  {
    name: 'reaper-kill',
    about: 'kill -9 of a node, and of the one that reaps it when it has done a part',
    settings: { gated: true, returns: 50 },
    async run(scene) {
      let since;
      await scene.during(async () => {
        const [nid] = names(scene.places[0]);
        const before = (await contents(scene.redis)).partitions[nid];
        // Its name comes once to have it declared dead, then for each of the 64 partitions.
        const traps = [1, 2, 3].map((i) => scene.gates[i].trapped(nid, 1 + 32).then(() => i));
        await scene.kill(0);
        const reaper = await Promise.race([...traps, after(20000)]);
        scene.gates.forEach((g) => (g.trap = undefined));
        if (!reaper) return scene.fail("the fault didn't act: nobody reaped");
        since = Date.now();
        await scene.kill(reaper);
        const left = (await contents(scene.redis)).partitions[nid] || 0;
        scene.note(`node ${reaper} died with ${left} of ${before} partitions left to reap`);
        if (!left || left === before) scene.fail("the fault didn't act: all was reaped, or nothing");
      });
      await scene.heal(NODE_GONE, { since });
    },
  },
  {
    name: 'one-nid',
    about: "a node started under another's name, and one whose name somebody else beats with",
    settings: { hooked: true, keepsClients: true, lossless: true },
    async run(scene) {
      let since;
      await scene.during(async () => {
        const [taken] = names(scene.places[0]);
        await scene.restartNode(4, named(taken)); // one more
        await after(3000);
        const [first, second] = names(scene.places[4]);
        if (first !== taken || !second) scene.fail(`the fault didn't act: ${taken}, ${first}, ${second}`);
        if (names(scene.places[0]).length > 1) scene.fail('who was there first gave its name up');
        // As a copy of node 1's whole machine would: it beats once, and is gone.
        const [copied] = names(scene.places[1]);
        since = Date.now();
        await scene.redis.call('HSET', 'muster:1:{pxhb}hb', copied, '00000000ffffffff:0000000000000001');
        await after(3000);
        if (names(scene.places[1]).length < 2) scene.fail("the fault didn't act: node 1 kept its name");
      });
      await scene.heal(NODE_GONE, { since });
      await scene.logged([0, 1, 2, 3, 4], /cluster\.dead/, 'any');
    },
  },
  {
    name: 'clock-step',
    about: 'the wall clocks of two nodes and of Redis an hour ahead, then an hour back, then right',
    settings: { keepsClients: true, lossless: true },
    async prepare(scene) {
      scene.clocks = Array.from({ length: 3 }, () => new Clock());
      scene.envs = scene.clocks.slice(0, 2).map((c) => c.env);
      scene.redisEnv = scene.clocks[2].env;
    },
    async run(scene) {
      scene.avoided.add(0).add(1); // they refuse to be asked by who has another time
      await scene.during(async () => {
        for (const [first, second, redis] of [[3600, 0, 3600], [-3600, 3600, 0], [0, -3600, -3600], [0, 0, 0]]) {
          [first, second, redis].forEach((seconds, i) => scene.clocks[i].step(seconds));
          const ahead = Number((await scene.redis.call('TIME')).split('\r\n')[2]) - Date.now() / 1000;
          const asked = await ask(scene.places[0], '/channels').then(() => 200, () => 401);
          if (Math.abs(ahead - redis) > 2 || (asked === 200) !== (first === 0)) scene.fail("the fault didn't act");
          await after(3000);
        }
      });
      scene.avoided.clear();
      await scene.heal(FAULTLESS);
    },
  },
];
