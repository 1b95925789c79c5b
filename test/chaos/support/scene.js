'use strict';
// What every scenario has: a Redis, nodes that share it (each through a gate of its own, where
// asked for), clients that keep account, and a backend that publishes. A scenario is calm, then
// busy while its fault acts, then quiet until everything is healed, then calm again; at the end
// Redis and the HTTP API are looked at as well.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { start, app } = require('../../wire/support/server');
const { Redis, adapter } = require('../../wire/support/redis');
const { Clients } = require('./clients');
const { Gate } = require('./gate');
const { within } = require('./shim');
const { Hooks } = require('./hooks');
const { Poster } = require('./poster');
const { verify } = require('./verify');

const { RECONNECT, FAULTLESS } = require('./bounds');

const after = (ms) => new Promise((done) => setTimeout(done, ms));
const SLACK = 1000; // ms beyond a bound, for this machine
const STILL = 2500; // ms that views are looked at once they are right: a heartbeat may tell more

class Scene {
  /** settings: clients, rate, calm (s), seed; of the run. More of the scenario's own. */
  constructor(name, settings) {
    Object.assign(this, { nodes: 4, room: 50, twins: 5, churning: 20, talking: 10, prefix: 'presence-chaos-', returns: 100, config: {} }, settings);
    this.name = name;
    this.app = app({ max_client_events_per_second: 0 });
    this.faults = [];
    this.all = []; // every node that ever was
    this.places = [];
    this.gates = [];
    this.avoided = new Set();
    this.missing = 0; // in calm
    this.notes = [];
  }

  fail(text) {
    this.faults.push(text);
  }

  note(text) {
    this.notes.push(text);
  }

  // Start

  async start() {
    this.redis = await within(this.redisEnv, () => new Redis({ args: this.redisArgs }).start());
    if (this.hooked) await (this.hooks = new Hooks()).open(this);
    this.rooms = Math.ceil(this.clientCount() / this.room);
    this.record = path.join(os.tmpdir(), `muster-chaos-${process.pid}-${this.name}.record`);
    this.clients = new Clients({
      key: this.app.key, secret: this.app.secret, clients: this.clientCount(), room: this.room, twins: this.twins,
      churning: this.churning, talking: this.talking, prefix: this.prefix, seed: this.seed, record: this.record,
    });
    await Promise.all(Array.from({ length: this.nodes }, (_, i) => this.startNode(i)));
    for (let i = 0; i < this.nodes; i++) await this.clients.say('node', i, this.places[i].url);
    await this.clients.say('returns', this.returns);
    this.poster = new Poster(this, Math.max(2, this.rate / 4));
    return this;
  }

  clientCount() {
    return Math.ceil(this.count / this.room) * this.room;
  }

  async startNode(i, env = (this.envs || [])[i]) {
    let link = adapter(this.redis);
    if (this.gated) {
      this.gates[i] = this.gates[i] || (await new Gate(this.redis.socket, this.gated === 'counts').open());
      link = adapter({}, { unix_socket: '', host: '127.0.0.1', port: this.gates[i].port });
    }
    this.places[i] = await start({ workers: 2, apps: [this.app], shutdown_grace: 3, ...this.config, ...link }, { env });
    this.all.push(this.places[i]);
  }

  // The nodes

  live() {
    return this.places.filter((n) => !n.how && !n.leaving);
  }

  /** Those that answer. */
  usable() {
    return this.live().filter((n) => !this.avoided.has(this.places.indexOf(n)));
  }

  async kill(i) {
    this.places[i].killed = true;
    await this.clients.say('closed', i);
    this.places[i].kill('SIGKILL');
    await this.places[i].exited;
  }

  /** SIGTERM, and its end. */
  async stopNode(i) {
    this.places[i].leaving = true;
    await this.clients.say('closed', i);
    this.places[i].kill('SIGTERM');
    const how = await this.places[i].ended(20000);
    if (how.code !== 0) this.fail(`node ${i} ended with ${JSON.stringify(how)}`);
  }

