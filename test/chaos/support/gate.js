'use strict';
// A TCP proxy between one node and its Redis that can fall silent, as a network does: bytes
// wait, as TCP sends them again, for as long as their connection lives. What a node gave up
// on is dropped, or, where `late` says so, still arrives afterwards.
const net = require('node:net');

const gates = new Set();
process.on('exit', () => gates.forEach((g) => g.close()));

class Pipe {
  constructor(gate, near) {
    this.gate = gate;
    this.near = near.setNoDelay();
    this.far = net.connect(gate.upstream);
    this.kind = undefined; // 'subscriber' once it has subscribed, 'command' once it hasn't
    this.held = { up: [], down: [] };
    near.on('data', (part) => this.up(part));
    this.far.on('data', (part) => this.pass('down', part));
    near.on('error', () => {});
    this.far.on('error', () => {});
    near.on('close', () => this.nearGone());
    this.far.on('close', () => this.silent() || near.destroy());
  }

  up(part) {
    if (!this.kind) {
      const text = part.toString('latin1');
      if (/\r\nSUBSCRIBE\r\n/i.test(text)) this.kind = 'subscriber';
      else if (/\r\n(EVALSHA|SCRIPT)\r\n/i.test(text)) this.kind = 'command';
    }
    this.pass('up', part);
  }

  silent() {
    return this.stuck || this.gate.silent === 'all' || (this.gate.silent !== undefined && this.gate.silent === this.kind);
  }

  pass(way, part) {
    if (this.silent()) this.held[way].push(part);
    else (way === 'up' ? this.far : this.near).write(part);
  }

  nearGone() {
    this.gone = true;
    if (!this.silent()) this.end();
    else if (!this.stuck) this.held.up = [];
  }

  /** The network carries again. */
  resume() {
    for (const part of this.held.up.splice(0)) this.far.write(part);
    for (const part of this.held.down.splice(0)) if (!this.gone) this.near.write(part);
    if (this.gone) this.far.end();
    if (this.gone) this.gate.pipes.delete(this);
    if (this.far.destroyed) this.near.destroy();
  }

  end() {
    this.near.destroy();
    this.far.destroy();
    this.gate.pipes.delete(this);
  }
}

class Gate {
  constructor(upstream) {
    this.upstream = upstream;
    this.pipes = new Set();
    this.silent = undefined; // 'all', 'subscriber', 'command'
    this.listener = net.createServer((socket) => this.pipes.add(new Pipe(this, socket)));
  }

  async open() {
    await new Promise((done) => this.listener.listen(0, '127.0.0.1', done));
    this.port = this.listener.address().port;
    gates.add(this);
    return this;
  }

  /** Nothing goes through, and nobody is told. */
  silence(kind = 'all') {
    this.silent = kind;
  }

  restore() {
    this.silent = undefined;
    for (const p of this.pipes) if (!p.stuck) p.resume();
  }

  /** What the command connections of now send waits until late() lets it arrive; new ones
   * are free. */
  stick() {
    for (const p of this.pipes) p.stuck = p.kind === 'command';
  }

  /** How many bytes arrive now, whoever has given up on them. */
  late() {
    let n = 0;
    for (const p of this.pipes) {
      if (!p.stuck) continue;
      p.stuck = false;
      n += p.held.up.reduce((sum, part) => sum + part.length, 0);
      p.resume();
    }
    return n;
  }

  /** Another Redis from now on; what is connected is cut. */
  turn(upstream) {
    this.upstream = upstream;
    for (const p of [...this.pipes]) p.end();
  }

  close() {
    this.listener.close();
    for (const p of [...this.pipes]) p.end();
    gates.delete(this);
  }
}

module.exports = { Gate };
