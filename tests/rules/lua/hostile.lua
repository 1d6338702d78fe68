-- A rule that calls everything it can reach with arguments that nobody honest would give, by chance: the recipient
-- "SEED@..." says which. What functions give is used as arguments too.

local CALLS = 300

local names = { "string", "table", "math", "bit", "os", "coroutine", "cjson", "rex", "mxhook.cel", "mxhook.store",
    "mxhook.route", "mxhook.alias" }

local left_out = { [log] = true, [print] = true, [error] = true, [coroutine.yield] = true }

local numbers = { 0, -0, 1, -1, 2, 7, 99, 255, 256, 65536, 2 ^ 31 - 1, 2 ^ 31, -2 ^ 31, 2 ^ 32, 2 ^ 53, -2 ^ 53, 2 ^ 63,
    -2 ^ 63, 1e300, -1e300, 0.5, math.huge, -math.huge, 0 / 0, 8000, 1e6, 1e7, 1e9 }
local texts = { "", "a", "%", "%99999d", "%.99f", "%s%s%s%s", "%q", "%99.99s", "[", "[^]]*", "(()", "%b", "%f[", "%1",
    "(.-)%1", "^(.*)(.*)(.*)$", ".-.-.-b", "\0", "\255\254", "k", "v", "kv", "\27LJ\2", "$1", "../../etc/passwd",
    "2001-02-03T04:05:06Z", "(a+)+$", "(?R)", "\\1", "(?<n>a)", "/^(a|b)*$/i", "[[[[[[[[", "{\"a\":[", "1e999", "0x",
    "!%c", "%Ex%Oy%1000000000Y", "*t", "a@b.example", "*@b.example", "https://a.example/$1", "null", "return 1",
    "goto a", "count", "iter", "all", "subject", "env:PATH", "file:/dev/zero",
    "timestamp.getHours('../../../dev/tty')", "'a'.replace('', 'b', 99999)", "[1,2].map(x, x).exists(y, y == 1)",
    "subject.matches('(a+)+$')", "size / 0 == 1", "headers.all(h, h.startsWith('x'))", "''.format([1])" }

local random -- set for each run

local function make_random(seed)
    local value = seed
    return function(most)
        value = (value * 16807) % 2147483647
        return value % most + 1
    end
end

