'use strict';
// What the HTTP API refuses, with which words and status, and what the settings say:
// signatures, bodies, names, limits, rates, CORS, path_prefix.
const { describe, test } = require('node:test');
const assert = require('node:assert');
const { withServer, app, oneNode } = require('./support/server');
const { call, request, publish, ask, bytes, signedQuery, md5, now, Wire } = require('./support/api');
const { digest } = require('./support/sign');

const event = (more) => ({ name: 'e', channel: 'room', data: 'x', ...more });

describe('bad events: 400 or 413, and nobody hears them', { concurrency: 2 }, () => {
  const cases = [
    ['', /The body is/],
    ['{', /The body is/],
    ['[]', /The body is/],
    ['"x"', /The body is/],
    [`${JSON.stringify(event())}x`, /The body is/],
    [Buffer.from('{"name":"\xff","channel":"room","data":"x"}', 'latin1'), /UTF-8/],
    ['{"a":'.repeat(2000), /The body is/],
    ['{}', /name is missing/],
    [event({ name: undefined }), /name is missing/],
    [event({ name: null }), /name is missing/],
    [event({ name: 5 }), /name must be a string/],
    [event({ name: '' }), /name is empty/],
    [event({ name: 'n'.repeat(201) }), /name is longer than 200 bytes/],
    [event({ name: 'é'.repeat(101) }), /name is longer than 200 bytes/],
    [event({ data: undefined }), /data is missing/],
    [event({ data: { a: 1 } }), /data must be a string/],
    [event({ data: null }), /data must be a string/],
    [event({ channel: undefined }), /channel or channels is missing/],
    [event({ channel: 7 }), /a channel must be a string/],
    [event({ channel: '' }), /Invalid channel: channel name is empty/],
    [event({ channel: 'a b' }), /Invalid channel/],
    [event({ channel: 'é' }), /Invalid channel/],
    [event({ channel: 'private-' }), /Invalid channel/],
    [event({ channel: '#room' }), /Invalid channel/],
    [event({ channel: '#server-to-user-' }), /Invalid channel/],
    [event({ channel: 'c'.repeat(201) }), /longer than 200 bytes/],
    [event({ channel: undefined, channels: [] }), /channels is empty/],
    [event({ channel: undefined, channels: 'room' }), /channels must be an array/],
    [event({ channel: undefined, channels: ['room', 5] }), /a channel must be a string/],
    [event({ channel: undefined, channels: ['room', 'a b'] }), /Invalid channel/],
    [event({ channels: ['room'] }), /both/],
    [event({ socket_id: 'x' }), /Invalid socket_id/],
    [event({ socket_id: '1.2.3' }), /Invalid socket_id/],
    [event({ socket_id: 1.2 }), /Invalid socket_id/],
    [event({ info: 'colour' }), /Unknown info attribute "colour"/],
    [event({ info: ['user_count'] }), /info must be a string/],
    [event({ data: 'd'.repeat(10241) }), /The data content of this event exceeds the allowed maximum \(10240 bytes\)/, 413],
    [event({ data: 'é'.repeat(5121) }), /content of this event/, 413],
  ];
  test('POST events', withServer({}, async (server) => {
    const c = await server.client();
    await c.enter('room');
    for (const [body, text, status = 400] of cases) {
      const answer = await call(server, 'POST', '/events', { body });
      assert.strictEqual(answer.status, status, `${JSON.stringify(body).slice(0, 100)}: ${answer.text}`);
      assert.match(answer.text, text);
      assert.strictEqual(answer.headers['content-type'], 'text/plain; charset=utf-8');
    }
    assert.deepStrictEqual(await c.barrier(), []);
  }));

  test('POST batch_events: the item is named, and none of it goes out', withServer({}, async (server) => {
    const c = await server.client();
    await c.enter('room');
    const post = (batch) => call(server, 'POST', '/batch_events', { body: typeof batch === 'string' ? batch : { batch } });
    for (const [body, text, status = 400] of cases.slice(8)) {
      if (!body.channel && /channels/.test(String(text))) continue;
      if (body.channels) continue;
      const answer = await post([event(), event(), body]);
      assert.strictEqual(answer.status, status, `${JSON.stringify(body).slice(0, 100)}: ${answer.text}`);
      assert.match(answer.text, text);
      assert.match(answer.text, /^batch\[2\]: /);
    }
    for (const [body, text] of [
      ['{}', /batch is missing/],
      ['{"batch":{}}', /batch must be an array/],
      ['{"batch":[1]}', /batch\[0\]: an event must be an object/],
      [Array.from({ length: 11 }, () => event()), /^Batch too large\n$/],
      [[event({ channel: undefined })], /batch\[0\]: channel is missing/],
      [[event({ channel: undefined, channels: ['room'] })], /batch\[0\]: channel is missing/],
    ]) {
      const answer = await post(body);
      assert.strictEqual(answer.status, 400);
      assert.match(answer.text, text);
    }
    assert.deepStrictEqual(await c.barrier(), []);
  }));
});

