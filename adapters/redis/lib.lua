-- What batch and reap share; stands before both (scripts/embed-lua). base: what all keys of
-- the partition begin with. tag: 13 random hex digits of the nonces that this run makes.
local base, nid, tag = ARGV[1], ARGV[2], ARGV[3]
local X = base .. 'x:' .. nid
local made = 0 -- changes so far
local clock    -- ms, Redis's own: every node's webhooks are due by it

-- tostring would turn 10^15 into 1e+15, and %d is a long, of 32 bits on some machines; it
-- costs a fifth.
local function text_of(number)
  if number > -2147483648 and number < 2147483648 then return string.format('%d', number) end
  return string.format('%.0f', number)
end

local function now()
  if not clock then
    local t = redis.call('TIME')
    clock = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return clock
end

local versions = {} -- by channel, as this run has read or made them

local function version_of(ch)
  local v = versions[ch]
  if not v then
    v = redis.call('GET', base .. 'v:' .. ch) or '0:0000000000000000'
    versions[ch] = v
  end
  return v
end

-- l:<app> has the channels with subscriptions or members (whose grace may outlast those).
local function enlist(ch)
  local colon = string.find(ch, ':', 1, true)
  redis.call('SADD', base .. 'l:' .. string.sub(ch, 1, colon - 1), string.sub(ch, colon + 1))
end

-- One of both has come to its end; and the other?
local function delist(ch, other)
  if redis.call('EXISTS', base .. other .. ch) == 1 then return end
  local colon = string.find(ch, ':', 1, true)
  redis.call('SREM', base .. 'l:' .. string.sub(ch, 1, colon - 1), string.sub(ch, colon + 1))
end

-- One step in the channel's history; returns its version. left: EXISTS m afterwards.
local function change(ch, op, user, info, left)
  local v = version_of(ch)
  local colon = string.find(v, ':', 1, true)
  local seq = text_of(tonumber(string.sub(v, 1, colon - 1)) + 1)
  made = made + 1
  local nonce = tag .. string.format('%03x', made)
  local at = seq .. ':' .. nonce
  versions[ch] = at
  if left then
    redis.call('SET', base .. 'v:' .. ch, at)
  else -- kept for those who missed it
    redis.call('SET', base .. 'v:' .. ch, at, 'PX', 60000)
    delist(ch, 's:')
  end
  redis.call('PUBLISH', base .. 'c:' .. ch, op .. ' ' .. seq .. ' ' .. string.sub(v, colon + 1)
    .. ' ' .. nonce .. ' ' .. nid .. ' ' .. #user .. ' ' .. user .. info)
  return at
end

-- Takes nid out of those that hold the user. Returns R, - or nil, and whether members are
-- left. cur: `nid,nid;info`, the nids 16 digits each.
local function drop(M, user, cur)
  local semicolon = string.find(cur, ';', 1, true)
  local nids = string.sub(cur, 1, semicolon - 1)
  local from, to = string.find(nids, nid, 1, true)
  if not from then return nil, true end
  if #nids == 16 then
    redis.call('HDEL', M, user)
    return 'R', redis.call('EXISTS', M) == 1
  end
  if from > 1 then
    nids = string.sub(nids, 1, from - 2) .. string.sub(nids, to + 1)
  else
    nids = string.sub(nids, to + 2)
  end
  redis.call('HSET', M, user, nids .. string.sub(cur, semicolon))
  return '-', true
end

-- w has webhooks by when they are due (0: at once, in their order); wp says which ones of
-- those that wait may still be taken back. wp's # counts, so that each has a name and a
-- place of its own.
local W, P = base .. 'w', base .. 'wp'

local function token_of(kind, what)
  return string.format('%016.0f', redis.call('HINCRBY', P, '#', 1)) .. kind .. what
end

local anew -- ms; read once

-- Nodes say again what they held before Redis lost its keys. For a while from the first of
-- them on nobody is told of a departure: whom one node takes out another may be about to
-- put back.
local begun = false
local function begin_anew()
  if begun then return end
  begun = true
  redis.call('SET', base .. 'a', '1', 'NX', 'PX', 9000)
  anew = nil
end

local function still_anew()
  if not anew then anew = math.max(0, redis.call('PTTL', base .. 'a')) end
  return anew
end

-- One webhook a transition: O occupied, V vacated, A added, R removed. A return before a V
-- or R is due takes it back and adds none. told: it says again what was so before: an
-- arrival causes none, but takes back what waits; a departure causes one, however many nodes
-- say so meanwhile.
local function webhook(kind, ch, user, delay, told)
  local what = #ch .. ':' .. ch .. user
  local before = (kind == 'A' and 'R' or kind == 'O' and 'V')
  if not before then
    if told and redis.call('HEXISTS', P, kind .. what) == 1 then return end
    delay = math.max(delay, still_anew())
  end
  if before then
    local waits = redis.call('HGET', P, before .. what)
    if waits then
      local due = redis.call('ZSCORE', W, waits)
      redis.call('HDEL', P, before .. what)
      if due and tonumber(due) > now() then
        redis.call('ZREM', W, waits)
        return
      end
      if due then redis.call('ZADD', W, '0', waits) end -- and stays before what follows
    elseif told then
      return
    end
  end
  local token = token_of(kind, what)
  redis.call('ZADD', W, delay > 0 and text_of(now() + delay) or '0', token)
  if delay > 0 then redis.call('HSET', P, kind .. what, token) end
end

-- C, a new count of subscriptions: each one up to 100, above that the last of 5 s, as by
-- each change all of them could be told to somebody. While nodes say again what they held a
-- total is none yet: then the last one is told, too.
local function webhook_count(ch, total)
  local what = #ch .. ':' .. ch
  local waits = redis.call('HGET', P, 'C' .. what)
  local due
  if waits then
    due = redis.call('ZSCORE', W, waits)
    redis.call('ZREM', W, waits)
    redis.call('HDEL', P, 'C' .. what)
  end
  if total <= 100 and still_anew() == 0 then
    redis.call('ZADD', W, '0', token_of('C', what .. text_of(total)))
    return
  end
  local token = due and string.sub(waits, 1, 16) .. 'C' .. what .. text_of(total)
    or token_of('C', what .. text_of(total)) -- in the place of the one before
  local delay = math.max(total > 100 and 5000 or 0, still_anew())
  redis.call('ZADD', W, due or text_of(now() + delay), token)
  redis.call('HSET', P, 'C' .. what, token)
end

-- Flags: 1 occupied and vacated, 2 added and removed, 4 counts are published, 8 and are a
-- webhook. Those of a channel that nid has part in stand in X, for whoever reaps it. 16, of
-- an operation alone: told before.
local function flags_of(ch)
  return tonumber(redis.call('HGET', X, 'w' .. ch) or '0')
end

local function wants(flags, which)
  return math.floor(flags / which) % 2 == 1
end

-- Says how many subscriptions the channel has on all nodes.
local function tell_count(ch, flags)
  if not (wants(flags, 4) or wants(flags, 8)) then return end
  local total = 0
  for _, n in ipairs(redis.call('HVALS', base .. 's:' .. ch)) do total = total + tonumber(n) end
  if wants(flags, 4) then
    redis.call('PUBLISH', base .. 'c:' .. ch, 'C ' .. text_of(total) .. ' '
      .. (redis.call('GET', base .. 'e') or '0000000000000000'))
  end
  if wants(flags, 8) then webhook_count(ch, total) end
end

local function vacate(ch, flags, delay, told)
  delist(ch, 'm:')
  if wants(flags, 1) then webhook('V', ch, '', delay, told) end
end
