'use strict';
// Failovers by three real sentinels. The nodes have no address but theirs.
const { start } = require('../../wire/support/server');
const { Watched } = require('../../wire/support/sentinel');
const { after } = require('../support/scene');
const { versions } = require('../support/verify');

const EVERY = [0, 1, 2, 3];
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** Nodes of the scene find their Redis by sentinels; the scene's own Redis isn't used. */
async function prepare(scene) {
  const watched = await Watched.start({ downAfter: 1000 });
  const { away } = scene;
  scene.watched = watched;
  scene.startNode = async (i) => {
    scene.places[i] = await start({ workers: 2, apps: [scene.app], shutdown_grace: 3, ...scene.config, ...watched.adapter() });
    scene.all.push(scene.places[i]);
  };
  scene.away = async () => {
    await away.call(scene);
    await watched.stop();
  };
}

/** When the last node's links were up again, from then. */
async function followed(scene, patience = 20000) {
  const times = () => scene.places.map((n) => Date.parse(/^(\S+) info redis\.up generation=2/m.exec(n.log())?.[1]));
  for (const deadline = Date.now() + patience; times().some(Number.isNaN) && Date.now() < deadline; ) await after(50);
  return Math.max(...times());
}

const failover = (name, about, cut, fault, restore) => ({
  name,
  about,
  prepare,
  settings: { keepsClients: true },
  async run(scene) {
    const { watched } = scene;
    await scene.redis.stop();
    scene.redis = watched.master;
    let lost, before;
    await scene.during(async () => {
      if (cut) {
        await watched.cutReplication();
        await after(4000);
        lost = await versions(watched.master);
        before = await versions(watched.replica);
      }
      const began = Date.now();
      watched.master.kill(fault);
      const promoted = await watched.promoted();
      scene.redis = watched.replica;
      const up = await followed(scene);
      scene.note(`named by a sentinel after ${seconds(watched.named() - began)}, all nodes there after ${seconds(up - began)}`);
      if (!(up - watched.named() < 2000)) scene.fail(`promoted after ${promoted - began} ms, followed after ${up - began}`);
      await after(3000);
      await restore(watched);
    }, { redis: true });
    await scene.logged(EVERY, /redis\.master .*epoch=[1-9]/);
    if (cut) {
      const rooms = Object.keys(lost).filter((ch) => lost[ch] > (before[ch] || 0));
      scene.note(`${rooms.length} rooms lost changes`);
      if (!rooms.length) scene.fail("the fault didn't act: nothing was lost");
    }
    await scene.heal(8000);
    const ups = scene.places.map((n) => n.log().match(/redis\.up /g).length);
    if (ups.some((n) => n !== 2)) scene.fail(`links came up ${ups} times, not twice each`);
  },
});

const comesBack = (watched) => watched.master.start(); // empty, until the sentinels make it a replica

module.exports = [
  failover('sentinel-failover', 'the master killed; its sentinels promote the replica; it comes back empty', false, 'SIGKILL', comesBack),
  failover('sentinel-cut', 'the same, its replica cut off for 4 s before: writes are lost', true, 'SIGKILL', () => {}),
  failover('sentinel-frozen', 'the master frozen; it wakes up as a master', false, 'SIGSTOP', (watched) => watched.master.kill('SIGCONT')),
];
