-- Let tasks be drawn no more, or again, by this run, if nothing came between that changes what is drawn: so a command that
-- was held up does not undo what came after it.
-- ARGV: incarnation, number of such changes that the caller knows, number of the run's tasks as it knows them, of which
--   Redis may have lost some, kind of the event, its further fields
-- Returns {unknown-run}, {replaced}, {moved} or {ok}.
local known = redis.call('HMGET', META, 'incarnation', 'changes', 'tasks')
if not known[1] then return {'unknown-run'} end
if known[1] ~= ARGV[1] then return {'replaced'} end
if (known[2] or '0') ~= ARGV[2] or tonumber(known[3]) < tonumber(ARGV[3]) then return {'moved'} end
redis.call('HINCRBY', META, 'changes', 1)
upgrade()
append(ARGV[4], now(), ARGV[5])
return {'ok'}
