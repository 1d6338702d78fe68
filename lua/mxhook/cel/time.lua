--- CEL's timestamp and duration: arithmetic, conversion, parts, time zones.

local values = require "mxhook.cel.values"
local core = require "mxhook.core"

local select, tonumber, type, ceil, floor = select, tonumber, type, math.ceil, math.floor

local time = {}

local fail = values.fail
local TIME, SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"
local FIRST, LAST = -62135596800, 253402300799 -- of the years 1 and 9999
local MAX_SPAN = 9223372036                    -- seconds that fit in int64 nanoseconds
local BILLION = 1000000000

local function timestamp(seconds, nanos, pos)
    seconds, nanos = seconds + floor(nanos / BILLION), nanos % BILLION
    if seconds < FIRST or seconds > LAST then fail("timestamp out of range", pos) end
    return values.timestamp(seconds, nanos)
end

-- Seconds and nanoseconds of one sign.
local function duration(seconds, nanos, pos)
    seconds, nanos = seconds + floor(nanos / BILLION), nanos % BILLION
    if seconds < -MAX_SPAN or seconds >= MAX_SPAN then fail("duration out of range", pos) end
    return values.duration(seconds, nanos)
end
time.timestamp, time.duration = timestamp, duration

function time.add(a, b, ka, kb, pos)
    if ka == SPAN and kb == TIME then a, b, ka, kb = b, a, kb, ka end
    if kb ~= SPAN then return nil end
    local make = ka == TIME and timestamp or ka == SPAN and duration
    return make and make(a.seconds + b.seconds, a.nanos + b.nanos, pos)
end

function time.sub(a, b, ka, kb, pos)
    if ka == TIME and kb == SPAN then
        return timestamp(a.seconds - b.seconds, a.nanos - b.nanos, pos)
    end
    if ka == kb and (ka == TIME or ka == SPAN) then
        return duration(a.seconds - b.seconds, a.nanos - b.nanos, pos)
    end
    return nil
end

-- Days since 1970 of a date of the Gregorian calendar, and back (civil calendar by 400-year eras).
local function days_of(year, month, day)
    if month <= 2 then year = year - 1 end
    local era = floor(year / 400)
    local of_era = year - era * 400
    local of_year = floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
    local days = of_era * 365 + floor(of_era / 4) - floor(of_era / 100) + of_year
    return era * 146097 + days - 719468
end

local function date_of(days)
    days = days + 719468
    local era = floor(days / 146097)
    local rest = days - era * 146097
    local year = floor((rest - floor(rest / 1460) + floor(rest / 36524)
        - floor(rest / 146096)) / 365)
    local of_year = rest - (365 * year + floor(year / 4) - floor(year / 100))
    local shifted = floor((5 * of_year + 2) / 153)
    local month = shifted + (shifted < 10 and 3 or -9)
    year = year + era * 400 + (month <= 2 and 1 or 0)
    return year, month, of_year - floor((153 * shifted + 2) / 5) + 1
end

local function nanos_of(fraction)
    return fraction == "" and 0 or tonumber((fraction .. "000000000"):sub(1, 9))
end

local function fraction_of(nanos)
    if nanos == 0 then return "" end
    return "." .. ("%09d"):format(nanos):gsub("0+$", "")
end

--- RFC 3339
function time.parse_timestamp(text, pos)
    local year, month, day, hour, minute, second, fraction, zone =
        text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d):(%d%d):(%d%d)%.?(%d*)([Zz+%-].*)$")
    local sign, zone_hour, zone_minute = "+", 0, 0
    if zone and zone:upper() ~= "Z" then
        sign, zone_hour, zone_minute = zone:match("^([+-])(%d%d):(%d%d)$")
    end
    if not year or not sign or tonumber(zone_hour) > 23 or tonumber(zone_minute) > 59 then fail("not a timestamp: '" .. text:sub(1, 60) .. "'", pos) end
    year, month, day = tonumber(year), tonumber(month), tonumber(day)
    local days = days_of(year, month, day)
    local y, m, d = date_of(days)
    if y ~= year or m ~= month or d ~= day or tonumber(hour) > 23 or tonumber(minute) > 59
        or tonumber(second) > 59 or #fraction > 9 then
        fail("not a timestamp: '" .. text:sub(1, 60) .. "'", pos)
    end
    local offset = (tonumber(zone_hour) * 60 + tonumber(zone_minute)) * 60
    local seconds = days * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
    return timestamp(seconds - (sign == "-" and -offset or offset), nanos_of(fraction), pos)
end

function time.timestamp_text(t)
    local days = floor(t.seconds / 86400)
    local year, month, day = date_of(days)
    local second = t.seconds - days * 86400
    return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, floor(second / 3600),
        floor(second / 60) % 60, second % 60, fraction_of(t.nanos))
end

local units = { h = 3600, m = 60, s = 1, ms = 1e-3, us = 1e-6, ["\194\181s"] = 1e-6, ns = 1e-9 }

