-- Reads a page of the line: who has been in it for long, and is before a line number.
-- KEYS: 1 tickets (hash ticket -> "<line> <ms> <user>")
-- ARGV: 1 cursor, 2 entries to look at, 3 least age in ms, 4 the line number, or "" for all
-- Returns {next cursor, ticket, line, user...}; the cursor is "0" after the last page.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local time = redis.call('TIME')
local before = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[3])
local below = tonumber(ARGV[4]) or math.huge
local found = { page[1] }
for i = 1, #page[2], 2 do
  local line, admitted, user = string.match(page[2][i + 1], '^(%d+) (%d+) (.*)$')
  if tonumber(admitted) <= before and tonumber(line) < below then
    found[#found + 1] = page[2][i]
    found[#found + 1] = line
    found[#found + 1] = user
  end
end
return found
