-- ARGV: base, nid, number. Reply: status, epoch or '', '#'. Raises '@', so that a batch of
-- an earlier connection that is still on its way comes too late.
local base, nid = ARGV[1], ARGV[2]
local X = base .. 'x:' .. nid
local epoch = redis.call('GET', base .. 'e') or ''
if redis.call('EXISTS', base .. 'f:' .. nid) == 1 then return {'FENCED', epoch, '0'} end
if tonumber(ARGV[3]) <= tonumber(redis.call('HGET', X, '@') or '0') then
  return {'STALE', epoch, '0'}
end
redis.call('HSET', X, '@', ARGV[3])
redis.call('SADD', base .. 'n', nid)
return {'OK', epoch, redis.call('HGET', X, '#') or '0'}
