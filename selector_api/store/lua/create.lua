-- Create a run, if there is none of its name.
-- ARGV: incarnation, config (canonical JSON), pool, pool's incarnation, number of tasks, number of the pool's chunks,
--   when outcomes enter, further event fields; of a fork besides: number of events copied, and of commits, selections and
--   changes among them. The last of KEYS is then where they are. -1 copied: it is there, and is not made without any.
-- Returns {created | exists | orphan | lost, config}: that of the run which is there now, which the caller compares, since
--   an earlier release may have written it otherwise. orphan: its pool was deleted. lost: the copied events are gone.
local incarnation, config, pool, pool_incarnation, tasks, chunks, enter, fields = unpack(ARGV)
local copied, step, selections, changes = ARGV[9] or '0', ARGV[10] or '0', ARGV[11] or '0', ARGV[12] or '0'

local known = redis.call('HMGET', META, 'incarnation', 'config', 'pool_incarnation')
if known[1] then
  local status = known[1] == incarnation and 'created' or 'exists'
  if known[3] ~= pool_incarnation then status = 'orphan' end
  return {status, known[2]}
end
if copied ~= '0' then
  if redis.call('LLEN', KEYS[#KEYS]) ~= tonumber(copied) then return {'lost', config} end
  redis.call('RENAME', KEYS[#KEYS], LOG)
  redis.call('PERSIST', LOG)
end
redis.call('HSET', META, 'incarnation', incarnation, 'config', config, 'pool', pool,
  'pool_incarnation', pool_incarnation, 'tasks', tasks, 'chunks', chunks, 'commit', enter, 'step', step,
  'copied', copied, 'forked', selections, 'changes', changes, 'version', LOG_VERSION)
redis.call('LPUSH', LOG, '{"type":"created","at":' .. digits(now()) .. ',' .. fields .. '}')
return {'created', config}
