-- Leases wanted lanes that nobody has open, those that wait longest first.
-- KEYS: 1 wanted, 2 owners   ARGV: 1 owner, 2 lease in ms, 3 room
-- Returns the lanes taken.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, lane in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if #taken >= tonumber(ARGV[3]) then
    break
  end
  local owner = redis.call('HGET', KEYS[2], lane)
  if not owner or tonumber(string.match(owner, '^%d+')) <= now then
    redis.call('HSET', KEYS[2], lane, string.format('%d %s', now + tonumber(ARGV[2]), ARGV[1]))
    table.insert(taken, lane)
  end
end
return taken
