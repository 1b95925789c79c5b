-- lib.lua
-- ARGV: base, nid, tag, most changes, the webhooks' delay. Fences nid and takes out what it
-- holds, a page; what it saw costs, too. Reply: whether something is left.
local page, delay = tonumber(ARGV[4]), tonumber(ARGV[5])
local seen, most = 0, 40 * page
redis.call('SET', base .. 'f:' .. nid, '1', 'PX', 3600000)

-- False: the page is full.
local function drop_members(ch)
  local M = base .. 'm:' .. ch
  local all = redis.call('HGETALL', M)
  local flags = flags_of(ch)
  for j = 1, #all, 2 do
    if made >= page then return false end
    local result, left = drop(M, all[j], all[j + 1])
    if result then
      change(ch, result, all[j], '', left)
      if result == 'R' and wants(flags, 2) then webhook('R', ch, all[j], delay) end
    end
  end
  seen = seen + #all / 2
  return true
end

local counts = 0
for _, name in ipairs(redis.call('HKEYS', X)) do
  local letter, ch = string.sub(name, 1, 1), string.sub(name, 2)
  if letter == 'r' or letter == 's' then
    if made >= page or counts >= page or seen >= most then return 1 end
    if letter == 'r' then
      if not drop_members(ch) then return 1 end
    else
      local S = base .. 's:' .. ch
      counts = counts + 1
      if redis.call('HDEL', S, nid) == 1 then
        tell_count(ch, flags_of(ch))
        if redis.call('EXISTS', S) == 0 then vacate(ch, flags_of(ch), delay) end
      end
    end
    redis.call('HDEL', X, name)
  end
end
redis.call('DEL', X)
redis.call('SREM', base .. 'n', nid)
return 0
