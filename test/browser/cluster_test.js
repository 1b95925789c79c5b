'use strict';
// scripts/cluster as a new user starts it, and the demo page through its balancer: two people
// on two nodes, one of which is killed.
const assert = require('node:assert');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Browsers, eventually, shot } = require('./support');

const ROOT = path.join(__dirname, '../..');
const LIMIT = { timeout: 40000 };
const NODES = 3;

const lacking = ['haproxy', 'redis-server'].filter((name) => spawnSync(name, ['-v'], { env: { PATH: `${process.env.PATH}:/usr/sbin` } }).error);
const skip = lacking.length > 0 && `${lacking.join(' and ')} isn't installed (scripts/install-deps cluster)`;

const here = (port) => new Promise((done) => {
  const listener = net.createServer().on('error', () => done(null)).listen(port, '127.0.0.1', () => done(listener));
});

/** The first of as many free ports in a row, below those that systems give to clients. */
async function freePorts(n) {
  for (;;) {
    const first = 12000 + Math.floor(Math.random() * 18000);
    const all = await Promise.all(Array.from({ length: n }, (_, i) => here(first + i)));
    for (const listener of all) listener?.close();
    if (all.every(Boolean)) return first;
  }
}

class Script {
  constructor(...args) {
    this.text = '';
    const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('MUSTER_')));
    this.child = spawn(path.join(ROOT, 'scripts/cluster'), args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (part) => { this.text += part; });
    this.exited = once(this.child, 'close').then(([code, signal]) => (this.how = { code, signal }));
    process.on('exit', () => this.how || this.child.kill('SIGTERM'));
  }

  async says(pattern) {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found) return found;
      if (this.how) throw new Error(`ended (${JSON.stringify(this.how)}):\n${this.text}`);
      await sleep(50);
    }
  }

  /** Ctrl-C: the terminal sends it to the whole group. */
  async interrupt() {
    process.kill(-this.child.pid, 'SIGINT');
    return this.exited;
  }
}

let browsers;
let cluster;
let port;
let nodes; // port -> pid

before(async () => {
  if (skip) return;
  browsers = new Browsers();
  port = await freePorts(NODES + 1);
  cluster = new Script('--port', String(port), String(NODES));
  await cluster.says(/Ctrl-C/);
  nodes = new Map([...cluster.text.matchAll(/^ *node-\d +http:\/\/localhost:(\d+)\/ +pid (\d+)$/gm)].map((m) => [m[1], Number(m[2])]));
}, LIMIT);

after(async () => {
  await browsers?.close();
  if (cluster && !cluster.how) {
    cluster.child.kill('SIGTERM');
    await cluster.exited;
  }
}, LIMIT);

const count = async (page) => Number(await page.textContent('#count'));
const nodeOf = (page) => page.textContent('#fact-node');
const members = (page) => page.$$eval('#members li', (all) => Object.fromEntries(all.map((e) => [e.querySelector('b').textContent, e.querySelector('small').textContent])));
const news = (page) => page.$$eval('#activity span', (all) => all.map((e) => e.textContent));
const said = (page) => page.$$eval('.talk li[data-from] > p', (all) => all.map((e) => e.textContent));

async function say(page, words) {
  await page.fill('.say input', words);
  await page.press('.say input', 'Enter');
}

/** A page of somebody in the chat room; page.told has the frames of the membership, by name. */
async function visit(name) {
  const page = await (await browsers.person()).newPage();
  page.told = [];
  page.on('websocket', (ws) => ws.on('framereceived', ({ payload }) => {
    const [, event] = /"event":"pusher_internal:(member_\w+)"/.exec(payload) ?? [];
    if (event) page.told.push(event);
  }));
  await page.goto(`http://127.0.0.1:${port}/?user=${name.toLowerCase()}&name=${name}#chat`);
  await page.waitForSelector('#state[data-state=connected]');
  await page.waitForSelector('.room:not([hidden]) .body:not([hidden])');
  return page;
}

let ada;
let bo;

