-- Keep a snapshot, if the run is still there and none is as new.
-- ARGV: incarnation, seq, data
-- Returns 1 if it was kept.
if redis.call('HGET', META, 'incarnation') ~= ARGV[1] then return 0 end
local seq = redis.call('HGET', SNAPSHOT, 'seq')
if seq and tonumber(seq) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', SNAPSHOT, 'incarnation', ARGV[1], 'seq', ARGV[2], 'data', ARGV[3])
return 1
