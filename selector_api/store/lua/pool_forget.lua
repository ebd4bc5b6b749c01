-- Strike out runs, each if it was not registered anew since the caller looked.
-- ARGV: run and token of its registration, repeated
for i = 1, #ARGV, 2 do
  if redis.call('HGET', RUNS, ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', RUNS, ARGV[i]) end
end
return 1
