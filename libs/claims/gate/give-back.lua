-- Takes admissions back.
-- KEYS: 1 coupon, 2 queued, 3 tickets   ARGV: user and ticket of each
-- Returns how many were in line.
local given = 0
for i = 1, #ARGV, 2 do
  local user, ticket = ARGV[i], ARGV[i + 1]
  if string.match(redis.call('HGET', KEYS[2], user) or '', '^%d+ (.*)$') == ticket then
    redis.call('HDEL', KEYS[2], user)
  end
  given = given + redis.call('HDEL', KEYS[3], ticket)
end
if given > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'done', given)
end
return given
