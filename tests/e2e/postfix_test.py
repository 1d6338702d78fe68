"""A real Postfix as the smarthost: what it gets, what it says, and bounces that it sends."""

import json
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest

import dkim

import harness
import postfix
from harness import mail, wait_until
from mailserver import MailServer
from ports import reserve_port


RULES = {"10.lua": """return alias {
    ["hook@example.com"] = "boss@example.net",
    ["many@example.com"] = "one@example.net, two@example.net, three@example.org",
    ["gone@example.com"] = "gone@example.net",
    ["later@example.com"] = "later@example.net",
    ["utf8@example.com"] = "größe@example.net",
}"""}
# What Postfix says to RCPT.
ANSWERS = "{ gone@example.net = 550 5.1.1 No such user } { later@example.net = 450 4.2.0 Come again }"


@postfix.needed
class PostfixTest(harness.TestCase):
    """mxhook -> Postfix -> a receiver, which stands for the rest of the world; mail for example.com goes
    from Postfix to mxhook."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-keys-")
        os.chmod(cls.folder, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        for name, command in (
                ("dkim.key", ["openssl", "genrsa", "-traditional", "-out", "{}", "2048"]),
                ("tls.pem", ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
                             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", cls.folder + "/tls.key",
                             "-out", "{}"])):
            path = os.path.join(cls.folder, name)
            subprocess.run([part.format(path) for part in command], check=True, capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", cls.folder + "/dkim.key", "-pubout"],
                                check=True, capture_output=True).stdout
        with open(cls.folder + "/dkim.key", "rb") as file:
            cls.key = file.read()
        cls.record = b"v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1])

    def setUp(self):
        self.world = MailServer()
        self.addCleanup(self.world.close)
        self.port, self.mx_port = reserve_port(), reserve_port()
        self.relay = postfix.Postfix("""
            myhostname = relay.test
            mynetworks = 127.0.0.0/8
            relayhost = [127.0.0.1]:%d
            transport_maps = inline:{ { example.com = smtp:[127.0.0.1]:%d } }
            smtpd_relay_restrictions = permit_mynetworks, reject
            smtpd_recipient_restrictions = check_recipient_access inline:{ %s }
            smtpd_tls_security_level = may
            smtpd_tls_cert_file = %s/tls.pem
            smtpd_tls_key_file = %s/tls.key
            smtpd_tls_loglevel = 1
            smtp_tls_security_level = none
            """ % (self.world.port, self.mx_port, ANSWERS, self.folder, self.folder), self.port)
        self.addCleanup(self.relay.close)
        self.mx = self.server(RULES, """
            listen = { "127.0.0.1:%d" }
            deliver = { ca_file = "%s/tls.pem" }
            forward = { smarthost = "smtp://127.0.0.1:%d", tls = "verified", attempts = 3, schedule = { "100ms" } }
            """ % (self.mx_port, self.folder, self.port))

    def message(self, count=1):
        wait_until(lambda: len(self.world.messages) >= count, "%d messages" % count)
        return self.world.messages[count - 1]

    def show(self):
        """The log lines of both, for whoever reads the test's output."""
        for line in self.mx.log().splitlines():
            if " delivered " in line or " undelivered " in line:
                print(line)
        for line in self.relay.log().splitlines():
            if "smtpd" in line and "client=" in line or "status=" in line:
                print(line)

    def test_dkim_survives(self):
        original = mail(text="Grüße.\r\n.\r\n..dots\r\n\r\n  spaces  \r\n\r\n")
        signature = dkim.sign(original, b"s", b"client.test", self.key)
        self.mx.send(signature + original)
        got = self.message()
        self.assertEqual(got.recipient, "boss@example.net")
        self.assertRegex(got.sender, r"^SRS0=.*=client\.test=sender@example\.com$")
        self.assertTrue(dkim.verify(got.data, dnsfunc=lambda name, **_: self.record))
        self.assertIn(b"\r\n" + signature + original, got.data)
        self.assertIn("by relay.test (Postfix) with ESMTPS", got.fields("Received")[0])
        line = self.mx.wait_logged("delivered", "to=boss@example.net")[0]
        queue_id = line.split("queued as ")[1].split()[0]
        wait_until(lambda: "%s: to=<boss@example.net>" % queue_id in self.relay.log(), "Postfix's log")
        self.show()

    def test_we_sign_what_we_forward(self):
        """Both signatures hold after Postfix: the original's, and ours above it."""
        self.assertEqual(self.mx.stop(), 0)
        with open(self.mx.config, "a") as file:
            file.write('forward.dkim = { domain = "example.com", selector = "mx1", key = "%s/dkim.key" }\n' % self.folder)
        self.assertEqual(self.mx.command("check").returncode, 0)
        self.mx.start()
        for count, text in enumerate(("Grüße.\r\n.\r\n..dots\r\n\r\n  spaces  \r\n\r\n",
                                      "\r\n".join("x" * (n % 70) for n in range(20000))), 1):
            original = mail(text=text)
            signature = dkim.sign(original, b"s", b"client.test", self.key)
            self.mx.send(signature + original)
            got = self.message(count)
            self.assertIn(b"\r\n" + signature + original, got.data)
            self.assertEqual(len(got.fields("DKIM-Signature")), 2)
            names = []
            verifier = dkim.DKIM(got.data)
            for index in range(2):
                self.assertTrue(verifier.verify(index, dnsfunc=lambda name, **_: names.append(name) or self.record))
            self.assertEqual([name.rstrip(b".") for name in names], [b"mx1._domainkey.example.com", b"s._domainkey.client.test"])
            self.assertFalse(dkim.verify(got.data.replace(b"A subject", b"Another"), dnsfunc=lambda name, **_: self.record))

    def test_many_destinations_and_large(self):
        original = mail(text="\r\n".join("." + "x" * (n % 70) for n in range(60000)))
        self.mx.send(original, ["many@example.com", "hook@example.com"])
        self.message(4)
        self.assertEqual(sorted(each.recipient for each in self.world.messages),
                         ["boss@example.net", "one@example.net", "three@example.org", "two@example.net"])
        self.assertTrue(all(each.data.endswith(b"\r\n" + original) for each in self.world.messages))

    def test_utf8_address(self):
        self.mx.send(mail(), ["utf8@example.com"])
        self.assertEqual(self.message().recipient, "größe@example.net")

    def test_its_4xx_and_5xx(self):
        self.mx.send(mail(), ["gone@example.com"])
        self.mx.wait_logged("undelivered", "to=gone@example.net", "attempt=1", "550 5.1.1", "No such user",
                            "(in reply to RCPT TO)")
        self.mx.send(mail(), ["later@example.com"])
        self.mx.wait_logged("undelivered", "to=later@example.net", "attempt=3", "450 4.2.0", "Come again")
        self.show()

    def test_its_bounce_comes_back_to_the_sender(self):
        self.world.answer = lambda command, argument, session: (
            "550 5.2.1 mailbox closed" if command == "RCPT" and "boss" in argument else None)
        self.mx.send(mail())
        got = self.message()
        self.assertEqual((got.sender, got.recipient), ("", "sender@client.test"))
        self.assertIn(b"Content-Type: multipart/report; report-type=delivery-status", got.data)
        self.assertIn(b"550 5.2.1 mailbox closed", got.data)
        self.mx.wait_logged("ruled", "rule=srs", "to=sender@client.test")
        self.show()


