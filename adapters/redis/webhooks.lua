-- ARGV: base, most entries to take, ms of a lease, how many are done, those, then those to
-- lease again. Reply: ms until the next one is due (0: some are, -1: there is none), then
-- the entries taken, in their order.
local base, limit, lease, n = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local W, P = base .. 'w', base .. 'wp'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function text_of(number)
  return string.format('%.0f', number)
end

for i = 5, 4 + n do redis.call('ZREM', W, ARGV[i]) end
for i = 5 + n, #ARGV do redis.call('ZADD', W, 'XX', text_of(now + lease), ARGV[i]) end

local due = {}
if limit ~= '0' then
  due = redis.call('ZRANGEBYSCORE', W, '-inf', text_of(now), 'LIMIT', '0', limit)
end
for _, token in ipairs(due) do
  local what = string.sub(token, 17)
  redis.call('ZADD', W, text_of(now + lease), token)
  if redis.call('HGET', P, what) == token then redis.call('HDEL', P, what) end
end
table.sort(due)

local first = redis.call('ZRANGE', W, 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, tonumber(first[2]) - now) or -1
return {wait, due}
