-- KEYS: k, i. Reply: the kept message or nil, ms for which it is still kept, the number of
-- the channel's last one.
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]),
  tonumber(redis.call('GET', KEYS[2]) or '0')}
