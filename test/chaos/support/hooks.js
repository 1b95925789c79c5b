'use strict';
// I8: what a backend is told by webhooks, where Redis has kept its data and nobody died with a
// lease. Nodes send side by side, so their requests' order says nothing; but each transition is
// one event, so of a user who is in there is one member_added more than member_removed, and
// as many of a user who isn't.
const { Receiver } = require('../../wire/support/receiver');

const SIGN = { member_added: 1, channel_occupied: 1, member_removed: -1, channel_vacated: -1 };

class Hooks {
  async open(scene) {
    this.receiver = await new Receiver().open();
    scene.app.webhooks = [{ url: this.receiver.url }];
    scene.config = { ...scene.config, webhooks: { leave_delay_ms: 1000 } };
  }

  wrong(truth) {
    const left = new Map();
    for (const { name, channel, user_id: user = '' } of this.receiver.events) {
      const what = `${channel} ${user}`;
      left.set(what, (left.get(what) || 0) + (SIGN[name] || 0));
    }
    for (const { room, users } of truth)
      for (const user of users.length ? ['', ...users] : []) left.set(`${room} ${user}`, (left.get(`${room} ${user}`) || 0) - 1);
    const bad = [...left].filter(([, n]) => n !== 0);
    return bad.length ? [`webhooks (I8): ${bad.length} don't add up: ${bad.slice(0, 5).map(([what, n]) => `${what.trim()} ${n > 0 ? '+' : ''}${n}`)}`] : [];
  }

  /** What is wrong, in words, once nothing more comes. */
  async verify(scene) {
    for (const deadline = Date.now() + 6000; ; ) {
      const faults = this.wrong(await scene.clients.say('truth'));
      if (!faults.length || Date.now() > deadline) return faults;
      await new Promise((done) => setTimeout(done, 250));
    }
  }

  close() {
    this.receiver.close();
  }
}

/** What the check itself does wrong: one entry too many, or too few, must be found. */
function selfTest() {
  const truth = [{ room: 'r', users: ['a'] }];
  const right = [{ name: 'channel_occupied', channel: 'r' }, { name: 'member_added', channel: 'r', user_id: 'a' }];
  const wrong = (events) => Hooks.prototype.wrong.call({ receiver: { events } }, truth).length > 0;
  const faults = [];
  if (wrong(right)) faults.push('webhooks without a fault');
  for (const extra of right) if (!wrong([...right, extra])) faults.push(`a second ${extra.name}`);
  for (const only of right) if (!wrong([only])) faults.push(`only ${only.name}`);
  if (!wrong([...right, { name: 'member_removed', channel: 'r', user_id: 'a' }])) faults.push('a removal of who is in');
  return faults;
}

module.exports = { Hooks, selfTest };
