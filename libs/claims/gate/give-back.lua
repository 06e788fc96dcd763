-- Takes admissions back, those named or those older than an age.
-- KEYS: 1 coupon, 2 queued, 3 tickets
-- ARGV: 1 least age in ms, or -1 for the named ones: 2... user and ticket of each;
--       with an age, for a lane that has jobs: 2 the first job's line number, which those given back are
--       below, 3 the longest line that is looked through
-- Returns {given back, left}. By age it looks at all of the line. A lane without a job has a line that is
-- as good as empty.
local entries, left = {}, 0
if ARGV[1] == '-1' then
  for i = 2, #ARGV, 2 do
    table.insert(entries, { ARGV[i], ARGV[i + 1] })
  end
else
  local time = redis.call('TIME')
  local ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local before, most = tonumber(ARGV[2] or 'inf'), tonumber(ARGV[3] or 'inf')
  local length = redis.call('HLEN', KEYS[3])
  if length > most then
    return { 0, length }
  end
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    local line, admitted, user = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
    if ms - tonumber(admitted) >= tonumber(ARGV[1]) and tonumber(line) < before then
      table.insert(entries, { user, all[i] })
    else
      left = left + 1
    end
  end
end
local given = 0
for _, entry in ipairs(entries) do
  if string.match(redis.call('HGET', KEYS[2], entry[1]) or '', '^%d+ (.*)$') == entry[2] then
    redis.call('HDEL', KEYS[2], entry[1])
  end
  given = given + redis.call('HDEL', KEYS[3], entry[2])
end
if given > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'done', given)
end
return { given, left }
