#!lua name=pressgate_limits_1
-- What gateways share of their limits. Decides as gateway/src/limits/engine does in memory; a test compares them. Numbers are whole
-- and below 2^53; times are microseconds of the server's clock, or of the caller's where the first argument is not 0.

local BUCKETS = 30
local PENDING_US = 600 * 1000000
local SEEN_US = 86400 * 1000000
local SPARE_MS = 3600 * 1000

local function text(number) return string.format('%.0f', number) end

local function clock(given)
  if given ~= '0' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function clamp(value, low, high) return math.max(low, math.min(value, high)) end

local function until_of(length, now)
  local width = math.max(1, math.floor(length / BUCKETS))
  return (math.floor(now / width) + 1) * width + length
end

-- A window: entries { ends, units, pending } without what is over, and the limit that the network gave.
local function load_window(key, now)
  local window = { entries = {} }
  local fields = redis.call('HGETALL', key)
  local raw = {}
  for at = 1, #fields, 2 do raw[fields[at]] = tonumber(fields[at + 1]) end
  if raw.u and raw.u > now then
    window.seen = raw.l
  elseif raw.u then
    redis.call('HDEL', key, 'l', 'u')
  end
  for field, units in pairs(raw) do
    local kind = string.sub(field, 1, 1)
    if kind == 's' or kind == 'p' then
      local ends = tonumber(string.sub(field, 2))
      if ends > now and units > 0 then
        table.insert(window.entries, { ends = ends, units = units, pending = kind == 'p' })
      else
        redis.call('HDEL', key, field)
      end
    end
  end
  return window
end

local function total(window)
  local sum = 0
  for _, entry in ipairs(window.entries) do sum = sum + entry.units end
  return sum
end

local function keep_alive(key, length)
  redis.call('PEXPIRE', key, text(math.floor((length + PENDING_US + SEEN_US) / 1000) + SPARE_MS))
end

local function add(key, kind, ends, units, length)
  if units > 0 then
    redis.call('HINCRBY', key, kind .. text(ends), text(units))
    keep_alive(key, length)
  end
end

local function likely_end(entry, length, now)
  if entry.pending then return math.min(entry.ends, until_of(length, now)) end
  return entry.ends
end

