'use strict';
// What Redis says, reply by reply (RESP2), bytes untouched.

/** Where the value that begins at `at` ends; -1 while it isn't all there. */
function end(bytes, at) {
  const line = bytes.indexOf('\r\n', at);
  if (line < 0) return -1;
  const kind = bytes[at];
  const n = Number(bytes.toString('latin1', at + 1, line));
  if (kind === 0x24) return n < 0 ? line + 2 : line + n + 4 <= bytes.length ? line + n + 4 : -1; // $
  let next = line + 2;
  for (let i = 0; kind === 0x2a && i < n && next >= 0; i++) next = end(bytes, next); // *
  return next;
}

class Frames {
  constructor(each) {
    this.each = each;
    this.rest = Buffer.alloc(0);
  }

  take(part) {
    const bytes = this.rest.length ? Buffer.concat([this.rest, part]) : part;
    let at = 0;
    for (let next; at < bytes.length && (next = end(bytes, at)) >= 0; at = next) this.each(bytes.subarray(at, next));
    this.rest = bytes.subarray(at);
  }
}

module.exports = { Frames };
