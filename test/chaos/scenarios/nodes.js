'use strict';
// Nodes that die, stop, or are replaced.
const { after } = require('../support/scene');
const { contents } = require('../support/verify');

const stopped = (seconds) => ({
  name: `node-stop-${seconds}`,
  about: `SIGSTOP of one of four nodes for ${seconds} s`,
  settings: { keepsClients: seconds < 30 },
  async run(scene) {
    await scene.during(async () => {
      await scene.takeAway(0, true);
      scene.places[0].kill('SIGSTOP');
      await after(seconds * 1000);
      scene.places[0].kill('SIGCONT');
      await scene.isBack(0);
    });
    await scene.heal(6000);
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
      await scene.heal(11000, since);
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
    settings: { lossless: true },
    async run(scene) {
      await scene.during(async () => {
        for (let i = 0; i < scene.nodes; i++) {
          await scene.stopNode(i);
          await scene.restartNode(i);
          await after(2000);
        }
      });
      await scene.heal(11000);
    },
  },
  {
    name: 'reaper-kill',
    about: 'kill -9 of a node, and of the one that reaps it when it has done a part',
    settings: { gated: true, returns: 50 },
    async run(scene) {
      let since;
      await scene.during(async () => {
        const [nid] = /(?<=cluster\.nid nid=)[0-9a-f]{16}/.exec(scene.places[0].log());
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
      await scene.heal(11000, since);
    },
  },
];
