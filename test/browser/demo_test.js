'use strict';
// The demo page in headless Chromium against the real binary with conf/demo.cfg. Screenshots
// are kept under build/screenshots.
const assert = require('node:assert');
const { after, afterEach, before, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { Browsers, demo, eventually, shot, DESKTOP, PHONE } = require('./support');

const LIMIT = { timeout: 60000 };
const LEAVE_GRACE = 5000; // ms that the page waits before it says "left"

let browsers;
let server;
let ada; // pages of two profiles in the chat room
let bo;

const nameOf = (page) => page.inputValue('#me-name');
const idOf = (page) => page.evaluate(() => you.id);
const names = (page) => page.$$eval('#members b', (all) => all.map((e) => e.textContent).sort());
const count = async (page) => Number(await page.textContent('#count'));
const news = (page) => page.$$eval('#activity span', (all) => all.map((e) => e.textContent));
const go = (page, room) => page.click(`#tab-${room}`);
const enter = (page) => page.click('.room:not([hidden]) .enter');
const connected = (page) => page.waitForSelector('#state[data-state=connected]');
const lines = (page) => page.$$eval('.sheet textarea', (all) => all.map((e) => e.value));
const said = (page) => page.$$eval('.talk li[data-from]', (all) => all.map((e) => [e.dataset.from, e.querySelector('p').textContent]));

async function say(page, words) {
  await page.fill('.say input', words);
  await page.press('.say input', 'Enter');
}

async function visit(context, room = 'chat', who = '') {
  const page = await context.newPage();
  await page.goto(`${server.page}${who}#${room}`);
  await (room === 'chat' || room === 'doc' ? connected(page) : page.waitForSelector('.room:not([hidden]) .enter')); // the others ask first
  return page;
}

/** A named person with a context of its own. */
async function person(name, room, options) {
  const context = await browsers.person(options);
  return visit(context, room, `?user=${name.toLowerCase()}&name=${name}`);
}

before(async () => {
  browsers = new Browsers();
  server = await demo();
  ada = await visit(await browsers.profile());
  bo = await visit(await browsers.profile({ colorScheme: 'dark' }));
}, LIMIT);

afterEach(() => browsers.dismiss());

after(async () => {
  await browsers.close();
  await server?.stop();
}, LIMIT);

test('two profiles see each other by name', LIMIT, async () => {
  const both = [await nameOf(ada), await nameOf(bo)].sort();
  assert.notStrictEqual(await idOf(ada), await idOf(bo));
  for (const page of [ada, bo]) {
    await eventually(() => names(page), both);
    assert.strictEqual(await count(page), 2);
    assert.match(await page.textContent('#fact-socket'), /^\d+\.\d+$/);
  }
});

test('messages arrive under the name of who sent them', LIMIT, async () => {
  const [a, b] = [await idOf(ada), await idOf(bo)];
  await say(ada, 'Good morning!');
  await eventually(() => said(bo), [[a, 'Good morning!']]);
  await say(bo, 'And to you. <b>not bold</b>');
  const all = [[a, 'Good morning!'], [b, 'And to you. <b>not bold</b>']];
  await eventually(() => said(ada), all);
  await eventually(() => said(bo), all);
  assert.strictEqual(await bo.textContent(`.talk li[data-from="${a}"] header`).then((s) => s.slice(0, -5)), await nameOf(ada));

  // A sender who claims to be another one: the frame has the server's word.
  await ada.evaluate((id) => rooms[0].connection.ws.send(JSON.stringify({ event: 'client-message', channel: 'presence-chat-room', user_id: id, data: { text: 'I am someone else', user_id: id } })), b);
  await eventually(() => said(bo).then((s) => s.at(-1)), [a, 'I am someone else']);

  await bo.type('.say input', 'hm');
  await eventually(() => ada.textContent('.typing'), `${await nameOf(bo)} is typing …`);
  await shot(ada, 'chat-light');
  await shot(bo, 'chat-dark');
  await bo.fill('.say input', '');
});

test('a user with two tabs counts once', LIMIT, async () => {
  const second = await visit(ada.context());
  assert.strictEqual(await idOf(second), await idOf(ada));
  await eventually(() => count(second), 2);
  await say(second, 'From my other tab.');
  await eventually(() => said(ada).then((s) => s.at(-1)), [await idOf(ada), 'From my other tab.']);
  await second.close();
  await sleep(500);
  assert.strictEqual(await count(bo), 2);
  assert.ok(!(await news(bo)).some((n) => / left$/.test(n)));
});

test('a new name reaches everyone, from all tabs of the user, and nobody seems to leave', LIMIT, async () => {
  const [old, second] = [await nameOf(ada), await visit(ada.context())];
  await ada.fill('#me-name', 'Ada Lovelace');
  await ada.press('#me-name', 'Enter');
  const both = ['Ada Lovelace', await nameOf(bo)].sort();
  for (const page of [ada, bo, second]) await eventually(() => names(page), both);
  assert.strictEqual(await nameOf(second), 'Ada Lovelace');
  assert.ok((await news(bo)).includes(`${old} is now Ada Lovelace`));
  await second.close();
});

test('a document that two people edit at once ends alike, and a newcomer gets it', LIMIT, async () => {
  for (const page of [ada, bo]) await go(page, 'doc');
  for (const page of [ada, bo]) await eventually(() => count(page), 2);
  await Promise.all([
    ada.locator('.sheet textarea').nth(0).fill('Notes of two'),
    bo.locator('.sheet textarea').nth(3).fill('Written by the second'),
  ]);
  await bo.locator('.sheet textarea').nth(3).press('Enter');
  await bo.keyboard.type('and one line more');
  const text = await lines(bo).then((all) => ['Notes of two', ...all.slice(1, 3), 'Written by the second', 'and one line more']);
  for (const page of [ada, bo]) await eventually(() => lines(page), text);
  await ada.waitForSelector('.sheet .at span');
  assert.strictEqual(await ada.textContent('.sheet .at span'), await nameOf(bo));
  await shot(ada, 'document-light');
  await shot(bo, 'document-dark');

  const late = await person('Late', 'doc', { viewport: PHONE });
  await eventually(() => lines(late), text);
  await shot(late, 'document-phone');
});

test('in a call one sees who is muted, who raises a hand, and what they feel', LIMIT, async () => {
  for (const page of [ada, bo]) {
    await go(page, 'call');
    await enter(page);
  }
  const tile = `.tile[data-id="${await idOf(ada)}"]`;
  await ada.click('text=Unmute');
  await ada.click('text=Raise hand');
  await bo.waitForSelector(`${tile}.hand`);
  await eventually(() => bo.getAttribute(`${tile} .name use`, 'href'), '#i-mic');
  await ada.click('[aria-label="Love it"]');
  await bo.waitForSelector(`${tile} .burst`);
  await shot(bo, 'call-dark');

  // Who comes later learns what was said before.
  const late = await person('Late', 'call', { viewport: PHONE });
  await enter(late);
  await late.waitForSelector(`${tile}.hand`);
  await shot(late, 'call-phone');
});

test('a lost connection comes back: gone from the list at once, and no word of leaving', LIMIT, async () => {
  for (const page of [ada, bo]) await go(page, 'chat');
  await eventually(async () => (await news(bo)).some((words) => words.includes('the call')), false); // two are left there, too
  await eventually(() => count(bo), 2);
  const before = await news(bo);
  const socket = await ada.textContent('#fact-socket');
  await ada.click('#wire-toggle');
  await ada.click('#wire-drop');
  await eventually(() => count(bo), 1);
  await eventually(() => count(bo), 2);
  await connected(ada);
  assert.notStrictEqual(await ada.textContent('#fact-socket'), socket);
  await sleep(LEAVE_GRACE + 500);
  assert.deepStrictEqual(await news(bo), before);
  await shot(ada, 'wire');
  await ada.click('#wire-toggle');
});

test('the lobby refuses the fifth player and lets it in when a seat is free', LIMIT, async () => {
  const players = [];
  for (const name of ['North', 'East', 'South', 'West']) {
    players.push(await person(name, 'lobby'));
    await enter(players.at(-1));
    await eventually(() => count(players.at(-1)), players.length);
  }
  const fifth = await person('Fifth', 'lobby', { viewport: PHONE });
  await enter(fifth);
  await fifth.waitForSelector('.room:not([hidden]) .gate[data-refused]');
  assert.match(await fifth.textContent('.room:not([hidden]) .gate code'), /^PresenceLimitReached 4100: ./);
  await shot(fifth, 'lobby-full-phone');
  await enter(fifth); // still full
  await fifth.waitForSelector('.room:not([hidden]) .gate[data-refused]');
  for (const page of players) assert.deepStrictEqual(await names(page), ['East', 'North', 'South', 'West']);

  // Another tab of a seated player is no fifth one.
  const again = await visit(players[0].context(), 'lobby', '?user=north&name=North');
  await enter(again);
  await eventually(() => count(again), 4);
  await again.close();

  assert.ok(await players[0].isDisabled('#start'));
  for (const page of players) await page.click('#ready');
  await players[1].waitForSelector('#start:not([disabled])');
  await shot(players[1], 'lobby');
  await players[1].click('#start');
  await players[2].waitForSelector('.countdown');

  await players[3].click('#leave');
  await eventually(() => count(players[0]), 3);
  await enter(fifth); // "Try again"
  await eventually(() => names(players[0]), ['East', 'Fifth', 'North', 'South']);
  await eventually(() => count(fifth), 4);
  await shot(fifth, 'lobby-phone');
});

test('nothing scrolls sideways on a phone, light or dark', LIMIT, async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await person('Phone', 'chat', { viewport: PHONE, colorScheme, hasTouch: true });
    const narrow = async (what) =>
      assert.deepStrictEqual(await page.evaluate(() => [document.documentElement.scrollWidth, [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('#last')).map((e) => e.outerHTML.slice(0, 80))]), [PHONE.width, []], what);
    const long = 'The longest of the names that may be had';
    await page.fill('#me-name', long);
    await page.press('#me-name', 'Enter');
    await eventually(() => names(page).then((all) => all.includes(long)), true);
    await say(page, `${'long'.repeat(60)} ${'words '.repeat(20)}`);
    for (const room of ['chat', 'doc', 'call', 'lobby']) {
      await go(page, room);
      await narrow(`${room}, before`);
      if (room === 'call' || room === 'lobby') await enter(page);
      await page.waitForSelector('.room:not([hidden]) .body:not([hidden])');
      await narrow(room);
      await page.click('#pane-people');
      await page.waitForSelector('#members li');
      await narrow(`${room}, people`);
      if (room === 'chat') await shot(page, `people-phone-${colorScheme}`);
      await page.click('#pane-room');
    }
    await go(page, 'chat');
    await shot(page, `chat-phone-${colorScheme}`);
    await page.click('#wire-toggle');
    await narrow('wire');
    await page.close();
  }
});