test('what is just within the limits passes', withServer({}, async (server) => {
  const c = await server.client();
  const longest = 'c'.repeat(200);
  await c.enter(longest);
  for (const more of [{ data: 'd'.repeat(10240) }, { data: 'é'.repeat(5120) }, { data: '"'.repeat(10240) }, { name: 'n'.repeat(200) }, { name: 'é'.repeat(100) }]) {
    const e = event({ channel: longest, ...more });
    assert.deepStrictEqual(await publish(server, e), {});
    assert.strictEqual((await c.until(e.name)).data, e.data);
  }
}));

test('max_event_kb moves the limit', withServer({ max_event_kb: 1 }, async (server) => {
  await publish(server, event({ data: 'd'.repeat(1024) }));
  assert.strictEqual((await call(server, 'POST', '/events', { body: event({ data: 'd'.repeat(1025) }) })).status, 413);
}));

test('bad questions: 400 with the reason', withServer({}, async (server) => {
  for (const [path, params, text] of [
    ['/channels', { info: 'user_count' }, /user_count .*filter_by_prefix/],
    ['/channels', { info: 'user_count', filter_by_prefix: 'private-' }, /user_count/],
    ['/channels', { info: 'user_count', filter_by_prefix: 'presence' }, /user_count/],
    ['/channels', { info: 'cache' }, /cache/],
    ['/channels', { info: 'colour' }, /Unknown info attribute "colour"/],
    ['/channels/room', { info: 'user_count' }, /user_count can only be requested for presence channels/],
    ['/channels/room', { info: 'cache' }, /cache can only be requested for cache channels/],
    ['/channels/private-', {}, /Invalid channel/],
    ['/channels/a%20b', {}, /Invalid channel/],
    [`/channels/${'c'.repeat(201)}`, {}, /longer than 200 bytes/],
    ['/channels/room/users', {}, /presence channels/],
    ['/channels/private-x/users', {}, /presence channels/],
    ['/channels/presence-/users', {}, /Invalid channel/],
    ['/channels', { info: 'cache', filter_by_prefix: 'p'.repeat(5000) }, /cache/], // long, and read to its end
    ['/channels', { filter_by_prefix: 'p'.repeat(9000) }, /query string is longer than 8192 bytes/],
  ]) {
    const { status, text: answer } = await call(server, 'GET', path, { params });
    assert.strictEqual(status, 400, `${path} ${JSON.stringify(params)}: ${answer}`);
    assert.match(answer, text);
  }
}));

test('401: each part of the signature that is missing or wrong, by name', withServer({}, async (server) => {
  const a = server.apps[0];
  const path = `/apps/${a.id}/events`;
  const body = JSON.stringify(event());
  const good = signedQuery(a, 'POST', path, { body });
  const without = (name) => good.split('&').filter((p) => !p.startsWith(`${name}=`)).join('&');
  const at = (timestamp) => signedQuery(a, 'POST', path, { body, timestamp });
  const cases = [
    ['', 'Missing parameter: auth_key\n'],
    [without('auth_key'), 'Missing parameter: auth_key\n'],
    [without('auth_timestamp'), 'Missing parameter: auth_timestamp\n'],
    [without('auth_version'), 'Missing parameter: auth_version\n'],
    [without('auth_signature'), 'Missing parameter: auth_signature\n'],
    [without('body_md5'), /Missing parameter: body_md5\n|^Invalid signature/],
    [good.replace(a.key, 'nobody'), 'Unknown auth_key\n'],
    [at(now() - 700), /^Timestamp expired: Given timestamp \(.*\) not within 600s of server time \(.*\)\n$/],
    [at(now() + 700), /^Timestamp expired: Given timestamp/],
    [at('soon'), /imestamp/],
    [at(''), /imestamp/],
    [good.replace(/auth_signature=./, 'auth_signature=x'), /^Invalid signature: you should have sent HmacSHA256Hex\("POST\\n\/apps\/.*\\nauth_key=.*body_md5=[0-9a-f]{32}", your_secret_key\), but you sent "x[0-9a-f]{63}"\n$/],
    [good.replace(/auth_signature=.*/, 'auth_signature='), /^Invalid signature/],
    [good.replace(/(auth_signature=.*)/, (s) => s.slice(0, -1)), /^Invalid signature/],
    [`${good}&extra=1`, /^Invalid signature/],
    [good.replace(/1\.0/, '2.0'), /Invalid signature|version/],
  ];
  for (const [query, text] of cases) {
    const r = await request(server, { method: 'POST', path: `${path}?${query}`, headers: { 'Content-Length': body.length } }, body);
    assert.strictEqual(r.status, 401, `${query}: ${r.text}`);
    if (text instanceof RegExp) assert.match(r.text, text);
    else assert.strictEqual(r.text, text);
    assert.ok(!r.text.includes(a.secret));
    assert.ok(!r.text.includes(digest(a.secret, `POST\n${path}\n${query}`)));
  }
  const inTime = await request(server, { method: 'POST', path: `${path}?${at(now() - 590)}`, headers: { 'Content-Length': body.length } }, body);
  assert.strictEqual(inTime.status, 200, inTime.text);
  const upper = await request(server, { method: 'POST', path: `${path}?${good.replace(/[0-9a-f]{64}$/, (s) => s.toUpperCase())}`, headers: { 'Content-Length': body.length } }, body);
  assert.ok([200, 401].includes(upper.status));
}));

