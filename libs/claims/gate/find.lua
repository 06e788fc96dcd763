-- Reads one undecided ticket, or only the state of the line.
-- KEYS: 1 coupon, 2 queued, 3 tickets   ARGV: 1 ticket or ""
-- Returns "<done> <in line> <rate or -1>" and, for a ticket in line, "<line> <user>".
local coupon = redis.call('HMGET', KEYS[1], 'done', 'rate', 'rate_at')
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local rate = -1
if coupon[2] and ms - tonumber(coupon[3]) < 10000 then
  rate = coupon[2]
end
local answer = { string.format('%s %d %s', coupon[1] or '0', redis.call('HLEN', KEYS[2]), rate) }
local line, user = string.match(redis.call('HGET', KEYS[3], ARGV[1]) or '', '^(%d+) %d+ (.*)$')
if line then
  answer[2] = line .. ' ' .. user
end
return answer
