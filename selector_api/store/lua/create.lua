-- Create a run, if there is none of its name.
-- ARGV: incarnation, config (canonical JSON), pool, pool's incarnation, number of tasks, further event fields
-- Returns {created | exists | orphan, config}: that of the run which is there now, which the caller compares, since an
--   earlier release may have written it otherwise. orphan: its pool was deleted.
local incarnation, config, pool, pool_incarnation, tasks, fields = unpack(ARGV)

local known = redis.call('HMGET', META, 'incarnation', 'config', 'pool_incarnation')
if known[1] then
  local status = known[1] == incarnation and 'created' or 'exists'
  if known[3] ~= pool_incarnation then status = 'orphan' end
  return {status, known[2]}
end
redis.call('HSET', META, 'incarnation', incarnation, 'config', config, 'pool', pool,
  'pool_incarnation', pool_incarnation, 'tasks', tasks, 'step', 0, 'version', LOG_VERSION)
append('created', now(), fields)
return {'created', config}
