'use strict';
// The table at the end.
const COLUMNS = ['scenario', 'clients', 'frames', 'false removals', 'doubled', 'ghosts', 'order', 'I1', 'missing', 'in calm', 'shown (s)', 'bound', 'heals (s)', 'bound', ''];

function row({ scenario, scene, tally }) {
  const seconds = (ms) => (ms === undefined ? '-' : (ms / 1000).toFixed(1));
  const n = (x) => (x === undefined ? '-' : String(x));
  return [
    scenario.name, n(scene.clientCount()), n(tally.frames), n(tally.false_removals), n(tally.doubled), n(scene.ghosts), n(tally.order), n(tally.malformed),
    n(tally.missing === undefined ? undefined : tally.missing - scene.missing), n(scene.missing), seconds(scene.shown), seconds(scene.shownBound), seconds(scene.healed), seconds(scene.bound), scene.faults.length ? 'FAILED' : 'passed',
  ];
}

/** Of all results, one line each. */
function table(results) {
  const rows = [COLUMNS, ...results.map(row)];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  return rows.map((r) => r.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')).join('\n');
}

module.exports = { table };
