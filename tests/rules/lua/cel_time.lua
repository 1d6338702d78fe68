-- CEL's times against the C library's: dates of all centuries, durations in all units, zones at their limits. Returns how many
-- cases there are.
local time = require "mxhook.cel.time"
local values = require "mxhook.cel.values"

local cases = 0

local function equal(got, expected, about)
    cases = cases + 1
    if got ~= expected then error(("%s: %s, not %s"):format(about, tostring(got), tostring(expected)), 2) end
end

local function fails(f, about)
    cases = cases + 1
    if pcall(f) then error(about .. " does not fail", 2) end
end

-- ---- Dates ----

local fields = { getFullYear = { "year", 0 }, getMonth = { "month", -1 }, getDayOfMonth = { "day", -1 }, getDate = { "day", 0 },
    getDayOfWeek = { "wday", -1 }, getDayOfYear = { "yday", -1 }, getHours = { "hour", 0 }, getMinutes = { "min", 0 },
    getSeconds = { "sec", 0 } }

local function check_date(seconds)
    local text, t = os.date("!%Y-%m-%dT%H:%M:%SZ", seconds), values.timestamp(seconds, 0)
    equal(time.timestamp_text(t), text, "text of " .. seconds)
    equal(time.parse_timestamp(text).seconds, seconds, text)
    local date = os.date("!*t", seconds)
    for name, field in pairs(fields) do
        equal(tonumber(time.methods[name](nil, t)), date[field[1]] + field[2], name .. " of " .. text)
    end
end

-- From the year 1000 on, a prime number of seconds apart; and each side of each turn of a year, a century and a leap day.
for i = 0, 3000 do check_date(-30610224000 + i * 94608041) end
for _, year in ipairs { 1600, 1700, 1896, 1900, 1904, 1970, 1999, 2000, 2001, 2024, 2100, 2400, 9999 } do
    for month = 1, 12 do
        local first = time.parse_timestamp(("%04d-%02d-01T00:00:00Z"):format(year, month)).seconds
        check_date(first)
        check_date(first - 1)
    end
    local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    equal(pcall(time.parse_timestamp, ("%04d-02-29T00:00:00Z"):format(year)), leap, "29 February of " .. year)
end