local function window_wait(window, rule, now)
  local limit = window.seen or rule.limit
  local cap = limit - math.floor(limit * math.min(rule.keep, 100) / 100)
  if rule.cost > cap then return rule.length end
  local excess = total(window) + rule.cost - cap
  if excess <= 0 then return 0 end
  local ends = {}
  for _, entry in ipairs(window.entries) do
    table.insert(ends, { likely_end(entry, rule.length, now), entry.units })
  end
  table.sort(ends, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(ends) do
    excess = excess - entry[2]
    if excess <= 0 then return math.max(0, entry[1] - now) end
  end
  return rule.length
end

local function rate_next(rule, tat, now)
  local tolerance = rule.interval * rule.burst
  local units = math.min(rule.cost, rule.burst + 1)
  local ahead = clamp(tat, now, now + tolerance) + rule.interval * units
  return ahead, math.max(0, ahead - (now + tolerance))
end

local function rate_standing(rule, tat, now)
  local tolerance = rule.interval * rule.burst
  local drawn = clamp(tat, now, now + tolerance) - now
  local more = drawn % rule.interval
  if more == 0 and drawn > 0 then more = rule.interval end
  return rule.burst, math.floor((tolerance - drawn) / rule.interval), more
end

local function window_standing(rule, now)
  local window = load_window(rule.key, now)
  local limit = window.seen or rule.limit
  local more
  for _, entry in ipairs(window.entries) do
    local ends = likely_end(entry, rule.length, now)
    if not more or ends < more then more = ends end
  end
  return limit, math.max(0, limit - total(window)), more and math.max(0, more - now) or 0
end

-- Keys: one for each draw. Arguments: now, force (1 draws whatever there is), until when somebody waits for the answer (server
-- time, 0 for ever), then five for each key: 'r' cost interval burst 0, or 'w' cost limit length keep.
-- Answer: taken (2: nobody waits any more, nothing was done), then for each key: limit, remaining, more, wait, until (0 where nothing is reserved).
local function decide(keys, args)
  local now, force = clock(args[1]), args[2] == '1'
  if args[3] ~= '0' and now > tonumber(args[3]) then return { 2 } end
  local rules, taken = {}, true
  for at, key in ipairs(keys) do
    local base = 3 + (at - 1) * 5
    local kind, cost = args[base + 1], tonumber(args[base + 2])
    local a, b, c = tonumber(args[base + 3]), tonumber(args[base + 4]), tonumber(args[base + 5])
    local rule = { key = key, kind = kind, cost = cost, reserved = 0 }
    if kind == 'r' then
      rule.interval, rule.burst = a, b
      rule.tat = tonumber(redis.call('GET', key) or '0')
      rule.ahead, rule.wait = rate_next(rule, rule.tat, now)
    else
      rule.limit, rule.length, rule.keep = a, b, c
      rule.wait = window_wait(load_window(key, now), rule, now)
    end
    if rule.wait > 0 then taken = false end
    rules[at] = rule
  end
  if force then taken = true end
  local answer = { taken and 1 or 0 }
  for _, rule in ipairs(rules) do
    if taken and rule.kind == 'r' then
      rule.tat = rule.ahead
      redis.call('SET', rule.key, text(rule.tat), 'PX', text(math.floor(math.max(0, rule.tat - now) / 1000) + SPARE_MS))
    elseif taken then
      rule.reserved = until_of(rule.length, now) + PENDING_US
      add(rule.key, 'p', rule.reserved, rule.cost, rule.length)
    end
    local limit, remaining, more
    if rule.kind == 'r' then
      limit, remaining, more = rate_standing(rule, rule.tat, now)
    else
      limit, remaining, more = window_standing(rule, now)
    end
    for _, number in ipairs({ limit, remaining, more, rule.wait, rule.reserved }) do table.insert(answer, number) end
  end
  return answer
end

-- Keys: one for each reservation. Arguments: now, sent (1 or 0), then three for each key: cost until length.
local function settle(keys, args)
  local now = clock(args[1])
  for at, key in ipairs(keys) do
    local base = 2 + (at - 1) * 3
    local cost, ends, length = tonumber(args[base + 1]), tonumber(args[base + 2]), tonumber(args[base + 3])
    local field = 'p' .. text(ends)
    local units = tonumber(redis.call('HGET', key, field) or '0')
    if units > cost then
      redis.call('HSET', key, field, text(units - cost))
    else
      redis.call('HDEL', key, field)
    end
    if args[2] == '1' then add(key, 's', until_of(length, now), cost, length) end
    load_window(key, now)
  end
  return 1
end

-- One key. Arguments: now, limit, used, reset (each -1 where the network says nothing), length, 'f' or 'r'.
local function observe(keys, args)
  local key, now = keys[1], clock(args[1])
  local limit, used, reset, length = tonumber(args[2]), tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local window = load_window(key, now)
  if limit >= 0 then
    redis.call('HSET', key, 'l', text(limit), 'u', text(now + SEEN_US))
    keep_alive(key, length)
  end
  local ends = until_of(length, now)
  local known = reset > now and reset <= ends
  if known and args[6] == 'f' then
    local late = 0
    for _, entry in ipairs(window.entries) do
      if not entry.pending and entry.ends > reset then
        late = late + entry.units
        redis.call('HDEL', key, 's' .. text(entry.ends))
      end
    end
    add(key, 's', reset, late, length)
  end
  add(key, 's', known and reset or ends, used - total(window), length)
  return 1
end

redis.register_function('pressgate_decide_1', decide)
redis.register_function('pressgate_settle_1', settle)
redis.register_function('pressgate_observe_1', observe)
