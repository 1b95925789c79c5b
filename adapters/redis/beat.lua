-- KEYS: hb. ARGV: nid, the value that is expected ('' none), the new one, the table's epoch
-- if it has none. Reply: set or not, nid's value before ('' none), epoch, the table.
local hb, nid = KEYS[1], ARGV[1]
local epoch = redis.call('HGET', hb, '_e')
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', hb, '_e', epoch)
end
local current = redis.call('HGET', hb, nid) or ''
local ok = current == ARGV[2]
if ok then redis.call('HSET', hb, nid, ARGV[3]) end
return {ok and 1 or 0, current, epoch, redis.call('HGETALL', hb)}
