-- Gives places in line back to claims whose job is in the queue: what was known of the line was lost.
-- KEYS: 1 coupon (hash), 2 queued (hash user -> "<line> <ticket>"), 3 tickets (hash ticket -> "<line> <ms> <user>")
-- ARGV: 1 seconds to remember, 2... user, ticket and line number of each
-- Whoever is in line with another ticket keeps that one. Returns how many got a place.
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local highest = tonumber(redis.call('HGET', KEYS[1], 'line')) or 0
local restored = 0
for i = 2, #ARGV, 3 do
  local user, ticket, line = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if redis.call('HSETNX', KEYS[2], user, string.format('%d %s', line, ticket)) == 1 then
    redis.call('HSET', KEYS[3], ticket, string.format('%d %d %s', line, ms, user))
    highest = math.max(highest, line)
    restored = restored + 1
  end
end
if restored > 0 then
  -- Who comes next is behind all of them.
  redis.call('HSET', KEYS[1], 'line', highest, 'done', math.max(0, highest - redis.call('HLEN', KEYS[2])))
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return restored
