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


class Manual(Commands):
    def test_examples_load_and_do_what_they_say(self):
        examples = manuals.examples("mxhook-rules.7")
        self.assertEqual([number for number, _ in examples], list(range(1, 11)))
        expected = {  # by number: recipient, what is in the output of route
            1: ("inv-7@example.com", "-> https://books.example/invoices/7"),
            2: ("support+acme@example.com", "+ X-Customer: acme"),
            4: ("sales@example.com", "no match"),
            5: ("sales@example.com", "-> https://vip.example/hook"),
            6: ("sales@example.com", "-> https://spam.example/hook"),
            7: ("sales@example.com", "-> https://archive.example/hook"),
            8: ("sales@example.com", "+ X-Tenant: example.com"),
            9: ("sales@example.com", "=> 451 4.3.0 Back in an hour"),
            10: ("x@blue.example.com", "-> https://blue.example.com/mail  (signed)"),
        }
        self.write("lib/vip.lua", 'return { ["ada@sender.example"] = true }')
        for number, text in examples:
            self.write("10.lua", text)
            recipient, output = expected.get(number, ("sales@example.com", ""))
            done = mxhook("route", "--rules", self.rules, "--rcpt", recipient, "--spf", "fail", self.mail,
                          env={**os.environ, "MXHOOK_MAINTENANCE": "1"})
            with self.subTest(number=number):
                self.assertNotIn(b".lua:", done.stderr)
                self.assertIn(output, done.stdout.decode())


if __name__ == "__main__":
    unittest.main()
