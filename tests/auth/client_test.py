"""Who the client is by DNS: its confirmed reverse name, and what blocklists say of its address.

usage: AUTH_TOOL=... client_test.py
"""

import os
import subprocess
import tempfile
import time
import unittest

import nameservers
from material import mail
from tool import check

LISTED = nameservers.txt("Listed for \x01 sending spam \xe4; see https://bl.test/")

ZONES = {
    "2.0.192.in-addr.arpa": [
        ("1", "PTR MX.Client.test."), ("2", "PTR other.client.test."), ("3", "PTR nowhere.client.test."),
        ("4", "PTR other.client.test."), ("4", "PTR mx.client.test."), ("4", "PTR two.client.test."),
        ("6", 'PTR odd\\032name.client.test.'), ("7", "PTR single."), ("8", "CNAME 8.sub.client.test."),
    ] + [("9", "PTR n%02d.client.test." % i) for i in range(30)],
    "8.b.d.0.1.0.0.2.ip6.arpa": [("1" + ".0" * 23, "PTR six.client.test."), ("2" + ".0" * 23, "PTR mx.client.test.")],
    "client.test": [
        ("mx", "A 192.0.2.1"), ("mx", "A 198.51.100.7"), ("other", "A 198.51.100.8"), ("two", "A 192.0.2.4"),
        ("six", "AAAA 2001:db8::1"), ("8.sub", "PTR mx8.client.test."), ("mx8", "A 192.0.2.8"),
    ] + [("n%02d" % i, "A 198.51.100.%d" % i) for i in range(30)],
    "single": [("@", "A 192.0.2.7")],
    "bl.test": [
        ("2.0.0.127", "A 127.0.0.2"),
        ("1.2.0.192", "A 127.0.0.2"), ("1.2.0.192", "A 127.0.0.10"), ("1.2.0.192", LISTED),
        ("2.2.0.192", "A 127.0.0.4"),
        ("3.2.0.192", "A 127.255.255.254"), ("3.2.0.192", nameservers.txt("Error: open resolver")),
        ("4.2.0.192", "A 198.51.100.1"),
        ("5.2.0.192", "A 127.255.255.254"), ("5.2.0.192", "A 127.0.0.3"),
        ("1" + ".0" * 23 + ".8.b.d.0.1.0.0.2", "A 127.0.0.2"),
    ] + [("6.2.0.192", "A 127.0.1.%d" % i) for i in range(40)],
    "empty.test": [],
    "second.test": [("1.2.0.192", "A 127.0.0.9")],
}


