-- Put the first events of LOG into a segment, if a snapshot and at least one event are behind them.
-- ARGV: incarnation, number of events packed before, SHA-1 of the last event in the segment, the segment
-- Returns 1 if they are in it now.
local incarnation, before, digest, segment = unpack(ARGV)

local after = tonumber(before) + SEGMENT
if redis.call('HGET', META, 'incarnation') ~= incarnation or digest_at(after) ~= digest then return 0 end
if packed >= after then return 1 end
if packed ~= tonumber(before) or log_length() <= after or not has_snapshot(incarnation, after) then return 0 end
upgrade()
redis.call('RPUSH', SEGMENTS, segment)
redis.call('LTRIM', LOG, SEGMENT, -1)
redis.call('HSET', META, 'packed', digits(after))
return 1
