'use strict';
// A backend by hand: signed requests to the HTTP API (PROTOCOL.md section 6), each on a
// connection of its own, on an agent's, or as bytes on a plain socket for what no HTTP
// library sends.
const assert = require('node:assert');
const http = require('node:http');
const net = require('node:net');
const crypto = require('node:crypto');
const { digest } = require('./sign');
const { PATIENCE } = require('./client');

const md5 = (body) => crypto.createHash('md5').update(body).digest('hex');
const now = () => Math.floor(Date.now() / 1000);

/** The signed query of a request, as the rule has it: sorted, values escaped. */
function signedQuery(app, method, path, { params = {}, body = '', timestamp = now() } = {}) {
  const all = { auth_key: app.key, auth_timestamp: String(timestamp), auth_version: '1.0', ...params };
  if (body.length) all.body_md5 = md5(body);
  const keys = Object.keys(all).sort();
  const text = keys.map((k) => `${k.toLowerCase()}=${all[k]}`).join('&');
  const signature = digest(app.secret, `${method}\n${path}\n${text}`);
  return [...keys.map((k) => `${k}=${encodeURIComponent(all[k])}`), `auth_signature=${signature}`].join('&');
}

/** One request, as given; resolves with {status, headers, text}. */
function request(server, options, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port: server.port, agent: false, ...options }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (part) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** A signed request below /apps/ID. options: params, body (an object, or text), app, headers,
 * agent, timestamp, prefix (of the path). */
function call(server, method, path, options = {}) {
  const { app = server.apps[0], headers = {}, agent = false, prefix = '' } = options;
  const body =
    options.body === undefined || typeof options.body === 'string' || Buffer.isBuffer(options.body)
      ? options.body || ''
      : JSON.stringify(options.body);
  const full = `${prefix}/apps/${app.id}${path}`;
  const target = `${full}?${signedQuery(app, method, full, { ...options, body })}`;
  const length = method === 'POST' ? { 'Content-Length': Buffer.byteLength(body) } : {};
  return request(server, { method, path: target, agent, headers: { ...length, ...headers } }, body);
}

/** POST …/events of one event; resolves with the parsed answer, rejects on anything but 200. */
async function publish(server, event, options) {
  const { status, text } = await call(server, 'POST', '/events', { ...options, body: event });
  if (status !== 200) throw new Error(`${status}: ${text}`);
  return JSON.parse(text);
}

/** GET …; resolves with the parsed answer. */
async function ask(server, path, params, options) {
  const { status, text, headers } = await call(server, 'GET', path, { ...options, params });
  if (status !== 200) throw new Error(`${status}: ${text}`);
  if (headers['content-type'] !== 'application/json') throw new Error(headers['content-type']);
  return JSON.parse(text);
}

/** The bytes of a signed request. */
function bytes(server, method, path, { app = server.apps[0], params, body = '', head = [] } = {}) {
  const full = `/apps/${app.id}${path}`;
  const query = signedQuery(app, method, full, { params, body });
  const lines = [`${method} ${full}?${query} HTTP/1.1`, 'Host: 127.0.0.1', ...head];
  if (method === 'POST') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** A plain socket that takes the replies apart: replies() waits for n of them. */
class Wire {
  constructor(server) {
    this.socket = net.connect({ port: server.port, host: '127.0.0.1', noDelay: true });
    this.text = '';
    this.socket.on('data', (part) => (this.text += part.toString('latin1')));
    this.socket.on('error', () => {});
    this.ended = new Promise((done) => this.socket.on('close', done));
  }

  write(text) {
    this.socket.write(text);
  }

  parse() {
    const all = [];
    for (let at = 0; ; ) {
      const end = this.text.indexOf('\r\n\r\n', at);
      if (end < 0) return all;
      const head = this.text.slice(at, end);
      const status = Number(head.slice(9, 12));
      const length = Number((/^content-length: *(\d+)/im.exec(head) || [0, 0])[1]);
      if (this.text.length < end + 4 + length) return all;
      all.push({ status, head, text: Buffer.from(this.text.slice(end + 4, end + 4 + length), 'latin1').toString() });
      at = end + 4 + length;
    }
  }

  async replies(n, patience = PATIENCE) {
    for (const deadline = Date.now() + patience; ; ) {
      const all = this.parse();
      if (all.length >= n) return all;
      if (Date.now() > deadline) throw new Error(`${all.length} of ${n} replies:\n${this.text.slice(-400)}`);
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  /** n replies; or fewer, if the last of them says Connection: close, and it is. */
  async repliesOrEnd(n) {
    await Promise.race([this.replies(n), this.ended]);
    const all = this.parse();
    if (all.length < n) assert.match(all[all.length - 1]?.head || '', /^connection: close$/im);
    return all;
  }

  end() {
    this.socket.destroy();
  }
}

module.exports = { request, call, publish, ask, bytes, signedQuery, md5, now, Wire };