test('through the balancer two people land on two nodes, and see each other and where', { ...LIMIT, skip }, async () => {
  assert.strictEqual(nodes.size, NODES, cluster.text);
  ada = await visit('Ada');
  bo = await visit('Bo');
  const [a, b] = [await nodeOf(ada), await nodeOf(bo)];
  assert.notStrictEqual(a, b);
  for (const node of [a, b]) assert.ok(nodes.has(node.split(':').pop()), node);
  for (const page of [ada, bo]) await eventually(() => members(page), { Ada: `on ${a}`, Bo: `on ${b}` });
  await say(ada, 'Across.');
  await say(bo, 'And back.');
  for (const page of [ada, bo]) await eventually(() => said(page).then((all) => all.sort()), ['Across.', 'And back.']);
  await shot(ada, 'cluster');
});

test("a killed node's page comes back through the balancer, and nobody was gone or is doubled", { ...LIMIT, skip }, async () => {
  const old = await nodeOf(bo);
  ada.told = [];
  const before = await news(ada);
  const counts = new Set();
  const watch = setInterval(() => count(ada).then((n) => counts.add(n), () => {}), 50);
  try {
    process.kill(nodes.get(old.split(':').pop()), 'SIGKILL');
    await eventually(() => nodeOf(bo).then((now) => now !== '' && now !== old), true);
    const now = await nodeOf(bo);
    const all = { Ada: `on ${await nodeOf(ada)}`, Bo: `on ${now}` };
    for (const page of [ada, bo]) await eventually(() => members(page), all);
    await say(bo, 'Here again.');
    await eventually(() => said(ada).then((s) => s.filter((words) => words === 'Here again.')), ['Here again.']);
    await cluster.says(/node-\d has ended \(signal 9\); the others go on/);

    // Up to the moment when the others take the node for dead, and a while longer.
    const logs = path.join(ROOT, 'build/cluster', String(port));
    const read = () => fs.readdirSync(logs).map((file) => fs.readFileSync(path.join(logs, file), 'utf8')).join('');
    await eventually(() => / cluster\.dead /.test(read()), true);
    await sleep(2000);
    for (const page of [ada, bo]) assert.deepStrictEqual(await members(page), all);
  } finally {
    clearInterval(watch);
  }
  assert.deepStrictEqual([...counts], [2]);
  assert.deepStrictEqual(ada.told, []);
  assert.deepStrictEqual(await news(ada), before);
});

test('who comes now lands on a node that lives', { ...LIMIT, skip }, async () => {
  const late = await visit('Late');
  for (const page of [ada, bo, late]) await eventually(() => members(page).then((all) => Object.keys(all).sort()), ['Ada', 'Bo', 'Late']);
  await late.context().close();
  await eventually(() => count(ada), 2);
});

test('Ctrl-C tells the pages to reconnect (4200), and leaves nothing behind', { ...LIMIT, skip }, async () => {
  await ada.evaluate(() => {
    const { lost } = Connection.prototype;
    Connection.prototype.lost = function record(code) {
      (window.endings ??= []).push(code);
      return lost.call(this, code);
    };
  });
  const all = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(cluster.child.pid)], { encoding: 'utf8' }).split('\n').filter((l) => /redis|haproxy|muster/.test(l));
  assert.strictEqual(all.length, NODES - 1 + 2, all.join('\n'));
  const folder = path.dirname(/redis-server.* unixsocket:(\S+)/.exec(all.join('\n'))[1]);
  assert.ok(fs.existsSync(folder));

  const began = Date.now();
  assert.deepStrictEqual(await cluster.interrupt(), { code: 0, signal: null });
  assert.ok(Date.now() - began < 5000, 'the end took long');
  await eventually(() => ada.evaluate(() => window.endings?.[0]), 4200);
  for (const line of all) assert.throws(() => process.kill(Number.parseInt(line, 10), 0), { code: 'ESRCH' }, line);
  assert.ok(!fs.existsSync(folder));
  for (let i = 0; i <= NODES; i++) {
    const listener = await here(port + i);
    assert.ok(listener, `port ${port + i} is taken`);
    listener.close();
  }
});

test('a port that is taken is named, and nothing is started', { ...LIMIT, skip }, async () => {
  const listener = await here(port + 2);
  const script = new Script('--port', String(port));
  assert.deepStrictEqual(await script.exited, { code: 1, signal: null });
  assert.match(script.text, new RegExp(`^cluster: port ${port + 2} is taken`, 'm'));
  listener.close();
});
