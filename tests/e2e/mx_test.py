"""E-mail destinations without a smarthost: which server is tried, in which order, and when none can be."""

import os
import shutil
import sys
import unittest

import harness
from harness import mail, wait_until
from mailserver import MailServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../auth"))

import nameservers  # noqa: E402

# Each host has an address of loopback of its own, all of them the same port.
ZONE = [
    ("a", "A 127.0.0.2"), ("b", "A 127.0.0.3"), ("dead", "A 127.0.0.9"), ("six", "AAAA ::1"),
    ("both", "A 127.0.0.9"), ("both", "AAAA ::1"), ("mx", "A 127.0.0.4"), ("empty", "TXT \"no address\""),
    ("plain", "MX 10 a"), ("order", "MX 20 b"), ("order", "MX 10 a"), ("second", "MX 10 dead"), ("second", "MX 20 b"),
    ("equal", "MX 10 a"), ("equal", "MX 10 b"), ("implicit", "A 127.0.0.3"), ("null", "MX 0 ."), ("null", "A 127.0.0.3"),
    ("self", "MX 10 mx"), ("self", "MX 20 b"), ("backup", "MX 5 a"), ("backup", "MX 10 mx"), ("backup", "MX 20 b"),
    ("ipv6", "MX 10 six"), ("mixed", "MX 10 both"), ("noaddress", "MX 10 empty"), ("nohost", "MX 10 nowhere"),
    ("allthe.dead", "MX 10 dead"), ("allthe.dead", "MX 20 dead"),
]
# Dead ones before a live one: as many as leave room for it, and one more (MX_HOSTS_MAX, MX_TARGETS_MAX).
ZONE += [("d%d" % i, "A 127.0.0.9") for i in range(10)]
ZONE += [(name, "MX %d d%d" % (i + 1, i)) for name, count in (("nine", 9), ("ten", 10)) for i in range(count)]
ZONE += [(name, "A 127.0.1.%d" % (i + 1)) for name, count in (("w9", 9), ("w10", 10)) for i in range(count)]
ZONE += [("nine", "MX 99 a"), ("ten", "MX 99 a"), ("wide9", "MX 10 w9"), ("wide10", "MX 10 w10"),
         ("wide9", "MX 99 a"), ("wide10", "MX 99 a")]


