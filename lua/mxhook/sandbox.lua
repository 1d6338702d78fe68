--- The world that a rule file sees: safe libraries, and nothing shared with another file.
--
-- Each file has an environment of its own. Its globals are read-only, its library tables are views
-- of its own, so that nothing one file writes can reach another. What could run long inside C, or
-- nest C calls until the stack overflows, is written in Lua here, where the limits hold.

local core = require "mxhook.core"
local rex = require "mxhook.rex"

local sandbox = {}

-- Our own copies of all that is called here: what a rule could do to a library must not matter.
local getmetatable, setmetatable, type, select, error = getmetatable, setmetatable, type, select, error
local next, pairs, ipairs, pcall, load, require = next, pairs, ipairs, pcall, load, require
local tostring, tonumber, rawget, rawset, collectgarbage = tostring, tonumber, rawget, rawset, collectgarbage
local concat, find, sub, format = table.concat, string.find, string.sub, string.format
local running, create, native_resume = coroutine.running, coroutine.create, coroutine.resume
local gmatch, gsub, raw_metatable, main = string.gmatch, string.gsub, debug.getmetatable, _G

-- An iterator that keeps its table to itself: the values of pairs() would hand it out.
local function each_of(library)
    local key
    return function()
        local value
        key, value = next(library, key)
        return key, value
    end
end

--- A read-only view of a copy of a library: so a file that got at the table would have but its own.
local function protect(original, name)
    local library = {}
    for key, value in next, original do library[key] = value end
    return setmetatable({}, {
        __index = library,
        __newindex = function(_, key)
            error(format("%s.%s cannot be set: libraries are read-only", name, tostring(key)), 2)
        end,
        __call = (raw_metatable(original) or {}).__call,
        __pairs = function() return each_of(library) end,
        __metatable = false,
    })
end

-- LuaJIT asks no metatable in pairs and ipairs; msg's lists and headers are userdata, which need it.
local function pairs_of(value)
    local metatable = raw_metatable(value)
    if metatable and metatable.__pairs then return metatable.__pairs(value) end
    return next, value, nil
end

local function ipairs_of(value)
    local metatable = raw_metatable(value)
    if metatable and metatable.__ipairs then return metatable.__ipairs(value) end
    return ipairs(value)
end

-- Nested resumes use the C stack, of which LuaJIT does not see the end (measured: a crash at a few
-- thousand). A coroutine's depth is its resumer's and one.
local MAX_NESTED_COROUTINES = 100
local depth_of = setmetatable({}, { __mode = "k" })

local function resume(thread, ...)
    local depth = (depth_of[running() or false] or 0) + 1
    if depth > MAX_NESTED_COROUTINES then
        return false, "more than " .. MAX_NESTED_COROUTINES .. " coroutines in each other"
    end
    if type(thread) == "thread" then depth_of[thread] = depth end
    return native_resume(thread, ...)
end

local function pass_on(ok, ...)
    if not ok then error(..., 0) end
    return ...
end

local function wrap(f)
    local thread = create(f)
    return function(...) return pass_on(resume(thread, ...)) end
end

-- table.sort in C calls no hook where it compares by itself. A merge sort, which is stable.
local function merge(list, from, middle, to, less, buffer)
    local left, right = from, middle + 1
    for i = from, to do
        if right > to or (left <= middle and not less(list[right], list[left])) then
            buffer[i] = list[left]
            left = left + 1
        else
            buffer[i] = list[right]
            right = right + 1
        end
    end
    for i = from, to do list[i] = buffer[i] end
end

local function ascending(a, b) return a < b end

local function sort(list, less)
    if type(list) ~= "table" then error("a table was expected, not a " .. type(list), 2) end
    less = less or ascending
    local count, width, buffer = #list, 1, {}
    while width < count do
        for from = 1, count - width, 2 * width do
            local to = from + 2 * width - 1
            merge(list, from, from + width - 1, to < count and to or count, less, buffer)
        end
        width = 2 * width
    end
end

-- In C these two move a table's rest in one step, by numbers that a rule chooses: 2^31 steps of
-- table.insert({}, -2^31, 1) took 51 s. And the end of a table with holes may be anywhere.
local function check_list(name, list)
    if type(list) ~= "table" then error(format("table.%s: a table was expected, not a %s", name, type(list)), 3) end
    return #list