  async restartNode(i, env) {
    await this.startNode(i, env);
    await this.clients.say('node', i, this.places[i].url);
  }

  /** The others may drop its users until `isBack`; frozen: it doesn't answer either. */
  async takeAway(i, frozen) {
    await this.clients.say('away', i, 1);
    if (!frozen) return;
    this.avoided.add(i);
    await this.clients.say('closed', i);
    await this.clients.say('frozen', i, 1);
  }

  async isBack(i) {
    this.avoided.delete(i);
    await this.clients.say('frozen', i, 0);
    await this.clients.say('node', i, this.places[i].url);
  }

  /** The fault has acted: these nodes (or any of them) have logged it since the first calm. */
  async logged(nodes, pattern, any) {
    const silent = nodes.filter((i) => !pattern.test(this.places[i].log()));
    if (any ? silent.length === nodes.length : silent.length) this.fail(`the fault didn't act: no ${pattern} in the log of node ${silent}`);
  }

  // The phases

  /** All are in, and a while without faults has passed. */
  async enter() {
    await this.clients.say('enter', this.clientCount());
    const { ms, waiting, ghosts, lacking } = await this.clients.say('heal', 60000);
    if (waiting + ghosts + lacking) this.fail(`entering: ${waiting} waiting, ${ghosts} ghosts, ${lacking} lacking`);
    this.note(`in after ${ms} ms`);
    await this.calm();
  }

  async busy({ churn = this.rate, events = this.rate, posts = true } = {}) {
    await this.clients.say('churn', churn);
    await this.clients.say('events', events);
    if (posts) this.poster.start();
  }

  async quiet() {
    await this.clients.say('quiet');
    await this.poster.stop();
  }

  /** Nothing is at fault: one order, nothing missing, right at once. */
  async calm(seconds = this.calmFor) {
    const { missing } = await this.clients.say('report');
    await this.clients.say('order strict');
    await this.busy();
    await after(seconds * 1000);
    await this.quiet();
    await this.rest('calm', FAULTLESS);
    await after(300);
    await this.clients.say('order end');
    await this.clients.say('tails');
    this.missing += (await this.clients.say('report')).missing - missing;
  }

  /** Waits until every view is right, and stays so for `still` ms; the time since `since`
   * against the bound. */
  async rest(what, bound, since = Date.now(), still = 0) {
    const left = () => Math.max(0, since + Math.max(2 * bound, 15000) - Date.now());
    let shown = 0; // until everybody who is in was shown to everybody
    const settle = async (ms) => {
      const began = Date.now();
      const now = await this.clients.say('heal', ms);
      if (now.lacked) shown = began + now.lacked - since;
      return now;
    };
    let { waiting, ghosts, lacking } = await settle(left());
    let took = Date.now() - since;
    while (still && left() && !(waiting + ghosts + lacking)) {
      await after(still);
      const now = await settle(0);
      if (!(now.waiting + now.ghosts + now.lacking)) break;
      ({ waiting, ghosts, lacking } = await settle(left()));
      took = Date.now() - since;
    }
    this.ghosts = (this.ghosts || 0) + ghosts;
    if (waiting + ghosts + lacking) this.fail(`${what}: ${waiting} waiting, ${ghosts} ghosts, ${lacking} lacking after ${took} ms`);
    else if (took > bound + SLACK) this.fail(`${what}: healed after ${took} ms, the bound is ${bound}`);
    return { took, shown };
  }

  /** When the last node was connected again, ms after `since`. */
  reconnected(since) {
    const ups = this.live().flatMap((n) => [...n.log().matchAll(/^(\S+) info redis\.up /gm)]);
    return Math.max(...ups.map(([, when]) => Date.parse(when) - since));
  }