local function of(list) return list[random(#list)] end

local function grow(text)
    if text == "" then text = "a" end
    local size = random(15) == 1 and of { 1e5, 1e6, 4e6, 1e7 } or of { 10, 100, 1000, 10000 }
    return text:rep(math.ceil(size / #text))
end

-- The end of this one is 2^20 or so, though it holds 20 values.
local function with_holes()
    local t = {}
    for i = 0, 20 do t[2 ^ i] = i end
    return t
end

-- To find that nothing is in it takes long.
local empty = {}
for i = 1, 30000 do empty[i .. ""] = i end
for i = 1, 30000 do empty[i .. ""] = nil end
local function emptied() return empty end

local function in_itself()
    local t = {}
    t[1], t.a, t.url, t.to = t, t, t, t
    return t
end

local any

local function with_metatable()
    local value = any(1)
    local function give() return value end
    return setmetatable({ any(1), url = any(1) }, { __index = give, __newindex = give, __call = give, __tostring = give,
        __concat = give, __len = give, __eq = give, __lt = give, __le = give, __add = give, __unm = give,
        __pairs = function() return give end, __ipairs = function() return give end, __mode = "kv",
        __gc = function() while true do end end, __metatable = of { false, nil, "msg", "regex" } })
end

local function raising() error(setmetatable({}, { __tostring = function() error "again" end })) end
local function formatting(object) return string.format("%s", object) end

local makers = {
    function() return of(numbers) end, function() return of(numbers) end, function() return of(texts) end,
    function() return of(texts) end, function() return grow(of(texts)) end, function() return of(texts) .. of(texts) end,
    function() return {} end, function() return { any(1), any(1), any(1) } end, with_holes, emptied, in_itself,
    with_metatable, function() return nil end, function() return true end, function() return false end,
    function() return function() return any(1) end end, function() return raising end,
    function() return function() return 1 end end,
    function() return setmetatable({}, { __tostring = formatting }) end,
    function() return coroutine.create(function(...) return any(1) end) end,
    function() return { to = any(1), when = of(texts), subject = of(texts), body = of(texts) } end,
    function() return { [of(texts)] = any(1), [grow(of(texts))] = any(1) } end,
    function() return { url = of(texts), headers = { [of(texts)] = any(1) }, secret = of(texts), timeout = of(numbers),
        schedule = { of(texts) }, attempts = of(numbers), ca_file = of(texts) } end,
}

local pool

function makers.pool() return pool[random(#pool)] end

-- `deep`: how deep tables in tables may still get
local depth = 0
local function make(deep)
    if depth > 6 or deep and depth > 3 then return of(texts) end
    depth = depth + 1
    local value
    if random(3) == 1 and #pool > 0 then value = makers.pool() else value = of(makers)() end
    depth = depth - 1
    return value
end
any = make

local function collect(functions, value, seen)
    local kind = type(value)
    if kind == "function" and not left_out[value] and not seen[value] then
        functions[#functions + 1] = value
    end
    if seen[value] or kind ~= "table" and kind ~= "userdata" then return end
    seen[value] = true
    local ok, iterator, state, key = pcall(pairs, value)
    if ok then
        pcall(function()
            for _, item in iterator, state, key do collect(functions, item, seen) end
        end)
    end
    seen[value] = nil
end

local function keep(ok, ...)
    if not ok then return end
    for i = 1, math.min(select("#", ...), 3) do
        local value = select(i, ...)
        local kind = type(value)
        if value ~= nil and kind ~= "boolean" and kind ~= "number" and (kind ~= "string" or #value < 1e6) then
            pool[#pool % 40 + 1] = value
        end
    end
end

local made = 0 -- calls

return function(msg)
    if msg.envelope.recipient == "honest@example.com" then
        pool = nil -- else what it holds might fill the state
        return "https://a.example/" .. made
    end
    random = make_random(tonumber(msg.envelope.recipient:match("^%d+")) % 2147483646 + 1)
    depth, pool = 0, { msg, msg.headers, msg.to, msg.from, msg.attachments, msg.auth, _G }
    local functions, seen = {}, {}
    for _, name in ipairs(names) do collect(functions, require(name), seen) end
    for _, name in ipairs { "assert", "next", "pcall", "xpcall", "rawequal", "rawget", "rawset", "select", "load",
        "setmetatable", "getmetatable", "tonumber", "tostring", "type", "unpack", "pairs", "ipairs", "require", "env",
        "collectgarbage" } do
        functions[#functions + 1] = _G[name]
    end
    for name in ("subject text html from to cc size headers attachments inlines envelope auth nothing"):gmatch("%a+") do
        functions[#functions + 1] = function() return msg[name] end
    end
    functions[#functions + 1] = function(name, value) msg.headers[name] = value end
    functions[#functions + 1] = function(name) return msg.headers:all(name) end
    functions[#functions + 1] = function(a, b) return a < b end
    functions[#functions + 1] = function(a) return a + 1 end
    functions[#functions + 1] = function(a, b) return a .. b end
    functions[#functions + 1] = function(a, b) return a[b] end
    functions[#functions + 1] = function(a) return #a end
    functions[#functions + 1] = function(a, b, c) return a:gsub(b, c) end
    functions[#functions + 1] = function(a) for _ in pairs(a) do end end
    functions[#functions + 1] = function(a, ...) return a(...) end
    for _ = 1, CALLS do
        local f, arguments = of(functions), {}
        local count = random(5) - 1
        for i = 1, count do arguments[i] = make() end
        made = made + 1
        for _ = 1, of { 1, 1, 1, 20 } do keep(pcall(f, unpack(arguments, 1, count))) end
        if type(pool[#pool]) == "function" and not left_out[pool[#pool]] then
            keep(pcall(pool[#pool], make(), make()))
        end
    end
    return make()
end
