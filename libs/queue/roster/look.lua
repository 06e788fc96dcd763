-- What is known of these lanes, by the clock that the leases are of.
-- KEYS: 1 wanted (zset lane -> ms), 2 owners (hash lane -> "<until ms> <owner>"), 3 labels (hash)
-- ARGV: the lanes
-- Returns for each lane: its label or "", 1 when somebody has it open, 1 when it is wanted.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, lane in ipairs(ARGV) do
  local owner = redis.call('HGET', KEYS[2], lane)
  found[#found + 1] = redis.call('HGET', KEYS[3], lane) or ''
  found[#found + 1] = (owner and tonumber(string.match(owner, '^%d+')) > now) and 1 or 0
  found[#found + 1] = redis.call('ZSCORE', KEYS[1], lane) and 1 or 0
end
return found
