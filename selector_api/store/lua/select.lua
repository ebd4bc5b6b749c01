-- Append a selection, if nothing came between that it would contradict: another selection, tasks that joined, or a change
-- of what is drawn.
-- Commits may have come; a selection that was drawn just before them is as good.
-- ARGV: incarnation, seq of the last event before the draw, its SHA-1, number of selections before the draw,
--   number of such changes and of tasks then, idempotency field, selection id, lease in ms, further event fields
-- Returns {unknown-run}, {replaced}, {moved}, {made, event, its seq}, or {exists, event} if the field is known.
local known_incarnation, seq, digest, selections, changes, tasks, field, id, lease, fields = unpack(ARGV)

local state = redis.call('HMGET', META, 'incarnation', 'tasks', 'forked', 'changes')
if not state[1] then return {'unknown-run'} end
if state[1] ~= known_incarnation then return {'replaced'} end
local known = event_of_key(field)
if known then return {'exists', known} end
if redis.call('HLEN', SELECTIONS) + tonumber(state[3] or 0) ~= tonumber(selections) or state[2] ~= tasks
  or (state[4] or '0') ~= changes
  or digest_at(tonumber(seq)) ~= digest then
  return {'moved'}
end

local at = now()
local expires_at = digits(at + tonumber(lease))
local event = append('selected', at, '"expires_at":' .. expires_at .. ',' .. fields)
local place = redis.call('LLEN', LOG)
write_selection({id = id, seq = place, status = 'open', known = 0})
redis.call('ZADD', LEASES, expires_at, id)
redis.call('HSET', IDEMPOTENCY, field, id)
return {'made', event, place}
