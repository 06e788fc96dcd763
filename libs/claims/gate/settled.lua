-- Takes in what a settle decided. May be told twice: only what is still in line counts.
-- KEYS: 1 coupon, 2 queued, 3 tickets, 4 held (of the epoch that the settle saw)
-- ARGV: 1 epoch, 2 revision, 3 remaining, 4 seconds to remember, 5... user, ticket, and
--       "<how many> <ticket>" that the person now holds or ""
-- Returns how many left the line.
local left = 0
for i = 5, #ARGV, 3 do
  local user, ticket = ARGV[i], ARGV[i + 1]
  local waiting = string.match(redis.call('HGET', KEYS[2], user) or '', '^%d+ (.*)$')
  if waiting == ticket then
    redis.call('HDEL', KEYS[2], user)
  end
  left = left + redis.call('HDEL', KEYS[3], ticket)
  if ARGV[i + 2] ~= '' then
    redis.call('HSET', KEYS[4], user, ARGV[i + 2])
  end
end
redis.call('EXPIRE', KEYS[4], ARGV[4])

local coupon = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'rate_at', 'rate_n', 'rate')
if not coupon[1] then
  return left
end
if coupon[1] == ARGV[1] and tonumber(coupon[2]) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'remaining', ARGV[3])
end
if left > 0 then
  redis.call('HINCRBY', KEYS[1], 'done', left)
  -- The rate: what was decided in the last stretch of at least a second, blended with the one before.
  local time = redis.call('TIME')
  local ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local since = tonumber(coupon[3]) or ms
  local n = (tonumber(coupon[4]) or 0) + left
  if not coupon[3] or ms - since > 10000 then
    redis.call('HSET', KEYS[1], 'rate_at', ms, 'rate_n', 0)
    redis.call('HDEL', KEYS[1], 'rate')
  elseif ms - since >= 1000 then
    local rate = n * 1000 / (ms - since)
    rate = coupon[5] and (tonumber(coupon[5]) + rate) / 2 or rate
    redis.call('HSET', KEYS[1], 'rate_at', ms, 'rate_n', 0, 'rate', string.format('%.2f', rate))
  else
    redis.call('HSET', KEYS[1], 'rate_n', n)
    if not coupon[3] then
      redis.call('HSET', KEYS[1], 'rate_at', ms)
    end
  end
end
return left
