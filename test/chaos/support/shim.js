'use strict';
// What a process is started with (shim/shim.c): a wall clock that can be stepped, or the name
// that a node takes first.
const fs = require('node:fs');
const path = require('node:path');
const { BIN } = require('./clients');
const { scratch } = require('../../wire/support/server');

const LD_PRELOAD = path.join(path.dirname(BIN), 'shim.so');
const ASAN_OPTIONS = `${process.env.ASAN_OPTIONS || ''}:verify_asan_link_order=0`; // it wants to be the first

class Clock {
  constructor() {
    this.file = path.join(scratch(), 'clock');
    this.step(0);
    this.env = { LD_PRELOAD, ASAN_OPTIONS, CHAOS_CLOCK: this.file };
  }

  /** It is wrong by so many seconds from now on. */
  step(seconds) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    const fd = fs.openSync(this.file, fs.constants.O_CREAT | fs.constants.O_WRONLY);
    fs.writeSync(fd, bytes, 0, 8, 0);
    fs.closeSync(fd);
  }
}

const named = (nid) => ({ LD_PRELOAD, ASAN_OPTIONS, CHAOS_NID: nid });

/** What `spawns` starts before it first waits gets this environment, too. */
function within(env = {}, spawns) {
  const before = Object.keys(env).map((name) => [name, process.env[name]]);
  Object.assign(process.env, env);
  const started = spawns();
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  return started;
}

module.exports = { Clock, named, within };