test('the body is signed too: another body of the same length is refused', withServer({}, async (server) => {
  const a = server.apps[0];
  const c = await server.client();
  await c.enter('room');
  const path = `/apps/${a.id}/events`;
  const body = JSON.stringify(event());
  const query = signedQuery(a, 'POST', path, { body });
  const other = body.replace('"x"', '"y"');
  const r = await request(server, { method: 'POST', path: `${path}?${query}`, headers: { 'Content-Length': other.length } }, other);
  assert.deepStrictEqual([r.status, /body_md5/i.test(r.text)], [401, true], r.text);
  const noBody = signedQuery(a, 'POST', path, {});
  const bare = await request(server, { method: 'POST', path: `${path}?${noBody}`, headers: { 'Content-Length': body.length } }, body);
  assert.deepStrictEqual([bare.status, bare.text], [401, 'Missing parameter: body_md5\n']);
  const empty = await call(server, 'GET', '/channels', { params: { body_md5: md5('other') } });
  assert.strictEqual(empty.status, 401);
  assert.deepStrictEqual(await c.barrier(), []);
}));

test('a signature is for one method, one path and one app', withServer(() => ({ apps: [app(), app()] }), async (server) => {
  const [one, two] = server.apps;
  const path = `/apps/${one.id}/channels`;
  const query = signedQuery(one, 'GET', path);
  assert.strictEqual((await request(server, { path: `${path}?${query}` })).status, 200);
  assert.strictEqual((await request(server, { path: `${path}/room?${query}` })).status, 401);
  assert.strictEqual((await request(server, { path: `/apps/${two.id}/channels?${query}` })).text, 'Unknown auth_key\n');
  const foreign = signedQuery({ ...one, key: two.key }, 'GET', `/apps/${two.id}/channels`);
  assert.match((await request(server, { path: `/apps/${two.id}/channels?${foreign}` })).text, /^Invalid signature/);
}));

test('404: no such app, no such path; 405 names what is allowed', withServer({}, async (server) => {
  const { id } = server.apps[0];
  const unknown = await call(server, 'GET', '/channels', { app: { id: 'none', key: 'k', secret: 's' } });
  assert.deepStrictEqual([unknown.status, unknown.text], [404, 'Unknown app none\n']);
  for (const path of ['/apps', '/apps/', `/apps/${id}`, `/apps/${id}/`, `/apps/${id}/channel`, `/apps/${id}/events/x`, `/apps/${id}/users/x`, '/none', '//', `/apps//channels`])
    assert.strictEqual((await request(server, { path })).status, 404, path);
  for (const [method, path, allow] of [
    ['GET', 'events', 'POST'], ['DELETE', 'events', 'POST'], ['PUT', 'batch_events', 'POST'], ['POST', 'channels', 'GET'],
    ['POST', 'channels/room', 'GET'], ['POST', 'channels/presence-x/users', 'GET'], ['GET', 'users/x/terminate_connections', 'POST'],
    ['PATCH', 'channels', 'GET'], ['OPTIONS', 'events', 'POST'],
  ]) {
    const r = await request(server, { method, path: `/apps/${id}/${path}`, headers: { 'Content-Length': 0 } });
    assert.deepStrictEqual([method, path, r.status, r.headers.allow], [method, path, 405, allow]);
  }
  const head = await call(server, 'HEAD', '/channels');
  assert.deepStrictEqual([head.status, head.text, head.headers['content-length']], [200, '', '15']);
}));

