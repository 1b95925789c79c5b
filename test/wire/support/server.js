'use strict';
// Starts the real binary on a free port with a configuration of the test's own, and ends it
// again: by SIGTERM, with exit code 0, within the grace, and with no sanitizer report.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const assert = require('node:assert');
const { Client, PATIENCE } = require('./client');
const { Redis, adapter } = require('./redis');

const BIN = path.resolve(process.env.MUSTER_BIN || path.join(__dirname, '../../../build/muster'));
const SANITIZER = /(Address|Thread|Leak|UndefinedBehavior|Memory)Sanitizer|runtime error:/;
const GRACE = 3; // s, shutdown_grace unless the test says otherwise

let apps = 0;

/** An app of a configuration, with what most tests need switched on. */
function app(more = {}) {
  const n = ++apps;
  return {
    id: `app-${n}`,
    key: `key-${n}`,
    secret: `secret-${n}-${'x'.repeat(8)}`,
    enable_client_messages: true,
    enable_user_authentication: true,
    ...more,
  };
}

function environment(more) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([k]) => !k.startsWith('MUSTER_')),
  );
  return { ...env, ...more };
}

/** A directory for the configuration; removed when the process ends. */
const made = [];
process.on('exit', () => made.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true })));

function scratch() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-wire-'));
  made.push(dir);
  return dir;
}

function write(config) {
  const text = typeof config === 'string';
  const file = path.join(scratch(), text ? 'muster.cfg' : 'muster.json');
  fs.writeFileSync(file, text ? config : JSON.stringify(config, null, 2));
  return file;
}

// Whatever ends this process, no server outlives it.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

class Server {
  constructor(args, { env, cwd, config } = {}) {
    this.config = config || {};
    this.apps = this.config.apps || [];
    this.clients = new Set();
    this.nodes = [this]; // itself, and who stands beside it (MUSTER_TEST_NODES)
    this.turn = 0;
    this.text = '';
    this.waiters = new Set();
    this.grace = 1000 * (this.config.shutdown_grace || GRACE);
    this.child = spawn(BIN, args, {
      env: environment(env),
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.pid = this.child.pid;
    running.add(this.child);
    this.out = '';
    this.child.stdout.on('data', (chunk) => (this.out += chunk));
    this.child.stderr.on('data', (chunk) => {
      this.text += chunk;
      for (const w of this.waiters) w();
    });
    this.exited = new Promise((done) => {
      this.child.on('error', (error) => done({ error }));
      this.child.on('close', (code, signal) => done({ code, signal }));
    });
    this.exited.then((how) => {
      this.how = how;
      running.delete(this.child);
      for (const w of this.waiters) w();
    });
  }

  /** Of the node whose turn it is: who asks twice asks two. */
  get port() {
    return this.nodes[this.turn++ % this.nodes.length].bound;
  }

  get url() {
    return `ws://127.0.0.1:${this.port}`;
  }

  log() {
    return this.nodes.map((n) => n.text).join('');
  }

  /** The first log line that matches, from byte `from` on; of several nodes, any's. */
  logged(pattern, patience = PATIENCE, from = 0) {
    return Promise.any(this.nodes.map((n) => n.loggedAlone(pattern, patience, from))).catch((e) => {
      throw e.errors[0];
    });
  }

  async loggedAlone(pattern, patience, from) {
    for (const deadline = Date.now() + patience; ; ) {
      const line = this.text
        .slice(from)
        .split('\n')
        .slice(0, -1)
        .find((l) => pattern.test(l));
      if (line) return line;
      if (this.how) throw new Error(`ended (${JSON.stringify(this.how)}) before ${pattern}:\n${this.tail()}`);
      if (Date.now() >= deadline) throw new Error(`no log line ${pattern}:\n${this.tail()}`);
      await new Promise((done) => {
        const wake = () => {
          clearTimeout(timer);
          this.waiters.delete(wake);
          done();
        };
        const timer = setTimeout(wake, Math.max(1, deadline - Date.now()));
        this.waiters.add(wake);
      });
    }
  }

  tail() {
    return this.nodes.map((n) => n.text.split('\n').slice(-25).join('\n')).join('\n--\n');
  }

  async listening() {
    const line = await this.loggedAlone(/\bnode\.listening\b/, PATIENCE, 0);
    const m = /"?host"?[=:]"?([^\s",]+)"?[\s,]+"?port"?[=:](\d+)/.exec(line);
    assert.ok(m, `no host and port in: ${line}`);
    this.host = m[1];
    this.bound = Number(m[2]);
  }

  client(options) {
    return Client.open(this, options);
  }

  /** Several, one after another, so that the workers share them. */
  async several(n, options) {
    const all = [];
    for (let i = 0; i < n; i++) all.push(await this.client(options));
    return all;
  }

