-- Put before the scripts that take reports, behind those of all scripts.

-- Note in the run's hash that a report of a client's outbox was taken: whatever Redis loses of reports it loses of this, too.
-- `outbox`: '' for none; its id, the report's number, which is no other report's, and the lowest number that the client still
-- asks for.
-- Returns the number, 0 for none, and the numbers of the outbox's reports that were taken: `first-last,…`, upwards.
local MOST_RANGES = 2000
local function note_report(outbox)
  if outbox == '' then return 0, '' end
  local id, number, lowest = string.match(outbox, '^(%x+) (%d+) (%d+)$')
  number, lowest = tonumber(number), tonumber(lowest)
  local low, high, taken, above = number, number, {}, {}
  for range in string.gmatch(redis.call('HGET', META, 'reports:' .. id) or '', '[^,]+') do
    local first, last = string.match(range, '(%d+)-(%d+)')
    first, last = tonumber(first), tonumber(last)
    if last < low - 1 then
      if last >= lowest then taken[#taken + 1] = range end
    elseif first > high + 1 then
      above[#above + 1] = range
    else
      low, high = math.min(low, first), math.max(high, last)
    end
  end
  taken[#taken + 1] = digits(low) .. '-' .. digits(high)
  for _, range in ipairs(above) do taken[#taken + 1] = range end
  taken = table.concat(taken, ',', math.max(1, #taken - MOST_RANGES + 1))
  redis.call('HSET', META, 'reports:' .. id, taken)
  return number, taken
end
