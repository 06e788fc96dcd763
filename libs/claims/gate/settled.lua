-- Takes in what a settle decided. May be told twice: only what is still in line counts.
-- KEYS: 1 coupon, 2 queued, 3 tickets, 4 held (of the claims epoch that the settle saw)
-- ARGV: 1 epoch, 2 revision, 3 remaining, 4 seconds to remember, 5... user, ticket, and what the
--       person holds now: "<how many>" of this ticket, "<how many> <other ticket>", or ""
-- Returns how many left the line. At most 2,000 tickets a call: they travel through Lua's stack.
--
-- One command for all, not one for each. Measured at 256 claims a batch: 3 us a claim.
local users, tickets = {}, {}
for i = 5, #ARGV, 3 do
  users[#users + 1] = ARGV[i]
  tickets[#tickets + 1] = ARGV[i + 1]
end
local waiting = redis.call('HMGET', KEYS[2], unpack(users))
local gone, held = {}, {}
for i, user in ipairs(users) do
  local ticket, holds = tickets[i], ARGV[4 + 3 * i]
  local entry = waiting[i]
  -- The entry is "<line> <ticket>": compare from its end.
  if entry and string.sub(entry, -#ticket - 1) == ' ' .. ticket then
    gone[#gone + 1] = user
  end
  if holds ~= '' then
    held[#held + 1] = user
    held[#held + 1] = string.find(holds, ' ', 1, true) and holds or holds .. ' ' .. ticket
  end
end
if #gone > 0 then
  redis.call('HDEL', KEYS[2], unpack(gone))
end
local left = redis.call('HDEL', KEYS[3], unpack(tickets))
if #held > 0 then
  redis.call('HSET', KEYS[4], unpack(held))
  redis.call('EXPIRE', KEYS[4], ARGV[4])
end

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
  local since = tonumber(coupon[3])
  local n = (tonumber(coupon[4]) or 0) + left
  if not since or ms - since > 10000 then
    redis.call('HSET', KEYS[1], 'rate_at', ms, 'rate_n', 0)
    redis.call('HDEL', KEYS[1], 'rate')
  elseif ms - since >= 1000 then
    local rate = n * 1000 / (ms - since)
    rate = coupon[5] and (tonumber(coupon[5]) + rate) / 2 or rate
    redis.call('HSET', KEYS[1], 'rate_at', ms, 'rate_n', 0, 'rate', string.format('%.2f', rate))
  else
    redis.call('HSET', KEYS[1], 'rate_n', n)
  end
end
return left
