-- Append a selection, if nothing came between that it would contradict: another selection, tasks that joined, or a change
-- of what is drawn.
-- Commits may have come; a selection that was drawn just before them is as good.
-- ARGV: incarnation, seq of the last event before the draw, its SHA-1, number of selections before the draw,
--   number of such changes and of tasks then, idempotency field or '', selection whose place it takes there or '', selection id,
--   lease in ms, further event fields
-- Returns {unknown-run}, {replaced}, {moved}, {past-horizon}, {made, event, its seq}, or {exists, the field's selection}.
local known_incarnation, seq, digest, selections, changes, tasks, field, former, id, lease, fields = unpack(ARGV)

local state = redis.call('HMGET', META, 'incarnation', 'tasks', 'forked', 'changes', 'forgotten')
if not state[1] then return {'unknown-run'} end
if state[1] ~= known_incarnation then return {'replaced'} end
local known = redis.call('HGET', IDEMPOTENCY, field)
if known and (known ~= former or status_of(read_selection(known)) ~= 'released') then
  return {'exists', known_selection(known)}
end
local made = field == '' and read_selection(id)
if made then return {'made', event_of(made), made.seq} end  -- by this command, which was sent before
if not known and is_forgotten(field) then return {'past-horizon'} end
if redis.call('HLEN', SELECTIONS) + tonumber(state[3] or 0) ~= tonumber(selections) - tonumber(state[5] or 0) or state[2] ~= tasks
  or (state[4] or '0') ~= changes
  or digest_at(tonumber(seq)) ~= digest then
  return {'moved'}
end

local at = now()
local expires_at = digits(at + tonumber(lease))
local event, place = append('selected', at, '"expires_at":' .. expires_at .. ',' .. fields)
write_selection({id = id, seq = place, status = 'open', known = 0, entered = 0, dropped = 0, events = ''})
redis.call('ZADD', LEASES, expires_at, id)
if field ~= '' then redis.call('HSET', IDEMPOTENCY, field, id) end
return {'made', event, place}
