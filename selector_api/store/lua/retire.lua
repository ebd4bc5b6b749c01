-- Let a run follow what its pool retired and restored.
-- ARGV: the pool's incarnation, number of the pool's entries that the run has followed, that of those it follows now,
--   then kind and further fields of each event
-- Returns 1 if it has followed them, 0 if it is another run or was elsewhere.
local known = redis.call('HMGET', META, 'pool_incarnation', 'retirements')
if known[1] ~= ARGV[1] or (known[2] or '0') ~= ARGV[2] then return 0 end
local at = now()
for i = 4, #ARGV, 2 do append(ARGV[i], at, ARGV[i + 1]) end
if #ARGV > 3 then
  upgrade()
  redis.call('HINCRBY', META, 'changes', (#ARGV - 3) / 2)
end
redis.call('HSET', META, 'retirements', ARGV[3])
return 1