  /** Fails with whatever any client saw that no client may see. */
  verify() {
    const faults = [...this.clients].flatMap((c) => c.checker.faults);
    assert.deepStrictEqual(faults, [], 'frames against the protocol');
  }

  kill(signal) {
    for (const n of this.nodes) if (!n.how) process.kill(n.pid, signal);
  }

  /** Waits for the end; kills a process that won't. */
  async ended(patience) {
    const timer = setTimeout(() => this.kill('SIGKILL'), patience);
    const how = await this.exited;
    clearTimeout(timer);
    return how;
  }

  async stop({ signal = 'SIGTERM' } = {}) {
    this.stopped = true;
    for (const c of this.clients) if (c.tcp) c.drop();
    const open = [...this.clients].filter((c) => c.ws && c.state === 'open' && c.ws.readyState === 1);
    const ran = !this.how;
    const before = Date.now();
    this.kill(signal);
    const how = await this.ended(this.grace + 10000);
    const took = Date.now() - before;
    assert.ok(ran, `the server had ended before (${JSON.stringify(how)}):\n${this.tail()}`);
    for (const n of this.nodes) {
      const end = await n.ended(this.grace + 10000 - took);
      n.sane();
      assert.deepStrictEqual(end, { code: 0, signal: null }, `its end:\n${n.tail()}`);
    }
    assert.ok(took < this.grace + 1000, `took ${took} ms to stop`);
    for (const c of open) assert.strictEqual(await c.gone(), 4200, 'the close at shutdown');
    this.verify();
  }

  /** No sanitizer report and no secret in anything that it printed. */
  sane() {
    const m = SANITIZER.exec(this.text);
    assert.ok(!m, m && `sanitizer report:\n${this.text.slice(m.index - 200, m.index + 4000)}`);
    for (const { secret } of this.apps)
      if (secret && secret.length > 7)
        assert.ok(!(this.text + this.out).includes(secret), `a secret in the log:\n${this.tail()}`);
  }

  async abandon() {
    this.kill('SIGKILL');
    await Promise.all(this.nodes.map((n) => n.exited));
    for (const c of this.clients) c.drop();
  }
}

/** A port that was free a moment ago, for what can't listen on any free one. */
function freePort() {
  return new Promise((done) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

// With MUSTER_TEST_ADAPTER=redis every server is a node of a cluster of its own: what a node
// by itself keeps must hold there, unchanged. With MUSTER_TEST_NODES=n it is n nodes, and
// successive connections and requests go to them in turn.
const SHARED = process.env.MUSTER_TEST_ADAPTER === 'redis';
const NODES = SHARED ? Number(process.env.MUSTER_TEST_NODES || 1) : 1;
let redis;
let clusters = 0;

async function shared(config) {
  if (!SHARED || config.adapter) return config;
  redis = redis || new Redis().start();
  return { ...config, ...adapter(await redis, { prefix: `c${++clusters}:` }) };
}

/** config: an object (defaults are filled in, written as JSON) or the text of a .cfg file. */
async function start(config = {}, options = {}) {
  const full =
    typeof config === 'string'
      ? config
      : await shared({ host: '127.0.0.1', port: 0, workers: 2, shutdown_grace: GRACE, apps: [app()], ...config });
  const launch = () =>
    new Server(['--config', write(full), ...(options.args || [])], {
      ...options,
      config: typeof full === 'string' ? options.config : full,
    });
  const server = launch();
  if (full.adapter && full.adapter !== config.adapter)
    while (server.nodes.length < NODES) server.nodes.push(launch());
  try {
    await Promise.all(server.nodes.map((n) => n.listening()));
  } catch (e) {
    await server.abandon();
    throw e;
  }
  return server;
}

/** A test's body with a server of its own: withServer({…}, async (server, t) => …). */
function withServer(config, body) {
  return async (t) => {
    const server = await start(typeof config === 'function' ? config() : config);
    try {
      await body(server, t);
      server.verify();
    } catch (e) {
      const seen = server.how ? `\nthe server had ended: ${JSON.stringify(server.how)}` : '';
      e.message += `${seen}\nserver log:\n${server.tail()}`;
      await server.abandon();
      throw e;
    }
    if (!server.stopped) await server.stop();
  };
}

/** Runs the binary to its end, for what ends by itself. */
async function run(args, options = {}) {
  const server = new Server(args, options);
  const how = await server.ended(options.patience || 20000);
  server.sane();
  return { ...how, out: server.out, err: server.text };
}

/** A node by itself, whatever MUSTER_TEST_ADAPTER says: for what only such a one does. */
const local = { adapter: { driver: 'local' } };

/** A test's options: it is about one process, and skipped where there are several nodes. */
const oneNode = (why) => ({ skip: NODES > 1 && `several nodes: ${why}` });

module.exports = { local, oneNode, Server, start, withServer, run, write, scratch, app, freePort, BIN };
