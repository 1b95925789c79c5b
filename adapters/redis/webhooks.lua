-- Whoever is given an entry of a channel is given all of them until none is left: so two
-- nodes never send one channel's. wc has, by channel, who that is and how many are his.
-- wh:<id> has these: 0 waits until he asks, else it is the number of the ask that took it.
-- wl has, by id, when his lease is over and the number of his last ask: what a late one
-- took, nobody would hear of: so it stays for another ten leases. Who lets his lease run
-- out loses all to those who ask.
--
-- ARGV: base, the caller's id (16 characters), the number of this ask, the number of his
-- last one that was answered, most entries to take (-1: he goes, and has none), ms of
-- a lease, then those of his that are done. Reply: ms until the next one is due (0: some
-- are, -1: there is none), then the entries taken, in their order.
local base, me, number, heard = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local limit, lease = tonumber(ARGV[5]), tonumber(ARGV[6])
local W, P, C, L = base .. 'w', base .. 'wp', base .. 'wc', base .. 'wl'
local PAGE = 500 -- entries of the dead in one go
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function text_of(n)
  return string.format('%.0f', n)
end

local function held(id)
  return base .. 'wh:' .. id
end

local function channel_of(token)
  local colon = string.find(token, ':', 18, true)
  return string.sub(token, colon + 1, colon + tonumber(string.sub(token, 18, colon - 1)))
end

local function sender_of(ch)
  local v = redis.call('HGET', C, ch)
  if not v then return nil, 0 end
  return string.sub(v, 1, 16), tonumber(string.sub(v, 18))
end

local function set_sender(ch, id, n)
  if n > 0 then
    redis.call('HSET', C, ch, id .. ' ' .. text_of(n))
  else
    redis.call('HDEL', C, ch)
  end
end

-- One that he has lost meanwhile is done, too, where it hasn't been taken again.
local function end_one(token)
  local ch = channel_of(token)
  local id, n = sender_of(ch)
  if redis.call('ZREM', held(me), token) == 1
    or id and id ~= me and redis.call('ZREM', held(id), token) == 1 then
    if id then set_sender(ch, id, n - 1) end
  else
    redis.call('ZREM', W, token)
  end
end

-- His lease is over: whoever asks next takes it over, in pages. At once, all of it would
-- stop Redis for as long as a queue takes.
local function give_back()
  if redis.call('EXISTS', held(me)) == 1 then
    redis.call('HSET', L, me, '0 ' .. number)
  else
    redis.call('HDEL', L, me)
  end
end

local here = {} -- whose lease isn't over

-- Whose a channel's next entry is, and how many are so far.
local function receiver_of(ch)
  local id, n = sender_of(ch)
  if id and here[id] then return id, n end
  return me, n
end

-- What the lapsed had; true: all of it. Until then nobody takes any, or a channel's might
-- change places.
local function take_over()
  local room = PAGE
  local leases = redis.call('HGETALL', L)
  local lapsed = {}
  for i = 1, #leases, 2 do
    local id, over = leases[i], tonumber(string.match(leases[i + 1], '^%d+'))
    if id == me or over > now then
      here[id] = true
    else
      lapsed[#lapsed + 1] = {id, over}
    end
  end
  for _, one in ipairs(lapsed) do
    local id, over = one[1], one[2]
    local tokens = redis.call('ZRANGE', held(id), 0, room - 1)
    for _, token in ipairs(tokens) do
      local ch = channel_of(token)
      local receiver, n = receiver_of(ch)
      set_sender(ch, receiver, math.max(n, 1))
      redis.call('ZADD', held(receiver), '0', token)
      redis.call('ZREM', held(id), token)
    end
    room = room - #tokens
    if room == 0 then return false end
    if over + 10 * lease <= now then redis.call('HDEL', L, id) end
  end
  return true
end

local function deal_out()
  local due = redis.call('ZRANGEBYSCORE', W, '-inf', text_of(now), 'LIMIT', '0', limit)
  for _, token in ipairs(due) do
    local ch, what = channel_of(token), string.sub(token, 17)
    local id, n = receiver_of(ch)
    if string.sub(what, 1, 1) == 'C' then what = 'C' .. #ch .. ':' .. ch end -- whatever total
    redis.call('ZREM', W, token)
    if redis.call('HGET', P, what) == token then redis.call('HDEL', P, what) end
    redis.call('ZADD', held(id), '0', token)
    set_sender(ch, id, n + 1)
  end
end

local function waiting(n)
  return redis.call('ZRANGEBYSCORE', held(me), '0', '0', 'LIMIT', '0', n)
end

local last = redis.call('HGET', L, me)
if last and tonumber(string.match(last, '%d+$')) >= tonumber(number) then return {-1, {}} end
for i = 7, #ARGV do end_one(ARGV[i]) end
if limit < 0 then
  give_back()
  return {-1, {}}
end
redis.call('HSET', L, me, text_of(now + lease) .. ' ' .. number)
for _, token in ipairs(redis.call('ZRANGEBYSCORE', held(me), '(' .. heard, '+inf')) do
  redis.call('ZADD', held(me), '0', token) -- the answer was lost
end
local taken = {}
if limit > 0 then
  if not take_over() then return {0, {}} end
  deal_out()
  taken = waiting(limit)
  for _, token in ipairs(taken) do redis.call('ZADD', held(me), number, token) end
  if waiting(1)[1] then return {0, taken} end
end

local first = redis.call('ZRANGE', W, 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, tonumber(first[2]) - now) or -1
return {wait, taken}