  /** The fault is over since `since`: quiet, whole within the bound (ms), everybody shown
   * within the bound for that, and calm once more. */
  async heal(bound, { since = Date.now(), shown = Math.min(bound, RECONNECT) } = {}) {
    Object.assign(this, { bound, shownBound: shown });
    await this.quiet();
    ({ took: this.healed, shown: this.shown } = await this.rest('healing', bound, since, STILL));
    if (this.shown > shown + SLACK) this.fail(`who is in was shown after ${this.shown} ms, the bound is ${shown}`);
    const connected = this.reconnected(since);
    if (connected > 0) this.note(`all connected to Redis again after ${connected} ms`);
    await this.clients.say('settled');
    await this.clients.say('fault', 0);
    for (let i = 0; i < this.nodes; i++) await this.clients.say('away', i, 0);
    await after(200);
    if (this.common) await this.clients.say('order end');
    await this.clients.say('tails');
    await after(Math.max(0, since + bound + SLACK - Date.now())); // leaves may wait so long, in some nodes
    await this.calm();
    for (const fault of await verify(this, 3000 + Math.max(0, since + 15000 - Date.now()))) this.fail(fault);
    if (!this.hooks) return;
    for (const fault of await this.hooks.verify(this)) this.fail(fault);
    this.note(`${this.hooks.receiver.events.length} webhooks`);
  }

  /** While `act` acts there is churn. redis: who joins now may be unknown to Redis. */
  async during(act, { redis = false, common = !redis, ...pace } = {}) {
    this.common = common;
    if (common) await this.clients.say('order common');
    await this.busy(pace);
    await after(500);
    if (redis) await this.clients.say('fault', 1);
    await act();
  }

  // The end

  judge(tally) {
    const lossy = tally.missing - this.missing;
    if (tally.false_removals) this.fail(`${tally.false_removals} false removals`);
    if (tally.doubled) this.fail(`${tally.doubled} doubled events`);
    if (tally.malformed) this.fail(`${tally.malformed} frames against I1`);
    if (tally.order) this.fail(`${tally.order} in another order`);
    if (this.missing) this.fail(`${this.missing} events missing without a fault`);
    if (lossy && this.lossless) this.fail(`${lossy} events missing`);
    if (tally.lost && this.keepsClients) this.fail(`${tally.lost} connections lost`);
  }

  async end() {
    const tally = await this.clients.say('report');
    await this.clients.end();
    this.judge(tally);
    await Promise.all(this.live().map((n) => this.endNode(n)));
    for (const n of this.all) this.saneNode(n);
    await this.away();
    return tally;
  }

  async endNode(n) {
    n.kill('SIGTERM');
    const how = await n.ended(15000);
    if (how.code !== 0) this.fail(`a node ended with ${JSON.stringify(how)}:\n${n.tail()}`);
  }

  saneNode(n) {
    if (n.how.signal === 'SIGSEGV' || n.how.signal === 'SIGABRT') this.fail(`a node died of ${n.how.signal}:\n${n.tail()}`);
    try {
      n.sane();
    } catch (e) {
      this.fail(e.message);
    }
  }

  /** Removes what is left; the record and the logs stay where something was wrong. */
  async away() {
    if (this.poster) await this.poster.stop();
    for (const n of this.all) if (!n.how) n.kill('SIGCONT'), n.kill('SIGKILL');
    await Promise.all(this.all.map((n) => n.exited));
    this.gates.forEach((g) => g.close());
    if (this.hooks) this.hooks.close();
    if (this.clients) await this.clients.end();
    for (const r of [this.redis, this.replica]) if (r) await r.stop().catch(() => {});
    if (!this.record) return;
    if (!this.faults.length) fs.rmSync(this.record, { force: true });
    else fs.writeFileSync(`${this.record}.logs`, this.all.map((n, i) => `-- ${i}\n${n.log()}`).join('\n') + this.clients.complaints);
  }
}

module.exports = { Scene, after };