test('403: a disabled app, once its signature is right', withServer(() => ({ apps: [app({ enabled: false })] }), async (server) => {
  for (const [method, path] of [['POST', '/events'], ['GET', '/channels'], ['POST', '/users/x/terminate_connections']]) {
    const r = await call(server, method, path, { body: method === 'POST' ? event() : undefined });
    assert.deepStrictEqual([r.status, r.text], [403, 'The app is disabled\n']);
  }
  assert.strictEqual((await request(server, { path: `/apps/${server.apps[0].id}/channels` })).status, 401);
}));

test('a body up to max_http_body_kb, 413 above; 411 without a length; 400 for two', withServer({ max_http_body_kb: 16 }, async (server) => {
  const filled = (n) => {
    const e = JSON.stringify(event({ extra: '' }));
    return e.replace('"extra":""', `"extra":"${'x'.repeat(n - e.length)}"`);
  };
  assert.strictEqual((await call(server, 'POST', '/events', { body: filled(16384) })).text, '{}');
  const over = await call(server, 'POST', '/events', { body: filled(16385) }).catch((e) => e);
  if (over.status) assert.deepStrictEqual([over.status, over.text], [413, 'Body too large\n']);
  for (const [head, status, text] of [
    [['Transfer-Encoding: chunked'], 411, /Content-Length is required/],
    [[], 411, /Content-Length is required/],
    [['Content-Length: 16385'], 413, /Body too large/],
    [['Content-Length: 99999999999999999999999999'], 413, /too large/],
    [['Content-Length: -1'], 400, /Content-Length/],
    [['Content-Length: x'], 400, /Content-Length/],
    [['Content-Length: 5', 'Content-Length: 6'], 400, /Content-Length/],
  ]) {
    const wire = new Wire(server);
    wire.write(`POST /apps/${server.apps[0].id}/events HTTP/1.1\r\nHost: x\r\n${head.map((h) => `${h}\r\n`).join('')}\r\n`);
    const [r] = await wire.replies(1);
    assert.strictEqual(r.status, status, `${head}: ${r.text}`);
    assert.match(r.text, text);
    wire.end();
  }
  await publish(server, event());
}));

test('max_backend_events_per_second: 429 with Retry-After, a batch counts each event', oneNode('each counts for itself'), withServer(() => ({ apps: [app({ max_backend_events_per_second: 10 }), app()] }), async (server) => {
  const [limited, free] = server.apps;
  const batch = { batch: Array.from({ length: 8 }, () => event()) };
  assert.strictEqual((await call(server, 'POST', '/batch_events', { body: batch })).status, 200);
  const over = await call(server, 'POST', '/batch_events', { body: batch });
  assert.deepStrictEqual([over.status, over.headers['retry-after'], /max_backend_events_per_second/.test(over.text)], [429, '1', true]);
  for (let i = 0; i < 20; i++) await publish(server, event(), { app: free });
  await ask(server, '/channels', {}, { app: limited });
  await new Promise((done) => setTimeout(done, 1000));
  await publish(server, event());
  let refused = 0;
  for (let i = 0; i < 20; i++) refused += (await call(server, 'POST', '/events', { body: event() })).status === 429;
  assert.ok(refused > 0 && refused < 20, `${refused}`);
}));

test('Retry-After says how long a batch of many seconds’ worth is paid for', oneNode('each counts for itself'), withServer(() => ({ apps: [app({ max_backend_events_per_second: 2 })] }), async (server) => {
  const batch = Array.from({ length: 10 }, () => ({ name: 'e', channel: 'room', data: 'x' }));
  const send = () => call(server, 'POST', '/batch_events', { body: { batch } });
  assert.strictEqual((await send()).status, 200);
  const { status, headers } = await send();
  assert.deepStrictEqual([status, headers['retry-after']], [429, '5']);
  const one = await call(server, 'POST', '/events', { body: { name: 'e', channel: 'room', data: 'x' } });
  assert.deepStrictEqual([one.status, one.headers['retry-after']], [429, '5']);
}));

