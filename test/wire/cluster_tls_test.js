'use strict';
// Nodes that reach Redis through TLS, where the build can (hiredis 1.0 or later: Debian 13);
// elsewhere, that such a node refuses to start. The program itself says which it is.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const net = require('node:net');
const { spawnSync } = require('node:child_process');
const { start, run, write, scratch, app, BIN } = require('./support/server');
const { publish } = require('./support/api');
const { Authority } = require('./support/authority');
const { Redis, adapter, secure } = require('./support/redis');
const { withCluster, eventually } = require('./support/cluster');

const ROOM = 'presence-room';
const NOWHERE = { host: '127.0.0.1', port: 1, tls: true };

const node = (redis, more) => ({ host: '127.0.0.1', port: 0, workers: 2, apps: [app()], ...adapter(redis, more) });
const settings = (redis) => write({ host: '127.0.0.1', port: 0, apps: [app()], adapter: { driver: 'redis', redis } });

const probe = spawnSync(BIN, ['--config', settings({ ...NOWHERE, tls_ca: '/nowhere/ca.pem' })], {
  encoding: 'utf8',
  timeout: 20000,
  env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MUSTER_'))),
});
const UNABLE = /this build can't speak TLS to Redis: it needs hiredis 1\.0 or later/.test(probe.stderr);

/** The settings are refused at once, without a look at Redis, whether it is required or not. */
async function refused(redis, why) {
  for (const required of [true, false]) {
    const before = Date.now();
    const { code, err } = await run(['--config', settings({ ...redis, required })]);
    assert.strictEqual(code, 1, err);
    assert.match(err, new RegExp(`error redis\\.tls error="[^\\n]*${why}`));
    assert.doesNotMatch(err, /node\.listening/);
    assert.ok(Date.now() - before < 5000);
  }
}

test('files without TLS, half a pair, TLS on a socket’s path: refused at the start', async () => {
  const plain = { host: '127.0.0.1', port: 1 };
  for (const key of ['tls_ca', 'tls_cert', 'tls_key']) await refused({ ...plain, [key]: '/x' }, 'are for tls = true');
  await refused({ ...NOWHERE, tls_cert: '/x' }, 'tls_cert and tls_key go together');
  await refused({ ...NOWHERE, tls_key: '/x' }, 'tls_cert and tls_key go together');
  await refused({ ...NOWHERE, unix_socket: '/x' }, 'socket');
});

test('a build that can’t speak TLS refuses to start, and says what it needs', { skip: !UNABLE && 'this build can' }, async () => {
  await refused(NOWHERE, "this build can't speak TLS to Redis: it needs hiredis 1\\.0 or later");
});

/** A node that requires this Redis ends, and one that doesn't goes on without; both say why. */
async function distrusted(redis, more, why) {
  const requiring = run(['--config', write(node(redis, more))]);
  const alone = await start(node(redis, { ...more, required: false }));
  try {
    await alone.logged(new RegExp(`redis\\.connect_failed error="((commands|pub/sub): )?${why}`), 15000);
    const c = await alone.client();
    assert.deepStrictEqual((await c.enter(ROOM, { user_id: 'ann' })).ids, ['ann']);
    assert.doesNotMatch(alone.log(), /redis\.up/);
    await alone.stop();
  } catch (e) {
    e.message += `\n${alone.tail()}`;
    await alone.abandon();
    throw e;
  }
  const { code, err } = await requiring;
  assert.strictEqual(code, 1, err);
  assert.match(err, new RegExp(`error redis\\.required error="((commands|pub/sub): )?${why}`));
  assert.strictEqual(await redis.call('DBSIZE'), '0'); // nothing was told to it
}

/** A test's body with a Redis of its own. */
const withRedis = (options, body) => async () => {
  const redis = await new Redis(options()).start();
  try {
    await body(redis);
  } finally {
    await redis.stop();
  }
};

/** That Redis shows a certificate with these names alone, and asks for none. */
const named = (...names) => () => {
  const authority = new Authority();
  return { tls: { ...secure(), ca: authority.ca, server: authority.sign(...names) }, args: ['--tls-auth-clients', 'no'] };
};

const none = { tls_cert: '', tls_key: '' };

