-- Says which tickets have no place in line.
-- KEYS: 1 tickets (hash)   ARGV: tickets, 2,000 at most: they travel through Lua's stack
-- Returns those without a place.
local known = redis.call('HMGET', KEYS[1], unpack(ARGV))
local placeless = {}
for i, ticket in ipairs(ARGV) do
  if not known[i] then
    placeless[#placeless + 1] = ticket
  end
end
return placeless
