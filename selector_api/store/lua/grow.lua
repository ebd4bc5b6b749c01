-- Let tasks that were added to the pool join a run.
-- ARGV: the pool's incarnation, the pool's number of tasks
-- Returns 1 if the run grew.
local known = redis.call('HMGET', META, 'pool_incarnation', 'tasks')
if known[1] ~= ARGV[1] or tonumber(known[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', META, 'tasks', ARGV[2])
append('grown', now(), '"tasks":' .. ARGV[2])
return 1
