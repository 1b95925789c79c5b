'use strict';
// Nothing breaks, but much happens at once.
const { FAULTLESS } = require('../support/bounds');
const { after } = require('../support/scene');
const { verify } = require('../support/verify');

module.exports = [
  {
    name: 'tight-loop',
    about: 'the same users joining and leaving on several nodes without a pause',
    settings: { hooked: true, count: 100, room: 20, twins: 8, churning: 30, lossless: true, keepsClients: true },
    async run(scene) {
      await scene.during(async () => {
        await scene.clients.say('tight', 1);
        await after(scene.short ? 4000 : 10000);
        await scene.clients.say('tight', 0);
      });
      await scene.heal(FAULTLESS);
      const { answers } = await scene.clients.say('report');
      scene.note(`${answers} joins`);
    },
  },
  {
    name: 'limit',
    about: 'a limit of 100 and 500 simultaneous joins over 4 nodes',
    settings: { hooked: true, count: 500, room: 500, twins: 0, churning: 0, talking: 1, keepsClients: true },
    async run(scene) {
      const expect = async (what, members) => {
        const { waiting } = await scene.clients.say('in', 20000);
        const [{ users }] = await scene.clients.say('truth');
        if (users.length !== members || waiting) scene.fail(`${what}: ${users.length} members, ${waiting} waiting`);
      };
      await scene.clients.say('enter', 500);
      await expect('500 joins', 100);
      const first = await scene.clients.say('report');
      if (first.answers !== 100 || first.refusals !== 400) scene.fail(`${first.answers} answers, ${first.refusals} refusals`);
      await scene.clients.say('leave', 0, 30);
      await scene.clients.say('heal', 5000);
      await scene.clients.say('insist');
      await expect('30 left, 400 tried again', 100);
      await scene.heal(FAULTLESS);
      const [members] = scene.redis.list('KEYS', '*}m:*');
      await scene.redis.call('HSET', members, 'nobody', '0123456789abcdef;{}');
      if (!(await verify(scene, 0)).some((fault) => /^m of .*nobody/.test(fault))) scene.fail("a ghost in Redis isn't found");
    },
  },
];
