-- Extends an owner's leases.
-- KEYS: 1 owners   ARGV: 1 owner, 2 lease in ms, 3... lanes
-- Returns the lanes that the owner no longer has.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = {}
for i = 3, #ARGV do
  local owner = redis.call('HGET', KEYS[1], ARGV[i])
  if owner and string.match(owner, ' (.*)$') == ARGV[1] then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%d %s', now + tonumber(ARGV[2]), ARGV[1]))
  else
    table.insert(lost, ARGV[i])
  end
end
return lost
