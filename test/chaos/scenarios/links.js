'use strict';
// The network between one node and Redis (support/gate.js).
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
    await scene.heal(8000);
  },
});

/** Batches that arrive after their connection was given up: STALE, or FENCED. */
const late = (name, seconds, about) => ({
  name,
  about,
  settings: { gated: true, keepsClients: true },
  async run(scene) {
    let bytes;
    await scene.during(async () => {
      await scene.takeAway(0, false);
      if (seconds > 8) scene.gates[0].silence();
      else scene.gates[0].stick();
      await after(seconds * 1000);
      if (seconds > 8) {
        for (const p of scene.gates[0].pipes) p.stuck = p.kind === 'command' && !p.gone;
        scene.gates[0].restore();
        await after(3000);
      }
      bytes = scene.gates[0].late();
    }, { redis: true });
    if (!bytes) scene.fail('nothing was late');
    scene.note(`${bytes} bytes were late`);
    await scene.heal(8000);
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
      await scene.heal(8000);
    },
  },
  late('late-batch', 8, 'a batch that arrives after its node has connected anew'),
  late('late-fenced', 14, 'a batch that arrives after its node was declared dead'),
];
