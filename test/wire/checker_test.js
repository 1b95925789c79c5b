'use strict';
// A checker that never fails proves nothing: what it is to find, it finds.
const test = require('node:test');
const assert = require('node:assert');
const { Checker } = require('./support/checker');
const { cut, rawPairs } = require('./support/json');

const HELLO = '{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1.2\\"}"}';
const ROOM = 'presence-room';
const event = (name, data, channel = ROOM) => JSON.stringify({ event: name, channel, data });
const snapshot = (ids, more = {}) =>
  event('pusher_internal:subscription_succeeded', JSON.stringify({ presence: { ids, hash: Object.fromEntries(ids.map((id) => [id, null])), count: ids.length, ...more } }));
const added = (id) => event('pusher_internal:member_added', JSON.stringify({ user_id: id, user_info: null }));
const removed = (id) => event('pusher_internal:member_removed', JSON.stringify({ user_id: id }));

/** The faults of a client that subscribed as `me` and got these frames. */
function faults(...frames) {
  const checker = new Checker();
  checker.sent({ event: 'pusher:subscribe', data: { channel: ROOM, channel_data: '{"user_id":"me"}' } });
  for (const raw of [HELLO, ...frames]) checker.received(raw);
  return checker.faults;
}

test('a right history has no fault', () => {
  assert.deepStrictEqual(faults(snapshot(['a', 'me']), added('b'), removed('a'), removed('b'), added('a')), []);
});

const wrong = {
  'a member added twice': [snapshot(['me']), added('b'), added('b')],
  'a member of the snapshot added': [snapshot(['me', 'b']), added('b')],
  'a member removed who was not there': [snapshot(['me']), removed('b')],
  'a member removed twice': [snapshot(['me', 'b']), removed('b'), removed('b')],
  'a member event before the snapshot': [added('b')],
  'two snapshots': [snapshot(['me']), snapshot(['me'])],
  'a snapshot without the joiner': [snapshot(['a'])],
  'a wrong count': [snapshot(['me'], { count: 2 })],
  'an id without a hash key': [snapshot(['me'], { hash: {} })],
  'a hash that is a list': [snapshot(['me'], { hash: [] })],
  'an id twice': [snapshot(['me', 'me'])],
  'an id that is a number': [snapshot(['me', 5])],
  'a member id that is a number': [snapshot(['me']), added(7)],
  'the other kind’s names': [snapshot(['me']), event('pusher:member_added', '{"id":"b","info":null}')],
  'no data': ['{"event":"x","channel":"a"}'],
  'no event': ['{"channel":"a","data":"{}"}'],
  'not JSON': ['nonsense'],
  'a repeated key': ['{"event":"x","data":"{}","data":"{}"}'],
  'an error whose data is a string': ['{"event":"pusher:error","data":"{}"}'],
  'an error without a code': ['{"event":"pusher:error","data":{"message":"x"}}'],
  'a subscription_error without status': ['{"event":"pusher:subscription_error","channel":"a","data":{"type":"x","error":"y"}}'],
  'a pong with an object': ['{"event":"pusher:pong","data":{}}'],
  'a second greeting': [HELLO],
  'user_id on a private channel': ['{"event":"client-x","channel":"private-a","data":1,"user_id":"b"}'],
  'a success that is not "{}"': [event('pusher_internal:subscription_succeeded', '{"a":1}', 'room')],
};
for (const [name, frames] of Object.entries(wrong))
  test(`found: ${name}`, () => assert.notStrictEqual(faults(...frames).length, 0));

test('after an unsubscribe a second snapshot is right', () => {
  const checker = new Checker();
  for (const raw of [HELLO, snapshot(['me'])]) checker.received(raw);
  checker.sent({ event: 'pusher:unsubscribe', data: { channel: ROOM } });
  checker.received(snapshot(['me']));
  assert.deepStrictEqual(checker.faults, []);
});

test('values are cut as they stand', () => {
  const text = ' { "a" : [1, {"b":"}"} ] ,"c":1.10,"d\\"":{ "e" : null },"c":2 } ';
  assert.strictEqual(cut(text, 'a'), '[1, {"b":"}"} ]');
  assert.strictEqual(cut(text, 'c'), '1.10');
  assert.strictEqual(cut(text, 'd"', 'e'), 'null');
  assert.strictEqual(cut(text, 'x'), undefined);
  assert.deepStrictEqual(rawPairs(text).map(([k]) => k), ['a', 'c', 'd"', 'c']);
});
