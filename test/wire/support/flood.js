'use strict';
// flood.js PORT CONNECTIONS MS PATH: asks for PATH over and over, many requests ahead, and
// prints how many of which status came back. A process of its own, so that it takes no time
// from the test that measures meanwhile.
const net = require('node:net');

const [port, connections, ms, path] = process.argv.slice(2);
const one = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const counts = {};
const sockets = [];

for (let i = 0; i < Number(connections); i++) {
  const socket = net.connect(Number(port), '127.0.0.1', () => socket.write(one.repeat(20)));
  socket.on('error', () => {});
  socket.on('data', (part) => {
    const got = part.toString('latin1').match(/HTTP\/1\.1 \d+/g) || [];
    for (const line of got) counts[line.slice(9)] = (counts[line.slice(9)] || 0) + 1;
    if (got.length && !socket.destroyed) socket.write(one.repeat(got.length));
  });
  sockets.push(socket);
}
setTimeout(() => {
  sockets.forEach((s) => s.destroy());
  console.log(JSON.stringify(counts));
}, Number(ms));
