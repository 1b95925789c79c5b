'use strict';
// A raw client that keeps every frame in order, checks each one (checker.js), and lets a test
// walk through them: next() is the very next frame, until() skips to one that matches. It
// runs on the `ws` package, or with {tcp: true} on a plain socket (tcp.js).
const WebSocket = require('ws');
const { EventEmitter } = require('node:events');
const { Tcp, frame, TEXT, BINARY, CLOSE, PING } = require('./tcp');
const { Checker } = require('./checker');
const sign = require('./sign');

const PATIENCE = 15000; // ms; only a failure waits for it

const short = (frames) => frames.map((f) => f.raw.slice(0, 200)).join('\n  ') || '(none)';

/** event name, function, or an object whose members must all be in the frame. */
function matcher(what) {
  if (typeof what === 'function') return what;
  if (typeof what === 'string') return (f) => f.event === what;
  return (f) => Object.entries(what).every(([k, v]) => f[k] === v);
}

class Client extends EventEmitter {
  constructor(server, { app, tcp, headers, origin, protocols, path, query, answerClose } = {}) {
    super();
    this.setMaxListeners(0);
    this.server = server;
    this.app = app || server.apps[0];
    this.frames = [];
    this.cursor = 0;
    this.pongs = [];
    this.checker = new Checker();
    this.state = 'opening';
    this.closed = new Promise((done) => (this.setClosed = done));
    const target =
      path || `/app/${this.app.key}?${query || 'protocol=7&client=js&version=8.6.0&flash=false'}`;
    if (tcp) this.openTcp(target, headers, answerClose);
    else this.openWs(target, headers, origin, protocols);
    server.clients.add(this);
  }

  openWs(target, headers, origin, protocols) {
    this.ws = new WebSocket(this.server.url + target, protocols || [], { headers, origin });
    this.ws.on('open', () => {
      this.state = 'open';
      this.emit('open');
    });
    this.ws.on('message', (bytes, binary) => {
      if (binary) this.checker.fault('a binary frame', String(bytes));
      this.take(bytes.toString('utf8'));
    });
    this.ws.on('pong', (payload) => this.takePong(payload));
    this.ws.on('error', (e) => (this.error = e));
    this.ws.on('close', (code, reason) => this.finish(code, reason.toString()));
  }

  openTcp(target, headers, answerClose) {
    const { port } = this.server;
    this.tcp = new Tcp(port, { answerClose });
    this.tcp.connected.then(
      () => this.tcp.write(Tcp.request(target, port, headers)),
      () => {},
    );
    this.tcp.on('head', () => {
      this.state = 'open';
      this.emit('open');
    });
    this.tcp.on('text', (text) => this.take(text));
    this.tcp.on('pong', (payload) => this.takePong(payload));
    this.tcp.on('fault', (text) => this.checker.fault(text, ''));
    this.tcp.on('end', () => this.finish(this.tcp.closed.code, this.tcp.closed.reason));
  }

  /** Opens one and waits until it is established. */
  static async open(server, options) {
    const client = new Client(server, options);
    const first = await client.next();
    if (first.event !== 'pusher:connection_established')
      throw new Error(`not established: ${first.raw}`);
    client.greeting = JSON.parse(first.data);
    client.socketId = client.greeting.socket_id;
    return client;
  }

  take(text) {
    this.frames.push(this.checker.received(text));
    this.emit('frame');
  }

  takePong(payload) {
    this.pongs.push(payload);
    this.emit('pong', payload);
  }

  finish(code, reason) {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.closeCode = code;
    this.setClosed({ code, reason });
    this.emit('closed');
  }

  /** Resolves at the event, rejects with what was seen so far. */
  wait(events, what, patience) {
    return new Promise((done, fail) => {
      const clear = () => {
        clearTimeout(timer);
        for (const e of events) this.off(e, settle);
      };
      const settle = () => {
        clear();
        done();
      };
      const timer = setTimeout(() => {
        clear();
        fail(new Error(`waited ${patience} ms for ${what}; frames:\n  ${short(this.frames.slice(-12))}`));
      }, patience);
      for (const e of events) this.on(e, settle);
    });
  }

  unread() {
    return this.frames.slice(this.cursor);
  }

