'use strict';
// The C client driver, muster-chaos --control: a line says what to do, a line of JSON answers.
const { spawn } = require('node:child_process');
const path = require('node:path');

const BIN = path.resolve(process.env.CHAOS_BIN || path.join(__dirname, '../../../build/chaos/muster-chaos'));

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

class Clients {
  /** options: of the command line, by their names. */
  constructor(options) {
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.child = spawn(BIN, ['--control', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this.child);
    this.waiting = [];
    this.text = '';
    this.complaints = '';
    this.child.stdout.on('data', (part) => this.take(part));
    this.child.stderr.on('data', (part) => (this.complaints += part));
    this.child.stdin.on('error', () => {});
    this.exited = new Promise((done) => this.child.on('close', (code, signal) => done({ code, signal })));
    this.exited.then((how) => {
      running.delete(this.child);
      for (const w of this.waiting.splice(0)) w.failed(new Error(`muster-chaos ended: ${JSON.stringify(how)}\n${this.complaints}`));
    });
  }

  take(part) {
    this.text += part;
    const lines = this.text.split('\n');
    this.text = lines.pop();
    for (const line of lines) {
      const { done, failed, words } = this.waiting.shift();
      const answer = JSON.parse(line);
      if (answer.error) failed(new Error(`muster-chaos doesn't know: ${words}`));
      else done(answer);
    }
  }

  say(...words) {
    return new Promise((done, failed) => {
      this.waiting.push({ done, failed, words: words.join(' ') });
      this.child.stdin.write(`${words.join(' ')}\n`);
    });
  }

  async end() {
    this.child.stdin.end('quit\n');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.exited;
    clearTimeout(timer);
  }
}

module.exports = { Clients, BIN };
