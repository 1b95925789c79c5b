'use strict';
// A receiver of webhooks.
const assert = require('node:assert');
const http = require('node:http');

const after = (ms) => new Promise((done) => setTimeout(done, ms));

/** A receiver: keeps every event that it answered with 2xx; answer(n, res) decides each answer, delay(n) how many ms it takes. */
class Receiver {
  constructor(answer = () => 200) {
    this.answer = answer;
    this.delay = () => 0;
    this.events = [];
    this.requests = [];
    this.http = http.createServer((req, res) => {
      let text = '';
      req.on('data', (part) => (text += part));
      req.on('end', async () => {
        const request = { headers: req.headers, rawBody: text };
        const n = this.requests.push(request);
        if (this.delay(n)) await after(this.delay(n));
        const status = this.answer(n, res);
        if (!status || typeof status !== 'number') return;
        if (status === 200) this.events.push(...JSON.parse(text).events);
        res.writeHead(status);
        res.end();
      });
    });
  }

  async open() {
    await new Promise((done) => this.http.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.http.address().port}/hook`;
    return this;
  }

  async until(n, patience = 12000) {
    const deadline = Date.now() + patience;
    while (this.events.length < n && Date.now() < deadline) await after(20);
    assert.ok(this.events.length >= n, `${this.events.length} of ${n}: ${JSON.stringify(this.events)}`);
    return this.events;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

const names = (r) => r.events.map((e) => [e.name, e.channel, e.user_id].filter((x) => x !== undefined).join(' '));

module.exports = { Receiver, names };
