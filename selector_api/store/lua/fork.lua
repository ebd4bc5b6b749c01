-- Append events to the log of a run that is about to be made. The last of KEYS is where that is written.
-- ARGV: number of events that are there, seconds until it ends by itself, then the events
-- Returns 1 if they are there now, 0 if others are.
local copy, length = KEYS[#KEYS], redis.call('LLEN', KEYS[#KEYS])
if length == tonumber(ARGV[1]) then
  for i = 3, #ARGV do redis.call('RPUSH', copy, ARGV[i]) end
elseif length ~= tonumber(ARGV[1]) + #ARGV - 2 then
  return 0
end
redis.call('EXPIRE', copy, ARGV[2])
return 1
