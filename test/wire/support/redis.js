'use strict';
// A redis-server (or MUSTER_TEST_REDIS) of the test's own, on a Unix socket in a scratch
// directory, without persistence; and nodes that share it. Whatever ends this process, it
// doesn't outlive it.
const { spawn, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const os = require('node:os');

const PROGRAM = process.env.MUSTER_TEST_REDIS || 'redis-server';
const CLI = PROGRAM.replace(/-server$/, '-cli');

const running = new Set();
const dirs = new Set();
process.on('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  dirs.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true }));
});

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Redis {
  constructor({ args = [] } = {}) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-redis-'));
    dirs.add(this.dir);
    this.socket = path.join(this.dir, 's');
    this.args = args;
  }

  async start() {
    const args = ['--port', '0', '--unixsocket', this.socket, '--save', '', '--appendonly', 'no', '--dir', this.dir, ...this.args];
    this.child = spawn(PROGRAM, this.command || args, { stdio: 'ignore' });
    this.child.unref(); // the tests' end ends it
    running.add(this.child);
    this.exited = new Promise((done) => this.child.on('close', done));
    this.exited.then(() => running.delete(this.child));
    for (let i = 0; i < 400; i++) {
      if ((await this.call('PING').catch(() => '')) === 'PONG') return this;
      await sleep(25);
    }
    throw new Error(`${PROGRAM} did not start`);
  }

  /** One command; its reply as redis-cli prints it. */
  call(...words) {
    return new Promise((done, failed) => {
      const s = net.connect(this.socket);
      let text = '';
      s.on('error', failed);
      s.on('data', (part) => {
        text += part;
        const m = /^([+:-])(.*)\r\n$/.exec(text) || /^(\$)\d+\r\n([^]*)\r\n$/.exec(text) || /^(\*)([^]*)\r\n$/.exec(text);
        if (!m) return;
        s.destroy();
        if (m[1] === '-') failed(new Error(m[2]));
        else done(m[2]);
      });
      s.write(`*${words.length}\r\n${words.map((w) => `$${Buffer.byteLength(String(w))}\r\n${w}\r\n`).join('')}`);
      s.setTimeout(3000, () => {
        s.destroy();
        failed(new Error('no reply'));
      });
    });
  }

  /** What redis-cli says to a command, in lines; for lists and hashes. */
  list(...words) {
    return execFileSync(CLI, ['-s', this.socket, ...words.map(String)], { encoding: 'utf8' })
      .split('\n')
      .filter((l) => l !== '');
  }

  kill(signal) {
    if (this.child?.exitCode === null && this.child.signalCode === null) process.kill(this.child.pid, signal);
  }

  /** Its process alone: start() then starts an empty one on the same socket. */
  async crash() {
    this.child?.ref();
    this.kill('SIGKILL');
    await this.exited;
  }

  async stop() {
    this.kill('SIGCONT');
    await this.crash();
    fs.rmSync(this.dir, { recursive: true, force: true });
    dirs.delete(this.dir);
  }
}

/** The settings of a node that uses it. */
function adapter(redis, more = {}) {
  return { adapter: { driver: 'redis', redis: { unix_socket: redis.socket, ...more } } };
}

module.exports = { Redis, adapter };
