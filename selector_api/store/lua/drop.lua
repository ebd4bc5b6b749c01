-- Let go of the log's first events, which the caller has saved elsewhere: of their segments is left what tells that of the
-- last event.
-- ARGV: incarnation, number of events, SHA-1 of the last of them, the log's first event
-- Returns 1 if they are gone, 0 if it is another run, they are not whole segments, or no snapshot has
--   them.
local incarnation, digest, first = ARGV[1], ARGV[3], ARGV[4]
local count = tonumber(ARGV[2])
if redis.call('HGET', META, 'incarnation') ~= incarnation or count > packed or digest_at(count) ~= digest
  or not has_snapshot(incarnation, count) then
  return 0
end
local dropped = tonumber(redis.call('HGET', META, 'dropped') or 0)
for place = dropped / SEGMENT, count / SEGMENT - 1 do
  local head = string.sub(redis.call('LINDEX', SEGMENTS, place), #DROPPED + 1, SEGMENT_DIGEST + 39)
  redis.call('LSET', SEGMENTS, place, DROPPED .. head)
end
if count > dropped then redis.call('HSET', META, 'dropped', digits(count), 'began', first) end
return 1
