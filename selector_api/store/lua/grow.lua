-- Let a run follow its pool: tasks that were added join, and references that were added to those there are read.
-- ARGV: the pool's incarnation, its number of tasks, and of chunks
-- Returns 1 if the run was behind.
local known = redis.call('HMGET', META, 'pool_incarnation', 'tasks', 'chunks')
local tasks, chunks = tonumber(ARGV[2]), tonumber(ARGV[3])
local known_tasks, known_chunks = tonumber(known[2]), tonumber(known[3] or chunks)  -- runs up to 0.2 note no chunks
if known[1] ~= ARGV[1] or known_tasks >= tasks and known_chunks >= chunks then return 0 end
tasks, chunks = digits(math.max(tasks, known_tasks)), digits(math.max(chunks, known_chunks))
redis.call('HSET', META, 'tasks', tasks, 'chunks', chunks)
append('grown', now(), '"tasks":' .. tasks .. ',"chunks":' .. chunks)
return 1