test('who closes the page is off the list at once, and said to have left after a while', LIMIT, async () => {
  await eventually(() => count(bo), 2);
  await ada.context().close();
  const closed = Date.now();
  await eventually(() => names(bo), [await nameOf(bo)]);
  assert.ok(Date.now() - closed < LEAVE_GRACE - 1000, 'the list waited');
  assert.ok(!(await news(bo)).includes('Ada Lovelace left'));
  await eventually(() => news(bo).then((n) => n.includes('Ada Lovelace left')), true);
  assert.ok(Date.now() - closed > LEAVE_GRACE - 500, 'the word came too soon');
});

test('a refusal for good is shown and not tried again', LIMIT, async () => {
  const page = await (await browsers.person()).newPage();
  let sockets = 0;
  page.on('websocket', () => sockets++);
  await page.route('**/demo.json', (route) => route.fulfill({ json: { apps: { main: { key: 'no-such-key' } }, path_prefix: '' } }));
  await page.goto(server.page);
  await page.waitForSelector('#state[data-state=failed]');
  assert.ok((await page.textContent('.room:not([hidden]) .gate code')).length > 10);
  await sleep(2500);
  assert.strictEqual(sockets, 1);
});

test('the page asks nobody but the server, and nothing in it fails', LIMIT, async () => {
  assert.deepStrictEqual([...browsers.requests], [new URL(server.page).origin]);
  assert.deepStrictEqual(browsers.faults, []);
});

test('a page outlives the server: it says so, and comes back with it', LIMIT, async () => {
  const { port } = server;
  await bo.setViewportSize(DESKTOP);
  await server.stop();
  await bo.waitForSelector('#roll[data-stale]');
  await shot(bo, 'server-down');
  server = await demo(port);
  await connected(bo);
  await bo.waitForSelector('#roll:not([data-stale])');
  assert.deepStrictEqual(await names(bo), [await nameOf(bo)]);
});
