-- KEYS: hb. ARGV: nid, the value that it was judged by. Reply: whether it was taken out.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
