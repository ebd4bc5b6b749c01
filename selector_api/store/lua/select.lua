-- Append a selection, if nothing came between that it would contradict: another selection, tasks that joined, or a change
-- of what is drawn.
-- Commits may have come; a selection that was drawn just before them is as good.
-- ARGV: incarnation, seq of the last event before the draw, its SHA-1, number of selections before the draw,
--   number of such changes and of tasks then, idempotency field, selection whose place it takes there or '', selection id,
--   lease in ms, further event fields
-- Returns {unknown-run}, {replaced}, {moved}, {made, event, its seq}, or {exists, what the field stands for} if it is known.
local known_incarnation, seq, digest, selections, changes, tasks, field, former, id, lease, fields = unpack(ARGV)

local state = redis.call('HMGET', META, 'incarnation', 'tasks', 'forked', 'changes')
if not state[1] then return {'unknown-run'} end
if state[1] ~= known_incarnation then return {'replaced'} end
local known = redis.call('HGET', IDEMPOTENCY, field)
if known and (known ~= former or status_of(read_selection(known)) ~= 'released') then
  return {'exists', selection_of_key(field)}
end
if redis.call('HLEN', SELECTIONS) + tonumber(state[3] or 0) ~= tonumber(selections) or state[2] ~= tasks
  or (state[4] or '0') ~= changes
  or digest_at(tonumber(seq)) ~= digest then
  return {'moved'}
end

local at = now()
local expires_at = digits(at + tonumber(lease))
local event, place = append('selected', at, '"expires_at":' .. expires_at .. ',' .. fields)
write_selection({id = id, seq = place, status = 'open', known = 0, entered = 0, dropped = 0, events = ''})
redis.call('ZADD', LEASES, expires_at, id)
redis.call('HSET', IDEMPOTENCY, field, id)
return {'made', event, place}
