-- KEYS: k, i. ARGV: pub/sub channel, the message before and behind its number, ms for which
-- it is kept. Reply: the number. i outlives k, so that a later event never has a number that
-- an earlier one had, as far as anybody who joined in the meantime can tell.
local n = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', tonumber(ARGV[4]) + 86400000))
local message = ARGV[2] .. string.format('%016.0f', n) .. ARGV[3]
redis.call('SET', KEYS[1], message, 'PX', ARGV[4])
redis.call('PUBLISH', ARGV[1], message)
return n
