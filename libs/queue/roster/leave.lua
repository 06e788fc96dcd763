-- Closes a quiet lane, or gives it up to others.
-- KEYS: 1 wanted, 2 owners, 3 the channel's name
-- ARGV: 1 owner, 2 lane, 3 quiet time in ms; -1 hands the lane over, still wanted
-- Returns 1 when the owner no longer has the lane, 0 when it was wanted meanwhile and stays open.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner = redis.call('HGET', KEYS[2], ARGV[2])
if not owner or string.match(owner, ' (.*)$') ~= ARGV[1] then
  return 1
end
if tonumber(ARGV[3]) < 0 then
  redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('PUBLISH', KEYS[3], ARGV[2])
  return 1
end
local wanted = redis.call('ZSCORE', KEYS[1], ARGV[2])
if wanted and tonumber(wanted) > now - tonumber(ARGV[3]) then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
