-- Change a run's configuration, if it is as the caller read it.
-- ARGV: incarnation, the configuration as read, the new one (both JSON), when outcomes enter from now on, event fields,
--   number of changes of what is drawn as read: a command that was held up finds another one, though the run may be
--   configured as then
-- Returns {unknown-run}, {replaced}, {moved} or {ok}.
local incarnation, before, after, enter, fields, changes = unpack(ARGV)

local known = redis.call('HMGET', META, 'incarnation', 'config', 'changes')
if not known[1] then return {'unknown-run'} end
if known[1] ~= incarnation then return {'replaced'} end
if known[2] == after then return {'ok'} end
if known[2] ~= before or (known[3] or '0') ~= changes then return {'moved'} end
redis.call('HSET', META, 'config', after, 'commit', enter)
redis.call('HINCRBY', META, 'changes', 1)
local at = now()
append('configured', at, fields)
if (tonumber(enter) or 0) ~= (commits_at or 0) then change_commits(tonumber(enter), at) end
return {'ok'}
