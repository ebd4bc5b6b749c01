-- Close what is due and read what follows the events that the caller knows.
-- ARGV: incarnation, number of events known, SHA-1 of the last of them or '', number of events wanted,
--   idempotency field or ''
-- Returns {unknown-run}, {replaced} (another incarnation, or a log that lost events which the caller knows),
--   {past-horizon} (what the field stood for is kept no more), {dropped, number of the first events, which are gone}, or {ok, length of the log, the field's selection (see
--   known_selection) or '', whether more may be due (0 or 1), the segment that has the events or '', else the events}.
--   Within a segment the caller looks whether the event it knows is there.
local known_incarnation, known, digest, wanted, field = unpack(ARGV)

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= known_incarnation then return {'replaced'} end
local first = tonumber(known)
local here = digest ~= '' and digest_at(first)
if here and here ~= digest then return {'replaced'} end

local more_due = expire_due(now()) and 1 or 0
local id = field ~= '' and redis.call('HGET', IDEMPOTENCY, field)
if field ~= '' and not id and is_forgotten(field) then return {'past-horizon'} end
local selection = id and known_selection(id) or ''
if first < packed then
  local dropped = tonumber(redis.call('HGET', META, 'dropped') or 0)
  if first < dropped then return {'dropped', dropped} end
  return {'ok', log_length(), selection, more_due, redis.call('LINDEX', SEGMENTS, math.floor(first / SEGMENT)), {}}
end
local events = redis.call('LRANGE', LOG, first - packed, first - packed + tonumber(wanted) - 1)
return {'ok', log_length(), selection, more_due, '', events}