end

local function check_position(name, position, least)
    local at = type(position) == "string" and tonumber(position) or position
    if type(at) ~= "number" then
        error(format("table.%s: a position was expected, not a %s", name, type(position)), 3)
    end
    at = at - at % 1
    if not (at >= least) then error(format("table.%s: position %s is before the list", name, tostring(position)), 3) end
    return at
end

local function insert(list, ...)
    local last, count = check_list("insert", list) + 1, select("#", ...)
    if count == 1 then
        rawset(list, last, (...))
    elseif count == 2 then
        local at = check_position("insert", (...), 1)
        for i = last, at + 1, -1 do rawset(list, i, rawget(list, i - 1)) end
        rawset(list, at, (select(2, ...)))
    else
        error("table.insert: a list, a position or none, and a value were expected", 2)
    end
end

local function remove(list, position)
    local last = check_list("remove", list)
    local at = position == nil and last or check_position("remove", position, 0)
    if at < 1 or at > last then return end
    local value = rawget(list, at)
    for i = at, last - 1 do rawset(list, i, rawget(list, i + 1)) end
    rawset(list, last, nil)
    return value
end

-- LuaJIT's xpcall runs the handler inside the hook that raised, where no hook fires: a handler that
-- spins would never end (measured). So here it runs once the error has unwound.
local function handle(handler, ok, ...)
    if ok then return true, ... end
    return false, handler(...)
end

local function xpcall_of(f, handler, ...)
    return handle(handler, pcall(f, ...))
end

-- The parser is C: it is given the text in pieces, by a function in which the hook fires.
local PIECE = 4096

local function pieces_of(text)
    local at = 1
    return function()
        local piece = sub(text, at, at + PIECE - 1)
        at = at + PIECE
        core.check()
        return piece
    end
end