@unittest.skipUnless(shutil.which("nsd", path="/usr/sbin:/usr/bin"), "nsd is not installed")
class Mx(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nsd = nameservers.Nsd({"test": ZONE})
        cls.addClassCleanup(cls.nsd.close)

    def setUp(self):
        self.says = {}
        first = self.host("127.0.0.2", 0)
        self.port = first.port
        self.hosts = {"127.0.0.2": first}
        for address in ("127.0.0.3", "127.0.0.4", "::1"):
            try:
                self.hosts[address] = self.host(address, self.port)
            except OSError:
                if address != "::1":
                    raise

    def host(self, address, port):
        server = MailServer(lambda command, argument, session: self.says.get((address, command)), address, port,
                            name=address)
        self.addCleanup(server.close)
        return server

    def forwarder(self, more="", forward='attempts = 2, schedule = { "50ms" }', resolver=None):
        return self.server(
            {"10.lua": 'return function(msg) return "boss@" .. msg.subject end'},
            'dns = { resolvers = { "127.0.0.1:%d" } }\nforward = { srs = false, mx_port = %d, %s }\n%s'
            % (resolver or self.nsd.port, self.port, forward, more))

    def taken(self):
        return [(address, message) for address, host in self.hosts.items() for message in host.messages]

    def goes_to(self, mx, domain, address):
        before = len(self.taken())
        mx.send(mail(subject=domain))
        wait_until(lambda: len(self.taken()) > before, "mail for " + domain)
        mx.wait_logged("delivered", "to=boss@" + domain, "server=" , "[%s]:%d" % (address, self.port))

    def fails(self, mx, domain, *parts):
        mx.send(mail(subject=domain))
        line = mx.wait_logged("undelivered", "to=boss@" + domain)[0]
        for part in parts:
            self.assertIn(part, line)

    def test_the_best_that_answers(self):
        mx = self.forwarder()
        self.goes_to(mx, "plain.test", "127.0.0.2")
        self.goes_to(mx, "order.test", "127.0.0.2")
        self.goes_to(mx, "second.test", "127.0.0.3")
        self.goes_to(mx, "implicit.test", "127.0.0.3")
        self.goes_to(mx, "backup.test", "127.0.0.2")
        self.assertIn("server=b.test[127.0.0.3]", mx.logged("delivered", "to=boss@second.test")[0])
        self.assertEqual(mx.logged("retry"), [])

    def test_ipv6(self):
        if "::1" not in self.hosts:
            self.skipTest("no IPv6 here")
        mx = self.forwarder()
        self.goes_to(mx, "ipv6.test", "::1")
        self.goes_to(mx, "mixed.test", "::1")

    def test_a_greeting_that_is_a_no_leads_to_the_next(self):
        for reply in ("421 4.3.2 too busy", "554 5.7.1 not you"):
            self.says = {("127.0.0.2", "CONNECT"): reply}
            mx = self.forwarder()
            self.goes_to(mx, "order.test", "127.0.0.3")
            self.assertEqual(mx.logged("retry"), [])

    def test_a_reply_about_the_message_does_not(self):
        self.says = {("127.0.0.2", "RCPT"): "550 5.1.1 no such user"}
        self.fails(self.forwarder(), "order.test", "550 5.1.1 no such user", "attempt=1", "server=a.test[127.0.0.2]")
        self.assertEqual(self.taken(), [])

    def test_ten_hosts_and_ten_addresses_are_tried(self):
        mx = self.forwarder(forward="attempts = 1")
        self.goes_to(mx, "nine.test", "127.0.0.2")
        self.goes_to(mx, "wide9.test", "127.0.0.2")
        taken = len(self.taken())
        self.fails(mx, "ten.test", "attempt=1")
        self.fails(mx, "wide10.test", "attempt=1")
        self.assertEqual(len(self.taken()), taken)

    def test_equal_ones_share(self):
        mx = self.forwarder()
        for _ in range(40):
            mx.send(mail(subject="equal.test"))
        wait_until(lambda: len(self.taken()) == 40, "40 messages")
        # All at one of them: once in 2^39 runs.
        self.assertEqual({address for address, _ in self.taken()}, {"127.0.0.2", "127.0.0.3"})

    def test_what_ends_it_at_once(self):
        mx = self.forwarder()
        self.fails(mx, "null.test", "attempt=1", "null MX")
        self.fails(mx, "self.test", "attempt=1", "mail loop")
        self.fails(mx, "nowhere.test", "attempt=1", "no such domain")
        self.fails(mx, "noaddress.test", "attempt=1", "no address")
        self.fails(mx, "nohost.test", "attempt=1", "no address")
        self.assertEqual(self.taken(), [])

    def test_what_is_tried_again(self):
        self.fails(self.forwarder(), "allthe.dead.test", "attempt=2")
        silent = nameservers.FaultyServer(lambda name, kind: 2)
        self.addCleanup(silent.close)
        self.fails(self.forwarder(resolver=silent.port), "plain.test", "attempt=2", "DNS gives no answer")

    def test_a_stop_forgets_what_dns_was_asked(self):
        asked = []
        silent = nameservers.FaultyServer(lambda name, kind: asked.append(kind))
        self.addCleanup(silent.close)
        mx = self.forwarder('shutdown_timeout = "10ms"\n', resolver=silent.port)
        mx.send(mail(subject="plain.test"))
        wait_until(lambda: asked, "a question")
        self.assertEqual(mx.stop(), 0)
        self.assertTrue(mx.logged("stopping", "time is up"))
        self.assertEqual(mx.logged("retry"), [])
        listed = mx.command("queue", "list", "--json").stdout
        self.assertIn("boss@plain.test", listed)

    def test_hostile_dns(self):
        for rest in (b"", b"\xff" * 40, b"\x81\x80\0\1\0\1\0\0\0\0\5plain\4test\0\0\x0f\0\1\xc0\x0c\0\x0f\0\1\0\0\0\1\xff\xff\0"):
            server = nameservers.FaultyServer(lambda name, kind, rest=rest: rest)
            mx = self.forwarder(resolver=server.port, forward="attempts = 1")
            self.fails(mx, "plain.test")
            self.assertEqual(mx.stop(), 0)
            server.close()

    def test_private_addresses_may_be_denied(self):
        self.fails(self.forwarder("deliver = { deny_private = true }\n"), "order.test", "attempt=1", "not public")
        self.assertEqual(self.hosts["127.0.0.2"].connections, 0)

    def test_origins_are_domains(self):
        self.says = {("127.0.0.2", "RCPT"): "450 4.2.0 later"}
        mx = self.forwarder(forward='schedule = { "1h" }')
        mx.send(mail(subject="plain.test"))
        mx.wait_logged("retry", "450 4.2.0 later")
        wait_until(lambda: "mx:plain.test waiting=1" in mx.command("queue", "origins").stdout, "the origin")


if __name__ == "__main__":
    unittest.main()
