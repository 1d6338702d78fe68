--- CEL's values in Lua, and what the operators do with them.
--
-- int and uint are int64_t and uint64_t of LuaJIT's ffi, double is a number, string and bool are
-- Lua's own; bytes, list, map, timestamp, duration, type and null are tables whose metatable tells the kind.
-- What goes wrong is raised as {cel = text, pos = place in the expression}.

local ffi = require "ffi"

local values = {}

local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")
local istype, rawequal, type, getmetatable, setmetatable = ffi.istype, rawequal, type, getmetatable, setmetatable
local error, ipairs, rawget, require, tonumber, tostring, floor = error, ipairs, rawget, require, tonumber, tostring,
    math.floor
local INT_MIN, INT_MAX, UINT_MAX = -0x7fffffffffffffffLL - 1, 0x7fffffffffffffffLL, -1ULL

values.int64, values.uint64 = int64, uint64
values.INT_MIN, values.INT_MAX, values.UINT_MAX = INT_MIN, INT_MAX, UINT_MAX

local function kind(name) return { kind = name } end
local Bytes, List, Map, Null = kind "bytes", kind "list", kind "map", kind "null_type"
local Time, Span, Type = kind "google.protobuf.Timestamp", kind "google.protobuf.Duration", kind "type"
values.Map, values.null = Map, setmetatable({}, Null)

function values.fail(text, pos) error({ cel = text, pos = pos }, 0) end
local fail = values.fail

--- "line 2, column 14"
function values.place(text, pos)
    local line, start = 1, 1
    for at in text:sub(1, pos - 1):gmatch("()\n") do line, start = line + 1, at + 1 end
    return ("line %d, column %d"):format(line, pos - start + 1)
end

function values.kind_of(v)
    local t = type(v)
    if t == "string" then return "string" end
    if t == "number" then return "double" end
    if t == "boolean" then return "bool" end
    if t == "cdata" then return istype(int64, v) and "int" or "uint" end
    return getmetatable(v).kind
end
local kind_of = values.kind_of

function values.int(number) return int64(number) end
function values.bytes(text) return setmetatable({ bytes = text }, Bytes) end
function values.list(items) return setmetatable(items, List) end
function values.timestamp(seconds, nanos) return setmetatable({ seconds = seconds, nanos = nanos }, Time) end
function values.duration(seconds, nanos) return setmetatable({ seconds = seconds, nanos = nanos }, Span) end

local Optional = kind "optional_type"
values.OPTIONAL = Optional.kind
--- An optional value; nil: none.
function values.optional(value) return setmetatable({ value = value }, Optional) end

local types = {}
--- The type of that name as a value; one for each name, so that they compare by identity.
function values.type_named(name)
    types[name] = types[name] or setmetatable({ name = name }, Type)
    return types[name]
end
function values.type_of(v) return values.type_named(kind_of(v)) end

-- A map's key as a Lua key: numbers that are equal are one key, whatever their type.
local function key_of(v)
    local t = type(v)
    if t == "string" or t == "boolean" then return v end
    if t == "number" then
        if v ~= floor(v) then return nil end
        if v > -2 ^ 53 and v < 2 ^ 53 then return v + 0 end
        return "\0" .. ("%.0f"):format(v)
    end
    if t ~= "cdata" then return nil end
    local number = tonumber(v)
    if number > -2 ^ 53 and number < 2 ^ 53 then return number end
    return "\0" .. tostring(v):gsub("U?LL$", "")
end

