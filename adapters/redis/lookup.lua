-- ARGV: base, app, '1' one channel or 'p' all of a prefix, its name or the prefix, what is
-- asked (u users, m members, k kept), cursor. Reply: the next cursor, then for each channel
-- its name, subscriptions, users, kept message or '', its ttl in ms, {user, ...}.
local base, app, how, name, asked, cursor =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local PAGE = 5000

local channels = {name}
if how == 'p' then
  local L = base .. 'l:' .. app
  if cursor == '0' and redis.call('SCARD', L) <= PAGE then
    channels = redis.call('SMEMBERS', L)
  else
    local scan = redis.call('SSCAN', L, cursor, 'COUNT', PAGE)
    cursor, channels = scan[1], scan[2]
  end
end

local function asks(letter)
  return string.find(asked, letter, 1, true)
end

local reply = {cursor}
for _, channel in ipairs(channels) do
  if how == '1' or string.sub(channel, 1, #name) == name then
    local ch = app .. ':' .. channel
    local n, at = 0, #reply
    for _, one in ipairs(redis.call('HVALS', base .. 's:' .. ch)) do n = n + tonumber(one) end
    reply[at + 1], reply[at + 2] = channel, n
    -- without subscriptions it may be occupied by a member in grace
    reply[at + 3] = (asks('u') or n == 0) and redis.call('HLEN', base .. 'm:' .. ch) or 0
    local kept = asks('k') and redis.call('GET', base .. 'k:' .. ch)
    reply[at + 4] = kept or ''
    reply[at + 5] = kept and redis.call('PTTL', base .. 'k:' .. ch) or 0
    reply[at + 6] = asks('m') and redis.call('HKEYS', base .. 'm:' .. ch) or {}
  end
end
return reply
