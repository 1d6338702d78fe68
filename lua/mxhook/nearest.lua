--- What somebody may have meant who wrote a name that there is not.

local ipairs, floor, max, min = ipairs, math.floor, math.max, math.min

-- The distance of two words in insertions, deletions, replacements and swaps of neighbours.
local function distance(a, b)
    local before, row = {}, {}
    for j = 0, #b do row[j] = j end
    for i = 1, #a do
        local current = { [0] = i }
        for j = 1, #b do
            local same = a:byte(i) == b:byte(j)
            current[j] = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (same and 0 or 1))
            if a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then -- there is none before the first
                current[j] = min(current[j], before[j - 2] + 1)
            end
        end
        before, row = row, current
    end
    return row[#b]
end

--- `text` with the one of `names` that is near to `name`, in any case, for its %s; "" where none is.
return function(name, names, text)
    local best, least = nil, max(1, floor(#name / 3)) + 1
    for _, candidate in ipairs(names) do
        local far = distance(name:lower(), candidate:lower())
        if far < least then best, least = candidate, far end
    end
    return best and text:format(best) or ""
end
