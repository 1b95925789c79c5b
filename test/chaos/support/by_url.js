'use strict';
// muster-chaos as anyone runs it against a server of theirs: it must pass where a server is
// right, and fail where two that know nothing of each other are taken for one cluster, and
// where nobody is let in.
const { execFile } = require('node:child_process');
const { local, start, app } = require('../../wire/support/server');
const { BIN } = require('./clients');

const run = (nodes, { key, secret }, ...more) => {
  const args = [...nodes.flatMap((n) => ['--url', n.url]), '--key', key, '--secret', secret, '--seconds', '2', '--clients', '60', ...more];
  return new Promise((done) => execFile(BIN, args, (error, out, err) => done({ code: error ? error.code : 0, out: out + err })));
};

/** What went otherwise, in words. */
async function byUrl() {
  const one = app({ max_client_events_per_second: 0 });
  const nodes = await Promise.all([0, 1].map(() => start({ apps: [one], ...local })));
  const faults = [];
  const expect = async (what, code, words, ran) => {
    const { code: is, out } = await ran;
    if (is !== code || !words.test(out)) faults.push(`${what}: exit ${is}, ${out}`);
  };
  await Promise.all([
    expect('a server that is right', 0, /^passed/m, run(nodes.slice(0, 1), one, '--prefix', 'presence-one-')),
    expect('two that share nothing', 1, /FAILED: .* lack [1-9]/, run(nodes, one)),
    expect('a wrong secret', 1, /FAILED: .* 60 are refused/, run(nodes, { ...one, secret: 'another' })),
  ]);
  await Promise.all(nodes.map((n) => n.stop()));
  return faults;
}

module.exports = { byUrl };
