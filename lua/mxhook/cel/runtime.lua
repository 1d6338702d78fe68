--- What code that CEL's compiler made calls as R: logic that absorbs errors, macros, and what values.lua has.

local strings = require "mxhook.cel.strings"
local values = require "mxhook.cel.values"

local error, ipairs, pcall, select, setmetatable, tonumber, type = error, ipairs, pcall, select, setmetatable, tonumber, type

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

--- cel.bind: the body sees the value by its name.
function runtime.bind(body, value) return body(value) end

runtime.quote, runtime.matches = strings.quote, strings.matches

-- Optional values: a value, or none.

local none = values.optional(nil)

--- object.?field and object[?key]: an optional; of a map, of a list, or of an optional that holds one.
function runtime.opt_select(object, key, pos)
    if kind_of(object) == values.OPTIONAL then
        if object.value == nil then return none end
        object = object.value
    end
    local k = kind_of(object)
    if k == "map" then return values.optional(values.map_get(object, key)) end
    local at = type(key) ~= "string" and k == "list" and tonumber(key)
    if not at then fail(("there is no '%s' in %s"):format(type(key) == "string" and key or kind_of(key), k), pos) end
    return values.optional(object[at + 1])
end

--- What is taken out of an optional is one.
function runtime.select(container, field, pos)
    if kind_of(container) == values.OPTIONAL then return runtime.opt_select(container, field, pos) end
    return values.select(container, field, pos)
end

function runtime.index(container, key, pos)
    if kind_of(container) == values.OPTIONAL then return runtime.opt_select(container, key, pos) end
    return values.index(container, key, pos)
end

function runtime.has(container, field, pos)
    if kind_of(container) == values.OPTIONAL then return runtime.opt_select(container, field, pos).value ~= nil end
    return values.has(container, field, pos)
end

local function check_optional(name, pos, value)
    if kind_of(value) ~= values.OPTIONAL then fail(("%s of %s"):format(name, kind_of(value)), pos) end
    return value
end

--- A list's items; those at the places that `optional` has are optionals, and left out where they are none.
function runtime.list_of(items, optional, pos)
    local all = {}
    for i, item in ipairs(items) do
        if optional[i] then item = check_optional("'?' in a list", pos, item).value end
        if item ~= nil then all[#all + 1] = item end
    end
    return values.list(all)
end

--- The same for a map: keys and values in turn; an entry whose value is none is left out.
function runtime.map_of(entries, optional, pos)
    local all = {}
    for i = 1, #entries, 2 do
        local value = entries[i + 1]
        if optional[i + 1] then value = check_optional("'?' in a map", pos, value).value end
        if value ~= nil then
            all[#all + 1] = entries[i]
            all[#all + 1] = value
        end
    end
    return values.map(all, pos)
end

function runtime.opt_of(_, value) return values.optional(value) end
function runtime.opt_none() return none end

local TIME, SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"
local zeros = { string = "", double = 0, bool = false }

--- optional.ofNonZeroValue
function runtime.opt_of_non_zero(pos, value)
    local k = kind_of(value)
    local zero = value == zeros[k] or (k == "int" or k == "uint") and value == 0 or k == "null_type"
        or (k == "list" or k == "map") and runtime.size(pos, value) == 0 or k == "bytes" and value.bytes == ""
        or (k == TIME or k == SPAN) and value.seconds == 0 and value.nanos == 0
    return zero and none or values.optional(value)
end

runtime.methods = {
    hasValue = function(pos, opt) return check_optional("hasValue", pos, opt).value ~= nil end,
    value = function(pos, opt)
        local found = check_optional("value", pos, opt).value
        if found == nil then fail("an optional value that is none", pos) end
        return found
    end,
    orValue = function(pos, opt, otherwise)
        local found = check_optional("orValue", pos, opt).value
        if found == nil then return otherwise end
        return found
    end,
    ["or"] = function(pos, opt, other)
        check_optional("or", pos, other)
        return check_optional("or", pos, opt).value ~= nil and opt or other
    end,
}
runtime.arity = { hasValue = { 0, 0 }, value = { 0, 0 }, orValue = { 1, 1 }, ["or"] = { 1, 1 } }

--- opt.optMap(v, expression) and optFlatMap: nothing is evaluated where there is none.
function runtime.opt_map(pos, opt, f)
    local found = check_optional("optMap", pos, opt).value
    if found == nil then return none end
    return values.optional(f(found))
end

function runtime.opt_flat_map(pos, opt, f)
    local found = check_optional("optFlatMap", pos, opt).value
    if found == nil then return none end
    return check_optional("optFlatMap", pos, f(found))
end

return runtime
