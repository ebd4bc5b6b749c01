-- Note in the log that it lost events which the caller has folded, unless somebody has noted it before.
-- ARGV: incarnation, number of events that the caller had folded, SHA-1 of the last of them, number of such notes among
--   them
-- Returns the number of events that are left, -1 if nothing is to be noted.
local left = log_length()
if redis.call('HGET', META, 'incarnation') ~= ARGV[1] or digest_at(tonumber(ARGV[2])) == ARGV[3]
  or tonumber(redis.call('HGET', META, 'rewound') or 0) > tonumber(ARGV[4]) then
  return -1
end
redis.call('HINCRBY', META, 'rewound', 1)
upgrade()
append('rewound', now(), '"known":' .. ARGV[2] .. ',"found":' .. digits(left))
return left
