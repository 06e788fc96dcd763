-- Reads a page of who is known to hold a claim.
-- KEYS: 1 held (hash user -> "<how many> <ticket>")   ARGV: 1 cursor, 2 entries to look at
-- Returns {next cursor, user, how many...}; the cursor is "0" after the last page.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = { page[1] }
for i = 1, #page[2], 2 do
  found[#found + 1] = page[2][i]
  found[#found + 1] = string.match(page[2][i + 1], '^%d+')
end
return found
