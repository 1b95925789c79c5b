'use strict';
// muster sign: PROTOCOL.md's vectors, what the server then takes, and wrong usage.
const { test } = require('node:test');
const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { run, scratch, withServer, BIN } = require('./support/server');
const { request, md5 } = require('./support/api');

const KEY = '278d425bdf160c739803';
const SECRET = '7ad3773142a6692b25b8';
const VECTOR = ['--key', KEY, '--secret', SECRET, '--timestamp', '1353088179'];
const EVENT = '{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}';

/** muster sign with something on its standard input. */
function sign(args, input) {
  return new Promise((done) => {
    const child = spawn(BIN, ['sign', ...args]);
    let out = '';
    child.stdout.on('data', (part) => (out += part));
    child.on('close', (code) => done({ code, out }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

function file(text) {
  const name = path.join(scratch(), 'body.json');
  fs.writeFileSync(name, text);
  return name;
}

test('the vectors of PROTOCOL.md 6', async () => {
  const posted = await sign([...VECTOR, 'POST', '/apps/3/events', '--body', file(EVENT)]);
  assert.deepStrictEqual(posted, {
    code: 0,
    out: `/apps/3/events?auth_key=${KEY}&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c\n`,
  });
  const list = await sign([...VECTOR, 'GET', '/apps/3/channels', 'filter_by_prefix=presence-&info=user_count']);
  assert.match(list.out, /^\/apps\/3\/channels\?.*&filter_by_prefix=presence-&info=user_count&auth_signature=16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291\n$/);
  const users = await sign([...VECTOR, 'GET', '/apps/3/channels/presence-foobar/users', 'body_md5=d41d8cd98f00b204e9800998ecf8427e']);
  assert.match(users.out, /&auth_signature=3d68b512095fd42cb6741cc80616761b1c77d00fcc4d6d9740f09504a4b761b0\n$/);
});

test('the order of options, the body on standard input, the secret from the environment', async () => {
  const want = await sign([...VECTOR, 'POST', '/apps/3/events', '--body', file(EVENT)]);
  assert.deepStrictEqual(await sign(['--body', '-', 'POST', '/apps/3/events', ...VECTOR], EVENT), want);
  const how = await run(
    ['sign', '--key', KEY, '--secret-from-env', 'THE_SECRET', '--timestamp=1353088179', 'POST', '/apps/3/events', '--body', file(EVENT)],
    { env: { THE_SECRET: SECRET } },
  );
  assert.deepStrictEqual([how.code, how.out, how.err], [0, want.out, '']);
});

test('an empty body, and one with any bytes in it', async () => {
  const empty = await sign([...VECTOR, 'POST', '/x', '--body', '-'], '');
  assert.doesNotMatch(empty.out, /body_md5/);
  const odd = await sign([...VECTOR, 'POST', '/x', '--body', '-'], Buffer.from([0, 255, 10, 0]));
  assert.match(odd.out, new RegExp(md5(Buffer.from([0, 255, 10, 0]))));
});

test('what it prints is taken by the server, escaped or not', withServer({}, async (server) => {
  const { id, key, secret } = server.apps[0];
  const ask = async (...args) => {
    const { code, out } = await sign(['--key', key, '--secret', secret, ...args]);
    assert.strictEqual(code, 0);
    return request(server, { path: out.trim() });
  };
  for (const query of ['info=subscription_count', 'filter_by_prefix=a b&info=subscription_count', 'filter_by_prefix=%C3%A9%26%3D', 'filter_by_prefix=é&x'])
    assert.deepStrictEqual([query, (await ask('GET', `/apps/${id}/channels`, query)).text], [query, '{"channels":{}}']);
  assert.strictEqual((await ask('GET', `/apps/${id}/channels/presence-a/users`)).text, '{"users":[]}');
  assert.strictEqual((await ask('GET', `/apps/${id}/channels/a%2Cb`)).text, '{"occupied":false}');
}));

test('--help names every option, and muster --help names sign', async () => {
  const how = await run(['sign', '--help']);
  for (const word of ['--key', '--secret', '--secret-from-env', '--body', '--timestamp', 'curl'])
    assert.ok(how.out.includes(word), word);
  assert.deepStrictEqual([how.code, how.err], [0, '']);
  assert.match((await run(['--help'])).out, /muster sign/);
});

test('wrong usage: a clear text, exit 2, nothing on standard output', async () => {
  const good = ['--key', 'k', '--secret', 's', 'GET', '/apps/3/channels'];
  const cases = [
    [['--secret', 's', 'GET', '/x'], /--key is missing/],
    [['--key', 'k', 'GET', '/x'], /--secret .*is missing/],
    [['--key', '', '--secret', 's', 'GET', '/x'], /--key is missing/],
    [['--key', 'k', '--secret', 's'], /METHOD and PATH are missing/],
    [['--key', 'k', '--secret', 's', 'GET'], /METHOD and PATH are missing/],
    [['--key', 'k', '--secret', 's', 'get', '/x'], /capital letters/],
    [['--key', 'k', '--secret', 's', 'GET', 'http://x/y'], /begin with \//],
    [['--key', 'k', '--secret', 's', 'GET', '/a b'], /escaped/],
    [['--key', 'k', '--secret', 's', 'GET', '/é'], /escaped/],
    [['--key', 'k', '--secret', 's', 'GET', '/a?info=x'], /QUERY is an argument of its own/],
    [[...good, 'a=b', 'c'], /unexpected argument c/],
    [[...good, 'auth_key=x'], /one that signing adds/],
    [[...good, `a=${'x'.repeat(9000)}`], /too long/],
    [[...good, '--timestamp', 'now'], /--timestamp .*now/],
    [[...good, '--timestamp', '-1'], /--timestamp/],
    [[...good, '--timestamp', '99999999999999999999'], /--timestamp/],
    [[...good, '--secret-from-env', 'NO_SUCH_VARIABLE'], /NO_SUCH_VARIABLE/],
    [[...good, '--no-such-option'], /no-such-option/],
    [[...good, '--body'], /body/],
  ];
  for (const [args, text] of cases) {
    const how = await run(['sign', ...args]);
    assert.deepStrictEqual([how.code, how.out], [2, ''], args.join(' '));
    assert.match(how.err, text);
    assert.match(how.err, /muster sign --help/, args.join(' '));
  }
});

test('a body that can’t be read: exit 1, and the file is named', async () => {
  for (const name of ['/no/such/file', scratch()]) {
    const how = await run(['sign', ...VECTOR, 'POST', '/x', '--body', name]);
    assert.deepStrictEqual([how.code, how.out], [1, '']);
    assert.ok(how.err.includes(name), how.err);
  }
});
