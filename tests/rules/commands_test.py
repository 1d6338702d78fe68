#!/usr/bin/python3
"""mxhook route and mxhook test as a user runs them, and the examples of mxhook-rules(7)."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "install"))
import manuals

MXHOOK = os.environ["MXHOOK"]
MAIL = b"From: Ada <ada@sender.example>\r\nTo: sales@example.com\r\nSubject: Hello\r\n\r\nYour code is 123456.\r\n"


def mxhook(*arguments, **options):
    return subprocess.run([MXHOOK, *map(str, arguments)], capture_output=True, timeout=60, **options)


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rules = self.folder / "rules.d"
        (self.rules / "lib").mkdir(parents=True)
        self.mail = self.folder / "mail.eml"
        self.mail.write_bytes(MAIL)

    def write(self, name, text):
        (self.rules / name).write_text(text)

    def route(self, *arguments):
        return mxhook("route", "--rules", self.rules, *arguments, self.mail)

    def run_tests(self, *arguments):
        return mxhook("test", "--rules", self.rules, *arguments)


class Route(Commands):
    def test_says_what_each_rule_answered(self):
        self.write("10.lua", "return function(msg) msg.headers['X-Seen'] = 'yes' msg.headers.subject = nil end")
        self.write("20.lua", "return alias { ['sales@example.com'] = {url = 'https://crm.example/', secret = 's'} }")
        done = self.route()
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[0], "sales@example.com")
        self.assertRegex(lines[1], r"^    10\.lua:1 +no match$")
        self.assertRegex(lines[2], r"^    20\.lua:1 +https://crm\.example/$")
        self.assertEqual(lines[3:], ["  -> https://crm.example/  (signed)", "  - Subject: Hello", "  + X-Seen: yes"])

    def test_recipients_and_exit_code(self):
        self.write("10.lua", "return alias { ['a@example.com'] = 'null', ['b@example.com'] = route.reject('gone') }")
        done = self.route("--rcpt", "a@example.com", "--rcpt", "b@example.com", "--rcpt", "c@example.com")
        self.assertEqual(done.returncode, 1)
        for line in (r"=> 250 2\.0\.0 Ok: taken as \S+  \(dropped\)", r"=> 550 5\.7\.1 gone",
                     r"=> 550 5\.1\.1 No destination for any recipient"):
            self.assertRegex(done.stdout.decode(), line)

    def test_json(self):
        self.write("10.lua", "return function(msg) return 'https://' .. msg.envelope.client_ip .. '/' end")
        done = self.route("--json", "--client-ip", "192.0.2.7")
        answer = json.loads(done.stdout)
        self.assertEqual(answer["destinations"], ["https://192.0.2.7/"])
        self.assertEqual((answer["code"], answer["rule"]), (250, "10.lua:1"))
        self.assertEqual(answer["rules"], [{"rule": "10.lua:1", "answer": "https://192.0.2.7/"}])
        self.assertIn(["Subject", "Hello"], answer["headers"])

    def test_authentication(self):
        self.write("10.lua", """return function(msg)
            local auth = msg.auth
            return ("https://a.example/%s/%s/%s/%s/%s"):format(auth.spf.result, auth.spf.domain, #auth.dkim,
                auth.dkim[1] and auth.dkim[1].domain or "", auth.dmarc.result)
        end""")
        for options, path in (
            (["--spf", "fail"], "fail/sender.example/0//none"),
            (["--spf", "pass", "--dkim", "pass", "--dmarc", "pass"], "pass/sender.example/1/sender.example/pass"),
            (["--spf", "softfail", "--sender", ""], "softfail/localhost/0//none"),
        ):
            done = self.route(*options)
            self.assertIn(f"-> https://a.example/{path}\n", done.stdout.decode(), done.stderr)
        done = self.route("--spf", "fails")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--spf 'fails': none, pass, fail, softfail", done.stderr)

    def test_client(self):
        self.write("10.lua", """return function(msg)
            local lists = {}
            for zone, answer in pairs(msg.auth.dnsbl) do lists[#lists + 1] = zone .. "=" .. answer.codes[1] end
            table.sort(lists)
            return ("https://a.example/%s/%s"):format(msg.envelope.client_name or "", table.concat(lists, "+"))
        end""")
        for options, path in (
            ([], "/"),
            (["--client-name", "mx.sender.example"], "mx.sender.example/"),
            (["--dnsbl", "zen.example", "--dnsbl", "bl.example"], "/bl.example=127.0.0.2+zen.example=127.0.0.2"),
        ):
            done = self.route(*options)
            self.assertIn(f"-> https://a.example/{path}\n", done.stdout.decode(), done.stderr)
        done = self.route(*["--dnsbl", "zen.example"] * 17)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"no more than 16 of them was expected", done.stderr)

    def test_errors(self):
        self.write("10.lua", "return 7")
        done = self.route()
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/10.lua:1: returned a number", done.stderr)
        self.assertEqual(mxhook("route").returncode, 2)
        self.assertEqual(mxhook("route", "--help").returncode, 0)


TESTS = """
describe("sales", function()
    local result
    before_each(function() result = route { to = "sales+x@example.com", subject = "Grüße", html = "<p>hi</p>",
        attachments = { { name = "a.pdf", type = "application/pdf", content = ("x"):rep(1000) } },
        headers = { ["X-Tag"] = { "a", "b" } } } end)
    it("go to the CRM", function() assert.same({ "https://crm.example/1000" }, result.destinations) end)
    it("see headers", function()
        assert.same({ "a", "b" }, result.headers["x-tag"])
        assert.equal("Grüße", result.headers.SUBJECT)
    end)
    it("fail here", function() assert.equal("https://other.example/", result.destinations[1]) end)
    pending("is for later")
end)
it("reads a file", function()
    local result = route("../mail.eml", { recipient = "nobody@example.com" })
    assert.equal(550, result.reply.code)
    assert.equal("10.lua:1", result.steps[1].rule)
end)
"""


class Test(Commands):
    def setUp(self):
        super().setUp()
        self.write("10.lua", """return function(msg)
            if msg.envelope.recipient:find("^sales") then
                return { url = "https://crm.example/" .. msg.attachments[1].size, secret = "s" }
            end
        end""")
        self.write("10_test.lua", TESTS)

    def test_readable(self):
        done = self.run_tests()
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("ok      sales go to the CRM\n", text)
        self.assertIn("FAILED  sales fail here\n", text)
        self.assertRegex(text, r"10_test\.lua:\d+: Expected objects to be equal")
        self.assertIn("https://other.example/", text)
        self.assertIn("skipped sales is for later\n", text)
        self.assertTrue(text.endswith("3 passed, 1 failed, 1 skipped\n"), text)

    def test_filter_and_exit_codes(self):
        done = self.run_tests("--filter", "sales go")
        self.assertEqual((done.returncode, done.stdout), (0, b"ok      sales go to the CRM\n1 passed, 0 failed, 0 skipped\n"))
        self.assertEqual(self.run_tests("--filter", "no such").returncode, 2)
        (self.rules / "10_test.lua").write_text("syntax error")
        done = self.run_tests()
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"10_test.lua:1:", done.stdout)

    def test_tap_and_junit(self):
        report = self.folder / "report.xml"
        done = self.run_tests("--tap", "--junit", report)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[:3], ["TAP version 13", "1..5", "ok 1 - sales go to the CRM"])
        self.assertIn("not ok 3 - sales fail here", lines)
        self.assertIn("ok 4 - sales is for later # SKIP", lines)
        suite = xml.etree.ElementTree.parse(report).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("skipped")), ("5", "1", "1"))
        self.assertEqual(suite[2].get("name"), "sales fail here")


RULE = "return function(msg) return %s end"

RUNNER_RULES = """local store = require "mxhook.store"
return {
  function(msg)
    log("at", msg.received, os.time(), "nul\\0here")
    if os.date("!%H:%M", msg.received) == "08:00" then return "https://at.example/" .. os.date("!%Y") end
  end,
  function(msg)
    if msg.subject == "once" and not store.once(msg.message_id or "none", 60) then return route.discard() end
    if msg.subject == "count" then return "https://count.example/" .. store.add("n") end
    if msg.subject == "put off" then store.once("none", 60) return route.defer() end
  end,
  function(msg) if msg.subject == "never" then return "null" end end,
  alias { ["a@example.com"] = "https://a.example/", ["b@example.com"] = "https://b.example/" } }
"""

RUNNER_TESTS = """
local order = {}
describe("order", function()
  setup(function() order[#order + 1] = "setup" end)
  teardown(function() order[#order + 1] = "teardown" end)
  before_each(function() order[#order + 1] = "before" end)
  after_each(function() order[#order + 1] = "after" end)
  it("one", function() finally(function() order[#order + 1] = "finally" end) order[#order + 1] = "one" end)
  it("two", function() order[#order + 1] = "two" end)
end)
it("was kept", function()
  assert.equal("setup before one finally after before two after teardown", table.concat(order, " "))
end)
it("has a clock", function()
  local result = route { to = "a@example.com", at = "2026-03-01T09:00:00+01:00" }
  assert.same({ "https://at.example/2026" }, result.destinations)
  assert.same({ "https://a.example/" }, route { to = "a@example.com" }.destinations)
  assert.has_error(function() route { to = "a@example.com", at = "noon" } end)
end)
for i = 1, 2 do
  it("has a store of its own " .. i, function()
    assert.same({ "https://count.example/1" }, route { to = "a@example.com", subject = "count" }.destinations)
    assert.same({ "https://a.example/" }, route { to = "a@example.com", subject = "once" }.destinations)
    assert.same({}, route { to = "a@example.com", subject = "once" }.destinations)
  end)
end
it("puts off and takes", function()
  assert.equal(451, route { to = "a@example.com", subject = "put off" }.reply.code)
  assert.same({ "https://a.example/" }, route { to = "a@example.com", subject = "once" }.destinations)
end)
it("refuses line ends", function()
  assert.has_error(function() route { to = "a@example.com", headers = { ["X-A"] = "a\\r\\nX-B: b" } } end)
  assert.has_error(function() route { to = "a@example.com", subject = "a\\0b" } end)
end)
it("is pending", function() pending("later") end)
pending("is to be written")
"""

FAILING = {
    "it in it": ('it("a", function() it("b", function() end) end)', "it: inside of a test: it would never run"),
    "exit": ('it("a", function() os.exit(0) end)', "os.exit: a test ends where its function does"),
    "exit outside": ('os.exit(0)', "os.exit"),
    "endless": ('it("a", function() while true do pcall(function() while true do end end) end end)',
                "went over the time limit of 300 ms"),
    "endless coroutine": ('it("a", function() coroutine.wrap(function() while true do end end)() end)',
                          "went over the time limit of 300 ms"),
    "endless coroutines": ('it("a", function() local c = coroutine.wrap(function() while true do coroutine.yield() end end) '
                           'while true do c() end end)', "went over the time limit of 300 ms"),
    "a field's name": ('it("a", function() route { to = "a@example.com", headers = { ["X A:"] = "a" } } end)',
                       "'X A:' is no name of a field"),
    "endless outside": ('while true do end', "went over the time limit of 300 ms"),
    "logs": ('it("a", function() route { to = "a@example.com" } error("no") end)', "log: at "),
    "setup": ('setup(function() error("not set up") end) it("a", function() end)', "not set up"),
    "teardown": ('teardown(function() error("not torn down") end) it("a", function() end)', "not torn down"),
    "finally": ('it("a", function() finally(function() error("not at last") end) end)', "not at last"),
}


class Runner(Commands):
    def setUp(self):
        super().setUp()
        self.write("10.lua", RUNNER_RULES)

    def test_words(self):
        self.write("10_test.lua", RUNNER_TESTS)
        done = self.run_tests()
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertTrue(text.endswith("8 passed, 0 failed, 2 skipped\n"), text)
        self.assertIn("not reached: 1 rule(s), 1 alias(es): 10.lua:12, 10.lua:13 b@example.com\n", text)

    def test_what_fails(self):
        for name, (test, expected) in FAILING.items():
            with self.subTest(name):
                self.write("10_test.lua", test)
                done = self.run_tests("--timeout", "300ms")
                self.assertEqual(done.returncode, 1, done)
                self.assertIn(expected, done.stdout.decode())

    def test_timeouts(self):
        self.write("10_test.lua", 'it("a", function() end)')
        for value in ("20s", "1ms", "1d", "24h", "1.5m", "1500 ms", "20", "0.5", "86400"):
            self.assertIn(self.run_tests("--timeout", value).returncode, (0, 1) if value == "1ms" else (0,), value)
        for value in ("", "0", "0ms", "0.9ms", "86400001ms", "86401", "x", "5x", "5s ", "5s5", "-5s", "1e3", "0x10", "1.2.3", "."):
            done = self.run_tests("--timeout", value)
            self.assertEqual(done.returncode, 2, value)
            self.assertIn('mxhook test: --timeout \'%s\': a duration such as "5s", from 1ms to 1d, was expected' % value,
                          done.stderr.decode())

    def test_logs_in_route(self):
        text = self.route().stdout.decode()
        self.assertRegex(text, r"10\.lua:3 +log: at \d+ \d+ nul\\+x00here")

    def test_watch(self):
        self.write("10_test.lua", 'it("a", function() end)')
        with subprocess.Popen([MXHOOK, "test", "--watch", "--rules", self.rules], stdout=subprocess.PIPE) as watching:
            self.addCleanup(watching.kill)
            lines = iter(watching.stdout.readline, b"")
            self.assertIn(b"ok      a\n", lines)
            self.write("10_test.lua", 'it("changed", function() end)')
            self.assertIn(b"ok      changed\n", lines)
            watching.kill()


class Against(Commands):
    """mxhook route --from --against: only what differs is told."""

    def setUp(self):
        super().setUp()
        self.other = self.folder / "other"
        self.other.mkdir()
        self.write("10.lua", RULE % "'https://a.example/'")
        self.mails = self.folder / "mails"
        (self.mails / "below").mkdir(parents=True)
        for number, path in enumerate(["1.eml", "2.eml", "below/3.eml"]):
            (self.mails / path).write_bytes(MAIL.replace(b"Hello", b"Hello %d" % number))

    def against(self, rule, *arguments, source=None):
        (self.other / "10.lua").write_text(rule)
        done = mxhook("route", "--rules", self.rules, "--against", self.other, "--from", source or self.mails, *arguments)
        return done.returncode, done.stdout.decode()

    def test_the_same(self):
        self.assertEqual(self.against(RULE % "'https://a.example/'"), (0, "3 messages, 3 outcomes, 0 differ\n"))

    def test_what_differs(self):
        code, text = self.against(RULE % "msg.subject == 'Hello 1' and 'https://u:p@b.example/' or 'https://a.example/'")
        self.assertEqual(code, 1)
        self.assertEqual(text, "%s/2.eml  sales@example.com\n  - 250 https://a.example/\n  + 250 https://b.example/\n"
                               "3 messages, 3 outcomes, 1 differ\n" % self.mails)
        code, text = self.against(RULE % "route.reject('No')", "--rcpt", "a@b.example", "--rcpt", "c@d.example")
        self.assertEqual(text.count("  + 550 5.7.1 No\n"), 6)
        self.assertTrue(text.endswith("3 messages, 6 outcomes, 6 differ\n"))
        code, text = self.against("return function(msg) msg.headers['X-A'] = 'b' return 'https://a.example/' end")
        self.assertIn("  + 250 https://a.example/ [X-A: b]\n", text)

    def test_mbox(self):
        box = self.folder / "box"
        box.write_bytes(b"".join(b"From a@b Mon Mar  2 09:00:00 2026\n" + MAIL.replace(b"\r", b"") + b"\n" for _ in range(3)))
        self.assertEqual(self.against(RULE % "'https://a.example/'", source=box), (0, "3 messages, 3 outcomes, 0 differ\n"))

    def test_the_store_begins_empty(self):
        rule = RULE % "'https://a.example/' .. require('mxhook.store').add('n')"
        self.write("10.lua", rule)
        self.assertEqual(self.against(rule)[0], 0)

    def test_what_is_wrong(self):
        self.assertEqual(mxhook("route", "--rules", self.rules, "--from", self.mails).returncode, 2)
        self.assertEqual(self.against("syntax error")[0], 1)
        self.assertEqual(self.against("return {}", source=self.folder / "none")[0], 1)


class Check(Commands):
    def check(self, config=""):
        path = self.folder / "mxhook.lua"
        path.write_text(config or 'domains = { "a.example" }')
        return mxhook("check", "--config", path)

    def test_warnings(self):
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"there are no rules and no aliases", done.stderr)
        self.write("10.lua", 'return alias {\n ["/sales/"] = "null",\n ["a@a.example"] = "null" }')
        self.write("20.lua", 'return alias { ["a@a.example"] = "https://a.example" }')
        done = self.check('domains = { "example.com" }')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"rules.d/10.lua:2: alias key '/sales/' matches anywhere", done.stderr)
        self.assertIn(b"rules.d/20.lua:1: 'a@a.example' is answered by 10.lua:1 before", done.stderr)
        self.assertIn(b"domains: example.com is still the placeholder", done.stderr)
        self.assertNotIn(b"no rules", done.stderr)


AUTH_TESTS = """
it("is spam by SPF", function()
    local result = route { to = "a@example.com", auth = { spf = "fail" } }
    assert.same({ "https://spam.example/hook" }, result.destinations)
    assert.match("spf=fail.*smtp.mailfrom=sender.example", result.headers["authentication-results"])
    assert.match("^fail", result.headers["received-spf"])
end)
it("is not where SPF passes, nor where nothing was checked", function()
    assert.same({}, route { to = "a@example.com", auth = { spf = "pass" } }.destinations)
    assert.same({}, route { to = "a@example.com" }.destinations)
end)
it("sees every field, of a file too", function()
    local result = route("../mail.eml", { recipient = "all@example.com", auth = {
        spf = { result = "temperror", domain = "s.example", reason = "slow" },
        dkim = { { result = "pass", domain = "d.example", selector = "sel" }, { result = "fail" } },
        dmarc = { result = "fail", policy = "reject" } } })
    assert.same({ "https://a.example/temperror/s.example/slow/2/d.example/sel/fail/sender.example/reject" },
        result.destinations)
end)
it("knows the client's name and its blocklists", function()
    local result = route { to = "client@example.com", envelope = { client_ip = "192.0.2.1",
        client_name = "mx.sender.example" }, auth = { dnsbl = { "zen.example",
            ["bl.example"] = { codes = { "127.0.0.4", "127.0.0.9" }, reason = "spam" },
            ["dead.example"] = { error = "DNS look-up failed" } } } }
    assert.same({ "https://c.example/mx.sender.example/pass/bl:127.0.0.4+127.0.0.9:spam;dead:?;zen:127.0.0.2:" },
        result.destinations)
    assert.match("; iprev=pass %(mx.sender.example%) policy.iprev=192.0.2.1$",
        result.headers["authentication-results"])
    assert.same({ "https://c.example//fail/" }, route { to = "client@example.com", auth = { iprev = "fail" } }.destinations)
    assert.same({ "https://c.example//none/" }, route { to = "client@example.com" }.destinations)
end)
local function wrong(message, envelope)
    local ok, failure = pcall(function() route(message, envelope) end)
    assert.is_false(ok)
    return tostring(failure)
end
it("says what is wrong", function()
    for expected, auth in pairs {
        ["auth: one of spf, dkim, dmarc, iprev, dnsbl was expected, not 'sfp'; did you mean 'spf'?"] = { sfp = "fail" },
        ["auth.spf.result: one of none, pass, fail, softfail, neutral, policy, temperror, permerror was expected, "
            .. "not 'softfial'; did you mean 'softfail'?"] = { spf = "softfial" },
        ["auth.dmarc.result: one of none, pass, fail, temperror, permerror was expected, not 'softfail'"] =
            { dmarc = "softfail" },
        ["auth.spf: one of result, domain, reason, explanation was expected, not 'selector'"] =
            { spf = { selector = "x" } },
        ["auth.dkim[2].domain: a string was expected, not a number"] = { dkim = { {}, { domain = 7 } } },
        ["auth.dkim: a list of signatures was expected, not 'domain'"] = { dkim = { domain = "d.example" } },
        ["auth.dkim: a list was expected, not a boolean"] = { dkim = true },
        ["auth.dmarc: a table was expected, not a number"] = { dmarc = 7 },
        ["auth.dmarc.policy: one of none, quarantine, reject was expected, not 'drop'"] = { dmarc = { policy = "drop" } },
        ["auth: a table was expected, not a string"] = "fail",
        ["auth.iprev.result: one of none, pass, fail, temperror, permerror was expected, not 'neutral'"] =
            { iprev = "neutral" },
        ["auth.dnsbl: a table was expected, not a string"] = { dnsbl = "zen.example" },
        ['auth.dnsbl["zen.example"]: one of listed, codes, reason, error was expected, not \\'code\\'; did you mean '
            .. "'codes'?"] = { dnsbl = { ["zen.example"] = { code = "127.0.0.2" } } },
        ['auth.dnsbl["zen.example"].codes: a table was expected, not a string'] =
            { dnsbl = { ["zen.example"] = { codes = "127.0.0.2" } } },
        ['auth.dnsbl["zen.example"].codes[2]: a string was expected, not a number'] =
            { dnsbl = { ["zen.example"] = { codes = { "127.0.0.2", 4 } } } },
        ["auth.dnsbl: a zone: a string was expected, not a boolean"] = { dnsbl = { true } },
    } do
        assert.has.match("10_test.lua:%d+: route: ", wrong { auth = auth })
        assert.is_truthy(wrong({ auth = auth }):find(expected, 1, true), wrong { auth = auth })
    end
    assert.has.match("an envelope has no 'recipent' %(did you mean 'recipient'", wrong({}, { recipent = "x" }))
    assert.has.match("a message has no 'subjet' %(did you mean 'subject'", wrong { subjet = "x" })
end)
"""


class Auth(Commands):
    def test_messages_have_results(self):
        self.write("10.lua", """return { route.cel { when = "spf == 'fail'", to = "https://spam.example/hook" },
            function(msg)
                if not msg.envelope.recipient:find("^client@") then return end
                local lists, iprev = {}, msg.auth.iprev
                for zone, l in pairs(msg.auth.dnsbl) do
                    local codes = {}
                    for i, code in ipairs(l.codes) do codes[i] = code end
                    lists[#lists + 1] = zone:match("%w+") .. ":" .. (l.listed and
                        table.concat(codes, "+") .. ":" .. (l.reason or "") or l.error and "?" or "-")
                end
                table.sort(lists)
                return "https://c.example/" .. (msg.envelope.client_name or "") .. "/"
                    .. (iprev and iprev.result or "none") .. "/" .. table.concat(lists, ";")
            end,
            function(msg)
                if not msg.envelope.recipient:find("^all@") then return end
                local a = msg.auth
                return "https://a.example/" .. table.concat({ a.spf.result, a.spf.domain, a.spf.reason, #a.dkim,
                    a.dkim[1].domain, a.dkim[1].selector, a.dmarc.result, a.dmarc.domain, a.dmarc.policy }, "/")
            end }""")
        self.write("10_test.lua", AUTH_TESTS)
        done = self.run_tests()
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
        self.assertTrue(done.stdout.endswith(b"5 passed, 0 failed, 0 skipped\n"))


SCAN_TESTS = """
local function seen(scan)
    local message = { to = "a@example.com", scan = scan }
    return route(message).destinations[1]
end
it("is rspamd's, or one of the operator's own", function()
    assert.equal("https://a.example/no+action/0/15/false", seen {})
    assert.equal("https://a.example/reject/20/15/true", seen { action = "reject", score = 20 })
    assert.equal("https://a.example/to+the+archive/4/9/true",
        seen { action = "to the archive", score = 4, required = 9, spam = true })
    assert.equal("https://a.example/" .. ("x"):rep(64) .. "/0/15/false", seen { action = ("x"):rep(64) })
end)
it("says what is wrong", function()
    for expected, scan in pairs {
        ["scan.action: 'rejct' is no action of rspamd's; did you mean 'reject'?"] = { action = "rejct" },
        ["scan.action: 'Soft Reject' is no action of rspamd's; did you mean 'soft reject'?"] = { action = "Soft Reject" },
        ["scan.action: '' is no action"] = { action = "" },
        ["is no action"] = { action = ("x"):rep(65) },
        ["scan.action: 'my \\"own\\"' is no action"] = { action = 'my "own"' },
        ["scan.action: a string was expected, not a number"] = { action = 7 },
        ["scan: one of score, required, action, symbols, spam, virus, error, message was expected, not 'scor'; "
            .. "did you mean 'score'?"] = { scor = 1 },
        ["scan.symbols.A: one of score, options was expected, not 'option'; did you mean 'options'?"] =
            { symbols = { A = { option = "x" } } },
        ["scan.symbols.A.options[2]: a string was expected, not a number"] = { symbols = { A = { options = { "a", 1 } } } },
    } do
        local ok, failure = pcall(function() seen(scan) end)
        assert.is_false(ok)
        assert.is_truthy(tostring(failure):find(expected, 1, true), failure)
    end
end)
"""


class Scan(Commands):
    def test_messages_were_scanned(self):
        self.write("10.lua", """return function(msg)
            local s = msg.scan
            return ("https://a.example/%s/%g/%g/%s"):format((s.action:gsub(" ", "+")), s.score, s.required, s.spam)
        end""")
        self.write("10_test.lua", SCAN_TESTS)
        done = self.run_tests()
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
        self.assertTrue(done.stdout.endswith(b"2 passed, 0 failed, 0 skipped\n"))


class Manual(Commands):
    def test_examples_load_and_do_what_they_say(self):
        examples = manuals.examples("mxhook-rules.7")
        self.assertEqual([number for number, _ in examples], list(range(1, 13)))
        expected = {  # by number: recipient, what is in the output of route
            1: ("inv-7@example.com", "-> https://books.example/invoices/7"),
            2: ("support+acme@example.com", "+ X-Customer: acme"),
            3: ("code@example.com", "-> https://codes.example/hook"),
            4: ("sales@example.com", "no match"),
            5: ("sales@example.com", "-> https://vip.example/hook"),
            6: ("sales@example.com", "-> https://spam.example/hook"),
            7: ("sales@example.com", "-> https://archive.example/hook"),
            8: ("sales@example.com", "+ X-Tenant: example.com"),
            9: ("sales@example.com", "=> 451 4.3.0 Back in an hour"),
            10: ("x@blue.example.com", "-> https://blue.example.com/mail  (signed)"),
            11: ("invoices@example.com", "=> 550 5.7.1 Please attach the invoice as a PDF"),
            12: ("ci@example.com", "-> https://ci.example/projects/web-app/trigger"),
        }
        self.write("lib/vip.lua", 'return { ["ada@sender.example"] = true }')
        senders = {3: "alerts@bank.example", 12: "dev@example.com"}
        subjects = {12: b"[deploy web-app] now"}
        for number, text in examples:
            self.write("10.lua", text)
            recipient, output = expected[number]
            sender = senders.get(number, "ada@sender.example")
            self.mail.write_bytes(re.sub(rb"(?m)^Subject: [^\r\n]*", b"Subject: " + subjects[number], MAIL) if number in subjects else MAIL)
            done = mxhook("route", "--rules", self.rules, "--sender", sender, "--rcpt", recipient, "--spf", "fail", self.mail,
                          env={**os.environ, "MXHOOK_MAINTENANCE": "1"})
            with self.subTest(number=number):
                self.assertNotIn(b".lua:", done.stderr)
                self.assertIn(output, done.stdout.decode())

    def test_authentication_that_was_not_checked_is_none(self):
        """As mxhook-security(7) has it: a rule need not ask whether there is a result."""
        self.write("10.lua", """return function(msg)
            local a = msg.auth
            return ("https://a.example/%s/%d/%s/%s/%s"):format(a.spf.result, #a.dkim, a.dmarc.result, a.iprev.result,
                tostring(a.dnsbl["bl.example"]))
        end""")
        self.write("10_test.lua", """describe("auth", function() it("is none", function()
            local result = route { to = "a@example.com" }
            assert.same({ "https://a.example/none/0/none/none/nil" }, result.destinations)
        end) end)""")
        self.assertIn(b"-> https://a.example/none/0/none/none/nil\n", self.route("--rcpt", "a@example.com").stdout)
        self.assertEqual(mxhook("test", "--rules", self.rules).returncode, 0)

    def test_whole_rules_elsewhere_in_the_manuals_load(self):
        rules = [text for page in ("mxhook-rules.7", "mxhook-security.7")
                 for text in manuals.displays((manuals.FOLDER / page).read_text()) if re.match("return|local", text)]
        self.assertGreater(len(rules), 14)
        self.write("lib/vip.lua", "return {}")
        for text in rules:
            self.write("10.lua", text)
            with self.subTest(text=text):
                done = mxhook("route", "--rules", self.rules, "--rcpt", "a@example.com", "--dmarc", "fail", self.mail)
                self.assertNotIn(b".lua:", done.stderr)


if __name__ == "__main__":
    unittest.main()