function values.map(entries, pos)
    local map = setmetatable({ keys = {}, values = {} }, Map)
    for i = 1, #entries, 2 do
        local key = key_of(entries[i])
        local name = kind_of(entries[i])
        if key == nil or name == "double" then fail("a map's key cannot be a " .. name, pos) end
        if map.values[key] ~= nil then fail("a map with the same key twice", pos) end
        map.keys[#map.keys + 1] = entries[i]
        map.values[key] = entries[i + 1]
    end
    return map
end

--- The map's value of that key, or nil. A map with a `lookup` is asked by it (cel.lua makes such).
function values.map_get(map, key)
    local lookup = rawget(map, "lookup")
    if lookup then return lookup(key) end
    local normal = key_of(key)
    if normal == nil then return nil end
    return map.values[normal]
end

local numeric = { int = true, uint = true, double = true }

-- -1, 0, 1; nil where one is not a number
local function compare_numbers(a, b)
    local ka, kb = kind_of(a), kind_of(b)
    if ka == "double" or kb == "double" then
        a, b = tonumber(a), tonumber(b)
        if a ~= a or b ~= b then return nil end
    elseif ka ~= kb then
        if ka == "int" and a < 0 then return -1 end
        if kb == "int" and b < 0 then return 1 end
        a, b = uint64(a), uint64(b)
    end
    if a < b then return -1 end
    return a == b and 0 or 1
end

local equal

local function equal_lists(a, b)
    if #a ~= #b then return false end
    for i = 1, #a do
        if not equal(a[i], b[i]) then return false end
    end
    return true
end

local function equal_maps(a, b)
    if #a.keys ~= #b.keys then return false end
    for _, key in ipairs(a.keys) do
        local other = values.map_get(b, key)
        if other == nil or not equal(values.map_get(a, key), other) then return false end
    end
    return true
end

function equal(a, b)
    local ka, kb = kind_of(a), kind_of(b)
    if numeric[ka] and numeric[kb] then return compare_numbers(a, b) == 0 end
    if ka ~= kb then return false end
    if ka == "list" then return equal_lists(a, b) end
    if ka == "map" then return equal_maps(a, b) end
    if ka == "bytes" then return a.bytes == b.bytes end
    if ka == Optional.kind then
        return a.value == nil and b.value == nil or a.value ~= nil and b.value ~= nil and equal(a.value, b.value)
    end
    if ka == Time.kind or ka == Span.kind then
        return a.seconds == b.seconds and a.nanos == b.nanos
    end
    return rawequal(a, b)
end
values.equal = equal

local function no_overload(op, a, b, pos)
    fail(("'%s' of %s and %s"):format(op, kind_of(a), kind_of(b)), pos)
end

-- -1, 0, 1, or nil for NaN; raises where the two have no order.
local function order(op, a, b, pos)
    local ka, kb = kind_of(a), kind_of(b)
    if numeric[ka] and numeric[kb] then return compare_numbers(a, b) end
    if ka ~= kb then no_overload(op, a, b, pos) end
    if ka == "bool" then a, b = a and 1 or 0, b and 1 or 0 end
    if ka == "bytes" then a, b = a.bytes, b.bytes end
    if ka == Time.kind or ka == Span.kind then
        if a.seconds == b.seconds then a, b = a.nanos, b.nanos else a, b = a.seconds, b.seconds end
    elseif ka ~= "string" and ka ~= "bool" and ka ~= "bytes" then
        no_overload(op, a, b, pos)
    end
    if a < b then return -1 end
    return a == b and 0 or 1
end

function values.lt(a, b, pos) return order("<", a, b, pos) == -1 end
function values.gt(a, b, pos) return order(">", a, b, pos) == 1 end
function values.le(a, b, pos) local o = order("<=", a, b, pos) return o ~= nil and o <= 0 end
function values.ge(a, b, pos) local o = order(">=", a, b, pos) return o ~= nil and o >= 0 end
function values.eq(a, b) return equal(a, b) end
function values.ne(a, b) return not equal(a, b) end

values["in"] = function(item, container, pos)
    local k = kind_of(container)
    if k == "list" then
        for i = 1, #container do
            if equal(item, container[i]) then return true end
        end
        return false
    end
    if k == "map" then return values.map_get(container, item) ~= nil end
    no_overload("in", item, container, pos)
end

local function overflow(pos) fail("integer overflow", pos) end

local integer = {
    int = {
        add = function(a, b, pos)
            local sum = a + b
            if b > 0 and sum < a or b < 0 and sum > a then overflow(pos) end
            return sum
        end,
        sub = function(a, b, pos)
            local difference = a - b
            if b > 0 and difference > a or b < 0 and difference < a then overflow(pos) end
            return difference
        end,
        mul = function(a, b, pos)
            if a == 0 or b == 0 then return int64(0) end
            if a == -1 and b == INT_MIN or b == -1 and a == INT_MIN then overflow(pos) end
            local product = a * b
            if product / b ~= a then overflow(pos) end
            return product
        end,
        div = function(a, b, pos)
            if b == 0 then fail("division by zero", pos) end
            if b == -1 and a == INT_MIN then overflow(pos) end
            return a / b
        end,
        mod = function(a, b, pos)
            if b == 0 then fail("modulus by zero", pos) end
            if b == -1 then return int64(0) end
            return a % b
        end,
    },
    uint = {
        add = function(a, b, pos)
            local sum = a + b
            if sum < a then overflow(pos) end
            return sum
        end,
        sub = function(a, b, pos)
            if b > a then overflow(pos) end
            return a - b
        end,
        mul = function(a, b, pos)
            if a == 0 or b == 0 then return uint64(0) end
            local product = a * b
            if product / b ~= a then overflow(pos) end
            return product
        end,
        div = function(a, b, pos)
            if b == 0 then fail("division by zero", pos) end
            return a / b
        end,
        mod = function(a, b, pos)
            if b == 0 then fail("modulus by zero", pos) end
            return a % b
        end,
    },
    double = {
        add = function(a, b) return a + b end,
        sub = function(a, b) return a - b end,
        mul = function(a, b) return a * b end,
        div = function(a, b) return a / b end,
    },
}

local time -- mxhook.cel.time; it needs this module first

local function arithmetic(name, symbol)
    return function(a, b, pos)
        local ka, kb = kind_of(a), kind_of(b)
        local op = ka == kb and integer[ka] and integer[ka][name]
        if op then return op(a, b, pos) end
        time = time or require "mxhook.cel.time"
        local moment = time[name] and time[name](a, b, ka, kb, pos)
        if moment then return moment end
        no_overload(symbol, a, b, pos)
    end
end

values.sub, values.mul = arithmetic("sub", "-"), arithmetic("mul", "*")
values.div, values.mod = arithmetic("div", "/"), arithmetic("mod", "%")
local add_numbers = arithmetic("add", "+")

function values.add(a, b, pos)
    local ka, kb = kind_of(a), kind_of(b)
    if ka == "string" and kb == "string" then return a .. b end
    if ka == "bytes" and kb == "bytes" then return values.bytes(a.bytes .. b.bytes) end
    if ka == "list" and kb == "list" then
        local all = {}
        for i = 1, #a do all[i] = a[i] end
        for i = 1, #b do all[#a + i] = b[i] end
        return values.list(all)
    end
    return add_numbers(a, b, pos)
end

function values.neg(v, pos)
    local k = kind_of(v)
    if k == "double" then return -v end
    if k ~= "int" then fail("'-' of " .. k, pos) end
    if v == INT_MIN then overflow(pos) end
    return -v
end

values["not"] = function(v, pos)
    if type(v) ~= "boolean" then fail("'!' of " .. kind_of(v), pos) end
    return not v
end

--- Must be a bool: of a condition, or of an operand of && and ||.
function values.bool(v, pos)
    if type(v) ~= "boolean" then fail("a bool was expected, not " .. kind_of(v), pos) end
    return v
end

function values.index(container, key, pos)
    local k = kind_of(container)
    if k == "map" then
        local found = values.map_get(container, key)
        if found == nil then found = container.default end
        if found == nil then fail("no such key: " .. require "mxhook.cel.convert".text(key), pos) end
        return found
    end
    if k ~= "list" then no_overload("[]", container, key, pos) end
    if not numeric[kind_of(key)] then fail("a list's index cannot be " .. kind_of(key), pos) end
    local at = tonumber(key)
    if at ~= floor(at) or at < 0 or at >= #container then fail("index out of range", pos) end
    return container[at + 1]
end

function values.select(container, field, pos)
    if kind_of(container) ~= "map" then
        fail(("%s has no field '%s'"):format(kind_of(container), field), pos)
    end
    return values.index(container, field, pos)
end

function values.has(container, field, pos)
    if kind_of(container) ~= "map" then
        fail(("%s has no field '%s'"):format(kind_of(container), field), pos)
    end
    return values.map_get(container, field) ~= nil
end

return values
