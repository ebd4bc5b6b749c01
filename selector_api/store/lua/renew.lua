-- Let the lease of an open selection end at another time.
-- ARGV: selection, ms from now
-- Returns {unknown-run}, {unknown-selection}, {past-horizon}, {closed, status}, or {ok, unix ms at which it ends}.
if redis.call('EXISTS', META) == 0 then return {'unknown-run'} end
local at = now()
expire_due(at)
local selection = read_selection(ARGV[1])
if not selection then return no_selection(ARGV[1]) end
if is_closed(selection) then return {'closed', status_of(selection)} end
local expires_at = at + tonumber(ARGV[2])
redis.call('ZADD', LEASES, digits(expires_at), ARGV[1])
return {'ok', expires_at}
