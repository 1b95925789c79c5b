'use strict';
// Hangs one worker of a server whose log level is debug: nobody reads its log, which it
// writes. `server.child.stderr.resume()` sets it going again, and so does the test's end.
const assert = require('node:assert');
const { Tcp } = require('./tcp');

const within = (ms, promise) => Promise.race([promise, new Promise((done) => setTimeout(done, ms, 'late'))]);

async function hang(server, t) {
  t.after(() => server.child.stderr.resume());
  server.child.stderr.pause();
  for (let i = 0, ended; ended !== 'late'; i++) {
    assert.ok(i < 5000, 'no worker ever hung');
    const tcp = new Tcp(server.port); // refused, which is a line of 400 bytes
    tcp.write(Tcp.request(`/app/${'x'.repeat(400)}?protocol=7`, server.port));
    ended = await within(500, tcp.ended);
  }
}

module.exports = { hang, within };
