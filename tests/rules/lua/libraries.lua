-- The libraries that rules see, at their limits, and the words with which they refuse. Returns how many rows there were.
local rex = require "mxhook.rex"
local sandbox = require "mxhook.sandbox"

local libraries = { one = { "the module" }, nothing = false }
local function load_lib(name, environment)
    if name == "itself" then return environment.require "itself" end
    if name == "broken" then error("broken.lua:1: no", 0) end
    local module = libraries[name]
    return module
end
local env = sandbox.environment(load_lib, false)
local table_of, co = env.table, env.coroutine

local check, count = dofile(...)

local function refusal(f, ...)
    local ok, wrong = pcall(f, ...)
    return not ok and (tostring(wrong):gsub("^[^:]+:%d+: ", "")) or "none"
end

-- ---- Tables ----

-- Every size around the widths that a merge sort goes through, each against an insertion; equals keep their order.
for size = 0, 34 do
    local list, expected, x = {}, {}, size * 7 + 1
    for i = 1, size do
        x = (x * 75 + 74) % 65537
        list[i] = { key = x % 5, place = i }
        local at = 1
        while expected[at] and expected[at].key <= list[i].key do at = at + 1 end
        table.insert(expected, at, list[i])
    end
    table_of.sort(list, function(a, b) return a.key < b.key end)
    for i = 1, size do check("sorted of " .. size, list[i], expected[i]) end
    check("as many as before", #list, size)
end
local words = { "b", "c", "a" }
table_of.sort(words)
check("sorted by itself", table.concat(words), "abc")
check("sort", refusal(table_of.sort, "abc"), "a table was expected, not a string")

for _, row in ipairs {
    { { "x" }, "abcx" }, { { 1, "x" }, "xabc" }, { { 2, "x" }, "axbc" }, { { 3, "x" }, "abxc" }, { { 4, "x" }, "abcx" }, { { "2", "x" }, "axbc" },
    { { 2.9, "x" }, "axbc" },
} do
    local list = { "a", "b", "c" }
    table_of.insert(list, unpack(row[1]))
    check("inserted", table.concat(list), row[2])
end
local far = { "a" }
table_of.insert(far, 3, "x")
check("inserted behind the end", tostring(far[1]) .. tostring(far[2]) .. far[3], "anilx")
for _, row in ipairs {
    { { nil, "a" }, "table.insert: a table was expected, not a nil" }, { { {}, 0, "x" }, "table.insert: position 0 is before the list" },
    { { {}, 0.9, "x" }, "table.insert: position 0.9 is before the list" }, { { {}, 0 / 0, "x" }, "table.insert: position " .. tostring(0 / 0) .. " is before the list" },
    { { {}, {}, "x" }, "table.insert: a position was expected, not a table" }, { { {}, "y", "x" }, "table.insert: a position was expected, not a string" },
    { { {} }, "table.insert: a list, a position or none, and a value were expected" },
    { { {}, 1, "x", 2 }, "table.insert: a list, a position or none, and a value were expected" },
} do
    check("insert", refusal(table_of.insert, unpack(row[1], 1, table.maxn(row[1]))), row[2])
end

for _, row in ipairs {
    { nil, "c", "ab" }, { 1, "a", "bc" }, { 2, "b", "ac" }, { 3, "c", "ab" }, { "1", "a", "bc" }, { 1.5, "a", "bc" }, { 0, nil, "abc" }, { 4, nil, "abc" },
} do
    local list = { "a", "b", "c" }
    check("removed", table_of.remove(list, row[1]), row[2])
    check("left", table.concat(list), row[3])
end
check("removed of none", table_of.remove({}), nil)
local holder = { [0] = "z" }
check("removed of none at 0", table_of.remove(holder, 0), nil)
check("what is before the list", holder[0], "z")
check("remove", refusal(table_of.remove, {}, -1), "table.remove: position -1 is before the list")
check("remove", refusal(table_of.remove, 7), "table.remove: a table was expected, not a number")
check("remove", refusal(table_of.remove, {}, {}), "table.remove: a position was expected, not a table")
check("unpack", select("#", table_of.unpack({ 1, 2, 3 }, 1, 2)), 2)

-- ---- Coroutines ----

local function nested(depth)
    if depth == 0 then return "bottom" end
    return select(2, co.resume(co.create(function() return nested(depth - 1) end)))
end
check("a hundred in each other", nested(100), "bottom")
check("one more", nested(101), "more than 100 coroutines in each other")
check("then again", nested(100), "bottom")
check("no coroutine", refusal(co.resume, 7) ~= "none", true)
local failing = co.wrap(function() error("as it is", 0) end)
check("raised in a coroutine", refusal(failing), "as it is")
check("passed on", select("#", co.wrap(function() return nil, nil end)()), 2)

-- ---- load, require, and what cannot be set ----

for _, row in ipairs {
    { { "return 7" }, 7 }, { { "return 7", "n", "t" }, 7 }, { { "return 7", "n", "bt" }, 7 }, { { "return x", "n", "t", { x = 8 } }, 8 },
    { { "return x", nil, nil, { x = 8 } }, 8 }, { { "return route" }, env.route },
    { { ("-"):rep(2) .. ("x"):rep(4084) .. "\nreturn 7" }, 7 }, { { ("-"):rep(2) .. ("x"):rep(4085) .. "\nreturn 7" }, 7 },
    { { ("-"):rep(2) .. ("x"):rep(4086) .. "\nreturn 7" }, 7 }, { { ("-"):rep(2) .. ("x"):rep(9000) .. "\nreturn 7" }, 7 },
} do
    check("loaded", assert(env.load(unpack(row[1], 1, table.maxn(row[1]))))(), row[2])
end
for _, row in ipairs { { { "return ", "9" }, 9 }, { { "return 9", "", "error" }, 9 }, { { "return 9", 5, "error" }, 9 } } do
    local at = 0
    local chunk = env.load(function() at = at + 1 return row[1][at] end)
    check("loaded in pieces", chunk(), row[2])
end
check("no environment", env.load("return _G", "n", "t", nil)(), env)
check("no table", refusal(env.load, "return 1", "n", "t", false), "load: an environment is a table")
check("bytecode", select(2, env.load("return 1", "n", "b")), "load: rules load text only")
check("load", refusal(env.load, 7), "load: a string was expected")
check("load", refusal(env.load, "return 1", 7), "load: a name is a string")
check("a chunk's name", select(2, env.load("x", "=here")):match("^here:1:") ~= nil, true)
check("a chunk's name", select(2, env.load("x")):match("^%(load%):1:") ~= nil, true)
check("loadstring", env.loadstring, env.load)

check("required", env.require "one", libraries.one)
check("required again", env.require "mxhook.route", env.require "mxhook.route")
check("required by two", env.require "cjson" ~= sandbox.environment(load_lib, false).require "cjson", true)
for _, row in ipairs {
    { 7, "require: a string was expected" }, { "itself", "require: itself requires itself" }, { "broken", "no" },
    { "none", "require: there is no module 'none': rules find mxhook.*, cjson, rex, and the files of lib/ in the rules' folder" },
    { "mxhook.sandbox", "require: there is no module 'mxhook.sandbox': rules find mxhook.*, cjson, rex, and the files of lib/ in the rules' folder" },
} do
    check("require", refusal(env.require, row[1]), row[2])
    check("require again", refusal(env.require, row[1]), row[2])
end
for _, name in ipairs { "mxhook.route", "mxhook.alias", "mxhook.rex", "mxhook.cel", "mxhook.store", "rex", "cjson", "string" } do
    check(name, refusal(function() env.require(name).x = 1 end), name .. ".x cannot be set: libraries are read-only")
end
check("a global", refusal(function() env.x = 1 end), "global 'x' cannot be set: rules share nothing; write `local x`")
check("metatables", getmetatable(env) == false and getmetatable(env.string) == false and getmetatable("") == false, true)
local names = 0
for name, f in env.pairs(env.bit) do
    check(name, bit[name], f)
    names = names + 1
end
check("functions of bit", names, 12)
local seen = {}
for i, value in env.ipairs { "a", "b" } do seen[i] = value end
check("ipairs", table.concat(seen), "ab")
for key, value in env.pairs { k = "v" } do seen[key] = value end
check("pairs", seen.k, "v")

check("counted", env.collectgarbage "count" > 0, true)
check("collectgarbage", refusal(env.collectgarbage, "collect"), "collectgarbage: rules may only count")
check("env", refusal(env.env, "HOME"), "env: rules see only the environment variables that begin with MXHOOK_")
check("env", refusal(env.env, "XMXHOOK_A"), "env: rules see only the environment variables that begin with MXHOOK_")
check("env", refusal(env.env, 7), "env: rules see only the environment variables that begin with MXHOOK_")
check("env", env.env "MXHOOK_NO_SUCH", nil)
check("env", env.env("MXHOOK_NO_SUCH", "given"), "given")
check("date", env.os.date("!%Y-%m-%d", 86400), "1970-01-02")
check("time", env.os.time { year = 2020, month = 1, day = 2, hour = 12 }, os.time { year = 2020, month = 1, day = 2, hour = 12 })
check("xpcall", select(2, env.xpcall(error, function(wrong) return wrong .. "!" end, "no", 0)), "no!")
check("xpcall", select("#", env.xpcall(function(...) return ... end, error, nil, nil)), 3)

-- ---- JSON ----

local cjson, most = env.require "cjson", 16 * 1024 * 1024
check("decoded at the limit", #cjson.decode("[" .. (" "):rep(most - 2) .. "]"), 0)
check("decode", refusal(cjson.decode, "[" .. (" "):rep(most - 1) .. "]"), "cjson.decode: over 16 MiB of JSON")
check("decode", refusal(cjson.decode, 7), "cjson.decode: a string was expected, not a number")
local long = ("x"):rep((most - 24) / 6)
check("encoded at the limit", #cjson.encode { long }, #long + 4)
check("encode", refusal(cjson.encode, { long .. "x" }), "cjson.encode: over 16 MiB of JSON")
check("encode", refusal(cjson.encode, { [long .. "x"] = 1 }), "cjson.encode: over 16 MiB of JSON")
local shared = { ("x"):rep(1000) }
for _ = 1, 20 do shared = { shared, shared } end
check("encode", refusal(cjson.encode, shared), "cjson.encode: over 16 MiB of JSON")

-- ---- rex ----

local function joined(iterator)
    local found = {}
    for a, b in iterator do found[#found + 1] = a .. (b and "/" .. b or "") end
    return table.concat(found, "|")
end
for _, row in ipairs {
    { joined(rex.gmatch("a\195\164\226\130\172\240\159\152\128b", "")), "|||||" }, { rex.gsub("\195\164\226\130\172\240\159\152\128", "", "-"), "-\195\164-\226\130\172-\240\159\152\128-" },
    { joined(rex.gmatch("aXbX", "[a-z]?")), "a||b||" }, { joined(rex.gmatch("a1b2", "([a-z])([0-9])")), "a/1|b/2" }, { joined(rex.gmatch("", "x")), "" },
    { joined(rex.split("a,b;c", "[,;]")), "a/,|b/;|c" }, { joined(rex.split(",a,", ",")), "/,|a/,|" }, { joined(rex.split("", ",")), "" },
    { joined(rex.split("abc", "")), "abc" }, { joined(rex.split("ab\195\164,c", "x*,?")), "ab\195\164/,|c" }, { joined(rex.split("\195\164", "b*")), "\195\164" },
    { rex.gsub("aaa", "a", "b", 0), "aaa" }, { rex.gsub("aaa", "a", "b", 2), "bba" }, { rex.gsub("ab", "(a)(b)?", "%2%1%0%9"), "baab" },
    { rex.gsub("ab", "a", "%1"), "ab" }, { rex.gsub("ab", "(a)|(b)", "%1-%2"), "a--b" }, { rex.gsub("ab", "a", "%%%x"), "%xb" },
    { rex.gsub("ab", ".", { a = "x", b = false }), "xb" }, { rex.gsub("ab", "(.)(.)", function(a, b) return b .. a end), "ba" },
    { rex.gsub("ab", "a", function() end), "ab" }, { rex.gsub("ab", "a", 7), "7b" }, { rex.gsub("ab", "a", function() return 7 end), "7b" },
    { rex.gsub("xaby", "ab", "", 1), "xy" }, { select(2, rex.gsub("aaa", "a", "b", 2)), 2 }, { rex.count("aaa", ""), 4 }, { rex.count("", ""), 1 },
    { rex.match("ab", "b", 2), "b" }, { rex.match("ab", "a", 2), nil }, { rex.match("AB", "b", 1, "i"), "B" }, { rex.gsub("Aa", "a", "b", nil, "i"), "bb" },
    { joined(rex.split("aXb", "x", "i")), "a/X|b" }, { rex.count("aA", "a", "i"), 2 }, { rex.new("B", "i"):match("ab"), "b" }, { rex.new("b"):find("ab", 2), 2 },
    { rex.new("a"):gsub("aa", "b", 1), "ba" }, { joined(rex.new("."):gmatch("ab")), "a|b" }, { rex.new("(a)"):match("ba"), "a" }, { getmetatable(rex.new("a")), "regex" },
    { refusal(rex.match, "a", {}), "rex: a pattern was expected, not a table" }, { refusal(rex.match, "a"), "rex: a pattern was expected, not a nil" },
    { refusal(rex.match, "a", "a", 1, 7), "rex: flags are letters in a string, not a number" },
    { refusal(rex.find, 7, "a"), "rex: a string was expected to search in, not a number" }, { rex.new("a"):match("b"), nil },
    { rex.match("a", "A", 1, "i") == "a" and rex.match("a", "A"), nil },
} do
    check("rex", row[1], row[2])
end
local ended = rex.gmatch("a", "b")
check("rex after its end", ended() == nil and ended() == nil, true)
local parted = rex.split("a", ",")
check("parts after their end", parted() == "a" and parted() == nil and parted() == nil, true)
local three = { rex.find("xab", "(a)(c)?b") }
check("found", three[1] .. three[2] .. three[3], "23a")

return count()
