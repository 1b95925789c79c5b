'use strict';
// docs/http-api.md as it stands: each command is run by /bin/sh against the demo's own
// configuration, and must print what the document says. docs/cluster.md and docker-compose.yml:
// what they name is there.
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFile, execFileSync } = require('node:child_process');
const { Server, BIN } = require('./support/server');

const ROOT = path.join(__dirname, '../..');

/** [command, answer] of each sh block and the block behind it. */
function commands(file) {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```sh\n([^]*?)^```\n```(?:json|text)\n([^]*?)^```$/gm)].map((m) => [m[1], m[2]]);
}

/** The command as the reader would run it, but for the port and the folder of the binary. */
function run(command, port) {
  const here = command.replaceAll('localhost:6001', `127.0.0.1:${port}`).replaceAll('build/muster', BIN);
  return new Promise((done) =>
    execFile('/bin/sh', ['-c', here], { cwd: ROOT, timeout: 30000, env: { ...process.env, no_proxy: '*' } }, (error, out, err) =>
      done({ error, out, err }),
    ),
  );
}

test('docs/http-api.md: every command does as it is said to', async () => {
  const server = new Server(['--config', path.join(ROOT, 'conf/demo.cfg')], { env: { MUSTER_PORT: '0' }, config: { shutdown_grace: 10 } });
  try {
    await server.listening();
    const all = commands('docs/http-api.md');
    assert.ok(all.length >= 12, `${all.length} commands`);
    for (const [command, answer] of all) {
      const { error, out, err } = await run(command, server.port);
      assert.strictEqual(error, null, `${command}\n${err}`);
      const said = out.replace(/(auth_signature=)[0-9a-f]{64}/, '$1SIGNATURE').replace(/"ttl":1[78]\d\d\b/, '"ttl":1800');
      assert.strictEqual(said.trimEnd(), answer.trimEnd(), command);
    }
    const sh = fs.readFileSync(path.join(ROOT, 'docs/http-api.md'), 'utf8').match(/^```sh$/gm);
    assert.strictEqual(sh.length, all.length, 'every command has its answer');
  } catch (e) {
    await server.abandon();
    throw e;
  }
  await server.stop();
});

const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8');
const all = (text, pattern) => [...new Set([...text.matchAll(pattern)].map((m) => m[1]))];

test('docs/cluster.md names metrics, log lines, tests, scenarios, faults and files that exist', () => {
  const text = read('docs/cluster.md');
  const table = text.slice(text.indexOf('| promise |'), text.indexOf('<!-- chaos table'));
  const rows = table.split('\n').slice(2).map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()));
  const sources = execFileSync('/bin/sh', ['-c', 'cat adapters/*.c presence/*.c server/*.c'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  const scenarios = ['members', 'nodes', 'redis', 'links', 'sentinel'].flatMap((group) => require(`../chaos/scenarios/${group}`)).map((s) => s.name);
  const faults = all(/fault_names\[FAULTS\] = \{([^}]*)\}/.exec(read('test/sim/faults.c'))[1], /"(\w+)"/g);
  const missing = [
    ...all(text, /\b(muster_\w+)/g).filter((name) => !read('docs/metrics.md').includes(`\`${name}\``)),
    ...all(text, /^\| `((?:cluster|redis|node)\.[^|]*)\|/gm).flatMap((cell) => all(`\`${cell}`, /`((?:cluster|redis|node)\.\w+)/g)).filter((id) => !sources.includes(`"${id}"`)),
    ...rows.flatMap((row) => all(row[2] ?? '', /`([^`]+)`/g).filter((cell) => !cell.includes(' ')).flatMap((cell) => cell.split(','))).filter((name) => !faults.includes(name)),
    ...rows.flatMap((row) => all(row[3] ?? '', /`([^`]+)`/g)).filter((name) => !scenarios.includes(name)),
    ...all(text, /\]\(([^)#]+)[^)]*\)/g).filter((file) => !fs.existsSync(path.join(ROOT, 'docs', file))),
    ...all(text, /`((?:test|scripts|conf)\/[\w./-]+)/g).filter((file) => !fs.existsSync(path.join(ROOT, file))),
    ...rows.flatMap((row) => [...(row[4] ?? '').matchAll(/`wire (\w+) (?:'([^']+)'|(\S+))`/g)])
      .filter(([, file, quoted, bare]) => !all(read(`test/wire/${file}_test.js`), /^ *test\(['`](.*)/gm).some((name) => new RegExp((quoted ?? bare).replace('\\|', '|')).test(name)))
      .map(([command]) => command),
  ];
  assert.ok(rows.length > 15, `${rows.length} promises`);
  assert.deepStrictEqual(missing, []);
});

test("docker-compose.yml sets what Muster knows, and runs the nodes that conf/haproxy.cfg names", () => {
  const text = read('docker-compose.yml');
  const env = Object.fromEntries([...text.matchAll(/^ +(MUSTER_\w+): (\S+)$/gm)].map((m) => [m[1], m[2]]));
  assert.ok(env.MUSTER_ADAPTER_REDIS_HOST);
  assert.match(text, new RegExp(`^  ${env.MUSTER_ADAPTER_REDIS_HOST}:$`, 'm'));
  assert.strictEqual(execFileSync(BIN, ['--check', '--config', path.join(ROOT, 'conf/demo.cfg')], { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } }), 'ok\n');
  const nodes = all(text, /^ {2}(muster-\d+):$/gm);
  assert.deepStrictEqual(all(read('conf/haproxy.cfg'), /^ +server \S+ ([\w-]+):6001/gm), nodes);
});
