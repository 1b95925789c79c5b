'use strict';
// scripts/cluster as a new user starts it, and the demo page through its balancer: two people
// on two nodes, one of which is killed, the next one stopped.
const assert = require('node:assert');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const WebSocket = require('ws');
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

const running = new Set();
process.on('exit', () => {
  for (const script of running) if (!script.how) script.child.kill('SIGTERM');
});

class Script {
  constructor(args, more = {}) {
    this.text = '';
    const env = { ...Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('MUSTER_'))), ...more };
    this.child = spawn(path.join(ROOT, 'scripts/cluster'), args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (part) => { this.text += part; });
    this.exited = once(this.child, 'close').then(([code, signal]) => (this.how = { code, signal }));
    running.add(this);
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
  cluster = new Script(['--port', String(port), String(NODES)]);
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

/** A connection through the balancer: which node it came to, or why it didn't. */
function arrival() {
  return new Promise((done) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/app/demo-key?protocol=7`);
    const end = (what) => {
      ws.removeAllListeners().on('error', () => {}).terminate();
      done(what);
    };
    ws.once('message', (text) => end(JSON.parse(JSON.parse(text).data).node));
    ws.once('error', (e) => end(`error: ${e.message}`));
    ws.once('close', (code) => end(`closed: ${code}`));
  });
}

const answers = (nodePort) =>
  new Promise((done) => {
    const socket = net.connect(nodePort, '127.0.0.1', () => done(true)).on('error', () => done(false));
    socket.on('connect', () => socket.destroy());
  });

/** A client that doesn't answer the close, so that its node goes on draining. */
async function stubborn(nodePort) {
  const socket = net.connect(nodePort, '127.0.0.1').on('error', () => {});
  socket.write('GET /app/demo-key?protocol=7 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n');
  await once(socket, 'data');
  return socket;
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

test('a node that stops (SIGTERM) gets nobody new while it drains, nobody is refused, and its page moves on unseen', { ...LIMIT, skip }, async () => {
  const old = await nodeOf(bo);
  const stays = await nodeOf(ada);
  const stopping = Number(old.split(':').pop());
  ada.told = [];
  const before = await news(ada);
  const holder = await stubborn(stopping);
  process.kill(nodes.get(String(stopping)), 'SIGTERM');
  await eventually(() => answers(stopping), false);
  const came = []; // HAProxy itself finds out at its next health check
  for (const end = Date.now() + 2500; Date.now() < end; await sleep(20)) came.push(arrival());
  assert.ok(!cluster.text.includes('(status 0)'), 'it was draining all the time');
  const where = [...new Set(await Promise.all(came))];
  assert.deepStrictEqual(where, [stays]);
  for (const page of [ada, bo]) await eventually(() => members(page), { Ada: `on ${stays}`, Bo: `on ${stays}` });
  holder.destroy();
  await cluster.says(/node-\d has ended \(status 0\); the others go on/);
  assert.deepStrictEqual(ada.told, []);
  assert.deepStrictEqual(await news(ada), before);
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
  assert.strictEqual(all.length, NODES - 2 + 2, all.join('\n'));
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
  const script = new Script(['--port', String(port)]);
  assert.deepStrictEqual(await script.exited, { code: 1, signal: null });
  assert.match(script.text, new RegExp(`^cluster: port ${port + 2} is taken`, 'm'));
  listener.close();
});

test('what it can\'t do it says before anything is started', { ...LIMIT, skip }, async () => {
  const wrong = [
    [['--port'], '--port needs a port'],
    [['--port', 'http'], 'http is no port'],
    [['--port', '65536'], '65536 is no port'],
    [['--node-port', '65534', '3'], 'there are no 3 ports from 65534 on'],
    [['--port', '12002', '--node-port', '12000'], "the balancer's port 12002 is among the nodes' (12000 to 12002)"],
    [['0'], 'how many nodes? A number from 1 to 16, not 0 (--help)'],
    [['17'], 'how many nodes? A number from 1 to 16, not 17 (--help)'],
    [['--fast'], 'how many nodes? A number from 1 to 16, not --fast (--help)'],
  ];
  for (const [args, words] of wrong) {
    const script = new Script(args);
    assert.deepStrictEqual(await script.exited, { code: 1, signal: null }, args.join(' '));
    assert.strictEqual(script.text, `cluster: ${words}\n`);
  }
});

test("with MUSTER_HOST the balancer is at another address of the machine; a number isn't octal", { ...LIMIT, skip }, async () => {
  const first = await freePorts(9);
  const script = new Script(['--port', String(first), '08'], { MUSTER_HOST: '127.0.0.2' });
  await script.says(/Ctrl-C/);
  assert.match(script.text, /^ {2}A cluster of 8: /m);
  assert.match(script.text, new RegExp(`^ {2}balancer {2}http://127\\.0\\.0\\.2:${first}/$`, 'm'));
  assert.strictEqual((await fetch(`http://127.0.0.2:${first}/ready`)).status, 200);
  assert.ok(!await answers(first), 'it is at 127.0.0.1, too');
  await script.interrupt();
});

