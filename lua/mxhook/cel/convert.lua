--- CEL's conversions: int(), uint(), double(), string(), bytes(), bool(), timestamp(), duration().

local ffi = require "ffi"
local utf8 = require "mxhook.utf8"
local time = require "mxhook.cel.time"
local values = require "mxhook.cel.values"

local tonumber, tostring, type, huge = tonumber, tostring, type, math.huge

local convert = {}

local fail, kind_of = values.fail, values.kind_of
local int64, uint64 = values.int64, values.uint64

--- Decimal digits as uint64_t; nil where they do not fit.
function convert.digits(text)
    local number = uint64(0)
    for i = 1, #text do
        local digit = text:byte(i) - 48
        if number > (values.UINT_MAX - digit) / 10 then return nil end
        number = number * 10 + digit
    end
    return number
end

local function int_of_text(text, pos)
    local sign, digits = text:match("^([+-]?)(%d+)$")
    local number = digits and convert.digits(digits)
    local limit = uint64(values.INT_MAX) + (sign == "-" and 1 or 0)
    if not number or number > limit then fail("not an int: '" .. text:sub(1, 40) .. "'", pos) end
    return sign == "-" and -int64(number) or int64(number)
end

local function wrong(name, v, pos) fail(("%s(%s)"):format(name, kind_of(v)), pos) end

function convert.int(pos, v)
    local k = kind_of(v)
    if k == "int" then return v end
    if k == "uint" then
        if v > uint64(values.INT_MAX) then fail("int overflow", pos) end
        return int64(v)
    elseif k == "double" then
        if not (v > -2 ^ 63 and v < 2 ^ 63) then fail("int overflow", pos) end
        return int64(v)
    elseif k == "string" then
        return int_of_text(v, pos)
    elseif k == "google.protobuf.Timestamp" then
        return int64(v.seconds)
    end
    wrong("int", v, pos)
end

function convert.uint(pos, v)
    local k = kind_of(v)
    if k == "uint" then return v end
    if k == "int" then
        if v < 0 then fail("uint overflow", pos) end
        return uint64(v)
    elseif k == "double" then
        if not (v > -1 and v < 2 ^ 64) then fail("uint overflow", pos) end
        return v >= 2 ^ 63 and uint64(int64(v - 2 ^ 63)) + 0x8000000000000000ULL or uint64(int64(v))
    elseif k == "string" then
        local number = v:find("^%d+$") and convert.digits(v)
        if not number then fail("not a uint: '" .. v:sub(1, 40) .. "'", pos) end
        return number
    end
    wrong("uint", v, pos)
end

local infinite = { inf = huge, ["+inf"] = huge, infinity = huge, ["+infinity"] = huge,
    ["-inf"] = -huge, ["-infinity"] = -huge, nan = 0 / 0 }

function convert.double(pos, v)
    local k = kind_of(v)
    if k == "double" then return v end
    if k == "int" or k == "uint" then return tonumber(v) end
    if k ~= "string" then wrong("double", v, pos) end
    local number = infinite[v:lower()]
        or (v:find("^[+-]?%d*%.?%d*[eE]?[+-]?%d*$") and v:find("%d")) and tonumber((v:gsub("^%+", "")))
    if not number then fail("not a double: '" .. v:sub(1, 40) .. "'", pos) end
    return number
end

local function double_text(v)
    if v ~= v then return "NaN" end
    if v == huge then return "Infinity" end
    if v == -huge then return "-Infinity" end
    for digits = 15, 17 do -- the shortest that reads back as the same
        local text = ("%." .. digits .. "g"):format(v)
        if tonumber(text) == v then return text end
    end
end

local text_of = {
    string = function(v) return v end,
    int = function(v) return (tostring(v):gsub("LL$", "")) end,
    uint = function(v) return (tostring(v):gsub("ULL$", "")) end,
    double = double_text,
    bool = tostring,
    ["google.protobuf.Timestamp"] = time.timestamp_text,
    ["google.protobuf.Duration"] = time.duration_text,
}

--- The value as text, for people: never raises.
function convert.text(v)
    local text = text_of[kind_of(v)]
    return text and text(v) or kind_of(v)
end

function convert.string(pos, v)
    local k = kind_of(v)
    if k == "bytes" then
        if not utf8.is_valid(v.bytes) then fail("bytes that are not UTF-8", pos) end
        return v.bytes
    end
    if not text_of[k] then wrong("string", v, pos) end
    return text_of[k](v)
end

function convert.bytes(pos, v)
    if kind_of(v) == "bytes" then return v end
    if type(v) ~= "string" then wrong("bytes", v, pos) end
    return values.bytes(v)
end

local bools = { ["1"] = true, t = true, ["true"] = true, TRUE = true, True = true, T = true,
    ["0"] = false, f = false, ["false"] = false, FALSE = false, False = false, F = false }

function convert.bool(pos, v)
    if type(v) == "boolean" then return v end
    if type(v) ~= "string" then wrong("bool", v, pos) end
    if bools[v] == nil then fail("not a bool: '" .. v:sub(1, 40) .. "'", pos) end
    return bools[v]
end

function convert.timestamp(pos, v)
    local k = kind_of(v)
    if k == "google.protobuf.Timestamp" then return v end
    if k == "int" then return time.timestamp(tonumber(v), 0, pos) end
    if k ~= "string" then wrong("timestamp", v, pos) end
    return time.parse_timestamp(v, pos)
end

function convert.duration(pos, v)
    local k = kind_of(v)
    if k == "google.protobuf.Duration" then return v end
    if k == "int" then return time.duration(tonumber(v), 0, pos) end
    if k ~= "string" then wrong("duration", v, pos) end
    return time.parse_duration(v, pos)
end

function convert.dyn(_, v) return v end
function convert.type(_, v) return values.type_of(v) end

return convert
