-- Puts claims that are in the queue back in line, where the gate has forgotten them.
-- KEYS: 1 queued, 2 tickets   ARGV: ticket, user and line of each
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #ARGV, 3 do
  local ticket, user, line = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HSETNX', KEYS[1], user, line .. ' ' .. ticket) == 1 then
    redis.call('HSET', KEYS[2], ticket, string.format('%s %d %s', line, ms, user))
  end
end
return 0
