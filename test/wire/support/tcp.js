'use strict';
// A WebSocket client on a plain TCP socket, for what no decent client does: garbage, slow and
// half handshakes, frames byte by byte or announced and never sent, unread sockets, resets.
const net = require('node:net');
const crypto = require('node:crypto');
const { EventEmitter } = require('node:events');

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** One client frame. length: what the header announces, where it isn't the payload's own. */
function frame(opcode, payload = '', { fin = true, length } = {}) {
  const body = Buffer.from(payload);
  const n = length === undefined ? body.length : length;
  const head = [(fin ? 0x80 : 0) | opcode];
  if (n < 126) head.push(0x80 | n);
  else if (n < 65536) head.push(0x80 | 126, n >> 8, n & 0xff);
  else {
    const big = Buffer.alloc(8);
    big.writeBigUInt64BE(BigInt(n));
    head.push(0x80 | 127, ...big);
  }
  const mask = crypto.randomBytes(4);
  const masked = Buffer.alloc(body.length);
  for (let i = 0; i < body.length; i++) masked[i] = body[i] ^ mask[i & 3];
  return Buffer.concat([Buffer.from(head), mask, masked]);
}

/** Events: text (string), ping, pong (Buffer), close ({code, reason}), end. */
class Tcp extends EventEmitter {
  constructor(port, { answerClose = true } = {}) {
    super();
    this.answerClose = answerClose;
    this.inbox = Buffer.alloc(0);
    this.upgraded = false;
    this.head = '';
    this.closed = { code: 1006, reason: '' };
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.on('error', (e) => (this.error = e));
    this.ended = new Promise((done) =>
      this.socket.on('close', () => {
        done();
        this.emit('end');
      }),
    );
    this.connected = new Promise((done, fail) => {
      this.socket.once('connect', done);
      this.socket.once('error', fail);
    });
    this.connected.catch(() => {});
  }

  static request(path, port, headers = {}) {
    const all = {
      Host: `127.0.0.1:${port}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
      'Sec-WebSocket-Version': '13',
      ...headers,
    };
    const lines = Object.entries(all).map(([k, v]) => `${k}: ${v}`);
    return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  }

  write(bytes) {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  read(chunk) {
    this.inbox = this.inbox.length ? Buffer.concat([this.inbox, chunk]) : chunk;
    if (!this.upgraded) {
      const end = this.inbox.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.inbox.toString('latin1', 0, end);
      this.inbox = this.inbox.subarray(end + 4);
      this.upgraded = / 101 /.test(this.head.split('\r\n')[0]);
      this.emit('head', this.head);
      if (!this.upgraded) return;
    }
    this.decode();
  }

  decode() {
    for (let b = this.inbox; ; b = this.inbox) {
      if (b.length < 2) return;
      let n = b[1] & 0x7f;
      let at = 2;
      if (b[1] & 0x80) this.emit('fault', 'a masked server frame');
      if (b[0] & 0x70) this.emit('fault', 'a reserved bit that nobody negotiated');
      if (n === 126) {
        if (b.length < 4) return;
        n = b.readUInt16BE(2);
        at = 4;
      } else if (n === 127) {
        if (b.length < 10) return;
        n = Number(b.readBigUInt64BE(2));
        at = 10;
      }
      if (b.length < at + n) return;
      const opcode = b[0] & 15;
      const payload = b.subarray(at, at + n);
      this.inbox = b.subarray(at + n);
      this.frame(opcode, (b[0] & 0x80) !== 0, payload);
    }
  }

  frame(opcode, fin, payload) {
    if (opcode === TEXT && fin) this.emit('text', payload.toString('utf8'));
    else if (opcode === PONG) this.emit('pong', Buffer.from(payload));
    else if (opcode === PING) this.write(frame(PONG, payload));
    else if (opcode === CLOSE) {
      this.closed = {
        code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005,
        reason: payload.subarray(2).toString('utf8'),
      };
      if (this.answerClose) {
        this.write(frame(CLOSE, payload.subarray(0, 2)));
        this.socket.end();
      }
    } else this.emit('fault', `a server frame of opcode ${opcode}, fin ${fin}`);
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  destroy() {
    this.socket.destroy();
  }
}

module.exports = { Tcp, frame, TEXT, BINARY, CLOSE, PING, PONG };
