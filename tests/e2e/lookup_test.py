"""alias.http: what an application says of an address, and what becomes of mail when it says nothing."""

import base64
import hashlib
import hmac
import smtplib
import threading
import unittest

import harness
from application import Application, status

PATIENT = 'wait = "10s", timeout = "30s"'
ALIAS = {"10-crm.lua": 'return alias.http("crm")'}


def lookups(url, options=PATIENT):
    return 'lookups = { crm = { url = "%s", %s } }\n' % (url, options)


class Lookup(harness.TestCase):
    def application(self, answer):
        application = Application(answer)
        self.addCleanup(application.close)
        return application

    def rcpt(self, mx, address):
        with mx.smtp() as client:
            client.ehlo()
            client.mail("sender@client.test")
            code, text = client.rcpt(address)
            return code, text.decode()

    def test_the_application_says_where_mail_goes(self):
        sink = self.receiver()
        known = {"sales@example.com": {"destinations": [sink.url + "/a", {"url": sink.url + "/b", "headers": {"x-t": "1"}}]},
                 "one@example.com": sink.url + "/one", "list@example.com": [sink.url + "/l1", sink.url + "/l2"],
                 "none@example.com": {"destinations": []}, "drop@example.com": "null",
                 "object@example.com": {"url": sink.url + "/object"}}
        application = self.application(known.get)
        mx = self.server(ALIAS, lookups(application.url + "/r"))
        mx.send(harness.mail(), ["Sales@Example.COM", "one@example.com", "list@example.com", "object@example.com"])
        self.assertEqual(sorted(post.path for post in sink.wait_for(6)), ["/a", "/b", "/l1", "/l2", "/object", "/one"])
        self.assertEqual([post.headers["x-t"] for post in sink.posts if post.path == "/b"], ["1"])
        mx.send(harness.mail(), ["drop@example.com"])
        self.assertEqual(self.rcpt(mx, "nobody@example.com")[0], 550)
        self.assertEqual(self.rcpt(mx, "none@example.com")[0], 550)
        self.assertEqual(application.asked.count("sales@example.com"), 1, "the cache answers at the end of DATA")
        self.assertEqual(len(sink.posts), 6)

    def test_the_address_stands_in_the_url_encoded(self):
        sink = self.receiver()
        application = self.application(lambda address: sink.url)
        mx = self.server(ALIAS, lookups(application.url + "/of/{address}"))
        mx.send(harness.mail(), ["a&b=c/d+tag%25@example.com"])
        sink.wait_for(1)
        self.assertEqual(application.asked, ["a&b=c/d+tag%25@example.com"])

    def test_the_request_is_signed(self):
        sink, key = self.receiver(), b"0123456789abcdef"
        application = self.application(lambda address: sink.url)
        mx = self.server(ALIAS, lookups(application.url, PATIENT + ', secret = "whsec_%s"' % base64.b64encode(key).decode()))
        mx.send(harness.mail())
        sink.wait_for(1)
        headers = application.headers[0]
        signed = "%s.%s." % (headers["webhook-id"], headers["webhook-timestamp"])
        expected = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
        self.assertEqual(headers["webhook-signature"], "v1," + expected)
        self.assertNotIn("webhook-signature", sink.posts[0].headers)

    def test_what_is_no_answer_defers_at_rcpt_and_at_data(self):
        """Every fault: 451, never 550, and the log says which."""
        stop = threading.Event()
        self.addCleanup(stop.set)
        faults = {
            "slow": (lambda handler: stop.wait(60), "Timeout was reached"),
            "drip": (lambda handler: (handler.wfile.write(b"HTTP/1.1 200 OK\r\n"), stop.wait(60)), "Timeout was reached"),
            "garbage": (lambda handler: handler.wfile.write(b"\0\1garbage\r\n\r\n"), "Unsupported protocol"),
            "html": (status(200, body=b"<html>"), "not JSON"),
            "cut": (lambda handler: handler.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n"http'), "Transferred a partial file"),
            "closes": (lambda handler: None, "Server returned nothing"),
            "large": (lambda handler: handler.wfile.write(b'HTTP/1.1 200 OK\r\n\r\n"' + b"x" * 10000000), "larger than 64 KiB"),
            "redirect": (status(302, "location: http://127.0.0.1:1/\r\n"), "redirect"),
            "500": (status(500, body=b'"https://a.example"'), "neither 200 nor 404"),
            "410": (status(410), "neither 200 nor 404"),
            "number": (status(200, body=b"17"), "not texts or objects"),
            "null": (status(200, body=b"null"), "not texts or objects"),
            "empty": (status(200), "not JSON"),
            "nourl": (status(200, body=b'{"destinations": [{"secret": "x"}]}'), "without a url"),
            "steals": (status(200, body=b'{"url": "https://a.example", "secret": "env:MXHOOK_KEY"}'), "names a secret"),
            "header": (status(200, body=b'{"url": "https://a.example", "headers": {"x": {"env": "MXHOOK_KEY"}}}'), "not a text"),
        }
        for name, (fault, text) in faults.items():
            with self.subTest(name):
                application = self.application(lambda address: fault)
                rules = dict(ALIAS)
                mx = self.server(rules, lookups(application.url, 'wait = "10s", timeout = "%s"' % (
                    "300ms" if name in ("slow", "drip") else "30s")))
                self.assertEqual(self.rcpt(mx, "a@example.com"), (451, "4.4.3 The recipient cannot be looked up now, try again later"))
                self.assertIn(text, mx.wait_logged("lookup", "source=crm")[0])
                mx.close() if mx.stop() == 0 else self.fail(mx.log())
        mx = self.server({"10-crm.lua": 'return { alias.http("crm"), function() return nil end }'}, lookups("http://127.0.0.1:1"))
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(harness.mail())
        self.assertEqual((raised.exception.smtp_code, raised.exception.smtp_error[:5]), (451, b"4.4.3"))
        mx.wait_logged("lookup-unknown", "rule=10-crm.lua:1", "recipient=hook@example.com")

    def test_who_waits_no_longer_finds_the_answer_next_time(self):
        sink, go = self.receiver(), threading.Event()
        self.addCleanup(go.set)
        application = self.application(lambda address: (go.wait(60), sink.url)[1])
        mx = self.server(ALIAS, lookups(application.url, 'wait = "20ms", timeout = "60s"'))
        self.assertEqual(self.rcpt(mx, "a@example.com")[0], 451)
        go.set()
        harness.wait_until(lambda: self.rcpt(mx, "a@example.com")[0] == 250, "the answer")
        self.assertEqual(application.asked, ["a@example.com"], "one request, however many want to know")

    def test_the_last_known_answer_counts_while_the_application_is_down(self):
        sink = self.receiver()
        down = threading.Event()
        application = self.application(
            lambda address: status(500) if down.is_set() else {"a@example.com": sink.url}.get(address))
        mx = self.server(ALIAS, lookups(application.url, PATIENT + ', ttl = "1ms", negative_ttl = "1ms", stale = "1h"'))
        mx.send(harness.mail(), ["a@example.com"])
        self.assertEqual(self.rcpt(mx, "b@example.com")[0], 550)
        down.set()
        mx.send(harness.mail(), ["a@example.com"])
        self.assertEqual(self.rcpt(mx, "b@example.com")[0], 550)
        self.assertEqual(self.rcpt(mx, "new@example.com")[0], 451)
        sink.wait_for(2)

    def test_the_breaker_opens_and_closes(self):
        sink, down = self.receiver(), threading.Event()
        down.set()
        application = self.application(lambda address: status(500) if down.is_set() else sink.url)
        mx = self.server(ALIAS, lookups(application.url))
        for i in range(9):
            self.assertEqual(self.rcpt(mx, "a%d@example.com" % i)[0], 451)
        mx.wait_logged("lookup-breaker", "state=open")
        self.assertLess(len(application.asked), 9)
        down.clear()
        harness.wait_until(lambda: self.rcpt(mx, "b@example.com")[0] == 250, "the breaker to close")
        mx.wait_logged("lookup-breaker", "state=closed")

    def test_the_cache_is_bounded_and_guesses_do_not_push_out_who_there_is(self):
        sink = self.receiver()
        application = self.application(lambda address: sink.url if address.startswith("good") else None)
        mx = self.server(ALIAS, lookups(application.url, PATIENT + ', max_entries = 10')
                         + 'access = { unlimited = { "127.0.0.0/8" } }\nsmtp = { max_errors = 1000 }\n')
        self.assertEqual(self.rcpt(mx, "good@example.com")[0], 250)
        for i in range(18):
            self.assertEqual(self.rcpt(mx, "guess%d@example.com" % i)[0], 550)
        self.assertEqual(self.rcpt(mx, "good@example.com")[0], 250)
        self.assertEqual(application.asked.count("good@example.com"), 1)
        self.assertEqual(self.rcpt(mx, "guess0@example.com")[0], 550)
        self.assertEqual(application.asked.count("guess0@example.com"), 2)

    def test_rules_before_it_run_once(self):
        """The rules go on with the one that asked: what those before it did is not done again."""
        sink = self.receiver()
        application = self.application(lambda address: sink.url + "/app")
        mx = self.server({"10.lua": """
            local store = require "mxhook.store"
            return {
              function(msg) msg.headers["X-Count"] = tostring(store.add("n", 1)) return route.also("%s/also") end,
              alias.http("crm"),
            }""" % sink.url}, lookups(application.url))
        mx.send(harness.mail(), ["a@example.com", "b@example.com"])
        posts = sink.wait_for(4)
        self.assertEqual(sorted(post.path for post in posts), ["/also", "/also", "/app", "/app"])
        self.assertEqual({post.json["headers"]["X-Count"] for post in posts}, {"1", "2"})

    def test_private_addresses_are_denied(self):
        application = self.application(lambda address: "https://a.example")
        mx = self.server(ALIAS, lookups(application.url) + "deliver = { deny_private = true }\n")
        self.assertEqual(self.rcpt(mx, "a@example.com")[0], 451)
        mx.wait_logged("lookup", "deny_private")
        self.assertEqual(application.asked, [])

    def test_reload_brings_sources_and_takes_them(self):
        sink = self.receiver()
        first = self.application(lambda address: sink.url + "/first")
        second = self.application(lambda address: sink.url + "/second")
        mx = self.server({"10.lua": "return function() return route.defer() end"})
        with open(mx.config, encoding="utf-8") as file:
            config = file.read()
        mx.write_rule("10.lua", 'return alias.http("crm")')
        mx.reload()
        self.assertTrue(mx.logged("not-reloaded", "the configuration has no lookups.crm"), mx.log())
        for application, path in ((first, "/first"), (second, "/second")):
            mx.write("mxhook.lua", config + lookups(application.url))
            mx.reload()
            mx.send(harness.mail())
            harness.wait_until(lambda: sink.posts and sink.posts[-1].path == path, path)
        asked = len(second.asked)
        mx.reload()
        mx.send(harness.mail())
        self.assertEqual(len(second.asked), asked, "what stays configured as it was keeps its cache")

    def test_route_asks_and_says(self):
        application = self.application({"a@example.com": "https://crm.example/a"}.get)
        mx = self.server(ALIAS, lookups(application.url), start=False)
        mx.write("one.eml", harness.mail().decode())
        for address, code, text in (("a@example.com", 0, "https://crm.example/a"), ("b@example.com", 1, "550")):
            done = mx.command("route", mx.folder + "/one.eml", "--rcpt", address)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertIn(text, done.stdout)
        application.answer = lambda address: status(503)
        self.assertIn("451 4.4.3", mx.command("route", mx.folder + "/one.eml", "--rcpt", "c@example.com").stdout)

    def test_tests_of_rules_say_what_is_answered(self):
        mx = self.server(ALIAS, lookups("http://127.0.0.1:1"), start=False)
        mx.write("crm_test.lua", """
            local mail = { from = "a@b.example", to = "x@example.com", subject = "s" }
            local function to(address, lookups) return route(mail, { recipient = address, lookups = lookups }) end
            local crm = { ["a@example.com"] = "https://crm.example/a", ["B@example.com"] = { destinations = { "https://crm.example/b" } },
              ["gone@example.com"] = false }
            it("finds", function()
              assert.same({ "https://crm.example/a" }, to("A@example.com", { crm = crm }).destinations)
              assert.same({ "https://crm.example/b" }, to("b@example.com", { crm = crm }).destinations)
            end)
            it("knows nobody else", function()
              assert.equal(550, to("c@example.com", { crm = crm }).reply.code)
              assert.equal(550, to("gone@example.com", { crm = crm }).reply.code)
            end)
            it("defers while it does not answer", function() assert.equal(451, to("a@example.com", { crm = false }).reply.code) end)
            it("says nothing", function() assert.equal(250, to("a@example.com").reply.code) end)
            """)
        done = mx.command("test", mx.folder + "/crm_test.lua")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("3 passed, 1 failed", done.stdout.replace("tests ", ""))

    def test_what_is_configured_wrong_names_its_line(self):
        for text, line, why in (
                ('lookups = { crm = { } }', 1, 'expected a URL such as'),
                ('lookups = {\n  crm = { url = "ftp://x" } }', 2, 'crm: url: expected a URL such as'),
                ('lookups = {\n\n  crm = { url = "https://x.example", wiat = "5s" } }', 3, "did you mean wait?"),
                ('lookups = { crm = { url = "https://x.example/{id}" } }', 1, "whose only {...} is {address}"),
                ('lookups = { crm = { url = "https://x.example", wait = "1h" } }', 1, "wait: expected 1 to 10000 ms"),
                ('lookups = { ["a b"] = { url = "https://x.example" } }', 1, "expected names of letters"),
                ('lookups = "crm"', 1, "expected a table such as"),
                ('databases = { shop = { conninfo = "host=db", query = "DELETE FROM a" } }', 1, "query: expected a query such as"),
                ('profiles = { https = { } }', 1, "it cannot be the name of a profile"),
                ('profiles = { crm = { url = "https://a.example" } }', 1, "a profile has no url"),
                ('profiles = { crm = { timeout = "5x" } }', 1, "crm: "),
                ('lookup = { }', 1, "did you mean lookups?")):
            with self.subTest(text):
                mx = self.server({}, start=False)
                mx.write("mxhook.lua", text + '\ndomains = { "example.com" }\n')
                done = mx.command("check")
                self.assertEqual(done.returncode, 1)
                self.assertIn("mxhook.lua:%d: " % line, done.stderr)
                self.assertIn(why, done.stderr)


if __name__ == "__main__":
    unittest.main()
