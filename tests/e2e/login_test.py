"""AUTH: PLAIN and LOGIN, inside TLS only, for the configured users."""

import base64
import os
import smtplib
import ssl
import subprocess
import time
import unittest

import harness
import tls_test
from harness import PATIENCE, mail

RULES = """return function(msg)
    msg.headers["X-User"] = msg.envelope.user or "nobody"
    return "%s"
end"""


def setUpModule():
    tls_test.setUpModule()


def hashed(password):
    return subprocess.run(["openssl", "passwd", "-6", "-salt", "mxhook", password], check=True,
                          capture_output=True, text=True).stdout.strip()


def config(auth, tls="starttls"):
    return ('listen = { { address = "127.0.0.1:0", tls = "%s", auth = "%s" } }\n'
            'tls = { certificates = { %s } }\nsmtp = { users = { printer = "%s", ["max@example.com"] = "%s" } }\n'
            % (tls, auth, tls_test.certificates.entry("mx"), hashed("secret"), hashed("p\u00e4ss")))


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Login(harness.TestCase):
    def start(self, auth="offered", tls="starttls"):
        receiver = self.receiver()
        return receiver, self.server({"all.lua": RULES % receiver.url}, config(auth, tls))

    def client(self, mx, tls=True):
        client = mx.smtp()
        self.addCleanup(client.close)
        if tls:
            client.starttls(context=ssl._create_unverified_context())
        client.ehlo()
        return client

    def test_mechanisms(self):
        receiver, mx = self.start()
        for count, (mechanism, user, password) in enumerate(
                (("auth_plain", "printer", "secret"), ("auth_login", "printer", "secret"),
                 ("auth_plain", "max@example.com", "p\u00e4ss")), 1):
            client = self.client(mx)
            self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
            client.user, client.password = user, password
            if password.isascii():
                code, _ = client.auth(mechanism[5:].upper(), getattr(client, mechanism))
            else:
                code, _ = client.docmd("AUTH PLAIN", encoded("\0%s\0%s" % (user, password)))
            self.assertEqual(code, 235)
            self.assertEqual(client.docmd("AUTH PLAIN", encoded("\0printer\0secret"))[0], 503)
            client.ehlo()
            self.assertFalse(client.has_extn("auth"))
            client.sendmail("a@client.test", ["hook@example.com"], mail(message_id="%d@client.test" % count))
            self.assertEqual(receiver.wait_for(count)[-1].json["headers"]["X-User"], user)
            with self.assertRaises(smtplib.SMTPRecipientsRefused):  # still no relay
                client.sendmail("a@client.test", ["a@elsewhere.test"], mail())

    def test_swaks(self):
        receiver, mx = self.start("required", "implicit")
        for mechanism in ("PLAIN", "LOGIN"):
            ran = subprocess.run(["swaks", "--server", "127.0.0.1:%d" % mx.port, "-tlsc", "--auth", mechanism,
                                  "--auth-user", "printer", "--auth-password", "secret", "--from", "a@client.test",
                                  "--to", "hook@example.com"], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual({post.json["headers"]["X-User"] for post in receiver.wait_for(2)}, {"printer"})

    def test_only_inside_tls(self):
        _, mx = self.start()
        client = self.client(mx, tls=False)
        self.assertFalse(client.has_extn("auth"))
        self.assertEqual(client.docmd("AUTH PLAIN", encoded("\0printer\0secret")), (538, b"5.7.11 Only inside TLS: STARTTLS first"))
        self.assertNotIn(encoded("\0printer\0secret"), mx.log())
        self.assertNotIn("secret", mx.log())

    def test_off(self):
        _, mx = self.start("off")
        client = self.client(mx)
        self.assertFalse(client.has_extn("auth"))
        self.assertEqual(client.docmd("AUTH PLAIN", encoded("\0printer\0secret")),
                         (503, b"5.5.1 AUTH is not offered here"))

    def test_in_the_clear(self):
        """Where the listener says so, and `check` warns of it."""
        mx = self.server({"all.lua": 'return function() return "null" end'},
                         'listen = { { address = "127.0.0.1:0", auth = "required", auth_without_tls = true } }\n'
                         'smtp = { users = { printer = "%s" } }' % hashed("secret"))
        with mx.smtp() as client:
            client.ehlo()
            self.assertTrue(client.has_extn("auth"))
            self.assertEqual(client.docmd("AUTH PLAIN", encoded("\0printer\0secret"))[0], 235)
            self.assertEqual(client.docmd("MAIL FROM:<a@client.test>")[0], 250)

    def test_required(self):
        _, mx = self.start("required")
        client = self.client(mx)
        self.assertEqual(client.docmd("MAIL FROM:<a@client.test>"), (530, b"5.7.0 Authentication required"))
        client.login("printer", "secret")
        self.assertEqual(client.docmd("MAIL FROM:<a@client.test> AUTH=<>")[0], 250)

    def test_wrong(self):
        """Counted, and slower each time; the name and the password get the same answer."""
        _, mx = self.start()
        client = self.client(mx)
        start = time.monotonic()
        for user, password in (("printer", "Secret"), ("nobody", "secret")):
            self.assertEqual(client.docmd("AUTH PLAIN", encoded("\0%s\0%s" % (user, password))),
                             (535, b"5.7.8 Authentication failed"))
        self.assertGreaterEqual(time.monotonic() - start, 2.9)
        client.putcmd("AUTH PLAIN", encoded("\0printer\0secret "))
        self.assertEqual(client.getreply()[0], 535)
        self.assertEqual(client.getreply()[0], 421)
        self.assertEqual(len(mx.logged("authentication-failed", "client=127.0.0.1")), 3)

    def test_client_leaves(self):
        """While its password is checked, and while it waits for the refusal; SIGTERM does not wait either."""
        _, mx = self.start()
        for password in ("secret", "wrong"):
            client = self.client(mx)
            client.putcmd("AUTH PLAIN", encoded("\0printer\0" + password))
            client.sock.close()
        client = self.client(mx)
        client.putcmd("AUTH PLAIN", encoded("\0printer\0wrong"))
        self.assertEqual(mx.stop(), 0)

    def guess_until_refused(self, mx):
        """All at once: ten get their answer, late; the rest is refused unasked."""
        clients = [self.client(mx) for _ in range(11)]
        for client in clients[:-1]:
            client.putcmd("AUTH PLAIN", encoded("\0nobody\0secret"))
        self.assertEqual(clients[0].getreply()[0], 535)
        clients[-1].putcmd("AUTH PLAIN", encoded("\0nobody\0secret"))
        refused = clients[-1].getreply()
        self.assertEqual(refused, (454, b"4.7.0 Too many failed logins from your network, try again in 15 minutes"))
        self.assertEqual(clients[-1].getreply()[0], 421)

    def test_guesses_over_many_connections(self):
        """Who logged in from there is not refused."""
        receiver = self.receiver()
        mx = self.server({"all.lua": RULES % receiver.url}, config("offered") + "access = { unlimited = {} }")
        self.client(mx).login("printer", "secret")
        self.guess_until_refused(mx)
        self.client(mx).login("printer", "secret")
        self.assertEqual(self.client(mx).docmd("AUTH PLAIN", encoded("\0printer\0wrong"))[0], 535)
        self.assertEqual(self.client(mx).docmd("AUTH PLAIN", encoded("\0max@example.com\0x"))[0], 454)

    def test_known_logins_are_kept(self):
        """Over a restart, and over one that nobody announced."""
        receiver = self.receiver()
        mx = self.server({"all.lua": RULES % receiver.url}, config("offered") + "access = { unlimited = {} }")
        kept = os.path.join(mx.folder, "spool", "known-logins")
        self.client(mx).login("printer", "secret")
        harness.wait_until(lambda: os.path.exists(kept), "the known logins")
        mx.kill()
        mx.start()
        self.guess_until_refused(mx)
        self.client(mx).login("printer", "secret")
        self.assertEqual(self.client(mx).docmd("AUTH PLAIN", encoded("\0max@example.com\0p\u00e4ss"))[0], 454)
        os.unlink(kept)
        self.assertEqual(mx.stop(), 0)
        with open(kept, "w", encoding="utf-8") as file:  # forgotten counts, and another one that is known
            file.write("%d 127.0.0.1 max@example.com\n" % time.time())
        mx.start()
        self.guess_until_refused(mx)
        self.assertEqual(self.client(mx).docmd("AUTH PLAIN", encoded("\0max@example.com\0p\u00e4ss"))[0], 235)
        self.assertEqual(self.client(mx).docmd("AUTH PLAIN", encoded("\0printer\0secret"))[0], 454)

    def test_malformed(self):
        _, mx = self.start()
        for line, code in (("AUTH PLAIN !!!!", 501), ("AUTH PLAIN YQ=", 501), ("AUTH PLAIN =", 501),
                           ("AUTH PLAIN " + encoded("printer\0secret"), 501),
                           ("AUTH PLAIN " + encoded("\0printer\0se\0cret"), 501),
                           ("AUTH PLAIN " + encoded("other\0printer\0secret"), 501),
                           ("AUTH PLAIN " + encoded("\0printer\0"), 501),
                           ("AUTH PLAIN " + encoded("\0printer\0" + 256 * "x"), 501),
                           ("AUTH CRAM-MD5", 504), ("AUTH", 501),
                           ("AUTH LOGIN " + encoded(""), 334), ("AUTH PLAIN\r\n*", 334),
                           ("AUTH PLAIN\r\n" + 2000 * "x", 334), ("AUTH PLAIN\r\nab\x00cd", 334)):
            client = self.client(mx)
            client.send((line + "\r\n").encode())
            self.assertEqual(client.getreply()[0], code, line)
            if "\r\n" in line:
                self.assertIn(client.getreply()[0], (500, 501), line)
            elif code == 334:
                self.assertEqual(client.docmd("=")[0], 501)
            self.assertEqual(client.docmd("NOOP")[0], 250, line)
        client = self.client(mx)
        client.docmd("MAIL FROM:<a@client.test>")
        self.assertEqual(client.docmd("AUTH PLAIN", encoded("\0printer\0secret"))[0], 503)

    def test_configuration(self):
        for lines, expected in (
                ("smtp = { users = { printer = 'secret' } }", r"smtp\.users: the password of printer is not a hash"),
                ("listen = { { address = '127.0.0.1:0', auth = 'offered' } }", "needs TLS on the same listener"),
                ("listen = { { address = '127.0.0.1:0', auth = 'yes' } }", 'expected auth = "off"')):
            mx = self.server({}, lines, start=False)
            self.assertRegex(mx.command("check").stderr, r"mxhook\.lua:\d+: .*" + expected)


if __name__ == "__main__":
    unittest.main()
