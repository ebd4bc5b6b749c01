-- Keep a snapshot, if it is of the log as it stands and none is as new.
-- ARGV: incarnation, seq, SHA-1 of the event with that seq, data
-- Returns 1 if it was kept.
local function is_of_this_log(incarnation, seq, digest)
  return incarnation == redis.call('HGET', META, 'incarnation') and digest == digest_at(tonumber(seq))
end

if not is_of_this_log(ARGV[1], ARGV[2], ARGV[3]) then return 0 end
local known = redis.call('HMGET', SNAPSHOT, 'incarnation', 'seq', 'digest')
if known[1] and tonumber(known[2]) >= tonumber(ARGV[2]) and is_of_this_log(known[1], known[2], known[3]) then
  return 0
end
redis.call('HSET', SNAPSHOT, 'incarnation', ARGV[1], 'seq', ARGV[2], 'digest', ARGV[3], 'data', ARGV[4])
return 1
