'use strict';
// Nodes that die, stop, or are replaced.
const { after } = require('../support/scene');

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
    about: 'kill -9 of a node, and of the next ones while they reap it',
    settings: { returns: 50, lossless: true },
    async run(scene) {
      let since;
      await scene.during(async () => {
        await scene.kill(0);
        await after(8200);
        since = Date.now();
        await scene.kill(1);
      });
      await scene.heal(11000, since);
    },
  },
];
