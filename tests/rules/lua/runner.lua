-- `mxhook test` without a server behind it: the order in which a file's functions run, what fails and what it says, the
-- reports; and what tests say of authentication, scanners and look-ups. Returns how many rows there were.
local read_auth = require "mxhook.test.auth"
local read_lookups = require "mxhook.test.lookups"
local read_scan = require "mxhook.test.scan"
local run_tests = require "mxhook.test"

local check, count = dofile(...)
local log = {}

function _G.note(text) log[#log + 1] = text end

local asked, given
local function try(bytes, envelope)
    asked, given = envelope, bytes
    return { tables = { { url = "https://a.example" }, { url = "https://b.example" } }, rule = bytes:match "no rule" and "" or "10.lua:1",
        code = 250, enhanced = "2.0.0", text = "Ok", steps = bytes:match "Subject: one log" and { { rule = "10.lua:1", answer = "log: once" } } or { { rule = "10.lua:1", answer = "log: said" },
            { rule = "20.lua:1", answer = "no match" }, { rule = "30.lua:1", answer = "log: more" } },
        fields = { { "X-A", "1" }, { "Y", "2" }, { "x-a", "3" }, { "X-A", "4" } } }
end

local fresh = 0
local runner = { try = try, limited = function(_, f, handler) return xpcall(f, handler) end, fresh = function() fresh = fresh + 1 end,
    unreached = function() return "" end }

-- Runs files of these texts; what is printed, "FILE" for their names, and the exit code.
local function run(texts, options, unreached)
    local paths, printed, write, stderr = {}, {}, io.write, io.stderr
    for i = 1, #texts do paths[i] = os.tmpname() end
    table.sort(paths, function(a, b) return a > b end) -- the last text is the first file
    for i, text in ipairs(texts) do
        local file = assert(io.open(paths[i], "w"))
        file:write(text)
        file:close()
    end
    log, fresh = {}, 0
    runner.unreached = function() return unreached or "" end
    io.write = function(...) for _, each in ipairs { ... } do printed[#printed + 1] = tostring(each) end end
    io.stderr = { write = function(_, text) printed[#printed + 1] = text end }
    local ok, code = pcall(run_tests, { unpack(paths) }, options or {}, runner)
    io.write, io.stderr = write, stderr
    local output = table.concat(printed)
    for _, path in ipairs(paths) do
        os.remove(path)
        output = output:gsub(path:gsub("%p", "%%%0"), "FILE")
    end
    return output, ok and code or "raised " .. tostring(code)
end

local ALL = "every rule and alias was reached\n"

-- ---- Order ----

local output, code = run { [[
note "load"
describe("a", function()
  for _, kind in ipairs { "setup", "teardown", "before_each", "after_each" } do
    local when = ({ setup = setup, teardown = teardown, before_each = before_each, after_each = after_each })[kind]
    when(function() note(kind .. "1") end)
    when(function() note(kind .. "2") end)
  end
  it("one", function() finally(function() note "finally1" end) finally(function() note "finally2" end) note "one" end)
  context("b", function()
    setup(function() note "setup b" end) teardown(function() note "teardown b" end)
    before_each(function() note "before b" end) after_each(function() note "after b" end)
    spec("two", function() note "two" end)
    pending "later"
  end)
  test("three", function() note "three" end)
end)
it("four", function() note "four" end)
]] }
check("printed", output, "ok      a one\nok      a b two\nskipped a b later\nok      a three\nok      four\n" .. ALL .. "4 passed, 0 failed, 1 skipped\n")
check("exit code", code, 0)
check("fresh", fresh, 4)
check("order", table.concat(log, " "), "load setup1 setup2 before_each1 before_each2 one finally1 finally2 after_each1 after_each2 setup b "
    .. "before_each1 before_each2 before b two after b after_each1 after_each2 teardown b before_each1 before_each2 three after_each1 "
    .. "after_each2 teardown1 teardown2 four")

-- ---- What fails, and what runs all the same ----

for _, row in ipairs {
    { [[it("x", function() finally(function() note "f" end) error("no", 0) end) after_each(function() note "a" end)]],
        "FAILED  x\n        FILE:1: no\n", "f a" },
    { [[before_each(function() error("no", 0) end) before_each(function() note "b" end) after_each(function() note "a" end)
        it("x", function() note "x" end)]], "FAILED  x\n        FILE:1: no\n", "a" },
    { [[after_each(function() error("no", 0) end) it("x", function() note "x" end)]], "FAILED  x\n        FILE:1: no\n", "x" },
    { [[setup(function() error("no", 0) end) setup(function() note "s" end) before_each(function() note "b" end) teardown(function() note "t" end)
        it("x", function() note "x" end) it("y", function() note "y" end)]],
        "FAILED  x\n        FILE:1: no\nFAILED  y\n        FILE:1: no\n", "t" },
    { [[teardown(function() error("no", 0) end) teardown(function() note "t" end) it("x", function() note "x" end) it("y", function() note "y" end)]],
        "ok      x\nFAILED  y\n        FILE:1: no\n", "x y t" },
    { [[it("x", function() note "x" pending "why" note "not" end)]], "skipped x\n", "x" },
    { [[it("x", function() pending() end)]], "skipped x\n", "" },
    { [[it("x", function() error({ message = "in a table" }) end)]], "FAILED  x\n        FILE:1: in a table\n", "" },
    { "it('x', function()\n\nerror('two\\nlines', 0) end)", "FAILED  x\n        FILE:3: two\n        lines\n", "" },
    { [[it("x", function() it("y", function() end) end)]], "FAILED  x\n        FILE:1: FILE:1: it: inside of a test: it would never run\n", "" },
    { [[it("x", function() describe("y", function() end) end)]],
        "FAILED  x\n        FILE:1: FILE:1: describe: inside of a test: it would never run\n", "" },
    { [[it("x", function() setup(function() end) end)]], "FAILED  x\n        FILE:1: FILE:1: setup: inside of a test: it would never run\n", "" },
    { [[it("x", function() os.exit(0) end)]], "FAILED  x\n        FILE:1: FILE:1: os.exit: a test ends where its function does\n", "" },
    { [[it("x", function() route { text = "a" } error("no", 0) end)]],
        "FAILED  x\n        FILE:1: no\n        10.lua:1 log: said\n        30.lua:1 log: more\n", "" },
    { [[it("x", function() route { subject = "one log" } error("no", 0) end)]], "FAILED  x\n        FILE:1: no\n        10.lua:1 log: once\n", "" },
    { "local function f() error('no', 0) end\nit('x', function()\nf() end)", "FAILED  x\n        FILE:1: no\n", "" },
} do
    output, code = run { row[1] }
    local failed, passed, skipped = select(2, output:gsub("FAILED ", "")), select(2, output:gsub("ok     ", "")), select(2, output:gsub("skipped ", ""))
    check(row[1], output, row[2] .. ALL .. ("%d passed, %d failed, %d skipped\n"):format(passed, failed, skipped))
    check("order of " .. row[1], table.concat(log, " "), row[3])
    check("code of " .. row[1], code, failed > 0 and 1 or 0)
end

output, code = run { "syntax error", "it('x', function() end)\nerror('no', 0)" }
check("broken", output:find("FAILED  FILE\n        FILE:1: '=' expected near 'error'\n", 1, true) ~= nil, true)
check("broken, exit code", code, 1)
check("broken, and others", output:find("ok      x\n", 1, true) ~= nil and output:find("1 passed, 2 failed, 0 skipped", 1, true) ~= nil, true)
output = run { "finally(function() end)" }
check("in order", (run { "it('b', note)", "it('a', note)" }), "ok      a\nok      b\n" .. ALL .. "2 passed, 0 failed, 0 skipped\n")
check("finally", output:find("FILE:1: finally: it is for the test that runs", 1, true) ~= nil, true)
output, code = run {}
check("no test", output, "0 passed, 0 failed, 0 skipped\nmxhook test: there is no test\n")
check("no test, exit code", code, 2)

-- ---- Reports ----

local SOME = "it('a#1', function() end) it('b', function() error('x <&>\"\\1', 0) end) pending 'c'"
output, code = run({ SOME }, { filter = "a#" })
check("filtered", output .. code, "ok      a#1\n1 passed, 0 failed, 0 skipped\n0")
check("filtered by no pattern", (run({ SOME }, { filter = "." })), "0 passed, 0 failed, 0 skipped\nmxhook test: there is no test\n")
check("TAP", (run({ SOME }, { tap = true })), "TAP version 13\n1..3\nok 1 - a\\#1\nnot ok 2 - b\n# FILE:1: x <&>\"\1\nok 3 - c # SKIP\n")
local junit = os.tmpname()
local clock, ticks = os.clock, 0
function os.clock()
    ticks = ticks + 1
    return ticks
end
output = run({ SOME }, { junit = junit })
os.clock = clock
check("junit says the same", output:match("[^\n]*\n$"), "1 passed, 1 failed, 1 skipped\n")
local text = io.open(junit):read "*a":gsub("/tmp/lua_%w+", "FILE"):gsub('time="1%.000"', "TIME")
check("junit", text, [[<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="mxhook" tests="3" failures="1" skipped="1">
  <testcase classname="FILE" name="a#1" TIME></testcase>
  <testcase classname="FILE" name="b" TIME><failure message="FILE:1: x &lt;&amp;&gt;&quot;?"/></testcase>
  <testcase classname="FILE" name="c" TIME><skipped/></testcase>
</testsuite>
]])
os.remove(junit)
for _, wrong in ipairs { "/nowhere/x.xml", "/dev/full" } do
    output, code = run({ SOME }, { junit = wrong })
    check("junit to " .. wrong, tostring(code):find("^raised " .. wrong) ~= nil, true)
end
for _, row in ipairs {
    { "10.lua:1", "not reached: 1 rule(s), 0 alias(es): 10.lua:1\n" }, { "10.lua:1 a@b", "not reached: 0 rule(s), 1 alias(es): 10.lua:1 a@b\n" },
    { "10.lua:1\n30.lua:3 a@b", "not reached: 1 rule(s), 1 alias(es): 10.lua:1, 30.lua:3 a@b\n" },
    { "10.lua:1\n20.lua:2\n30.lua:3 a@b\n30.lua:3 c@d", "not reached: 2 rule(s), 2 alias(es): 10.lua:1, 20.lua:2, 30.lua:3 a@b, 30.lua:3 c@d\n" },
} do
    check("unreached", (run({ "it('x', function() end)" }, {}, row[1])), "ok      x\n" .. row[2] .. "1 passed, 0 failed, 0 skipped\n")
end

-- ---- route() ----

output = run { [[
it("x", function()
  local result = route { headers = { X = "no rule" }, to = "a@b.example" }
  assert(result.rule == nil and route { text = "" }.rule == "10.lua:1")
  assert(#result.destinations == 2 and result.destinations[2] == "https://b.example" and result.details[1].url == "https://a.example")
  assert(result.reply.code == 250 and result.reply.enhanced == "2.0.0" and result.reply.text == "Ok" and result.steps[2].answer == "no match")
  local seen = result.headers["x-A"]
  assert(#seen == 3 and seen[1] == "1" and seen[2] == "3" and seen[3] == "4" and result.headers.y == "2" and result.headers.z == nil)
end)]] }
check("a result", output, "ok      x\n" .. ALL .. "1 passed, 0 failed, 0 skipped\n")
for _, row in ipairs {
    { "route(7)", "route: a table or the path of an .eml was expected, not a number" }, { "route 'none.eml'", "route: none.eml: cannot be read" },
    { "route({}, { sendr = 'x' })", "route: an envelope has no 'sendr' (did you mean 'sender'?)" }, { "route({}, { [1] = 'x' })", "route: an envelope has no '1'" },
    { "route({}, { at = 'noon' })", 'route: at: a time as "2026-03-01T09:00:00+01:00" was expected, not noon' },
    { "route({}, { auth = 7 })", "route: auth: a table was expected, not a number" }, { "route({}, { scan = 7 })", "route: scan: a table was expected, not a number" },
    { "route({}, { lookups = 7 })", "route: lookups: a table of names was expected" },
} do
    output = run { "it('x', function() " .. row[1] .. " end)" }
    check(row[1], output:match "        FILE:1: FILE:1: ([^\n]*)" or output, row[2])
end
run { "it('x', function() route({ sender = 'm@a' }, { sender = 'e@a', at = '2026-03-01T09:00:00+01:00', tls = false }) end)" }
check("the envelope's sender", asked.sender, "e@a")
check("at", asked.at, 1772352000)
check("tls", asked.tls, false)

local mail = os.tmpname()
local file = io.open(mail, "w")
file:write "Subject: of a file\n"
file:close()
for _, path in ipairs { mail, mail:match "[^/]*$" } do
    run { ("it('x', function() route(%q, { sender = 'f@a' }) route(%q) end)"):format(path, path) }
    check("the bytes of a file", given, "Subject: of a file\n")
    check("no envelope", asked.sender, nil)
end
run { ("it('x', function() route(%q, { sender = 'f@a' }) end)"):format(mail) }
check("a file's envelope", asked.sender, "f@a")
os.remove(mail)

-- ---- What else a test says ----

local function shown(value)
    if type(value) ~= "table" then return tostring(value) end
    local keys, parts = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do parts[i] = (type(key) == "number" and "" or key .. "=") .. shown(value[key]) end
    return "{" .. table.concat(parts, " ") .. "}"
end

local function result_of(f, ...)
    local ok, value = pcall(f, ...)
    return ok and shown(value) or tostring(value)
end

local NONE = "{domain= result=none}"
local function auth_of(changed)
    local all = { dkim = "{}", dmarc = NONE, dnsbl = "{}", iprev = NONE, spf = NONE }
    for name, value in pairs(changed) do all[name] = value end
    return ("{dkim=%s dmarc=%s dnsbl=%s iprev=%s spf=%s}"):format(all.dkim, all.dmarc, all.dnsbl, all.iprev, all.spf)
end
for _, row in ipairs {
    { {}, auth_of {} }, { { spf = "fail" }, auth_of { spf = "{domain= result=fail}" } }, { { spf = { domain = "a", reason = "b" } }, auth_of { spf = "{domain=a reason=b result=none}" } },
    { { dkim = "pass" }, auth_of { dkim = "{{algorithm= domain= result=pass selector=}}" } }, { { dkim = "none" }, auth_of {} },
    { { dkim = { result = "fail", selector = "s" } }, auth_of { dkim = "{{algorithm= domain= result=fail selector=s}}" } },
    { { dkim = { "pass", { algorithm = "x" } } }, auth_of { dkim = "{{algorithm= domain= result=pass selector=} {algorithm=x domain= result=none selector=}}" } },
    { { dmarc = { result = "fail", policy = "reject" } }, auth_of { dmarc = "{domain= policy=reject result=fail}" } },
    { { dnsbl = { "zen" } }, auth_of { dnsbl = "{{codes={127.0.0.2} listed=true zone=zen}}" } },
    { { dnsbl = { zen = { codes = { "127.0.0.4" }, reason = "r" } } }, auth_of { dnsbl = "{{codes={127.0.0.4} listed=true reason=r zone=zen}}" } },
    { { dnsbl = { "a", "b" } }, auth_of { dnsbl = "{{codes={127.0.0.2} listed=true zone=a} {codes={127.0.0.2} listed=true zone=b}}" } },
    { { dnsbl = { zen = { error = "e" } } }, auth_of { dnsbl = "{{codes={} error=e listed=false zone=zen}}" } },
    { { dnsbl = { zen = { listed = false } } }, auth_of { dnsbl = "{{codes={} listed=false zone=zen}}" } },
    { 7, "auth: a table was expected, not a number" }, { { sfp = "x" }, "auth: one of spf, dkim, dmarc, iprev, dnsbl was expected, not 'sfp'; did you mean 'spf'?" },
    { { spf = "fial" }, "auth.spf.result: one of none, pass, fail, softfail, neutral, policy, temperror, permerror was expected, not 'fial'; did you mean 'fail'?" },
    { { dmarc = "softfail" }, "auth.dmarc.result: one of none, pass, fail, temperror, permerror was expected, not 'softfail'" },
    { { spf = { result = 7 } }, "auth.spf.result: a string was expected, not a number" }, { { spf = 7 }, "auth.spf: a table was expected, not a number" },
    { { iprev = { domain = "x" } }, "auth.iprev: one of result, reason was expected, not 'domain'" },
    { { dmarc = { policy = "none", result = "x" } }, "auth.dmarc.result: one of none, pass, fail, temperror, permerror was expected, not 'x'" },
    { { dmarc = { policy = "x" } }, "auth.dmarc.policy: one of none, quarantine, reject was expected, not 'x'" },
    { { dkim = 7 }, "auth.dkim: a list was expected, not a number" }, { { dkim = { x = 1 } }, "auth.dkim: a list of signatures was expected, not 'x'" },
    { { dkim = { "pass", "x" } }, "auth.dkim[2].result: one of none, pass, fail, policy, neutral, temperror, permerror was expected, not 'x'" },
    { { dnsbl = "zen" }, "auth.dnsbl: a table was expected, not a string" }, { { dnsbl = { 7 } }, "auth.dnsbl: a zone: a string was expected, not a number" },
    { { dnsbl = { zen = 7 } }, 'auth.dnsbl["zen"]: a table was expected, not a number' },
    { { dnsbl = { zen = { listed = 1 } } }, 'auth.dnsbl["zen"].listed: a boolean was expected, not a number' },
    { { dnsbl = { zen = { codes = 1 } } }, 'auth.dnsbl["zen"].codes: a table was expected, not a number' },
    { { dnsbl = { zen = { codes = { "a", 2 } } } }, 'auth.dnsbl["zen"].codes[2]: a string was expected, not a number' },
    { { dnsbl = { zen = { reason = 1 } } }, 'auth.dnsbl["zen"].reason: a string was expected, not a number' },
    { { dnsbl = { zen = { error = 1 } } }, 'auth.dnsbl["zen"].error: a string was expected, not a number' },
    { { dnsbl = { zen = { code = {} } } }, 'auth.dnsbl["zen"]: one of listed, codes, reason, error was expected, not \'code\'; did you mean \'codes\'?' },
} do
    check("auth", result_of(read_auth, row[1]), row[2])
end

local function scan_of(changed)
    local all = { action = "no action", required = 15, score = 0, spam = false, symbols = "{}" }
    for name, value in pairs(changed) do all[name] = value end
    return shown(all)
end
for _, row in ipairs {
    { {}, scan_of {} }, { { action = "reject" }, scan_of { action = "reject", spam = true } }, { { action = "add header" }, scan_of { action = "add header", spam = true } },
    { { action = "rewrite subject" }, scan_of { action = "rewrite subject", spam = true } }, { { action = "greylist" }, scan_of { action = "greylist" } },
    { { action = "soft reject" }, scan_of { action = "soft reject" } }, { { action = "reject", spam = false }, scan_of { action = "reject" } },
    { { action = "own", spam = true }, scan_of { action = "own", spam = true } }, { { score = 1, required = 2 }, scan_of { score = 1, required = 2 } },
    { { virus = "v", message = "m" }, scan_of { virus = "v", message = "m" } }, { { error = "e" }, scan_of { error = "e" } },
    { { symbols = { B = 2, A = { options = { "o" } } } }, scan_of { symbols = "{{name=A options={o} score=0} {name=B options={} score=2}}" } },
    { { action = ("x"):rep(64) }, scan_of { action = ("x"):rep(64) } },
    { { action = ("x"):rep(65) }, "scan.action: '" .. ("x"):rep(65) .. "' is no action of rspamd's" }, { { action = "" }, "scan.action: '' is no action of rspamd's" },
    { { action = 'a"b' }, "scan.action: 'a\"b' is no action of rspamd's" }, { { action = "a\\b" }, "scan.action: 'a\\b' is no action of rspamd's" },
    { { action = "a\127" }, "scan.action: 'a\127' is no action of rspamd's" }, { { action = "rejct" }, "scan.action: 'rejct' is no action of rspamd's; did you mean 'reject'?" },
    { { score = "1" }, "scan.score: a number was expected, not a string" }, { { scor = 1 }, "scan: one of score, required, action, symbols, spam, virus, error, message was expected, not 'scor'; did you mean 'score'?" },
    { { symbols = { "A" } }, "scan.symbols: a name: a string was expected, not a number" }, { { symbols = { A = "1" } }, "scan.symbols.A: a table was expected, not a string" },
    { { symbols = { A = { x = 1 } } }, "scan.symbols.A: one of score, options was expected, not 'x'" },
    { { symbols = { A = { score = "1" } } }, "scan.symbols.A.score: a number was expected, not a string" },
    { { symbols = { A = { options = 1 } } }, "scan.symbols.A.options: a table was expected, not a number" },
    { { symbols = { A = { options = { "a", 1 } } } }, "scan.symbols.A.options[2]: a string was expected, not a number" },
} do
    check("scan", result_of(read_scan, row[1]), row[2])
end

for _, row in ipairs {
    { {}, "{}" }, { { lookups = {} }, "{}" }, { { lookups = { crm = false } }, "{{kind=lookups source=crm status=unknown}}" },
    { { lookups = { crm = {} } }, "{{kind=lookups source=crm status=none}}" },
    { { lookups = { crm = { ["A@B"] = "https://x" } } }, '{{address=a@b kind=lookups source=crm status=found text="https:\\/\\/x"} {kind=lookups source=crm status=none}}' },
    { { lookups = { crm = { ["a@b"] = false } } }, "{{address=a@b kind=lookups source=crm status=none} {kind=lookups source=crm status=none}}" },
    { { databases = { shop = { ["a@b"] = "x" } } }, "{{address=a@b kind=databases source=shop status=found text=x} {kind=databases source=shop status=none}}" },
    { { lookups = 7 }, "lookups: a table of names was expected" }, { { databases = "x" }, "databases: a table of names was expected" },
    { { lookups = { crm = 7 } }, 'lookups.crm: a table { ["a@example.com"] = "https://..." } or false was expected' },
    { { lookups = { crm = { "x" } } }, "lookups.crm: its keys are addresses, not a number" },
    { { databases = { shop = { ["a@b"] = {} } } }, "databases.shop: a@b: a text was expected, as the column `destination` has it" },
    { { lookups = { crm = { ["a@b"] = print } } }, "lookups.crm: a@b: it cannot be JSON: Cannot serialise function: type not supported" },
} do
    check("look-ups", result_of(read_lookups, row[1]), row[2])
end

return count()
