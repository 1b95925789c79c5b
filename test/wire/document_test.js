'use strict';
// The table of docs/presence-document.md names tests: each must exist, under that very name.
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

test('every test that the presence document’s table names exists', () => {
  const table = fs.readFileSync(path.join(__dirname, '../../docs/presence-document.md'), 'utf8');
  const named = [...table.matchAll(/`(\w+_test\.js): ([^`]+)`/g)];
  assert.ok(named.length > 50, `${named.length} tests named`);
  const texts = {};
  for (const [, file, name] of named) {
    texts[file] = texts[file] || fs.readFileSync(path.join(__dirname, file), 'utf8');
    const known = texts[file].includes(`test('${name}'`) || (file === 'storm_test.js' && texts[file].includes(name.replace(/^\d+ /, '')));
    assert.ok(known, `${file} has no test "${name}"`);
  }
});