describe('through TLS', { skip: UNABLE && 'this build can’t', concurrency: 4 }, () => {
  test('presence over two nodes, each with a certificate; Redis killed and started empty', withCluster(() => ({ tls: secure() }), async (cluster) => {
    const all = await cluster.several(4);
    for (const [i, c] of all.entries()) await c.enter(ROOM, { user_id: `u${i % 3}` });
    await cluster.agree(ROOM);
    for (const c of all) assert.deepStrictEqual(c.checker.view(ROOM), ['u0', 'u1', 'u2']);
    all[1].leave(ROOM);
    await cluster.agree(ROOM);
    await cluster.redis.crash();
    await cluster.redis.start();
    await eventually(async () => assert.deepStrictEqual(cluster.hearts(), cluster.numbers()), 15000);
    await cluster.agree(ROOM, 15000);
    for (const n of cluster.nodes) assert.strictEqual([...n.log().matchAll(/redis\.up/g)].length, 2);
  }));

  // A record holds 16 KiB: these take several, and more than the kernel does at a time.
  test('events of 100 KB, many at a time, arrive whole, each once, on the other node', withCluster(() => ({ tls: secure(), config: { max_pending_kb: 20000, max_event_kb: 200, max_message_kb: 200 } }), async (cluster) => {
    const c = await cluster.client(1);
    await c.enter('big');
    const body = (i) => `${i}:${String.fromCharCode(97 + (i % 26)).repeat(100000 + i)}`;
    for (let i = 0; i < 100; i += 20)
      await Promise.all(Array.from({ length: 20 }, (_, k) => publish(cluster.nodes[0], { name: 'e', channel: 'big', data: body(i + k) })));
    const seen = [];
    for (let i = 0; i < 100; i++) seen.push((await c.until('e')).data);
    assert.ok(seen.every((data) => data === body(parseInt(data, 10))));
    assert.deepStrictEqual(seen.map((d) => parseInt(d, 10)).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
    for (const n of cluster.nodes) assert.doesNotMatch(n.log(), /redis\.down/);
  }));

  test('a certificate that bears the host’s name alone is enough, where Redis asks for none', withRedis(named('DNS:localhost'), async (redis) => {
    const server = await start(node(redis, { ...none, host: 'localhost' }));
    await server.logged(/redis\.up/);
    await server.stop();
  }));

  test('another name is refused', withRedis(named('DNS:redis.example', 'IP:127.0.0.2'), async (redis) => {
    await distrusted(redis, { ...none, host: 'localhost' }, 'hostname mismatch');
    await distrusted(redis, { ...none, host: '127.0.0.1' }, 'IP address mismatch');
  }));

  test('another authority is refused: of a file, and the system’s', withRedis(named('IP:127.0.0.1'), async (redis) => {
    const other = new Authority('another');
    await distrusted(redis, { ...none, tls_ca: other.ca }, '(unable to get local issuer certificate|self-signed certificate in certificate chain)');
    await distrusted(redis, { ...none, tls_ca: '' }, '(unable to get local issuer certificate|self-signed certificate in certificate chain)');
  }));

  test('a node that shows no certificate, or another authority’s, is refused by Redis', withRedis(() => ({ tls: secure() }), async (redis) => {
    const stranger = new Authority('another').sign();
    const why = 'Redis asked for a certificate \\(tls_cert\\) that it trusts, and closed the connection';
    await distrusted(redis, none, why);
    await distrusted(redis, { tls_cert: stranger.cert, tls_key: stranger.key }, why);
  }));

  test('a file that isn’t there, isn’t a certificate or is another’s key: refused at once, by its name', async () => {
    const authority = new Authority();
    const [one, two] = [authority.sign(), authority.sign()];
    const absent = `${scratch()}/absent.pem`;
    assert.match(probe.stderr, /error redis\.tls error="\/nowhere\/ca\.pem: No such file or directory"/);
    await refused({ ...NOWHERE, tls_ca: absent }, `${absent}: No such file`);
    await refused({ ...NOWHERE, tls_cert: absent, tls_key: one.key }, `${absent}: No such file`);
    await refused({ ...NOWHERE, tls_ca: one.key }, `${one.key}: no certificate`);
    await refused({ ...NOWHERE, tls_cert: one.cert, tls_key: two.key }, `${two.key}: key values mismatch`);
  });

  test('a plain Redis is refused, and its words aren’t taken', withRedis(() => ({ args: ['--bind', '127.0.0.1', '--protected-mode', 'no'], tls: false }), async (redis) => {
    const { port } = secure();
    await redis.call('CONFIG', 'SET', 'port', port);
    await distrusted(redis, { unix_socket: '', host: '127.0.0.1', port, tls: true, ...none }, '.+');
  }));

  test('who answers nothing to the handshake is given up after 5 s, and tried again', async () => {
    const mute = net.createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((done) => mute.on('listening', done));
    const alone = await start({ apps: [app()], adapter: { driver: 'redis', redis: { ...NOWHERE, port: mute.address().port, required: false } } });
    await alone.logged(/redis\.connect_failed error="no answer in 5 s" attempt=2/, 20000);
    mute.close();
    await alone.stop();
  });
});
