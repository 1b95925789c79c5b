'use strict';
// The command line, the three ways into the configuration, and the end: SIGTERM, SIGINT, the
// second start on one port.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { Server, start, run, write, scratch, app, withServer, oneNode } = require('./support/server');
const { Client } = require('./support/client');
const { Tcp } = require('./support/tcp');

const KEYS = [
  'host', 'port', 'path_prefix', 'workers', 'max_connections', 'activity_timeout', 'pong_timeout',
  'max_message_kb', 'send_buffer_kb', 'max_pending_kb', 'max_pending_messages',
  'max_channels_per_connection', 'shutdown_grace', 'presence.max_members_per_channel',
  'presence.max_member_size_in_kb', 'presence.leave_grace', 'log.level', 'log.format', 'id', 'key',
  'secret', 'enabled', 'enable_client_messages', 'enable_user_authentication',
  'user_authentication_timeout', 'max_client_events_per_second', 'allowed_origins', 'demo',
];

const APP = 'apps = ( { id = "a"; key = "k"; secret = "s"; } );\n';

/** --check of a text as file.ext. */
async function check(text, ext = 'cfg', env = {}) {
  const file = path.join(scratch(), `muster.${ext}`);
  fs.writeFileSync(file, text);
  const how = await run(['--config', file, '--check'], { env });
  return { ...how, file, said: how.out + how.err };
}

/** A configuration that is wrong: exit 2, nothing started, and the text says all of `words`. */
async function wrong(text, words, ext = 'cfg', env = {}) {
  const checked = await check(text, ext, env);
  const plain = await run(['--config', checked.file], { env });
  for (const how of [checked, { ...plain, said: plain.out + plain.err }]) {
    assert.strictEqual(how.code, 2, how.said);
    assert.doesNotMatch(how.said, /node\.listening/);
    for (const word of words)
      assert.ok(word instanceof RegExp ? word.test(how.said) : how.said.includes(word), `"${how.said}" lacks ${word}`);
  }
  return checked;
}

