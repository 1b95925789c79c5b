-- lib.lua
-- ARGV: base, nid, tag, number, epoch if there is none, the epoch that nid knows ('' none),
-- then each operation and its words. Reply: status, epoch, then for each operation its
-- result and the channel's version, as `A12:nonce`; of a snapshot {that, cursor, {user,
-- nids;info, ...}}. ANEW: nothing was done, since the epoch is another one.
local number = tonumber(ARGV[4])
local epoch = redis.call('GET', base .. 'e')
if not epoch then
  epoch = ARGV[5]
  redis.call('SET', base .. 'e', epoch)
end
if redis.call('EXISTS', base .. 'f:' .. nid) == 1 then return {'FENCED', epoch} end
local last = redis.call('HGET', X, '@')
if number <= tonumber(last or '0') then return {'STALE', epoch} end
redis.call('HSET', X, '@', ARGV[4])
if not last then redis.call('SADD', base .. 'n', nid) end -- they come and go together
if ARGV[6] ~= '' and ARGV[6] ~= epoch then return {'ANEW', epoch} end

-- The sum of all that nid holds, added up here, as long as the numbers are exact.
local sum = 0

local function settle_sum()
  if sum ~= 0 then redis.call('HINCRBY', X, '#', text_of(sum)) end
  sum = 0
end

local function hold(hashes)
  if math.abs(sum) + math.abs(hashes) >= 2 ^ 53 then settle_sum() end
  sum = sum + hashes
end

local function forget_flags(ch)
  if redis.call('HEXISTS', X, 'r' .. ch) == 0 and redis.call('HEXISTS', X, 's' .. ch) == 0 then
    redis.call('HDEL', X, 'w' .. ch)
  end
end

-- The flags to be kept, and whether it is told before.
local function split(flags)
  local told = wants(flags, 16)
  if told then begin_anew() end
  return flags % 16, told
end

local function join(ch, user, info, max, hash, with)
  local flags, told = split(with)
  local M = base .. 'm:' .. ch
  local cur = redis.call('HGET', M, user)
  local result, at
  if not cur then
    if max > 0 and redis.call('HLEN', M) >= max then return 'F' end
    redis.call('HSET', M, user, nid .. ';' .. info)
    result, at = 'A', change(ch, 'A', user, info, true)
    if wants(flags, 2) then webhook('A', ch, user, 0, told) end
  else
    local semicolon = string.find(cur, ';', 1, true)
    local nids = string.sub(cur, 1, semicolon - 1)
    if string.find(nids, nid, 1, true) then return 'D' end
    redis.call('HSET', M, user, nids .. ',' .. nid .. string.sub(cur, semicolon))
    result, at = '+', change(ch, '+', user, '', true)
  end
  if redis.call('HINCRBY', X, 'r' .. ch, 1) == 1 and not string.find(ch, ':#', 1, true) then
    enlist(ch) -- not a user's own, which is no channel to those who ask
  end
  hold(hash)
  if flags > 0 then redis.call('HSET', X, 'w' .. ch, flags) end
  return result, at
end

-- What only Redis still knew of is taken back without flags.
local function leave(ch, user, hash, with, delay)
  local flags, told = split(with)
  local M = base .. 'm:' .. ch
  local cur = redis.call('HGET', M, user)
  if not cur then
    if told and wants(flags, 2) then webhook('R', ch, user, delay, told) end
    return 'N'
  end
  local result, left = drop(M, user, cur)
  if not result then return 'N' end
  if flags == 0 then flags = flags_of(ch) end
  local at = change(ch, result, user, '', left)
  if result == 'R' and wants(flags, 2) then webhook('R', ch, user, delay) end
  if redis.call('HINCRBY', X, 'r' .. ch, -1) <= 0 then
    redis.call('HDEL', X, 'r' .. ch)
    forget_flags(ch)
  end
  hold(-hash)
  return result, at
end

local function count(ch, n, hash, with, delay)
  local flags, told = split(with)
  local S = base .. 's:' .. ch
  local old = tonumber(redis.call('HGET', X, 's' .. ch) or '0')
  local last = false
  if n > 0 then
    local occupied = old > 0 or redis.call('EXISTS', S) == 1
    local text = text_of(n)
    redis.call('HSET', S, nid, text)
    redis.call('HSET', X, 's' .. ch, text)
    if flags > 0 then redis.call('HSET', X, 'w' .. ch, flags) end
    if not occupied then
      enlist(ch)
      if wants(flags, 1) then webhook('O', ch, '', 0, told) end
    end
  else
    if flags == 0 then flags = flags_of(ch) end -- as in leave
    redis.call('HDEL', X, 's' .. ch)
    local had = redis.call('HDEL', S, nid) == 1
    last = (had or told) and redis.call('EXISTS', S) == 0
    forget_flags(ch)
  end
  if n ~= old or (told and last) then tell_count(ch, flags) end
  if last then vacate(ch, flags, delay, told) end
  hold((n - old) * hash)
  return 'N'
end

local function snapshot(ch, cursor, page)
  local M = base .. 'm:' .. ch
  if cursor == '0' and redis.call('HLEN', M) <= page then
    return {'N' .. version_of(ch), '0', redis.call('HGETALL', M)}
  end
  local scan = redis.call('HSCAN', M, cursor, 'COUNT', page)
  return {'N' .. version_of(ch), scan[1], scan[2]}
end

local reply = {'OK', epoch}
local a = 7
while ARGV[a] do
  local op, ch = ARGV[a], ARGV[a + 1]
  local result, at
  if op == 'J' then
    result, at = join(ch, ARGV[a + 2], ARGV[a + 3], tonumber(ARGV[a + 4]),
      tonumber(ARGV[a + 5]), tonumber(ARGV[a + 6]))
    a = a + 7
  elseif op == 'L' then
    result, at = leave(ch, ARGV[a + 2], tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]),
      tonumber(ARGV[a + 5]))
    a = a + 6
  elseif op == 'C' then
    result = count(ch, tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]),
      tonumber(ARGV[a + 5]))
    a = a + 6
  elseif op == 'S' then
    reply[#reply + 1] = snapshot(ch, ARGV[a + 2], tonumber(ARGV[a + 3]))
    a = a + 4
  else
    return redis.error_reply('ERR batch: no operation ' .. op)
  end
  if result then reply[#reply + 1] = result .. (at or version_of(ch)) end
end
settle_sum()
return reply
