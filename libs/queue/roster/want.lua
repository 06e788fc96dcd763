-- Records that a lane has work; wakes the workers when nobody has it open.
-- KEYS: 1 wanted (zset lane -> ms), 2 owners (hash lane -> "<until ms> <owner>"), 3 labels (hash),
--       4 seen (zset lane -> ms), 5 the channel's name
-- ARGV: 1 lane, 2 label or "" to keep it, 3 lanes remembered for the board
-- Returns 1 when workers were woken.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZADD', KEYS[4], now, ARGV[1])
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
end
local surplus = redis.call('ZRANGE', KEYS[4], 0, -1 - tonumber(ARGV[3]))
for _, lane in ipairs(surplus) do
  redis.call('ZREM', KEYS[4], lane)
  redis.call('HDEL', KEYS[3], lane)
end
local owner = redis.call('HGET', KEYS[2], ARGV[1])
if owner and tonumber(string.match(owner, '^%d+')) > now then
  return 0
end
redis.call('PUBLISH', KEYS[5], ARGV[1])
return 1
