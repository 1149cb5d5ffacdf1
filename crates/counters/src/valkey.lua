-- Answers every question about shared counters, all of them or none. KEYS: one per question.
-- ARGV: the node, for how many milliseconds what it holds is its own, and the fields of every
-- question in turn. A bucket's debt is the time in which it flows back, in nanoseconds. All times
-- are this server's.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local node, lives_ms = ARGV[1], tonumber(ARGV[2])
local read = 2

local function number()
    read = read + 1
    return tonumber(ARGV[read])
end

local function integer(value)
    return string.format('%.0f', value)
end

-- What a bucket owes now, and since when it is kept.
local function refilled(key, amount, born, full_at)
    local kept = redis.call('HMGET', key, 'debt', 'at', 'amount', 'born')
    local heard = math.max(0, (full_at - now) * 1000)
    if not kept[1] then
        return heard, now
    end
    local debt = tonumber(kept[1])
    if tonumber(kept[3]) ~= amount then
        debt = debt * tonumber(kept[3]) / math.max(amount, 1)
    end
    debt = math.max(0, debt - math.max(0, now - tonumber(kept[2])) * 1000)
    if tonumber(kept[4]) ~= born then
        debt = math.max(debt, heard)
    end
    return debt, tonumber(kept[4])
end

local function draw(key)
    local amount, window, charge, want = number(), number() * 1000, number(), number()
    local at_least, known, full_at = number(), number(), number()
    local debt, born = refilled(key, amount, known, full_at)
    local unit = window / math.max(amount, 1)
    debt = math.max(0, debt + charge * unit)
    -- The numbers are floating, so a millionth of a unit is given away where less is missing.
    local granted = math.min(want, math.floor((window - debt) * amount / window + 0.000001))
    if granted < at_least or granted < 0 then
        granted = 0
    end
    debt = math.min(math.ceil(debt + granted * unit), 9e15)
    redis.call('HSET', key, 'debt', integer(debt), 'at', integer(now),
        'amount', integer(amount), 'born', integer(born))
    -- A node may know a bucket as less full than it is: it is kept for a minute more.
    redis.call('PEXPIRE', key, integer(math.ceil(debt / 1000000) + 60000))
    return { granted, debt, born, now + math.ceil(debt / 1000) }
end

local function hold(key)
    local amount, held, want, at_least = number(), number(), number(), number()
    local others, holders = 0, 0
    local all = redis.call('HGETALL', key)
    for field = 1, #all, 2 do
        local count, held_until = string.match(all[field + 1], '^(%d+):(%d+)$')
        if not count or tonumber(held_until) <= now then
            redis.call('HDEL', key, all[field])
        elseif all[field] ~= node then
            others = others + tonumber(count)
            holders = holders + 1
        end
    end
    local granted = math.min(want, amount - others - held)
    if granted < at_least or granted < 0 then
        granted = 0
    end
    held = held + granted
    if held > 0 then
        local held_until = now + lives_ms * 1000
        redis.call('HSET', key, node, integer(held) .. ':' .. integer(held_until))
        redis.call('PEXPIRE', key, integer(lives_ms))
        holders = holders + 1
    else
        redis.call('HDEL', key, node)
    end
    return { granted, others + held, holders, now }
end

local answers = {}
for index, key in ipairs(KEYS) do
    read = read + 1
    local answer = ARGV[read] == 'draw' and draw(key) or hold(key)
    for field = 1, 4 do
        answers[#answers + 1] = answer[field]
    end
end
return answers