-- Only text: bytecode is not verified, and can do anything.
local function make_load(environment)
    return function(chunk, name, mode, ...)
        if mode ~= nil and mode ~= "t" and mode ~= "bt" then
            return nil, "load: rules load text only"
        end
        if type(chunk) == "function" then
            local pieces, piece = {}, chunk()
            while type(piece) == "string" and piece ~= "" do
                pieces[#pieces + 1] = piece
                piece = chunk()
            end
            chunk = concat(pieces)
        end
        if type(chunk) ~= "string" then error("load: a string was expected", 2) end
        -- without a table for it, LuaJIT's load would give the chunk the server's own globals
        local env = (...)
        if env == nil then env = environment end
        if type(env) ~= "table" then error("load: an environment is a table", 2) end
        if name ~= nil and type(name) ~= "string" then error("load: a name is a string", 2) end
        if #chunk > PIECE then chunk = pieces_of(chunk) end
        return load(chunk, name or "=(load)", "t", env)
    end
end

local function pick(library, names)
    local picked = {}
    for name in gmatch(names, "%w+") do picked[name] = library[name] end
    return picked
end

local libraries = {
    string = require "mxhook.strings",
    math = pick(math, "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log "
        .. "log10 max min modf pi pow rad random sin sinh sqrt tan tanh"),
    bit = pick(bit, "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex"),
    os = pick(os, "clock date difftime time"),
    table = pick(table, "concat maxn"),
    coroutine = pick(coroutine, "create isyieldable running status yield"),
}
for name, replacement in pairs { sort = sort, insert = insert, remove = remove, unpack = unpack } do
    libraries.table[name] = replacement
end
-- The time that a test may have fixed.
local native_time, native_date = os.time, os.date
function libraries.os.time(table) return table == nil and core.now() or native_time(table) end
function libraries.os.date(template, time) return native_date(template or "%c", time or core.now()) end

libraries.coroutine.resume, libraries.coroutine.wrap = resume, wrap

-- ("x"):upper() finds its method here, in a table of its own; nobody can reach or replace the metatable.
local strings, methods = raw_metatable(""), {}
for name, method in pairs(libraries.string) do methods[name] = method end
strings.__index = methods
strings.__metatable = false

local function log(...)
    local pieces = {}
    for i = 1, select("#", ...) do pieces[i] = gsub(tostring((select(i, ...))), "%z", "\\x00") end
    core.log(concat(pieces, " "))
end

local function env(name, default)
    if type(name) ~= "string" or not find(name, "^MXHOOK_") then
        error("env: rules see only the environment variables that begin with MXHOOK_", 2)
    end
    return core.env(name) or default
end

-- What rules may `require`, besides files in lib/.
local public = {}
for name in gmatch("route alias rex cel store", "%w+") do public["mxhook." .. name] = true end

-- cjson walks a table in C, without a hook: so the walk is done here first, where the limits hold. A
-- table that stands in itself many times would else become text without end.
local MAX_JSON = 16 * 1024 * 1024

local function json_size(value, size)
    if type(value) == "string" then return size + #value * 6 end
    if type(value) ~= "table" then return size + 24 end
    for key, item in next, value do
        size = json_size(item, json_size(key, size))
        if size > MAX_JSON then error("cjson.encode: over 16 MiB of JSON", 0) end
    end
    return size
end

local cjson

local function load_cjson()
    if cjson then return cjson end
    local loaded = require "cjson".new()
    local decode, encode = loaded.decode, loaded.encode
    cjson = {
        null = loaded.null,
        decode = function(text)
            if type(text) ~= "string" then error("cjson.decode: a string was expected, not a " .. type(text), 2) end
            if #text > MAX_JSON then error("cjson.decode: over 16 MiB of JSON", 2) end
            return decode(text)
        end,
        encode = function(value)
            json_size(value, 0)
            return encode(value)
        end,
    }
    return cjson
end

--- `require` of one file: modules are loaded anew for each, and so are shared with none.
local function make_require(load_lib, unsafe)
    local loaded = {}
    return function(name)
        if type(name) ~= "string" then error("require: a string was expected", 2) end
        if loaded[name] == "loading" then error("require: " .. name .. " requires itself", 2) end
        if loaded[name] ~= nil then return loaded[name] end
        local module
        if public[name] then
            module = protect(require(name), name)
        elseif name == "rex" then
            module = protect(rex, "rex")
        elseif name == "cjson" then
            module = protect(load_cjson(), "cjson")
        elseif libraries[name] then
            module = protect(libraries[name], name)
        else
            loaded[name] = "loading"
            local ok, value = pcall(load_lib, name)
            loaded[name] = nil
            if not ok then error(value, 0) end
            module = value
            if module == nil and unsafe then module = require(name) end
        end
        if module == nil then
            error("require: there is no module '" .. name .. "': rules find mxhook.*, cjson, rex, and "
                .. "the files of lib/ in the rules' folder", 2)
        end
        loaded[name] = module
        return module
    end
end

--- The environment of the file `name`. `load_lib(module, environment)` gives a module of lib/, or nil;
-- `unsafe` adds what the configuration's rules.unsafe promises.
function sandbox.environment(load_lib, unsafe)
    local globals, environment = {}, {}
    for library, functions in pairs(libraries) do globals[library] = protect(functions, library) end
    for name in gmatch("assert error next pcall rawequal rawget rawset select setmetatable tonumber "
        .. "tostring type unpack getmetatable", "%w+") do
        globals[name] = main[name]
    end
    globals.pairs, globals.ipairs, globals.xpcall = pairs_of, ipairs_of, xpcall_of
    globals.load = make_load(environment)
    globals.loadstring = globals.load
    globals.collectgarbage = function(what)
        if what ~= "count" then error("collectgarbage: rules may only count", 2) end
        return collectgarbage("count")
    end
    globals.require = make_require(function(module) return load_lib(module, environment) end, unsafe)
    globals.log, globals.print, globals.env = log, log, env
    globals.route = globals.require "mxhook.route"
    globals.alias = globals.require "mxhook.alias"
    globals._G, globals._VERSION = environment, _VERSION
    if unsafe then
        globals.io, globals.os, globals.debug, globals.package = io, os, debug, package
    end
    return setmetatable(environment, {
        __index = globals,
        __newindex = function(_, key)
            error(format("global '%s' cannot be set: rules share nothing; write `local %s`",
                tostring(key), tostring(key)), 2)
        end,
        __metatable = false,
    })
end

return sandbox
