--- `mxhook test`: describe, it, pending, setup, teardown, before_each, after_each, finally, luassert's assert, and
-- route(message).
--
-- Called by server/cli/runner.c with the files, the options and what is done in C: try(bytes, envelope), which runs the
-- real parser and the real rules; limited(ms, f, handler), an xpcall with a time limit; fresh(), before each test, so
-- that none finds what another left in the store; and unreached().

local assert_words = require "luassert"
local build = require "mxhook.test.message"
local nearest = require "mxhook.nearest"
local read_auth = require "mxhook.test.auth"
local read_lookups = require "mxhook.test.lookups"
local read_scan = require "mxhook.test.scan"
local report = require "mxhook.test.report"
local parse_timestamp = require "mxhook.cel.time".parse_timestamp

-- What the test that runs has routed, for people when it fails; and what it wants done when it ends.
local running

-- A test that ends the program would end it green.
function os.exit() error("os.exit: a test ends where its function does", 2) end

local function noted(result)
    if running then running.results[#running.results + 1] = result end
    return result
end

-- Blocks in which tests stand, and the tests of one file in order.
local function new_block(name, parent)
    return { name = name, parent = parent, before = {}, after = {}, setup = {}, teardown = {}, left = 0 }
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

local envelope_names = { "sender", "recipient", "client_ip", "client_name", "helo", "tls", "user", "auth", "scan", "at", "lookups",
    "databases" }

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
    if copy.at ~= nil then
        local ok, time = pcall(parse_timestamp, tostring(copy.at), 1)
        if not ok then error(('route: at: a time as "2026-03-01T09:00:00+01:00" was expected, not %s'):format(
            tostring(copy.at)), 3) end
        copy.at = time.seconds
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
    local ok, answers = pcall(read_lookups, copy)
    if not ok then error("route: " .. answers, 3) end
    copy.answers = answers
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
            return noted(as_result(try(bytes, checked(envelope or {}))))
        end
        local bytes, of_message = build(message)
        for key, value in pairs(envelope or {}) do of_message[key] = value end
        return noted(as_result(try(bytes, checked(of_message))))
    end
end

-- What a test file sees besides the globals of Lua.
local function words(tests, try, folder)
    local block = new_block()
    local env = { assert = assert_words, route = make_route(try, folder) }
    local function outside(name)
        if running then error(name .. ": inside of a test: it would never run", 3) end
    end
    function env.describe(name, body)
        outside "describe"
        block = new_block(name, block)
        body()
        block = block.parent
    end
    env.context = env.describe
    function env.it(name, body)
        outside "it"
        tests[#tests + 1] = { name = full_name(block, name), body = body, block = block }
    end
    env.spec, env.test = env.it, env.it
    -- in a test: it ends here, skipped; outside: one that is still to be written
    function env.pending(name)
        if running then error({ pending = true }, 0) end
        tests[#tests + 1] = { name = full_name(block, name), block = block }
    end
    function env.finally(body)
        if not running then error("finally: it is for the test that runs", 2) end
        table.insert(running.finally, body)
    end
    for name, list in pairs { before_each = "before", after_each = "after", setup = "setup", teardown = "teardown" } do
        env[name] = function(body)
            outside(name)
            table.insert(block[list], body)
        end
    end
    return setmetatable(env, { __index = _G })
end

local function collect(path, runner, options)
    local tests = {}
    local chunk, wrong = loadfile(path)
    if not chunk then return { { name = path, broken = wrong, file = path } } end
    setfenv(chunk, words(tests, runner.try, path:match("^.*/") or ""))
    local ok, failure = runner.limited(options.timeout_ms, chunk, debug.traceback)
    if not ok then tests[#tests + 1] = { name = path, broken = tostring(failure) } end
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
        if type(failure) == "table" and failure.pending then return failure end
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

-- The logs of what the test routed, below its failure.
local function logs_of(results)
    local lines = {}
    for _, result in ipairs(results) do
        for _, step in ipairs(result.steps) do
            if step.answer:find("^log: ") then table.insert(lines, step.rule .. " " .. step.answer) end
        end
    end
    return #lines > 0 and table.concat(lines, "\n") or nil
end

-- Blocks of the test, the outer first.
local function blocks_of(block)
    local list = {}
    while block do
        table.insert(list, 1, block)
        block = block.parent
    end
    return list
end

-- What the handler made of it; or what it was itself, where no handler could be called: a coroutine's time was over.
local function failure_of(wrong)
    if type(wrong) == "table" and (wrong.text or wrong.pending) then return wrong end
    return { text = message_of(wrong) }
end

-- Runs each part; the failure of the first that fails, with whether it was pending.
local function run_parts(test, runner, options, parts)
    local failure
    for _, part in ipairs(parts) do
        if not (failure and part.needs_all) then
            local ok, wrong = runner.limited(options.timeout_ms, part.f, handler(test.file))
            if not ok then failure = failure or failure_of(wrong) end
        end
    end
    return failure
end

local function set_up(test, runner, options)
    for _, block in ipairs(blocks_of(test.block)) do
        if not block.is_set_up then
            block.is_set_up = true
            local parts = {}
            for _, f in ipairs(block.setup) do table.insert(parts, { f = f, needs_all = true }) end
            block.failure = run_parts(test, runner, options, parts)
        end
        if block.failure then return block.failure end
    end
end

-- After the last test of a block
local function tear_down(test, runner, options)
    local failure
    local blocks = blocks_of(test.block)
    for i = #blocks, 1, -1 do
        local block = blocks[i]
        block.left = block.left - 1
        if block.left == 0 and block.is_set_up then
            local parts = {}
            for _, f in ipairs(block.teardown) do table.insert(parts, { f = f }) end
            failure = failure or run_parts(test, runner, options, parts)
        end
    end
    return failure
end

local function run(test, runner, options)
    if test.broken then return "failed", { text = test.broken } end
    if not test.body then
        tear_down(test, runner, options)
        return "skipped"
    end
    runner.fresh()
    local failure = set_up(test, runner, options)
    running = { results = {}, finally = {} }
    if not failure then
        failure = run_parts(test, runner, options, {
            { f = function() run_hooks(test.block, "before") end, needs_all = true }, { f = test.body, needs_all = true },
            { f = function() for _, f in ipairs(running.finally) do f() end end },
            { f = function() run_hooks(test.block, "after") end } })
    end
    local logs = logs_of(running.results)
    running = nil
    failure = tear_down(test, runner, options) or failure
    if not failure then return "passed" end
    if failure.pending then return "skipped" end
    if logs then failure.text = failure.text .. "\n" .. logs end
    return "failed", failure
end

--- Runs every test in `paths`; 0 where all pass, 1 where one fails, 2 where there is none.
return function(paths, options, runner)
    local tests = {}
    table.sort(paths)
    for _, path in ipairs(paths) do
        for _, test in ipairs(collect(path, runner, options)) do
            if not options.filter or test.broken or test.name:find(options.filter, 1, true) then
                tests[#tests + 1] = test
                for _, block in ipairs(blocks_of(test.block)) do block.left = block.left + 1 end
            end
        end
    end
    local output = report.new(options, #tests)
    for number, test in ipairs(tests) do
        local started = os.clock()
        test.state, test.failure = run(test, runner, options)
        test.seconds = os.clock() - started
        output.test(number, test)
    end
    return output.finish(tests, not options.filter and runner.unreached() or nil)
end