-- A number in decimal digits times the unit, as whole seconds and nanoseconds.
local function add_unit(seconds, nanos, whole, fraction, unit)
    local per = units[unit]
    whole = tonumber(whole) or 0
    if per >= 1 then
        local part = fraction == "" and 0 or tonumber("0." .. fraction) * per
        return seconds + whole * per + floor(part),
            nanos + floor((part - floor(part)) * BILLION + 0.5)
    end
    local each = per * BILLION
    local part = fraction == "" and 0 or tonumber("0." .. fraction) * each
    return seconds + floor(whole / (BILLION / each)),
        nanos + (whole % (BILLION / each)) * each + floor(part + 0.5)
end

--- "1h30m", "-1.5s", "3ms"
function time.parse_duration(text, pos)
    local sign, rest = text:match("^([+-]?)(.+)$")
    local seconds, nanos = 0, 0
    while rest and rest ~= "" and rest ~= "0" do
        local whole, fraction, unit, more = rest:match("^(%d*)%.?(%d*)([a-z\194\181]+)(.*)$")
        if not whole or whole == "" and fraction == "" or not units[unit] then
            fail("not a duration: '" .. text:sub(1, 60) .. "'", pos)
        end
        seconds, nanos = add_unit(seconds, nanos, whole, fraction, unit)
        rest = more
    end
    if not rest then fail("not a duration: ''", pos) end
    if sign == "-" then seconds, nanos = -seconds, -nanos end
    return duration(seconds, nanos, pos)
end

function time.duration_text(d)
    local seconds, nanos, sign = d.seconds, d.nanos, ""
    if seconds < 0 then
        sign = "-"
        seconds, nanos = -seconds, -nanos
        if nanos < 0 then seconds, nanos = seconds - 1, nanos + BILLION end
    end
    return ("%s%d%ss"):format(sign, seconds, fraction_of(nanos))
end

-- Zones that were asked for, by name. There are some 600 names; who asks for that many waits for the disk.
local MAX_ZONES = 64
local zones, zone_count = {}, 0

local function zone_named(name)
    local zone = zones[name]
    if zone then return zone end
    zone = core.zone(name)
    if not zone then return nil end
    if zone_count >= MAX_ZONES then zones, zone_count = {}, 0 end
    zones[name], zone_count = zone, zone_count + 1
    return zone
end

local MAX_OFFSET = 14 * 3600 -- of any place on Earth

-- Seconds east of UTC of "+02:00", "-09:30", "02:00"; nil: it is a name.
local function fixed_offset(zone, pos)
    local sign, hour, minute = zone:match("^([+-]?)(%d%d?):(%d%d)$")
    if not sign then return (zone == "UTC" or zone == "Z") and 0 or nil end
    local offset = tonumber(hour) * 3600 + tonumber(minute) * 60
    if offset > MAX_OFFSET or tonumber(minute) > 59 then
        fail("a time zone's offset is between -14:00 and +14:00, not '" .. zone .. "'", pos)
    end
    return sign == "-" and -offset or offset
end

--- Raises where there is no such zone: a fixed offset, or a name of the zone database.
function time.check_zone(zone, pos)
    if not fixed_offset(zone, pos) and not zone_named(zone) then
        fail("unknown time zone '" .. zone:sub(1, 60) .. "'", pos)
    end
end

local function zone_offset(zone, seconds, pos)
    local offset = fixed_offset(zone, pos)
    if offset then return offset end
    time.check_zone(zone, pos)
    return core.zone_offset(zone_named(zone), seconds)
end

local parts = {
    getFullYear = function(days) return (date_of(days)) end,
    getMonth = function(days) return select(2, date_of(days)) - 1 end,
    getDayOfMonth = function(days) return select(3, date_of(days)) - 1 end,
    getDate = function(days) return (select(3, date_of(days))) end,
    getDayOfWeek = function(days) return (days + 4) % 7 end,
    getDayOfYear = function(days) return days - days_of(date_of(days), 1, 1) end,
    getHours = function(_, second) return floor(second / 3600) end,
    getMinutes = function(_, second) return floor(second / 60) % 60 end,
    getSeconds = function(_, second) return second % 60 end,
    getMilliseconds = function(_, _, nanos) return floor(nanos / 1e6) end,
}

local function toward_zero(number) return number < 0 and ceil(number) or floor(number) end

local span_parts = {
    getHours = function(seconds) return toward_zero(seconds / 3600) end,
    getMinutes = function(seconds) return toward_zero(seconds / 60) end,
    getSeconds = function(seconds) return toward_zero(seconds) end,
    getMilliseconds = function(_, d) return floor(d.nanos / 1e6) end,
}

--- The methods getFullYear, ... of timestamps and durations, by name.
time.methods = {}
for name, part in pairs(parts) do
    time.methods[name] = function(pos, v, zone)
        local k = values.kind_of(v)
        if k == SPAN and span_parts[name] and zone == nil then
            return values.int(span_parts[name](v.seconds + v.nanos / BILLION, v))
        end
        if k ~= TIME or zone ~= nil and type(zone) ~= "string" then
            fail(("%s of %s"):format(name, k), pos)
        end
        local seconds = v.seconds + (zone and zone_offset(zone, v.seconds, pos) or 0)
        local days = floor(seconds / 86400)
        return values.int(part(days, seconds - days * 86400, v.nanos))
    end
end

return time
