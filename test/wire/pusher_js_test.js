'use strict';
// The official client in Node, unmodified, over every kind of channel: what the user's
// document shows, and where it cannot hold as printed.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { withServer, start, app, oneNode } = require('./support/server');
const { Pusher, Application, connect, connectAs, connected, inside, once, hangUp } = require('./support/official');

/** A test with a server and an application's server of its own. */
const withBoth = (config, body) =>
  withServer(config, async (server, t) => {
    const application = await Application.start(server.apps[0]);
    try {
      await body(server, application, t);
    } finally {
      hangUp(server);
      await application.stop();
    }
  });

const after = (ms) => new Promise((done) => setTimeout(done, ms));
const ids = (channel) => {
  const all = [];
  channel.members.each((m) => all.push(m.id));
  return all.sort();
};
const user = (id, info) => ({ id, info, name: `Name of ${id}`, avatar_url: `https://cdn.example.com/${id}.jpg` });
const documentClient = (server, application, one) =>
  connect(server, application.app, { authEndpoint: application.document(one) });

describe('pusher-js', { concurrency: 6 }, () => {
  test('it connects, and knows its socket id', withBoth({}, async (server, application) => {
    const pusher = await connected(connect(server, application.app));
    assert.match(pusher.connection.socket_id, /^\d+\.\d+$/);
    assert.deepStrictEqual(pusher.problems, []);
  }));

  test('a connection with a wrong key is refused for ever with 4001', withBoth({}, async (server) => {
    const pusher = connect(server, { key: 'my-app-key' });
    await once(pusher.connection, 'disconnected');
    assert.strictEqual(pusher.problems[0].error.data.code, 4001);
    await after(1500);
    assert.strictEqual(pusher.connection.state, 'disconnected');
  }));

  test('over capacity (4100) it comes back by itself after a second', oneNode('each has its own quota'), withBoth({ max_connections: 1 }, async (server, application) => {
    const first = await connected(connect(server, application.app));
    const second = connect(server, application.app);
    await once(second.connection, 'error');
    assert.strictEqual(second.problems[0].error.data.code, 4100);
    first.disconnect();
    await connected(second);
  }));

  test('public, private, encrypted, cache and presence channels: subscription_succeeded on each', withBoth({}, async (server, application) => {
    const pusher = connectAs(server, application, user('u'), { nacl: require('tweetnacl') });
    for (const name of ['room', 'cache-room', 'private-room', 'private-cache-room', 'private-encrypted-room', 'private-encrypted-cache-room', 'presence-room', 'presence-cache-room', 'private-presence-room'])
      assert.ok((await inside(pusher, name)).subscribed, name);
    assert.deepStrictEqual(pusher.problems, []);
  }));

  test('an encrypted channel is let in with the official SDK’s authorizeChannel', withBoth({}, async (server, application) => {
    const pusher = connectAs(server, application, user('u'), { nacl: require('tweetnacl') });
    const channel = await inside(pusher, 'private-encrypted-room');
    assert.strictEqual(channel.key.length, 32);
    assert.throws(() => channel.trigger('client-x', {}), /not currently supported/);
  }));

  test('pusher:cache_miss is told on the cache kinds', withBoth({}, async (server, application) => {
    const pusher = connectAs(server, application, user('u'), { nacl: require('tweetnacl') });
    for (const name of ['cache-a', 'private-cache-a', 'private-encrypted-cache-a', 'presence-cache-a'])
      await once(pusher.subscribe(name), 'pusher:cache_miss');
  }));

  test('the document’s quick start: members, member_added and member_removed', withBoth({}, async (server, application) => {
    const alice = documentClient(server, application, user('alice'));
    const channel = alice.subscribe('presence-chat-room');
    const [members] = await once(channel, 'pusher:subscription_succeeded');
    assert.strictEqual(members, channel.members);
    assert.strictEqual(channel.members.count, 1);
    assert.strictEqual(channel.members.me.id, 'alice');
    const seen = [];
    channel.members.each((member) => seen.push([member.id, member.info]));
    assert.deepStrictEqual(seen, [['alice', { name: 'Name of alice', avatar: 'https://cdn.example.com/alice.jpg' }]]);

    const bob = documentClient(server, application, user('bob'));
    const added = once(channel, 'pusher:member_added');
    const other = await inside(bob, 'presence-chat-room');
    const [member] = await added;
    assert.deepStrictEqual(member, { id: 'bob', info: { name: 'Name of bob', avatar: 'https://cdn.example.com/bob.jpg' } });
    assert.deepStrictEqual([ids(channel), ids(other)], [['alice', 'bob'], ['alice', 'bob']]);
    assert.deepStrictEqual(channel.members.get('bob'), member);

    const removed = once(channel, 'pusher:member_removed');
    bob.disconnect();
    assert.strictEqual((await removed)[0].id, 'bob');
    assert.deepStrictEqual(ids(channel), ['alice']);
    assert.strictEqual(channel.members.count, 1);
  }));

  test('the document’s endpoint is asked with socket_id and channel_name, and refuses other names', withBoth({}, async (server, application) => {
    const pusher = documentClient(server, application, user('alice'));
    await inside(pusher, 'presence-chat-room');
    assert.strictEqual(application.asked[0].socket_id, pusher.connection.socket_id);
    assert.strictEqual(application.asked[0].channel_name, 'presence-chat-room');
    for (const name of ['private-room', 'private-presence-vip-room']) {
      const [error] = await once(pusher.subscribe(name), 'pusher:subscription_error');
      assert.deepStrictEqual([error.type, error.status], ['AuthError', 403]);
    }
  }));

  test('two tabs of one user are one member; the last one to go removes it', withBoth({}, async (server, application) => {
    const watcher = await inside(connectAs(server, application, user('w')), 'presence-room');
    const told = [];
    watcher.bind('pusher:member_added', (m) => told.push(['added', m.id]));
    watcher.bind('pusher:member_removed', (m) => told.push(['removed', m.id]));
    const tabs = [1, 2].map((n) => connectAs(server, application, user('u', { tab: n })));
    const first = await inside(tabs[0], 'presence-room');
    const second = await inside(tabs[1], 'presence-room');
    for (const channel of [first, second]) {
      assert.strictEqual(channel.members.count, 2);
      assert.deepStrictEqual(channel.members.get('u').info, { tab: 1 });
    }
    tabs[0].disconnect();
    const marker = await inside(connectAs(server, application, user('m')), 'presence-room');
    const gone = once(watcher, 'pusher:member_removed');
    marker.pusher.disconnect();
    await gone;
    assert.deepStrictEqual(told, [['added', 'u'], ['added', 'm'], ['removed', 'm']]);
    const last = once(watcher, 'pusher:member_removed');
    tabs[1].disconnect();
    assert.strictEqual((await last)[0].id, 'u');
  }));

  test('a number as user_id is told as a string', withBoth({}, async (server, application) => {
    const watcher = await inside(connectAs(server, application, user('w')), 'presence-room');
    const added = once(watcher, 'pusher:member_added');
    const channel = await inside(connectAs(server, application, user(10)), 'presence-room');
    assert.strictEqual((await added)[0].id, '10');
    assert.deepStrictEqual(channel.members.me, { id: 10, info: null });
    assert.deepStrictEqual(ids(channel), ['10', 'w']);
  }));

  test('PresenceLimitReached: told to channel.bind(subscription_error); pusher.subscribe() then does nothing, channel.subscribe() retries', withBoth({ presence: { max_members_per_channel: 1 } }, async (server, application) => {
    const first = connectAs(server, application, user('a'));
    await inside(first, 'presence-room');
    const second = connectAs(server, application, user('b'));
    const channel = second.subscribe('presence-room');
    const [error] = await once(channel, 'pusher:subscription_error');
    assert.strictEqual(error.type, 'PresenceLimitReached');
    assert.strictEqual(error.status, 4100);
    assert.strictEqual(second.connection.state, 'connected');
    assert.deepStrictEqual([channel.subscribed, channel.subscriptionPending], [false, true]);

    const asked = application.asked.length;
    assert.strictEqual(second.subscribe('presence-room'), channel);
    await inside(second, 'room');
    assert.strictEqual(application.asked.length, asked, 'pusher.subscribe() asked for a signature');

    const again = once(channel, 'pusher:subscription_error');
    channel.subscribe();
    assert.strictEqual((await again)[0].type, 'PresenceLimitReached');
    first.disconnect();
    await retried(channel);
    assert.strictEqual(channel.members.count, 1);
  }));

  test('PresenceMemberTooLarge is told with its type and status 4301', withBoth({}, async (server, application) => {
    const big = { bio: 'x'.repeat(3000) };
    const channel = connectAs(server, application, user('a', big)).subscribe('presence-room');
    const [error] = await once(channel, 'pusher:subscription_error');
    assert.deepStrictEqual([error.type, error.status], ['PresenceMemberTooLarge', 4301]);
  }));

  test('a wrong signature: AuthError 401 names the string that was to be signed', withBoth({}, async (server, application) => {
    const handler = ({ socketId, channelName }, callback) =>
      callback(null, { auth: `${application.app.key}:${'0'.repeat(64)}`, channel_data: channelName.startsWith('presence-') ? '{"user_id":"a"}' : undefined, socketId });
    const pusher = await connected(connect(server, application.app, { channelAuthorization: { customHandler: handler } }));
    for (const [name, data] of [['private-room', ''], ['presence-room', ':{"user_id":"a"}']]) {
      const [error] = await once(pusher.subscribe(name), 'pusher:subscription_error');
      assert.deepStrictEqual([error.type, error.status], ['AuthError', 401]);
      assert.ok(error.error.includes(`${pusher.connection.socket_id}:${name}${data}`), error.error);
    }
  }));

  test('enable_user_authentication off: AuthError 403 names the setting', withBoth({ apps: [app({ enable_user_authentication: false })] }, async (server, application) => {
    const pusher = connectAs(server, application, user('a'));
    const [error] = await once(pusher.subscribe('presence-room'), 'pusher:subscription_error');
    assert.deepStrictEqual([error.type, error.status], ['AuthError', 403]);
    assert.match(error.error, /enable_user_authentication/);
  }));

  test('a bad channel name is told as InvalidChannel', withBoth({}, async (server, application) => {
    const pusher = connectAs(server, application, user('a'));
    for (const name of ['bad name', 'ü', 'presence-']) {
      const [error] = await once(pusher.subscribe(name), 'pusher:subscription_error');
      assert.deepStrictEqual([error.type, error.status], ['InvalidChannel', 400], name);
    }
  }));

  test('client events: all but the sender, with the sender’s user_id in the metadata', withBoth({}, async (server, application) => {
    const [a, b] = [connectAs(server, application, user('a')), connectAs(server, application, user('b'))];
    for (const name of ['presence-room', 'private-room', 'private-presence-room']) {
      const [from, to] = [await inside(a, name), await inside(b, name)];
      const echo = [];
      from.bind('client-hello', (data) => echo.push(data));
      const got = once(to, 'client-hello');
      from.trigger('client-hello', { text: 'hi', user_id: 'b' });
      const [data, metadata] = await got;
      assert.deepStrictEqual(data, { text: 'hi', user_id: 'b' });
      assert.deepStrictEqual(metadata, name === 'presence-room' ? { user_id: 'a' } : {});
      const back = once(from, 'client-back');
      to.trigger('client-back', 1);
      await back;
      assert.deepStrictEqual(echo, []);
    }
  }));

  test('a client event that is not allowed comes back as a PusherError 4301', withBoth({ apps: [app({ enable_client_messages: false })] }, async (server, application) => {
    const pusher = connectAs(server, application, user('a'));
    const channel = await inside(pusher, 'private-room');
    const error = once(pusher.connection, 'error');
    channel.trigger('client-x', {});
    assert.strictEqual((await error)[0].data.code, 4301);
    assert.strictEqual(pusher.connection.state, 'connected');
  }));

  test('private-presence-: member_added {id, info} and member_removed {id} by bind, no channel.members, the list in the event', withBoth({}, async (server, application) => {
    const one = connectAs(server, application, user('one', { name: 'One' }));
    const channel = one.subscribe('private-presence-vip-room');
    const [snapshot] = await once(channel, 'pusher:subscription_succeeded');
    assert.strictEqual(channel.members, undefined);
    assert.deepStrictEqual(snapshot, { presence: { ids: ['one'], hash: { one: { name: 'One' } }, count: 1 } });
    const added = once(channel, 'pusher:member_added');
    const two = connectAs(server, application, user('user-123', { name: 'John Doe', avatar: 'https://example.com/avatar.jpg' }));
    await inside(two, 'private-presence-vip-room');
    assert.deepStrictEqual((await added)[0], { id: 'user-123', info: { name: 'John Doe', avatar: 'https://example.com/avatar.jpg' } });
    const removed = once(channel, 'pusher:member_removed');
    two.unsubscribe('private-presence-vip-room');
    assert.deepStrictEqual((await removed)[0], { id: 'user-123' });
  }));

  test('unsubscribe and subscribe again; an unsubscribe of a pending channel too', withBoth({}, async (server, application) => {
    const pusher = connectAs(server, application, user('a'));
    const watcher = await inside(connectAs(server, application, user('w')), 'presence-room');
    for (let i = 0; i < 5; i++) {
      const [added, removed] = [once(watcher, 'pusher:member_added'), once(watcher, 'pusher:member_removed')];
      await inside(pusher, 'presence-room');
      await added;
      pusher.unsubscribe('presence-room');
      await removed;
      pusher.subscribe('private-pending');
      pusher.unsubscribe('private-pending');
    }
    await inside(pusher, 'private-pending');
    assert.deepStrictEqual(pusher.problems, []);
  }));

  test('sign-in: the user’s own channel, and presence as that user without channel_data', withBoth({}, async (server, application) => {
    const pusher = connectAs(server, application, { ...user('alice'), bare: true, profile: { user_info: { name: 'Alice' } } });
    const watcher = await inside(connectAs(server, application, user('w')), 'presence-room');
    const added = once(watcher, 'pusher:member_added');
    pusher.signin();
    const channel = await inside(pusher, 'presence-room');
    assert.deepStrictEqual((await added)[0], { id: 'alice', info: { name: 'Alice' } });
    assert.deepStrictEqual(channel.members.me, { id: 'alice', info: { name: 'Alice' } });
    assert.strictEqual(pusher.user.user_data.id, 'alice');
    assert.strictEqual(pusher.user.serverToUserChannel.name, '#server-to-user-alice');
    await inside(pusher, 'room');
    assert.ok(pusher.user.serverToUserChannel.subscribed);
    assert.deepStrictEqual(pusher.problems, []);
  }));

  test('4200: all reconnect at once when the server restarts on the same port, and are members again', oneNode('one port'), withBoth({ presence: { leave_grace: 0 } }, async (server, application) => {
    const clients = ['a', 'b', 'c'].map((id) => connectAs(server, application, user(id)));
    const channels = [];
    for (const c of clients) channels.push(await inside(c, 'presence-room'));
    const old = clients.map((c) => c.connection.socket_id);
    const gone = clients.map((c) => once(c.connection, 'connecting'));
    const how = server.stop();
    await Promise.all(gone);
    await how;
    const before = Date.now();
    const back = clients.map((c) => once(c.connection, 'connected', 30000));
    const next = await start({ ...server.config, port: server.port });
    try {
      await Promise.all(back);
      assert.ok(Date.now() - before < 20000);
      for (const channel of channels) await whole(channel, 3);
      clients.forEach((c, i) => assert.notStrictEqual(c.connection.socket_id, old[i]));
      for (const channel of channels) assert.deepStrictEqual(ids(channel), ['a', 'b', 'c']);
      hangUp(server);
    } finally {
      await next.stop();
    }
  }));

  test('with a short activity timeout it pings, is answered, and stays connected', withBoth({ activity_timeout: 1, pong_timeout: 2 }, async (server, application) => {
    const pusher = connectAs(server, application, user('a'));
    await inside(pusher, 'presence-room');
    const id = pusher.connection.socket_id;
    assert.strictEqual(pusher.connection.activityTimeout, 1000);
    await after(5000);
    assert.strictEqual(pusher.connection.state, 'connected');
    assert.strictEqual(pusher.connection.socket_id, id);
    assert.deepStrictEqual(pusher.problems, []);
  }));

  test('the activity_timeout of the server is what the client uses: 120 s, and it waits 30 s for the pong', withBoth({}, async (server, application) => {
    const pusher = await connected(connect(server, application.app));
    assert.strictEqual(pusher.connection.activityTimeout, 120000);
    assert.strictEqual(pusher.config.pongTimeout, 30000);
  }));

  test('the document’s cluster mt1 without wsHost dials Pusher itself', () => {
    // No transport: nothing is dialled here.
    const pusher = new Pusher('my-app-key', { cluster: 'mt1', authEndpoint: '/pusher/auth', enabledTransports: [] });
    assert.strictEqual(pusher.config.wsHost, 'ws-mt1.pusher.com');
    assert.strictEqual(pusher.connection.state, 'failed');
    pusher.disconnect();
  });

  test('pusher-js asks /pusher/auth by default', () => {
    const asked = [];
    const pusher = new Pusher('my-key', { cluster: 'mt1', enabledTransports: [] });
    const create = Pusher.Runtime.createXHR;
    Pusher.Runtime.createXHR = () => ({
      open: (method, url) => asked.push(`${method} ${url}`),
      setRequestHeader() {},
      send: (body) => asked.push(body),
    });
    try {
      pusher.config.channelAuthorizer({ socketId: '1.2', channelName: 'presence-room' }, () => {});
    } finally {
      Pusher.Runtime.createXHR = create;
    }
    assert.deepStrictEqual(asked, ['POST /pusher/auth', 'socket_id=1.2&channel_name=presence-room']);
    pusher.disconnect();
  });

  test('the document’s client key is not its configuration’s key: 4001, until they are made one', withBoth({ apps: [app({ id: 'my-app', key: 'my-key', secret: 'my-secret' })] }, async (server, application) => {
    const wrong = connect(server, { key: 'my-app-key' });
    await once(wrong.connection, 'disconnected');
    assert.strictEqual(wrong.problems[0].error.data.code, 4001);
    await inside(documentClient(server, application, user('a')), 'presence-chat-room');
  }));

  test('disconnect() on beforeunload leaves at once', withBoth({ presence: { leave_grace: 30 } }, async (server, application) => {
    const watcher = await inside(connectAs(server, application, user('w')), 'presence-room');
    const pusher = connectAs(server, application, user('a'));
    await inside(pusher, 'presence-room');
    const removed = once(watcher, 'pusher:member_removed', 5000);
    pusher.disconnect();
    assert.strictEqual((await removed)[0].id, 'a');
  }));

  test('member_removed, then members.get() tells whether the user came back meanwhile', withBoth({}, async (server, application) => {
    const watcher = await inside(connectAs(server, application, user('w')), 'presence-room');
    const first = connectAs(server, application, user('a'));
    await inside(first, 'presence-room');
    const removed = once(watcher, 'pusher:member_removed');
    first.disconnect();
    const [member] = await removed;
    assert.strictEqual(watcher.members.get(member.id), null);
    const added = once(watcher, 'pusher:member_added');
    first.connect();
    await added;
    assert.strictEqual(watcher.members.get(member.id).id, 'a');
  }));
});

/** Asks again until the place has become free. */
async function retried(channel) {
  for (let i = 0; i < 50; i++) {
    const outcome = Promise.race([
      once(channel, 'pusher:subscription_succeeded').then(() => true),
      once(channel, 'pusher:subscription_error').then(() => false),
    ]);
    channel.subscribe();
    if (await outcome) return;
    await after(100);
  }
  assert.fail('no place became free');
}

/** Waits until the channel has n members again. */
async function whole(channel, n) {
  for (let i = 0; i < 200 && !(channel.subscribed && channel.members.count === n); i++) await after(50);
  assert.strictEqual(channel.members.count, n);
}
