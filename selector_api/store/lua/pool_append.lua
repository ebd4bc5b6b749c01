-- Append chunks, if the pool is as the caller validated them against.
-- ARGV: incarnation, number of chunks known, SHA-1 of the last of them, number of tasks to add, number of registrations of
--   runs or '' if it does not matter, then the chunks
-- Returns {unknown-pool}, {moved}, or {ok, number of tasks}.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
if incarnation ~= ARGV[1] or redis.call('LLEN', TASKS) ~= tonumber(ARGV[2]) then return {'moved'} end
if ARGV[2] ~= '0' and not is_chunk(ARGV[2], ARGV[3]) then return {'moved'} end
if ARGV[5] ~= '' and (redis.call('HGET', META, 'registrations') or '0') ~= ARGV[5] then return {'moved'} end
for i = 6, #ARGV do redis.call('RPUSH', TASKS, ARGV[i]) end
redis.call('HSET', META, 'last', redis.call('LLEN', TASKS) .. ':' .. redis.sha1hex(ARGV[#ARGV]))
return {'ok', redis.call('HINCRBY', META, 'tasks', ARGV[4])}
