"""The envelope sender of forwarded mail, bounces to it, and loops."""

import os
import re
import shutil
import smtplib
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import harness
from harness import mail, wait_until
from mailserver import MailServer

KEY = "the secret of these tests"
RULES = {"10.lua": """return alias {
    ["hook@example.com"] = "boss@example.net",
    ["loop@example.com"] = "loop@example.com",
    ["both@example.com"] = "both@example.com, %s/both",
    ["far@example.com"] = "far@example.net",
}"""}


class Bounces(harness.TestCase):
    def setUp(self):
        self.web = self.receiver()
        self.mails = MailServer()
        self.addCleanup(self.mails.close)

    def forwarder(self, options='srs_key = "%s"' % KEY, port=None):
        rules = {"10.lua": RULES["10.lua"] % self.web.url}
        return self.server(rules, 'forward = { smarthost = "smtp://127.0.0.1:%d", schedule = { "50ms" }, %s }\n'
                           % (port or self.mails.port, options))

    def message(self, count=1):
        wait_until(lambda: len(self.mails.messages) >= count, "%d messages" % count)
        return self.mails.messages[count - 1]

    def rcpt(self, mx, address, sender=""):
        with mx.smtp() as client:
            client.ehlo()
            client.mail(sender)
            return client.rcpt(address)

    def test_there_and_back(self):
        mx = self.forwarder("")
        mx.send(mail(), sender="Alice@client.test")
        rewritten = self.message().sender
        self.assertRegex(rewritten, r"^SRS0=[A-Za-z0-9+/]{8}=[A-Z2-7]{2}=client\.test=Alice@example\.com$")
        bounce = mail("Undelivered")
        mx.send(bounce, [rewritten], sender="")
        got = self.message(2)
        self.assertEqual((got.sender, got.recipient), ("", "Alice@client.test"))
        self.assertTrue(got.data.endswith(b"\r\n" + bounce))
        mx.wait_logged("ruled", "rule=srs", "to=Alice@client.test")
        key = os.path.join(mx.folder, "spool", "srs.key")
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        # The key outlives the process, and a reload.
        self.assertEqual(mx.stop(), 0)
        mx.start()
        self.assertEqual(self.rcpt(mx, rewritten)[0], 250)
        mx.reload()
        self.assertEqual(self.rcpt(mx, rewritten.lower())[0], 250)
        self.assertEqual(self.web.posts, [])

    def test_no_open_relay(self):
        mx = self.forwarder()
        for address in ("SRS0=aaaaaaaa=AA=victim.test=bob@example.com", "SRS1=aaaaaaaa=victim.test==x@example.com",
                        "srs0+x@example.com", "SRS0====@example.com"):
            code, text = self.rcpt(mx, address)
            self.assertEqual((code, text[:5]), (550, b"5.1.1"), address)
        self.assertEqual(self.rcpt(mx, "SRS0=aaaaaaaa=AA=victim.test=bob@victim.test")[0], 550)
        self.assertEqual(self.rcpt(mx, "SRS0@example.com")[1][:5], b"5.1.1")
        self.assertEqual(self.mails.messages, [])

    def test_only_bounces_are_taken(self):
        """Who has seen a rewritten sender can send nothing else through us."""
        mx = self.forwarder()
        mx.send(mail())
        rewritten = self.message().sender
        for sender in ("stranger@evil.test", "alice@client.test", rewritten, "x@example.com"):
            code, text = self.rcpt(mx, rewritten, sender)
            self.assertEqual((code, text[:5]), (550, b"5.7.1"), (sender, text))
        with mx.smtp() as client:
            client.ehlo()
            client.mail("")
            self.assertEqual(client.rcpt(rewritten)[0], 250)
            self.assertEqual(client.rcpt(rewritten)[0], 250)  # the same one
            for other in ("hook@example.com", self.mail_srs("forward", "bob@client.test")):
                code, text = client.rcpt(other)
                self.assertEqual((code, text[:5]), (452, b"4.5.3"), other)
            self.assertEqual(client.data(mail("Undelivered"))[0], 250)
            client.mail("")
            self.assertEqual(client.rcpt("hook@example.com")[0], 250)
            code, text = client.rcpt(rewritten)
            self.assertEqual((code, text[:5]), (452, b"4.5.3"))
            self.assertEqual(client.data(mail("Undelivered"))[0], 250)
        self.message(3)
        self.assertEqual(sorted(m.recipient for m in self.mails.messages[1:]), ["boss@example.net", "sender@client.test"])

    def test_bounces_count(self):
        rules = {"10.lua": RULES["10.lua"] % self.web.url}
        mx = self.server(rules, 'forward = { smarthost = "smtp://127.0.0.1:%d", srs_key = "%s" }\n'
                         'access = { unlimited = {}, messages_per_minute = 3, recipients_per_session = 1 }\n'
                         % (self.mails.port, KEY))
        rewritten = self.mail_srs("forward", "alice@client.test")
        with mx.smtp() as client:
            client.ehlo()
            client.mail("")
            self.assertEqual(client.rcpt(rewritten)[0], 250)
            client.data(mail("Undelivered"))
            client.mail("")
            self.assertEqual(client.rcpt(rewritten), (452, b"4.5.3 Too many recipients in one session"))
            client.rset()
            client.mail("")
            client.rset()
            self.assertEqual(client.mail("")[0], 451)

    def test_what_is_quoted_comes_back_quoted(self):
        mx = self.forwarder()
        for sender in ("a@[192.0.2.1]", '""@client.test', '"a b"@client.test', '".a"@client.test',
                       '"a@b\\"c"@[IPv6:2001:db8::1]'):
            before = len(self.mails.messages)
            with mx.smtp() as client:
                client.ehlo()
                self.assertEqual(client.docmd("MAIL FROM:<%s>" % sender)[0], 250)
                client.rcpt("hook@example.com")
                self.assertEqual(client.data(mail())[0], 250)
                rewritten = self.message(before + 1).sender
                self.assertEqual(client.docmd("MAIL FROM:<>")[0], 250)
                code, text = client.docmd("RCPT TO:<%s>" % rewritten)
                self.assertEqual(code, 250, (rewritten, text))
                self.assertEqual(client.data(mail("Undelivered"))[0], 250)
            self.assertEqual(self.message(before + 2).recipient, sender)

    def test_expired(self):
        mx = self.forwarder()
        now = time.time()
        for days, expected in ((0, (250, b"2.1.5")), (20, (250, b"2.1.5")), (23, (550, b"5.1.1"))):
            address = self.mail_srs("forward", "alice@client.test", now - days * 86400)
            code, text = self.rcpt(mx, address)
            self.assertEqual((code, text[:5]), expected, (days, text))

    def test_a_domain_of_its_own(self):
        mx = self.forwarder('srs_domain = "bounces.test"')
        mx.send(mail())
        rewritten = self.message().sender
        self.assertTrue(rewritten.endswith("@bounces.test"))
        self.assertEqual(self.rcpt(mx, rewritten)[0], 250)
        self.assertEqual(self.rcpt(mx, "x" + rewritten[1:])[1][:5], b"5.7.1")
        self.assertEqual(self.rcpt(mx, "postmaster@bounces.test")[1][:5], b"5.7.1")

    def test_off(self):
        mx = self.forwarder("srs = false")
        mx.send(mail())
        self.assertEqual(self.message().sender, "sender@client.test")
        self.assertFalse(os.path.exists(os.path.join(mx.folder, "spool", "srs.key")))

    def test_null_and_own_senders_stay(self):
        mx = self.forwarder()
        mx.send(mail(), sender="")
        self.assertEqual(self.message().sender, "")
        mx.send(mail(), sender="me@example.com")
        self.assertEqual(self.message(2).sender, "me@example.com")

    def test_a_bounce_that_bounces_ends(self):
        mx = self.forwarder()
        mx.send(mail())
        rewritten = self.message().sender
        self.mails.answer = lambda command, argument, session: "550 5.1.1 gone" if command == "RCPT" else None
        mx.send(mail("Undelivered"), [rewritten], sender="")
        mx.wait_logged("undelivered", "to=sender@client.test", "550 5.1.1 gone")

    # ---- Loops ----

    def test_a_loop_ends_at_its_second_round(self):
        mx = self.forwarder()
        mx.send(mail(), ["both@example.com"])
        first = self.message()
        self.web.wait_for(1)
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(first.data, ["both@example.com"], sender=first.sender)
        self.assertEqual(raised.exception.smtp_code, 554)
        self.assertIn(b"5.4.6 Mail loop", raised.exception.smtp_error)
        # For another recipient the same message is no loop; beside one that is, it goes to that one only.
        mx.send(first.data, ["hook@example.com", "both@example.com"], sender=first.sender)
        self.assertEqual(self.message(2).recipient, "boss@example.net")
        mx.wait_logged("left-out", "to=both@example.com", "Mail loop")
        self.assertEqual(len(self.web.posts), 1)

    def test_a_loop_through_a_relay(self):
        """The smarthost sends mail for our domain back to us: it ends by itself."""
        relay = self.server({"10.lua": "return function(msg) return msg.envelope.recipient end"}, start=False)
        mx = self.forwarder()
        relay.write("mxhook.lua", """
            hostname = "relay.test"
            domains = { "example.com", "example.net" }
            listen = { "127.0.0.1:0" }
            spool = { directory = "spool" }
            auth = { spf = false, dkim = false, dmarc = false }
            forward = { smarthost = "smtp://127.0.0.1:%d", srs = false }""" % mx.port)
        relay.start()
        with open(mx.config, encoding="utf-8") as file:
            config = file.read().replace(":%d" % self.mails.port, ":%d" % relay.port)
        mx.write("mxhook.lua", config)
        mx.reload()
        mx.send(mail(), ["loop@example.com"])
        line = wait_until(lambda: relay.logged("undelivered") or mx.logged("undelivered"), "the end")[0]
        self.assertIn("5.4.6 Mail loop", line)

    def test_too_many_hops(self):
        mx = self.forwarder()
        received = b"Received: from a.test by b.test; Mon, 23 Nov 2026 10:00:00 +0100\r\n"
        mx.send(received * 100 + mail())
        self.message()
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            mx.send(received * 101 + mail())
        self.assertIn(b"5.4.6 Mail loop: too many hops", raised.exception.smtp_error)

    # ---- Others who speak SRS ----

    def perl(self, script, *arguments):
        if not shutil.which("perl") or subprocess.run(["perl", "-MMail::SRS", "-e1"], capture_output=True).returncode:
            self.skipTest("libmail-srs-perl is not installed")
        done = subprocess.run(["perl", "-MMail::SRS", "-e", script, *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def mail_srs(self, method, address, now=None):
        return self.perl("""my ($method, $address, $now, $key) = @ARGV;
            no warnings "redefine"; *Mail::SRS::timestamp_create = sub {
                my @b = ("A" .. "Z", "2" .. "7"); my $d = int($now / 86400); $b[$d / 32 % 32] . $b[$d % 32] };
            my $srs = Mail::SRS->new(Secret => $key, HashLength => 8, HashMin => 8, MaxAge => 21);
            print $method eq "forward" ? $srs->forward($address, 'example.com') : $srs->reverse($address);
            """, method, address, str(now or time.time()), KEY)

    def test_mail_srs_agrees(self):
        mx = self.forwarder()
        for sender, back in (("alice@client.test", None), ("a=b+c-d@client.test", None),
                             ("SRS0=Abcd=QA=a.test=bob@client.test", None),
                             ("SRS1=Abcd=b.test==Efgh=QA=a.test=bob@client.test",
                              "SRS0=Efgh=QA=a.test=bob@b.test")):
            before = len(self.mails.messages)
            mx.send(mail(), sender=sender)
            rewritten = self.message(before + 1).sender
            self.assertEqual(rewritten, self.mail_srs("forward", sender))
            self.assertEqual(self.mail_srs("reverse", rewritten), back or sender)
            mx.send(mail("Undelivered"), [rewritten], sender="")
            self.assertEqual(self.message(before + 2).recipient, back or sender)

    def postsrsd(self, domain):
        """Two ports, at which it rewrites and reverses; with a key of its own."""
        program = shutil.which("postsrsd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            self.skipTest("postsrsd is not installed")
        folder = tempfile.mkdtemp(prefix="mxhook-postsrsd-")
        self.addCleanup(shutil.rmtree, folder, True)
        with open(os.path.join(folder, "key"), "w") as file:
            file.write("another secret\n")
        ports = []
        for _ in range(2):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports.append(probe.getsockname()[1])
        process = subprocess.Popen([program, "-s", os.path.join(folder, "key"), "-d", domain, "-l", "127.0.0.1",
                                    "-f", str(ports[0]), "-r", str(ports[1])], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return ports

    def ask_postsrsd(self, port, address):
        def ask():
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as client:
                    client.sendall(("get %s\n" % address).encode())
                    return client.makefile().readline()
            except OSError:
                return None
        answer = wait_until(ask, "postsrsd")
        match = re.match(r"200 (\S+)", answer)
        self.assertTrue(match, answer)
        return match.group(1)

    def test_postsrsd_before_us(self):
        forward, reverse = self.postsrsd("fwd.test")
        mx = self.forwarder()
        first = self.ask_postsrsd(forward, "alice@client.test")
        self.assertRegex(first, r"^SRS0=.*@fwd\.test$")
        mx.send(mail(), sender=first)
        second = self.message().sender
        self.assertRegex(second, r"^SRS1=\S{8}=fwd\.test==.*@example\.com$")
        mx.send(mail("Undelivered"), [second], sender="")
        back = self.message(2).recipient
        self.assertEqual(back.lower(), first.lower())
        self.assertEqual(self.ask_postsrsd(reverse, back), "alice@client.test")

    def test_postsrsd_after_us(self):
        forward, reverse = self.postsrsd("fwd.test")
        mx = self.forwarder()
        mx.send(mail(), sender="alice@client.test")
        ours = self.message().sender
        theirs = self.ask_postsrsd(forward, ours)
        self.assertRegex(theirs, r"^SRS1=.*=example\.com==.*@fwd\.test$")
        mx.send(mail("Undelivered"), [self.ask_postsrsd(reverse, theirs)], sender="")
        self.assertEqual(self.message(2).recipient, "alice@client.test")


if __name__ == "__main__":
    unittest.main()