local texts = { -- what is read, what is written of it, nanoseconds
    { "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", 0 }, { "2026-01-02t03:04:05z", "2026-01-02T03:04:05Z", 0 },
    { "2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.1Z", 100000000 }, { "2026-01-02T03:04:05.120Z", "2026-01-02T03:04:05.12Z", 120000000 },
    { "2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000001Z", 1 }, { "2026-01-02T03:04:05.999999999Z", "2026-01-02T03:04:05.999999999Z", 999999999 },
    { "2026-01-02T03:04:05+01:30", "2026-01-02T01:34:05Z", 0 }, { "2026-01-02T03:04:05-01:30", "2026-01-02T04:34:05Z", 0 },
    { "2026-01-02T03:04:05+23:59", "2026-01-01T03:05:05Z", 0 }, { "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 0 },
    { "9999-12-31T23:59:59.9Z", "9999-12-31T23:59:59.9Z", 900000000 }, { "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z", 500000000 },
}
for _, row in ipairs(texts) do
    local t = time.parse_timestamp(row[1])
    equal(time.timestamp_text(t), row[2], row[1])
    equal(t.nanos, row[3], row[1])
    equal(tonumber(time.methods.getMilliseconds(nil, t)), math.floor(row[3] / 1000000), row[1])
end
for _, text in ipairs { "2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-1-02T03:04:05Z", "2026-01-02T03:04:05+24:00",
    "2026-01-02T03:04:05+00:60", "2026-01-02T03:04:05+0100", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-01-32T00:00:00Z", "", "x" } do
    fails(function() time.parse_timestamp(text) end, text)
end
fails(function() time.timestamp(-62135596801, 0) end, "before the year 1")
fails(function() time.timestamp(253402300799, 1000000000) end, "after the year 9999")
equal(time.timestamp(253402300799, 999999999).nanos, 999999999, "the last nanosecond")
equal(time.timestamp(5, -1).seconds, 4, "a nanosecond before")
equal(time.timestamp(5, -1).nanos, 999999999, "a nanosecond before")

-- ---- Durations ----

local spans = { -- text, what is written of it, hours, minutes, seconds, milliseconds
    { "0", "0s", 0, 0, 0, 0 }, { "0s", "0s", 0, 0, 0, 0 }, { "1h", "3600s", 1, 60, 3600, 0 }, { "+1h", "3600s", 1, 60, 3600, 0 },
    { "-1h", "-3600s", -1, -60, -3600, 0 }, { "1h30m", "5400s", 1, 90, 5400, 0 }, { "1.5h", "5400s", 1, 90, 5400, 0 }, { ".5m", "30s", 0, 0, 30, 0 },
    { "1.m", "60s", 0, 1, 60, 0 }, { "1.25s", "1.25s", 0, 0, 1, 250 }, { "-1.25s", "-1.25s", 0, 0, -1, 750 }, { "-0.5s", "-0.5s", 0, 0, 0, 500 },
    { "1500ms", "1.5s", 0, 0, 1, 500 }, { "0.5ms", "0.0005s", 0, 0, 0, 0 }, { "1999999us", "1.999999s", 0, 0, 1, 999 }, { "1\194\181s", "0.000001s", 0, 0, 0, 0 },
    { "1000000001ns", "1.000000001s", 0, 0, 1, 0 }, { "0.6ns", "0.000000001s", 0, 0, 0, 0 }, { "0.4ns", "0s", 0, 0, 0, 0 }, { "59m59.999s", "3599.999s", 0, 59, 3599, 999 },
    { "-3599s", "-3599s", 0, -59, -3599, 0 }, { "9223372035s", "9223372035s", 2562047, 153722867, 9223372035, 0 },
    { "-9223372036s", "-9223372036s", -2562047, -153722867, -9223372036, 0 }, { "1h1h", "7200s", 2, 120, 7200, 0 },
}
for _, row in ipairs(spans) do
    local span = time.parse_duration(row[1])
    equal(time.duration_text(span), row[2], row[1])
    for i, name in ipairs { "getHours", "getMinutes", "getSeconds", "getMilliseconds" } do
        equal(tonumber(time.methods[name](nil, span)), row[i + 2], name .. " of " .. row[1])
    end
end
for _, text in ipairs { "", "1", "s", ".s", "1x", "1d", "1 s", "--1s", "1s2", "9223372036s", "-9223372037s", "3000000h", "1.s.", "0x1s" } do
    fails(function() time.parse_duration(text) end, text)
end
fails(function() time.methods.getFullYear(nil, time.parse_duration("1h")) end, "the year of a duration")
fails(function() time.methods.getHours(nil, time.parse_duration("1h"), "UTC") end, "a duration's zone")
fails(function() time.methods.getHours(nil, "text") end, "the hours of a text")

-- ---- Sums ----

local T, D = "google.protobuf.Timestamp", "google.protobuf.Duration"
local at, span = time.parse_timestamp("2026-01-01T00:00:00.6Z"), time.parse_duration("1.5s")
equal(time.timestamp_text(time.add(at, span, T, D)), "2026-01-01T00:00:02.1Z", "time and duration")
equal(time.timestamp_text(time.add(span, at, D, T)), "2026-01-01T00:00:02.1Z", "duration and time")
equal(time.duration_text(time.add(span, span, D, D)), "3s", "two durations")
equal(time.add(at, at, T, T), nil, "two times")
equal(time.timestamp_text(time.sub(at, span, T, D)), "2025-12-31T23:59:59.1Z", "time less duration")
equal(time.duration_text(time.sub(at, time.parse_timestamp("2026-01-01T00:00:01Z"), T, T)), "-0.4s", "time less time")
equal(time.duration_text(time.sub(span, time.parse_duration("2s"), D, D)), "-0.5s", "duration less duration")
equal(time.sub(span, at, D, T), nil, "duration less time")

-- ---- Zones ----

local noon = time.parse_timestamp("2026-07-01T12:34:56Z")
for zone, expected in pairs { UTC = 1234, Z = 1234, ["+14:00"] = 234, ["-14:00"] = 2234, ["+00:59"] = 1333, ["-00:35"] = 1159, ["9:30"] = 2204, ["02:00"] = 1434,
    ["Europe/Berlin"] = 1434, ["America/New_York"] = 834, ["Asia/Kathmandu"] = 1819 } do
    equal(tonumber(time.methods.getHours(nil, noon, zone)) * 100 + tonumber(time.methods.getMinutes(nil, noon, zone)), expected, zone)
end
equal(tonumber(time.methods.getDate(nil, noon, "+14:00")), 2, "the next day")
equal(tonumber(time.methods.getDayOfWeek(nil, noon, "-14:00")), 2, "the day before")
for _, zone in ipairs { "+14:01", "-14:01", "+00:60", "Europe/Nowhere", "", "+1", "15:00" } do
    fails(function() time.methods.getHours(nil, noon, zone) end, zone)
    fails(function() time.check_zone(zone) end, zone)
end
for i = 1, 200 do -- more than are remembered
    time.check_zone(i % 2 == 0 and "Europe/Berlin" or "Asia/Kathmandu")
end
return cases
