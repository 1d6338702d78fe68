--- The string library of rules: LuaJIT's, with patterns that the limits can stop (see pattern.h).

local core = require "mxhook.core"

local error, select, tonumber, tostring, type, unpack = error, select, tonumber, tostring, type, unpack
local concat, format = table.concat, string.format

local find, match = core.find, core.match
local sub = string.sub

local strings = {}
for name in ("byte char len lower rep reverse upper"):gmatch("%w+") do
    strings[name] = string[name]
end
strings.sub, strings.find, strings.match = sub, find, match

local function check(value, expected, what)
    local kind = type(value)
    if kind ~= expected and not (expected == "string" and kind == "number") then
        error(format("%s: a %s was expected, not a %s", what, expected, kind), 3)
    end
    return expected == "string" and tostring(value) or value
end

-- What one match gives: its captures, or all of it.
local function results(subject, first, last, ...)
    if select("#", ...) > 0 then return ... end
    return sub(subject, first, last)
end

--- An iterator over every match.
function strings.gmatch(subject, pattern)
    subject = check(subject, "string", "string.gmatch")
    pattern = check(pattern, "string", "string.gmatch")
    local at = 1
    local function next_match(first, last, ...)
        if not first then
            at = #subject + 2
            return nil
        end
        at = last >= first and last + 1 or first + 1
        return results(subject, first, last, ...)
    end
    return function()
        if at > #subject + 1 then return nil end
        return next_match(find(subject, pattern, at))
    end
end

local function expand(template, subject, found)
    local pieces, at = {}, 1
    while true do
        local percent = find(template, "%", at, true)
        pieces[#pieces + 1] = sub(template, at, (percent or 0) - 1)
        if not percent then return concat(pieces) end
        local char = sub(template, percent + 1, percent + 1)
        local digit = tonumber(char)
        if digit == 0 or digit == 1 and found.count == 2 then
            char = sub(subject, found[1], found[2])
        elseif digit then
            if digit > found.count - 2 then error("invalid capture index", 4) end
            char = tostring(found[digit + 2])
        end
        pieces[#pieces + 1] = char
        at = percent + 2
    end
end

local function replacement(with, subject, found)
    local whole = sub(subject, found[1], found[2])
    local value
    if type(with) == "string" then
        return find(with, "%", 1, true) and expand(with, subject, found) or with
    elseif type(with) == "table" then
        value = with[found.count > 2 and found[3] or whole]
    elseif found.count > 2 then
        value = with(unpack(found, 3, found.count))
    else
        value = with(whole)
    end
    if not value then return whole end
    if type(value) ~= "string" and type(value) ~= "number" then
        error(format("invalid replacement value (a %s)", type(value)), 3)
    end
    return value
end

local function pack(...)
    return { count = select("#", ...), ... }
end

local function to_text(value)
    local text = tostring(value)
    if type(text) ~= "string" then error("'__tostring' must give a string", 3) end
    return text
end

-- In C an object's __tostring is called on the C stack, of which LuaJIT does not see the end: one that formats itself
-- took 0.7 s to unwind (measured), and more stack than a thread has where that is small.
function strings.format(template, ...)
    local count, objects = select("#", ...), false
    for i = 1, count do
        local kind = type((select(i, ...)))
        objects = objects or kind == "table" or kind == "userdata"
    end
    if not objects then return format(template, ...) end
    local arguments = { ... }
    for i = 1, count do
        local kind = type(arguments[i])
        if kind == "table" or kind == "userdata" then arguments[i] = to_text(arguments[i]) end
    end
    return format(template, unpack(arguments, 1, count))
end

--- The subject with matches replaced, and how many there were.
function strings.gsub(subject, pattern, with, limit)
    subject = check(subject, "string", "string.gsub")
    pattern = check(pattern, "string", "string.gsub")
    if type(with) == "number" then with = tostring(with) end
    if type(with) ~= "string" and type(with) ~= "table" and type(with) ~= "function" then
        error("string.gsub: a string, table or function was expected, not a " .. type(with), 2)
    end
    limit = sub(pattern, 1, 1) == "^" and 1 or limit or #subject + 1
    local pieces, at, count, size = {}, 1, 0, #subject
    while count < limit and at <= size + 1 do
        local found = pack(find(subject, pattern, at))
        local first, last = found[1], found[2]
        if not first then break end
        count = count + 1
        pieces[#pieces + 1] = sub(subject, at, first - 1)
        pieces[#pieces + 1] = replacement(with, subject, found)
        at = last + 1
        if last < first then -- an empty match goes on by a character, which stays
            pieces[#pieces + 1] = sub(subject, first, first)
            at = first + 1
        end
    end
    pieces[#pieces + 1] = sub(subject, at)
    return concat(pieces), count
end

return strings