  async until(what, patience = PATIENCE) {
    const match = matcher(what);
    const name = typeof what === 'object' ? JSON.stringify(what) : String(what);
    for (const deadline = Date.now() + patience; ; ) {
      for (; this.cursor < this.frames.length; ) {
        const f = this.frames[this.cursor++];
        if (match(f)) return f;
      }
      if (this.state === 'closed')
        throw new Error(
          `closed with ${this.closeCode} before ${name}; frames:\n  ${short(this.frames.slice(-12))}`,
        );
      await this.wait(['frame', 'closed'], name, Math.max(1, deadline - Date.now()));
    }
  }

  next(patience) {
    return this.until(() => true, patience);
  }

  /** Everything that came before the answer to a ping sent now. */
  async barrier() {
    const from = this.cursor;
    this.send('pusher:ping', {});
    await this.until('pusher:pong');
    return this.frames.slice(from, this.cursor - 1);
  }

  /** The close code, once the socket is really gone. */
  async gone(patience = PATIENCE) {
    if (this.state !== 'closed') await this.wait(['closed'], 'the close', patience);
    return this.closeCode;
  }

  sendText(text) {
    if (this.state !== 'open') return;
    if (this.tcp) this.tcp.write(frame(TEXT, text));
    else this.ws.send(text);
  }

  sendBinary(bytes) {
    if (this.tcp) this.tcp.write(frame(BINARY, bytes));
    else this.ws.send(bytes, { binary: true });
  }

  send(event, data, more = {}) {
    const message = { event, ...more };
    if (data !== undefined) message.data = data;
    this.checker.sent(message);
    this.sendText(JSON.stringify(message));
  }

  sendSubscribe(channel, data = {}) {
    this.send('pusher:subscribe', { channel, ...data });
  }

  /** The answer to a subscribe: exactly one of the three, about that channel. */
  answer(channel) {
    return this.until(
      (f) =>
        (f.channel === channel || (f.event === 'pusher:error' && f.channel === undefined)) &&
        ['pusher_internal:subscription_succeeded', 'pusher:subscription_error', 'pusher:error'].includes(
          f.event,
        ),
    );
  }

  subscribe(channel, data) {
    this.sendSubscribe(channel, data);
    return this.answer(channel);
  }

  sendJoin(channel, member) {
    const channel_data =
      member === undefined || typeof member === 'string' ? member : JSON.stringify(member);
    const auth = sign.channelAuth(this.app, this.socketId, channel, channel_data);
    this.sendSubscribe(channel, { auth, channel_data });
  }

  /** Subscribes with a valid signature. member: an object, or the channel_data itself. */
  join(channel, member) {
    this.sendJoin(channel, member);
    return this.answer(channel);
  }

  /** join() that must succeed; returns the snapshot of a presence channel. */
  async enter(channel, member) {
    const f = await this.join(channel, member);
    if (f.event !== 'pusher_internal:subscription_succeeded') throw new Error(`refused: ${f.raw}`);
    return JSON.parse(f.data).presence;
  }

  leave(channel) {
    this.send('pusher:unsubscribe', { channel });
  }

  async signin(user) {
    const user_data = typeof user === 'string' ? user : JSON.stringify(user);
    const auth = sign.userAuth(this.app, this.socketId, user_data);
    this.send('pusher:signin', { auth, user_data });
    return this.until((f) => ['pusher:signin_success', 'pusher:error'].includes(f.event));
  }

  clientEvent(channel, event, data, more) {
    this.send(event, data, { channel, ...more });
  }

  ping(payload = '') {
    if (this.tcp) this.tcp.write(frame(PING, payload));
    else this.ws.ping(payload);
  }

  /** Cleanly: a Close frame. */
  close(code = 1000) {
    if (this.tcp) this.tcp.write(frame(CLOSE, Buffer.from([code >> 8, code & 255])));
    else this.ws.close(code);
  }

  /** Uncleanly: the connection is just lost. */
  reset() {
    if (this.tcp) this.tcp.reset();
    else this.ws._socket.resetAndDestroy();
  }

  /** Uncleanly, with a FIN: what a killed process leaves behind. */
  drop() {
    if (this.tcp) this.tcp.destroy();
    else this.ws.terminate();
  }
}

module.exports = { Client, PATIENCE };
