--- `mxhook test`: describe, it, before_each, after_each, luassert's assert, and route(message).
--
-- Called by server/rules/runner.c with the files, the options and try(bytes, envelope), which runs the real
-- parser and the real rules in C.

local assert_words = require "luassert"
local build = require "mxhook.test.message"
local nearest = require "mxhook.nearest"
local read_auth = require "mxhook.test.auth"
local read_scan = require "mxhook.test.scan"
local report = require "mxhook.test.report"

-- Blocks in which tests stand, and the tests of one file in order.
local function new_block(name, parent)
    return { name = name, parent = parent, before = {}, after = {} }
end

local function full_name(block, name)
    local parts = { name }
    while block and block.name do
        table.insert(parts, 1, block.name)
        block = block.parent
    end
    return table.concat(parts, " ")
end

local function as_result(tried)
    local result = {
        destinations = {}, details = tried.tables, rule = tried.rule ~= "" and tried.rule or nil,
        reply = { code = tried.code, enhanced = tried.enhanced, text = tried.text }, steps = tried.steps, headers = {},
    }
    for i, destination in ipairs(tried.tables) do result.destinations[i] = destination.url end
    -- in any case; a header that stands more often is a list, as in the payload
    local lower = {}
    for _, field in ipairs(tried.fields) do
        local name = field[1]:lower()
        local seen = lower[name]
        if seen == nil then
            lower[name] = field[2]
        elseif type(seen) == "table" then
            table.insert(seen, field[2])
        else
            lower[name] = { seen, field[2] }
        end
    end
    setmetatable(result.headers, { __index = function(_, name) return lower[tostring(name):lower()] end })
    return result
end

local function read_file(path, folder)
    local file = io.open(path, "rb") or io.open(folder .. path, "rb")
    if not file then error("route: " .. path .. ": cannot be read", 3) end
    local bytes = file:read "*a"
    file:close()
    return bytes
end

local envelope_names = { "sender", "recipient", "client_ip", "client_name", "helo", "tls", "user", "auth", "scan" }

-- A copy of the envelope, its `auth` complete; where it is wrong, the test's own line is to blame.
local function checked(envelope)
    local copy = {}
    for _, name in ipairs(envelope_names) do copy[name] = envelope[name] end
    for key in pairs(envelope) do
        if copy[key] == nil then
            error(("route: an envelope has no '%s'%s"):format(tostring(key),
                nearest(tostring(key), envelope_names, " (did you mean '%s'?)")), 3)
        end
    end
    if copy.auth ~= nil then
        local ok, auth = pcall(read_auth, copy.auth)
        if not ok then error("route: " .. auth, 3) end
        copy.auth = auth
    end
    if copy.scan ~= nil then
        local ok, scan = pcall(read_scan, copy.scan)
        if not ok then error("route: " .. scan, 3) end
        copy.scan = scan
    end
    return copy
end

-- route(message [, envelope]): a table (see mxhook.test.message) or the path of an .eml.
local function make_route(try, folder)
    return function(message, envelope)
        if type(message) ~= "table" and type(message) ~= "string" then
            error("route: a table or the path of an .eml was expected, not a " .. type(message), 2)
        end
        if type(message) == "string" then
            local bytes = read_file(message, folder)
            return as_result(try(bytes, checked(envelope or {})))
        end
        local bytes, of_message = build(message)
        for key, value in pairs(envelope or {}) do of_message[key] = value end
        return as_result(try(bytes, checked(of_message)))
    end
end

-- What a test file sees besides the globals of Lua.
local function words(tests, try, folder)
    local block = new_block()
    local env = { assert = assert_words, route = make_route(try, folder) }
    function env.describe(name, body)
        block = new_block(name, block)
        body()
        block = block.parent
    end
    env.context = env.describe
    function env.it(name, body)
        tests[#tests + 1] = { name = full_name(block, name), body = body, block = block }
    end
    env.spec = env.it
    function env.pending(name)
        tests[#tests + 1] = { name = full_name(block, name), block = block }
    end
    function env.before_each(body) table.insert(block.before, body) end
    function env.after_each(body) table.insert(block.after, body) end
    return setmetatable(env, { __index = _G })
end

local function collect(path, try)
    local tests = {}
    local chunk, wrong = loadfile(path)
    if not chunk then return { { name = path, broken = wrong, file = path } } end
    setfenv(chunk, words(tests, try, path:match("^.*/") or ""))
    local ok, failure = xpcall(chunk, debug.traceback)
    if not ok then tests[#tests + 1] = { name = path, broken = failure } end
    for _, test in ipairs(tests) do test.file = path end
    return tests
end

-- Outer blocks first before a test, inner ones first after it.
local function run_hooks(block, kind)
    if not block then return end
    if kind == "before" then run_hooks(block.parent, kind) end
    for _, hook in ipairs(block[kind]) do hook() end
    if kind == "after" then run_hooks(block.parent, kind) end
end

local function message_of(failure)
    if type(failure) == "table" then failure = failure.message or tostring(failure) end
    return tostring(failure)
end

-- The line of the test file that failed stands in the traceback; the runner's own frames say nothing.
local function handler(file)
    return function(failure)
        local where
        for level = 2, 30 do
            local info = debug.getinfo(level, "Sl")
            if not info then break end
            if info.source == "@" .. file then
                where = ("%s:%d"):format(file, info.currentline)
                break
            end
        end
        return { text = message_of(failure), where = where }
    end
end

local function run(test)
    if test.broken then return "failed", { text = test.broken } end
    if not test.body then return "skipped" end
    local ok, failure = xpcall(function()
        run_hooks(test.block, "before")
        test.body()
    end, handler(test.file))
    local cleaned, other = xpcall(function() run_hooks(test.block, "after") end, handler(test.file))
    if ok and cleaned then return "passed" end
    return "failed", failure or other
end

--- Runs every test in `paths`; 0 where all pass, 1 where one fails, 2 where there is none.
return function(paths, options, try)
    local tests = {}
    table.sort(paths)
    for _, path in ipairs(paths) do
        for _, test in ipairs(collect(path, try)) do
            if not options.filter or test.broken or test.name:find(options.filter, 1, true) then
                tests[#tests + 1] = test
            end
        end
    end
    local output = report.new(options, #tests)
    for number, test in ipairs(tests) do
        local started = os.clock()
        test.state, test.failure = run(test)
        test.seconds = os.clock() - started
        output.test(number, test)
    end
    return output.finish(tests)
end
