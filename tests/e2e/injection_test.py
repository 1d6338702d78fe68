"""No client's word becomes a header of the payload: what MAIL and EHLO say stays inside its own value."""

import re
import socket
import unittest

import harness
from harness import PATIENCE

RULES = """return function() return "%s" end"""

# What a sender could be to break out of a header: all of it is within RFC 5321 and 6531, or is refused.
SENDERS = [
    '"a b: c"@client.test', r'"a\"b"@client.test', r'"a\\"@client.test', '"X-Evil: 1"@client.test',
    '"a\tX-Evil: 1"@client.test', '"\\\tX-Evil: 1"@client.test', '"a%0d%0aX-Evil: 1"@client.test',
    '"=?utf-8?q?a=0D=0AX-Evil:_1?="@client.test', '"\u2028X-Evil: 1"@client.test',
    '"\u0085X-Evil: 1"@client.test', '"\u2029X-Evil: 1"@client.test', '"; X-Evil=1"@client.test',
    "a@[192.0.2.1]", "a@[IPv6:::1]", "a(X-Evil: 1)@client.test", "\u00e9@client.test",
]
# Without those that RFC 5321 has no room for: tabs, and a comment.
TAKEN_SENDERS = [sender for sender in SENDERS if "\t" not in sender and "(" not in sender]
NAMES = ["client.test", "[192.0.2.1]", "x;X-Evil=1", "x\\r\\nX-Evil:", '"X-Evil:', "=?utf-8?q?=0AX-Evil:?="]
TAKEN_NAMES = NAMES
BROKEN = [b"\rX-Evil: 1", b"\nX-Evil: 1", b"\0X-Evil: 1", b"\r\n X-Evil: 1", b"\x0bX", b"\x0cX", b"\x1bX", b"\x7fX"]
MESSAGE = b"From: a@client.test\r\nSubject: s\r\n\r\ntext\r\n"


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return int(line[:3] or 0)

    def say(self, line):
        self.socket.sendall((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()


class Injection(harness.TestCase):
    def setUp(self):
        self.web = self.receiver()
        self.mx = self.server({"all.lua": RULES % self.web.url}, "smtp = { max_errors = 1000 }")

    def send(self, name, sender):
        """The payload, or None where the server refused the sender."""
        client = Client(self.mx.port)
        self.addCleanup(client.socket.close)
        self.addCleanup(client.file.close)
        if client.say("EHLO " + name) != 250:
            return None
        if client.say("MAIL FROM:<%s> SMTPUTF8" % sender) != 250:
            return None
        before = len(self.web.posts)
        self.assertEqual(client.say("RCPT TO:<hook@example.com>"), 250)
        self.assertEqual(client.say("BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE.decode()[:-2]), 250)
        return self.web.wait_for(before + 1)[-1].json

    def check(self, payload, sender):
        self.assertEqual(set(payload["headers"]), self.expected)
        self.assertEqual(payload["return-path"], {"name": None, "email": sender})
        for name, value in payload["headers"].items():
            for each in value if isinstance(value, list) else [value]:
                self.assertIsNone(re.search("[\0-\x1f\x7f\x85\u2028\u2029]", each), (name, each))

    def test_all(self):
        plain = self.send("client.test", "a@client.test")
        self.expected = set(plain["headers"])
        self.check(plain, "a@client.test")
        taken = []
        for sender in SENDERS:
            payload = self.send("client.test", sender)
            if payload:
                self.check(payload, sender)
                taken.append(sender)
        self.assertEqual(taken, TAKEN_SENDERS)
        names = []
        for name in NAMES:
            payload = self.send(name, "a@client.test")
            if payload:
                self.check(payload, "a@client.test")
                names.append(name)
        self.assertEqual(names, TAKEN_NAMES)

    def greeted(self):
        client = Client(self.mx.port)
        self.addCleanup(client.socket.close)
        self.addCleanup(client.file.close)
        self.assertEqual(client.say("EHLO client.test"), 250)
        return client

    def test_line_ends_and_controls(self):
        client = self.greeted()
        for broken in BROKEN:
            for form in (b"MAIL FROM:<a%s@client.test>", b'MAIL FROM:<"a%s"@client.test>',
                         b"MAIL FROM:<a@client.test%s>", b"MAIL FROM:<a@client.test> X%s"):
                code = client.say(form % broken)
                self.assertIn(code, (500, 501, 555), form % broken)
                if broken.startswith(b"\n"):  # two lines, none of which is run
                    self.assertEqual(client.reply(), 500)
                if broken.startswith(b"\r\n"):  # two lines, of which the second is a header's field: that ends it
                    self.assertEqual(client.reply(), 421)
                    client = self.greeted()


if __name__ == "__main__":
    unittest.main()
