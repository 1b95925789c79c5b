'use strict';
// A strict reader of Prometheus's text format 0.0.4: whatever isn't exactly what the format and
// its conventions ask for is an error. Then the values by name and labels.
const assert = require('node:assert');

const NAME = /^[a-z_:][a-z0-9_:]*$/;
const VALUE = /^-?(\d+(\.\d+)?(e[+-]?\d+)?|\+?Inf|NaN)$/i;
const TYPES = ['counter', 'gauge', 'histogram'];

/** {a="b",c="d"}: an object, in the order of the text; escapes undone. */
function labelsOf(text, line) {
  const labels = {};
  for (let rest = text; rest; ) {
    const m = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,(?=.)|$)/.exec(rest);
    assert.ok(m, `labels: ${line}`);
    assert.ok(!(m[1] in labels), `a label twice: ${line}`);
    labels[m[1]] = m[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    rest = rest.slice(m[0].length);
  }
  return labels;
}

function sampleOf(line, family) {
  const m = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? (\S+)$/.exec(line);
  assert.ok(m, `no sample: ${line}`);
  const [, name, labels, value] = m;
  assert.match(value, VALUE, line);
  const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  assert.ok(suffixes.some((s) => name === family.name + s), `of no family: ${line}`);
  return { name, labels: labelsOf(labels || '', line), value: Number(value.replace('+Inf', 'Infinity')) };
}

const key = (labels) => JSON.stringify(Object.entries(labels).sort());

/** Each of a histogram's series: buckets in order, cumulative, ended by +Inf, its count. */
function checkHistogram(family) {
  const series = new Map();
  for (const { name, labels, value } of family.samples) {
    const { le, ...rest } = labels;
    const s = series.get(key(rest)) || series.set(key(rest), { buckets: [] }).get(key(rest));
    if (name.endsWith('_bucket')) s.buckets.push([Number(le.replace('+Inf', 'Infinity')), value]);
    else s[name.endsWith('_sum') ? 'sum' : 'count'] = value;
  }
  for (const [of, s] of series) {
    const about = `${family.name} ${of}`;
    s.buckets.forEach(([le, n], i) => {
      assert.ok(!i || (le > s.buckets[i - 1][0] && n >= s.buckets[i - 1][1]), about);
    });
    assert.deepStrictEqual(s.buckets.at(-1), [Infinity, s.count], about);
    assert.ok(s.sum >= 0 && (s.count > 0 || s.sum === 0), about);
  }
}

class Metrics {
  constructor(text) {
    this.families = new Map();
    assert.ok(text.endsWith('\n'), 'the last line has no end');
    const lines = text.slice(0, -1).split('\n');
    for (let i = 0; i < lines.length; ) i = this.takeFamily(lines, i);
    for (const f of this.families.values()) this.check(f);
  }

  takeFamily(lines, i) {
    const help = /^# HELP (\S+) (\S.*)$/.exec(lines[i]);
    const type = /^# TYPE (\S+) (\S+)$/.exec(lines[i + 1] || '');
    assert.ok(help && type && help[1] === type[1], `no HELP and TYPE: ${lines[i]}`);
    const family = { name: type[1], type: type[2], help: help[2], samples: [] };
    assert.match(family.name, NAME);
    assert.ok(TYPES.includes(family.type), lines[i + 1]);
    assert.ok(!this.families.has(family.name), `a family twice: ${family.name}`);
    this.families.set(family.name, family);
    for (i += 2; i < lines.length && !lines[i].startsWith('#'); i++) family.samples.push(sampleOf(lines[i], family));
    return i;
  }

  check(f) {
    const seen = new Set(f.samples.map((s) => s.name + key(s.labels)));
    assert.strictEqual(seen.size, f.samples.length, `a series twice: ${f.name}`);
    assert.strictEqual(f.name.endsWith('_total'), f.type === 'counter', f.name);
    assert.match(f.help, /\.$/, f.name);
    for (const s of f.samples) assert.ok(s.value >= 0, `${s.name} ${s.value}`);
    if (f.type === 'histogram') checkHistogram(f);
  }

  /** Another node's are added to these. */
  add(other) {
    for (const [name, f] of other.families) this.families.get(name).samples.push(...f.samples);
    return this;
  }

  /** The sum of the samples that have these labels; 0 of none. */
  sum(name, labels = {}) {
    const f = this.families.get(name.replace(/_(bucket|sum|count)$/, '')) || this.families.get(name);
    assert.ok(f || this.families.has(name), `no family ${name}`);
    return (this.families.get(name) || f).samples
      .filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === String(v)))
      .reduce((all, s) => all + s.value, 0);
  }

  /** {label's value: sum} of those that aren't 0. */
  by(name, label, labels = {}) {
    const all = {};
    for (const s of this.families.get(name).samples)
      if (s.value && Object.entries(labels).every(([k, v]) => s.labels[k] === v)) all[s.labels[label]] = (all[s.labels[label]] || 0) + s.value;
    return all;
  }
}

module.exports = { Metrics };
