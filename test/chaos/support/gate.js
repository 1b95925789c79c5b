'use strict';
// A TCP proxy between one node and its Redis that can fall silent, as a network does: bytes
// wait, as TCP sends them again, for as long as their connection lives. What a node gave up
// on is dropped, or, where `late` says so, still arrives afterwards.
const net = require('node:net');

const { Frames } = require('./frames');

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
    if (gate.counts) this.frames = new Frames((frame) => this.loses(frame) || this.pass('down', frame));
    this.far.on('data', (part) => (this.frames ? this.frames.take(part) : this.pass('down', part)));
    near.on('error', () => {});
    this.far.on('error', () => {});
    near.on('close', () => this.nearGone());
    this.far.on('close', () => this.silent() || near.destroy());
  }

  up(part) {
    if (this.gate.trap && !this.stuck && this.kind !== 'subscriber') part = this.sprung(part);
    if (part.length) this.forward(part);
  }

  /** What goes through before the trap's word has come often enough; then nothing does. */
  sprung(part) {
    const { word } = this.gate.trap;
    for (let at = part.indexOf(word); at >= 0; at = part.indexOf(word, at + 1)) {
      if (--this.gate.trap.left > 0) continue;
      const { sprung } = this.gate.trap;
      this.gate.trap = undefined;
      this.stuck = true;
      this.far.write(part.subarray(0, at));
      sprung();
      return Buffer.alloc(0);
    }
    return part;
  }

  forward(part) {
    if (!this.kind) {
      const text = part.toString('latin1');
      if (/\r\nSUBSCRIBE\r\n/i.test(text)) this.kind = 'subscriber';
      else if (/\r\n(EVALSHA|SCRIPT)\r\n/i.test(text)) this.kind = 'command';
    }
    this.pass('up', part);
  }

  /** A message about a channel; what proves that the connection lives comes through. */
  loses(frame) {
    if (!this.gate.nth || !/^\*3\r\n\$7\r\nmessage\r\n\$\d+\r\n[^\r]*\}c:/.test(frame.toString('latin1', 0, 200))) return false;
    return ++this.gate.messages % this.gate.nth === 0;
  }

  silent() {
    return this.stuck || this.gate.silent === 'all' || (this.gate.silent !== undefined && this.gate.silent === this.kind);
  }

  pass(way, part) {
    if (way === 'down' && this.late) this.late.replies += part.toString('latin1');
    else if (this.silent()) this.held[way].push(part);
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
  constructor(upstream, counts) {
    this.upstream = upstream;
    this.counts = counts; // what comes down is taken apart, so that a message can vanish
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

  /** Lets a word through n - 1 times on command connections, then holds the one it comes on
   * and resolves. */
  trapped(word, n) {
    return new Promise((sprung) => {
      this.trap = { word, left: n, sprung };
    });
  }

  /** Each nth message vanishes from now on; 0: none. How many have. */
  lose(nth) {
    const lost = Math.floor(this.messages / this.nth);
    Object.assign(this, { nth, messages: 0 });
    return lost;
  }

  /** All that was stuck arrives now, whoever has given up on it. {bytes, scripts: EVALSHAs,
   * loads: SCRIPT LOADs, events: PUBLISHes, replies: what Redis said}. */
  async late() {
    const late = { bytes: 0, scripts: 0, loads: 0, events: 0, replies: '' };
    const stuck = [...this.pipes].filter((p) => p.stuck);
    const count = (text, word) => text.split(`\r\n${word}\r\n`).length - 1;
    for (const p of stuck) {
      const text = Buffer.concat(p.held.up).toString('latin1');
      late.bytes += text.length;
      late.scripts += count(text, 'EVALSHA');
      late.loads += count(text, 'SCRIPT');
      late.events += count(text, 'PUBLISH');
      p.late = late;
      p.far.write(Buffer.concat(p.held.up.splice(0)));
    }
    await new Promise((done) => setTimeout(done, 1000));
    for (const p of stuck) p.end();
    return late;
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
