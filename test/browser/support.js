'use strict';
// Headless Chromium for the tests: a profile is a browser of its own with an empty user data
// directory, a person is a context (an own, empty storage too) of a shared browser.
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');
const { Server } = require('../wire/support/server');

const ROOT = path.join(__dirname, '../..');
const SHOTS = path.join(ROOT, 'build/screenshots');
const PATIENCE = 15000; // ms for anything that is to appear on a page
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** $CHROMIUM, or the first Chromium in PATH. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const dir of (process.env.PATH || '').split(path.delimiter)) {
      const file = path.join(dir, name);
      if (fs.existsSync(file)) return file;
    }
  }
  throw new Error('no chromium in PATH (CHROMIUM=… names one)');
}

/** Opens browsers, keeps what they complained about and asked for, and closes them all. */
class Browsers {
  constructor() {
    this.open = [];
    this.dirs = [];
    this.faults = []; // exceptions and console errors of all pages
    this.requests = new Set(); // origins of all requests
  }

  async profile(options) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-profile-'));
    this.dirs.push(dir);
    const context = await chromium.launchPersistentContext(dir, { executablePath: executable(), args: ARGS, viewport: DESKTOP, ...options });
    this.open.push(context);
    return this.watched(context);
  }

  async person(options) {
    if (!this.shared) this.open.push((this.shared = await chromium.launch({ executablePath: executable(), args: ARGS })));
    return this.watched(await this.shared.newContext({ viewport: DESKTOP, ...options }));
  }

  /** Closes what person() opened. */
  async dismiss() {
    for (const context of this.shared?.contexts() ?? []) await context.close();
  }

  watched(context) {
    context.setDefaultTimeout(PATIENCE);
    context.on('request', (r) => this.requests.add(new URL(r.url()).origin));
    context.on('weberror', (e) => this.faults.push(String(e.error().stack)));
    context.on('console', (m) => m.type() === 'error' && this.faults.push(`${m.text()} ${m.location().url}`));
    return context;
  }

  async close() {
    for (const b of this.open) await b.close();
    for (const dir of this.dirs) fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** The demo as scripts/run serves it, on a free port or on the one given. */
async function demo(port = 0) {
  const server = new Server(['--config', path.join(ROOT, 'conf/demo.cfg')], { env: { MUSTER_PORT: String(port) } });
  try {
    await server.listening();
  } catch (e) {
    await server.abandon();
    throw e;
  }
  server.page = `http://127.0.0.1:${server.port}/`;
  return server;
}

/** Waits until read() gives what is expected. */
async function eventually(read, expected, what) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const got = await read();
    try {
      assert.deepStrictEqual(got, expected, what);
      return;
    } catch (e) {
      if (Date.now() > deadline) throw e;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

const shot = (page, name) => page.screenshot({ path: path.join(SHOTS, `${name}.png`), animations: 'disabled' });

module.exports = { Browsers, demo, eventually, shot, DESKTOP, PHONE, PATIENCE };
