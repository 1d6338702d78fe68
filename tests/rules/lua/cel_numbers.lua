-- CEL's arithmetic at the ends of its numbers, without a message: what is true, and what raises when it is evaluated. Returns
-- how many cases there are. MAX, MIN and UMAX stand for the largest and the smallest int, and the largest uint.
local compile = require "mxhook.cel.compile"

local is_true = {
    "9223372036854775806 + 1 == MAX && -9223372036854775807 + -1 == MIN && 1 + 9223372036854775806 == MAX",
    "MAX + -1 == 9223372036854775806 && MIN + 1 == -9223372036854775807 && MAX + 0 == MAX && MIN + 0 == MIN && MAX + MIN == -1",
    "-9223372036854775807 - 1 == MIN && 9223372036854775806 - -1 == MAX && -1 - MIN == MAX && 0 - MAX == -9223372036854775807",
    "MAX - 0 == MAX && MIN - 0 == MIN && MAX - 1 == 9223372036854775806 && MIN - -1 == -9223372036854775807 && MIN - MIN == 0",
    "0 * MIN == 0 && MIN * 0 == 0 && 0 * -1 == 0 && 1 * MIN == MIN && MIN * 1 == MIN && -1 * MAX == -9223372036854775807",
    "MAX * -1 == -9223372036854775807 && -1 * -1 == 1 && -1 * 2 == -2 && 2 * -1 == -2",
    "3037000499 * 3037000499 == 9223372030926249001 && 2 * 4611686018427387903 == 9223372036854775806",
    "-2 * 4611686018427387904 == MIN && 4611686018427387904 * -2 == MIN",
    "7 / 2 == 3 && -7 / 2 == -3 && 7 / -2 == -3 && MIN / 1 == MIN && MIN / 2 == -4611686018427387904",
    "MAX / -1 == -9223372036854775807 && (MIN + 1) / -1 == MAX && 0 / -1 == 0 && MAX / MAX == 1 && MIN / -2 == 4611686018427387904",
    "7 % 3 == 1 && -7 % 3 == -1 && 7 % -3 == 1 && 7 % -1 == 0 && MIN % -1 == 0 && MIN % 10 == -8 && 7 % -2 == 1",
    "-(MAX) == -9223372036854775807 && -(-9223372036854775807) == MAX && -(0) == 0",
    "18446744073709551614u + 1u == UMAX && UMAX + 0u == UMAX && 0u + UMAX == UMAX",
    "1u - 1u == 0u && UMAX - UMAX == 0u && UMAX - 1u == 18446744073709551614u && 2u - 1u == 1u",
    "0u * UMAX == 0u && UMAX * 0u == 0u && UMAX * 1u == UMAX && 4294967295u * 4294967297u == UMAX",
    "2u * 9223372036854775807u == 18446744073709551614u",
    "7u / 2u == 3u && UMAX / UMAX == 1u && 7u % 3u == 1u && UMAX % 10u == 5u && 0u % 3u == 0u && 0u / 3u == 0u",
    "1.0 / 0.0 > 1.0e308 && -1.0 / 0.0 < -1.0e308 && !(0.0 / 0.0 == 0.0 / 0.0) && 0.0 / 0.0 != 0.0 / 0.0",
    "1.5 + 1.5 == 3.0 && 1.5 - 3.0 == -1.5 && 1.5 * -2.0 == -3.0 && 3.0 / 2.0 == 1.5 && -(1.5) == -1.5",
    "1 < 2u && -1 < 0u && 0u > -1 && !(0u < -1) && 1 == 1u && 1u == 1 && 1 != 2u && -1 != UMAX && MAX < UMAX",
    "MAX < 9223372036854775808u && 9223372036854775807u == MAX && 9223372036854775807u <= MAX && 9223372036854775808u > MAX",
    "1 < 1.5 && 1.5 < 2 && 2u > 1.5 && 1u == 1.0 && 1.0 == 1 && 1 <= 1.0 && 1.0 >= 1u && !(1 < 1.0) && !(1.0 > 1u)",
    "MAX > 9223372036854773760.0 && MIN == -9223372036854775808.0 && MIN >= -9223372036854775808.0 && UMAX > 18446744073709547520.0",
    "MIN < MAX && !(MIN < MIN) && MIN <= MIN && MAX >= MAX && !(MAX > MAX) && -1.5 < -1 && -1 < -0.5 && -1.5 < 0u",
}

local raises = {
    "MAX + 1", "1 + MAX", "MIN + -1", "-1 + MIN", "MIN - 1", "MAX - -1", "0 - MIN", "MIN * -1", "-1 * MIN", "2 * 4611686018427387904",
    "-2 * 4611686018427387905", "3037000500 * 3037000500", "MIN * 2", "MIN * MIN", "MIN / -1", "1 / 0", "0 / 0", "1 % 0", "-(MIN)",
    "UMAX + 1u", "1u + UMAX", "UMAX + UMAX", "0u - 1u", "1u - 2u", "2u * 9223372036854775808u", "4294967296u * 4294967296u",
    "UMAX * UMAX", "1u / 0u", "1u % 0u",
}

local function written(expression)
    return (expression:gsub("UMAX", "18446744073709551615u"):gsub("MAX", "9223372036854775807"):gsub("MIN", "-9223372036854775808"))
end

local function evaluated(expression)
    return pcall(function() return compile(written(expression), {}, {}, true)({}) end)
end

local function describe(result)
    return type(result) == "table" and tostring(result.message or result.cel) or tostring(result)
end

local wrong = {}
for _, expression in ipairs(is_true) do
    local ok, result = evaluated(expression)
    if not ok or result ~= true then table.insert(wrong, ("%s: %s"):format(expression, describe(result))) end
end
for _, expression in ipairs(raises) do
    local ok, result = evaluated("[" .. expression .. "].size() == 1")
    if ok or type(result) ~= "table" or not result.cel then
        table.insert(wrong, ("%s raises nothing: %s"):format(expression, describe(result)))
    end
end
if #wrong > 0 then error(table.concat(wrong, "\n"), 0) end
return #is_true + #raises
