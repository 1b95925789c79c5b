-- KEYS: k, i. ARGV: pub/sub channel, the message before and behind its number, ms for which
-- it is kept. Reply: the number: us of Redis's clock, or one more than the last. So numbers
-- grow on though i is lost, or is an older copy's (FLUSHALL, a failover), and nobody takes
-- an event for one that he has had. i outlives k, lest the clock is set back meanwhile.
local t = redis.call('TIME')
local n = math.max(t[1] * 1000000 + t[2], tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
local number = string.format('%016.0f', n)
redis.call('SET', KEYS[2], number, 'PX', string.format('%.0f', tonumber(ARGV[4]) + 86400000))
local message = ARGV[2] .. number .. ARGV[3]
redis.call('SET', KEYS[1], message, 'PX', ARGV[4])
redis.call('PUBLISH', ARGV[1], message)
return n
