"""Spam and viruses: what rspamd is asked, what becomes of its answer, and of none."""

import gzip
import itertools
import json
import os
import re
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import rspamd
from harness import MXHOOK, mail
from mailserver import MailServer
from rspamd import GTUBE, answer


def gtube(**named):
    return mail(**named) + GTUBE + b"\r\n"


class TestCase(harness.TestCase):
    def setUp(self):
        self.web = self.receiver()

    def scanner(self, reply):
        scanner = rspamd.Scanner(reply if callable(reply) else lambda headers, body: reply)
        self.addCleanup(scanner.close)
        return scanner

    def scanned(self, urls, more="", rules=None, config=""):
        urls = "{ %s }" % ", ".join('"%s"' % url for url in ([urls] if isinstance(urls, str) else urls))
        return self.server(rules or {"10.lua": "return function() return %r end" % self.web.url},
                           "scan = { rspamd = %s, all = true, %s }\n%s" % (urls, more, config))

    def headers(self, count=1):
        return self.web.wait_for(count)[count - 1].json["headers"]

    def refusal(self, mx, message, **named):
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(message, **named)
        return raised.exception.smtp_code, raised.exception.smtp_error.decode()


@unittest.skipUnless(rspamd.PROGRAM, "rspamd is not installed")
class Real(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rspamd = rspamd.Rspamd()
        cls.addClassCleanup(cls.rspamd.close)

    def test_gtube_is_tagged(self):
        mx = self.scanned(self.rspamd.url)
        mx.send(gtube())
        headers = self.headers()
        self.assertEqual(headers["X-Spam-Action"], "reject")
        self.assertRegex(headers["X-Spam-Status"], r'^Yes, score=\S+ required=\S+ action="reject" tests=\[.*GTUBE')
        mx.wait_logged("scan", "action=reject", "score=")

    def test_gtube_is_refused(self):
        mx = self.scanned(self.rspamd.url, "refuse = true")
        code, text = self.refusal(mx, gtube())
        self.assertEqual((code, text[:5]), (550, "5.7.1"))
        mx.send(mail())
        self.assertEqual(self.headers()["X-Spam-Action"], "no action")

    def test_gtube_is_routed(self):
        rules = {"10.lua": """return {
            function(msg) if msg.scan.symbols.GTUBE then return "%s/quarantine" end end,
            route.cel { when = "scan.action == 'no action' && scan.score < 1.0 && !('GTUBE' in scan.symbols)",
                        to = "%s/clean" } }""" % (self.web.url, self.web.url)}
        mx = self.scanned(self.rspamd.url, rules=rules)
        mx.send(gtube())
        mx.send(mail(message_id="2@client.test"))
        self.assertEqual(sorted(post.path for post in self.web.wait_for(2)), ["/clean", "/quarantine"])

    def test_a_message_of_many_urls(self):
        """Its sender makes rspamd's answer large: hundreds of KB."""
        mx = self.scanned(self.rspamd.url)
        mx.send(mail() + b"".join(b"http://h%d.%s.com/x\r\n" % (i, b"a" * 40) for i in range(12000)))
        self.assertEqual(self.headers()["X-Spam-Action"], "no action")

    def test_route_asks_it(self):
        mx = self.scanned(self.rspamd.url, "refuse = true")
        path = os.path.join(mx.folder, "gtube.eml")
        with open(path, "wb") as file:
            file.write(gtube())
        run = subprocess.run([MXHOOK, "route", "--config", mx.config, "--scan", path], capture_output=True, text=True,
                             timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn("550 5.7.1", run.stdout + run.stderr)


class Asked(TestCase):
    """What is sent, and what is made of an answer."""

    def test_what_it_is_told(self):
        scanner = self.scanner(answer())
        os.environ["MXHOOK_TEST_SCAN"] = "secret word"
        self.addCleanup(os.environ.pop, "MXHOOK_TEST_SCAN")
        mx = self.scanned(scanner.url, 'password = "env:MXHOOK_TEST_SCAN"')
        mx.send(mail(), ["hook@example.com", "second@example.com"])
        self.web.wait_for(2)
        (path, headers, body), = scanner.requests
        self.assertEqual(path, "/checkv2")
        self.assertEqual(body, mail())
        self.assertEqual(headers.get_all("Rcpt"), ["hook@example.com", "second@example.com"])
        for name, value in (("IP", "127.0.0.1"), ("Helo", "client.test"), ("From", "<sender@client.test>"),
                            ("Password", "secret word"), ("MTA-Name", "mx.test")):
            self.assertEqual(headers[name], value)
        self.assertTrue(mx.logged("received", headers["Queue-Id"]))
        self.assertNotIn("secret word", mx.log())

    def test_a_connection_is_kept(self):
        scanner = self.scanner(answer())
        mx = self.scanned(scanner.url)
        for number in range(5):
            mx.send(mail(message_id="%d@client.test" % number))
        self.assertEqual(len(scanner.requests), 5)
        self.assertEqual(len(scanner.connections), 1)

    def test_a_message_in_a_file(self):
        """It goes out as it came, read from its file, also where a kept connection has died meanwhile."""
        scanner = self.scanner(answer())
        mx = self.scanned(scanner.url)
        large = mail() + b"A line of text.\r\n" * 300000
        for _ in range(2):
            mx.send(large)
            self.assertEqual(scanner.requests[-1][2], large)

    def test_who_is_not_asked_for(self):
        scanner = self.scanner(answer())
        mx = self.server({"10.lua": "return function(msg) return msg.scan == nil and %r or %r end"
                          % (self.web.url + "/nil", self.web.url + "/asked")},
                         'scan = { rspamd = "%s" }\n' % scanner.url)  # 127.0.0.1 is in access.unlimited
        mx.send(mail())
        self.assertEqual(self.web.wait_for(1)[0].path, "/nil")
        self.assertEqual(scanner.requests, [])
        mx = self.server({"10.lua": "return function(msg) return %r end" % self.web.url},
                         'scan = { rspamd = "%s" }\naccess = { unlimited = {} }' % scanner.url)
        mx.send(mail())
        self.web.wait_for(2)
        self.assertEqual(len(scanner.requests), 1)

    def test_on_both_sides_of_max_size(self):
        scanner = self.scanner(answer())
        mx = self.scanned(scanner.url, "max_size = 2000")
        padding = 2000 - len(mail()) - 2
        mx.send(mail() + b"x" * padding + b"\r\n")
        mx.send(mail() + b"x" * (padding + 1) + b"\r\n")
        self.web.wait_for(2)
        self.assertEqual([len(body) for _, _, body in scanner.requests], [2000])

    def test_the_fields_cannot_be_forged(self):
        scanner = self.scanner(answer(7, "add header", {"A_TEST": 3, "B_TEST": 4}))
        mails = MailServer()
        self.addCleanup(mails.close)
        mx = self.scanned(scanner.url, rules={"10.lua": 'return function() return "%s, boss@example.net" end' % self.web.url},
                          config='forward = { smarthost = "smtp://127.0.0.1:%d" }' % mails.port)
        mx.send(b"X-Spam-Status: No\r\nx-spam-score:\r\n -100\r\nX-Virus: none\r\nX-Spam-Other: kept\r\n" + mail())
        headers = self.headers()
        self.assertEqual({name: value for name, value in headers.items() if name.lower().startswith(("x-spam", "x-virus"))}, {
            "X-Spam-Status": 'Yes, score=7.00 required=15.00 action="add header" tests=[A_TEST, B_TEST]',
            "X-Spam-Score": "7.00", "X-Spam-Action": "add header", "X-Spam-Other": "kept"})
        harness.wait_until(lambda: mails.messages, "the forwarded message")
        data = mails.messages[0].data.decode()
        self.assertIn("X-Spam-Status: Yes, score=7.00", data)
        self.assertNotIn("-100", data)
        self.assertNotIn("X-Virus", data)
        self.assertIn("X-Spam-Other: kept", data)

    def test_a_virus(self):
        scanner = self.scanner(answer(20, "reject", {"CLAM_VIRUS": {"score": 20, "options": ["Eicar-Test-Signature"]}}))
        mx = self.scanned(scanner.url, rules={"10.lua": "return function(msg) return msg.scan.virus and %r end" % self.web.url})
        mx.send(mail())
        self.assertEqual(self.headers()["X-Virus"], "Eicar-Test-Signature")

    def test_the_fields_that_rspamd_asks_for(self):
        milter = {"add_headers": {"X-Rspamd": {"value": "a\r\nb", "order": 0}, "X-Two": [{"value": "1"}, "2"], "bad name": "x"},
                  "remove_headers": {"X-Old": 0}}
        scanner = self.scanner(answer(milter=milter))
        for headers, expected in (("true", ("a  b", ["1", "2"], None)), ("false", (None, None, "there"))):
            mx = self.scanned(scanner.url, "headers = " + headers)
            count = len(self.web.posts) + 1
            mx.send(b"X-Old: there\r\n" + mail())
            got = self.headers(count)
            self.assertEqual((got.get("X-Rspamd"), got.get("X-Two"), got.get("X-Old")), expected)
            self.assertNotIn("bad name", got)

    def test_refuse(self):
        for action, message, expected in (("reject", "No spam, please\u00a0", (550, "5.7.1 No spam, please?")),
                                          ("reject", "", (550, "5.7.1 Refused as spam or a virus")),
                                          ("soft reject", "", (451, "4.7.1 Try again later")),
                                          ("greylist", "Greylisted", (451, "4.7.1 Greylisted"))):
            scanner = self.scanner(answer(20, action, messages={"smtp_message": message} if message else {}))
            mx = self.scanned(scanner.url, "refuse = true")
            self.assertEqual(self.refusal(mx, mail()), expected)
            mx.stop()
        for action in ("add header", "rewrite subject", "no action"):
            mx = self.scanned(self.scanner(answer(10, action)).url, "refuse = true")
            mx.send(mail())
            mx.stop()
        self.assertEqual(len(self.web.wait_for(3)), 3)


class Faults(TestCase):
    def dead(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return "http://127.0.0.1:%d" % probe.getsockname()[1]

    FAULTS = {
        "slow": lambda headers, body: time.sleep(2),
        "closes": lambda headers, body: None,
        "garbage": lambda headers, body: b"\xff\x00garbage",
        "half": lambda headers, body: b'{"score": 1',
        "no action": lambda headers, body: b"{}",
        "no name of an action": lambda headers, body: answer(1, "x\r\ny"),
        "nothing": lambda headers, body: b"",
        "not a number": lambda headers, body: b'{"action": "reject", "score": NaN, "required_score": 15}',
        "204": lambda headers, body: (204, b""),
        "gzip": lambda headers, body: gzip.compress(json.dumps(answer()).encode()),
        "no number": lambda headers, body: b'{"action": "reject", "score": "a lot", "required_score": 15}',
        "a list": lambda headers, body: b"[1]",
        "deep": lambda headers, body: b"[" * 100000,
        "10 MB": lambda headers, body: b'{"x": "' + b"x" * 10000000 + b'"}',
        "an error": lambda headers, body: (500, b"no"),
        "wrong password": lambda headers, body: (403, b"{}"),
        "redirect": lambda headers, body: (302, b""),
    }
    # Without HTTP's help.
    RAW = {
        "100 alone": b"HTTP/1.1 100 Continue\r\n\r\n",
        "100 for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 100000,
        "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "no HTTP": b"220 mx.test ESMTP\r\n",
        "no status": b"HTTP/1.1 \r\n\r\n{}",
        "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + json.dumps(answer()).encode()[:50],
        "a chunk without its end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sc",
        "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "a long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000000,
    }

    def test_accept(self):
        stall = threading.Event()  # what sends nothing more
        self.addCleanup(stall.set)
        raw = {name: rspamd.RawScanner(content) for name, content in self.RAW.items()}
        raw["a stall"] = rspamd.RawScanner(self.RAW["a chunk without its end"], stall)
        for scanner in raw.values():
            self.addCleanup(scanner.close)
        for name, scanner in list(raw.items()) + [(name, self.scanner(reply)) for name, reply in self.FAULTS.items()]:
            with self.subTest(name):
                mx = self.scanned(scanner.url, 'timeout = "300ms"',
                                  {"10.lua": "return function(msg) return msg.scan.error and %r end" % self.web.url})
                before = len(self.web.posts)
                mx.send(mail())
                self.web.wait_for(before + 1)
                self.assertNotIn("X-Spam-Status", self.web.posts[-1].json["headers"])
                mx.wait_logged("scan", "error=")
                self.assertEqual(mx.stop(), 0)

    def test_what_comes_before_an_answer(self):
        body = json.dumps(answer(3)).encode()
        scanner = rspamd.RawScanner(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.addCleanup(scanner.close)
        self.scanned(scanner.url).send(mail())
        self.assertEqual(self.headers()["X-Spam-Score"], "3.00")

    def test_an_answer_that_a_sender_makes_large(self):
        """rspamd names the hosts of 10,240 URLs, and may quote what is no UTF-8."""
        content = json.dumps(answer(3, urls=["%05d.%s.example" % (i, "a" * 60) for i in range(10240)])).encode()
        scanner = self.scanner(lambda headers, body: content.replace(b"00000.", b"\xff\xfe."))
        mx = self.scanned(scanner.url)
        for number in range(4):
            mx.send(mail(message_id="%d@client.test" % number))
        self.assertEqual(len(mx.logged("scan", "action=")), 4)

    def test_an_operators_own_action(self):
        mx = self.scanned(self.scanner(answer(30, "to the archive")).url, "refuse = true")
        mx.send(mail())
        self.assertEqual(self.headers()["X-Spam-Action"], "to the archive")

    def test_fields_that_the_server_writes_are_not_asked_for(self):
        milter = {"add_headers": {"X-Spam-Score": "-9", "Delivered-To": "a@b.test", "X-Ok": "1"}, "remove_headers": {}}
        self.scanned(self.scanner(answer(5, milter=milter)).url, "headers = true").send(mail())
        headers = self.headers()
        self.assertEqual((headers["X-Spam-Score"], headers["Delivered-To"], headers["X-Ok"]),
                         ("5.00", "hook@example.com", "1"))

    def test_many_symbols_in_forwarded_mail(self):
        """RFC 5322 section 2.1.1: no line above 998 bytes."""
        mails = MailServer()
        self.addCleanup(mails.close)
        symbols = {"A_SYMBOL_OF_SOME_LENGTH_%03d" % number: 0 for number in range(100)}
        mx = self.scanned(self.scanner(answer(symbols=symbols)).url, rules={"10.lua": 'return function() return "boss@example.net" end'},
                          config='forward = { smarthost = "smtp://127.0.0.1:%d" }' % mails.port)
        mx.send(mail())
        harness.wait_until(lambda: mails.messages, "the forwarded message")
        self.assertLess(max(map(len, mails.messages[0].data.split(b"\r\n"))), 998)

    def test_a_slow_one_leaves_time_for_the_next(self):
        stall = threading.Event()
        self.addCleanup(stall.set)
        slow = rspamd.RawScanner(b"", stall)
        self.addCleanup(slow.close)
        mx = self.scanned([slow.url, self.scanner(answer(2)).url], 'timeout = "8s"')
        mx.send(mail())
        self.assertEqual(self.headers()["X-Spam-Score"], "2.00")

    def test_a_reload_meanwhile(self):
        """Who is being asked goes on to be; the next message goes by the new configuration."""
        asked, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        first = self.scanner(lambda headers, body: asked.set() or go_on.wait(harness.PATIENCE) and answer(1))
        mx = self.scanned(first.url, 'timeout = "60s"')
        sender = threading.Thread(target=mx.send, args=(mail(),))
        sender.start()
        self.assertTrue(asked.wait(harness.PATIENCE))
        with open(mx.config, encoding="utf-8") as file:
            text = file.read()
        with open(mx.config, "w", encoding="utf-8") as file:
            file.write(text.replace(first.url, self.scanner(answer(2)).url))
        mx.reload()
        mx.send(mail(message_id="2@client.test"))
        go_on.set()
        sender.join(harness.PATIENCE)
        self.assertEqual([post.json["headers"]["X-Spam-Score"] for post in self.web.wait_for(2)], ["2.00", "1.00"])

    def test_defer(self):
        mx = self.scanned(self.dead(), 'on_failure = "defer"')
        self.assertEqual(self.refusal(mx, mail()), (451, "4.7.1 The message cannot be scanned now, try again later"))

    def test_scans_are_counted(self):
        """By the scanner's action; all that failed together; what was not asked not at all."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "admin")
        replies = [answer(), answer(9, "add header"), answer(), b"{}"]
        scanner = self.scanner(lambda headers, body: replies.pop(0))
        mx = self.scanned(scanner.url, "max_size = 2000", config='admin = { listen = { "unix:%s" } }' % path)
        for number in range(4):
            mx.send(mail(message_id="%d@client.test" % number))
        mx.send(mail(message_id="large@client.test") + (b"x" * 900 + b"\r\n") * 3)
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(30)
            admin.connect(path)
            admin.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            text = admin.makefile("rb").read().decode()
        self.assertEqual(sorted(re.findall(r'(?m)^mxhook_scans_total\{result="([^"]*)"\} (\d+)', text)),
                         [("add header", "1"), ("error", "1"), ("no action", "2")])

    def test_texts_that_would_forge(self):
        scanner = self.scanner(answer(1, "no action", {"X]\r\nSubject: y": 1, "": 2, "OK": 1, "A b": 3},
                                      messages={"smtp_message": "x\r\n250 OK"}))
        mx = self.scanned(scanner.url)
        mx.send(mail())
        self.assertIn("tests=[OK]", self.headers()["X-Spam-Status"])

    def test_breaker(self):
        """After three failures it is not asked, and said so once."""
        scanner = self.scanner((500, b"no"))
        mx = self.scanned(scanner.url)
        for number in range(8):
            mx.send(mail(message_id="%d@client.test" % number))
        self.assertEqual(len(scanner.requests), 3)
        self.assertEqual(len(mx.logged("scanner", "is not asked until it answers")), 1)
        self.assertEqual(len(mx.logged("scan", "error=")), 8)

    def test_it_answers_again(self):
        """After its pause one message tries it, and then all are scanned."""
        scanner = self.scanner((500, b"no"))
        mx = self.scanned(scanner.url)
        numbers = itertools.count()
        for _ in range(3):
            mx.send(mail(message_id="%d@client.test" % next(numbers)))
        mx.wait_logged("scanner", "is not asked until it answers")
        scanner.reply = lambda headers, body: answer(2)

        def answers():
            time.sleep(0.2)
            mx.send(mail(message_id="%d@client.test" % next(numbers)))
            return mx.logged("scanner", "answers again")

        harness.wait_until(answers, "the scanner to be asked again")
        mx.send(mail(message_id="last@client.test"))
        self.assertEqual(len(scanner.requests), 5)
        self.assertEqual(len(mx.logged("scanner", "answers again")), 1)
        self.assertEqual(len(mx.logged("scan", "action=")), 2)

    def test_another_url_is_tried(self):
        scanner = self.scanner(answer())
        mx = self.scanned([self.dead(), scanner.url])
        for number in range(8):
            mx.send(mail(message_id="%d@client.test" % number))
        self.assertEqual(len(scanner.requests), 8)
        self.assertEqual(len(mx.logged("scanner", "is not asked")), 1)

    def test_urls_take_turns(self):
        scanners = [self.scanner(answer()) for _ in range(2)]
        mx = self.scanned([scanner.url for scanner in scanners])
        for number in range(6):
            mx.send(mail(message_id="%d@client.test" % number))
        self.assertEqual([len(scanner.requests) for scanner in scanners], [3, 3])

    def test_stop_waits_for_it(self):
        scanner = self.scanner(lambda headers, body: time.sleep(1) or answer())
        mx = self.scanned(scanner.url)
        client = mx.smtp()
        self.addCleanup(client.close)
        client.ehlo()
        client.mail("a@client.test")
        client.rcpt("hook@example.com")
        client.docmd("DATA")
        client.send(mail() + b".\r\n")
        harness.wait_until(lambda: scanner.requests, "the scanner to be asked")
        mx.process.terminate()
        self.assertEqual(client.getreply()[0], 250)
        self.assertEqual(mx.process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