/** Listens on a free port and lets it go again. */
async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.once('listening', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

describe('command line', { concurrency: 4 }, () => {
  test('--help names every key, its default and the options, and exits 0', async () => {
    const how = await run(['--help']);
    assert.strictEqual(how.code, 0);
    for (const word of [...KEYS, '--config', '--check', '--version', '--help', '6001', '120', '3600'])
      assert.ok(how.out.includes(word), `--help lacks ${word}`);
    assert.strictEqual(how.err, '');
  });

  test('--version is one line', async () => {
    const how = await run(['--version']);
    assert.strictEqual(how.code, 0);
    assert.match(how.out, /^muster \d+\.\d+\.\d+\S*\n$/);
  });

  test('an unknown option, a missing argument or a stray word: exit 2 and a hint', async () => {
    for (const args of [['--nope'], ['-x'], ['--config'], ['stray'], ['--check=1']]) {
      const how = await run(args);
      assert.strictEqual(how.code, 2, args.join(' '));
      assert.match(how.err, /--help|usage/i, args.join(' '));
      assert.doesNotMatch(how.err, /node\.listening/);
    }
  });

  test('--check of a good file says ok and exits 0, in both forms', async () => {
    const good = await check(`host = "127.0.0.1";\nport = 7000;\n${APP}`);
    assert.deepStrictEqual([good.code, /\bok\b/.test(good.out)], [0, true], good.said);
    const json = await check('{"apps":[{"id":"a","key":"k","secret":"s"}],"activity_timeout":120}', 'json');
    assert.deepStrictEqual([json.code, /\bok\b/.test(json.out)], [0, true], json.said);
  });

  test('a file that is not there, a directory, and no text at all', async () => {
    const missing = path.join(scratch(), 'missing.cfg');
    for (const file of [missing, scratch()]) {
      const how = await run(['--config', file, '--check']);
      assert.strictEqual(how.code, 2);
      assert.ok((how.err + how.out).includes(file), how.err + how.out);
    }
  });

  test('an unknown key: file, line and the nearest known key', async () => {
    const how = await wrong(`${APP}\nprot = 7000;\n`, ['prot', 'port', /:3\b/]);
    assert.ok(how.said.includes(how.file));
    await wrong(`apps = (\n{ id = "a"; key = "k"; secret = "s";\n enable_client_mesages = true; } );\n`, ['enable_client_mesages', 'enable_client_messages', /:3\b/]);
    await wrong('{\n "apps": [{"id":"a","key":"k","secret":"s"}],\n "presense": {}\n}', ['presense', 'presence'], 'json');
    await wrong('{"apps": [{"id":"a","key":"k","secret":"s"}],\n "presence": {"max_member_per_channel": 1}}', ['max_member_per_channel', 'max_members_per_channel'], 'json');
  });

  test('a wrong type, a value out of range, a bad word', async () => {
    await wrong(`${APP}port = "seven";\n`, ['port', /:2\b/]);
    await wrong(`${APP}port = 65536;\n`, ['port', '65535']);
    await wrong(`${APP}port = -1;\n`, ['port']);
    await wrong(`${APP}activity_timeout = 0;\n`, ['activity_timeout']);
    await wrong(`${APP}activity_timeout = 1.5;\n`, ['activity_timeout']);
    await wrong(`${APP}log: { level = "loud"; };\n`, ['level', 'debug']);
    await wrong(`${APP}presence: { max_members_per_channel = 0; };\n`, ['max_members_per_channel']);
    await wrong(`${APP}presence = 5;\n`, ['presence']);
    await wrong('apps = ( { id = "a"; key = "k"; secret = "s"; enabled = "yes"; } );\n', ['enabled']);
    await wrong('apps = ( { id = 7; key = "k"; secret = "s"; } );\n', ['id']);
    await wrong('{"apps":[{"id":"a","key":"k","secret":"s"}],"port":99999}', ['port', '65535'], 'json');
    await wrong('{"apps":[{"id":"a","key":"k","secret":"s"}],"port":"6001"}', ['port'], 'json');
    await wrong('{"apps":{"id":"a"}}', ['apps'], 'json');
  });

  test('a duplicate app: by id, and by key', async () => {
    await wrong('apps = (\n{ id = "a"; key = "k1"; secret = "s"; },\n{ id = "a"; key = "k2"; secret = "s"; } );\n', [/\ba\b/, /:3\b/]);
    await wrong('{"apps":[{"id":"a","key":"k","secret":"s"},{"id":"b","key":"k","secret":"s"}]}', ['k'], 'json');
  });

  test('several mistakes are all said at once', async () => {
    await wrong(`${APP}prot = 1;\nworkers = 65;\nactivity_timeout = "x";\n`, ['prot', 'workers', 'activity_timeout']);
  });

  test('text that is neither form: file and line', async () => {
    await wrong(`${APP}port = ;\n`, [/:2\b/]);
    await wrong('{"apps": [\n}', [/:2\b/], 'json');
    await wrong('{"apps": []} x', [], 'json');
  });

  test('the user’s document’s configuration, as printed, with a comment in it', async () => {
    const printed = `{
  "presence": {
    "max_members_per_channel": 100,
    "max_member_size_in_kb": 2
  },
  "apps": [
    {
      "id": "my-app",
      "key": "my-key",
      "secret": "my-secret",
      "enable_user_authentication": true
    }
  ]
}
`;
    const how = await check(printed, 'json');
    assert.deepStrictEqual([how.code, /\bok\b/.test(how.out)], [0, true], how.said);
    const commented = printed.replace('100,', '100,  // Adjust based on use case').replace('"my-secret"', '"my//secret"');
    assert.strictEqual((await check(commented, 'json')).code, 0);
  });

  test('the document’s fragments parse, and --check names what is missing', async () => {
    const fragments = {
      '{\n  "presence": {\n    "max_members_per_channel": 100,\n    "max_member_size_in_kb": 2\n  }\n}': 'apps',
      '{\n  "apps": [\n    {\n      "id": "my-app",\n      "enable_user_authentication": true,\n      "user_authentication_timeout": 3600\n    }\n  ]\n}': 'key',
      '{\n  "presence": {\n    "max_members_per_channel": 100  // Adjust based on use case\n  }\n}': 'apps',
      '{\n  "apps": [{\n    "enable_user_authentication": true\n  }]\n}': 'id',
      '{\n  "presence": {\n    "max_members_per_channel": 500  // Increase from 100\n  }\n}': 'apps',
      '{\n  "activity_timeout": 120  // Seconds until disconnect\n}': 'apps',
    };
    for (const [text, missing] of Object.entries(fragments)) {
      const { said } = await check(text, 'json');
      assert.ok(said.includes(missing), `${text}: ${said}`);
      assert.doesNotMatch(said, /syntax|unknown|unexpected|expected near/i, said);
    }
    const apps = await check('{"apps":[{"id":"my-app","enable_user_authentication":true}]}', 'json');
    assert.ok(apps.said.includes('secret'), apps.said);
  });

  test('a wrong variable: its name, exit 2', async () => {
    await wrong(APP, ['MUSTER_PORT'], 'cfg', { MUSTER_PORT: 'seven' });
    await wrong(APP, ['MUSTER_PORT'], 'cfg', { MUSTER_PORT: '65536' });
    await wrong(APP, ['MUSTER_PROT', 'MUSTER_PORT'], 'cfg', { MUSTER_PROT: '1' });
    await wrong(APP, ['MUSTER_LOG_LEVEL'], 'cfg', { MUSTER_LOG_LEVEL: 'loud' });
  });

  test('variables win over the file, and one app comes from MUSTER_APP_…', async () => {
    const env = {
      MUSTER_ACTIVITY_TIMEOUT: '55',
      MUSTER_APP_ID: 'from-env',
      MUSTER_APP_KEY: 'env-key',
      MUSTER_APP_SECRET: 'env-secret-env',
      MUSTER_APP_ENABLE_USER_AUTHENTICATION: 'true',
      MUSTER_PRESENCE_MAX_MEMBERS_PER_CHANNEL: '1',
    };
    const server = await start({ activity_timeout: 99 }, { env });
    const key = { key: 'env-key', secret: 'env-secret-env' };
    const [a, b] = await server.several(2, { app: key });
    assert.strictEqual(a.greeting.activity_timeout, 55);
    await a.enter('presence-room', { user_id: 'a' });
    assert.strictEqual((await b.join('presence-room', { user_id: 'b' })).data.type, 'PresenceLimitReached');
    await server.client(); // the file's own app is still there
    assert.ok(!server.log().includes('env-secret-env'));
    await server.stop();
  });

  test('a libconfig file serves', async () => {
    const text = `# a comment
host = "127.0.0.1"; port = 0; workers = 1; // another
presence: { max_members_per_channel = 1; };
apps = ( { id = "a"; key = "cfg-key"; secret = "cfg-secret-cfg"; enable_user_authentication = true;
  presence: { max_members_per_channel = 2; }; } );
`;
    const one = { id: 'a', key: 'cfg-key', secret: 'cfg-secret-cfg' };
    const server = await start(text, { config: { apps: [one], shutdown_grace: 10 } });
    const clients = await server.several(3);
    const answers = [];
    for (const [i, c] of clients.entries()) answers.push((await c.join('presence-a', { user_id: i })).event);
    assert.strictEqual(answers.filter((e) => /succeeded/.test(e)).length, 2);
    await server.stop();
  });

  test('without --config the first of ./muster.cfg and ./config/config.json is read, and named', async () => {
    const dir = scratch();
    fs.mkdirSync(path.join(dir, 'config'));
    const json = { host: '127.0.0.1', port: 0, activity_timeout: 61, apps: [app()] };
    fs.writeFileSync(path.join(dir, 'config/config.json'), JSON.stringify(json));
    for (const [name, seconds] of [['config/config.json', 61], ['muster.cfg', 62]]) {
      if (name === 'muster.cfg')
        fs.writeFileSync(path.join(dir, name), `host = "127.0.0.1"; port = 0; activity_timeout = 62; apps = ( { id = "x"; key = "${json.apps[0].key}"; secret = "long-enough-secret"; } );`);
      const server = new Server([], { cwd: dir, config: json });
      await server.listening();
      assert.ok(server.log().includes(name), server.log());
      assert.strictEqual((await server.client()).greeting.activity_timeout, seconds);
      await server.stop();
    }
  });

  test('without any configuration: loopback only, one demo app, and a line that says so', { skip: fs.existsSync('/etc/muster/muster.cfg') }, async () => {
    const server = new Server([], { cwd: scratch(), env: { MUSTER_PORT: '0' } });
    await server.listening();
    assert.match(server.host, /^127\.|^localhost$|^::1$/);
    assert.match(server.log(), /demo/);
    assert.match(server.log(), /loopback|127\.0\.0\.1/);
    await server.stop();
  });

  test('a port in use is said, with the port, and nothing starts', oneNode('one port'), async () => {
    const first = await start();
    const second = await run(['--config', write({ host: '127.0.0.1', port: first.port, apps: [app()] })]);
    assert.notStrictEqual(second.code, 0);
    assert.ok(second.code > 0, `ended by ${second.signal}`);
    assert.match(second.err, /in use/i);
    assert.ok(second.err.includes(String(first.port)), second.err);
    assert.doesNotMatch(second.err, /node\.listening/);
    await first.client();
    await first.stop();
  });

  for (const signal of ['SIGTERM', 'SIGINT'])
    test(`${signal}: every client gets 4200, the exit code is 0, and the port is free again`, oneNode('one port'), async () => {
      const port = await freePort();
      for (let i = 0; i < 2; i++) {
        const server = await start({ port, workers: 4, apps: [app()] });
        const clients = await server.several(12);
        for (const [n, c] of clients.entries()) await c.enter('presence-room', { user_id: n });
        await server.stop({ signal }); // checks 4200 at each client, the code and the time
        assert.strictEqual(clients.filter((c) => c.closeCode === 4200).length, 12);
        assert.match(server.log(), /node\.stop/);
      }
    });

  for (const tcp of [false, true])
    test(`clients that go on sending get 4200 like the others (${tcp ? 'raw' : 'ws'})`, async () => {
      const server = await start({ apps: [app({ max_client_events_per_second: 0 })] });
      const clients = await server.several(20, { tcp });
      for (const c of clients) await c.enter('private-a');
      const timer = setInterval(() => {
        for (const c of clients) for (let i = 0; i < 5; i++) c.clientEvent('private-a', 'client-x', i);
      }, 1);
      await clients[0].until('client-x');
      server.kill('SIGTERM');
      const how = await server.ended(10000);
      clearInterval(timer);
      assert.deepStrictEqual(how, { code: 0, signal: null }, server.tail());
      const codes = await Promise.all(clients.map((c) => c.gone()));
      assert.deepStrictEqual(codes, clients.map(() => 4200));
      server.sane();
    });

  test('a stopping server tells nobody that the others leave', async () => {
    const server = await start({ workers: 4 });
    const clients = await server.several(8);
    for (const [n, c] of clients.entries()) await c.enter('presence-room', { user_id: n });
    await server.stop();
    // Whoever is told first must not hear that the others have "left": all will be back.
    const removed = clients.flatMap((c) => c.frames.filter((f) => /member_removed/.test(f.event)));
    assert.deepStrictEqual(removed.map((f) => f.raw), []);
  });

  test('SIGTERM ends within shutdown_grace though clients answer nothing, read nothing or half-open', async () => {
    const server = await start({ shutdown_grace: 2, apps: [app({ max_client_events_per_second: 0 })] });
    const mute = await server.client({ tcp: true, answerClose: false });
    const deaf = await server.client({ tcp: true });
    const half = new Tcp(server.port);
    await half.connected;
    half.write('GET /app/x HTTP/1.1\r\nHost: x\r\n');
    await mute.enter('private-a');
    await deaf.enter('private-a');
    const talker = await server.client();
    await talker.enter('private-a');
    deaf.tcp.socket.pause();
    for (let i = 0; i < 60; i++) talker.clientEvent('private-a', 'client-x', 'x'.repeat(9000));
    await talker.barrier();
    const before = Date.now();
    server.kill('SIGTERM');
    const how = await server.ended(10000);
    const took = Date.now() - before;
    assert.deepStrictEqual(how, { code: 0, signal: null }, server.tail());
    assert.ok(took < 3500, `took ${took} ms`);
    assert.strictEqual(await mute.gone(), 4200);
    half.destroy();
    server.sane();
  });

  test('while it stops, nobody new is let in', async () => {
    const server = await start({ shutdown_grace: 3 });
    const mute = await server.client({ tcp: true, answerClose: false });
    server.kill('SIGTERM');
    await mute.until('pusher:error', 3000).catch(() => {});
    const late = new Client(server);
    await late.gone(5000).catch(() => {});
    assert.ok(!late.frames.some((f) => f.event === 'pusher:connection_established'));
    mute.drop();
    const how = await server.ended(10000);
    assert.strictEqual(how.code, 0);
    server.sane();
  });

  test('a second SIGTERM changes nothing', withServer({}, async (server) => {
    await server.several(3);
    server.kill('SIGTERM');
    server.kill('SIGTERM');
    const how = await server.ended(10000);
    assert.deepStrictEqual(how, { code: 0, signal: null });
    server.stopped = true;
  }));
});
