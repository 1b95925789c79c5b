'use strict';
// Some nodes of one cluster and the redis-server that they share. Every node that a test
// starts is kept to the end: what its clients saw counts, however the node ended.
const assert = require('node:assert');
const net = require('node:net');
const { start, app } = require('./server');
const { ask } = require('./api');
const { Redis, adapter } = require('./redis');

const after = (ms) => new Promise((done) => setTimeout(done, ms));

/** Tries until it doesn't fail any more; resolves with what it gave. */
async function eventually(check, patience = 5000) {
  for (const deadline = Date.now() + patience; ; ) {
    try {
      return await check();
    } catch (e) {
      if (Date.now() > deadline) throw e;
    }
    await after(20);
  }
}

/** Whether the client is in the channel, by what it sent and was answered. */
function inside(client, channel) {
  const view = client.checker.views.get(channel);
  return client.state === 'open' && !!view && view.lives > (client.checker.leaves.get(channel) || 0);
}

/** The users that should be members: those of live clients in the channel. */
function present(clients, channel) {
  return [...new Set(clients.filter((c) => inside(c, channel)).map((c) => c.checker.own.get(channel)))].sort();
}

/** What a proxy in front of the nodes does: each connection to the next that takes any. */
class Balancer {
  constructor(cluster) {
    this.turn = 0;
    this.apps = cluster.apps;
    this.clients = cluster.strays;
    this.sockets = new Set();
    this.listener = net.createServer((socket) => {
      const nodes = cluster.live();
      const upstream = net.connect(nodes[this.turn++ % nodes.length].port, '127.0.0.1');
      for (const [one, other] of [[socket, upstream], [upstream, socket]]) {
        this.sockets.add(one.setNoDelay());
        one.on('error', () => {});
        one.on('close', () => this.sockets.delete(one) && other.destroy());
        one.pipe(other);
      }
    });
  }

  async open() {
    await new Promise((done) => this.listener.listen(0, '127.0.0.1', done));
    this.port = this.listener.address().port;
    this.url = `ws://127.0.0.1:${this.port}`;
    return this;
  }

  close() {
    this.listener.close();
    for (const s of this.sockets) s.destroy();
  }
}

class Cluster {
  constructor(redis, settings, config) {
    this.redis = redis;
    this.config = { workers: 2, apps: [app()], ...config, ...adapter(redis, settings) };
    this.apps = this.config.apps;
    this.nodes = []; // by their places; a restarted node stands in its predecessor's
    this.all = [];
    this.strays = new Set(); // clients that came through the balancer
    this.turn = 0;
  }

  /** nodes: how many; redis: adapter.redis's settings beside its address; redisArgs; tls: what
   * secure() of redis.js gives. */
  static async start({ nodes = 2, redis = {}, redisArgs, tls, config = {} } = {}) {
    const server = await new Redis({ args: redisArgs, tls }).start();
    const cluster = new Cluster(server, redis, config);
    try {
      await Promise.all(Array.from({ length: nodes }, (_, i) => cluster.restart(i)));
    } catch (e) {
      await cluster.abandon();
      throw e;
    }
    return cluster;
  }

  /** A new process in the place of node i, which has ended (or never was). */
  async restart(i, more = {}) {
    this.nodes[i] = await start({ ...this.config, ...more });
    this.all.push(this.nodes[i]);
    return this.nodes[i];
  }

  live() {
    return this.nodes.filter((n) => !n.how && !n.leaving);
  }

  clients() {
    return [...this.strays, ...this.all.flatMap((n) => [...n.clients])];
  }

  client(i, options) {
    return this.nodes[i].client(options);
  }

  /** One after another, each on the next live node. */
  async several(n, options) {
    const all = [];
    for (let i = 0; i < n; i++) all.push(await this.next().client(options));
    return all;
  }

  next() {
    const live = this.live();
    return live[this.turn++ % live.length];
  }

  async balancer() {
    this.balancing = await new Balancer(this).open();
    return this.balancing;
  }

  /** kill -9. */
  async kill(i) {
    this.nodes[i].killed = true;
    this.nodes[i].kill('SIGKILL');
    await this.nodes[i].exited;
  }

