'use strict';
// docs/http-api.md as it stands: each command is run by /bin/sh against the demo's own
// configuration, and must print what the document says.
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFile } = require('node:child_process');
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
