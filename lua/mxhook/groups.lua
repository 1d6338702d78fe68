--- $1 to $9, ${1} and ${name} in destinations: what a pattern's groups matched.
--
-- What a sender wrote must not change a destination's shape. In a URL it stays within its path segment or value; in an
-- address within the local part, where all but atoms and dots (RFC 5322 section 3.2.3) is encoded the same way.

local next, pairs, setmetatable, tonumber, type = next, pairs, setmetatable, tonumber, type
local concat, sort, max = table.concat, table.sort, math.max
local raw_metatable = debug.getmetatable

local groups = {}

local NO_URL_TEXT, NO_LOCAL_PART = "[^%w%-._~]", "[^%w!#$%%&'*+/=?^_`{|}~.\128-\255-]"

local function percent_encode(text, characters)
    return (text:gsub(characters, function(char) return ("%%%02X"):format(char:byte()) end))
end

-- The string with each reference replaced by what replace(name or number) gives.
local function replace_in(text, replace)
    return (text:gsub("%$({?)([%w_]+)(}?)", function(open, name, close)
        if open ~= "" then return close ~= "" and replace(tonumber(name) or name) or nil end
        local digit, rest = name:match("^(%d)(.*)$")
        return digit and replace(tonumber(digit)) .. rest .. close
    end))
end

--- A copy of the value with group(name or number) for each reference, encoded.
function groups.substitute(value, group)
    if type(value) == "string" then
        return (value:gsub("[^,]+", function(destination)
            local encoded = destination:find("://", 1, true) and NO_URL_TEXT or NO_LOCAL_PART
            return replace_in(destination, function(name) return percent_encode(group(name), encoded) end)
        end))
    end
    if type(value) ~= "table" then return value end
    local copy = {}
    for key, item in next, value do copy[key] = groups.substitute(item, group) end
    return setmetatable(copy, raw_metatable(value)) -- an answer of route's stays one
end

-- Calls f(text) with each string in the value.
local function each_string(value, f)
    if type(value) == "string" then
        f(value)
    elseif type(value) == "table" then
        for _, item in next, value do each_string(item, f) end
    end
end

--- Does anything in the value refer to a group?
function groups.any(value)
    local found = false
    each_string(value, function(text) found = found or text:find("%$%d") ~= nil or text:find("%${[%w_]+}") ~= nil end)
    return found
end

local function sorted(names)
    local list = {}
    for name in pairs(names) do list[#list + 1] = name end
    sort(list)
    return list
end

local function wrong_reference(text, count, names)
    if text:find("%$%d%d") then
        local found = text:match("%$%d%d+")
        return found .. ": groups are $1 to $9; where a digit follows, write ${" .. found:sub(2, 2) .. "}"
    end
    for reference in text:gmatch("%${([^}]*)}?") do
        local number = tonumber(reference)
        if number and (number < 1 or number > count) or not number and not names[reference] then
            local known = sorted(names)
            return ("${%s} in its destination, but the pattern has %d group(s)%s"):format(reference, count,
                #known > 0 and ", named " .. concat(known, ", ") or "")
        end
    end
    for digit in text:gmatch("%$(%d)") do
        if tonumber(digit) < 1 or tonumber(digit) > count then
            return ("$%s in its destination, but the pattern has %d group(s)"):format(digit, count)
        end
    end
    for destination in text:gmatch("[^,]+") do
        -- a parameter may be called so: "?$filter=x"
        local name = destination:match(count > 0 and "%$([%a_][%w_]*)" or "://.*[^?&]%$([%a_][%w_]*)")
        if name then
            return ("$%s: write ${%s}; a dollar sign itself is %%24"):format(name, name)
        end
    end
end

--- What is wrong with the value's references to a pattern of `count` groups, with these names; nil: nothing.
function groups.check(value, count, names)
    local wrong
    each_string(value, function(text) wrong = wrong or wrong_reference(text, count, names) end)
    return wrong
end

--- Is a segment of a URL's path "." or ".."? "/tenants/$1/new" with ".." for $1 is "/new", and no encoding keeps every
-- server from taking it so.
function groups.has_dot_segment(value)
    local found = false
    each_string(value, function(text)
        for destination in text:gmatch("[^,]+") do
            local path = destination:match("://[^/?#]*([^?#]*)") or ""
            for segment in path:gmatch("[^/]+") do
                segment = segment:gsub("%%2[eE]", ".")
                found = found or segment == "." or segment == ".."
            end
        end
    end)
    return found
end

--- The most groups of these compiled patterns, and their names together.
function groups.of(codes)
    local count, names = 0, {}
    for _, code in next, codes do
        count = max(count, code:groups())
        for name, number in pairs(code:names()) do names[name] = number end
    end
    return count, names
end

return groups
