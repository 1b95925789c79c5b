'use strict';
// A master, a replica and the sentinels that watch them, all real, with free ports of 127.0.0.1.
const fs = require('node:fs');
const path = require('node:path');
const { Redis, adapter } = require('./redis');
const { freePort } = require('./server');

const NAME = 'main';
const REPLICATION = ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, check, patience = 15000) {
  for (const deadline = Date.now() + patience; ; await sleep(50)) {
    if (await check().catch(() => false)) return;
    if (Date.now() > deadline) throw new Error(`not in ${patience} ms: ${what}`);
  }
}

/** A Redis that listens on a port, too. */
async function server(args) {
  const port = await freePort();
  const redis = new Redis({ args: ['--port', String(port), '--bind', '127.0.0.1', ...REPLICATION, ...args] });
  redis.port = port;
  return redis.start();
}

/** One sentinel; Redis's own handling, another command line. */
async function sentinel(masterPort, downAfter, quorum) {
  const one = new Redis();
  one.port = await freePort();
  const file = path.join(one.dir, 'conf');
  fs.writeFileSync(file, [
    `port ${one.port}`, 'bind 127.0.0.1', `unixsocket ${one.socket}`, `dir ${one.dir}`, `logfile ${one.dir}/log`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${NAME} ${downAfter}`, `sentinel failover-timeout ${NAME} 2000`, '',
  ].join('\n'));
  one.command = [file, '--sentinel'];
  return one.start();
}

class Watched {
  /** downAfter: ms, after which a sentinel takes the master for dead. */
  static async start({ downAfter = 1000, n = 3 } = {}) {
    const w = new Watched();
    w.all = [];
    try {
      await w.begin(downAfter, n);
    } catch (e) {
      await w.stop();
      throw e;
    }
    return w;
  }

  async begin(downAfter, n) {
    this.all.push((this.master = await server([])));
    // The replica's own user, so that replication alone can be cut (cutReplication).
    await this.master.call('ACL', 'SETUSER', 'replica', 'on', '>pass', '+psync', '+replconf', '+ping');
    this.all.push((this.replica = await server(['--replicaof', '127.0.0.1', String(this.master.port), '--masteruser', 'replica', '--masterauth', 'pass'])));
    this.sentinels = await Promise.all(Array.from({ length: n }, () => sentinel(this.master.port, downAfter, Math.floor(n / 2) + 1)));
    this.all.push(...this.sentinels);
    await until('replication', async () => /master_link_status:up/.test(await this.replica.call('INFO', 'replication')));
    for (const s of this.sentinels)
      await until('the sentinels know each other and the replica', async () => {
        const facts = s.list('SENTINEL', 'MASTER', NAME);
        const fact = (name) => Number(facts[facts.indexOf(name) + 1]);
        return fact('num-slaves') === 1 && fact('num-other-sentinels') === n - 1;
      });
    await sleep(downAfter); // a replica whose INFO is older isn't promoted
  }

  /** A node's settings (adapter.redis). */
  settings(more = {}) {
    return { unix_socket: '', sentinels: this.sentinels.map((s) => `127.0.0.1:${s.port}`), master_name: NAME, ...more };
  }

  adapter(more) {
    return adapter({}, this.settings(more));
  }

  /** The replica keeps what it has; to the sentinels it is a replica like any other. */
  async cutReplication() {
    await this.master.call('ACL', 'DELUSER', 'replica');
    await until('the cut', async () => /master_link_status:down/.test(await this.replica.call('INFO', 'replication')));
  }

  /** The replica has become the master. Returns when, as exactly as it is looked at. */
  async promoted(patience = 20000) {
    await until('a failover', async () => /role:master/.test(await this.replica.call('INFO', 'replication')), patience);
    return Date.now();
  }

  /** When the first sentinel knew the new master, by their logs (local time). */
  named() {
    const lines = this.sentinels.flatMap((s) => fs.readFileSync(path.join(s.dir, 'log'), 'utf8').split('\n'));
    const times = lines.filter((l) => /[+](promoted-slave|switch-master)/.test(l)).map((l) => Date.parse(/:X (.*?) [#*] /.exec(l)[1]));
    return Math.min(...times);
  }

  async stop() {
    await Promise.all(this.all.map((r) => r.stop().catch(() => {})));
  }
}

module.exports = { Watched, NAME };
