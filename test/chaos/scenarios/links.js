'use strict';
// The network between one node and Redis (support/gate.js).
const { LINK_BACK, ROTATED, ROTATED_LEAVES } = require('../support/bounds');
const { after } = require('../support/scene');

const cut = (seconds) => ({
  name: `link-cut-${seconds}`,
  about: `one node's traffic to Redis dropped silently for ${seconds} s`,
  settings: { gated: true, keepsClients: true },
  async run(scene) {
    await scene.during(async () => {
      await scene.takeAway(0, false);
      scene.gates[0].silence();
      await after(seconds * 1000);
      scene.gates[0].restore();
    }, { redis: true });
    if (seconds > 5) await scene.logged([0], /redis\.(down|degraded)/);
    if (seconds > 10) await scene.logged([1, 2, 3], /cluster\.dead/, 'any');
    await scene.heal(LINK_BACK);
  },
});

/** Batches that arrive after their connection was given up: Redis must have said `answer` to
 * them, or nothing was shown. Fenced: the node is cut off until the others declare it dead. */
const late = (name, seconds, answer, about) => ({
  name,
  about,
  settings: { gated: true, keepsClients: true },
  async run(scene) {
    let arrived;
    await scene.during(async () => {
      const [gate] = scene.gates;
      await scene.takeAway(0, false);
      gate.stick();
      if (answer === 'FENCED') gate.silence();
      await after(seconds * 1000);
      if (answer === 'FENCED') {
        gate.restore();
        await after(3000);
      }
      arrived = await gate.late();
    }, { redis: true });
    const answers = arrived.replies.split(answer).length - 1;
    scene.note(`late: ${arrived.scripts} scripts, ${arrived.events} events; ${answers} times ${answer}`);
    if (!answers) scene.fail(`the fault didn't act: no ${answer}`);
    await scene.heal(LINK_BACK);
  },
});

module.exports = [
  cut(5),
  cut(15),
  cut(60),
  {
    name: 'subscriber-cut',
    about: "only one node's subscriber connection is silent, for 15 s",
    settings: { gated: true, keepsClients: true },
    async run(scene) {
      await scene.during(async () => {
        await scene.takeAway(0, false);
        scene.gates[0].silence('subscriber');
        await after(15000);
        scene.gates[0].restore();
      }, { redis: true });
      await scene.logged([0], /redis\.down/);
      await scene.heal(LINK_BACK);
    },
  },
  late('late-batch', 8, 'STALE', 'a batch that arrives after its node has connected anew'),
  late('late-fenced', 14, 'FENCED', 'a batch that arrives after its node was declared dead'),
  {
    name: 'message-lost',
    about: 'every tenth message of Redis to two of the nodes vanishes, for 5 s',
    settings: { gated: 'counts', keepsClients: true },
    async run(scene) {
      await scene.during(async () => {
        for (const i of [0, 1]) scene.gates[i].lose(10);
        await after(5000);
        const lost = [0, 1].map((i) => scene.gates[i].lose(0));
        scene.note(`${lost.join(' and ')} messages lost`);
        if (lost.some((n) => n < 10)) scene.fail("the fault didn't act");
      }, { redis: true });
      await scene.heal(ROTATED_LEAVES, { shown: ROTATED });
    },
  },
];
