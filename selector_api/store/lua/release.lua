-- End a selection as its lease's end would: what is known of it is committed, and its tasks are free.
-- ARGV: selection
-- Returns {unknown-run}, {unknown-selection}, {past-horizon}, or {ok, status, step}.
if redis.call('EXISTS', META) == 0 then return {'unknown-run'} end
local at = now()
expire_due(at)
local selection = read_selection(ARGV[1])
if not selection then return no_selection(ARGV[1]) end
if not is_closed(selection) then close(selection, at, 'given-back', tasks_of(selection)) end
return {'ok', status_of(selection), tonumber(redis.call('HGET', META, 'step'))}
