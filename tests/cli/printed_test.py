"""What route, payload, sink and send print, as a whole, and what they refuse."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import unittest

MXHOOK = os.environ["MXHOOK"]
MAIL = b"From: ann@s.example\r\nTo: sales@example.com\r\nSubject: Hello\r\nX-A: 1\r\nX-A: 2\r\n\r\nbody\r\n"
RULE = "return function(msg) return %s end"


class Printed(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rules = self.folder / "rules.d"
        self.rules.mkdir()
        self.mail = self.folder / "a.eml"
        self.mail.write_bytes(MAIL)

    def run_it(self, *arguments, stdin=b""):
        done = subprocess.run([MXHOOK, *map(str, arguments)], capture_output=True, timeout=60, input=stdin)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def rule(self, name, text):
        (self.rules / name).write_text(text)

    def route(self, *arguments, **named):
        return self.run_it("route", "--rules", self.rules, *arguments, **named)


class Route(Printed):
    def test_text(self):
        self.rule("10.lua", "return function(msg) msg.headers['X-A'] = { '1', '3', '1\\27' } msg.headers['X-B'] = 'b' end")
        self.rule("20.lua", "return alias { ['a@example.com'] = { { url = 'https://u:p@a.example/x', secret = 's' }, 'https://b.example/' },\n"
                  "['b@example.com'] = 'null', ['c@example.com'] = route.reject('No\\27') }")
        fields = "  - X-A: 2\n  + X-A: 3\n  + X-A: 1\\x1b\n  + X-B: b\n"
        steps = "    10.lua:1                     no match\n    20.lua:1                     "
        code, out, err = self.route("--rcpt", "a@example.com", self.mail)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines(True)[0], "a@example.com\n")
        self.assertTrue(out.endswith("  -> https://a.example/x  (signed)\n  -> https://b.example/\n" + fields), out)
        self.assertTrue(out.startswith("a@example.com\n" + steps), out)
        code, out, err = self.route("--rcpt", "c@example.com", "--rcpt", "b@example.com", self.mail)
        self.assertEqual((code, err), (1, ""))
        refused, _, dropped = out.partition("b@example.com\n")
        self.assertTrue(refused.startswith("c@example.com\n" + steps), refused)
        self.assertTrue(refused.endswith("  => 550 5.7.1 No \n" + fields), refused)
        self.assertRegex(dropped, r"  => 250 2\.0\.0 Ok: taken as \S+  \(dropped\)\n")
        self.assertEqual(self.route("--rcpt", "b@example.com", self.mail)[0], 0)
        self.assertEqual(self.route("--rcpt", "b@example.com", "-", stdin=MAIL)[0], 0)

    def test_json(self):
        self.rule("10.lua", "return function(msg) if msg.envelope.recipient:find('^a') then msg.headers['X-A'] = nil "
                  "return { 'https://u:p@a.example/x', 'b@example.net' } end end")
        self.rule("20.lua", "return alias { ['c@example.com'] = 'null' }")
        code, out, err = self.route("--json", "--rcpt", "a@example.com", "--rcpt", "b@example.com", "--rcpt", "c@example.com", self.mail)
        self.assertEqual((code, err), (1, ""))
        first, second, third = map(json.loads, out.splitlines())
        self.assertEqual(list(first), ["recipient", "rule", "code", "enhanced", "text", "destinations", "headers", "rules"])
        self.assertEqual((first["recipient"], first["rule"], first["code"], first["enhanced"]), ("a@example.com", "10.lua:1", 250, "2.0.0"))
        self.assertEqual(first["destinations"], ["https://a.example/x", "b@example.net"])
        self.assertEqual([field for field in first["headers"] if field[0] in ("Subject", "X-A")], [["Subject", "Hello"]])
        self.assertEqual(len(first["rules"]), 1)
        self.assertEqual((second["rule"], second["code"], second["enhanced"], second["destinations"]), (None, 550, "5.1.1", []))
        self.assertEqual(second["rules"], [{"rule": "10.lua:1", "answer": "no match"}, {"rule": "20.lua:1", "answer": "no match"}])
        self.assertEqual([field for field in second["headers"] if field[0] == "X-A"], [["X-A", "1"], ["X-A", "2"]])
        self.assertEqual((third["rule"], third["code"], third["destinations"]), ("20.lua:1", 250, []))

    def test_how_many(self):
        self.rule("10.lua", RULE % "'https://a.example/'")
        code, out, err = self.route(*["--rcpt", "a@example.com"] * 100, self.mail)
        self.assertEqual((code, out.count("  -> https://a.example/\n"), err), (0, 100, ""))
        code, out, err = self.route(*["--rcpt", "a@example.com"] * 101, self.mail)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("--rcpt 'a@example.com': no more than 100 of them was expected", err)
        self.assertEqual(self.route(*["--dnsbl", "z.example"] * 16, self.mail)[0], 0)

    def test_what_does_not_go_together(self):
        there, history = ["--against", self.rules], ["--from", "history"]
        for arguments, text in (
                (["--from", "x"], "--from and --against go together"), (there, "--from and --against go together"),
                ([*there, "--from", "x", "--since", "1d"], "--since, --until and --limit are for --from history"),
                ([*there, "--from", "x", "--until", "1d"], "--since, --until and --limit are for --from history"),
                ([*there, "--from", "x", "--limit", "1"], "--since, --until and --limit are for --from history"),
                ([*there, *history], "--from history takes a configuration, not --rules")):
            code, out, err = self.route(*arguments)
            self.assertEqual((code, out, err), (2, "", "mxhook route: %s\n" % text))
        for limit in ("0", "10000001", "x"):
            code, out, err = self.run_it("route", *there, *history, "--limit", limit)
            self.assertEqual((code, out), (2, ""))
            self.assertIn("--limit '%s': " % limit, err)
        for option in ("--since", "--until"):
            code, out, err = self.run_it("route", *there, *history, option, "soon")
            self.assertEqual((code, out), (2, ""))
            self.assertIn("%s 'soon': a time was expected" % option, err)
        self.assertEqual(self.route("--scan", self.mail), (1, "", "mxhook route: --scan: the configuration has no scan.rspamd\n"))

    def test_nothing_is_written(self):
        self.rule("10.lua", RULE % "'https://a.example/'")
        for arguments in (["route", "--json", "--rules", self.rules, self.mail], ["payload", self.mail]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([MXHOOK, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, 1, arguments)


class Against(Printed):
    def setUp(self):
        super().setUp()
        self.other = self.folder / "other"
        self.other.mkdir()

    def against(self, this, that, source, *arguments):
        self.rule("10.lua", this)
        (self.other / "10.lua").write_text(that)
        return self.run_it("route", "--rules", self.rules, "--against", self.other, "--from", source, *arguments)

    def test_each_outcome(self):
        same = RULE % "'https://a.example/'"
        for that, told in (
                (RULE % "{ 'https://a.example/', { url = 'https://u:p@b.example/', secret = 's', headers = { ['X-K'] = 'v', ['X-L'] = 'w' } } }",
                 "250 https://a.example/ https://b.example/ (signed) +X-K +X-L"),
                (RULE % "route.discard()", "250 dropped"), (RULE % "route.reject('No\\27')", "550 5.7.1 No "), (RULE % "nil", None),
                ("return function(msg) msg.headers['X-A'] = '3' msg.headers['X-N'] = 'n' return 'https://a.example/' end",
                 "250 https://a.example/ [X-A: 3] [X-N: n]"),
                ("return function(msg) msg.headers['X-N'] = 'n' return route.discard() end", "250 dropped")):
            code, out, err = self.against(same, that, self.mail)
            self.assertEqual((code, err), (1, ""))
            lines = out.splitlines(True)
            self.assertEqual(lines[:2] + lines[3:], ["%s  sales@example.com\n" % self.mail, "  - 250 https://a.example/\n",
                                                     "1 messages, 1 outcomes, 1 differ\n"])
            if told:
                self.assertEqual(lines[2], "  + %s\n" % told)
            else:
                self.assertRegex(lines[2], r"^  \+ 550 5\.1\.1 No destination")
        # One of two recipients, of whom each is told.
        code, out, err = self.against(same, RULE % "msg.envelope.recipient == 'b@x.example' and route.discard() or 'https://a.example/'",
                                      self.mail, "--rcpt", "a@x.example", "--rcpt", "b@x.example")
        self.assertEqual((code, out, err), (1, "%s  b@x.example\n  - 250 https://a.example/\n  + 250 dropped\n"
                                               "1 messages, 2 outcomes, 1 differ\n" % self.mail, ""))

    def test_an_mbox(self):
        start = b"From x@y Mon Mar  2 09:00:00 2026"
        for text, told in (
                (b"", []),
                (start, [("", 0)]), (start + b"\n", [("", 0)]),
                (start + b"\nSubject: 1\n\nabc\n", [("1", 4)]),
                (start + b"\nSubject: 1\n\nabc\nFrom the body\n\n" + start + b"\nSubject: 2\n\n", [("1", 19), ("2", 0)]),
                (start + b"\r\nSubject: 1\r\n\r\nabc\r\n\r\n" + start + b"\r\nSubject: 2\r\n\r\ndef", [("1", 5), ("2", 3)]),
                (start + b"\nSubject: 1\n\nx\n\nFrom", [("1", 7)]),
                (start + b"\nSubject: 1\n\nx\n\nFrom ", [("1", 3), ("", 0)])):
            box = self.folder / "box"
            box.write_bytes(text)
            code, out, err = self.against(RULE % "nil", "return function(msg) return route.reject((msg.subject or '') .. '/' .. #(msg.text or '')) end", box,
                                          "--rcpt", "a@x.example")
            self.assertEqual(err, "")
            self.assertEqual(code, 1 if told else 0)
            found = [line for line in out.splitlines() if not line.startswith("  - ")]
            expected = []
            for number, (subject, size) in enumerate(told, 1):
                expected += ["%s:%d  a@x.example" % (box, number), "  + 550 5.7.1 %s/%d" % (subject, size)]
            self.assertEqual(found, expected + ["%d messages, %d outcomes, %d differ" % ((len(told),) * 3)], text)

    def test_what_cannot_be_read(self):
        none = self.folder / "none"
        self.assertEqual(self.against(RULE % "nil", RULE % "nil", none), (1, "", "mxhook route: %s: No such file or directory\n" % none))
        code, out, err = self.against(RULE % "nil", "return 7", self.mail)
        self.assertEqual((code, out), (1, ""))
        self.assertIn("%s/10.lua:1: " % self.other, err)
        folder = self.folder / "mails"
        (folder / "b").mkdir(parents=True)
        self.assertEqual(self.against(RULE % "nil", RULE % "nil", folder), (0, "0 messages, 0 outcomes, 0 differ\n", ""))


class Payload(Printed):
    def test_a_header_that_is_too_large(self):
        code, out, err = self.run_it("payload", "-", stdin=b"A: b\r\n" * 100000 + b"\r\n")
        self.assertEqual((code, out), (1, ""))
        self.assertRegex(err, r"^mxhook payload: The header has more than 262144 bytes or 1000 fields\n$")

    def test_who(self):
        for mail, options, sender, recipient in (
                (b"From: a@b.example\r\nTo: c@d.example, e@f.example\r\n\r\n", [], "a@b.example", "c@d.example"),
                (b"From: a@b.example, g@h.example\r\nTo: c@d.example\r\n\r\n", ["--sender", "x@y.example"], "x@y.example", "c@d.example"),
                (b"From: a@b.example\r\nTo: c@d.example\r\n\r\n", ["--recipient", "x@y.example"], "a@b.example", "x@y.example"),
                (b"Subject: none\r\n\r\n", [], "", "")):
            code, out, err = self.run_it("payload", *options, "-", stdin=mail)
            self.assertEqual((code, err), (0, ""))
            payload = json.loads(out)
            self.assertEqual(payload["return-path"]["email"], sender)
            self.assertEqual(payload["headers"]["Delivered-To"], recipient)
            self.assertIn(socket.gethostname(), json.dumps(payload["headers"]))


class Sink(Printed):
    def start(self, *arguments):
        sink = subprocess.Popen([MXHOOK, "sink", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True)
        self.addCleanup(sink.stdout.close)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.kill)
        words = sink.stdout.readline().split()
        self.assertEqual(words[:4], ["listening", "on", "::1" if "::1" in arguments else "127.0.0.1", "port"])
        return sink, int(words[4])

    def stop(self, sink, number):
        sink.send_signal(number)
        self.assertEqual(sink.wait(60), 0)
        return sink.stdout.read()

    def ask(self, port, bytes_, count, host="127.0.0.1"):
        with socket.create_connection((host, port), timeout=60) as connection:
            connection.sendall(bytes_)
            text = b""
            while text.count(b"\r\n\r\n") < count:
                text += connection.recv(65536) or b"\r\n\r\n" * count
            return text.decode()

    def answer(self, status):
        return "HTTP/1.1 %d Sink\r\ncontent-length: 0\r\nserver: mxhook-sink\r\n\r\n" % status

    def test_two_requests_of_one_connection(self):
        sink, port = self.start()
        requests = b"POST /a HTTP/1.1\r\nWebhook-Id: one\r\nContent-Length: 7\r\n\r\n{\"a\":1}" \
                   b"POST /b HTTP/1.1\r\nX: \x1b\r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(self.ask(port, requests, 2), self.answer(200) * 2)
        self.assertEqual(self.ask(port, requests[:70], 1).count("HTTP"), 1)
        printed = self.stop(sink, signal.SIGTERM).splitlines()
        self.assertEqual(printed[:4], ["#1 7 bytes, id one, answered 200", "  POST /a HTTP/1.1", "  Webhook-Id: one", "  Content-Length: 7"])
        self.assertEqual(json.loads("".join(printed[4:printed.index("#2 0 bytes, id -, answered 200")])), {"a": 1})
        self.assertIn("  X: \\x1b", printed)
        self.assertIn("#3 7 bytes, id one, answered 200", printed)

    def test_as_it_is_told(self):
        sink, port = self.start("--quiet", "--status", "503", "--delay", "1", "--address", "::1", "--verify", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        self.assertEqual(self.ask(port, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 1, "::1"), self.answer(401))
        self.assertEqual(self.stop(sink, signal.SIGINT), "#1 1 bytes, id -, signature not signed, answered 401\n")
        sink, port = self.start("--quiet", "--status", "503")
        self.assertEqual(self.ask(port, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 1), self.answer(503))
        for request, status in ((b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
                                (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413)):
            self.assertEqual(self.ask(port, request + b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1), self.answer(status))
        self.assertEqual(self.stop(sink, signal.SIGTERM), "#1 1 bytes, id -, answered 503\n")

    def test_options(self):
        for option, value, text in (("--address", "x", "an IP address was expected"), ("--status", "199", ""), ("--status", "600", ""),
                                    ("--port", "65536", ""), ("--delay", "3600001", ""), ("--port", "-1", "")):
            code, out, err = self.run_it("sink", option, value)
            self.assertEqual((code, out), (2, ""))
            self.assertIn("%s '%s': %s" % (option, value, text), err)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assertEqual(self.run_it("sink", "--port", port),
                             (1, "", "mxhook sink: 127.0.0.1 port %d: address already in use\n" % port))


class Send(Printed):
    def test_what_goes_nowhere(self):
        config = self.folder / "mxhook.lua"
        config.write_text('domains = { "example.com" } spool = { directory = "spool" }')
        self.rule("10.lua", "return alias { ['c@example.com'] = route.reject('No\\27') }")
        code, out, err = self.run_it("send", "--config", config, "c@example.com")
        self.assertEqual((code, out, err), (1, "no destination: 550 5.7.1 No \n", ""))
        code, out, err = self.run_it("send", "--config", config, "x" * 4000 + "@example.com")
        self.assertEqual((code, out, err), (1, "", "mxhook send: %s...: the address is too long\n" % ("x" * 60)))
        self.assertEqual(self.run_it("send", "--config", config)[0], 2)
        self.assertEqual(self.run_it("send", "--config", config, "a@example.com", "b@example.com")[0], 2)


if __name__ == "__main__":
    unittest.main()