test('max_read_requests_per_second: 429 for questions, events still pass', withServer(() => ({ apps: [app({ max_read_requests_per_second: 3 })] }), async (server) => {
  const answers = [];
  for (let i = 0; i < 8; i++) answers.push(await call(server, 'GET', ['/channels', '/channels/room', '/channels/presence-x/users'][i % 3]));
  const over = answers.filter((r) => r.status === 429);
  assert.ok(over.length >= 1 && answers[0].status === 200);
  assert.deepStrictEqual([over[0].headers['retry-after'], /max_read_requests_per_second/.test(over[0].text)], ['1', true]);
  await publish(server, event());
}));

describe('CORS', () => {
  const preflight = (server, origin) =>
    request(server, {
      method: 'OPTIONS', path: `/apps/${server.apps[0].id}/events`,
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type' },
    });

  test('off by default: no header, the preflight is refused', withServer({}, async (server) => {
    const r = await preflight(server, 'https://a.example');
    assert.deepStrictEqual([r.status, r.headers['access-control-allow-origin']], [405, undefined]);
    const simple = await call(server, 'GET', '/channels', { headers: { Origin: 'https://a.example' } });
    assert.deepStrictEqual([simple.status, simple.headers['access-control-allow-origin']], [200, undefined]);
  }));

  test('allowed origins are named, others are not', withServer({ cors_allowed_origins: ['https://a.example', 'http://localhost:3000'] }, async (server) => {
    for (const origin of ['https://a.example', 'http://localhost:3000']) {
      const r = await preflight(server, origin);
      assert.deepStrictEqual([r.status, r.text, r.headers['access-control-allow-origin'], r.headers.vary], [204, '', origin, 'Origin']);
      assert.match(r.headers['access-control-allow-methods'], /POST/);
      assert.match(r.headers['access-control-allow-headers'], /content-type/i);
      const simple = await call(server, 'POST', '/events', { body: event(), headers: { Origin: origin } });
      assert.deepStrictEqual([simple.status, simple.headers['access-control-allow-origin']], [200, origin]);
      const failed = await request(server, { path: '/none', headers: { Origin: origin } });
      assert.deepStrictEqual([failed.status, failed.headers['access-control-allow-origin']], [404, origin], 'errors can be read too');
    }
    for (const origin of ['https://b.example', 'https://a.example.evil', 'https://A.example2', 'null']) {
      const r = await preflight(server, origin);
      assert.deepStrictEqual([r.status, r.headers['access-control-allow-origin']], [405, undefined]);
    }
    const none = await call(server, 'GET', '/channels');
    assert.strictEqual(none.headers['access-control-allow-origin'], undefined);
  }));

  test('* allows any', withServer({ cors_allowed_origins: ['*'] }, async (server) => {
    const r = await preflight(server, 'https://any.example');
    assert.strictEqual(r.status, 204);
    assert.ok(['*', 'https://any.example'].includes(r.headers['access-control-allow-origin']));
  }));
});

test('path_prefix stands in front of /apps; signed with it or without', withServer({ path_prefix: '/realtime' }, async (server) => {
  const a = server.apps[0];
  const c = await server.client({ path: `/realtime/app/${a.key}?protocol=7` });
  await c.enter('room');
  assert.strictEqual((await call(server, 'POST', '/events', { body: event(), prefix: '/realtime' })).text, '{}');
  await c.until('e');
  const query = signedQuery(a, 'GET', `/apps/${a.id}/channels`);
  assert.strictEqual((await request(server, { path: `/realtime/apps/${a.id}/channels?${query}` })).text, '{"channels":{"room":{}}}');
  for (const path of [`/apps/${a.id}/channels?${query}`, `/realtimes/apps/${a.id}/channels?${query}`])
    assert.strictEqual((await request(server, { path })).status, 404);
}));

test('a node that stops takes nothing more: 503, and the connection ends', oneNode('all stop'), withServer({ workers: 1, shutdown_grace: 2 }, async (server) => {
  const lingers = await server.client({ tcp: true, answerClose: false }); // and holds up the end
  const wires = [new Wire(server), new Wire(server)];
  for (const w of wires) w.write(bytes(server, 'GET', '/channels'));
  for (const w of wires) assert.strictEqual((await w.replies(1))[0].status, 200);
  server.kill('SIGTERM');
  await lingers.until('never', 100).catch(() => {});
  wires[0].write(bytes(server, 'POST', '/events', { body: '{"name":"e","channel":"room","data":"x"}' }));
  wires[1].write(bytes(server, 'GET', '/channels'));
  for (const w of wires) {
    const [, { status, head, text }] = await w.replies(2);
    assert.deepStrictEqual([status, text], [503, 'The node is shutting down\n']);
    assert.match(head, /^retry-after: 1\r?$/im);
    await w.ended;
  }
  server.stopped = true;
  await server.ended(6000);
}));
