'use strict';
// Random numbers from a seed, so that a failure can be run again: the test prints it, and
// WIRE_SEED sets it.

/** A generator of numbers in [0, 1) (mulberry32). */
function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function seeded(t) {
  const seed = Number(process.env.WIRE_SEED || Date.now() % 4294967296);
  t.diagnostic(`WIRE_SEED=${seed}`);
  return generator(seed);
}

module.exports = { seeded, generator };
