--- The world that a rule file sees: safe libraries, and nothing shared with another file.
--
-- Each file has an environment of its own. Its globals are read-only, its library tables are views
-- of its own, so that nothing one file writes can reach another. What could run long inside C, or
-- nest C calls until the stack overflows, is written in Lua here, where the limits hold.

local core = require "mxhook.core"
local rex = require "mxhook.rex"

local sandbox = {}

local getmetatable, setmetatable, type, select, error = getmetatable, setmetatable, type, select, error
local raw_metatable = debug.getmetatable

--- A read-only view of a library.
local function protect(library, name)
    return setmetatable({}, {
        __index = library,
        __newindex = function(_, key)
            error(("%s.%s cannot be set: libraries are read-only"):format(name, tostring(key)), 2)
        end,
        __call = (raw_metatable(library) or {}).__call,
        __pairs = function() return next, library, nil end,
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
    local depth = (depth_of[coroutine.running() or false] or 0) + 1
    if depth > MAX_NESTED_COROUTINES then
        return false, "more than " .. MAX_NESTED_COROUTINES .. " coroutines in each other"
    end
    if type(thread) == "thread" then depth_of[thread] = depth end
    return coroutine.resume(thread, ...)
end

local function pass_on(ok, ...)
    if not ok then error(..., 0) end
    return ...
end

local function wrap(f)
    local thread = coroutine.create(f)
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

-- Moving a large table's rest is one long step in C: the clock is asked each time.
local LONG_TABLE = 1000

local function insert(list, ...)
    if type(list) == "table" and #list > LONG_TABLE then core.check() end
    return table.insert(list, ...)
end

local function remove(list, ...)
    if type(list) == "table" and #list > LONG_TABLE then core.check() end
    return table.remove(list, ...)
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
            chunk = table.concat(pieces)
        end
        if type(chunk) ~= "string" then error("load: a string was expected", 2) end
        local env = environment
        if select("#", ...) > 0 then env = (...) end
        return load(chunk, name or "=(load)", "t", env)
    end
end

local function pick(library, names)
    local picked = {}
    for name in names:gmatch("%w+") do picked[name] = library[name] end
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
libraries.coroutine.resume, libraries.coroutine.wrap = resume, wrap

-- ("x"):upper() finds its method here; nobody can reach or replace the metatable.
local strings = raw_metatable("")
strings.__index = libraries.string
strings.__metatable = false

local function log(...)
    local pieces = {}
    for i = 1, select("#", ...) do pieces[i] = tostring((select(i, ...))) end
    core.log(table.concat(pieces, " "))
end

local function env(name, default)
    if type(name) ~= "string" or not name:find("^MXHOOK_") then
        error("env: rules see only the environment variables that begin with MXHOOK_", 2)
    end
    return core.env(name) or default
end

-- What rules may `require`, besides files in lib/.
local public = {}
for name in ("route alias rex cel store"):gmatch("%w+") do public["mxhook." .. name] = true end

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
    cjson = {
        null = loaded.null,
        decode = function(text) return loaded.decode(text) end,
        encode = function(value)
            json_size(value, 0)
            return loaded.encode(value)
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
    for name in ("assert error next pcall rawequal rawget rawset select setmetatable tonumber "
        .. "tostring type unpack getmetatable"):gmatch("%w+") do
        globals[name] = _G[name]
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
            error(("global '%s' cannot be set: rules share nothing; write `local %s`"):format(
                tostring(key), tostring(key)), 2)
        end,
        __metatable = false,
    })
end

return sandbox