class ClientName(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nsd = nameservers.Nsd(ZONES)

    @classmethod
    def tearDownClass(cls):
        cls.nsd.close()

    def iprev(self, ip, **options):
        r = check(self.nsd.port, mail(), ip=ip, environment={"REVERSE_NAME": "1"}, **options)
        return next(part for part in r.results.split("; ") if part.startswith("iprev="))

    def test_confirmed(self):
        self.assertEqual(self.iprev("192.0.2.1"), "iprev=pass (mx.client.test) policy.iprev=192.0.2.1")

    def test_confirmed_by_ipv6(self):
        self.assertEqual(self.iprev("2001:db8::1"),
                         'iprev=pass (six.client.test) policy.iprev="2001:db8::1"')

    def test_mapped_ipv4_is_ipv4(self):
        self.assertTrue(self.iprev("::ffff:192.0.2.1").startswith("iprev=pass (mx.client.test)"))

    def test_name_of_another_address(self):
        for ip in ("192.0.2.2", "2001:db8::2"):
            self.assertTrue(self.iprev(ip).startswith("iprev=fail (the name does not have the address)"))

    def test_name_that_does_not_exist(self):
        self.assertTrue(self.iprev("192.0.2.3").startswith("iprev=fail"))

    def test_no_name(self):
        self.assertTrue(self.iprev("192.0.2.5").startswith("iprev=permerror (the address has no name)"))

    def test_the_name_of_several_that_confirms(self):
        self.assertTrue(self.iprev("192.0.2.4").startswith("iprev=pass (two.client.test)"))

    def test_what_is_no_host_name(self):
        for ip in ("192.0.2.6", "192.0.2.7"):
            self.assertTrue(self.iprev(ip).startswith("iprev=fail"), ip)

    def test_classless_delegation_by_cname(self):
        self.assertTrue(self.iprev("192.0.2.8").startswith("iprev=pass (mx8.client.test)"))

    def test_off(self):
        self.assertNotIn("iprev", check(self.nsd.port, mail(), ip="192.0.2.1").results)

    def test_without_the_other_checks(self):
        self.assertTrue(self.iprev("192.0.2.1", off=("SPF", "DKIM", "DMARC")).startswith("iprev=pass"))

    def test_no_more_than_ten_names_are_asked_for(self):
        names = ["n%02d.client.test" % i for i in range(30)]

        def answer(name, kind):
            if kind == 12:
                return [(12, b"".join(bytes([len(part)]) + part.encode() for part in (each + ".").split(".")))
                        for each in names]
            return [(1, bytes([198, 51, 100, 1]))] if name in names else 3
        server = nameservers.FaultyServer(answer)
        self.addCleanup(server.close)
        r = check(server.port, mail(), ip="192.0.2.9", environment={"REVERSE_NAME": "1"})
        self.assertIn("iprev=fail", r.results)
        self.assertEqual(len([name for name, kind in server.questions if name in names]), 10)

    def test_dns_that_fails(self):
        for broken in (12, 1):
            def answer(name, kind, broken=broken):
                if kind == broken and (kind == 12 or name == "mx.test"):
                    return 2
                return [(12, b"\2mx\4test\0")] if kind == 12 else 3
            server = nameservers.FaultyServer(answer)
            self.addCleanup(server.close)
            r = check(server.port, mail(), environment={"REVERSE_NAME": "1"})
            self.assertIn("iprev=temperror (DNS look-up of the %s failed)" %
                          {12: "address", 1: "name"}[broken], r.results)

    def test_silence_ends_with_the_time_limit(self):
        server = nameservers.FaultyServer(lambda name, kind: None if kind == 12 else 3)
        self.addCleanup(server.close)
        start = time.monotonic()
        r = check(server.port, mail(), environment={"REVERSE_NAME": "1"}, limit_ms=200)
        self.assertIn("iprev=temperror", r.results)
        self.assertLess(time.monotonic() - start, 60)


class Blocklists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nsd = nameservers.Nsd(ZONES)

    @classmethod
    def tearDownClass(cls):
        cls.nsd.close()

    def lists(self, ip, zones="bl.test", port=None, **options):
        r = check(port or self.nsd.port, mail(), ip=ip, environment={"DNSBL": zones}, **options)
        self.reply = next((line[6:] for line in r.more if line.startswith("reply ")), None)
        return [line[6:] for line in r.more if line.startswith("dnsbl ")]

    def test_listed_with_codes_and_reason(self):
        line, = self.lists("192.0.2.1")
        head, reason, error = line.split("|")
        self.assertEqual(sorted(head.split()), ["127.0.0.10", "127.0.0.2", "bl.test", "listed"])
        self.assertEqual(reason, "Listed for ? sending spam ??; see https://bl.test/")
        self.assertEqual(error, "")
        self.assertIsNone(self.reply)

    def test_listed_without_reason(self):
        self.assertEqual(self.lists("192.0.2.2"), ["bl.test listed 127.0.0.4||"])

    def test_not_listed(self):
        self.assertEqual(self.lists("192.0.2.99"), ["bl.test not-listed||"])

    def test_ipv6(self):
        self.assertEqual(self.lists("2001:db8::1"), ["bl.test listed 127.0.0.2||"])
        self.assertEqual(self.lists("2001:db8::2"), ["bl.test not-listed||"])

    def test_error_codes_are_no_listing(self):
        self.assertEqual(self.lists("192.0.2.3", "!bl.test"), [
            "bl.test not-listed||the list refuses to answer: 127.255.255.254"])
        self.assertIsNone(self.reply)
        self.assertEqual(self.lists("192.0.2.5"), ["bl.test listed 127.0.0.3||"])

    def test_addresses_of_others_are_no_listing(self):
        self.assertEqual(self.lists("192.0.2.4", "!bl.test"), [
            "bl.test not-listed||the answer 198.51.100.1 is not one of a blocklist"])
        self.assertIsNone(self.reply)

    def test_no_more_than_sixteen_codes_are_told(self):
        line, = self.lists("192.0.2.6")
        self.assertEqual(len(line.split("|")[0].split()), 2 + 16)

    def test_several_in_order_and_the_refusing_one_is_named(self):
        self.assertEqual(self.lists("192.0.2.1", "empty.test !second.test"), [
            "empty.test not-listed||", "second.test listed 127.0.0.9||"])
        self.assertEqual(self.reply, "550 5.7.1 Your address 192.0.2.1 is listed by second.test")
        self.lists("192.0.2.1", "!bl.test")
        self.assertEqual(self.reply, "550 5.7.1 Your address 192.0.2.1 is listed by bl.test: "
                                     "Listed for ? sending spam ??; see https://bl.test/")

    def test_a_failure_refuses_nobody(self):
        server = nameservers.FaultyServer(lambda name, kind: 2)
        self.addCleanup(server.close)
        self.assertEqual(self.lists("192.0.2.1", "!bl.test", server.port), [
            "bl.test not-listed||DNS look-up failed"])
        self.assertIsNone(self.reply)

    def test_a_reason_that_fails_is_left_out(self):
        server = nameservers.FaultyServer(
            lambda name, kind: 2 if kind == 16 else [(1, bytes([127, 0, 0, 2]))] if "bl" in name else 3)
        self.addCleanup(server.close)
        self.assertEqual(self.lists("192.0.2.1", "bl.test", server.port), ["bl.test listed 127.0.0.2||"])

    def test_a_silent_list_is_soon_not_asked_any_more(self):
        """Ten messages of ten clients: after three that waited, the others wait no longer."""
        server = nameservers.FaultyServer(lambda name, kind: None if "bl.test" in name else 3)
        self.addCleanup(server.close)
        with tempfile.NamedTemporaryFile() as file:
            file.write(mail())
            file.flush()
            run = subprocess.run([os.environ["AUTH_TOOL"], str(server.port), "100", "192.0.2.1", "helo.test",
                                  "ann@good.test", file.name, "9"], check=True, timeout=90, capture_output=True,
                                 text=True, env=dict(os.environ, DNSBL="bl.test", NO_CACHE="1"))
        self.assertIn('dnsbl zone=bl.test result="no answer: nothing is taken for listed', run.stderr)
        self.assertEqual(run.stderr.count(" dnsbl "), 1, run.stderr)
        # Each question is sent twice at the most (QUERY_TRIES of channel.c).
        asked = [name for name, kind in server.questions if "bl.test" in name]
        self.assertLessEqual(len(asked), 2 * 3, asked)


if __name__ == "__main__":
    unittest.main()