test('a program that is missing is named, with the way to get it', { ...LIMIT, skip }, async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-path-'));
  for (const name of ['bash', 'dirname']) fs.symlinkSync(execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), path.join(dir, name));
  fs.symlinkSync('/bin/sh', path.join(dir, 'sh'));
  fs.symlinkSync('/usr/bin/env', path.join(dir, 'env'));
  const script = new Script(['--port', String(await freePorts(NODES + 1))], { PATH: dir, NO_INSTALL: '1' });
  assert.deepStrictEqual(await script.exited, { code: 1, signal: null });
  assert.strictEqual(script.text, "cluster: redis-server isn't here (scripts/install-deps --print cluster lists the packages)\n");
  fs.rmSync(dir, { recursive: true });
});

test('SIGTERM while it starts ends it and all that it had started', { ...LIMIT, skip }, async () => {
  const first = await freePorts(NODES + 1);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-test-'));
  const script = new Script(['--port', String(first)], { TMPDIR: dir });
  const log = path.join(ROOT, 'build/cluster', String(first), 'node-1.log');
  while (!fs.existsSync(log)) await sleep(5);
  script.child.kill('SIGTERM');
  assert.deepStrictEqual(await script.exited, { code: 0, signal: null }, script.text);
  assert.ok(!script.text.includes('balancer'), 'it had started');
  assert.ok(!execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).includes(dir), 'Redis or HAProxy runs');
  fs.rmdirSync(dir); // is empty
  for (let i = 0; i <= NODES; i++) {
    const listener = await here(first + i);
    assert.ok(listener, `port ${first + i} is taken`);
    listener.close();
  }
});

test('a node that ends while HAProxy starts is named as well, and with the last one all ends', { ...LIMIT, skip }, async () => {
  const first = await freePorts(3);
  const log = (name) => path.join(ROOT, 'build/cluster', String(first), `${name}.log`);
  const kill = (name) => process.kill(Number(/ pid=(\d+) /.exec(fs.readFileSync(log(name), 'utf8'))[1]), 'SIGKILL');
  const script = new Script(['--port', String(first), '2']);
  while (!fs.existsSync(log('haproxy'))) await sleep(5);
  kill('node-1');
  await script.says(/node-1 has ended \(signal 9\)/);
  kill('node-2');
  assert.deepStrictEqual(await script.exited, { code: 1, signal: null });
  assert.match(script.text, /^cluster: no node is left$/m);
});

test('conf/haproxy.cfg is one that HAProxy takes as it is', { ...LIMIT, skip }, () => {
  const { status, stdout, stderr } = spawnSync('haproxy', ['-c', '-f', path.join(ROOT, 'conf/haproxy.cfg')], { encoding: 'utf8', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  assert.strictEqual(status, 0, stderr);
  const complaints = `${stdout}${stderr}`.split('\n').filter((l) => /WARNING|ALERT/.test(l) && !/could not resolve address 'muster-\d'/.test(l));
  assert.deepStrictEqual(complaints, []);
});
