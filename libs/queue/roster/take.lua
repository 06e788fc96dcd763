-- Leases wanted lanes that nobody has open, those that wait longest first, up to a number of each kind.
-- KEYS: 1 wanted, 2 owners
-- ARGV: 1 owner, 2 lease in ms, 3 most lanes of a kind, 4... a kind and how many of it are open, in pairs
-- Returns the lanes taken.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most = tonumber(ARGV[3])
local open = {}
for i = 4, #ARGV, 2 do
  open[ARGV[i]] = tonumber(ARGV[i + 1])
end
local taken = {}
for _, lane in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local kind = string.match(lane, '^[^.]*')
  local count = open[kind] or 0
  if count < most then
    local owner = redis.call('HGET', KEYS[2], lane)
    if not owner or tonumber(string.match(owner, '^%d+')) <= now then
      redis.call('HSET', KEYS[2], lane, string.format('%d %s', now + tonumber(ARGV[2]), ARGV[1]))
      open[kind] = count + 1
      table.insert(taken, lane)
    end
  end
end
return taken
