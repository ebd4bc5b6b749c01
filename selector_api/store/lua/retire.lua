-- Let a run follow what its pool retired and restored.
-- ARGV: the pool's incarnation, its number of tasks, what the run has followed and what it follows now (as META has
--   `retirements`, '0' for nothing), the number of the next arguments: places of the log to which the caller has read it,
--   each a number of events and the SHA-1 of the last of them; then kind and further fields of each event
-- Returns 1 if it has followed them, 0 if it is another run, was elsewhere, has fewer tasks, or lost what was read.
local known = redis.call('HMGET', META, 'pool_incarnation', 'tasks', 'retirements')
if known[1] ~= ARGV[1] or tonumber(known[2]) < tonumber(ARGV[2]) or (known[3] or '0') ~= ARGV[3] then return 0 end
local before = 5 + tonumber(ARGV[5])
for i = 6, before, 2 do
  local here = digest_at(tonumber(ARGV[i]))  -- none within a segment: that is behind the horizon
  if here and here ~= ARGV[i + 1] then return 0 end
end
local at = now()
for i = before + 1, #ARGV, 2 do append(ARGV[i], at, ARGV[i + 1]) end
if #ARGV > before then
  upgrade()
  redis.call('HINCRBY', META, 'changes', (#ARGV - before) / 2)
end
redis.call('HSET', META, 'retirements', ARGV[4])
return 1
