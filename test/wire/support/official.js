'use strict';
// The official client, unmodified, and the application's server that signs for it: the code of
// the user's document on a plain http server, and the official SDK beside it.
const http = require('node:http');
const crypto = require('node:crypto');
const Pusher = require('pusher-js');
const Sdk = require('pusher');
const { PATIENCE } = require('./client');

/** The document's own code; user is what its session would hold. */
function documentAuth(app, user, body) {
  const socketId = body.socket_id;
  const channel = body.channel_name;

  // Presence channels must start with "presence-"
  if (!channel.startsWith('presence-')) {
    return [403, 'Invalid channel'];
  }

  // User info that will be shared with other members
  const presenceData = {
    user_id: user.id,
    user_info: {
      name: user.name,
      avatar: user.avatar_url,
    },
  };

  // Create auth signature
  const stringToSign = `${socketId}:${channel}:${JSON.stringify(presenceData)}`;
  const signature = crypto.createHmac('sha256', app.secret).update(stringToSign).digest('hex');

  return [
    200,
    JSON.stringify({
      auth: `${app.key}:${signature}`,
      channel_data: JSON.stringify(presenceData),
    }),
  ];
}

/** The official SDK's way: any kind of channel, and sign-in. */
function sdkAuth(sdk, user, body) {
  if (body.channel_name === undefined)
    return [200, JSON.stringify(sdk.authenticateUser(body.socket_id, { id: String(user.id), ...user.profile }))];
  const presence = /^(private-)?presence-/.test(body.channel_name) && !user.bare;
  const data = presence ? { user_id: user.id, user_info: user.info } : undefined;
  return [200, JSON.stringify(sdk.authorizeChannel(body.socket_id, body.channel_name, data))];
}

/** An application's server for one app; endpoint(kind, user) is the URL for that user. */
class Application {
  static async start(app) {
    const self = new Application();
    self.app = app;
    self.asked = [];
    self.users = [];
    self.sdk = new Sdk({
      appId: app.id,
      key: app.key,
      secret: app.secret,
      host: '127.0.0.1',
      encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString('base64'),
    });
    self.server = http.createServer((req, res) => self.serve(req, res));
    await new Promise((done) => self.server.listen(0, '127.0.0.1', done));
    self.base = `http://127.0.0.1:${self.server.address().port}`;
    return self;
  }

  serve(req, res) {
    let text = '';
    req.on('data', (chunk) => (text += chunk));
    req.on('end', () => {
      const body = Object.fromEntries(new URLSearchParams(text));
      const [, kind, n] = req.url.split('/');
      this.asked.push({ ...body, url: req.url });
      const make = { pusher: () => documentAuth(this.app, this.users[n.split('=')[1]], body) };
      const [status, answer] =
        kind === 'pusher' ? make.pusher() : sdkAuth(this.sdk, this.users[n], body);
      res.writeHead(status, { 'Content-Type': 'application/json' });
      res.end(answer);
    });
  }

  /** The document's endpoint; the session cookie stands in the query. */
  document(user) {
    return `${this.base}/pusher/auth?user=${this.users.push(user) - 1}`;
  }

  sdkFor(user) {
    return `${this.base}/sdk/${this.users.push(user) - 1}`;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}

/** pusher-js against the test's server; the options are those a site would give. */
function connect(server, app, options = {}) {
  const pusher = new Pusher(app.key, {
    cluster: 'mt1',
    wsHost: '127.0.0.1',
    wsPort: server.port,
    forceTLS: false,
    enabledTransports: ['ws'],
    ...options,
  });
  pusher.problems = [];
  pusher.connection.bind('error', (e) => pusher.problems.push(e));
  server.pushers = [...(server.pushers || []), pusher];
  return pusher;
}

/** The same with the SDK's endpoint for one user. */
function connectAs(server, application, user, options) {
  const endpoint = application.sdkFor(user);
  return connect(server, application.app, {
    channelAuthorization: { endpoint, transport: 'ajax' },
    userAuthentication: { endpoint, transport: 'ajax' },
    ...options,
  });
}

/** The next event of that name on a channel, the client or a connection: [data, metadata]. */
function once(emitter, name, patience = PATIENCE) {
  return new Promise((done, fail) => {
    const settle = (...args) => {
      clearTimeout(timer);
      emitter.unbind(name, settle);
      done(args);
    };
    const timer = setTimeout(() => {
      emitter.unbind(name, settle);
      fail(new Error(`waited ${patience} ms for ${name} on ${emitter.name || emitter.state || 'it'}`));
    }, patience);
    emitter.bind(name, settle);
  });
}

async function connected(pusher) {
  if (pusher.connection.state !== 'connected') await once(pusher.connection, 'connected');
  return pusher;
}

/** Subscribes and waits until that has succeeded. */
async function inside(pusher, name) {
  const channel = pusher.subscribe(name);
  if (!channel.subscribed) await once(channel, 'pusher:subscription_succeeded');
  return channel;
}

function hangUp(server) {
  for (const pusher of server.pushers || []) pusher.disconnect();
}

module.exports = { Pusher, Application, connect, connectAs, connected, inside, once, hangUp };
