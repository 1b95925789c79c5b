'use strict';
// Cuts the exact bytes of a value out of JSON text. JSON.parse would round numbers and hide
// repeated keys, and the protocol promises both away: user_info and data travel verbatim.

const skipSpace = (s, i) => {
  while (i < s.length && ' \t\r\n'.includes(s[i])) i++;
  return i;
};

function endOfString(s, i) {
  for (i++; s[i] !== '"'; i++) {
    if (i >= s.length) throw new Error('unterminated string');
    if (s[i] === '\\') i++;
  }
  return i + 1;
}

/** The index behind the value that starts at i. */
function endOfValue(s, i) {
  if (s[i] === '"') return endOfString(s, i);
  if (s[i] !== '{' && s[i] !== '[') {
    while (i < s.length && !',]} \t\r\n'.includes(s[i])) i++;
    return i;
  }
  for (let depth = 0; i < s.length; ) {
    if (s[i] === '"') {
      i = endOfString(s, i);
      continue;
    }
    if (s[i] === '{' || s[i] === '[') depth++;
    if (s[i] === '}' || s[i] === ']') depth--;
    i++;
    if (depth === 0) return i;
  }
  throw new Error('unterminated value');
}

/** [key, raw text of the value] for each pair of the object, in order, repeated keys too. */
function rawPairs(text) {
  const pairs = [];
  let i = skipSpace(text, 0);
  if (text[i] !== '{') throw new Error(`not an object: ${text.slice(0, 60)}`);
  for (i = skipSpace(text, i + 1); text[i] !== '}'; ) {
    const keyEnd = endOfString(text, i);
    const key = JSON.parse(text.slice(i, keyEnd));
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    pairs.push([key, text.slice(start, end)]);
    i = skipSpace(text, end);
    if (text[i] === ',') i = skipSpace(text, i + 1);
  }
  return pairs;
}

/** The raw text at a path of keys; undefined where there is none. */
function cut(text, ...path) {
  for (const key of path) {
    const pair = rawPairs(text).find(([k]) => k === key);
    if (!pair) return undefined;
    text = pair[1];
  }
  return text;
}

module.exports = { rawPairs, cut };
