'use strict';
// The log: one line an event, as text or JSON, and never a secret or a signature in it.
const test = require('node:test');
const assert = require('node:assert');
const { withServer, app, start, run, write, oneNode } = require('./support/server');
const { Client } = require('./support/client');
const sign = require('./support/sign');

const TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) [a-z_]+(\.[a-z_]+)+( [a-z_]+=("([^"\\]|\\.)*"|[^\s"]*))*$/;

/** All that could make the server say something, with marks that must not come up. */
async function provoke(server, one) {
  const marks = { payload: 'PAYLOAD-MARK', info: 'INFO-MARK', digest: [] };
  const client = await server.client({ app: one });
  const data = `{"user_id":"u","user_info":"${marks.info}"}`;
  const good = sign.channelAuth(one, client.socketId, 'presence-a', data);
  marks.digest.push(good.split(':')[1]);
  await client.subscribe('presence-a', { auth: `${one.key}:${'f'.repeat(64)}`, channel_data: data });
  await client.subscribe('presence-a', { auth: good, channel_data: data });
  await client.subscribe('private-a', { auth: sign.channelAuth({ ...one, secret: 'wrong' }, client.socketId, 'private-a') });
  await client.signin({ id: 'u' });
  await client.signin({ id: 'v' });
  client.clientEvent('presence-a', 'client-x', marks.payload);
  client.clientEvent('nowhere', 'client-x', marks.payload);
  client.sendText(`not json ${marks.payload}`);
  await client.subscribe('bad name\nnode.listening port=1');
  await client.barrier();
  const bad = new Client(server, { path: '/app/no\u0000such?protocol=7'.replace('\u0000', '%0a') });
  await bad.gone();
  client.sendBinary(Buffer.from(marks.payload));
  await client.gone();
  return marks;
}

for (const level of ['debug', 'info'])
  test(`text lines are "time level id key=value…", at level ${level}`, oneNode('a log of one'), withServer(() => ({ log: { level, format: 'text' }, apps: [app()] }), async (server) => {
    const one = server.apps[0];
    const marks = await provoke(server, one);
    await server.stop();
    const lines = server.log().split('\n').slice(0, -1);
    assert.ok(lines.length >= 2);
    for (const line of lines) assert.match(line, TEXT);
    clean(server, one, marks, level);
    assert.strictEqual(lines.filter((l) => / node\.listening /.test(l)).length, 1);
  }));

for (const level of ['debug', 'info'])
  test(`JSON lines parse, with time, level and id, at level ${level}`, oneNode('a log of one'), withServer(() => ({ log: { level, format: 'json' }, apps: [app()] }), async (server) => {
    const one = server.apps[0];
    const marks = await provoke(server, one);
    await server.stop();
    const lines = server.log().split('\n').slice(0, -1).map((l) => JSON.parse(l));
    for (const l of lines) {
      assert.match(l.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.match(l.level, /^(debug|info|warn|error)$/);
      assert.match(l.id, /^[a-z_]+(\.[a-z_]+)+$/);
    }
    const listening = lines.filter((l) => l.id === 'node.listening');
    assert.deepStrictEqual(listening.map((l) => [l.host, l.port]), [['127.0.0.1', server.port]]);
    clean(server, one, marks, level);
  }));

function clean(server, one, marks, level) {
  const log = server.log();
  assert.ok(!log.includes(one.secret), 'a secret');
  for (const digest of marks.digest) assert.ok(!log.includes(digest), 'a signature');
  if (level !== 'debug')
    for (const mark of [marks.payload, marks.info]) assert.ok(!log.includes(mark), mark);
}

test('log.level warn is silent about what is normal', async () => {
  const server = await start({ log: { level: 'info' }, apps: [app()] });
  await server.client();
  await server.stop();
  const quiet = await run(['--config', write({ host: '127.0.0.1', port: server.port, log: { level: 'error' }, apps: [{ id: 'a', key: 'k' }] })]);
  assert.strictEqual(quiet.code, 2);
});

test('a wrong configuration never prints a secret', async () => {
  const secret = 'do-not-print-me';
  for (const apps of [
    [{ id: 'a', key: 'k', secret, enabled: 'maybe' }],
    [{ id: 'a', key: 'k', secret }, { id: 'a', key: 'k', secret }],
    [{ id: 'a', key: 'k', secret, sekret: secret }],
    [{ id: 'a', key: 'k', secret: { value: secret } }],
    [{ id: 'a', key: 'k', secret: secret + '\u0001' }],
  ]) {
    const how = await run(['--config', write({ apps }), '--check']);
    assert.ok(!(how.out + how.err).includes(secret), how.out + how.err);
  }
  const env = await run(['--check'], { env: { MUSTER_APP_ID: 'a', MUSTER_APP_KEY: 'k', MUSTER_APP_SECRET: secret, MUSTER_APP_SECRETT: secret } });
  assert.ok(!(env.out + env.err).includes(secret), env.out + env.err);
});
