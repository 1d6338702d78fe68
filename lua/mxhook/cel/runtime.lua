--- What code that CEL's compiler made calls as R: logic that absorbs errors, macros, and what values.lua has.

local strings = require "mxhook.cel.strings"
local values = require "mxhook.cel.values"

local error, ipairs, pcall, select, setmetatable, type = error, ipairs, pcall, select, setmetatable, type

local fail, kind_of = values.fail, values.kind_of

local runtime = setmetatable({}, { __index = values })

function runtime.raise(text, pos) fail(text, pos) end

-- Logic that absorbs errors: of two operands in either order, one that decides wins over one that raises.
local function logic(decides)
    return function(pos, ...)
        local failure
        for i = 1, select("#", ...) do
            local operand = select(i, ...)
            local ok, value = pcall(operand)
            if ok and value == decides then return decides end
            if ok and type(value) ~= "boolean" then
                ok, value = pcall(values.bool, value, pos)
            end
            if not ok then failure = failure or value end
        end
        if failure then error(failure, 0) end
        return not decides
    end
end
runtime.all_of, runtime.any_of = logic(false), logic(true)

-- Calls f(first, second) for each item: key or index first where `two`. Stops where it returns true.
local function each(range, two, pos, f)
    local k = kind_of(range)
    if k == "list" then
        for i = 1, #range do
            local stop
            if two then stop = f(values.int64(i - 1), range[i]) else stop = f(range[i]) end
            if stop then return end
        end
    elseif k == "map" then
        for _, key in ipairs(range.keys) do
            local stop
            if two then stop = f(key, values.map_get(range, key)) else stop = f(key) end
            if stop then return end
        end
    else
        fail("a list or map was expected, not " .. k, pos)
    end
end

local function quantifier(decides)
    return function(pos, range, two, test)
        local failure, decided
        each(range, two, pos, function(a, b)
            local ok, value = pcall(test, a, b)
            if ok then ok, value = pcall(values.bool, value, pos) end
            if not ok then
                failure = failure or value
            elseif value == decides then
                decided = true
            end
            return decided
        end)
        if decided then return decides end
        if failure then error(failure, 0) end
        return not decides
    end
end
runtime.all, runtime.exists = quantifier(false), quantifier(true)

function runtime.exists_one(pos, range, two, test)
    local count = 0
    each(range, two, pos, function(a, b)
        if values.bool(test(a, b), pos) then count = count + 1 end
    end)
    return count == 1
end

function runtime.transform_list(pos, range, two, test, transform)
    local out = {}
    each(range, two, pos, function(a, b)
        if not test or values.bool(test(a, b), pos) then out[#out + 1] = transform(a, b) end
    end)
    return values.list(out)
end

function runtime.transform_map(pos, range, two, test, transform)
    local out = {}
    each(range, two, pos, function(a, b)
        if not test or values.bool(test(a, b), pos) then
            out[#out + 1] = a
            out[#out + 1] = transform(a, b)
        end
    end)
    return values.map(out, pos)
end

function runtime.size(pos, v)
    local k = kind_of(v)
    if k == "string" then return strings.size(v) end
    if k == "bytes" then return values.int64(#v.bytes) end
    if k == "list" then return values.int64(#v) end
    if k == "map" then return values.int64(#v.keys) end
    fail("size of " .. k, pos)
end

function runtime.filter(pos, range, two, test)
    return runtime.transform_list(pos, range, two, test, function(item) return item end)
end

function runtime.pick(condition, yes, no)
    if condition then return yes() end
    return no()
end

function runtime.starts_with(text, part) return text:sub(1, #part) == part end
function runtime.ends_with(text, part) return part == "" or text:sub(-#part) == part end

runtime.quote = strings.quote

return runtime
