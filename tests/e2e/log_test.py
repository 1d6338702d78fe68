"""What an operator reads in the log of who came, was turned away, or is held back: each line, with its fields."""

import base64
import smtplib
import socket
import ssl
import unittest

import harness
import tls_test
from harness import mail, wait_until
from login_test import config as login_config

REJECT = {"10.lua": "return function(msg) return route.reject('no') end"}

BEHIND_PROXY = """listen = { { address = "127.0.0.1:0", proxy = true } }
access = { proxies = { "127.0.0.1" }, proxy_timeout = "%s" }"""


def setUpModule():
    tls_test.setUpModule()


class Lines(harness.TestCase):
    def talk(self, mx, *lines):
        """Sends, a line at a time without reading, and reads to the end."""
        with socket.create_connection(("127.0.0.1", mx.port), harness.PATIENCE) as client:
            client.sendall(b"".join(lines))
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(4096), b""))

    def one(self, mx, event, *parts):
        try:
            mx.wait_logged(event, *parts)
        except harness.TimedOut:
            self.fail("no %s %s in\n%s" % (event, parts, mx.log()))
        self.assertEqual(len(mx.logged(event, *parts)), 1, mx.log())
        return mx.logged(event, *parts)[0]

    def test_who_came_and_went(self):
        mx = self.server(REJECT)
        self.talk(mx, b"QUIT\r\n")
        line = self.one(mx, "connect", "client=127.0.0.1")
        self.assertNotIn("proxy=", line)
        identity = line.split(" id=")[1].split(" ")[0]
        self.one(mx, "disconnect", "id=" + identity, "reason=")

    def test_proxies(self):
        mx = self.server(REJECT, BEHIND_PROXY % "60s")
        self.talk(mx, b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n", b"QUIT\r\n")
        self.one(mx, "connect", "client=192.0.2.7", "proxy=127.0.0.1")
        self.talk(mx, b"EHLO client.test\r\n")
        self.one(mx, "proxy-refused", "client=127.0.0.1", "reason=")

    def test_a_proxy_that_says_nothing(self):
        mx = self.server(REJECT, BEHIND_PROXY % "100ms")
        with socket.create_connection(("127.0.0.1", mx.port), harness.PATIENCE) as silent:
            self.assertEqual(silent.recv(1000), b"")
        self.one(mx, "proxy-refused", 'reason="not complete in time"')

    def test_turned_away(self):
        mx = self.server(REJECT, 'access = { deny = { "127.0.0.1" } }')
        self.talk(mx)
        self.one(mx, "turned-away", "client=127.0.0.1", "reason=")

    def test_too_many_at_once(self):
        mx = self.server(REJECT, "smtp = { max_connections = 1 }")
        with mx.smtp():
            self.talk(mx)
            self.one(mx, "turned-away", "client=127.0.0.1", "reason=")

    def test_early_talker(self):
        mx = self.server(REJECT, 'access = { greeting_pause = "60s", unlimited = {} }')
        self.talk(mx, b"EHLO client.test\r\n")
        self.one(mx, "early-talker", "client=127.0.0.1", "size=18")

    def test_tls_and_logins(self):
        mx = self.server(REJECT, login_config("offered") + "access = { unlimited = {} }")
        with mx.smtp() as client:
            client.starttls(context=ssl._create_unverified_context())
            client.login("printer", "secret")
        self.one(mx, "tls", "version=TLSv1.", "cipher=", "resumed=no")
        self.one(mx, "authenticated", "client=127.0.0.1", "user=printer")
        self.talk(mx, b"EHLO client.test\r\nSTARTTLS\r\nNOOP\r\n")
        self.one(mx, "starttls-injection", "client=127.0.0.1", "size=6")
        clients = [mx.smtp() for _ in range(11)]
        for client in clients:
            self.addCleanup(client.close)
            client.starttls(context=ssl._create_unverified_context())
            client.ehlo()
            client.putcmd("AUTH PLAIN", base64.b64encode(b"\0nobody\0secret").decode())
        mx.wait_logged("authentication-refused", "client=127.0.0.1", "user=nobody")
        mx.wait_logged("authentication-failed", "client=127.0.0.1", "user=nobody")

    def test_refused_commands(self):
        mx = self.server(REJECT)
        with mx.smtp() as client:
            client.ehlo()
            self.assertEqual(client.docmd("RCPT TO:<a@example.com>")[0], 503)
            self.one(mx, "refused", "client=127.0.0.1", "command=RCPT", "argument=TO:<a@example.com>", 'reply="503')
            with self.assertRaises(smtplib.SMTPDataError):
                client.sendmail("a@client.test", ["hook@example.com"], mail())
        self.one(mx, "received", "client=127.0.0.1", "sender=a@client.test", "recipients=1")

    def test_outcomes(self):
        mx = self.server({"10.lua": """return function(msg)
            local to = msg.envelope.recipient
            if to:find("^gone") then return route.reject("gone") end
            if to:find("^later") then return route.defer("later") end
            if to:find("^null") then return "null" end end"""})
        with mx.smtp() as client:
            client.sendmail("a@client.test", ["null@example.com", "gone@example.com", "none@example.com"], mail())
            for recipient, code in (("gone", 550), ("later", 451)):
                with self.assertRaises(smtplib.SMTPDataError) as raised:
                    client.sendmail("a@client.test", [recipient + "@example.com"], mail())
                self.assertEqual(raised.exception.smtp_code, code)
        self.one(mx, "accepted", 'reply="250')
        self.one(mx, "left-out", "to=gone@example.com", "reason=")
        self.one(mx, "left-out", "to=none@example.com", 'reason="no rule answered"')
        self.one(mx, "refused", 'reply="550 ', "ms=")
        self.one(mx, "refused", 'reply="451 ', "ms=")

    def test_destinations_that_say_stop_or_slower(self):
        answers = [429, 200, 410]
        sink = self.receiver(lambda post: answers.pop(0) if answers else 410)
        mx = self.server(self.to(sink), 'deliver = { attempts = 5, schedule = { "10ms" }, gone_limit = 1 }')
        mx.send(mail())
        self.one(mx, "destination-slowed", sink.url, "pause_ms=", "per_minute=")
        wait_until(lambda: len(sink.posts) == 2, "the second attempt")
        mx.send(mail())
        self.one(mx, "destination-gone", sink.url, "failures=1", "pause_ms=")

    def test_warnings_of_the_configuration(self):
        alias = 'return alias { ["a@example.com"] = "null" }'
        mx = self.server({"10.lua": alias, "20.lua": alias})
        self.one(mx, "config-warning", "20.lua:1", "is answered by 10.lua:1 before")
        mx.write_rule("20.lua", alias.replace('" }', '", ["b@example.com"] = "null" }'))
        mx.reload()
        self.one(mx, "reloaded")
        self.assertEqual(len(mx.logged("config-warning", "20.lua:1")), 2, mx.log())


if __name__ == "__main__":
    unittest.main()
