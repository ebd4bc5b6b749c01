-- Let a run follow what its pool retired and restored.
-- ARGV: the pool's incarnation, its number of tasks, what the run has followed and what it follows now (as META has
--   `retirements`, '0' for nothing), then kind and further fields of each event
-- Returns 1 if it has followed them, 0 if it is another run, was elsewhere, or has fewer tasks.
local known = redis.call('HMGET', META, 'pool_incarnation', 'tasks', 'retirements')
if known[1] ~= ARGV[1] or tonumber(known[2]) < tonumber(ARGV[2]) or (known[3] or '0') ~= ARGV[3] then return 0 end
local at = now()
for i = 5, #ARGV, 2 do append(ARGV[i], at, ARGV[i + 1]) end
if #ARGV > 4 then
  upgrade()
  redis.call('HINCRBY', META, 'changes', (#ARGV - 4) / 2)
end
redis.call('HSET', META, 'retirements', ARGV[4])
return 1