  /** SIGTERM, and its end; new connections go elsewhere from now on. */
  async stopNode(i) {
    this.nodes[i].leaving = true;
    await this.nodes[i].stop();
  }

  /** The names of the keys `<letter>:<app>:<channel>`, without their prefix's. */
  keys(letter, channel, one = this.apps[0]) {
    return this.redis.list('KEYS', `*}${letter}:${one.id}:${channel}`);
  }

  /** What Redis says of a channel's members: {user: how many nodes hold it}. */
  holders(channel, one) {
    const [key] = this.keys('m', channel, one);
    const lines = key ? this.redis.list('HGETALL', key) : [];
    const all = {};
    for (let i = 0; i < lines.length; i += 2) all[lines[i]] = lines[i + 1].split(';')[0].split(',').length;
    return all;
  }

  /** The numbers of those that run, from their logs. */
  numbers() {
    return this.live().map((n) => [...n.log().matchAll(/cluster\.nid nid=([0-9a-f]+)/g)].at(-1)[1]).sort();
  }

  /** Redis knows the nodes that run and no others: neither alive nor as holding anything. */
  forgotten(patience) {
    return eventually(async () => {
      const live = this.numbers();
      assert.deepStrictEqual(this.hearts(), live);
      assert.deepStrictEqual(this.references().filter((nid) => !live.includes(nid)), []);
    }, patience);
  }

  /** The numbers of the nodes that Redis takes for live. */
  hearts() {
    const lines = this.redis.list('HGETALL', this.redis.list('KEYS', '*{pxhb}hb')[0]);
    return lines.filter((l, i) => i % 2 === 0 && l !== '_e').sort();
  }

  /** Those that hold anything. */
  references() {
    const all = this.redis.list('KEYS', '*}n').flatMap((key) => this.redis.list('SMEMBERS', key));
    return [...new Set(all)].sort();
  }

  /** Once `n` nodes hold the user: what follows comes after what he caused. */
  held(channel, user, n) {
    return eventually(async () => assert.strictEqual(this.holders(channel)[user] || 0, n));
  }

  /** I3: every client's view, Redis, and each node's HTTP API are the truth. */
  async agree(channel, patience) {
    const before = Date.now();
    await eventually(async () => {
      const clients = this.clients().filter((c) => inside(c, channel));
      const users = present(clients, channel);
      for (const c of clients) assert.deepStrictEqual(c.checker.view(channel), users, `the view of ${c.checker.own.get(channel)}`);
      assert.deepStrictEqual(Object.keys(this.holders(channel)).sort(), users, 'Redis');
      for (const node of this.live()) {
        const answer = await ask(node, `/channels/${channel}/users`);
        assert.deepStrictEqual(answer.users.map((u) => u.id).sort(), users, 'the API');
        const { subscription_count: n } = await ask(node, `/channels/${channel}`, { info: 'subscription_count' });
        assert.strictEqual(n || 0, clients.length, 'subscription_count');
      }
    }, patience);
    return Date.now() - before;
  }

  verify() {
    const faults = this.clients().flatMap((c) => c.checker.faults);
    assert.deepStrictEqual(faults, [], 'frames against the protocol');
  }

  /** The end of each node's log. */
  logs() {
    return this.all.map((n) => `-- node at ${n.port}, ${n.how ? JSON.stringify(n.how) : 'running'}:\n${n.tail()}`).join('\n');
  }

  async stop() {
    this.balancing?.close();
    await Promise.all(this.live().map((n) => n.stop()));
    this.verify();
    for (const n of this.all) n.sane();
    await this.redis.stop();
  }

  async abandon() {
    this.balancing?.close();
    await Promise.all(this.all.map((n) => n.abandon()));
    await this.redis.stop();
  }
}

/** A test's body with a cluster of its own: withCluster({…}, async (cluster, t) => …). */
function withCluster(options, body) {
  return async (t) => {
    const cluster = await Cluster.start(typeof options === 'function' ? options() : options);
    try {
      await body(cluster, t);
      cluster.verify();
    } catch (e) {
      e.message += `\n${cluster.logs()}`;
      await cluster.abandon();
      throw e;
    }
    await cluster.stop();
  };
}

module.exports = { Cluster, withCluster, eventually, inside, present, after };
