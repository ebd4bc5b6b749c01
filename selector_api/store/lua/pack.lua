-- Put the first events of LOG into a segment, if a snapshot and at least one event are behind them.
-- ARGV: incarnation, number of events packed before, SHA-1 of the last event in the segment, the segment, then the
--   selections that these events made
-- Returns 1 if they are in it now, 0 also if one of the selections is not forgotten: as when Redis has lost that it was.
local incarnation, before, digest, segment = unpack(ARGV)

local after = tonumber(before) + SEGMENT
if redis.call('HGET', META, 'incarnation') ~= incarnation or digest_at(after) ~= digest then return 0 end
if packed >= after then return 1 end
if packed ~= tonumber(before) or log_length() <= after or not has_snapshot(incarnation, after) then return 0 end
for _, record in ipairs(in_parts('HMGET', SELECTIONS, {unpack(ARGV, 5)})) do
  if record then return 0 end
end
upgrade()
redis.call('RPUSH', SEGMENTS, segment)
redis.call('LTRIM', LOG, SEGMENT, -1)
redis.call('HSET', META, 'packed', digits(after))
return 1