@postfix.needed
class PipesTest(harness.TestCase):
    """What mxhook-migrate(7) says to somebody who has a Postfix with pipe(8): its example, to the letter but for the port."""

    def test_the_manual(self):
        manual = pathlib.Path(__file__).parents[2] / "server/install/man/mxhook-migrate.7"
        example = re.search(r"^# /etc/postfix/main.cf\n(.*?)\n\n(.*?)^\.Ed", manual.read_text().replace("\\-", "-"), re.M | re.S)
        port, relay_port = reserve_port(), reserve_port()
        main, config = (text.replace("2424", str(port)) for text in example.groups())
        sink = self.receiver()
        mx = self.server({"10.lua": 'return function(msg) if msg.envelope.recipient == "gone@example.com" then return route.reject("nobody") end '
                                    'return "%s/" end' % sink.url}, config)
        relay = postfix.Postfix(main + "\nmyhostname = relay.test\nsmtpd_relay_restrictions = reject_unauth_destination\n", relay_port)
        self.addCleanup(relay.close)
        with smtplib.SMTP("127.0.0.1", relay_port, timeout=harness.PATIENCE) as client:
            refused = client.sendmail("sender@client.test", ["a@example.com", "b@example.com", "gone@example.com", "x@other.test"], mail())
        self.assertEqual(list(refused), ["x@other.test"])
        sink.wait_for(2)  # one for each recipient
        self.assertEqual(sorted(json.loads(post.body)["headers"]["Delivered-To"] for post in sink.posts), ["a@example.com", "b@example.com"])
        wait_until(lambda: relay.log().count("status=sent") == 2 and "to=<gone@example.com>" in relay.log(), "Postfix's log")
        self.assertRegex(relay.log(), r"to=<gone@example.com>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*status=bounced .*nobody")
        self.assertEqual(mx.stop(), 0)


if __name__ == "__main__":
    unittest.main()
