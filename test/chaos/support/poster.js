'use strict';
// A backend that publishes by the HTTP API while things fail. Each room has one node that its
// events go to, one after another, since only then is their order anyone's promise. A POST
// whose fate isn't known ends a sequence; what was refused with 503 was never published.
const { call } = require('../../wire/support/api');

let publishers = 1000000; // the clients' own numbers lie below

class Poster {
  constructor(scene, rate) {
    this.scene = scene;
    this.rate = rate;
    this.rooms = Array.from({ length: scene.rooms }, () => ({ publisher: ++publishers, sent: 0 }));
    this.counts = { posted: 0, refused: 0, unknown: 0 };
    this.busy = Promise.resolve();
  }

  start() {
    this.over = false;
    this.busy = this.run().catch((e) => this.scene.fail(`the backend: ${e.stack}`));
  }

  /** When what is under way has been answered. */
  async stop() {
    this.over = true;
    await this.busy;
  }

  async run() {
    for (let turn = 0; !this.over; turn++) {
      const began = Date.now();
      if (this.scene.usable().length) await this.post(turn % this.rooms.length);
      await new Promise((done) => setTimeout(done, Math.max(1, began + 1000 / this.rate - Date.now())));
    }
  }

  async post(i) {
    const room = this.rooms[i];
    const nodes = this.scene.usable();
    const node = nodes.includes(room.node) ? room.node : nodes[i % nodes.length];
    if (node !== room.node) this.renew(room, node);
    const body = { name: 'chaos', channel: `${this.scene.prefix}${i}`, data: `${room.publisher} ${room.sent + 1}` };
    const late = new Promise((done) => setTimeout(done, 2000, { status: 0 }).unref());
    const { status } = await Promise.race([call(node, 'POST', '/events', { body }).catch(() => ({ status: 0 })), late]);
    if (status === 200) {
      this.counts.posted++;
      await this.scene.clients.say('posted', i, room.publisher, ++room.sent);
    } else if (status === 503) {
      this.counts.refused++;
    } else {
      this.counts.unknown++;
      this.renew(room, node);
    }
  }

  renew(room, node) {
    Object.assign(room, { publisher: ++publishers, sent: 0, node });
  }
}

module.exports = { Poster };
