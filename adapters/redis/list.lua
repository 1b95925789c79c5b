-- ARGV: base, nid, cursor (how many channels the pages before had), entries a page. Reply:
-- the next cursor, then pairs: 'r<ch>' and a user, 's<ch>' and a count. In the order of the
-- names, which changes only by nid's own batches.
local base, nid, first, page = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local X = base .. 'x:' .. nid
local names = {}
for _, name in ipairs(redis.call('HKEYS', X)) do
  local letter = string.sub(name, 1, 1)
  if letter == 'r' or letter == 's' then names[#names + 1] = name end
end
table.sort(names)

local entries, seen, i = {}, 0, first
while i < #names and seen < 10 * page and #entries < 2 * page do
  i = i + 1
  local name = names[i]
  seen = seen + 1
  if string.sub(name, 1, 1) == 's' then
    entries[#entries + 1] = name
    entries[#entries + 1] = redis.call('HGET', X, name)
  else
    local all = redis.call('HGETALL', base .. 'm:' .. string.sub(name, 2))
    seen = seen + #all / 2
    for j = 1, #all, 2 do
      local nids = string.sub(all[j + 1], 1, string.find(all[j + 1], ';', 1, true) - 1)
      if string.find(nids, nid, 1, true) then
        entries[#entries + 1] = name
        entries[#entries + 1] = all[j]
      end
    end
  end
end
return {i < #names and string.format('%.0f', i) or '0', entries}
