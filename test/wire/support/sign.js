'use strict';
// Signatures as an application's server makes them (PROTOCOL.md section 4).
const crypto = require('node:crypto');

const digest = (secret, text) => crypto.createHmac('sha256', secret).update(text).digest('hex');

/** "KEY:digest" of any string. */
const sign = (app, text) => `${app.key}:${digest(app.secret, text)}`;

/** The string to be signed for a channel: channel_data is part of it whenever it is there. */
const channelString = (socketId, channel, channelData) =>
  channelData === undefined || channelData === null
    ? `${socketId}:${channel}`
    : `${socketId}:${channel}:${channelData}`;

const channelAuth = (app, socketId, channel, channelData) =>
  sign(app, channelString(socketId, channel, channelData));

const userString = (socketId, userData) => `${socketId}::user::${userData}`;

const userAuth = (app, socketId, userData) => sign(app, userString(socketId, userData));

module.exports = { digest, sign, channelString, channelAuth, userString, userAuth };
