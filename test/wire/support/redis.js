'use strict';
// A redis-server (or MUSTER_TEST_REDIS) of the test's own, on a Unix socket in a scratch
// directory, without persistence; and nodes that share it. Whatever ends this process, it
// doesn't outlive it. With MUSTER_TEST_TLS=1 nodes come through TLS, which takes a build that
// can; the test itself stays on the socket.
const { spawn, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const os = require('node:os');
const { Authority } = require('./authority');

const PROGRAM = process.env.MUSTER_TEST_REDIS || 'redis-server';
const CLI = PROGRAM.replace(/-server$/, '-cli');

const running = new Set();
const dirs = new Set();
process.on('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  dirs.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true }));
});

let authority;

/** A port that was free a moment ago; at once, since settings are made before the start. */
function portNow() {
  const probe = "const s = require('node:net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })";
  return Number(execFileSync(process.execPath, ['-e', probe], { encoding: 'utf8' }));
}

/** TLS to a Redis that shows `server` and asks for a certificate, which `node` is. */
function secure() {
  authority = authority || new Authority();
  return { port: portNow(), ca: authority.ca, server: authority.sign('DNS:localhost', 'IP:127.0.0.1'), node: authority.sign() };
}

const tlsArgs = ({ port, ca, server }) => ['--bind', '127.0.0.1', '-::1', '--tls-port', port, '--tls-ca-cert-file', ca, '--tls-cert-file', server.cert, '--tls-key-file', server.key].map(String);

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Redis {
  /** tls: what secure() gives, or false. */
  constructor({ args = [], tls = process.env.MUSTER_TEST_TLS === '1' && secure() } = {}) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-redis-'));
    dirs.add(this.dir);
    this.socket = path.join(this.dir, 's');
    this.tls = tls;
    this.args = tls ? [...tlsArgs(tls), ...args] : args;
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

/** How a node reaches it. */
function address({ socket, tls }) {
  if (!tls) return { unix_socket: socket };
  return { host: '127.0.0.1', port: tls.port, tls: true, tls_ca: tls.ca, tls_cert: tls.node.cert, tls_key: tls.node.key };
}

/** The settings of a node that uses it. */
function adapter(redis, more = {}) {
  return { adapter: { driver: 'redis', redis: { ...address(redis), ...more } } };
}

module.exports = { Redis, adapter, secure };
